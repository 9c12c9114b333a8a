// SPDX-License-Identifier: Apache-2.0
// The start of an instance: asked for, tried twice where Lambda does, ready at last. Reads top to
// bottom as it happens; what goes wrong on the way is reported as Lambda reports it.
#include "worker/runner.h"
#include "base/clock.h"
#include "runtime/runtime.h"
#include "sandbox/cgroup.h"
#include "worker/runtime_link.h"

#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>

#define INIT_LIMIT_US (10 * 1000000ll) // of a language runtime, as Lambda

// ── what is said of it ──

static void init_log_add(struct runner *r, const char *line)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(2 * RUNNER_LOG_MAX);
    struct bytes *said = runner_log_take(r);
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

static void extensions_report(struct runner *r)
{
    CLEAN(buf_done) struct buf lines = BUF_INIT(16 * 1024);
    if (r->link) {
        runtime_link_extensions(r->link, &lines);
    }
    init_log_add(r, buf_text(&lines));
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

// ── when it fails ──

static void retry_due(struct timer *timer)
{
    struct runner *r = CONTAINER_OF(timer, struct runner, retry);
    r->fleet->events.on_started(r->fleet->events.ctx, &r->base, r->tier, init_us(r));
}

void runner_limit_start(struct runner *r)
{
    timer_start(r->fleet->loop, &r->limit, INIT_LIMIT_US);
}

static void init_give_up(struct runner *r)
{
    if (r->pid_fd >= 0) {
        pidfd_send_signal(r->pid_fd, SIGKILL, NULL, 0);
    }
    runner_close(r);
    r->spawn.stock = r->waits = false;
    r->init = INIT_FAILED;
    r->base.init_failed = true;
    timer_start(r->fleet->loop, &r->retry, 0);
}

static void limit_due(struct timer *timer)
{
    struct runner *r = CONTAINER_OF(timer, struct runner, limit);
    if (r->spare) {
        runner_end(r, "nobody needed it");
        return;
    }
    extensions_report(r);
    init_report(r, "timeout", "");
    init_give_up(r);
}

// The job that waits for it is told by the runtime's own document, where there is one.
static void job_init_failed(struct runner *r, const char *type, struct bytes *document)
{
    struct job *job = runner_job(r);
    job->result.status = JOB_FUNCTION_ERROR;
    job->result.told = true;
    job->result.payload = document;
    job->result.init_log = MOVE(r->init_log);
    snprintf(job->result.platform_error, sizeof job->result.platform_error, "%s", type);
    runner_end(r, "");
    r->fleet->events.on_result(r->fleet->events.ctx, &r->base, job);
}

void runner_init_failed(struct runner *r, const char *type, const char *message,
                        struct bytes *document)
{
    if (r->spare) {
        bytes_unref(document);
        runner_end(r, message);
        return;
    }
    extensions_report(r);
    init_report(r, "error", type);
    if (r->init == INIT_FIRST) {
        bytes_unref(document);
        init_give_up(r);
    } else if (document && runner_job(r)) {
        job_init_failed(r, type, document);
    } else {
        bytes_unref(document);
        snprintf(r->base.end_type, sizeof r->base.end_type, "%s", type);
        runner_end(r, message);
    }
}

// ── steps ──

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

void runner_spawn(struct runner *r)
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
        runner_limit_start(r);
    }
}

struct runner *runner_new(struct runner_fleet *fleet, struct function *function)
{
    struct runner *r = NEW(struct runner);
    r->base.fleet = &fleet->base;
    r->fleet = fleet;
    r->function = function_ref(function);
    r->spawn.on_spawned = on_spawned;
    r->watch = (struct watch){.fd = -1, .on_ready = runner_readable};
    r->pid_fd = r->log_fd = -1;
    r->end.on_due = runner_gone;
    r->unsent.on_due = runner_unsent_due;
    r->limit.on_due = limit_due;
    r->retry.on_due = retry_due;
    r->patience.on_due = runner_patience_due;
    r->concurrency = (size_t)runtime_concurrency(function->runtime, function->environment);
    list_push_back(&fleet->runners, &r->in_fleet);
    return r;
}

void runner_ready(struct runner *r)
{
    bool first = r->init == INIT_FIRST;
    timer_stop(r->fleet->loop, &r->limit);
    extensions_report(r);
    cgroup_limit_cpu(r->group, (uint64_t)r->function->memory_mb << 20); // starting is free
    r->init = INIT_DONE;
    if (first) {
        r->fleet->events.on_started(r->fleet->events.ctx, &r->base, r->tier, init_us(r));
    } else {
        init_report(r, "success", "");
        runner_send(r);
    }
}
