// SPDX-License-Identifier: Apache-2.0
// Instances: processes forked from templates, their channels, and what comes back on them. On the
// journey of an upload this is the last step before the process border, and the first after it.
#include "worker/runner_fleet.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "format/json.h"
#include "sandbox/cgroup.h"
#include "wire/wire.h"
#include "worker/payload.h"
#include "worker/runtime.h"
#include "worker/runtime_link.h"
#include "worker/template.h"

#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// Of Linux 6.15; an older kernel refuses, and the reason stays unknown.
#define PIDFD_GET_INFO_  _IOWR(0xFF, 11, char[72])
#define PIDFD_INFO_EXIT_ (1u << 3)
#define EXIT_WAIT_US     5000 // between a socket's end and the record of its process's end

#define INIT_LIMIT_US (10 * 1000000ll) // of a language runtime, as Lambda
#define STOCK_MAX     4                // programs that wait for a function to be needed
#define SHUTDOWN_MS   2000             // that an extension may take, as Lambda
#define MEMORY_EVERY  64               // answers between two looks at how much memory a program has

#define JOB_LOG_MAX (256 * 1024) // of what one job prints, as much as the log keeps of it

// Language runtimes are started twice before a job is told that they cannot be: as Lambda does, the
// second time with the job waiting, and within the function's own time.
//
//     INIT_FIRST ──fails──► INIT_FAILED ──a job──► INIT_INVOKE ──fails──► the job fails
//         └─────────────────ready─────────────────────┴──────► INIT_DONE
enum init { INIT_FIRST, INIT_FAILED, INIT_INVOKE, INIT_DONE };

struct runner {
    struct instance base;
    struct runner_fleet *fleet;
    struct function *function; // a reference
    struct spawn spawn;
    struct watch watch; // its channel
    struct doorway doorway;
    struct cgroup *group; // or NULL
    int pid_fd, log_fd;   // -1 when there is none
    enum tier tier;
    int init;   // enum init
    bool spare; // in stock: the dispatcher does not know it yet
    bool waits; // it could begin at once
    bool language;
    bool ending, kill_wanted;
    bool closed;               // it went by itself
    bool sent;                 // the batch has left
    struct runtime_link *link; // of a program that asks for its jobs; NULL: it is sent JOBS
    struct bytes *init_log;    // for the first job
    uint64_t memory_max_kb;
    uint32_t answers;
    int64_t asked_us, sent_us;
    struct list *batch;   // borrowed while it runs; NULL when idle
    char reason[256];     // why it ends, when that is known
    struct list in_fleet; // fleet->runners
    struct timer end;     // on_ended is never called from inside a call
    struct timer unsent;  // nor on_result
    struct timer limit;   // of the first start
    struct timer retry;   // on_started after that has failed
};

struct runner_fleet {
    struct fleet base;
    struct loop *loop;
    struct store *store;
    struct fleet_events events;
    struct templates *templates;
    const struct runtime_api *api; // or NULL
    struct list runners;
};

static struct runner_fleet *fleet_of(const struct fleet *fleet)
{
    return CONTAINER_OF(fleet, struct runner_fleet, base);
}

static struct runner *runner_of(struct instance *instance)
{
    return CONTAINER_OF(instance, struct runner, base);
}

// ── the end of one ──

// Lets go of the process; what is left of it ends with its channel.
static void process_close(struct runner *r)
{
    loop_unwatch(r->fleet->loop, &r->watch);
    timer_stop(r->fleet->loop, &r->limit);
    spawn_cancel(&r->spawn);
    doorway_close(&r->doorway);
    cgroup_free(r->group);
    runtime_link_free(r->link);
    fd_clean(&r->watch.fd);
    fd_clean(&r->pid_fd);
    fd_clean(&r->log_fd);
    r->group = NULL;
    r->link = NULL;
    r->base.pid = 0;
    r->watch.fd = r->pid_fd = r->log_fd = -1;
}

static void runner_free(struct runner *r)
{
    process_close(r);
    timer_stop(r->fleet->loop, &r->end);
    timer_stop(r->fleet->loop, &r->unsent);
    timer_stop(r->fleet->loop, &r->retry);
    bytes_unref(r->init_log);
    list_remove(&r->in_fleet);
    function_unref(r->function);
    free(r);
}

