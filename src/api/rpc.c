// SPDX-License-Identifier: Apache-2.0
// The frame around operations of JSON services: which one, the signature, rights, the transaction, the
// answer or the error in the service's own shape.
#include "api/rpc.h"
#include "api/authorize.h"
#include "base/clock.h"
#include "base/log.h"
#include "dispatch/dispatch.h"
#include "format/hex.h"
#include "format/sigv4.h"
#include "format/uri.h"

#define REPLY_MAX   ((size_t)16 * 1024 * 1024)
#define SEGMENT_MAX 2048

static void call_free(struct rpc_call *call)
{
    buf_done(&call->body);
    bus_emitted_done(&call->emitted);
    free(call->segment);
    json_decref(call->input);
    json_decref(call->output);
    free(call);
}

// ── answers ──

static void reply(struct rpc_call *call, int status, const json_t *json)
{
    if (!call->req) {
        return;
    }
    struct buf out = BUF_INIT(REPLY_MAX);
    if (json) {
        json_write(json, &out);
    }
    http_reply_header(call->req, "x-amzn-RequestId", call->req->id);
    http_reply_header(call->req, "Content-Type",
                      call->service->target ? "application/x-amz-json-1.1" : "application/json");
    http_reply_buf(call->req, status, &out);
}

static void reply_fail(struct rpc_call *call, const struct err *err)
{
    int status = err_http_status(err->code);
    const char *name = err_aws_name(err);
    struct str text = str_of(err->text);
    if (status >= 500 && err->code != ERR_UNSUPPORTED) {
        log_error("%s: %s", call->service->name, err->text);
        text = STR("The service encountered an internal error. Its log says more.");
        name = call->service->internal_error;
    } else if (call->service->target) {
        status = 400; // whatever it is: the name tells
    }
    CLEAN_JSON json_t *json = json_object();
    json_put_str(json, call->service->target ? "message" : "Message", text);
    if (call->service->target) {
        json_put_str(json, "__type", str_of(name));
    }
    if (call->req) {
        http_reply_header(call->req, "x-amzn-ErrorType", name);
    }
    reply(call, status, json);
}

// ── running ──

static int call_run(struct store_task *task, struct db *db, struct err *err)
{
    struct rpc_call *call = CONTAINER_OF(task, struct rpc_call, task);
    return call->op->run(call, db, err);
}

static void call_done(struct store_task *task)
{
    struct rpc_call *call = CONTAINER_OF(task, struct rpc_call, task);
    call->submitted = false;
    if (task->rc < 0) {
        reply_fail(call, &task->err);
    } else {
        dispatch_wake_emitted(call->api->dispatch, &call->emitted);
        if (call->service->after) {
            call->service->after(call);
        }
        reply(call, 200, call->output);
    }
    if (!call->req) {
        call_free(call);
    }
}

int rpc_authorize(struct rpc_call *call, const char *name, struct str resource, struct err *err)
{
    CLEAN_MEM char *action = mem_printf("%s:%s", call->service->name, name);
    return authorize(call->api, call->req, &call->auth, AUTH_STYLE_JSON, action, resource, NULL, 0,
                     err);
}

int rpc_pass_role(struct rpc_call *call, struct str role, struct err *err)
{
    CLEAN_MEM char *service = mem_printf("%s.amazonaws.com", call->service->name);
    struct policy_value to = {STR("iam:PassedToService"), str_of(service)};
    return authorize(call->api, call->req, &call->auth, AUTH_STYLE_JSON, "iam:PassRole", role, &to,
                     1, err);
}

// ── the request ──

// "/schedules/NAME?…" against "schedules/*".
static bool path_matches(struct str path, const char *pattern, struct str *ret_segment)
{
    struct str rest = str_skip(path, 1);
    for (struct str want = str_of(pattern); want.at;) {
        struct str part = str_cut(&want, '/');
        if (!rest.at) {
            return false;
        }
        struct str have = str_cut(&rest, '/');
        if (str_eq(part, STR("*")) && have.size) {
            *ret_segment = have;
        } else if (!str_eq(part, have)) {
            return false;
        }
    }
    return !rest.at || rest.size == 0;
}

static bool op_matches(const struct rpc_op *op, const struct http_request *req, struct str name,
                       struct str *ret_segment)
{
    return op->path ? str_eq(req->method, str_of(op->method)) &&
                          path_matches(req->path, op->path, ret_segment)
                    : str_eq(name, str_of(op->name));
}

