// SPDX-License-Identifier: Apache-2.0
// The life of an instance that runs somebody's program. Reads top to bottom as it happens.
#include "runtime/exec/supervise.h"
#include "base/buf.h"
#include "runtime/exec/plan.h"
#include "sandbox/jail.h"
#include "wire/wire.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNTIME_PORT 9001 // as Lambda
#define EXTENSIONS   "/opt/extensions"
#define NAME_SIZE    256

struct instance {
    int fd;
    int api_fd; // listens for the Runtime API
    char api[32];
    struct plan plan;
    pid_t program; // 0: it has ended
    struct {
        char name[NAME_SIZE];
        pid_t pid; // 0: it has ended
    } extensions[WIRE_EXTENSIONS_MAX];
    uint32_t extension_count, extensions_left;
    bool stopping;
};

// ---- telling the server ----

static void send_walls(int fd, const struct jail_report *report)
{
    char missing[256];
    struct err err = {0};
    CLEAN(wire_message_done) struct wire_message m;
    wire_message_init(&m, WIRE_WALLS);
    jail_names(report->missing, missing, sizeof missing);
    wire_put_walls(&m, &(struct wire_walls){str_of(missing), str_of(report->why)});
    if (report->listen_fd >= 0) {
        m.fds[m.fd_count++] = report->listen_fd; // closed with the message
    }
    (void)!wire_send(fd, &m, &err);
}

static void send_runtime(struct instance *it)
{
    struct err err = {0};
    CLEAN(wire_message_done) struct wire_message m;
    wire_message_init(&m, WIRE_RUNTIME);
    struct wire_runtime runtime = {.extension_count = it->extension_count};
    for (uint32_t i = 0; i < it->extension_count; i++) {
        runtime.extensions[i] = str_of(it->extensions[i].name);
    }
    wire_put_runtime(&m, &runtime);
    m.fds[m.fd_count++] = it->api_fd;
    it->api_fd = -1;
    (void)!wire_send(it->fd, &m, &err);
}

static void send_exit(struct instance *it, const struct wire_exit *how)
{
    struct err err = {0};
    CLEAN(wire_message_done) struct wire_message m;
    wire_message_init(&m, WIRE_EXIT);
    wire_put_exit(&m, how);
    (void)!wire_send(it->fd, &m, &err);
}

static _Noreturn void end(struct instance *it, const struct wire_exit *how)
{
    send_exit(it, how);
    _exit(0); // process 1 of a pid namespace: the others are killed with it
}

static _Noreturn void fail(struct instance *it, const char *type, const char *message)
{
    end(it,
        &(struct wire_exit){.status = 1 << 8, .type = str_of(type), .message = str_of(message)});
}

// ---- the Runtime API's place ----

static int listen_at(uint32_t address, int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(address)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && (bind(fd, (const struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 64) < 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

// In the host's network others could connect, too: an address out of 16 million and a port that the
// system chooses are not to be found by trying.
static int listen_on_host(struct instance *it)
{
    uint32_t chance = 0;
    struct sockaddr_in at = {0};
    socklen_t size = sizeof at;
    (void)!getrandom(&chance, sizeof chance, 0);
    uint32_t address = 127u << 24 | ((chance % 0xfffffdu) + 2);
    it->api_fd = listen_at(address, 0);
    if (it->api_fd < 0 || getsockname(it->api_fd, (struct sockaddr *)&at, &size) < 0) {
        return -1;
    }
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &at.sin_addr, text, sizeof text);
    snprintf(it->api, sizeof it->api, "%s:%d", text, ntohs(at.sin_port));
    return ntohs(at.sin_port);
}

static void listen_inside(struct instance *it)
{
    close(it->api_fd);
    it->api_fd = listen_at(INADDR_LOOPBACK, RUNTIME_PORT);
    snprintf(it->api, sizeof it->api, "127.0.0.1:%d", RUNTIME_PORT);
}

// ---- programs ----

static const char *go_error(int error) // as Lambda words it
{
    switch (error) {
    case EACCES: return "permission denied";
    case ENOEXEC: return "exec format error";
    case ENOENT: return "no such file or directory";
    default: return strerror(error);
    }
}

static _Noreturn void child_exec(char *const argv[], char **env, const char *folder, int tell)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    setpgid(0, 0);
    if (*folder && chdir(folder) < 0) {
        // It starts where we are.
    }
    execve(argv[0], argv, env);
    int error = errno;
    (void)!write(tell, &error, sizeof error);
    _exit(127);
}

// 0 and the pid, or errno of what failed.
static int program_start(struct plan *plan, char *const argv[], const char *folder, pid_t *ret)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return errno;
    }
    *ret = fork();
    if (*ret == 0) {
        child_exec(argv, plan->env, folder, ends[1]);
    }
    int error = *ret < 0 ? errno : 0;
    close(ends[1]);
    if (*ret > 0 && read(ends[0], &error, sizeof error) != sizeof error) {
        error = 0; // closed by the exec
    }
    close(ends[0]);
    return error;
}

