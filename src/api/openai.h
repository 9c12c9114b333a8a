// SPDX-License-Identifier: Apache-2.0
// POST /v1/embeddings, as OpenAI's clients ask: `model` is a function whose task is embedding, the rest
// is its own business (runner/text.h). Their API key is the bearer key that `rouse env` prints.
#pragma once

#include "api/api.h"

// NULL when the request is none of these.
const struct http_handler *openai_route(struct http_request *req, struct api *api);
