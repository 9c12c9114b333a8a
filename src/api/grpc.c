// SPDX-License-Identifier: Apache-2.0
// Calls of gRPC: who asks, messages in, a job for each that infers, messages and a status out.
//
//     route ── messages ──► document ──► answer
//                    └────► infer ── settled ──► answer, or the next of a stream's, in their order
#include "api/grpc.h"
#include "api/grpc_infer.h"
#include "api/grpc_method.h"
#include "api/model_call.h"
#include "api/proto.h"
#include "base/list.h"
#include "dispatch/dispatch.h"
#include "format/grpc.h"
#include "format/gzip.h"
#include "format/json.h"

#include <stdio.h>

#define MESSAGE_MAX    MODELS_BODY_MAX
#define ANSWER_MAX     (2 * MODELS_BODY_MAX)
#define INFERS_MAX     64            // of a stream at once; further ones wait at their client
#define UNSENT_MAX     (1024 * 1024) // of a stream's answers, before its client has to take some
#define STATUS_TEXT    1800          // of grpc-message
#define TAKES_ENCODING "identity,gzip,deflate"

struct call {
    struct http2_stream *stream; // NULL once it is answered, or gone
    struct api *api;
    struct auth auth;
    const struct grpc_method *method;
    struct grpc_reader reader;
    ProtobufCMessage *request; // of a method that takes one
    struct timer deadline;
    struct list infers; // struct infer, as they came
    size_t infer_count;
    bool begun;    // the answer's headers are on their way
    bool complete; // the client has said all
    bool held;     // the stream is there, or was not closed
};

struct infer {
    struct list link;
    struct call *call;
    struct job *job; // NULL: settled
    struct buf answer;
    char *id;
    size_t size; // of its message, as the stream holds it
};

// ── answers ──

static void call_free(struct call *call)
{
    if (call->held || !list_empty(&call->infers)) {
        return; // the stream's end, or a job's, comes
    }
    timer_stop(call->api->loop, &call->deadline);
    grpc_reader_done(&call->reader);
    proto_free(&call->request);
    free(call);
}

static void infer_free(struct infer *infer)
{
    list_remove(&infer->link);
    infer->call->infer_count--;
    buf_done(&infer->answer);
    free(infer->id);
    free(infer);
}

// Nobody wants its answers any more.
static void abandon(struct call *call)
{
    call->stream = NULL;
    timer_stop(call->api->loop, &call->deadline);
    LIST_EACH(infer, &call->infers, struct infer, link)
    {
        if (infer->job) {
            dispatch_cancel(call->api->dispatch, infer->job);
        } else {
            infer_free(infer);
        }
    }
}

static const struct http_header content_type = {STR("content-type"), STR("application/grpc")};
static const struct http_header accepted = {STR("grpc-accept-encoding"), STR(TAKES_ENCODING)};

static void call_begin(struct call *call)
{
    if (!call->begun) {
        const struct http_header headers[] = {content_type, accepted};
        call->begun = true;
        http2_begin(call->stream, 200, headers, ARRAY_SIZE(headers));
    }
}

// The last of a call: its status, and what goes with it.
static void call_end(struct call *call, enum grpc_status status, const char *text)
{
    if (!call->stream) {
        return;
    }
    char code[12];
    CLEAN(buf_done) struct buf message = BUF_INIT(STATUS_TEXT);
    snprintf(code, sizeof code, "%d", status);
    grpc_message_write(&message, str_head(str_of(text), STATUS_TEXT / 3));
    const struct http_header headers[] = {content_type,
                                          accepted,
                                          {STR("grpc-status"), str_of(code)},
                                          {STR("grpc-message"), str_not_null(buf_str(&message))}};
    size_t count = message.size ? 4 : 3;
    struct http2_stream *stream = call->stream;
    abandon(call);
    if (call->begun) {
        http2_end(stream, headers + 2, count - 2);
    } else {
        http2_reply(stream, 200, headers, count);
    }
}

