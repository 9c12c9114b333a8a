// SPDX-License-Identifier: Apache-2.0
// Templates and instances of rouse-runner: processes, their sockets, and what comes back on them.
// On the journey of an upload this is the last step before the process border, and the first after.
#include "worker/runner_fleet.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "format/json.h"
#include "wire/wire.h"
#include "worker/payload.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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

// What was asked of a template and is not answered yet; answers come in order.
struct spawning {
    struct runner *runner; // one of the two; NULL once it is gone
    struct template *template;
    struct list link;
};

// A process of our own making, waited for so that it does not stay as a zombie. (Instances and
// functions' templates are children of templates, which do that.)
struct child {
    struct runner_fleet *fleet;
    struct watch watch; // its pidfd, readable when it has ended
    struct list link;   // fleet->children
};

struct template {
    struct runner_fleet *fleet;
    struct function *function; // a reference; NULL: the runtime's
    struct watch watch;        // its control socket
    int pid, pid_fd;
    bool ready;                // it has loaded; before, forks would wait for it
    struct list spawnings;
    struct timer idle;
    int64_t used_us;
};

struct runner {
    struct instance base;
    struct runner_fleet *fleet;
    struct function *function; // a reference
    struct watch watch;        // its channel
    int pid_fd;
    enum tier tier;
    bool started, ending, kill_wanted;
    int64_t asked_us;
    struct list *batch; // borrowed while it runs; NULL when idle
    char reason[256];   // why it ends, when that is known
    struct list link;   // fleet->instances
    struct timer end;    // on_ended is never called from inside a call
    struct timer unsent; // nor on_result
};

struct runner_fleet {
    struct fleet base;
    struct loop *loop;
    struct store *store;
    struct fleet_events events;
    char *runner;
    int64_t template_idle_us;
    int templates_max;
    struct template *runtime; // NULL: not running
    struct map templates;     // of functions, by revision
    struct list instances;
    struct list children;
};

static struct runner_fleet *fleet_of(const struct fleet *fleet)
{
    return CONTAINER_OF(fleet, struct runner_fleet, base);
}

static struct runner *runner_of(struct instance *instance)
{
    return CONTAINER_OF(instance, struct runner, base);
}

int runner_path(char **ret, struct err *err)
{
    const char *set = getenv("ROUSE_RUNNER");
    if (set && *set) {
        *ret = mem_dup(set);
        return 0;
    }
    char exe[4096];
    ssize_t size = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[size > 0 ? size : 0] = 0;
    char *slash = strrchr(exe, '/');
    if (slash) {
        *slash = 0;
    }
    static const char *const places[] = {"", "/../libexec/rouse"};
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        char *path = mem_printf("%s%s/rouse-runner", exe, places[i]);
        if (access(path, X_OK) == 0) {
            *ret = path;
            return 0;
        }
        free(path);
    }
    return err_set(err, ERR_NOT_FOUND,
                   "rouse-runner is not beside rouse in %s: install both, or set ROUSE_RUNNER", exe);
}

// ── templates ──

static void template_ready(struct watch *watch, uint32_t events);

static void template_due(struct timer *timer);

static struct template *template_new(struct runner_fleet *fleet, struct function *function)
{
    struct template *t = NEW(struct template);
    t->fleet = fleet;
    t->function = function ? function_ref(function) : NULL;
    t->watch = (struct watch){.fd = -1, .on_ready = template_ready};
    t->pid_fd = -1;
    t->idle.on_due = template_due;
    t->used_us = loop_now_us(fleet->loop);
    list_init(&t->spawnings);
    return t;
}

// Closing its socket ends the process; what it was asked for and has not forked sees its own
// socket closed.
static void template_free(struct template *t)
{
    struct runner_fleet *fleet = t->fleet;
    loop_unwatch(fleet->loop, &t->watch);
    timer_stop(fleet->loop, &t->idle);
    fd_clean(&t->watch.fd);
    fd_clean(&t->pid_fd);
    LIST_EACH(s, &t->spawnings, struct spawning, link)
    {
        list_remove(&s->link);
        free(s);
    }
    if (fleet->runtime == t) {
        fleet->runtime = NULL;
    } else if (t->function && map_get(&fleet->templates, str_of(t->function->revision)) == t) {
        map_remove(&fleet->templates, str_of(t->function->revision));
    }
    // Nothing may wait for what this template was asked to make.
    if (fleet->runtime) {
        LIST_EACH(s, &fleet->runtime->spawnings, struct spawning, link)
        {
            s->template = s->template == t ? NULL : s->template;
        }
    }
    function_unref(t->function);
    free(t);
}

