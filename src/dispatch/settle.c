// SPDX-License-Identifier: Apache-2.0
// The end of a job: its log lines, its counters, and its answer on the way to whoever waits for it.
#include "dispatch/internal.h"
#include "base/clock.h"
#include "format/json.h"
#include "observe/logs.h"

#include <stdio.h>

#define TAIL_LOG_MAX (256 * 1024)

#define LOG_SIZE 512 // of most: START, END and REPORT

static void report_add(struct buf *log, const struct job *job)
{
    const struct job_result *r = &job->result;
    long long hundredths = ((long long)r->duration_us + 5) / 10; // of a millisecond
    buf_printf(log,
               "END RequestId: %s\n"
               "REPORT RequestId: %s\tDuration: %lld.%02lld ms\tBilled Duration: %lld ms\t"
               "Memory Size: %u MB\tMax Memory Used: %llu MB\t",
               job->request_id.text, job->request_id.text, hundredths / 100, hundredths % 100,
               (long long)(r->duration_us + 999) / 1000, job->function->memory_mb,
               (unsigned long long)r->memory_max_mb);
    if (r->init_us > 0) {
        buf_printf(log, "Init Duration: %.2f ms\t", (double)r->init_us / 1000);
    }
    if (r->status == JOB_TIMED_OUT) {
        buf_add_text(log, "Status: timeout\t");
    } else if (r->platform_error[0]) {
        buf_printf(log, "Status: error\tError Type: %s\t", r->platform_error);
    } else if (r->status == JOB_FUNCTION_ERROR) {
        buf_add_text(log, "Status: failure\t"); // the word of Lambda's telemetry; its log has none
    }
    buf_printf(log, "Tier: %s\t", tier_name(r->tier));
    if (r->batch > 1) {
        buf_printf(log, "Batch Size: %u\t", r->batch);
    }
    buf_add_char(log, '\n');
}

// What went wrong, unless the function itself has said it.
static void error_line_add(struct buf *log, const struct job *job, int64_t now_ms)
{
    if (job->result.status == JOB_TIMED_OUT) {
        char when[CLOCK_TEXT_MAX];
        buf_printf(log, "%s %s Task timed out after %u.00 seconds\n", clock_iso(now_ms, when),
                   job->request_id.text, job->function->timeout_s);
    } else if (job->result.platform_error[0] && job->result.err.text[0]) {
        buf_printf(log, "RequestId: %s Error: %s\n%s\n", job->request_id.text, job->result.err.text,
                   job->result.platform_error);
    } else if (job->result.status == JOB_FUNCTION_ERROR && !job->result.told) {
        buf_add_text(log, "[ERROR]\t");
        buf_add_str(log, str_head(bytes_str(job->result.payload), 4096));
        buf_add_char(log, '\n');
    }
}

static void lines_add(struct buf *log, const struct bytes *text)
{
    struct str said = str_head(bytes_str(text), TAIL_LOG_MAX);
    buf_add_str(log, said);
    if (said.size && said.at[said.size - 1] != '\n') {
        buf_add_char(log, '\n');
    }
}

// START, what the function said, END and REPORT: in the function's log and with the result.
static void log_write(struct dispatch *d, struct job *job)
{
    CLEAN(buf_done) struct buf log = BUF_INIT(2 * TAIL_LOG_MAX + 16384);
    (void)buf_reserve(&log, LOG_SIZE);
    lines_add(&log, job->result.init_log);
    buf_printf(&log, "START RequestId: %s Version: %s\n", job->request_id.text,
               job->function->version);
    lines_add(&log, job->result.log);
    int64_t now_ms = loop_wall_ms(d->loop);
    error_line_add(&log, job, now_ms);
    report_add(&log, job);
    logs_append(d->observe, str_of(job->function->name), now_ms, buf_str(&log));
    bytes_unref(job->result.log);
    job->result.log = bytes_take(&log);
}

void job_settle(struct dispatch *d, struct lane *lane, struct job *job)
{
    job_move(job, JOB_SETTLED);
    lane->counts.invocations++;
    lane->counts.errors += job->result.status != JOB_OK;
    statistics_count(lane, job);
    lane->counts.cached += job->result.tier == TIER_CACHED;
    cached_end(d, job, /* settled */ true);
    log_write(d, job);
    if (job->async) {
        outbox_settle(lane, job);
        return;
    }
    job->on_settled(job);
    job_free(job);
    if (d->draining) {
        drained_check(d);
    }
}

// Lambda's document for an error that the platform found, not the function.
void job_fail(struct dispatch *d, struct lane *lane, struct job *job, const char *type,
              const char *message)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(8192);
    if (job->result.status == JOB_TIMED_OUT) {
        buf_printf(&text, "RequestId: %s Error: Task timed out after %u.00 seconds",
                   job->request_id.text, job->function->timeout_s);
    } else {
        job->result.status = JOB_FUNCTION_ERROR;
        buf_printf(&text, "RequestId: %s Error: %.4000s", job->request_id.text, message);
        err_set(&job->result.err, ERR_FUNCTION, "%s", message);
    }
    snprintf(job->result.platform_error, sizeof job->result.platform_error, "%s", type);
    CLEAN(buf_done) struct buf doc = BUF_INIT(65536);
    buf_printf(&doc, "{\"errorType\":\"%s\",\"errorMessage\":", type);
    json_quote(&doc, buf_str(&text));
    buf_add_char(&doc, '}');
    bytes_unref(job->result.payload);
    job->result.payload = bytes_take(&doc);
    job_settle(d, lane, job);
}

// It never ran. The caller hears of it on the next turn, never from inside dispatch_submit.
void job_refuse(struct dispatch *d, struct job *job, int code, const char *aws, const char *text)
{
    job_move(job, JOB_SETTLED);
    cached_end(d, job, /* settled */ false);
    job->result.status = JOB_REFUSED;
    if (aws) {
        err_aws(&job->result.err, code, aws, "%s", text);
    } else {
        err_set(&job->result.err, code, "%s", text);
    }
    list_push_back(&d->refused, &job->link);
    timer_start(d->loop, &d->refuse, 0);
}
