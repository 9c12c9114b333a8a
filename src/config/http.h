// SPDX-License-Identifier: Apache-2.0
// The parts of serverless.yml by which HTTP requests reach functions: `http` and `httpApi` events,
// `provider.httpApi`, `functions.*.url`. Defaults are the Framework's.
//
// An authorizer that is not honoured (anything but aws_iam), and `private: true`, are named in the
// warning, and the route asks for signed requests instead: less is allowed than was meant, not more.
#pragma once

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>

struct serverless;
struct serverless_function;
struct tree_node;

enum serverless_api_kind { SERVERLESS_HTTP_API, SERVERLESS_REST_API, SERVERLESS_API_KINDS };

struct serverless_api { // made when any function has a route in it
    const char *name;
    bool endpoint_off;
    json_t *cors; // corsConfiguration of API Gateway's version 2; NULL: none
};

struct serverless_route {
    enum serverless_api_kind api;
    const char *key;     // "GET /pets/{id}", "$default"
    const char *payload; // "2.0", "1.0"
    bool iam;            // requests are to be signed
    json_t *cors;        // of an http event, as above; NULL: none
};

struct serverless_url { // of a function
    bool wanted, iam;
    const char *mode; // "BUFFERED", "RESPONSE_STREAM"
    json_t *cors;     // Lambda's Cors; NULL: none
};

// Each with a position in its error. The function's name is known already; those before it are read.
MUST_CHECK int http_read_function(struct serverless *service, const struct tree_node *provider,
                                  const struct tree_node *node, struct serverless_function *ret,
                                  struct err *err);
// After all functions.
void http_read_apis(struct serverless *service, const struct tree_node *provider);
void http_free(struct serverless *service);

// For serverless_to_json.
void http_function_to_json(const struct serverless_function *f, json_t *object);
void http_to_json(const struct serverless *service, json_t *object);

// Whether any function has a route in that API.
bool serverless_api_wanted(const struct serverless *service, enum serverless_api_kind api);