static void template_due(struct timer *timer)
{
    struct template *t = CONTAINER_OF(timer, struct template, idle);
    bool in_use = !t->function && t->fleet->templates.count > 0;
    if (in_use) {
        timer_start(t->fleet->loop, &t->idle, t->fleet->template_idle_us);
    } else {
        template_free(t);
    }
}

static void template_used(struct template *t)
{
    t->used_us = loop_now_us(t->fleet->loop);
    timer_start(t->fleet->loop, &t->idle, t->fleet->template_idle_us);
}

static int pair_new(int pair[2], struct err *err)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
        return err_errno(err, ERR_IO, errno, "cannot make a socket pair");
    }
    return 0;
}

static void child_ended(struct watch *watch, uint32_t events)
{
    (void)events;
    struct child *child = CONTAINER_OF(watch, struct child, watch);
    siginfo_t info;
    waitid(P_PIDFD, (id_t)watch->fd, &info, WEXITED | WNOHANG);
    loop_unwatch(child->fleet->loop, watch);
    close(watch->fd);
    list_remove(&child->link);
    free(child);
}

static int child_watch(struct runner_fleet *fleet, pid_t pid, struct err *err)
{
    int fd = pidfd_open(pid, 0);
    if (fd < 0) {
        return err_errno(err, ERR_IO, errno, "cannot watch process %d", (int)pid);
    }
    struct child *child = NEW(struct child);
    child->fleet = fleet;
    child->watch = (struct watch){.fd = fd, .on_ready = child_ended};
    list_push_back(&fleet->children, &child->link);
    return loop_watch(fleet->loop, &child->watch, EPOLLIN, err);
}

// Executes the runtime's template: the only exec; everything else is forked from it.
static int runtime_start(struct runner_fleet *fleet, struct err *err)
{
    int pair[2];
    TRY(pair_new(pair, err));
    fcntl(pair[1], F_SETFL, fcntl(pair[1], F_GETFL) & ~O_NONBLOCK);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pair[1], 3);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETSID);
    char *argv[] = {fleet->runner, "--template", "3", NULL};
    pid_t pid = 0;
    int rc = posix_spawn(&pid, fleet->runner, &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(pair[1]);
    if (rc) {
        close(pair[0]);
        return err_errno(err, ERR_IO, rc, "cannot run %s", fleet->runner);
    }
    struct template *t = template_new(fleet, NULL);
    t->watch.fd = pair[0];
    t->pid = pid;
    fleet->runtime = t;
    template_used(t);
    TRY(child_watch(fleet, pid, err));
    return loop_watch(fleet->loop, &t->watch, EPOLLIN, err);
}

// Sends a SPAWN with one end of a new pair; *ret_fd is the other end.
static int spawn_ask(struct template *from, enum wire_role role, const struct function *f,
                     struct runner *runner, struct template *template, int *ret_fd,
                     struct err *err)
{
    int pair[2];
    TRY(pair_new(pair, err));
    fcntl(pair[1], F_SETFL, fcntl(pair[1], F_GETFL) & ~O_NONBLOCK);
    CLEAN(wire_message_done) struct wire_message m;
    wire_message_init(&m, WIRE_SPAWN);
    struct wire_spawn spawn = {
        .role = role,
        .function = str_of(f->name),
        .package = str_of(f->package),
        .prepared = str_of(f->prepared ? f->prepared : ""),
        .handler = str_of(f->handler && *f->handler ? f->handler : "model.yaml"),
        .memory_mb = f->memory_mb,
        .threads = 1,
    };
    wire_put_spawn(&m, &spawn);
    m.fds[m.fd_count++] = pair[1]; // closed with the message
    int rc = wire_send(from->watch.fd, &m, err);
    if (rc < 0) {
        close(pair[0]);
        return rc;
    }
    struct spawning *s = NEW(struct spawning);
    s->runner = runner;
    s->template = template;
    list_push_back(&from->spawnings, &s->link);
    template_used(from);
    *ret_fd = pair[0];
    return 0;
}

