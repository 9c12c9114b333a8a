// SPDX-License-Identifier: Apache-2.0
// Requests of runtimes and extensions: a table of paths, a body that is collected, an answer that is
// given now or when there is an event. Paths and words are those of Lambda's documentation.
#include "api/runtime.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/function.h"
#include "format/base64.h"
#include "format/json.h"
#include "worker/runtime_link.h"

#include <stdio.h>
#include <unistd.h>

#define RUNTIME_PATH   "/2018-06-01/runtime/"
#define EXTENSION_PATH "/2020-01-01/extension/"
#define TELEMETRY_PATH "/2022-07-01/telemetry"
#define LOGS_PATH      "/2020-08-15/logs"
#define ERROR_MAX      (256 * 1024) // of an error document

struct runtime_server {
    struct runtime_api table;
    struct api *api;
    struct http_server *http; // NULL: the server ends
};

// The connections of one instance; ends with the last of them.
struct origin {
    struct http_origin base;
    struct runtime_server *server;
    struct runtime_link *link; // NULL: the instance has ended
};

struct call {
    struct http_request *req;
    const struct operation *op;
    struct str id; // of the invocation, in the path
    struct buf body;
    struct runtime_waiter waiter;
    struct str extension; // its identifier, as it was sent
    bool replied, too_large;
    struct job_source source; // of an answer that is passed on as it comes
    bool streaming;
    uint64_t streamed; // bytes
};

struct operation {
    const char *method, *path; // "*" stands for the id of an invocation
    int (*run)(struct call *call, struct runtime_link *link, struct err *err);
    size_t body_max;
};

// ── replies ──

static void reply_error(struct call *call, int status, const char *type, const char *message)
{
    CLEAN(buf_done) struct buf out = BUF_INIT(4096);
    buf_add_text(&out, "{\"errorMessage\":");
    json_quote(&out, str_of(message));
    buf_add_text(&out, ",\"errorType\":");
    json_quote(&out, str_of(type));
    buf_add_text(&out, "}\n");
    call->replied = true;
    http_reply_header(call->req, "Content-Type", "application/json");
    http_reply_buf(call->req, status, &out);
}

static void reply_accepted(struct call *call)
{
    call->replied = true;
    http_reply_header(call->req, "Content-Type", "application/json");
    http_reply(call->req, 202, STR("{\"status\":\"OK\"}\n"));
}

static void bytes_free(void *arg)
{
    bytes_unref(arg);
}

// ── events ──

// Base64 of nobody: the context is JSON, and its members are what the headers hold.
static void context_headers(struct http_request *req, const struct job *job, const char *arn)
{
    CLEAN_JSON json_t *context = NULL;
    struct err ignored = {0};
    if (job->context && json_parse_object(str_of(job->context), &context, &ignored) == 0) {
        CLEAN(buf_done) struct buf text = BUF_INIT(8192);
        const json_t *client = json_object_get(context, "client");
        if (client) {
            json_write(client, &text);
            http_reply_header(req, "Lambda-Runtime-Client-Context", buf_text(&text));
        }
        const json_t *identity = json_object_get(context, "identity");
        if (identity) {
            buf_clear(&text);
            json_write(identity, &text);
            http_reply_header(req, "Lambda-Runtime-Cognito-Identity", buf_text(&text));
        }
    }
    const json_t *given = json_object_get(context, "arn");
    http_reply_header(req, "Lambda-Runtime-Invoked-Function-Arn",
                      json_is_string(given) ? json_string_value(given) : arn);
}

static void trace_write(const struct job *job, char *text, size_t size)
{
    CLEAN_JSON json_t *context = NULL;
    struct err ignored = {0};
    if (job->context && json_parse_object(str_of(job->context), &context, &ignored) == 0 &&
        json_is_string(json_object_get(context, "trace"))) {
        snprintf(text, size, "%s", json_string_value(json_object_get(context, "trace")));
        return;
    }
    const char *id = job->request_id.text; // a trace of its own, as where nothing is sampled
    snprintf(text, size, "Root=1-%08llx-%.8s%.4s%.4s%.4s%.4s;Parent=%.8s%.4s%.4s;Sampled=0",
             (unsigned long long)(clock_wall_ms() / 1000), id, id + 9, id + 14, id + 19, id + 24,
             id + 24, id + 9, id + 14);
}

