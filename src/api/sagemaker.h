// SPDX-License-Identifier: Apache-2.0
// SageMaker: the runtime API (InvokeEndpoint: an endpoint is a model function, the body its payload),
// and what SageMaker asks of a container: GET /ping, and POST /invocations, where the model is
// named by X-Amzn-SageMaker-Target-Model unless there is only one.
#pragma once

#include "api/api.h"

// NULL when the request is none of these. `is_signed`: for the service sagemaker.
const struct http_handler *sagemaker_route(struct http_request *req, struct api *api,
                                           bool is_signed);
