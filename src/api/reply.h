// SPDX-License-Identifier: Apache-2.0
// Answers of the services that speak JSON over REST (Lambda, our own administration). S3 has its own.
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "http/http.h"

#include <jansson.h>

#define REPLY_JSON_MAX ((size_t)64 * 1024 * 1024)

// Each gives the request its one answer, with x-amzn-RequestId.
void reply_json(struct http_request *req, int status, const json_t *json);
void reply_empty(struct http_request *req, int status);
// {"Type": "User", "Message": "…"} with x-amzn-ErrorType: the name and status that a client of Lambda
// expects. Errors of ours (5xx) are logged and their words kept to ourselves.
void reply_error(struct http_request *req, const struct err *err);