static int op_find(struct rpc_call *call, struct err *err)
{
    struct str name = http_request_header(call->req, "X-Amz-Target"), segment = {0};
    if (call->service->target) {
        struct str target = str_cut(&name, '.');
        name = str_eq(target, str_of(call->service->target)) ? name : (struct str){0};
    }
    for (size_t i = 0; i < call->service->op_count && !call->op; i++) {
        call->op = op_matches(&call->service->ops[i], call->req, name, &segment)
                       ? &call->service->ops[i]
                       : NULL;
    }
    if (!call->op) {
        return err_aws(err, ERR_NOT_FOUND, "UnknownOperationException",
                       "The operation %.*s is not served here.",
                       (int)(name.size < 64 ? name.size : 64), name.at ? name.at : "");
    }
    if (segment.at) {
        CLEAN(buf_done) struct buf text = BUF_INIT(SEGMENT_MAX);
        uri_decode_lenient(segment, URI_PATH, &text);
        call->segment = str_dup(buf_str(&text));
    }
    return 0;
}

static int signature_check(struct rpc_call *call, struct err *err)
{
    char hex[65] = "";
    uint8_t hash[32];
    if (auth_wants_hash(&call->auth)) {
        sigv4_sha256(buf_str(&call->body), hash);
        hex_write(hash, sizeof hash, hex);
    }
    return auth_body(call->api, call->req, AUTH_STYLE_JSON, &call->auth, hex, err);
}

// A parameter that comes again makes a list.
static void member_add(json_t *input, const char *name, struct str value)
{
    json_t *there = json_object_get(input, name);
    if (json_is_array(there)) {
        json_array_append_new(there, json_from_str(value));
    } else if (there) {
        json_put(input, name, json_pack("[O, o]", there, json_from_str(value)));
    } else {
        json_put_str(input, name, value);
    }
}

static int input_read(struct rpc_call *call, struct err *err)
{
    struct err why = {0};
    struct str body = call->body.size ? buf_str(&call->body) : STR("{}");
    if (!buf_ok(&call->body)) {
        return err_aws(err, ERR_INVALID, "ValidationException", "The request is too large.");
    }
    if (json_parse_object(body, &call->input, &why) < 0) {
        return err_aws(err, ERR_INVALID, "SerializationException", "%s", why.text);
    }
    struct str rest = call->req->query, name, value;
    CLEAN(buf_done) struct buf key = BUF_INIT(256);
    CLEAN(buf_done) struct buf text = BUF_INIT(8192);
    while (call->op->path && uri_query_next(&rest, &name, &value)) {
        buf_clear(&key);
        buf_clear(&text);
        uri_decode_lenient(name, URI_QUERY, &key);
        uri_decode_lenient(value, URI_QUERY, &text);
        member_add(call->input, buf_text(&key), buf_str(&text));
    }
    return 0;
}

static int call_begin(struct rpc_call *call, struct err *err)
{
    TRY(signature_check(call, err));
    TRY(input_read(call, err));
    return call->service->may(call, err);
}

static void on_body(struct http_request *req, struct str piece)
{
    struct rpc_call *call = req->data;
    buf_add_str(&call->body, piece);
}

static void on_end(struct http_request *req)
{
    struct rpc_call *call = req->data;
    struct err err = {0};
    if (call_begin(call, &err) < 0) {
        reply_fail(call, &err);
        return;
    }
    call->now_ms = clock_wall_ms();
    call->output = json_object();
    call->task.run = call_run;
    call->task.on_done = call_done;
    call->submitted = true;
    store_submit(call->api->store, &call->task);
}

static void on_closed(struct http_request *req)
{
    struct rpc_call *call = req->data;
    call->req = NULL;
    if (!call->submitted) {
        call_free(call);
    }
}

const struct http_handler *rpc_route(struct http_request *req, struct api *api,
                                     const struct rpc_service *service)
{
    static const struct http_handler handler = {on_body, on_end, on_closed};
    struct rpc_call *call = NEW(struct rpc_call);
    call->req = req;
    call->api = api;
    call->service = service;
    buf_init(&call->body, RPC_BODY_MAX);
    req->data = call;
    struct err err = {0};
    if (auth_headers(api, req, AUTH_STYLE_JSON, &call->auth, &err) < 0 || op_find(call, &err) < 0) {
        reply_fail(call, &err);
    }
    return &handler;
}
