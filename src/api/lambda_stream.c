// SPDX-License-Identifier: Apache-2.0
// InvokeWithResponseStream: Invoke whose answer comes as events, each as soon as the function has made
// a piece of it. The slower of function and client sets the pace.
//
//     PayloadChunk*  InvokeComplete        a function that does not stream: at most one chunk
#include "api/lambda.h"
#include "dispatch/dispatch.h"
#include "format/eventstream.h"

#define MESSAGE_EXTRA 1024 // of a message, beside its payload
#define DETAILS_MAX   (256 * 1024)
#define COMPLETE_MAX  (6 * DETAILS_MAX + 64 * 1024) // as JSON writes it at worst

// ── events ──

static void chunk_add(struct buf *out, struct str payload)
{
    eventstream_event(out, "PayloadChunk", "application/octet-stream", payload);
}

static const char truncated[] = "Runtime.TruncatedResponse";

// Lambda lets through its own names; whatever else a runtime calls its error is unknown to it.
static const char *error_code(const struct job *job)
{
    const struct job_result *result = &job->result;
    struct str type = str_of(result->error_type);
    if (!job->streamed) {
        return "Unhandled";
    }
    if (strcmp(result->platform_error, "Runtime.ExitError") == 0) {
        return truncated;
    }
    if (result->platform_error[0]) {
        return result->platform_error;
    }
    return str_starts(type, STR("Runtime.")) || str_starts(type, STR("Function."))
               ? result->error_type
               : "Runtime.Unknown";
}

static void complete_add(struct buf *out, const struct http_request *req, const struct job *job)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(COMPLETE_MAX);
    CLEAN_JSON json_t *json = json_object();
    char log[BASE64_SIZE(LAMBDA_LOG_TAIL) + 1];
    const char *code = job->result.status == JOB_OK ? "" : error_code(job);
    struct str details = str_head(bytes_str(job->result.payload), DETAILS_MAX);
    if (*code) {
        json_put_str(json, "ErrorCode", str_of(code));
    }
    if (*code && details.size && strcmp(code, truncated) != 0) {
        json_put_str(json, "ErrorDetails", details);
    }
    lambda_log_tail(req, job, log);
    if (*log) {
        json_put_str(json, "LogResult", str_of(log));
    }
    json_write(json, &text);
    eventstream_event(out, "InvokeComplete", "application/json", buf_str(&text));
}

// ── the stream ──

static void stream_start(struct lambda_call *call, const struct job *job)
{
    call->replied = true;
    lambda_job_headers(call->req, job, EVENTSTREAM_TYPE);
    http_stream_start(call->req, 200);
}

static void on_begun(struct job *job, struct str content_type)
{
    (void)content_type; // the reply's own says how its events are written
    struct lambda_call *call = job->data;
    if (call->req) {
        stream_start(call, job);
    }
}

static bool on_piece(struct job *job, struct str piece)
{
    struct lambda_call *call = job->data;
    CLEAN(buf_done) struct buf message = BUF_INIT(piece.size + MESSAGE_EXTRA);
    struct err err = {0};
    if (!call->req) {
        return true;
    }
    chunk_add(&message, piece);
    (void)!http_stream_write(call->req, buf_str(&message), &err); // there is room: we have waited
    return !http_stream_full(call->req);
}

static void on_settled(struct job *job)
{
    struct lambda_call *call = job->data;
    struct str whole = job->result.status == JOB_OK ? bytes_str(job->result.payload) : STR("");
    CLEAN(buf_done) struct buf last = BUF_INIT(whole.size + COMPLETE_MAX + 2 * MESSAGE_EXTRA);
    call->streaming = NULL;
    if (job->result.status == JOB_REFUSED) {
        lambda_fail(call, &job->result.err);
    } else if (call->req) {
        if (!job->streamed) {
            stream_start(call, job);
        }
        if (whole.size > 0) {
            chunk_add(&last, whole);
        }
        complete_add(&last, call->req, job);
        http_stream_finish(call->req, buf_str(&last));
    }
    lambda_call_unref(call);
}

// ── entry point ──

int lambda_invoke_stream(struct lambda_call *call, struct err *err)
{
    static const struct job_sink sink = {on_begun, on_piece};
    struct lambda_function *f = NULL;
    struct lambda_target target;
    struct job *job = NULL;
    TRY(lambda_need(call, &f, err));
    TRY(lambda_need_target(call, f, /* pick */ true, &target, err));
    struct str type = http_request_header(call->req, "X-Amz-Invocation-Type");
    if (str_eq(type, STR("DryRun"))) {
        lambda_reply_empty(call, 204);
        return 0;
    }
    if (type.size > 0 && !str_eq(type, STR("RequestResponse"))) {
        return err_aws(err, ERR_INVALID, "ValidationException",
                       "1 validation error detected: Value '" STR_FMT
                       "' at 'invocationType' failed to satisfy constraint: Member must satisfy "
                       "enum value set: [RequestResponse, DryRun]",
                       STR_ARG(str_head(type, 40)));
    }
    TRY(lambda_job_new(call, target.version, &job, err));
    job->sink = &sink;
    job->on_settled = on_settled;
    job->data = lambda_call_ref(call);
    call->streaming = job;
    dispatch_submit(call->api->dispatch, job);
    return 0;
}
