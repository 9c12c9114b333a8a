// SPDX-License-Identifier: Apache-2.0
// Templates as the server sees them: a control socket each, on which forks are asked for and
// answered in order.
#include "worker/template.h"
#include "base/check.h"
#include "base/log.h"
#include "base/map.h"
#include "sandbox/cgroup.h"
#include "wire/wire.h"
#include "worker/runtime.h"
#include "worker/spawn_config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define CONFIG_MAX (64 * 1024)

// What was asked of a template and is not answered yet; answers come in order.
struct spawning {
    struct spawn *spawn; // NULL when nobody waits (any more)
    char *made;          // a template, by its key in owner->functions; NULL: an instance
    struct list link;
};

struct template
{
    struct templates *owner;
    struct function *function; // a reference; NULL: the root of a runtime
    char *key;                 // in owner->roots or owner->functions
    struct watch watch;        // its control socket
    bool ready;                // it has loaded; before, whoever forks from it would wait for that
    struct list spawnings;
    struct timer idle;
    int64_t born_us, used_us;
    struct doorway doorway; // of its code, while it is loaded
    struct cgroup *group;   // or NULL
};

// A process of our own making, waited for so that it does not stay as a zombie. (Instances and
// functions' templates are children of templates, which do that.)
struct child {
    struct templates *owner;
    struct watch watch; // its pidfd, readable when it has ended
    struct list link;
};

struct templates {
    struct loop *loop;
    struct template_options options;
    char *runner, *region, *endpoint;
    struct map roots;      // struct template by runtime_program.key
    struct map functions;  // by revision
    struct map unforkable; // revisions whose processes cannot be forked once loaded
    struct list children;
    bool walls_told;
};

// ── life ──

static struct map *map_of(struct template *t)
{
    return t->function ? &t->owner->functions : &t->owner->roots;
}

// Closing its socket ends the process; whoever it was asked for sees its own socket closed.
static void template_free(struct template *t)
{
    loop_unwatch(t->owner->loop, &t->watch);
    timer_stop(t->owner->loop, &t->idle);
    fd_clean(&t->watch.fd);
    doorway_close(&t->doorway);
    cgroup_free(t->group);
    LIST_EACH(s, &t->spawnings, struct spawning, link)
    {
        if (s->spawn) {
            s->spawn->pending = NULL;
        }
        free(s->made);
        free(s);
    }
    if (map_get(map_of(t), str_of(t->key)) == t) {
        map_remove(map_of(t), str_of(t->key));
    }
    function_unref(t->function);
    free(t->key);
    free(t);
}

static void idle_due(struct timer *timer)
{
    struct template *t = CONTAINER_OF(timer, struct template, idle);
    bool needed = !t->function && t->owner->functions.count > 0;
    if (needed) {
        timer_start(t->owner->loop, &t->idle, t->owner->options.idle_us);
    } else {
        template_free(t);
    }
}

static void template_used(struct template *t)
{
    t->used_us = loop_now_us(t->owner->loop);
    timer_start(t->owner->loop, &t->idle, t->owner->options.idle_us);
}

static void template_readable(struct watch *watch, uint32_t events);

static struct template *template_new(struct templates *owner, struct function *function,
                                     const char *key)
{
    struct template *t = NEW(struct template);
    t->owner = owner;
    t->function = function ? function_ref(function) : NULL;
    t->key = mem_dup(key);
    t->watch = (struct watch){.fd = -1, .on_ready = template_readable};
    t->idle.on_due = idle_due;
    list_init(&t->spawnings);
    map_put(map_of(t), str_of(key), t);
    template_used(t);
    t->born_us = t->used_us;
    return t;
}

// ── the way to the endpoint ──

static void doorway_ready(struct watch *watch, uint32_t events)
{
    struct doorway *doorway = CONTAINER_OF(watch, struct doorway, watch);
    const struct template_options *options = &doorway->templates->options;
    int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0 && options->adopt) {
        options->adopt(options->ctx, fd, &doorway->data);
    } else if (fd >= 0) {
        close(fd);
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        log_warn("a function cannot reach the endpoint any more: %s", strerror(errno));
        doorway_close(doorway);
    }
    (void)events;
}

int doorway_open(struct doorway *doorway, struct templates *owner, struct wire_message *m,
                 struct err *err)
{
    struct wire_walls walls = {0};
    TRY(wire_get_walls(m, &walls, err));
    if (walls.missing.size && !owner->walls_told) {
        owner->walls_told = true;
        log_warn("functions run without these walls: " STR_FMT " (" STR_FMT ")",
                 STR_ARG(walls.missing), STR_ARG(walls.why));
    }
    int fd = wire_take_fd(m, 0);
    if (fd < 0 || doorway->watch.added) {
        fd_clean(&fd);
        return 0;
    }
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    doorway->templates = owner;
    doorway->watch = (struct watch){.fd = fd, .on_ready = doorway_ready};
    return loop_watch(owner->loop, &doorway->watch, EPOLLIN, err);
}

