// SPDX-License-Identifier: Apache-2.0
// OpenAI's shape of requests for embeddings, and of errors.
#include "api/openai.h"
#include "api/model_call.h"
#include "api/reply.h"
#include "base/mem.h"
#include "dispatch/dispatch.h"
#include "format/json.h"

static int find(struct model_call *call, struct str *ret_name, struct err *err)
{
    CLEAN_JSON json_t *root = NULL;
    struct str model;
    TRY(json_parse_object(buf_str(&call->body), &root, err));
    TRY(json_need_str(root, "model", &model, err));
    if (!json_object_get(root, "input")) {
        return err_set(err, ERR_INVALID, "input: is required");
    }
    buf_add_str(&call->name, model);
    *ret_name = buf_str(&call->name);
    return buf_ok(&call->name) ? 0 : err_set(err, ERR_NOT_FOUND, "The model does not exist");
}

static void free_bytes(void *arg)
{
    bytes_unref(arg);
}

static void answer(struct model_call *call, const struct job *job)
{
    struct str payload = bytes_str(job->result.payload);
    if (!str_starts(payload, STR("{\"object\":"))) { // another task than embedding
        struct err err = {0};
        (void)!err_set(&err, ERR_INVALID, "The model '%s' makes no embeddings",
                       job->function->name);
        call->protocol->fail(call, &err);
        return;
    }
    http_reply_header(call->req, "Content-Type", "application/json");
    http_reply_header(call->req, "X-Rouse-Tier", tier_name(job->result.tier));
    http_reply_borrowed(call->req, 200, payload, free_bytes, bytes_ref(job->result.payload));
}

static void fail(struct model_call *call, const struct err *err)
{
    bool denied = err->code == ERR_DENIED;
    const char *name = err_aws_name(err);
    bool unknown = denied && strcmp(name, "AccessDeniedException") != 0;
    int status = unknown ? 401 : err->code == ERR_FUNCTION ? 500 : err_http_status(err->code);
    const char *type = status == 429   ? "rate_limit_error"
                       : status >= 500 ? "server_error"
                                       : "invalid_request_error";
    const char *code = unknown                      ? "invalid_api_key"
                       : err->code == ERR_NOT_FOUND ? "model_not_found"
                       : status == 429              ? "rate_limit_exceeded"
                                                    : NULL;
    CLEAN_JSON json_t *json = json_object();
    json_t *inner = json_object();
    json_put_str(inner, "message", str_of(err->text));
    json_put_str(inner, "type", str_of(type));
    json_put(inner, "param", json_null());
    json_put(inner, "code", code ? json_string(code) : json_null());
    json_put(json, "error", inner);
    reply_json(call->req, status, json);
}

static const struct model_protocol protocol = {
    .action = "lambda:InvokeFunction", .find = find, .answer = answer, .fail = fail};

const struct http_handler *openai_route(struct http_request *req, struct api *api)
{
    bool ours = str_eq(req->path, STR("/v1/embeddings")) && str_eq(req->method, STR("POST"));
    return ours ? model_call_route(req, api, &protocol) : NULL;
}
