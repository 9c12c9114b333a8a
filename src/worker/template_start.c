// SPDX-License-Identifier: Apache-2.0
// How processes of functions begin: roots are executed, all else is asked of a template, on its control
// socket, with a configuration and a log of its own.
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "sandbox/cgroup.h"
#include "worker/spawn_config.h"
#include "worker/template_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define CONFIG_MAX (64 * 1024)

// ── programs ──

static int pair_new(int pair[2], struct err *err)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
        return err_errno(err, ERR_IO, errno, "cannot make a socket pair");
    }
    fcntl(pair[1], F_SETFL, fcntl(pair[1], F_GETFL) & ~O_NONBLOCK); // theirs blocks
    return 0;
}

static void child_free(struct child *child)
{
    loop_unwatch(child->owner->loop, &child->watch);
    cgroup_free(child->group);
    close(child->watch.fd);
    list_remove(&child->link);
    free(child);
}

static void child_ended(struct watch *watch, uint32_t events)
{
    (void)events;
    struct child *child = CONTAINER_OF(watch, struct child, watch);
    siginfo_t info;
    waitid(P_PIDFD, (id_t)watch->fd, &info, WEXITED | WNOHANG);
    child_free(child);
}

static int child_watch(struct templates *owner, int pid_fd, struct cgroup *group, struct list *list,
                       struct err *err)
{
    struct child *child = NEW(struct child);
    child->owner = owner;
    child->group = group;
    child->watch = (struct watch){.fd = pid_fd, .on_ready = child_ended};
    list_push_back(list, &child->link);
    return loop_watch(owner->loop, &child->watch, EPOLLIN, err);
}

static int root_watch(struct templates *owner, pid_t pid, struct err *err)
{
    int fd = pidfd_open(pid, 0);
    return fd < 0 ? err_errno(err, ERR_IO, errno, "cannot watch process %d", (int)pid)
                  : child_watch(owner, fd, NULL, &owner->children, err);
}

void template_leave(struct template *t)
{
    struct templates *owner = t->owner;
    if (t->pid_fd < 0) {
        cgroup_free(t->group);
        return;
    }
    if (!t->ready) { // it may never come to read that it is to end
        pidfd_send_signal(t->pid_fd, SIGKILL, NULL, 0);
    }
    int count = 0;
    LIST_EACH(child, &owner->leaving, struct child, link)
    {
        count++;
    }
    if (count >= owner->options.functions_max) {
        int oldest = LIST_FIRST(&owner->leaving, struct child, link)->watch.fd;
        pidfd_send_signal(oldest, SIGKILL, NULL, 0);
    }
    struct err err = {0};
    if (child_watch(owner, t->pid_fd, t->group, &owner->leaving, &err) < 0) {
        log_warn("a template is not waited for: %s", err.text);
    }
}

// What a runtime is started with can be read by every function that runs in it, so the server's own
// environment stays here but for these.
static char **environment_new(char *jail, char *walls)
{
    static const char *const kept[] = {"PATH=",
                                       "HOME=",
                                       "LANG=",
                                       "LC_ALL=",
                                       "TZ=",
                                       "GLIBC_TUNABLES=",
                                       "LD_LIBRARY_PATH=",
                                       "ROUSE_ONNXRUNTIME=",
                                       "ROUSE_SANDBOX=",
                                       "PYTHONHOME=",
                                       "VIRTUAL_ENV=",
                                       "ASAN_OPTIONS=",
                                       "LSAN_OPTIONS=",
                                       "UBSAN_OPTIONS=",
                                       "TSAN_OPTIONS="};
    char **env = mem_alloc((ARRAY_SIZE(kept) + 3) * sizeof *env);
    size_t count = 0;
    if (walls) { // first, so that it hides the server's own
        env[count++] = walls;
    }
    if (jail) {
        env[count++] = jail;
    }
    for (char **at = environ; *at; at++) {
        for (size_t i = 0; i < ARRAY_SIZE(kept) && count <= ARRAY_SIZE(kept) + 1; i++) {
            if (str_starts(str_of(*at), str_of(kept[i]))) {
                env[count++] = *at;
            }
        }
    }
    return env;
}

// The process gets the socket as descriptor 3, a clean signal state and a session of its own, so
// that the terminal's interrupt reaches the server alone.
static int program_run(const struct templates *owner, char *const argv[], int fd, pid_t *ret,
                       struct err *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, fd, 3);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    CLEAN_MEM char *library = NULL;
    struct err absent = {0};
    (void)!runtime_file("librouse-jail.so", &library, &absent); // without: no walls, and told
    CLEAN_MEM char *jail = library ? mem_printf("ROUSE_JAIL=%s", library) : NULL;
    CLEAN_MEM void *env = environment_new(jail, owner->walls);
    int rc = posix_spawn(ret, argv[0], &actions, &attributes, argv, env);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return rc ? err_errno(err, ERR_IO, rc, "cannot run %s", argv[0]) : 0;
}