static struct origin *origin_of(const struct http_request *req)
{
    return CONTAINER_OF(req->origin, struct origin, base);
}

static char *arn_of(const struct call *call, const struct job *job)
{
    const struct function *f = job->function;
    const struct api *api = origin_of(call->req)->server->api;
    return function_arn(api->settings->region, f->name,
                        strcmp(f->version, "$LATEST") == 0 ? NULL : f->version);
}

static void on_invoke(struct runtime_waiter *waiter, const struct runtime_event *event)
{
    struct call *call = CONTAINER_OF(waiter, struct call, waiter);
    struct http_request *req = call->req;
    const struct job *job = event->job;
    char text[256];
    call->replied = true;
    http_reply_header(req, "Content-Type", "application/json");
    http_reply_header(req, "Lambda-Runtime-Aws-Request-Id", job->request_id.text);
    snprintf(text, sizeof text, "%lld", (long long)event->deadline_ms);
    http_reply_header(req, "Lambda-Runtime-Deadline-Ms", text);
    trace_write(job, text, sizeof text);
    http_reply_header(req, "Lambda-Runtime-Trace-Id", text);
    CLEAN_MEM char *arn = arn_of(call, job);
    context_headers(req, job, arn);
    if (job->payload && job->payload->size > 0) {
        http_reply_borrowed(req, 200, bytes_str(job->payload), bytes_free, bytes_ref(job->payload));
    } else {
        http_reply(req, 200, STR("{}"));
    }
}

static void on_extension_event(struct runtime_waiter *waiter, const struct runtime_event *event)
{
    struct call *call = CONTAINER_OF(waiter, struct call, waiter);
    CLEAN(buf_done) struct buf out = BUF_INIT(8192);
    CLEAN_JSON json_t *json = json_object();
    json_put_str(json, "eventType",
                 event->kind == RUNTIME_INVOKE ? STR("INVOKE") : STR("SHUTDOWN"));
    json_put_int(json, "deadlineMs", event->deadline_ms);
    if (event->kind == RUNTIME_SHUTDOWN) {
        json_put_str(json, "shutdownReason", event->reason);
    } else {
        char trace[256];
        CLEAN_MEM char *arn = arn_of(call, event->job);
        trace_write(event->job, trace, sizeof trace);
        json_put_str(json, "requestId", str_of(event->job->request_id.text));
        json_put_str(json, "invokedFunctionArn", str_of(arn));
        json_put(json, "tracing",
                 json_pack("{s:s, s:s}", "type", "X-Amzn-Trace-Id", "value", trace));
    }
    json_write(json, &out);
    call->replied = true;
    struct uuid id = uuid_new();
    http_reply_header(call->req, "Lambda-Extension-Event-Identifier", id.text);
    http_reply_header(call->req, "Content-Type", "application/json");
    http_reply_buf(call->req, 200, &out);
}

// ── operations of runtimes ──

static int run_next(struct call *call, struct runtime_link *link, struct err *err)
{
    call->waiter.on_event = on_invoke;
    TRY(runtime_link_next(link, &call->waiter, err));
    if (!call->replied) {
        http_request_watch(call->req);
    }
    return 0;
}

static struct str header(const struct call *call, const char *name)
{
    return http_request_header(call->req, name);
}

static bool mode_streaming(const struct call *call)
{
    return str_eq_nocase(header(call, "Lambda-Runtime-Function-Response-Mode"), STR("streaming"));
}

// A streamed answer that failed on the way says so behind its body.
static bool stream_failed(const struct call *call, struct str *ret_type)
{
    *ret_type = mode_streaming(call)
                    ? http_request_trailer(call->req, "Lambda-Runtime-Function-Error-Type")
                    : (struct str){0};
    return ret_type->at != NULL;
}

// The error of a stream is Base64; what cannot be read is shown as it came.
static void stream_error_write(const struct call *call, struct str type, struct buf *out)
{
    struct str text = http_request_trailer(call->req, "Lambda-Runtime-Function-Error-Body");
    struct err ignored = {0};
    if (text.size == 0 || base64_decode(text, out, &ignored) < 0) {
        buf_add_text(out, "{\"errorType\":");
        json_quote(out, type);
        buf_add_text(out, ",\"errorMessage\":");
        json_quote(out, str_not_null(text));
        buf_add_char(out, '}');
    }
}

static const char too_large_name[] = "Function.ResponseSizeTooLarge";