static void runner_end(struct runner *i, const char *reason);

static void spawned_take(struct template *t, struct wire_message *m)
{
    struct wire_spawned spawned = {0};
    struct err err = {0};
    struct spawning *s = LIST_FIRST(&t->spawnings, struct spawning, link);
    if (!s || wire_get_spawned(m, &spawned, &err) < 0) {
        log_error("a template sent what was not asked for: %s", err.text);
        template_free(t);
        return;
    }
    list_remove(&s->link);
    int pid_fd = wire_take_fd(m, 0);
    if (s->runner) {
        struct runner *i = s->runner;
        i->base.pid = (int)spawned.pid;
        i->pid_fd = pid_fd;
        if (spawned.pid == 0) {
            snprintf(i->reason, sizeof i->reason, STR_FMT, STR_ARG(str_head(spawned.error, 200)));
            runner_end(i, i->reason);
        } else if (i->kill_wanted) {
            pidfd_send_signal(i->pid_fd, SIGKILL, NULL, 0);
        }
    } else if (s->template) {
        s->template->pid = (int)spawned.pid;
        s->template->pid_fd = pid_fd;
    } else {
        fd_clean(&pid_fd);
    }
    free(s);
}

static void template_message(struct template *t, struct wire_message *m)
{
    struct wire_ready ready = {0};
    struct err err = {0};
    if (m->kind == WIRE_SPAWNED) {
        spawned_take(t, m);
    } else if (m->kind == WIRE_READY && wire_get_ready(m, &ready, &err) >= 0) {
        t->ready = !ready.error;
        if (ready.error) {
            log_warn("template of %s: " STR_FMT ": " STR_FMT,
                     t->function ? t->function->name : "the runtime", STR_ARG(ready.error_type),
                     STR_ARG(ready.error_message));
        }
    } else {
        log_error("a template sent a message that it must not send (%d): %s", (int)m->kind,
                  err.text);
        template_free(t);
    }
}

static void template_ready(struct watch *watch, uint32_t events)
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
    if (rc == 1) {
        template_message(t, &m);
        return;
    }
    if (rc < 0) {
        log_warn("template of %s: %s", t->function ? t->function->name : "the runtime", err.text);
    }
    template_free(t);
}

// ── instances ──

static void runner_free(struct runner *i)
{
    struct runner_fleet *fleet = i->fleet;
    loop_unwatch(fleet->loop, &i->watch);
    timer_stop(fleet->loop, &i->end);
    timer_stop(fleet->loop, &i->unsent);
    fd_clean(&i->watch.fd);
    fd_clean(&i->pid_fd);
    struct template *t = fleet->runtime;
    size_t at = 0;
    do {
        for (struct list *l = t ? t->spawnings.next : NULL; l && l != &t->spawnings; l = l->next) {
            struct spawning *s = CONTAINER_OF(l, struct spawning, link);
            s->runner = s->runner == i ? NULL : s->runner;
        }
    } while ((t = map_next(&fleet->templates, &at)));
    list_remove(&i->link);
    function_unref(i->function);
    free(i);
}

static void runner_gone(struct timer *timer)
{
    struct runner *i = CONTAINER_OF(timer, struct runner, end);
    struct runner_fleet *fleet = i->fleet;
    fleet->events.on_ended(fleet->events.ctx, &i->base, i->reason);
    runner_free(i);
}

// It is over: whatever is left of the process is killed, and the dispatcher hears of it on the
// next turn.
static void runner_end(struct runner *i, const char *reason)
{
    if (i->ending) {
        return;
    }
    i->ending = true;
    if (reason != i->reason) {
        snprintf(i->reason, sizeof i->reason, "%s", reason);
    }
    loop_unwatch(i->fleet->loop, &i->watch);
    fd_clean(&i->watch.fd);
    i->watch.fd = -1;
    if (i->pid_fd >= 0) {
        pidfd_send_signal(i->pid_fd, SIGKILL, NULL, 0);
    }
    timer_start(i->fleet->loop, &i->end, 0);
}