static int root_start(struct templates *owner, const struct runtime_program *program,
                      struct template **ret, struct err *err)
{
    int pair[2];
    TRY(pair_new(pair, err));
    char *argv[RUNTIME_ARGS_MAX + 2] = {NULL};
    size_t count = 1;
    argv[0] = program->argv[0] ? program->argv[0] : owner->runner;
    for (; count < RUNTIME_ARGS_MAX && program->argv[count]; count++) {
        argv[count] = program->argv[count];
    }
    char number[] = "3";
    argv[count] = number;
    pid_t pid = 0;
    int rc = program_run(owner, argv, pair[1], &pid, err);
    close(pair[1]);
    if (rc < 0) {
        close(pair[0]);
        return rc;
    }
    struct template *t = template_new(owner, TEMPLATE_ROOT, NULL, program->key);
    t->watch.fd = pair[0];
    t->pid = pid;
    rc = root_watch(owner, pid, err);
    rc = rc < 0 ? rc : loop_watch(owner->loop, &t->watch, EPOLLIN, err);
    if (rc < 0) {
        template_free(t);
        return rc;
    }
    if (program->notice) {
        log_notice("%s", program->notice);
    }
    *ret = t;
    return 0;
}

int template_root(struct templates *owner, const struct runtime_program *program,
                  struct template **ret, struct err *err)
{
    *ret = map_get(&owner->at[TEMPLATE_ROOT], str_of(program->key));
    return *ret ? 0 : root_start(owner, program, ret, err);
}

// ── forks ──

// Appended to by the runtime, taken and cut by us: nobody waits for a reader, nothing is lost when
// the process dies.
static int log_file(struct err *err)
{
    int fd = memfd_create("log", MFD_CLOEXEC);
    if (fd < 0 || fcntl(fd, F_SETFL, O_APPEND) < 0) {
        fd_clean(&fd);
        return err_errno(err, ERR_IO, errno, "cannot make a log file");
    }
    return fd;
}

static void config_write(const struct templates *owner, const struct function *f,
                         const struct runtime_program *program, struct spawn_identity *identity,
                         struct buf *out)
{
    identity->region = owner->region;
    identity->endpoint = owner->endpoint;
    identity->grouped = owner->options.cgroups != NULL;
    if (owner->options.identify) {
        owner->options.identify(owner->options.ctx, f, identity);
    }
    spawn_config_write(out, f, program, identity);
}

void templates_config(struct templates *owner, const struct function *f, const struct spawn *spawn,
                      struct buf *out)
{
    struct spawn_identity identity = {.provisioned = spawn->provisioned};
    config_write(owner, f, /* program */ NULL, &identity, out);
}

int64_t templates_idle_us(const struct templates *owner)
{
    return owner->options.idle_us;
}

static int config_file(const struct templates *owner, const struct template_order *order,
                       struct err *err)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(CONFIG_MAX);
    struct spawn_identity identity = {.stock = order->spawn && order->spawn->stock,
                                      .provisioned = order->spawn && order->spawn->provisioned,
                                      .learn = order->learn};
    if (order->role != WIRE_LIBRARIES) {
        config_write(owner, order->f, order->program, &identity, &text);
    }
    return wire_memfd("config", text.size ? buf_str(&text) : order->libraries, err);
}

static void spawn_write(struct wire_message *m, const struct template_order *order)
{
    const struct function *f = order->f;
    const char *fallback = order->program->config ? "" : "model.yaml";
    struct wire_spawn spawn = {
        .role = order->role,
        .function = order->role == WIRE_LIBRARIES ? STR("libraries") : str_of(f->name),
        .package = str_of(f->package),
        .prepared = str_of(f->prepared ? f->prepared : ""),
        .handler = str_of(f->handler && *f->handler ? f->handler : fallback),
        .memory_mb = f->memory_mb,
        .threads = 1,
    };
    wire_put_spawn(m, &spawn);
}

static void spawning_add(struct template *from, const struct template_order *order)
{
    struct spawning *s = NEW(struct spawning);
    s->spawn = order->spawn;
    if (order->made) {
        s->made = mem_dup(order->made->key);
        s->level = order->made->level;
    }
    if (order->spawn) {
        order->spawn->pending = s;
    }
    list_push_back(&from->spawnings, &s->link);
    template_used(from);
}

int template_ask(struct template *from, const struct template_order *order, int *ret_fd,
                 int *ret_log_fd, struct err *err)
{
    bool config = order->program->config;
    CLEAN_FD int log_fd = config ? log_file(err) : -1;
    CLEAN_FD int config_fd = log_fd >= 0 ? config_file(from->owner, order, err) : -1;
    if (config && (log_fd < 0 || config_fd < 0)) {
        return err->code;
    }
    int pair[2];
    TRY(pair_new(pair, err));
    CLEAN(wire_message_done) struct wire_message m;
    wire_message_init(&m, WIRE_SPAWN);
    spawn_write(&m, order);
    m.fds[m.fd_count++] = pair[1]; // closed with the message
    if (config) {
        m.fds[m.fd_count++] = fcntl(log_fd, F_DUPFD_CLOEXEC, 0);
        m.fds[m.fd_count++] = config_fd;
        config_fd = -1;
    }
    int rc = wire_send(from->watch.fd, &m, err);
    if (rc < 0) {
        close(pair[0]);
        return rc;
    }
    spawning_add(from, order);
    *ret_fd = pair[0];
    *ret_log_fd = log_fd;
    log_fd = -1;
    return 0;
}

void template_children_forget(struct templates *owner)
{
    struct list *const lists[] = {&owner->children, &owner->leaving};
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        LIST_EACH(child, lists[i], struct child, link)
        {
            child_free(child);
        }
    }
}