static bool executable(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static void extensions_find(struct instance *it)
{
    DIR *dir = opendir(EXTENSIONS);
    for (struct dirent *e;
         dir && (e = readdir(dir)) && it->extension_count < WIRE_EXTENSIONS_MAX;) {
        char path[NAME_SIZE + sizeof EXTENSIONS + 2];
        snprintf(path, sizeof path, EXTENSIONS "/%s", e->d_name);
        if (executable(path)) {
            snprintf(it->extensions[it->extension_count++].name, NAME_SIZE, "%s", e->d_name);
        }
    }
    if (dir) {
        closedir(dir);
    }
}

static void extensions_start(struct instance *it)
{
    for (uint32_t i = 0; i < it->extension_count; i++) {
        CLEAN_MEM char *path = mem_printf(EXTENSIONS "/%s", it->extensions[i].name);
        char *argv[] = {path, NULL};
        int error = program_start(&it->plan, argv, "/opt", &it->extensions[i].pid);
        if (error) {
            CLEAN_MEM char *text = mem_printf("fork/exec %s: %s", path, go_error(error));
            fail(it, "Extension.LaunchError", text);
        }
        it->extensions_left++;
    }
}

// AWS_LAMBDA_EXEC_WRAPPER: a script that is given the command line of the runtime. Not for those that
// bring their own.
static void runtime_start(struct instance *it, bool own_bootstrap)
{
    const char *wrapper = plan_get(&it->plan, "AWS_LAMBDA_EXEC_WRAPPER");
    char *argv[PLAN_ARGV_MAX + 2] = {NULL};
    size_t count = 0;
    CLEAN_MEM char *first = mem_dup(wrapper);
    if (*wrapper && !own_bootstrap) {
        argv[count++] = first;
    }
    for (size_t i = 0; it->plan.argv[i]; i++) {
        argv[count++] = it->plan.argv[i];
    }
    int error =
        program_start(&it->plan, argv, plan_get(&it->plan, "LAMBDA_TASK_ROOT"), &it->program);
    if (error) {
        CLEAN_MEM char *text = mem_printf("fork/exec %s: %s", argv[0], go_error(error));
        fail(it, "Runtime.InvalidEntrypoint", text);
    }
}

// ---- watching over them ----

// Extensions outlive the program for a moment, to say what they have to say.
static void program_ended(struct instance *it, int status, const struct rusage *used)
{
    struct wire_exit how = {.status = (uint32_t)status, .memory_max_kb = (uint64_t)used->ru_maxrss};
    it->program = 0;
    if (it->extensions_left == 0) {
        end(it, &how);
    }
    send_exit(it, &how);
}

static void extension_ended(struct instance *it, int status)
{
    char text[64];
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    it->extensions_left--;
    if (!it->stopping && it->program) {
        snprintf(text, sizeof text,
                 code == 0  ? "exit code 0"
                 : code > 0 ? "exit status %d"
                            : "signal: %d",
                 code > 0 ? code : WTERMSIG(status));
        fail(it, "Extension.Crash", text);
    }
    if (!it->program && it->extensions_left == 0) {
        _exit(0);
    }
}

static void reap(struct instance *it)
{
    struct rusage used;
    int status = 0;
    for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &used)) > 0;) {
        if (pid == it->program) {
            program_ended(it, status, &used);
        }
        for (uint32_t i = 0; i < it->extension_count; i++) {
            if (it->extensions[i].pid == pid) {
                it->extensions[i].pid = 0;
                extension_ended(it, status);
            }
        }
    }
}

// The server says two things: that the program is to stop, and by closing that it is over.
static void channel_read(struct instance *it)
{
    struct err err = {0};
    struct wire_stop stop;
    CLEAN(wire_message_done) struct wire_message m;
    wire_message_init(&m, WIRE_STOP);
    int rc = wire_recv(it->fd, &m, &err);
    if (rc != 1 || wire_get_stop(&m, &stop, &err) < 0) {
        _exit(0);
    }
    it->stopping = true;
    if (it->program) {
        kill(-it->program, stop.at_once ? SIGKILL : SIGTERM);
    }
}

static _Noreturn void watch(struct instance *it, int signal_fd)
{
    struct pollfd fds[] = {{.fd = it->fd, .events = POLLIN}, {.fd = signal_fd, .events = POLLIN}};
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            _exit(1);
        }
        struct signalfd_siginfo info;
        if (fds[1].revents && read(signal_fd, &info, sizeof info) > 0) {
            reap(it);
        }
        if (fds[0].revents) {
            channel_read(it);
        }
    }
}

static int output_to(int log_fd)
{
    int none = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return none < 0 || dup2(none, 0) < 0 || dup2(log_fd, 1) < 0 || dup2(log_fd, 2) < 0 ? -1 : 0;
}

static int signals_watch(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_SETMASK, &set, NULL);
    signal(SIGCHLD, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

_Noreturn void supervise(const struct supervised *what)
{
    struct instance it = {.fd = what->fd, .api_fd = -1};
    struct err err = {0};
    struct jail_report report = {.listen_fd = -1};
    char title[16];
    snprintf(title, sizeof title, "rouse:" STR_FMT, STR_ARG(what->function));
    prctl(PR_SET_NAME, title);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); // where there is no pid namespace
    int signal_fd = signals_watch();
    if (signal_fd < 0 || output_to(what->log_fd) < 0 ||
        plan_read(what->config_fd, &it.plan, &err) < 0) {
        fail(&it, "Runtime.Unknown", err.code ? err.text : strerror(errno));
    }
    close(what->config_fd);
    close(what->log_fd);
    bool own_bootstrap = !it.plan.argv[0];
    it.plan.jail.runtime_port = listen_on_host(&it);
    if (it.plan.jail.runtime_port < 0 || jail_enter(&it.plan.jail, &report, &err) < 0) {
        fail(&it, "Runtime.Unknown", err.code ? err.text : strerror(errno));
    }
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); // the channel is not the function's to find
    if (report.listen_fd >= 0) {
        listen_inside(&it);
    }
    send_walls(it.fd, &report);
    plan_set(&it.plan, "AWS_LAMBDA_RUNTIME_API", it.api);
    if (plan_settle(&it.plan, report.root, &err) < 0) {
        fail(&it, "Runtime.InvalidEntrypoint", err.text);
    }
    extensions_find(&it);
    send_runtime(&it);
    extensions_start(&it);
    runtime_start(&it, own_bootstrap);
    watch(&it, signal_fd);
}