static void call_fail(struct call *call, const struct err *err)
{
    call_end(call, grpc_status_of(err->code), err->text);
}

// A message that is to be sent begins with room for its prefix.
static void answer_init(struct buf *answer)
{
    static const char room[GRPC_PREFIX_SIZE];
    buf_init(answer, ANSWER_MAX);
    buf_add(answer, room, sizeof room);
}

static void call_send(struct call *call, struct buf *answer)
{
    grpc_prefix(answer->at, (uint32_t)(answer->size - GRPC_PREFIX_SIZE));
    call_begin(call);
    http2_write_buf(call->stream, answer);
}

// ── inference ──

static int infer_answer(struct infer *infer, const struct job *job, struct err *err)
{
    struct str json, raw;
    TRY(models_answer(job, &json, &raw, err));
    return grpc_infer_response(json, raw, job->function->name, job->function->version,
                               &infer->answer, err);
}

static bool stream_is_full(const struct call *call)
{
    return call->infer_count >= INFERS_MAX || http2_waiting(call->stream) > UNSENT_MAX;
}

// Those that are answered, up to the first that is not.
static void stream_go_on(struct call *call)
{
    struct infer *infer;
    while (call->stream && (infer = LIST_FIRST(&call->infers, struct infer, link)) && !infer->job) {
        call_send(call, &infer->answer);
        http2_release(call->stream, infer->size);
        infer_free(infer);
    }
    if (call->stream && call->complete && list_empty(&call->infers)) {
        call_end(call, GRPC_OK, "");
    } else if (call->stream && !stream_is_full(call)) {
        http2_resume(call->stream);
    }
}

static void stream_settled(struct infer *infer, const struct job *job)
{
    struct err err = {0};
    struct buf whole;
    answer_init(&whole);
    if (infer_answer(infer, job, &err) < 0) {
        grpc_infer_stream_error(err.text, str_of(infer->id), &whole);
    } else {
        struct str response = str_skip(buf_str(&infer->answer), GRPC_PREFIX_SIZE);
        grpc_infer_stream_response(response, &whole);
    }
    buf_done(&infer->answer);
    infer->answer = whole;
    stream_go_on(infer->call);
}

static void infer_settled(struct job *job)
{
    struct infer *infer = job->data;
    struct call *call = infer->call;
    struct err err = {0};
    infer->job = NULL;
    if (!call->stream) {
        infer_free(infer);
        call_free(call);
    } else if (call->method->streams) {
        stream_settled(infer, job);
    } else if (infer_answer(infer, job, &err) < 0) {
        call_fail(call, &err);
    } else {
        call_send(call, &infer->answer);
        call_end(call, GRPC_OK, "");
    }
}

static int infer_start(struct infer *infer, const Inference__ModelInferRequest *request,
                       struct err *err)
{
    struct call *call = infer->call;
    struct model_ref ref = {0};
    CLEAN(buf_done) struct buf payload = BUF_INIT(MODELS_BODY_MAX + TENSORS_MARK_SIZE);
    model_ref_set(&ref, str_of(request->model_name), str_of(request->model_version));
    TRY(models_authorize(call->api, &call->stream->req, &call->auth, &ref, err));
    TRY(grpc_infer_payload(request, &payload, err));
    TRY(models_job(call->api, &ref, &payload, &infer->job, err));
    infer->job->on_settled = infer_settled;
    infer->job->data = infer;
    return 0;
}

// A request that is wrong in itself ends a call; one of a stream is answered in its turn.
static void infer_begin(struct call *call, const Inference__ModelInferRequest *request, size_t size)
{
    struct infer *infer = NEW(struct infer);
    struct err err = {0};
    infer->call = call;
    infer->size = size;
    infer->id = mem_dup(request->id);
    answer_init(&infer->answer);
    list_push_back(&call->infers, &infer->link);
    call->infer_count++;
    if (infer_start(infer, request, &err) == 0) {
        dispatch_submit(call->api->dispatch, infer->job);
    } else if (call->method->streams) {
        grpc_infer_stream_error(err.text, str_of(request->id), &infer->answer);
        stream_go_on(call);
    } else {
        call_fail(call, &err);
    }
}