// Takes what the instance has printed since the last time.
static struct bytes *log_take(struct runner *r)
{
    struct stat st;
    if (r->log_fd < 0 || fstat(r->log_fd, &st) < 0 || st.st_size == 0) {
        return NULL;
    }
    CLEAN(buf_done) struct buf text = BUF_INIT(JOB_LOG_MAX);
    size_t size = st.st_size < JOB_LOG_MAX ? (size_t)st.st_size : JOB_LOG_MAX;
    ssize_t got = pread(r->log_fd, buf_reserve(&text, size), size, 0);
    if (ftruncate(r->log_fd, 0) < 0 || got <= 0) {
        return NULL;
    }
    buf_took(&text, (size_t)got);
    return bytes_take(&text);
}

static void status_write(int status, char *out, size_t size)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        snprintf(out, size, "Runtime exited without providing a reason");
    } else if (WIFEXITED(status)) {
        snprintf(out, size, "Runtime exited with error: exit status %d", WEXITSTATUS(status));
    } else {
        // SIGSYS: the first process of a pid namespace killed itself, see sandbox/calls_language.c.
        int signal = WTERMSIG(status) == SIGSYS ? SIGKILL : WTERMSIG(status);
        const char *name = sigdescr_np(signal); // "Killed", as Go says it in small letters
        snprintf(out, size, "Runtime exited with error: signal: %c%s",
                 name ? tolower((unsigned char)*name) : '?', name ? name + 1 : "");
    }
}

// How a process that is nobody's child of ours ended: newer kernels keep it with the pidfd.
static void exit_reason(struct runner *r)
{
    struct { // <linux/pidfd.h> of Linux 6.15: struct pidfd_info
        uint64_t mask, cgroup;
        uint32_t pid, tgid, ppid, ids[8];
        int32_t exit_code;
        uint32_t coredump_mask, spare;
    } info = {.mask = PIDFD_INFO_EXIT_};
    if (r->pid_fd >= 0 && ioctl(r->pid_fd, PIDFD_GET_INFO_, &info) == 0 &&
        (info.mask & PIDFD_INFO_EXIT_)) {
        status_write(info.exit_code, r->reason, sizeof r->reason);
    }
}

static struct job *job_of(const struct runner *r)
{
    return r->batch ? LIST_FIRST(r->batch, struct job, link) : NULL;
}

static void init_failed(struct runner *r, const char *type, const char *message,
                        struct bytes *document);

static void runner_gone(struct timer *timer)
{
    struct runner *r = CONTAINER_OF(timer, struct runner, end);
    if (r->spare) {
        log_debug("a spare instance of %s ended: %s", r->function->name, r->reason);
        runner_free(r);
        return;
    }
    if (r->closed) {
        exit_reason(r);
    }
    if (r->closed && r->language && r->init != INIT_DONE && !r->kill_wanted) {
        r->ending = r->closed = false;
        char reason[sizeof r->reason];
        memcpy(reason, r->reason, sizeof reason);
        init_failed(r, "Runtime.ExitError", reason, NULL);
        return;
    }
    struct job *job = job_of(r);
    if (job && !job->result.log) {
        job->result.log = log_take(r);
    }
    if (job && !job->result.init_log) {
        job->result.init_log = MOVE(r->init_log);
    }
    if (job && r->memory_max_kb) {
        job->result.memory_max_mb = (r->memory_max_kb + 1023) / 1024;
    }
    r->base.untouched = r->language && r->init == INIT_DONE &&
                        (r->link ? runtime_link_untouched(r->link) : !r->sent);
    r->fleet->events.on_ended(r->fleet->events.ctx, &r->base, r->reason);
    runner_free(r);
}

// It is over: whatever is left of the process is killed, and the dispatcher hears of it on the
// next turn.
static void runner_end(struct runner *r, const char *reason)
{
    if (r->ending) {
        return;
    }
    r->ending = true;
    snprintf(r->reason, sizeof r->reason, "%s", reason);
    loop_unwatch(r->fleet->loop, &r->watch);
    timer_stop(r->fleet->loop, &r->limit);
    timer_stop(r->fleet->loop, &r->retry);
    fd_clean(&r->watch.fd);
    r->watch.fd = -1;
    if (r->pid_fd >= 0) {
        pidfd_send_signal(r->pid_fd, SIGKILL, NULL, 0);
    }
    timer_start(r->fleet->loop, &r->end, r->closed ? EXIT_WAIT_US : 0);
}