static void error_document(struct job *job, const struct wire_result *result)
{
    CLEAN(buf_done) struct buf doc = BUF_INIT(256 * 1024);
    buf_add_text(&doc, "{\"errorType\":");
    json_quote(&doc, result->error_type);
    buf_add_text(&doc, ",\"errorMessage\":");
    json_quote(&doc, str_head(result->error_message, 16384));
    buf_add_char(&doc, '}');
    job->result.status = JOB_FUNCTION_ERROR;
    job->result.payload = bytes_take(&doc);
}

static int answer_take(struct job *job, struct wire_message *m, const struct wire_bytes *bytes,
                       struct err *err)
{
    if (bytes->place == WIRE_INLINE) {
        job->result.payload = bytes_new(bytes->bytes);
        return 0;
    }
    CLEAN_FD int fd = bytes->place == WIRE_FD ? wire_take_fd(m, bytes->fd_index) : -1;
    if (fd < 0 || bytes->size > WIRE_PAYLOAD_MAX) {
        return err_set(err, ERR_PROTOCOL, "an answer of %llu bytes without a descriptor",
                       (unsigned long long)bytes->size);
    }
    CLEAN(buf_done) struct buf copy = BUF_INIT(WIRE_PAYLOAD_MAX);
    char *to = buf_reserve(&copy, bytes->size);
    ssize_t got = to ? pread(fd, to, bytes->size, (off_t)bytes->offset) : -1;
    if (got < 0 || (uint64_t)got != bytes->size) {
        return err_set(err, ERR_PROTOCOL, "an answer is shorter than it says");
    }
    buf_took(&copy, bytes->size);
    job->result.payload = bytes_take(&copy);
    return 0;
}

static struct job *batch_find(struct runner *i, uint64_t id)
{
    if (i->batch) {
        LIST_EACH(job, i->batch, struct job, link)
        {
            if (job->id == id) {
                return job;
            }
        }
    }
    return NULL;
}

static int result_take(struct runner *i, struct wire_message *m, struct err *err)
{
    struct wire_result result = {0};
    TRY(wire_get_result(m, &result, err));
    struct job *job = batch_find(i, result.id);
    if (!job) {
        return err_set(err, ERR_PROTOCOL, "an answer to no question");
    }
    job->result.decode_us = (int64_t)result.decode_us;
    job->result.run_us = (int64_t)result.run_us;
    job->result.memory_max_mb = (result.memory_max_kb + 1023) / 1024;
    job->result.log = result.log.size ? bytes_new(result.log) : NULL;
    if (result.failed) {
        error_document(job, &result);
    } else {
        job->result.status = JOB_OK;
        TRY(answer_take(job, m, &result.payload, err));
    }
    i->fleet->events.on_result(i->fleet->events.ctx, &i->base, job);
    return 0;
}

static int ready_take(struct runner *i, struct wire_message *m, struct err *err)
{
    struct wire_ready ready = {0};
    TRY(wire_get_ready(m, &ready, err));
    if (ready.error) {
        return err_set(err, ERR_FUNCTION, STR_FMT ": " STR_FMT, STR_ARG(ready.error_type),
                       STR_ARG(str_head(ready.error_message, 200)));
    }
    if (i->started) {
        return err_set(err, ERR_PROTOCOL, "an instance was ready twice");
    }
    i->started = true;
    int64_t init_us = clock_mono_us() - i->asked_us;
    i->fleet->events.on_started(i->fleet->events.ctx, &i->base, i->tier, init_us);
    return 0;
}