static int answer_too_large(struct call *call, struct runtime_link *link, struct err *err)
{
    CLEAN(buf_done) struct buf document = BUF_INIT(4096);
    buf_printf(
        &document,
        "{\"errorMessage\":\"Response payload size exceeded maximum allowed payload size (%d "
        "bytes).\",\"errorType\":\"%s\"}",
        RUNTIME_ANSWER_MAX, too_large_name);
    TRY(runtime_link_fail(link, call->id, str_of(too_large_name), &document, err));
    char text[96];
    snprintf(text, sizeof text, "Exceeded maximum allowed payload size (%d bytes).",
             RUNTIME_ANSWER_MAX);
    reply_error(call, 413, "RequestEntityTooLarge", text);
    return 0;
}

static int run_response(struct call *call, struct runtime_link *link, struct err *err)
{
    struct str mode = header(call, "Lambda-Runtime-Function-Response-Mode");
    struct str type = {0};
    if (call->too_large) {
        return answer_too_large(call, link, err);
    }
    if (mode.size > 0 && !str_eq_nocase(mode, STR("streaming"))) {
        return err_aws(err, ERR_INVALID, "InvalidFunctionResponseMode",
                       "Invalid function response mode");
    }
    if (stream_failed(call, &type)) {
        CLEAN(buf_done) struct buf document = BUF_INIT(ERROR_MAX);
        stream_error_write(call, type, &document);
        TRY(runtime_link_fail(link, call->id, type, &document, err));
    } else {
        TRY(runtime_link_answer(link, call->id, &call->body, err));
    }
    reply_accepted(call);
    return 0;
}

// ── answers that are passed on as they come ──

static void on_wanted(struct job_source *source)
{
    http_body_resume(CONTAINER_OF(source, struct call, source)->req);
}

// What is wrong with the request is said at its end.
static void stream_open(struct call *call, struct runtime_link *link)
{
    struct err ignored = {0};
    if (mode_streaming(call)) {
        call->source.on_wanted = on_wanted;
        call->streaming = runtime_link_stream(link, call->id, &call->source,
                                              header(call, "Content-Type"), &ignored) > 0;
    }
}

static void stream_break(struct call *call, const char *type)
{
    struct origin *origin = origin_of(call->req);
    struct err ignored = {0};
    job_stream_end(&call->source);
    if (origin->link && origin->server->http) {
        (void)!runtime_link_break(origin->link, call->id, type, &ignored);
    }
}

static void stream_body(struct call *call, struct str piece)
{
    call->streamed += piece.size;
    if (call->streamed > RUNTIME_STREAM_MAX) {
        stream_break(call, too_large_name);
        reply_error(call, 413, "RequestEntityTooLarge", "The stream is too large.");
    } else if (!job_stream_put(&call->source, piece)) {
        http_body_pause(call->req);
    }
}

static int run_error(struct call *call, struct runtime_link *link, struct err *err)
{
    struct str type = header(call, "Lambda-Runtime-Function-Error-Type");
    TRY(runtime_link_fail(link, call->id, type, &call->body, err));
    reply_accepted(call);
    return 0;
}

static int run_init_error(struct call *call, struct runtime_link *link, struct err *err)
{
    struct str type = header(call, "Lambda-Runtime-Function-Error-Type");
    TRY(runtime_link_init_fail(link, type, &call->body, err));
    reply_accepted(call);
    return 0;
}

static void on_begin(struct runtime_waiter *waiter, const struct runtime_event *event)
{
    struct call *call = CONTAINER_OF(waiter, struct call, waiter);
    call->replied = true;
    http_reply_header(call->req, "Content-Type", "application/json");
    http_reply(call->req, 200, event->config);
}

static int run_begin(struct call *call, struct runtime_link *link, struct err *err)
{
    call->waiter.on_event = on_begin;
    TRY(runtime_link_await(link, &call->waiter, err));
    if (!call->replied) {
        http_request_watch(call->req);
    }
    return 0;
}

// ── operations of extensions ──