static void on_spawned(struct spawn *spawn, int pid, int pid_fd, struct str error)
{
    struct runner *r = CONTAINER_OF(spawn, struct runner, spawn);
    r->base.pid = pid;
    r->pid_fd = pid_fd;
    r->group = templates_group(r->fleet->templates, r->function, pid);
    if (pid == 0) {
        CLEAN_MEM char *why = str_dup(str_head(error, 200));
        runner_end(r, why);
    } else if (r->kill_wanted) {
        pidfd_send_signal(pid_fd, SIGKILL, NULL, 0);
    }
}

// ── the start of one ──

static void jobs_send(struct runner *r);

static void init_log_add(struct runner *r, const char *line)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(2 * JOB_LOG_MAX);
    struct bytes *said = log_take(r);
    buf_add_str(&text, bytes_str(r->init_log));
    buf_add_str(&text, bytes_str(said));
    if (*line && text.size && text.at[text.size - 1] != '\n') {
        buf_add_char(&text, '\n');
    }
    buf_add_text(&text, line);
    bytes_unref(said);
    bytes_unref(r->init_log);
    r->init_log = text.size ? bytes_take(&text) : NULL;
}

static int64_t init_us(const struct runner *r)
{
    return clock_mono_us() - r->asked_us;
}

static void init_report(struct runner *r, const char *status, const char *type)
{
    char line[256];
    snprintf(line, sizeof line, "INIT_REPORT Init Duration: %.2f ms\tPhase: %s\tStatus: %s%s%s\n",
             (double)init_us(r) / 1000, r->init == INIT_FIRST ? "init" : "invoke", status,
             *type ? "\tError Type: " : "", type);
    init_log_add(r, line);
}

static void retry_due(struct timer *timer)
{
    struct runner *r = CONTAINER_OF(timer, struct runner, retry);
    r->fleet->events.on_started(r->fleet->events.ctx, &r->base, r->tier, init_us(r));
}

static void init_give_up(struct runner *r)
{
    if (r->pid_fd >= 0) {
        pidfd_send_signal(r->pid_fd, SIGKILL, NULL, 0);
    }
    process_close(r);
    r->spawn.stock = r->waits = false;
    r->init = INIT_FAILED;
    timer_start(r->fleet->loop, &r->retry, 0);
}

static void limit_due(struct timer *timer)
{
    struct runner *r = CONTAINER_OF(timer, struct runner, limit);
    if (r->spare) {
        runner_end(r, "nobody needed it");
        return;
    }
    init_report(r, "timeout", "");
    init_give_up(r);
}

// The job that waits for it is told by the runtime's own document, where there is one.
static void job_init_failed(struct runner *r, const char *type, struct bytes *document)
{
    struct job *job = job_of(r);
    job->result.status = JOB_FUNCTION_ERROR;
    job->result.told = true;
    job->result.payload = document;
    job->result.init_log = MOVE(r->init_log);
    snprintf(job->result.platform_error, sizeof job->result.platform_error, "%s", type);
    runner_end(r, "");
    r->fleet->events.on_result(r->fleet->events.ctx, &r->base, job);
}

// Takes the document, which may be NULL.
static void init_failed(struct runner *r, const char *type, const char *message,
                        struct bytes *document)
{
    if (r->spare) {
        bytes_unref(document);
        runner_end(r, message);
        return;
    }
    init_report(r, "error", type);
    if (r->init == INIT_FIRST) {
        bytes_unref(document);
        init_give_up(r);
    } else if (document && job_of(r)) {
        job_init_failed(r, type, document);
    } else {
        bytes_unref(document);
        snprintf(r->base.end_type, sizeof r->base.end_type, "%s", type);
        runner_end(r, message);
    }
}

static void runner_ready(struct runner *r)
{
    bool first = r->init == INIT_FIRST;
    timer_stop(r->fleet->loop, &r->limit);
    init_log_add(r, "");
    cgroup_limit_cpu(r->group, (uint64_t)r->function->memory_mb << 20); // starting is free
    r->init = INIT_DONE;
    if (first) {
        r->fleet->events.on_started(r->fleet->events.ctx, &r->base, r->tier, init_us(r));
    } else {
        init_report(r, "success", "");
        jobs_send(r);
    }
}

