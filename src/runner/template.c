// SPDX-License-Identifier: Apache-2.0
// The template's loop: SPAWN comes in, a child goes out. The parent answers SPAWNED with the
// child's pidfd; the child reports READY on the socket that came with the SPAWN.
#include "runner/template.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "runner/channel.h"
#include "runner/instance.h"
#include "sandbox/jail.h"
#include "wire/wire.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// What a step of the loop returns beside errors.
enum { GOES_ON = 1, ENDS = 0 }; // ENDS: with the exit status in t->status

// Blocks SIGCHLD and returns a descriptor that tells of it. Children are reaped by the loop, not
// by the kernel: a pid that was just forked must not vanish before its pidfd is opened.
static int watch_children(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void reap_children(int signal_fd)
{
    struct signalfd_siginfo info[16];
    while (read(signal_fd, info, sizeof(info)) > 0) {
    }
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
}

static void set_title(struct str function)
{
    char title[16]; // what the kernel keeps
    snprintf(title, sizeof(title), "rouse:" STR_FMT, STR_ARG(function));
    prctl(PR_SET_NAME, title);
}

static int open_package(struct template *t, const struct wire_spawn *spawn, struct err *err)
{
    struct package_source source = {.function = spawn->function,
                                    .folder = spawn->package,
                                    .prepared = spawn->prepared,
                                    .handler = spawn->handler,
                                    .threads = (int)spawn->threads};
    struct jail jail = {.role = (enum jail_role)spawn->role,
                        .readable = {source.folder, source.prepared},
                        .readable_count = 2,
                        .file_size_max = WIRE_PAYLOAD_MAX}; // answers are anonymous files
    struct jail_report report;
    TRY(jail_enter(&jail, &report, err));
    TRY(package_open(&source, t->engine, &t->engine_err, &t->package, err));
    return spawn->role == WIRE_TEMPLATE ? package_warm(t->package, err) : 0;
}

// The child. It owns `fd` and nothing else that its parent had open.
static int child_serve(struct template *t, const struct wire_spawn *spawn, int fd, int64_t began_us)
{
    channel_block(fd);
    struct err err = {0};
    int rc = 0;
    if (!t->package) {
        set_title(spawn->function);
        rc = open_package(t, spawn, &err);
    }
    if (rc == 0 && spawn->role == WIRE_TEMPLATE) {
        t->fd = fd;
        return template_serve(t, began_us);
    }
    if (rc == 0) {
        rc = jail_compute_only(&err);
    }
    struct err lost = {0};
    if (channel_ready(fd, began_us, rc < 0 ? &err : NULL, &lost) < 0 || rc < 0) {
        return 1;
    }
    return instance_serve(fd, t->package);
}

static int answer_spawned(struct template *t, pid_t pid, const char *error, struct err *err)
{
    CLEAN_FD int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    struct wire_spawned spawned = {.pid = (uint32_t)pid, .error = str_of(error)};
    CLEAN_MEM char *why = NULL;
    if (pid < 0 || (pid > 0 && pidfd < 0)) {
        why = mem_printf("cannot start a process: %s", strerror(errno));
        spawned = (struct wire_spawned){.error = str_of(why)};
    }
    if (pid > 0 && pidfd < 0) {
        kill(pid, SIGKILL); // nobody could end it later
    }
    struct wire_message m;
    wire_message_init(&m, WIRE_SPAWNED);
    if (spawned.pid) {
        m.fds[m.fd_count++] = pidfd;
    }
    wire_put_spawned(&m, &spawned);
    int rc = wire_send(t->fd, &m, err);
    m.fd_count = 0; // borrowed
    wire_message_done(&m);
    return rc;
}

static int on_spawn(struct template *t, struct wire_message *in, int signal_fd, struct err *err)
{
    struct wire_spawn spawn;
    TRY(wire_get_spawn(in, &spawn, err));
    if (spawn.role == WIRE_LIBRARIES) {
        return err_set(err, ERR_PROTOCOL, "models have no libraries");
    }
    if (t->package && spawn.role == WIRE_TEMPLATE) {
        wire_message_done(in);
        TRY(answer_spawned(t, 0, "a function's template makes instances only", err));
        return GOES_ON;
    }
    int64_t began_us = clock_mono_us();
    pid_t pid = fork();
    if (pid == 0) {
        int fd = wire_take_fd(in, 0);
        wire_message_close(in);
        close(t->fd);
        close(signal_fd);
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        t->status = child_serve(t, &spawn, fd, began_us);
        return ENDS;
    }
    TRY(answer_spawned(t, pid, "", err));
    return GOES_ON;
}

static int turn(struct template *t, struct wire_message *in, int signal_fd, struct err *err)
{
    struct pollfd fds[2] = {{.fd = t->fd, .events = POLLIN}, {.fd = signal_fd, .events = POLLIN}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR) {
        return err_errno(err, ERR_IO, errno, "cannot wait");
    }
    if (fds[1].revents) {
        reap_children(signal_fd);
    }
    if (!fds[0].revents) {
        return GOES_ON;
    }
    int got = wire_recv(t->fd, in, err);
    if (got <= 0) {
        t->status = 0;
        return got; // 0, ENDS: the server is gone, which is how a template ends
    }
    return on_spawn(t, in, signal_fd, err);
}

int template_serve(struct template *t, int64_t began_us)
{
    struct err err = {0};
    int signal_fd = watch_children();
    if (signal_fd < 0 || channel_ready(t->fd, began_us, NULL, &err) < 0) {
        return 1;
    }
    struct wire_message in;
    wire_message_init(&in, WIRE_SPAWN);
    int rc = GOES_ON;
    while (rc == GOES_ON) {
        rc = turn(t, &in, signal_fd, &err);
        // A child keeps what it was given, a parent must not: the last holder's end is its end.
        wire_message_done(&in);
        wire_message_init(&in, WIRE_SPAWN);
    }
    if (rc < 0) {
        log_error("template %d: %s", (int)getpid(), err.text);
        return 1;
    }
    return t->status;
}
