// SPDX-License-Identifier: Apache-2.0
// Cross-origin requests: what the Cors configuration of a function URL ({"AllowOrigins": […], …}) or of
// an HTTP API ({"allowOrigins": […], …}) lets browsers do. Both are JSON, the same but for the case of
// the first letter. Source: Lambda's Cors and API Gateway's Cors, and the Fetch standard.
#pragma once

#include "http/http.h"

#include <jansson.h>

// ERR_INVALID names the member and what it must be. Unknown members are passed over.
MUST_CHECK int http_cors_check(const json_t *cors, struct err *err);

// A browser asks whether it may: it is answered here, and nobody is roused.
bool http_cors_is_preflight(const struct http_request *req);

// Adds the reply headers that the configuration gives this request's Origin; none without an Origin
// and for one that is not allowed.
void http_cors_reply(struct http_request *req, const json_t *cors);