// ── what it says ──

static void error_document(struct job *job, struct str type, struct str message)
{
    CLEAN(buf_done) struct buf doc = BUF_INIT(256 * 1024);
    buf_add_text(&doc, "{\"errorType\":");
    json_quote(&doc, type);
    buf_add_text(&doc, ",\"errorMessage\":");
    json_quote(&doc, str_head(message, 16384));
    buf_add_char(&doc, '}');
    job->result.status = JOB_FUNCTION_ERROR;
    job->result.payload = bytes_take(&doc);
}

static int answer_take(struct job *job, const struct wire_message *m,
                       const struct wire_bytes *bytes, struct err *err)
{
    CLEAN(wire_view_close) struct wire_view view = {0};
    TRY(wire_view_open(&view, m, bytes, WIRE_UNTRUSTED, err));
    job->result.payload = bytes_new(view.bytes);
    return 0;
}

static struct job *batch_find(struct runner *r, uint64_t id)
{
    if (r->batch) {
        LIST_EACH(job, r->batch, struct job, link)
        {
            if (job->id == id) {
                return job;
            }
        }
    }
    return NULL;
}

static int result_take(struct runner *r, struct wire_message *m, struct err *err)
{
    struct wire_result result = {0};
    TRY(wire_get_result(m, &result, err));
    struct job *job = batch_find(r, result.id);
    if (!job) {
        return err_set(err, ERR_PROTOCOL, "an answer to no question");
    }
    job->result.decode_us = (int64_t)result.decode_us;
    job->result.run_us = (int64_t)result.run_us;
    job->result.memory_max_mb = (result.memory_max_kb + 1023) / 1024;
    job->result.log = result.log.size ? bytes_new(result.log) : log_take(r);
    if (result.failed == 1) {
        error_document(job, result.error_type, result.error_message);
    } else {
        job->result.status = result.failed ? JOB_FUNCTION_ERROR : JOB_OK;
        job->result.told = result.failed;
        TRY(answer_take(job, m, &result.payload, err));
    }
    r->fleet->events.on_result(r->fleet->events.ctx, &r->base, job);
    return 0;
}

static int ready_take(struct runner *r, struct wire_message *m, struct err *err)
{
    struct wire_ready ready = {0};
    TRY(wire_get_ready(m, &ready, err));
    if (r->init == INIT_DONE || r->link) {
        return err_set(err, ERR_PROTOCOL, "an instance was ready twice");
    }
    if (ready.error && r->language) {
        CLEAN_MEM char *type = str_dup(str_head(ready.error_type, 60));
        init_failed(r, type, "", bytes_new(ready.error_message));
        return 0;
    }
    if (ready.error) {
        return err_set(err, ERR_FUNCTION, STR_FMT ": " STR_FMT, STR_ARG(ready.error_type),
                       STR_ARG(str_head(ready.error_message, 200)));
    }
    runner_ready(r);
    return 0;
}

// ── programs that ask for their jobs ──

static void on_ready(void *ctx)
{
    runner_ready(ctx);
}

static void on_waiting(void *ctx)
{
    struct runner *r = ctx;
    r->waits = true;
}

static void on_init_failed(void *ctx, const char *type, struct bytes *document)
{
    init_failed(ctx, type, "", document);
}

static void on_extension_failed(void *ctx, const char *type)
{
    struct runner *r = ctx;
    snprintf(r->base.end_type, sizeof r->base.end_type, "%s", type);
    runner_end(r, "Extension exited with error");
}

// The largest of the processes below the one that we know.
static uint64_t memory_kb(int pid)
{
    char path[64], text[4096];
    uint64_t most = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof text);
    for (struct str rest = str_n(text, size > 0 ? (size_t)size : 0); rest.at && rest.size;) {
        struct str child = str_cut(&rest, ' ');
        snprintf(path, sizeof path, "/proc/" STR_FMT "/status", STR_ARG(child));
        FILE *file = child.size ? fopen(path, "re") : NULL;
        unsigned long long kb = 0;
        while (file && fgets(path, sizeof path, file)) {
            if (sscanf(path, "VmHWM: %llu", &kb) == 1 && kb > most) {
                most = kb;
            }
        }
        if (file) {
            fclose(file);
        }
    }
    return most;
}

