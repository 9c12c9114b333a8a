// SPDX-License-Identifier: Apache-2.0
// A body becomes a job of a model function.
#include "api/model_call.h"
#include "api/authorize.h"
#include "base/mem.h"
#include "dispatch/dispatch.h"
#include "format/bearer.h"
#include "format/checksum.h"
#include "format/hex.h"
#include "format/json.h"

#define NAME_MAX_BYTES 256

static void call_unref(struct model_call *call)
{
    if (--call->refs == 0) {
        buf_done(&call->body);
        buf_done(&call->name);
        free(call);
    }
}

static void fail(struct model_call *call, const struct err *err)
{
    if (call->req) {
        call->protocol->fail(call, err);
    }
}

// ── who asks ──

bool model_call_bearer(const struct api *api, const struct http_request *req, struct auth *ret)
{
    struct str value = http_request_header(req, "Authorization");
    char key[BEARER_KEY_SIZE];
    if (!str_starts(value, STR("Bearer "))) {
        return false;
    }
    bearer_key(str_of(api->secret_key), key);
    if (!sigv4_same(str_trim(str_skip(value, strlen("Bearer "))), str_of(key))) {
        return false;
    }
    *ret = (struct auth){.payload = AUTH_PAYLOAD_UNSIGNED, .unchecked = true};
    return true;
}

static int identify(struct model_call *call, struct err *err)
{
    if (model_call_bearer(call->api, call->req, &call->auth)) {
        return 0;
    }
    return auth_headers(call->api, call->req, AUTH_STYLE_JSON, &call->auth, err);
}

static int check_body(struct model_call *call, struct err *err)
{
    uint8_t hash[CHECKSUM_SIZE_MAX];
    char hex[2 * CHECKSUM_SIZE_MAX + 1] = "";
    if (auth_wants_hash(&call->auth)) {
        struct checksum sum;
        checksum_init(&sum, CHECKSUM_SHA256);
        checksum_add(&sum, buf_str(&call->body));
        hex_write(hash, checksum_end(&sum, hash), hex);
    }
    return auth_body(call->api, call->req, AUTH_STYLE_JSON, &call->auth, hex, err);
}

// ── the job ──

// What the function said of itself, as an error with its own type; the caller's fault or the model's.
static void function_error(const struct job *job, struct err *err)
{
    CLEAN_JSON json_t *document = NULL;
    struct err ignored = {0};
    (void)!json_parse_object(bytes_str(job->result.payload), &document, &ignored);
    struct str message = json_str(json_object_get(document, "errorMessage"));
    struct str type = json_str(json_object_get(document, "errorType"));
    (void)!err_set(err, str_starts(type, STR("Invalid")) ? ERR_INVALID : ERR_FUNCTION, STR_FMT,
                   STR_ARG(message.at ? message : STR("the model failed")));
}

static void settled(struct job *job)
{
    struct model_call *call = job->data;
    struct err err = job->result.err;
    if (job->result.status == JOB_OK && call->req) {
        call->protocol->answer(call, job);
    } else if (job->result.status == JOB_TIMED_OUT) {
        (void)!err_set(&err, ERR_TIMEOUT, "the model took too long");
        fail(call, &err);
    } else if (job->result.status == JOB_FUNCTION_ERROR) {
        function_error(job, &err);
        fail(call, &err);
    } else if (call->req) {
        fail(call, &err);
    }
    call_unref(call);
}

static int submit(struct model_call *call, struct str name, struct err *err)
{
    struct str version = name, bare = str_cut(&version, ':');
    if (str_eq(version, STR("$LATEST"))) {
        name = bare;
    }
    CLEAN_MEM char *arn_name = str_dup(bare);
    CLEAN_MEM char *arn = function_arn(call->api->settings->region, arn_name, NULL);
    TRY(authorize(call->api, call->req, &call->auth, AUTH_STYLE_JSON, call->protocol->action,
                  str_of(arn), NULL, 0, err));
    struct function *f = dispatch_function(call->api->dispatch, name);
    if (!f || strcmp(f->runtime, "onnx") != 0) {
        return err_set(err, ERR_NOT_FOUND, "The model '" STR_FMT "' does not exist",
                       STR_ARG(str_head(name, 100)));
    }
    struct bytes *payload = bytes_take(&call->body);
    struct job *job = job_new(f, payload);
    bytes_unref(payload);
    job->on_settled = settled;
    job->at_once = true;
    job->data = call;
    call->refs++;
    call->submitted = true;
    dispatch_submit(call->api->dispatch, job);
    return 0;
}

// ── the request ──

static void on_body(struct http_request *req, struct str piece)
{
    buf_add_str(&((struct model_call *)req->data)->body, piece);
}

static int serve(struct model_call *call, struct err *err)
{
    struct str name = {0};
    if (!buf_ok(&call->body)) {
        return err_set(err, ERR_LIMIT, "the request is larger than %zu bytes", call->body.max);
    }
    TRY(check_body(call, err));
    TRY(call->protocol->find(call, &name, err));
    return submit(call, name, err);
}

static void on_end(struct http_request *req)
{
    struct model_call *call = req->data;
    struct err err = {0};
    if (serve(call, &err) < 0) {
        fail(call, &err);
    }
}

static void on_closed(struct http_request *req)
{
    struct model_call *call = req->data;
    call->req = NULL;
    call_unref(call);
}

static const struct http_handler handler = {
    .on_body = on_body, .on_end = on_end, .on_closed = on_closed};

const struct http_handler *model_call_route(struct http_request *req, struct api *api,
                                            const struct model_protocol *protocol)
{
    struct model_call *call = NEW(struct model_call);
    call->req = req;
    call->api = api;
    call->protocol = protocol;
    call->refs = 1;
    buf_init(&call->body, MODEL_CALL_BODY_MAX);
    buf_init(&call->name, NAME_MAX_BYTES);
    req->data = call;
    struct err err = {0};
    if (identify(call, &err) < 0) {
        fail(call, &err);
    }
    return &handler;
}
