// SPDX-License-Identifier: Apache-2.0
// The way back: a function's answer becomes a response, and what went wrong one in the words of
// whatever the client believes to talk to.
#include "api/http_call.h"
#include "api/http_cors.h"
#include "api/reply.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "observe/logs.h"

#define PARSE_AT_ONCE_MAX (256 * 1024) // larger answers are parsed on another thread

// ── what went wrong ──

// Sources: the guides of Lambda and API Gateway, "Gateway response types"; what they leave open is as
// the services answer. The texts differ in one letter, and so they do there.
static const struct {
    int status;
    const char *body, *type;
} failures[][3] = {
    [HTTP_FAIL_UNKNOWN] = {[FRONT_URL] = {403, "{\"Message\":null}", "AccessDeniedException"},
                           [FRONT_API] = {403, "{\"message\":\"Forbidden\"}", NULL},
                           [FRONT_REST] = {403, "{\"message\":\"Forbidden\"}", NULL}},
    [HTTP_FAIL_NO_ROUTE] = {[FRONT_URL] = {404, "{\"message\":\"Not Found\"}", NULL},
                            [FRONT_API] = {404, "{\"message\":\"Not Found\"}", NULL},
                            [FRONT_REST] = {404, "{\"message\":\"Not Found\"}", NULL}},
    [HTTP_FAIL_FORBIDDEN] = {[FRONT_URL] = {403, "{\"Message\":\"Forbidden\"}",
                                            "AccessDeniedException"},
                             [FRONT_API] = {403, "{\"message\":\"Forbidden\"}", NULL},
                             [FRONT_REST] = {403, "{\"message\":\"Forbidden\"}", NULL}},
    [HTTP_FAIL_LARGE] = {[FRONT_URL] = {413,
                                        "{\"message\":\"Exceeded maximum allowed payload size.\"}",
                                        "RequestEntityTooLargeException"},
                         [FRONT_API] = {413, "{\"message\":\"Request Entity Too Large\"}", NULL},
                         [FRONT_REST] = {413, "{\"message\":\"Request Too Long\"}", NULL}},
    [HTTP_FAIL_THROTTLED] = {[FRONT_URL] = {429,
                                            "{\"Reason\":\"ConcurrentInvocationLimitExceeded\","
                                            "\"Type\":\"User\",\"message\":\"Rate Exceeded.\"}",
                                            "TooManyRequestsException"},
                             [FRONT_API] = {429, "{\"message\":\"Too Many Requests\"}", NULL},
                             [FRONT_REST] = {429, "{\"message\":\"Too Many Requests\"}",
                                             "TooManyRequestsException"}},
    [HTTP_FAIL_FUNCTION] = {[FRONT_URL] = {502, "Internal Server Error", NULL},
                            [FRONT_API] = {500, "{\"message\":\"Internal Server Error\"}", NULL},
                            [FRONT_REST] = {502, "{\"message\": \"Internal server error\"}",
                                            "InternalServerErrorException"}},
    [HTTP_FAIL_TIMEOUT] = {[FRONT_URL] = {504, "Gateway Timeout", NULL},
                           [FRONT_API] = {503, "{\"message\":\"Service Unavailable\"}", NULL},
                           [FRONT_REST] = {504, "{\"message\": \"Endpoint request timed out\"}",
                                           "InternalServerErrorException"}},
    [HTTP_FAIL_UNAVAILABLE] = {[FRONT_URL] = {503, "{\"message\":\"Service Unavailable\"}",
                                              "ServiceUnavailableException"},
                               [FRONT_API] = {503, "{\"message\":\"Service Unavailable\"}", NULL},
                               [FRONT_REST] = {503, "{\"message\":\"Service Unavailable\"}", NULL}},
};

static void reply_begin(struct http_request *req, enum front_kind kind, const json_t *cors)
{
    http_reply_header(req, kind == FRONT_API ? "apigw-requestid" : "x-amzn-RequestId", req->id);
    if (cors) {
        http_cors_reply(req, cors);
    }
}

void http_fail_request(struct http_request *req, enum front_kind kind, enum http_failure failure,
                       const json_t *cors)
{
    reply_begin(req, kind, cors);
    http_reply_header(req, "Content-Type", "application/json");
    if (failures[failure][kind].type) {
        http_reply_header(req, "x-amzn-ErrorType", failures[failure][kind].type);
    }
    if (failure == HTTP_FAIL_THROTTLED) {
        http_reply_header(req, "Retry-After", "1");
    }
    http_reply(req, failures[failure][kind].status, str_of(failures[failure][kind].body));
}

bool http_takes_reply(struct http_call *call)
{
    bool now = call->req && !call->replied;
    call->replied = true;
    timer_stop(call->api->loop, &call->timer);
    return now;
}