static void on_answered(void *ctx, struct job *job)
{
    struct runner *r = ctx;
    if (r->answers++ % MEMORY_EVERY == 0 && r->base.pid > 0) {
        uint64_t known = cgroup_memory_max(r->group) / 1024;
        r->memory_max_kb = known ? known : memory_kb(r->base.pid);
    }
    job->result.run_us = clock_mono_us() - r->sent_us;
    job->result.memory_max_mb = (r->memory_max_kb + 1023) / 1024;
    job->result.log = log_take(r);
    r->fleet->events.on_result(r->fleet->events.ctx, &r->base, job);
}

static void spare_begin(struct runner *r)
{
    CLEAN(buf_done) struct buf config = BUF_INIT(1024 * 1024);
    templates_config(r->fleet->templates, r->function, &config);
    runtime_link_begin(r->link, &config);
}

static int runtime_take(struct runner *r, struct wire_message *m, struct err *err)
{
    struct wire_runtime runtime = {0};
    TRY(wire_get_runtime(m, &runtime, err));
    if (r->link || r->init == INIT_DONE || !r->fleet->api) {
        return err_set(err, ERR_PROTOCOL, "a Runtime API that cannot be served");
    }
    struct runtime_link_events events = {
        r, on_ready, on_waiting, on_init_failed, on_answered, on_extension_failed};
    r->link = runtime_link_new(r->fleet->loop, r->function, &events, r->fleet->api);
    if (r->spawn.stock && !r->spare) {
        spare_begin(r); // it was needed before it had come so far
    }
    return runtime_link_listen(r->link, wire_take_fd(m, 0), runtime.extensions,
                               runtime.extension_count, err);
}

static int exit_take(struct runner *r, struct wire_message *m, struct err *err)
{
    struct wire_exit ended = {0};
    TRY(wire_get_exit(m, &ended, err));
    char reason[sizeof r->reason], type[64];
    if (ended.message.size) {
        snprintf(reason, sizeof reason, STR_FMT, STR_ARG(str_head(ended.message, 240)));
    } else {
        status_write((int)ended.status, reason, sizeof reason);
    }
    struct str given = ended.type.size ? str_head(ended.type, 60) : STR("Runtime.ExitError");
    snprintf(type, sizeof type, STR_FMT, STR_ARG(given));
    r->memory_max_kb = ended.memory_max_kb;
    if (r->init != INIT_DONE) {
        init_failed(r, type, reason, NULL);
        return 0;
    }
    snprintf(r->base.end_type, sizeof r->base.end_type, "%s", type);
    runner_end(r, reason);
    return 0;
}

static int message_take(struct runner *r, struct wire_message *m, struct err *err)
{
    switch (m->kind) {
    case WIRE_READY: return ready_take(r, m, err);
    case WIRE_RESULT: return result_take(r, m, err);
    case WIRE_RUNTIME: return runtime_take(r, m, err);
    case WIRE_EXIT: return exit_take(r, m, err);
    case WIRE_WALLS: return doorway_open(&r->doorway, r->fleet->templates, m, err);
    default: return err_set(err, ERR_PROTOCOL, "a message that an instance must not send");
    }
}

// All messages that are there are taken, so that a batch of answers costs one wake-up.
static void runner_readable(struct watch *watch, uint32_t events)
{
    (void)events;
    struct runner *r = CONTAINER_OF(watch, struct runner, watch);
    CLEAN(wire_message_done) struct wire_message m;
    wire_message_init(&m, WIRE_RESULT);
    for (int n = 0; n < WIRE_JOBS_MAX && !r->ending && watch->fd >= 0; n++) {
        struct err err = {0};
        int rc = wire_recv(watch->fd, &m, &err);
        if (rc == ERR_BUSY) {
            return;
        }
        bool closed = rc == 0;
        rc = rc == 1 ? message_take(r, &m, &err) : rc;
        if (closed || rc < 0) {
            r->closed = closed;
            runner_end(r, rc < 0 ? err.text : "Runtime exited without providing a reason");
        } else if (r->init == INIT_DONE && !r->link && (!r->batch || list_empty(r->batch))) {
            return; // nothing more is expected of it
        }
    }
}

