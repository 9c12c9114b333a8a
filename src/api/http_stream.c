// SPDX-License-Identifier: Apache-2.0
// Function URLs of mode RESPONSE_STREAM: what a function streams goes to the client as it comes, at the
// pace of the slower.
//
//     application/vnd.awslambda.http-integration-response     {"statusCode", "headers", "cookies"}, eight
//                                                             NULs, the body
//     any other type                                          the body of a 200
//     not streamed at all                                     its answer is the body of a 200, as it is
#include "api/http_call.h"
#include "format/json.h"

#define MARK ((struct str){"\0\0\0\0\0\0\0\0", 8})

// The response begins: call->answer is what goes before the body.
static void start(struct http_call *call, const struct job *job)
{
    if (!http_takes_reply(call)) {
        return;
    }
    http_reply_header(call->req, "X-Rouse-Tier", tier_name(job->result.tier));
    http_respond_headers(call);
    int status = call->answer.status;
    if (status == 204 || status == 304) { // whatever comes, these have no body
        http_reply(call->req, status, STR(""));
        return;
    }
    http_stream_start(call->req, status);
    call->started = true;
}

static void start_plain(struct http_call *call, const struct job *job, struct str type)
{
    CLEAN(buf_done) struct buf prelude = BUF_INIT(HTTP_ANSWER_PRELUDE_MAX);
    buf_add_text(&prelude, "{\"headers\":{\"Content-Type\":");
    json_quote(&prelude, type.size ? type : STR("application/octet-stream"));
    buf_add_text(&prelude, "}}");
    if (http_answer_prelude(buf_str(&prelude), &call->answer, &call->err) < 0) {
        http_respond_malformed(call); // its type is none
    } else {
        start(call, job);
    }
}

static void on_begun(struct job *job, struct str type)
{
    struct http_call *call = job->data;
    struct str media = type;
    if (str_eq_nocase(str_trim(str_cut(&media, ';')), STR(HTTP_ANSWER_PRELUDE_TYPE))) {
        call->in_prelude = true;
        buf_init(&call->prelude, HTTP_ANSWER_PRELUDE_MAX);
    } else {
        start_plain(call, job, type);
    }
}

static bool put(struct http_call *call, struct str piece)
{
    struct err err = {0};
    if (!call->req || !call->started) {
        return true;
    }
    (void)!http_stream_write(call->req, piece, &err); // there is room: we have waited
    return !http_stream_full(call->req);
}

static void prelude_malformed(struct http_call *call)
{
    call->in_prelude = false;
    http_respond_malformed(call);
}

static bool on_piece(struct job *job, struct str piece)
{
    struct http_call *call = job->data;
    if (!call->in_prelude) {
        return put(call, piece);
    }
    size_t room = HTTP_ANSWER_PRELUDE_MAX - call->prelude.size;
    buf_add_str(&call->prelude, str_head(piece, room));
    struct str all = buf_str(&call->prelude);
    ptrdiff_t at = str_find_str(all, MARK);
    if (at < 0 && piece.size < room) {
        return true;
    }
    if (at < 0) {
        err_set(&call->err, ERR_INVALID, "malformed answer: its prelude has no end within %d bytes",
                HTTP_ANSWER_PRELUDE_MAX);
        prelude_malformed(call);
        return true;
    }
    if (http_answer_prelude(str_head(all, (size_t)at), &call->answer, &call->err) < 0) {
        prelude_malformed(call);
        return true;
    }
    call->in_prelude = false;
    start(call, job);
    (void)put(call, str_skip(all, (size_t)at + MARK.size));
    return put(call, str_skip(piece, room));
}

const struct job_sink http_stream_sink = {on_begun, on_piece};

// A stream that was cut off before its end is not to look whole.
void http_stream_settled(struct http_call *call, const struct job *job)
{
    bool ok = job->result.status == JOB_OK;
    call->streaming = NULL;
    if (call->in_prelude && !ok) {
        http_fail(call, HTTP_FAIL_FUNCTION);
    } else if (call->in_prelude) {
        err_set(&call->err, ERR_INVALID, "malformed answer: it ended within its prelude");
        prelude_malformed(call);
    } else if (!job->streamed && ok) {
        start_plain(call, job, (struct str){0});
        (void)put(call, bytes_str(job->result.payload));
    } else if (!job->streamed) {
        http_respond(call, job);
        return;
    }
    if (call->req && call->started) {
        (ok ? http_stream_end : http_stream_break)(call->req);
    }
}
