// SPDX-License-Identifier: Apache-2.0
// Lambda's invocation record, and its delivery: to a function through the outbox, or as an object
// in a bucket (which is an upload like any other, and may rouse the next function).
#include "result/destination.h"
#include "base/clock.h"
#include "base/log.h"
#include "format/arn.h"
#include "format/checksum.h"
#include "format/hex.h"
#include "format/json.h"
#include "store/job.h"
#include "store/object.h"

#define RECORD_MAX     (72u * 1024 * 1024)
#define ERROR_TEXT_MAX 1024 // bytes of an error that go with a dead letter, as Lambda

// A payload stands in the record as it is when it is JSON, else as a string.
static void payload_add(struct buf *out, struct str payload)
{
    json_t *parsed = NULL;
    if (payload.size == 0) {
        buf_add_text(out, "null");
    } else if (json_parse(payload, &parsed, NULL) >= 0) {
        buf_add_str(out, payload);
    } else {
        json_quote(out, payload);
    }
    json_decref(parsed);
}

static void response_add(struct buf *out, const struct job *job)
{
    const struct job_result *r = &job->result;
    if (r->status == JOB_REFUSED) {
        return; // it never ran: there is no response
    }
    buf_printf(out, ",\"responseContext\":{\"statusCode\":200,\"executedVersion\":\"%s\"%s}",
               job->function->version,
               r->status == JOB_OK ? "" : ",\"functionError\":\"Unhandled\"");
    buf_add_text(out, ",\"responsePayload\":");
    payload_add(out, bytes_str(r->payload));
    buf_printf(out,
               ",\"rouse\":{\"tier\":\"%s\",\"durationMs\":%.3f,\"initMs\":%.3f,"
               "\"queuedMs\":%.3f}",
               tier_name(r->tier), (double)r->duration_us / 1000, (double)r->init_us / 1000,
               (double)r->queued_us / 1000);
}

void destination_init(struct destination *ret, const char *arn, const char *region,
                      const struct job *job, const char *condition, int64_t now_ms)
{
    CLEAN(buf_done) struct buf record = BUF_INIT(RECORD_MAX);
    char now[CLOCK_TEXT_MAX];
    const char *qualifier = job->alias ? job->alias->name : job->function->version;
    CLEAN_MEM char *function = function_arn(region, job->function->name, qualifier);
    buf_printf(&record,
               "{\"version\":\"1.0\",\"timestamp\":\"%s\",\"requestContext\":{\"requestId\":\"%s\","
               "\"functionArn\":\"%s\",\"condition\":\"%s\",\"approximateInvokeCount\":%u},"
               "\"requestPayload\":",
               clock_iso(now_ms, now), job->request_id.text, function, condition,
               job->result.status == JOB_REFUSED ? job->attempt - 1 : job->attempt);
    payload_add(&record, bytes_str(job->payload));
    response_add(&record, job);
    buf_add_char(&record, '}');
    size_t size = record.size;
    *ret = (struct destination){
        .arn = mem_dup(arn),
        .record_size = size,
        .record = buf_steal(&record),
        .headers = mem_dup("Content-Type: application/json\n"),
        .suffix = mem_dup(".json"),
        .request_id = mem_dup(job->request_id.text),
        .region = mem_dup(region),
        .time_ms = now_ms,
    };
}

// As a header can hold it: one line of ASCII.
static void line_add(struct buf *out, struct str text)
{
    text = str_head(text, ERROR_TEXT_MAX);
    for (size_t i = 0; i < text.size; i++) {
        buf_add_char(out, text.at[i] >= ' ' && text.at[i] < 127 ? text.at[i] : '?');
    }
}

// What Lambda tells a queue beside the message: RequestID, ErrorCode, ErrorMessage.
static void error_add(struct buf *out, const struct job *job)
{
    CLEAN_JSON json_t *document = NULL;
    struct str message = STR("The event was not handled in time.");
    if (job->result.status != JOB_REFUSED &&
        json_parse_object(bytes_str(job->result.payload), &document, NULL) >= 0) {
        message = json_str(json_object_get(document, "errorMessage"));
    }
    buf_printf(out,
               "Content-Type: application/json\nx-amz-meta-requestid: %s\n"
               "x-amz-meta-errorcode: %d\nx-amz-meta-errormessage: ",
               job->request_id.text, job->result.status == JOB_REFUSED ? 429 : 200);
    line_add(out, message);
    buf_add_char(out, '\n');
}

void dead_letter_init(struct destination *ret, const char *arn, const char *region,
                      const struct job *job, int64_t now_ms)
{
    CLEAN(buf_done) struct buf headers = BUF_INIT(2 * ERROR_TEXT_MAX + 1024);
    struct str event = bytes_str(job->payload);
    error_add(&headers, job);
    *ret = (struct destination){
        .arn = mem_dup(arn),
        .record = str_dup(event),
        .record_size = event.size,
        .headers = buf_steal(&headers),
        .suffix = mem_dup(".event.json"),
        .request_id = mem_dup(job->request_id.text),
        .region = mem_dup(region),
        .time_ms = now_ms,
    };
}

void destination_done(struct destination *d)
{
    free(d->arn);
    free(d->record);
    free(d->headers);
    free(d->suffix);
    free(d->request_id);
    free(d->region);
    *d = (struct destination){0};
}

static int deliver_object(struct db *db, const struct destination *d, const struct arn_s3 *s3,
                          struct bus_emitted *emitted, struct err *err)
{
    struct str record = str_n(d->record, d->record_size);
    struct checksum sum;
    uint8_t md5[CHECKSUM_SIZE_MAX];
    checksum_init(&sum, CHECKSUM_MD5);
    checksum_add(&sum, record);
    size_t size = checksum_end(&sum, md5);
    char etag[2 * CHECKSUM_SIZE_MAX + 1] = "";
    hex_write(md5, size, etag);
    CLEAN_MEM char *key = mem_printf(STR_FMT "%s%s", STR_ARG(s3->prefix), d->request_id, d->suffix);
    struct object_change change = {0};
    int rc = object_put_small(db, s3->bucket, str_of(key), record, str_of(etag), str_of(d->headers),
                              d->time_ms, &change, err);
    struct bus_object_event event = {
        .name = "ObjectCreated:Put",
        .bucket = s3->bucket,
        .key = str_of(key),
        .size = record.size,
        .etag = str_of(etag),
        .sequencer = change.sequencer,
        .time_ms = d->time_ms,
        .region = d->region,
        .request_id = str_of(d->request_id),
    };
    rc = rc < 0 ? rc : bus_emit_object(db, &event, emitted, err);
    object_change_done(&change);
    return rc;
}

int destination_deliver(struct db *db, const struct destination *d, struct bus_emitted *emitted,
                        struct err *err)
{
    if (!d->arn) {
        return 0;
    }
    struct arn_s3 s3 = {0};
    struct err why = {0};
    int rc = 0;
    if (arn_s3_parse(str_of(d->arn), &s3, NULL) >= 0) {
        rc = deliver_object(db, d, &s3, emitted, &why);
    } else {
        rc = bus_invoke(db, str_of(d->arn), str_n(d->record, d->record_size), d->time_ms, emitted,
                        &why);
        rc = rc == 0 ? err_set(&why, ERR_NOT_FOUND, "there is no such function") : rc;
    }
    if (rc == ERR_NOT_FOUND || rc == ERR_INVALID) {
        log_warn("the result of %s has no place to go: %s: %s", d->request_id, d->arn, why.text);
        return 0;
    }
    if (rc < 0 && err) {
        *err = why;
    }
    return rc < 0 ? rc : 0;
}