void doorway_close(struct doorway *doorway)
{
    if (doorway->watch.added) {
        const struct template_options *options = &doorway->templates->options;
        loop_unwatch(doorway->templates->loop, &doorway->watch);
        close(doorway->watch.fd);
        if (doorway->data && options->leave) {
            options->leave(options->ctx, doorway->data);
        }
        doorway->data = NULL;
    }
}

struct cgroup *templates_group(struct templates *owner, const struct function *f, int pid)
{
    bool model =
        strcmp(f->runtime, "onnx") == 0; // what it needs is the engine's, and it forks nothing
    return model ? NULL : cgroup_new(owner->options.cgroups, pid, (uint64_t)f->memory_mb << 20);
}

// ── what a template says ──

static const char *name_of(const struct template *t)
{
    return t->function ? t->function->name : t->key;
}

// As we count: a template in a pid namespace of its own counts otherwise, and could say anything.
static int pid_of(int pid_fd)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pid_fd);
    CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct str rest = {text, fd < 0 ? 0 : (size_t)read(fd, text, sizeof text - 1)};
    while (rest.at && rest.size < sizeof text) {
        struct str line = str_cut(&rest, '\n');
        int64_t pid = 0;
        if (str_starts(line, STR("Pid:")) && str_to_i64(str_trim(str_skip(line, 4)), &pid)) {
            return (int)pid;
        }
    }
    return 0;
}

static int spawned_take(struct template *t, struct wire_message *m, struct err *err)
{
    struct wire_spawned spawned = {0};
    TRY(wire_get_spawned(m, &spawned, err));
    struct spawning *s = LIST_FIRST(&t->spawnings, struct spawning, link);
    if (!s) {
        return err_set(err, ERR_PROTOCOL, "it spawned what nobody asked for");
    }
    list_remove(&s->link);
    struct spawn *spawn = s->spawn;
    CLEAN_MEM char *key = s->made;
    free(s);
    CLEAN_FD int pid_fd = wire_take_fd(m, 0);
    struct template *made = key ? map_get(&t->owner->functions, str_of(key)) : NULL;
    if (made && spawned.pid && !made->group) {
        made->group = templates_group(t->owner, made->function, pid_of(pid_fd));
    }
    if (spawn) {
        spawn->pending = NULL;
        int given = pid_fd;
        pid_fd = -1;
        spawn->on_spawned(spawn, spawned.pid ? pid_of(given) : 0, given, spawned.error);
    } else if (!made && pid_fd >= 0) { // given up meanwhile; it may not be able to see that
        pidfd_send_signal(pid_fd, SIGKILL, NULL, 0);
    }
    return 0;
}

static int message_take(struct template *t, struct wire_message *m, struct err *err)
{
    struct wire_ready ready = {0};
    if (m->kind == WIRE_SPAWNED) {
        return spawned_take(t, m, err);
    }
    if (m->kind == WIRE_WALLS && t->function) {
        return doorway_open(&t->doorway, t->owner, m, err);
    }
    TRY(wire_get_ready(m, &ready, err));
    t->ready = !ready.error;
    if (t->function && str_eq(ready.error_type, STR("Rouse.CannotFork"))) {
        map_put(&t->owner->unforkable, str_of(t->key), t->owner);
    }
    if (ready.error) {
        log_notice("%s: " STR_FMT ": " STR_FMT, name_of(t), STR_ARG(ready.error_type),
                   STR_ARG(ready.error_message));
    }
    return 0;
}

static void template_readable(struct watch *watch, uint32_t events)
{
    (void)events;
    struct template *t = CONTAINER_OF(watch, struct template, watch);
    CLEAN(wire_message_done) struct wire_message m;
    wire_message_init(&m, WIRE_READY);
    struct err err = {0};
    int rc = wire_recv(watch->fd, &m, &err);
    if (rc == ERR_BUSY) {
        return;
    }
    rc = rc == 1 ? message_take(t, &m, &err) : rc == 0 ? ERR_LOST : rc;
    if (rc < 0) {
        if (err.code) {
            log_warn("the template of %s is given up: %s", name_of(t), err.text);
        }
        template_free(t);
    }
}

// ── starting ──

static int pair_new(int pair[2], struct err *err)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
        return err_errno(err, ERR_IO, errno, "cannot make a socket pair");
    }
    fcntl(pair[1], F_SETFL, fcntl(pair[1], F_GETFL) & ~O_NONBLOCK); // theirs blocks
    return 0;
}