// All messages that are there are taken, so that a batch of answers costs one wake-up.
static void runner_readable(struct watch *watch, uint32_t events)
{
    (void)events;
    struct runner *i = CONTAINER_OF(watch, struct runner, watch);
    static struct wire_message m; // one thread; its buffer is kept between messages
    wire_message_done(&m);
    wire_message_init(&m, WIRE_RESULT);
    for (int n = 0; n < WIRE_JOBS_MAX && !i->ending; n++) {
        struct err err = {0};
        int rc = wire_recv(watch->fd, &m, &err);
        if (rc == ERR_BUSY) {
            return;
        }
        if (rc == 1) {
            rc = m.kind == WIRE_READY    ? ready_take(i, &m, &err)
                 : m.kind == WIRE_RESULT ? result_take(i, &m, &err)
                                         : err_set(&err, ERR_PROTOCOL, "a message it must not send");
            if (rc >= 0) {
                wire_message_done(&m);
                wire_message_init(&m, WIRE_RESULT);
                continue;
            }
        }
        runner_end(i, rc < 0 ? err.text : "Runtime exited without providing a reason");
    }
}

// ── the table ──

static void fleet_listen(struct fleet *fleet, const struct fleet_events *events)
{
    fleet_of(fleet)->events = *events;
}

static int runner_ask(struct runner_fleet *fleet, struct runner *i, struct err *err)
{
    struct template *t = map_get(&fleet->templates, str_of(i->function->revision));
    if (t && t->ready) {
        i->tier = TIER_WARM;
        return spawn_ask(t, WIRE_INSTANCE, i->function, i, NULL, &i->watch.fd, err);
    }
    i->tier = fleet->runtime && fleet->runtime->ready ? TIER_COOL : TIER_COLD;
    if (!fleet->runtime) {
        TRY(runtime_start(fleet, err));
    }
    return spawn_ask(fleet->runtime, WIRE_INSTANCE, i->function, i, NULL, &i->watch.fd, err);
}

static void unsent_due(struct timer *timer)
{
    struct runner *i = CONTAINER_OF(timer, struct runner, unsent);
    LIST_EACH(job, i->batch, struct job, link)
    {
        if (job->result.status == JOB_FUNCTION_ERROR) {
            i->fleet->events.on_result(i->fleet->events.ctx, &i->base, job);
        }
    }
}

static struct instance *fleet_start(struct fleet *base, struct function *function, void *data)
{
    struct runner_fleet *fleet = fleet_of(base);
    struct runner *i = NEW(struct runner);
    i->base = (struct instance){.fleet = base, .data = data};
    i->fleet = fleet;
    i->function = function_ref(function);
    i->watch = (struct watch){.fd = -1, .on_ready = runner_readable};
    i->pid_fd = -1;
    i->end.on_due = runner_gone;
    i->unsent.on_due = unsent_due;
    i->asked_us = clock_mono_us();
    list_push_back(&fleet->instances, &i->link);
    struct err err = {0};
    if (runner_ask(fleet, i, &err) < 0 || loop_watch(fleet->loop, &i->watch, EPOLLIN, &err) < 0) {
        runner_end(i, err.text);
    }
    return &i->base;
}

// A job that cannot be put into the message fails alone: its answer comes on the next turn, as if
// the instance had given it.
static void job_unsent(struct runner *i, struct job *job, const struct err *err)
{
    error_document(job, &(struct wire_result){.error_type = STR("InvalidRequest"),
                                              .error_message = str_of(err->text)});
    timer_start(i->fleet->loop, &i->unsent, 0);
}

static void fleet_run(struct fleet *base, struct instance *instance, struct list *batch)
{
    struct runner_fleet *fleet = fleet_of(base);
    struct runner *i = runner_of(instance);
    CHECK(i->started);
    i->batch = batch;
    if (i->ending) {
        return; // on_ended is on its way
    }
    static struct wire_message m; // one thread; its buffer is kept between batches
    wire_message_reset(&m, WIRE_JOBS);
    m.body.max = WIRE_BODY_MAX;
    struct payload_fds opened = {.count = 0};
    struct err err = {0};
    uint32_t count = 0;
    wire_put_count(&m, 0);
    LIST_EACH(job, batch, struct job, link)
    {
        if (payload_put(&m, fleet->store, job, &opened, &err) < 0) {
            job_unsent(i, job, &err);
        } else {
            count++;
        }
    }
    wire_set_count(&m, count);
    int rc = count ? wire_send(i->watch.fd, &m, &err) : 0;
    payload_fds_close(&opened);
    if (rc < 0) {
        runner_end(i, err.text);
    }
}