// ── the table ──

static void fleet_listen(struct fleet *fleet, const struct fleet_events *events)
{
    fleet_of(fleet)->events = *events;
}

static void unsent_due(struct timer *timer)
{
    struct runner *r = CONTAINER_OF(timer, struct runner, unsent);
    LIST_EACH(job, r->batch, struct job, link)
    {
        if (job->result.status == JOB_FUNCTION_ERROR) {
            r->fleet->events.on_result(r->fleet->events.ctx, &r->base, job);
        }
    }
}

static void runner_spawn(struct runner *r)
{
    struct err err = {0};
    r->asked_us = clock_mono_us();
    int rc = templates_spawn(r->fleet->templates, r->function, &r->spawn, &r->tier, &r->watch.fd,
                             &r->log_fd, &err);
    rc = rc < 0 ? rc : loop_watch(r->fleet->loop, &r->watch, EPOLLIN, &err);
    if (rc < 0) {
        runner_end(r, err.text);
        return;
    }
    r->language = r->base.once = r->log_fd >= 0;
    if (r->language && r->init == INIT_FIRST) {
        timer_start(r->fleet->loop, &r->limit, INIT_LIMIT_US);
    }
}

static struct runner *runner_new(struct runner_fleet *fleet, struct function *function)
{
    struct runner *r = NEW(struct runner);
    r->base.fleet = &fleet->base;
    r->fleet = fleet;
    r->function = function_ref(function);
    r->spawn.on_spawned = on_spawned;
    r->watch = (struct watch){.fd = -1, .on_ready = runner_readable};
    r->pid_fd = r->log_fd = -1;
    r->end.on_due = runner_gone;
    r->unsent.on_due = unsent_due;
    r->limit.on_due = limit_due;
    r->retry.on_due = retry_due;
    list_push_back(&fleet->runners, &r->in_fleet);
    return r;
}

// ── the stock: what cannot be forked is started before it is needed ──

// The function's own, or for NULL the oldest.
static struct runner *spare_find(struct runner_fleet *fleet, const struct function *function)
{
    LIST_EACH(r, &fleet->runners, struct runner, in_fleet)
    {
        if (r->spare && !r->ending &&
            (!function || strcmp(r->function->revision, function->revision) == 0)) {
            return r;
        }
    }
    return NULL;
}

static int spare_count(struct runner_fleet *fleet)
{
    int count = 0;
    LIST_EACH(r, &fleet->runners, struct runner, in_fleet)
    {
        count += r->spare && !r->ending;
    }
    return count;
}

static void spare_make(struct runner_fleet *fleet, struct function *function)
{
    CLEAN(runtime_program_done) struct runtime_program program = {0};
    struct err ignored = {0};
    if (!fleet->api || spare_find(fleet, function) ||
        runtime_find(function->runtime, &program, &ignored) < 0 || !program.stock) {
        return;
    }
    if (spare_count(fleet) >= STOCK_MAX) {
        runner_end(spare_find(fleet, NULL), "another function needs its place");
    }
    struct runner *r = runner_new(fleet, function);
    r->spare = r->spawn.stock = true;
    runner_spawn(r);
    timer_start(fleet->loop, &r->limit, templates_idle_us(fleet->templates));
}

static struct runner *spare_take(struct runner_fleet *fleet, const struct function *function)
{
    struct runner *r = spare_find(fleet, function);
    if (r) {
        r->spare = false;
        r->tier = r->waits ? TIER_COOL : TIER_COLD;
        r->asked_us = clock_mono_us();
        timer_start(fleet->loop, &r->limit, INIT_LIMIT_US);
        if (r->link) {
            spare_begin(r);
        }
    }
    return r;
}

static struct instance *fleet_start(struct fleet *base, struct function *function, void *data)
{
    struct runner_fleet *fleet = fleet_of(base);
    struct runner *r = spare_take(fleet, function);
    if (!r) {
        r = runner_new(fleet, function);
        runner_spawn(r);
    }
    r->base.data = data;
    return &r->base;
}

// A job that cannot be put into the message fails alone: its answer comes on the next turn, as if
// the instance had given it.
static void job_unsent(struct runner *r, struct job *job, const struct err *err)
{
    error_document(job, STR("InvalidRequest"), str_of(err->text));
    timer_start(r->fleet->loop, &r->unsent, 0);
}

