// SPDX-License-Identifier: Apache-2.0
// SageMaker's names, paths and errors for running a model function.
#include "api/sagemaker.h"
#include "api/lambda.h"
#include "api/model_call.h"
#include "api/reply.h"
#include "base/mem.h"
#include "core/identity.h"
#include "dispatch/dispatch.h"
#include "format/json.h"

#include <stdio.h>

static int take_name(struct model_call *call, struct str name, struct str *ret, struct err *err)
{
    buf_add_str(&call->name, name);
    *ret = buf_str(&call->name);
    return buf_ok(&call->name) && name.size
               ? 0
               : err_set(err, ERR_NOT_FOUND, "Endpoint of account " ACCOUNT_ID " not found.");
}

// "/endpoints/NAME/invocations"
static int find_endpoint(struct model_call *call, struct str *ret, struct err *err)
{
    struct str rest = str_skip(call->req->path, strlen("/endpoints/"));
    return take_name(call, str_cut(&rest, '/'), ret, err);
}

// The one that is named, else the only one that there is.
static int find_container(struct model_call *call, struct str *ret, struct err *err)
{
    struct str name = http_request_header(call->req, "X-Amzn-SageMaker-Target-Model");
    size_t at = 0, count = 0;
    for (struct lambda_function *f;
         !name.at && (f = map_next(&call->api->lambda->functions, &at));) {
        if (f->latest && strcmp(f->latest->runtime, "onnx") == 0) {
            *ret = str_of(f->name);
            count++;
        }
    }
    if (name.at || count == 1) {
        return take_name(call, name.at ? name : *ret, ret, err);
    }
    return err_set(err, ERR_INVALID,
                   "There are %zu models: name one with X-Amzn-SageMaker-Target-Model.", count);
}

static void free_bytes(void *arg)
{
    bytes_unref(arg);
}

static void answer(struct model_call *call, const struct job *job)
{
    struct str payload = bytes_str(job->result.payload);
    bool npy = str_starts(payload, STR("\x93NUMPY"));
    http_reply_header(call->req, "Content-Type", npy ? "application/x-npy" : "application/json");
    http_reply_header(call->req, "x-Amzn-Invoked-Production-Variant", "AllTraffic");
    http_reply_header(call->req, "x-amzn-RequestId", call->req->id);
    http_reply_header(call->req, "X-Rouse-Tier", tier_name(job->result.tier));
    http_reply_borrowed(call->req, 200, payload, free_bytes,
                        job->result.payload ? bytes_ref(job->result.payload) : NULL);
}

// What the model says is wrong with its input, and that it failed, is a ModelError there.
static void fail(struct model_call *call, const struct err *err)
{
    bool model = err->code == ERR_FUNCTION || (err->code == ERR_INVALID && call->submitted);
    bool denied = err->code == ERR_DENIED;
    const char *name = model                               ? "ModelError"
                       : denied                            ? err_aws_name(err)
                       : err->code == ERR_BUSY             ? "ThrottlingException"
                       : err->code == ERR_UNAVAILABLE      ? "ServiceUnavailable"
                       : err->code == ERR_TIMEOUT          ? "ModelError"
                       : err_http_status(err->code) >= 500 ? "InternalFailure"
                                                           : "ValidationError";
    int status = strcmp(name, "ModelError") == 0        ? 424
                 : strcmp(name, "ValidationError") == 0 ? 400
                                                        : err_http_status(err->code);
    CLEAN_JSON json_t *json = json_object();
    json_put_str(json, "Message", str_of(err->text));
    if (status == 424) {
        json_put_int(json, "OriginalStatusCode", err->code == ERR_INVALID ? 400 : 500);
        json_put_str(json, "OriginalMessage", str_of(err->text));
    }
    http_reply_header(call->req, "x-amzn-ErrorType", name);
    reply_json(call->req, status, json);
}

static const struct model_protocol endpoint = {
    .action = "sagemaker:InvokeEndpoint", .find = find_endpoint, .answer = answer, .fail = fail};
static const struct model_protocol container = {
    .action = "lambda:InvokeFunction", .find = find_container, .answer = answer, .fail = fail};

static void nothing_end(struct http_request *req)
{
    (void)req;
}

static const struct http_handler *ping(struct http_request *req, const struct api *api)
{
    static const struct http_handler answered = {.on_end = nothing_end};
    http_reply_head(req, api->draining ? 503 : 200, 0);
    return &answered;
}

const struct http_handler *sagemaker_route(struct http_request *req, struct api *api,
                                           bool is_signed)
{
    bool post = str_eq(req->method, STR("POST"));
    bool invocations = str_ends(req->path, STR("/invocations"));
    if (!post && str_eq(req->path, STR("/ping"))) {
        return ping(req, api);
    }
    if (post && str_eq(req->path, STR("/invocations"))) {
        return model_call_route(req, api, &container);
    }
    bool bearer = str_starts(http_request_header(req, "Authorization"), STR("Bearer "));
    return post && invocations && (is_signed || bearer || api->settings->insecure) &&
                   str_starts(req->path, STR("/endpoints/"))
               ? model_call_route(req, api, &endpoint)
               : NULL;
}