// ── documents ──

static int answer_document(struct call *call, struct err *err)
{
    CLEAN_JSON json_t *json = NULL;
    CLEAN(buf_done) struct buf message;
    struct model_ref ref = {0};
    answer_init(&message);
    struct str name = proto_text(call->request, "name");
    name = name.size ? name : proto_text(call->request, "model_name");
    model_ref_set(&ref, name, proto_text(call->request, "version"));
    if (call->method->may == GRPC_MODEL) {
        TRY(models_authorize(call->api, &call->stream->req, &call->auth, &ref, err));
    }
    TRY(call->method->document(call->api, &ref, call->request, &json, err));
    proto_write(call->method->answers, json, &message);
    if (!buf_ok(&message)) {
        return err_set(err, ERR_LIMIT, "the answer is too large");
    }
    call_send(call, &message);
    call_end(call, GRPC_OK, "");
    return 0;
}

// ── messages ──

static int message_expand(struct call *call, struct buf *out, struct err *err)
{
    struct str coding = http_request_header(&call->stream->req, "grpc-encoding");
    if (!str_eq(coding, STR("gzip")) && !str_eq(coding, STR("deflate"))) {
        return coding.size && !str_eq(coding, STR("identity"))
                   ? err_set(err, ERR_UNSUPPORTED, "grpc-encoding: " TAKES_ENCODING " are taken")
                   : err_set(err, ERR_PROTOCOL, "a compressed message, and no grpc-encoding");
    }
    TRY(gzip_expand(buf_str(&call->reader.message), out, err));
    return http2_hold(call->stream, out->size)
               ? 0
               : err_set(err, ERR_LIMIT, "the connection holds too much");
}

// *ret_size: what the stream holds for it.
static int message_read(struct call *call, ProtobufCMessage **ret, size_t *ret_size,
                        struct err *err)
{
    CLEAN(buf_done) struct buf expanded = BUF_INIT(MESSAGE_MAX);
    struct str bytes = buf_str(&call->reader.message);
    *ret_size = bytes.size + GRPC_PREFIX_SIZE;
    if (call->reader.compressed) {
        TRY(message_expand(call, &expanded, err));
        bytes = buf_str(&expanded);
        *ret_size += bytes.size;
    }
    return proto_read(call->method->asks, bytes, ret, err);
}

static int on_message(struct call *call, struct err *err)
{
    CLEAN(proto_free) ProtobufCMessage *message = NULL;
    size_t size = 0;
    if (call->request) {
        return err_set(err, ERR_UNSUPPORTED, "the method takes one message");
    }
    TRY(message_read(call, &message, &size, err));
    if (!call->method->streams) {
        call->request = MOVE(message);
        return 0;
    }
    infer_begin(call, (const Inference__ModelInferRequest *)(const void *)message, size);
    if (call->stream && stream_is_full(call)) {
        http2_pause(call->stream);
    }
    return 0;
}

static void on_body(struct http2_stream *stream, struct str piece)
{
    struct call *call = stream->data;
    struct err err = {0};
    int rc = 0;
    while (call->stream && (rc = grpc_read(&call->reader, &piece, &err)) > 0) {
        rc = on_message(call, &err);
        if (rc < 0) {
            break;
        }
    }
    if (rc < 0) {
        call_fail(call, &err);
    }
}