void http_fail(struct http_call *call, enum http_failure failure)
{
    if (http_takes_reply(call)) {
        http_fail_request(call->req, call->front->kind, failure, call->front->cors);
    }
}

// A function URL says what is wrong with a signature; an API says nothing.
void http_fail_auth(struct http_call *call, const struct err *err)
{
    bool missing = strcmp(err_aws_name(err), "MissingAuthenticationTokenException") == 0;
    if (call->front->kind != FRONT_URL || missing) {
        http_fail(call, HTTP_FAIL_FORBIDDEN);
    } else if (http_takes_reply(call)) {
        if (call->front->cors) {
            http_cors_reply(call->req, call->front->cors);
        }
        reply_error(call->req, err);
    }
}

// ── answers ──

void http_respond_malformed(struct http_call *call)
{
    CLEAN_MEM char *line = mem_printf("[ERROR] RequestId: " STR_FMT " %s\n",
                                      STR_ARG(call->event.request_id), call->err.text);
    log_info("function %s: %s", call->version->name, call->err.text);
    if (call->api->observe) {
        logs_append(call->api->observe, str_of(call->version->name), clock_wall_ms(), str_of(line));
    }
    http_fail(call, HTTP_FAIL_FUNCTION);
}

static bool is_cors(const char *name)
{
    return strncasecmp(name, "Access-Control-", strlen("Access-Control-")) == 0;
}

// Where the configuration speaks the function's own CORS headers are not sent; behind a REST API, where
// functions make them themselves, theirs go before ours.
void http_respond_headers(struct http_call *call)
{
    const struct http_answer *a = &call->answer;
    const json_t *cors = call->front->cors;
    for (size_t i = 0; i < a->header_count && cors && call->front->kind == FRONT_REST; i++) {
        cors = is_cors(a->headers[i].name) ? NULL : cors;
    }
    reply_begin(call->req, call->front->kind, cors);
    for (size_t i = 0; i < a->header_count; i++) {
        if (!cors || !is_cors(a->headers[i].name)) {
            http_reply_header(call->req, a->headers[i].name, a->headers[i].value);
        }
    }
}

static void bytes_free(void *arg)
{
    bytes_unref(arg);
}

static void answer(struct http_call *call)
{
    if (call->rc < 0) {
        http_respond_malformed(call);
        return;
    }
    if (!http_takes_reply(call)) {
        return;
    }
    struct http_answer *a = &call->answer;
    http_respond_headers(call);
    if (a->body.size == 0) {
        http_reply(call->req, a->status, STR(""));
    } else if (a->kept.size) {
        http_reply_buf(call->req, a->status, &a->kept);
    } else {
        http_reply_borrowed(call->req, a->status, a->body, bytes_free, bytes_ref(call->result));
    }
}

static void parse(struct http_call *call)
{
    static const enum http_answer_format formats[] = {[FRONT_URL] = HTTP_ANSWER_URL,
                                                      [FRONT_API] = HTTP_ANSWER_API,
                                                      [FRONT_REST] = HTTP_ANSWER_REST};
    enum http_answer_format format = formats[call->front->kind];
    if (call->plain && format == HTTP_ANSWER_REST) {
        format = HTTP_ANSWER_API; // a model answers with what it found, whoever asks
    }
    call->rc = http_answer_parse(bytes_str(call->result), format, &call->answer, &call->err);
}

static void parse_run(struct pool_work *work)
{
    parse(CONTAINER_OF(work, struct http_call, work));
}

static void parse_done(struct pool_work *work)
{
    struct http_call *call = CONTAINER_OF(work, struct http_call, work);
    answer(call);
    http_call_unref(call);
}

static enum http_failure refusal(const struct err *err)
{
    return err->code == ERR_BUSY          ? HTTP_FAIL_THROTTLED
           : err->code == ERR_UNAVAILABLE ? HTTP_FAIL_UNAVAILABLE
                                          : HTTP_FAIL_FUNCTION;
}

void http_respond(struct http_call *call, const struct job *job)
{
    const struct job_result *result = &job->result;
    if (call->streaming) {
        http_stream_settled(call, job);
        return;
    }
    if (!call->req || call->replied) {
        return;
    }
    if (result->tier != TIER_NONE) {
        http_reply_header(call->req, "X-Rouse-Tier", tier_name(result->tier));
    }
    if (result->status == JOB_REFUSED) {
        http_fail(call, refusal(&result->err));
        return;
    }
    if (result->status != JOB_OK) {
        http_fail(call, HTTP_FAIL_FUNCTION);
        return;
    }
    call->result = result->payload ? bytes_ref(result->payload) : NULL;
    if (bytes_str(call->result).size > PARSE_AT_ONCE_MAX) {
        call->refs++;
        call->work = (struct pool_work){.run = parse_run, .on_done = parse_done};
        pool_submit(call->api->pool, &call->work);
        return;
    }
    parse(call);
    answer(call);
}