static void fleet_stop(struct fleet *fleet, struct instance *instance)
{
    (void)fleet;
    struct runner *i = runner_of(instance);
    if (i->watch.fd >= 0) {
        shutdown(i->watch.fd, SHUT_WR); // it reads the end of file, and goes
    }
}

static void fleet_kill(struct fleet *fleet, struct instance *instance)
{
    (void)fleet;
    struct runner *i = runner_of(instance);
    i->kill_wanted = true;
    if (i->pid_fd >= 0) {
        pidfd_send_signal(i->pid_fd, SIGKILL, NULL, 0);
    }
    runner_end(i, "Runtime exited with error: signal: killed");
}

static bool fleet_relieve(struct fleet *base)
{
    struct template *oldest = NULL;
    size_t at = 0;
    for (struct template *t; (t = map_next(&fleet_of(base)->templates, &at));) {
        if (!oldest || t->used_us < oldest->used_us) {
            oldest = t;
        }
    }
    if (oldest) {
        template_free(oldest);
    }
    return oldest != NULL;
}

static int template_make(struct runner_fleet *fleet, struct function *function, struct err *err)
{
    if (!fleet->runtime) {
        TRY(runtime_start(fleet, err));
    }
    if (fleet->templates.count >= (size_t)fleet->templates_max) {
        fleet_relieve(&fleet->base);
    }
    struct template *t = template_new(fleet, function);
    int rc = spawn_ask(fleet->runtime, WIRE_TEMPLATE, function, NULL, t, &t->watch.fd, err);
    rc = rc < 0 ? rc : loop_watch(fleet->loop, &t->watch, EPOLLIN, err);
    if (rc < 0) {
        template_free(t);
        return rc;
    }
    map_put(&fleet->templates, str_of(function->revision), t);
    template_used(t);
    return 0;
}

static void fleet_warm(struct fleet *base, struct function *function)
{
    struct runner_fleet *fleet = fleet_of(base);
    struct err err = {0};
    if (!map_get(&fleet->templates, str_of(function->revision)) &&
        template_make(fleet, function, &err) < 0) {
        log_warn("no template of %s: %s", function->name, err.text);
    }
}

static void fleet_forget(struct fleet *base, struct function *function)
{
    struct template *t = map_get(&fleet_of(base)->templates, str_of(function->revision));
    if (t) {
        template_free(t);
    }
}

static int fleet_templates(const struct fleet *base)
{
    const struct runner_fleet *fleet = fleet_of(base);
    return (int)fleet->templates.count + (fleet->runtime ? 1 : 0);
}

static const struct fleet_ops runner_fleet_ops = {
    .listen = fleet_listen,
    .start = fleet_start,
    .run = fleet_run,
    .stop = fleet_stop,
    .kill = fleet_kill,
    .warm = fleet_warm,
    .forget = fleet_forget,
    .templates = fleet_templates,
    .relieve = fleet_relieve,
};

struct fleet *runner_fleet_new(struct loop *loop, struct store *store,
                               const struct runner_fleet_options *options)
{
    struct runner_fleet *fleet = NEW(struct runner_fleet);
    fleet->base.ops = &runner_fleet_ops;
    fleet->loop = loop;
    fleet->store = store;
    fleet->runner = mem_dup(options->runner ? options->runner : "rouse-runner");
    fleet->template_idle_us = options->template_idle_us;
    fleet->templates_max = options->templates_max > 0 ? options->templates_max : 32;
    list_init(&fleet->instances);
    list_init(&fleet->children);
    return &fleet->base;
}

void runner_fleet_free(struct fleet *base)
{
    if (!base) {
        return;
    }
    struct runner_fleet *fleet = fleet_of(base);
    LIST_EACH(i, &fleet->instances, struct runner, link)
    {
        runner_free(i);
    }
    while (fleet->templates.count) {
        size_t at = 0;
        template_free(map_next(&fleet->templates, &at));
    }
    if (fleet->runtime) {
        template_free(fleet->runtime);
    }
    LIST_EACH(child, &fleet->children, struct child, link)
    {
        loop_unwatch(fleet->loop, &child->watch);
        close(child->watch.fd);
        free(child);
    }
    map_done(&fleet->templates);
    free(fleet->runner);
    free(fleet);
}