static void on_end(struct http2_stream *stream)
{
    struct call *call = stream->data;
    struct err err = {0};
    int rc = 0;
    call->complete = true;
    if (!call->stream) {
        return;
    }
    bool whole = grpc_between(&call->reader);
    buf_done(&call->reader.message); // it is in the request now
    if (!whole) {
        rc = err_set(&err, ERR_PROTOCOL, "the last message is not all there");
    } else if (call->method->streams) {
        stream_go_on(call);
    } else if (!call->request) {
        rc = err_set(&err, ERR_UNSUPPORTED, "the method takes one message");
    } else if (call->method->document) {
        rc = answer_document(call, &err);
    } else {
        infer_begin(call, (const Inference__ModelInferRequest *)(const void *)call->request, 0);
    }
    if (rc < 0) {
        call_fail(call, &err);
    }
    proto_free(&call->request);
}

static void on_sent(struct http2_stream *stream)
{
    struct call *call = stream->data;
    if (call->stream && call->method->streams) {
        stream_go_on(call);
    }
}

static void on_closed(struct http2_stream *stream)
{
    struct call *call = stream->data;
    if (call->stream) {
        abandon(call);
    }
    call->held = false;
    call_free(call);
}

static const struct http2_handler handler = {
    .on_body = on_body, .on_end = on_end, .on_closed = on_closed, .on_sent = on_sent};

// ── the call ──

static void deadline_due(struct timer *timer)
{
    call_end(CONTAINER_OF(timer, struct call, deadline), GRPC_DEADLINE_EXCEEDED,
             "Deadline Exceeded");
}

static int deadline_start(struct call *call, struct err *err)
{
    struct str text = http_request_header(&call->stream->req, "grpc-timeout");
    int64_t us = 0;
    if (text.at) {
        TRY(grpc_timeout(text, &us, err));
        timer_start(call->api->loop, &call->deadline, us);
    }
    return 0;
}

// Signatures cover a body that is known before; a call's need not be. So it is the key here.
static bool is_known(struct call *call)
{
    const struct http_request *req = &call->stream->req;
    struct err ignored = {0};
    return call->method->may == GRPC_ANYBODY || model_call_bearer(call->api, req, &call->auth) ||
           (call->api->settings->insecure &&
            auth_headers(call->api, req, AUTH_STYLE_JSON, &call->auth, &ignored) == 0);
}

static void call_open(struct call *call)
{
    const struct http_request *req = &call->stream->req;
    struct err err = {0};
    call->method = grpc_method_find(req->path);
    if (!call->method) {
        (void)!err_set(&err, ERR_UNSUPPORTED, "there is no method " STR_FMT,
                       STR_ARG(str_head(req->path, 200)));
        call_fail(call, &err);
    } else if (!is_known(call)) {
        call_end(call, GRPC_UNAUTHENTICATED,
                 "The call has no valid key: send the metadata \"authorization: Bearer …\" "
                 "(rouse env --openai prints the key).");
    } else if (deadline_start(call, &err) < 0) {
        call_fail(call, &err);
    } else if (call->method->streams) {
        call_begin(call);
    }
}

const struct http2_handler *grpc_route(struct http2_stream *stream, void *ctx)
{
    struct str type = http_request_header(&stream->req, "content-type");
    struct str kind = str_trim(str_cut(&type, ';'));
    bool grpc =
        str_eq(kind, STR("application/grpc")) || str_eq(kind, STR("application/grpc+proto"));
    bool ours = str_starts(stream->req.path, STR("/inference.GRPCInferenceService/")) ||
                str_starts(stream->req.path, STR("/grpc.health.v1.Health/"));
    if (!grpc || !str_eq(stream->req.method, STR("POST"))) {
        if (ours) {
            http2_reply(stream, 415, NULL, 0);
        }
        return NULL;
    }
    struct call *call = NEW(struct call);
    call->stream = stream;
    call->api = ctx;
    call->held = true;
    call->deadline.on_due = deadline_due;
    list_init(&call->infers);
    grpc_reader_init(&call->reader, MESSAGE_MAX);
    stream->data = call;
    call_open(call);
    return &handler;
}
