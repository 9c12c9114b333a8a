// SPDX-License-Identifier: Apache-2.0
// rouse-exec: the root from which instances of runtimes that cannot be forked are started. It stays
// small, so that a fork costs nothing; the child becomes the supervisor of one program.
#include "base/clock.h"
#include "base/mem.h"
#include "runtime/exec/supervise.h"
#include "sandbox/jail.h"
#include "wire/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int say_ready(int fd, int64_t began_us, struct err *err)
{
    CLEAN(wire_message_done) struct wire_message m;
    wire_message_init(&m, WIRE_READY);
    wire_put_ready(&m, &(struct wire_ready){.pid = (uint32_t)getpid(),
                                            .init_us = (uint64_t)(clock_mono_us() - began_us)});
    return wire_send(fd, &m, err);
}

static int say_spawned(int fd, pid_t pid, struct err *err)
{
    CLEAN_MEM char *why = NULL;
    int pid_fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    struct wire_spawned spawned = {.pid = (uint32_t)pid};
    CLEAN(wire_message_done) struct wire_message m;
    wire_message_init(&m, WIRE_SPAWNED);
    if (pid_fd < 0) {
        why = mem_printf("cannot start a process: %s", strerror(errno));
        spawned = (struct wire_spawned){.error = str_of(why)};
    } else {
        m.fds[m.fd_count++] = pid_fd; // closed with the message
    }
    if (pid > 0 && pid_fd < 0) {
        kill(pid, SIGKILL); // nobody could end it later
    }
    wire_put_spawned(&m, &spawned);
    return wire_send(fd, &m, err);
}

static int on_spawn(int fd, int signal_fd, struct wire_message *in, struct err *err)
{
    struct wire_spawn spawn;
    TRY(wire_get_spawn(in, &spawn, err));
    if (spawn.role != WIRE_INSTANCE || in->fd_count != 3) {
        return err_set(err, ERR_PROTOCOL, "programs have no templates");
    }
    pid_t pid = jail_fork(JAIL_INSTANCE);
    if (pid == 0) {
        struct supervised what = {.fd = wire_take_fd(in, 0),
                                  .log_fd = wire_take_fd(in, 1),
                                  .config_fd = wire_take_fd(in, 2),
                                  .function = spawn.function};
        close(fd);
        close(signal_fd);
        supervise(&what);
    }
    return say_spawned(fd, pid, err);
}

static int serve(int fd, int signal_fd, struct err *err)
{
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = signal_fd, .events = POLLIN}};
    struct wire_message in;
    for (int rc = 1; rc >= 0;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            return err_errno(err, ERR_IO, errno, "cannot wait");
        }
        struct signalfd_siginfo info;
        if (fds[1].revents && read(signal_fd, &info, sizeof info) > 0) {
            while (waitpid(-1, NULL, WNOHANG) > 0) {
            }
        }
        if (!fds[0].revents) {
            continue;
        }
        wire_message_init(&in, WIRE_SPAWN);
        rc = wire_recv(fd, &in, err);
        bool over = rc == 0;
        rc = rc > 0 ? on_spawn(fd, signal_fd, &in, err) : rc;
        wire_message_done(&in);
        if (over) {
            return 0;
        }
    }
    return err->code;
}

int main(int argc, char **argv)
{
    int64_t began_us = clock_mono_us();
    uint64_t fd = 0;
    if (argc != 3 || strcmp(argv[1], "--template") != 0 || !str_to_u64(str_of(argv[2]), &fd) ||
        fd > 1 << 20 || fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0) {
        fputs("usage: rouse-exec --template FD (started by rouse serve)\n", stderr);
        return 2;
    }
    signal(SIGINT, SIG_IGN); // of a terminal: it means the server
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_NAME, "rouse:template");
    jail_prepare(JAIL_LANGUAGE);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    struct err err = {0};
    int rc = signal_fd < 0 ? ERR_IO : say_ready((int)fd, began_us, &err);
    rc = rc < 0 ? rc : serve((int)fd, signal_fd, &err);
    if (rc < 0) {
        fprintf(stderr, "rouse-exec: %s\n", err.text);
    }
    return rc < 0 ? 1 : 0;
}