static void batch_send(struct runner *r)
{
    CLEAN(wire_message_done) struct wire_message m;
    wire_message_init(&m, WIRE_JOBS);
    struct payload_fds opened = {.count = 0};
    struct err err = {0};
    uint32_t count = 0;
    wire_put_count(&m, 0);
    LIST_EACH(job, r->batch, struct job, link)
    {
        if (payload_put(&m, r->fleet->store, job, &opened, &err) < 0) {
            job_unsent(r, job, &err);
        } else {
            count++;
        }
    }
    wire_set_count(&m, count);
    int rc = count ? wire_send(r->watch.fd, &m, &err) : 0;
    m.fd_count = 0; // `opened` owns them
    payload_fds_close(&opened);
    if (rc < 0) {
        runner_end(r, err.text);
    }
    r->sent = rc >= 0;
}

static void jobs_send(struct runner *r)
{
    struct job *job = job_of(r);
    if (job) {
        job->result.init_log = MOVE(r->init_log);
    }
    r->sent_us = clock_mono_us();
    if (!r->link) {
        batch_send(r);
    } else if (job) {
        runtime_link_give(r->link, job);
    }
}

static void fleet_run(struct fleet *base, struct instance *instance, struct list *batch)
{
    (void)base;
    struct runner *r = runner_of(instance);
    CHECK(r->init == INIT_DONE || r->init == INIT_FAILED || r->ending);
    r->batch = batch;
    r->sent = false;
    if (r->ending) {
        return; // on_ended is on its way
    }
    if (r->init == INIT_FAILED) {
        r->init = INIT_INVOKE;
        runner_spawn(r);
    } else {
        jobs_send(r);
    }
}

static void fleet_stop(struct fleet *fleet, struct instance *instance)
{
    (void)fleet;
    struct runner *r = runner_of(instance);
    if (r->link) {
        runtime_link_shutdown(r->link, "spindown", clock_wall_ms() + SHUTDOWN_MS);
    }
    if (r->watch.fd < 0) {
        runner_end(r, ""); // it has no process
    } else {
        shutdown(r->watch.fd, SHUT_WR); // it reads the end of file, and goes
    }
}

static void fleet_kill(struct fleet *fleet, struct instance *instance)
{
    (void)fleet;
    struct runner *r = runner_of(instance);
    r->kill_wanted = true;
    runner_end(r, "Runtime exited with error: signal: killed");
}

static void fleet_warm(struct fleet *base, struct function *function)
{
    struct err err = {0};
    if (templates_make(fleet_of(base)->templates, function, &err) < 0) {
        log_warn("no template of %s: %s", function->name, err.text);
    } else {
        spare_make(fleet_of(base), function);
    }
}

static void fleet_forget(struct fleet *base, struct function *function)
{
    struct runner *spare = spare_find(fleet_of(base), function);
    if (spare) {
        runner_end(spare, "its function has changed");
    }
    templates_drop(fleet_of(base)->templates, function);
}

static int fleet_templates(const struct fleet *base)
{
    struct runner_fleet *fleet = CONTAINER_OF(base, struct runner_fleet, base);
    return templates_count(fleet->templates) + spare_count(fleet);
}

static bool fleet_relieve(struct fleet *base)
{
    struct runner *spare = spare_find(fleet_of(base), NULL);
    if (spare) {
        runner_end(spare, "memory is short");
    }
    return spare || templates_relieve(fleet_of(base)->templates);
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

struct fleet *runner_fleet_new(struct loop *loop, struct store *store, struct templates *templates)
{
    struct runner_fleet *fleet = NEW(struct runner_fleet);
    fleet->base.ops = &runner_fleet_ops;
    fleet->loop = loop;
    fleet->store = store;
    fleet->templates = templates;
    list_init(&fleet->runners);
    return &fleet->base;
}

void runner_fleet_serve(struct fleet *fleet, const struct runtime_api *api)
{
    fleet_of(fleet)->api = api;
}

void runner_fleet_free(struct fleet *base)
{
    if (!base) {
        return;
    }
    struct runner_fleet *fleet = fleet_of(base);
    LIST_EACH(r, &fleet->runners, struct runner, in_fleet)
    {
        runner_free(r);
    }
    free(fleet);
}