static void child_ended(struct watch *watch, uint32_t events)
{
    (void)events;
    struct child *child = CONTAINER_OF(watch, struct child, watch);
    siginfo_t info;
    waitid(P_PIDFD, (id_t)watch->fd, &info, WEXITED | WNOHANG);
    loop_unwatch(child->owner->loop, watch);
    close(watch->fd);
    list_remove(&child->link);
    free(child);
}

static int child_watch(struct templates *owner, pid_t pid, struct err *err)
{
    int fd = pidfd_open(pid, 0);
    if (fd < 0) {
        return err_errno(err, ERR_IO, errno, "cannot watch process %d", (int)pid);
    }
    struct child *child = NEW(struct child);
    child->owner = owner;
    child->watch = (struct watch){.fd = fd, .on_ready = child_ended};
    list_push_back(&owner->children, &child->link);
    return loop_watch(owner->loop, &child->watch, EPOLLIN, err);
}

// What a runtime is started with can be read by every function that runs in it, so the server's own
// environment stays here but for these.
static char **environment_new(const char *jail)
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
    char **env = mem_alloc((ARRAY_SIZE(kept) + 2) * sizeof *env);
    size_t count = 0;
    if (jail) {
        env[count++] = (char *)(uintptr_t)jail;
    }
    for (char **at = environ; *at; at++) {
        for (size_t i = 0; i < ARRAY_SIZE(kept) && count <= ARRAY_SIZE(kept); i++) {
            if (str_starts(str_of(*at), str_of(kept[i]))) {
                env[count++] = *at;
            }
        }
    }
    return env;
}

// The process gets the socket as descriptor 3, a clean signal state and a session of its own, so
// that the terminal's interrupt reaches the server alone.
static int program_run(char *const argv[], int fd, pid_t *ret, struct err *err)
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
    CLEAN_MEM void *env = environment_new(jail);
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
    int rc = program_run(argv, pair[1], &pid, err);
    close(pair[1]);
    if (rc < 0) {
        close(pair[0]);
        return rc;
    }
    struct template *t = template_new(owner, NULL, program->key);
    t->watch.fd = pair[0];
    rc = child_watch(owner, pid, err);
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

static int root_of(struct templates *owner, const struct runtime_program *program,
                   struct template **ret, struct err *err)
{
    *ret = map_get(&owner->roots, str_of(program->key));
    return *ret ? 0 : root_start(owner, program, ret, err);
}

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
                         const struct runtime_program *program, bool stock, struct buf *out)
{
    struct spawn_identity identity = {.region = owner->region,
                                      .endpoint = owner->endpoint,
                                      .stock = stock,
                                      .grouped = owner->options.cgroups != NULL};
    if (owner->options.identify) {
        owner->options.identify(owner->options.ctx, f, &identity);
    }
    spawn_config_write(out, f, program, &identity);
}

void templates_config(struct templates *owner, const struct function *f, struct buf *out)
{
    config_write(owner, f, NULL, false, out);
}

int64_t templates_idle_us(const struct templates *owner)
{
    return owner->options.idle_us;
}

static int config_file(const struct templates *owner, const struct function *f,
                       const struct runtime_program *program, bool stock, struct err *err)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(CONFIG_MAX);
    config_write(owner, f, program, stock, &text);
    return wire_memfd("config", buf_str(&text), err);
}

static void spawn_write(struct wire_message *m, enum wire_role role, const struct function *f,
                        bool config)
{
    const char *fallback = config ? "" : "model.yaml";
    struct wire_spawn spawn = {
        .role = role,
        .function = str_of(f->name),
        .package = str_of(f->package),
        .prepared = str_of(f->prepared ? f->prepared : ""),
        .handler = str_of(f->handler && *f->handler ? f->handler : fallback),
        .memory_mb = f->memory_mb,
        .threads = 1,
    };
    wire_put_spawn(m, &spawn);
}

// Sends a SPAWN with one end of a new pair; *ret_fd is the other end.
static int spawn_ask(struct template *from, enum wire_role role, const struct function *f,
                     const struct runtime_program *program, struct spawn *spawn, int *ret_fd,
                     int *ret_log_fd, struct err *err)
{
    bool config = program->config;
    CLEAN_FD int log_fd = config ? log_file(err) : -1;
    CLEAN_FD int config_fd =
        log_fd >= 0 ? config_file(from->owner, f, program, spawn && spawn->stock, err) : -1;
    if (config && (log_fd < 0 || config_fd < 0)) {
        return err->code;
    }
    int pair[2];
    TRY(pair_new(pair, err));
    CLEAN(wire_message_done) struct wire_message m;
    wire_message_init(&m, WIRE_SPAWN);
    spawn_write(&m, role, f, config);
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
    struct spawning *s = NEW(struct spawning);
    s->spawn = spawn;
    s->made = role == WIRE_TEMPLATE ? mem_dup(f->revision) : NULL;
    if (spawn) {
        spawn->pending = s;
    }
    list_push_back(&from->spawnings, &s->link);
    template_used(from);
    *ret_fd = pair[0];
    *ret_log_fd = log_fd;
    log_fd = -1;
    return 0;
}

