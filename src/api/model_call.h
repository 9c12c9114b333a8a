// SPDX-License-Identifier: Apache-2.0
// Requests whose body goes to a model function as it is and whose answer comes back so: what the
// protocols of OpenAI and SageMaker have in common. Each says how it finds the function and how it
// puts errors.
//
// Who may: whoever signs as for Lambda (or SageMaker), whoever has the bearer key (format/bearer.h), and
// everybody with --insecure.
#pragma once

#include "api/auth.h"
#include "core/function.h"
#include "core/job.h"

#define MODEL_CALL_BODY_MAX ((size_t)8 * 1024 * 1024)

struct model_call;

struct model_protocol {
    const char *action; // of IAM: "lambda:InvokeFunction"
    // The body is there: the name of the function (and version, "name:2"); borrowed from the call.
    int (*find)(struct model_call *call, struct str *ret_name, struct err *err);
    void (*answer)(struct model_call *call, const struct job *job); // it succeeded
    void (*fail)(struct model_call *call, const struct err *err);
};

struct model_call {
    struct http_request *req; // NULL once the client has gone
    struct api *api;
    const struct model_protocol *protocol;
    struct auth auth;
    struct buf body;
    struct buf name; // of the function
    bool submitted;  // what goes wrong now is the model's
    int refs;
};

// Whether the request has the key; *ret is then whoever has it.
bool model_call_bearer(const struct api *api, const struct http_request *req, struct auth *ret);

const struct http_handler *model_call_route(struct http_request *req, struct api *api,
                                            const struct model_protocol *protocol);
