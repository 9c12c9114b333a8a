// SPDX-License-Identifier: Apache-2.0
// The channel of an instance: batches that are sent to it, and what it says.
#include "worker/runner.h"
#include "base/clock.h"
#include "format/json.h"
#include "worker/payload.h"
#include "worker/runtime_link.h"

// ── what it is told ──

struct job *runner_job(const struct runner *r)
{
    return r->batch ? LIST_FIRST(r->batch, struct job, link) : NULL;
}

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

// A job that cannot be put into the message fails alone: its answer comes on the next turn, as if
// the instance had given it.
static void job_unsent(struct runner *r, struct job *job, const struct err *err)
{
    error_document(job, STR("InvalidRequest"), str_of(err->text));
    timer_start(r->fleet->loop, &r->unsent, 0);
}

void runner_unsent_due(struct timer *timer)
{
    struct runner *r = CONTAINER_OF(timer, struct runner, unsent);
    LIST_EACH(job, r->batch, struct job, link)
    {
        if (job->result.status == JOB_FUNCTION_ERROR) {
            r->fleet->events.on_result(r->fleet->events.ctx, &r->base, job);
        }
    }
}

// The jobs of a batch run one after the other.
static void job_begin(struct runner *r, bool unsent)
{
    struct job *job = runner_job(r);
    if (job && !unsent) {
        job->begun = true;
    }
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
    job_begin(r, rc < 0 && r->language); // a model's batch that cannot be sent counts as tried
}

void runner_send(struct runner *r)
{
    struct job *job = runner_job(r);
    if (job) {
        job->result.init_log = MOVE(r->init_log);
    }
    r->sent_us = clock_mono_us();
    if (!r->link) {
        batch_send(r);
        return;
    }
    LIST_EACH(each, r->batch, struct job, link)
    {
        runtime_link_give(r->link, each);
    }
}

// ── what it says ──

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
    job->result.log = result.log.size ? bytes_new(result.log) : runner_log_take(r);
    if (result.failed == 1) {
        error_document(job, result.error_type, result.error_message);
    } else {
        job->result.status = result.failed ? JOB_FUNCTION_ERROR : JOB_OK;
        job->result.told = result.failed;
        TRY(answer_take(job, m, &result.payload, err));
    }
    r->fleet->events.on_result(r->fleet->events.ctx, &r->base, job);
    job_begin(r, r->ending); // the next one, or the first of another batch
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
        runner_init_failed(r, type, "", bytes_new(ready.error_message));
        return 0;
    }
    if (ready.error) {
        return err_set(err, ERR_FUNCTION, STR_FMT ": " STR_FMT, STR_ARG(ready.error_type),
                       STR_ARG(str_head(ready.error_message, 200)));
    }
    runner_ready(r);
    return 0;
}

static int message_take(struct runner *r, struct wire_message *m, struct err *err)
{
    switch (m->kind) {
    case WIRE_READY: return ready_take(r, m, err);
    case WIRE_RESULT: return result_take(r, m, err);
    case WIRE_RUNTIME: return runner_runtime_take(r, m, err);
    case WIRE_EXIT: return runner_exit_take(r, m, err);
    case WIRE_WALLS: return doorway_open(&r->doorway, r->fleet->templates, m, err);
    default: return err_set(err, ERR_PROTOCOL, "a message that an instance must not send");
    }
}

// All messages that are there are taken, so that a batch of answers costs one wake-up.
void runner_readable(struct watch *watch, uint32_t events)
{
    (void)events;
    struct runner *r = CONTAINER_OF(watch, struct runner, watch);
    if (r->ending) {
        runner_farewell_read(r);
        return;
    }
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