void spawn_cancel(struct spawn *spawn)
{
    if (spawn->pending) {
        spawn->pending->spawn = NULL;
        spawn->pending = NULL;
    }
}

int templates_spawn(struct templates *owner, struct function *f, struct spawn *spawn,
                    enum tier *ret_tier, int *ret_fd, int *ret_log_fd, struct err *err)
{
    CLEAN(runtime_program_done) struct runtime_program program = {0};
    TRY(runtime_find(f->runtime, &program, err));
    struct template *t = map_get(&owner->functions, str_of(f->revision));
    if (t && loop_now_us(owner->loop) - t->born_us > CREDENTIALS_MS * 1000 / 2) {
        template_free(t); // what it holds of credentials is getting old
        t = NULL;
    }
    if (t && t->ready) {
        *ret_tier = TIER_WARM;
        template_used(t);
    } else {
        TRY(root_of(owner, &program, &t, err));
        *ret_tier = t->ready && program.forks ? TIER_COOL : TIER_COLD;
    }
    return spawn_ask(t, WIRE_INSTANCE, f, &program, spawn, ret_fd, ret_log_fd, err);
}

int templates_make(struct templates *owner, struct function *f, struct err *err)
{
    if (map_get(&owner->functions, str_of(f->revision)) ||
        map_get(&owner->unforkable, str_of(f->revision))) {
        return 0;
    }
    CLEAN(runtime_program_done) struct runtime_program program = {0};
    struct template *root = NULL;
    TRY(runtime_find(f->runtime, &program, err));
    TRY(root_of(owner, &program, &root, err));
    if (!program.forks) {
        return 0;
    }
    if (owner->functions.count >= (size_t)owner->options.functions_max) {
        templates_relieve(owner);
    }
    struct template *t = template_new(owner, f, f->revision);
    CLEAN_FD int log_fd = -1; // what a template prints while it loads is its instances' to print
    int rc = spawn_ask(root, WIRE_TEMPLATE, f, &program, NULL, &t->watch.fd, &log_fd, err);
    rc = rc < 0 ? rc : loop_watch(owner->loop, &t->watch, EPOLLIN, err);
    if (rc < 0) {
        template_free(t);
    }
    return rc;
}

void templates_drop(struct templates *owner, const struct function *f)
{
    map_remove(&owner->unforkable, str_of(f->revision));
    struct template *t = map_get(&owner->functions, str_of(f->revision));
    if (t) {
        template_free(t);
    }
}

bool templates_relieve(struct templates *owner)
{
    struct template *oldest = NULL;
    size_t at = 0;
    for (struct template *t; (t = map_next(&owner->functions, &at));) {
        if (!oldest || t->used_us < oldest->used_us) {
            oldest = t;
        }
    }
    if (oldest) {
        template_free(oldest);
    }
    return oldest != NULL;
}

int templates_count(const struct templates *owner)
{
    return (int)(owner->functions.count + owner->roots.count);
}

struct templates *templates_new(struct loop *loop, const struct template_options *options)
{
    struct templates *owner = NEW(struct templates);
    owner->loop = loop;
    owner->options = *options;
    owner->runner = mem_dup(options->runner ? options->runner : "rouse-runner");
    owner->region = mem_dup(options->region);
    list_init(&owner->children);
    return owner;
}

void templates_endpoint(struct templates *owner, const char *url)
{
    free(owner->endpoint);
    owner->endpoint = mem_dup(url);
}

static void all_free(struct map *map)
{
    while (map->count) {
        size_t at = 0;
        template_free(map_next(map, &at));
    }
    map_done(map);
}

void templates_free(struct templates *owner)
{
    if (!owner) {
        return;
    }
    all_free(&owner->functions);
    all_free(&owner->roots);
    map_done(&owner->unforkable);
    LIST_EACH(child, &owner->children, struct child, link)
    {
        loop_unwatch(owner->loop, &child->watch);
        close(child->watch.fd);
        free(child);
    }
    free(owner->runner);
    free(owner->region);
    free(owner->endpoint);
    free(owner);
}
