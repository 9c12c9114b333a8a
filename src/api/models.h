// SPDX-License-Identifier: Apache-2.0
// Model functions as the Open Inference Protocol sees them, whatever it travels by: REST
// (inference.c) and gRPC (grpc_service.c) say the same because both ask here. Documents are in the
// protocol's JSON, whose member names are also those of its messages.
//
// Sources: KServe's "Open Inference Protocol"; Triton's extensions to it for model repositories,
// model configuration and statistics.
#pragma once

#include "api/auth.h"
#include "core/job.h"
#include "format/tensors.h"

#include <jansson.h>

// Of a request for inference, and of its answer: what travels to the runner is this and a mark.
#define MODELS_BODY_MAX ((size_t)64 * 1024 * 1024 - TENSORS_MARK_SIZE)

struct model_ref {
    char name[FUNCTION_NAME_MAX + 1]; // "": none
    char version[64];                 // "" and "$LATEST": the one that is not published
};

// Copies; what is too long becomes the name of no model.
void model_ref_set(struct model_ref *ref, struct str name, struct str version);

// May they? Who has the bearer key or has signed is in `auth`. For one model lambda:InvokeFunction on
// its ARN, for what tells of all of them (ref->name is "") lambda:ListFunctions.
MUST_CHECK int models_authorize(struct api *api, const struct http_request *req,
                                const struct auth *auth, const struct model_ref *ref,
                                struct err *err);
// The first half of that question, when the headers are in: the key, a signature, --insecure.
MUST_CHECK int models_identify(struct api *api, const struct http_request *req, struct auth *ret,
                               struct err *err);

MUST_CHECK int models_find(struct api *api, const struct model_ref *ref, struct function **ret,
                           struct err *err);

// Each gives a new reference. ERR_NOT_FOUND: no such model.
json_t *models_server(void);
MUST_CHECK int models_metadata(struct api *api, const struct model_ref *ref, json_t **ret,
                               struct err *err);
MUST_CHECK int models_config(struct api *api, const struct model_ref *ref, json_t **ret,
                             struct err *err);
MUST_CHECK int models_statistics(struct api *api, const struct model_ref *ref, json_t **ret,
                                 struct err *err); // no name: of all models
json_t *models_index(struct api *api, bool ready_only);

bool models_server_ready(const struct api *api);
MUST_CHECK int models_ready(struct api *api, const struct model_ref *ref, bool *ret,
                            struct err *err);

MUST_CHECK int models_load(struct api *api, const struct model_ref *ref, struct err *err);
MUST_CHECK int models_unload(struct api *api, const struct model_ref *ref, struct err *err);

// A job for the model from a request in the form of format/tensors.h, whose bytes are taken. To be
// given on_settled and data, and submitted.
MUST_CHECK int models_job(struct api *api, const struct model_ref *ref, struct buf *payload,
                          struct job **ret, struct err *err);
// What a settled job's answer is: the two parts of it. ERR_INVALID when the model found fault with the
// request, ERR_TIMEOUT, ERR_BUSY, ERR_FUNCTION …
MUST_CHECK int models_answer(const struct job *job, struct str *ret_json, struct str *ret_raw,
                             struct err *err);