static int events_read(struct str body, int *ret, struct err *err)
{
    CLEAN_JSON json_t *root = NULL;
    size_t i = 0;
    json_t *item = NULL;
    struct err why = {0};
    if (json_parse_object(body, &root, &why) < 0) {
        return err_aws(err, ERR_DENIED, "InvalidRequestFormat", "%s", why.text);
    }
    if (json_array_size(json_object_get(root, "configurationKeys")) > 0) {
        return err_aws(err, ERR_DENIED, "InvalidRequestFormat",
                       "configurationKeys are deprecated; use environment variables instead");
    }
    *ret = 0;
    json_array_foreach(json_object_get(root, "events"), i, item)
    {
        struct str name = json_str(item);
        if (str_eq(name, STR("INVOKE"))) {
            *ret |= EXTENSION_INVOKE;
        } else if (str_eq(name, STR("SHUTDOWN"))) {
            *ret |= EXTENSION_SHUTDOWN;
        } else {
            return err_aws(err, ERR_DENIED, "Extension.InvalidEventType",
                           STR_FMT ": event type is not supported", STR_ARG(str_head(name, 64)));
        }
    }
    return 0;
}

static int run_register(struct call *call, struct runtime_link *link, struct err *err)
{
    int events = 0;
    struct uuid id;
    TRY(events_read(buf_str(&call->body), &events, err));
    TRY(runtime_link_register(link, header(call, "Lambda-Extension-Name"), events, &id, err));
    const struct function *f = runtime_link_function(link);
    CLEAN(buf_done) struct buf out = BUF_INIT(4096);
    CLEAN_JSON json_t *json =
        json_pack("{s:s, s:s, s:s}", "functionName", f->name, "functionVersion", f->version,
                  "handler", f->handler ? f->handler : "");
    struct str wants = header(call, "Lambda-Extension-Accept-Feature");
    if (str_find_str(wants, STR("accountId")) >= 0) {
        json_put_str(json, "accountId", STR("000000000000"));
    }
    json_write(json, &out);
    call->replied = true;
    http_reply_header(call->req, "Lambda-Extension-Identifier", id.text);
    http_reply_header(call->req, "Content-Type", "application/json");
    http_reply_buf(call->req, 200, &out);
    return 0;
}

static int run_extension_next(struct call *call, struct runtime_link *link, struct err *err)
{
    call->waiter.on_event = on_extension_event;
    TRY(runtime_link_extension_next(link, header(call, "Lambda-Extension-Identifier"),
                                    &call->waiter, err));
    if (!call->replied) {
        http_request_watch(call->req);
    }
    return 0;
}

static int run_extension_error(struct call *call, struct runtime_link *link, struct err *err)
{
    TRY(runtime_link_extension_fail(link, header(call, "Lambda-Extension-Identifier"),
                                    header(call, "Lambda-Extension-Function-Error-Type"), err));
    reply_accepted(call);
    return 0;
}

// Subscriptions to logs and telemetry: as where Lambda is emulated, they are known and not served.
static int run_unserved(struct call *call, struct runtime_link *link, struct err *err)
{
    (void)link, (void)err;
    const char *what = str_eq(call->req->path, STR(LOGS_PATH)) ? "Logs" : "Telemetry";
    char message[64], type[64];
    snprintf(message, sizeof message, "%s API is not supported", what);
    snprintf(type, sizeof type, "%s.NotSupported", what);
    reply_error(call, 202, type, message);
    return 0;
}

static const struct operation operations[] = {
    {"GET", RUNTIME_PATH "invocation/next", run_next, 0},
    {"POST", RUNTIME_PATH "invocation/*/response", run_response, RUNTIME_ANSWER_MAX},
    {"POST", RUNTIME_PATH "invocation/*/error", run_error, ERROR_MAX},
    {"POST", RUNTIME_PATH "init/error", run_init_error, ERROR_MAX},
    {"GET", "/2018-06-01/rouse/begin", run_begin, 0},
    {"POST", EXTENSION_PATH "register", run_register, 64 * 1024},
    {"GET", EXTENSION_PATH "event/next", run_extension_next, 0},
    {"POST", EXTENSION_PATH "init/error", run_extension_error, ERROR_MAX},
    {"POST", EXTENSION_PATH "exit/error", run_extension_error, ERROR_MAX},
    {"PUT", TELEMETRY_PATH, run_unserved, 64 * 1024},
    {"PUT", LOGS_PATH, run_unserved, 64 * 1024},
};

// ── one request ──

