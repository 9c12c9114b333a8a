// SPDX-License-Identifier: Apache-2.0
// Instances that ask for their jobs: the runner's side of their runtime_link.
#include "worker/runner.h"
#include "base/clock.h"
#include "sandbox/cgroup.h"
#include "worker/runtime_link.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEMORY_EVERY 64 // answers between two looks at how much memory a program has

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
    runner_init_failed(ctx, type, "", document);
}

static void on_extension_failed(void *ctx, const char *type)
{
    struct runner *r = ctx;
    if (r->init != INIT_DONE) {
        runner_init_failed(r, type, "exit code 0", NULL);
        return;
    }
    snprintf(r->base.end_type, sizeof r->base.end_type, "%s", type);
    runner_end(r, "exit code 0");
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
    job->result.run_us = r->concurrency == 1 ? clock_mono_us() - r->sent_us : 0;
    job->result.memory_max_mb = (r->memory_max_kb + 1023) / 1024;
    job->result.log = runner_log_take(r);
    r->fleet->events.on_result(r->fleet->events.ctx, &r->base, job);
}

void runner_spare_begin(struct runner *r)
{
    CLEAN(buf_done) struct buf config = BUF_INIT(1024 * 1024);
    templates_config(r->fleet->templates, r->function, &r->spawn, &config);
    runtime_link_begin(r->link, &config);
}

int runner_runtime_take(struct runner *r, struct wire_message *m, struct err *err)
{
    struct wire_runtime runtime = {0};
    TRY(wire_get_runtime(m, &runtime, err));
    if (r->link || r->init == INIT_DONE || !r->fleet->api) {
        return err_set(err, ERR_PROTOCOL, "a Runtime API that cannot be served");
    }
    struct runtime_link_events events = {
        r, on_ready, on_waiting, on_init_failed, on_answered, on_extension_failed};
    r->link = runtime_link_new(r->fleet->loop, r->function, r->concurrency, &events, r->fleet->api);
    if (r->spawn.stock && !r->spare) {
        runner_spare_begin(r); // it was needed before it had come so far
    }
    return runtime_link_listen(r->link, wire_take_fd(m, 0), runtime.extensions,
                               runtime.extension_count, err);
}

int runner_exit_take(struct runner *r, struct wire_message *m, struct err *err)
{
    struct wire_exit ended = {0};
    TRY(wire_get_exit(m, &ended, err));
    char reason[sizeof r->reason], type[64];
    if (r->farewell != FAREWELL_NONE) {
        runner_farewell_exited(r);
        return 0;
    }
    if (ended.message.size) {
        snprintf(reason, sizeof reason, STR_FMT, STR_ARG(str_head(ended.message, 240)));
    } else {
        runner_status_write((int)ended.status, reason, sizeof reason);
    }
    const char *own = WIFSIGNALED(ended.status) ? runner_end_type(r) : "Runtime.ExitError";
    struct str given = ended.type.size ? str_head(ended.type, 60) : str_of(own);
    snprintf(type, sizeof type, STR_FMT, STR_ARG(given));
    uint64_t known = cgroup_memory_max(r->group) / 1024;
    r->memory_max_kb = known ? known : ended.memory_max_kb;
    if (r->init != INIT_DONE) {
        runner_init_failed(r, type, reason, NULL);
        return 0;
    }
    snprintf(r->base.end_type, sizeof r->base.end_type, "%s", type);
    runner_end(r, reason);
    return 0;
}
