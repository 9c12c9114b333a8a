// SPDX-License-Identifier: Apache-2.0
// The Open Inference Protocol, version 2, over REST, with the binary tensor extension: a model
// function is a model. What Triton's and KServe's clients speak. Sources: the protocol's "HTTP/REST"
// and "binary tensor data" documents of KServe, and Triton's extensions.
//
//     GET  /v2, /v2/health/live, /v2/health/ready
//     GET  /v2/models/NAME[/versions/V][/ready|/config|/stats], /v2/models/stats
//     POST /v2/models/NAME[/versions/V]/infer
//     POST /v2/repository/index, /v2/repository/models/NAME/load, …/unload
//
// Errors are {"error": "…"}. The protocol has no signatures: without --insecure, requests have the
// bearer key (format/bearer.h), or are signed as Lambda's are (models_authorize).
#pragma once

#include "api/api.h"

const struct http_handler *inference_route(struct http_request *req, struct api *api);