static bool path_matches(struct str path, const char *pattern, struct str *ret_id)
{
    struct str want = str_of(pattern);
    ptrdiff_t star = str_find(want, '*');
    *ret_id = (struct str){0};
    if (star < 0) {
        return str_eq(path, want);
    }
    struct str tail = str_skip(want, (size_t)star + 1);
    if (!str_starts(path, str_head(want, (size_t)star)) || !str_ends(path, tail) ||
        path.size <= (size_t)star + tail.size) {
        return false;
    }
    *ret_id = str_head(str_skip(path, (size_t)star), path.size - (size_t)star - tail.size);
    return str_find(*ret_id, '/') < 0;
}

static void on_body(struct http_request *req, struct str piece)
{
    struct call *call = req->data;
    if (call->streaming) {
        stream_body(call, piece);
        return;
    }
    buf_add_str(&call->body, piece);
    if (!buf_ok(&call->body)) { // the rest is read, so that the runtime hears why
        call->too_large = true;
        buf_clear(&call->body);
    }
}

static int status_of(const struct err *err)
{
    return err->code == ERR_INVALID ? 400 : err->code == ERR_DENIED ? 403 : 500;
}

static void on_end(struct http_request *req)
{
    struct call *call = req->data;
    struct runtime_link *link = origin_of(req)->link;
    struct err err = {0};
    if (!link) {
        reply_error(call, 500, "InternalServerError", "Internal Server Error");
        return;
    }
    if (call->too_large && call->op->run != run_response) {
        reply_error(call, 413, "RequestEntityTooLarge", "The document is too large.");
        return;
    }
    if (call->op->run(call, link, &err) < 0) {
        reply_error(call, status_of(&err), err_aws_name(&err), err.text);
    }
}

static void on_closed(struct http_request *req)
{
    struct call *call = req->data;
    runtime_waiter_stop(&call->waiter);
    if (call->streaming && !call->replied) {
        stream_break(call, "Runtime.TruncatedResponse");
    }
    buf_done(&call->body);
    free(call);
}

static void none_end(struct http_request *req)
{
    (void)req;
}

const struct http_handler *runtime_route(struct http_request *req)
{
    static const struct http_handler handler = {on_body, on_end, on_closed};
    static const struct http_handler none = {.on_end = none_end};
    for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
        struct str id;
        if (str_eq(req->method, str_of(operations[i].method)) &&
            path_matches(req->path, operations[i].path, &id)) {
            struct call *call = NEW(struct call);
            call->req = req;
            call->op = &operations[i];
            call->id = id;
            buf_init(&call->body, operations[i].body_max);
            req->data = call;
            if (call->op->run == run_response && origin_of(req)->link) {
                stream_open(call, origin_of(req)->link);
            }
            return &handler;
        }
    }
    http_reply_header(req, "Content-Type", "text/plain");
    http_reply(req, 404, STR("404 page not found\n"));
    return &none;
}

// ── instances ──

static void origin_unused(struct http_origin *base)
{
    struct origin *origin = CONTAINER_OF(base, struct origin, base);
    if (!origin->link) {
        free(origin);
    }
}

static void on_connected(void *ctx, struct runtime_link *link, int fd)
{
    struct runtime_server *server = ctx;
    struct origin *origin = runtime_link_data(link);
    if (!server->http) {
        close(fd);
        return;
    }
    if (!origin) {
        origin = NEW(struct origin);
        origin->base.on_unused = origin_unused;
        origin->server = server;
        origin->link = link;
        runtime_link_set_data(link, origin);
    }
    struct err err = {0};
    if (http_server_adopt(server->http, fd, &origin->base, &err) < 0) {
        log_debug("%s", err.text);
    }
}

static void on_ended(void *ctx, struct runtime_link *link)
{
    struct runtime_server *server = ctx;
    struct origin *origin = runtime_link_data(link);
    if (!origin) {
        return;
    }
    origin->link = NULL;
    if (origin->base.connections == 0) {
        free(origin);
    } else {
        http_origin_close(server->http, &origin->base);
    }
}

struct runtime_server *runtime_server_new(struct api *api, struct http_server *http)
{
    struct runtime_server *server = NEW(struct runtime_server);
    server->table = (struct runtime_api){server, on_connected, on_ended};
    server->api = api;
    server->http = http;
    return server;
}

void runtime_server_quiet(struct runtime_server *server)
{
    if (server) {
        server->http = NULL;
    }
}

void runtime_server_free(struct runtime_server *server)
{
    free(server);
}

const struct runtime_api *runtime_server_api(struct runtime_server *server)
{
    return &server->table;
}
