// SPDX-License-Identifier: Apache-2.0
// API Gateway's version 2, as far as the verbs need it, and the addresses by which a service's functions
// are reached. The APIs of a service are known by their tags, so that nothing has to remember them.
#pragma once

#include "cli/project.h"

// Any call, as remote_lambda_call. "/v2/apis…"
MUST_CHECK int remote_api_call(struct remote *remote, const char *method, const char *path,
                               const json_t *body, json_t **ret, struct err *err);
// All items of a list, over its pages; a new reference.
MUST_CHECK int remote_api_list(struct remote *remote, const char *path, json_t **ret,
                               struct err *err);

// 1 with the service's API of that kind, 0 when there is none. A new reference.
MUST_CHECK int remote_api_find(struct remote *remote, const struct serverless *service,
                               enum serverless_api_kind kind, json_t **ret, struct err *err);
json_t *remote_api_tags(const struct serverless *service, enum serverless_api_kind kind);
// The function that an integration invokes, "NAME[:QUALIFIER]"; at == NULL when its URI is of another kind.
struct str remote_api_function(const json_t *integration);

// The function's URL configuration: 1 and it, or 0. A new reference.
MUST_CHECK int remote_url_get(struct remote *remote, const char *function, json_t **ret,
                              struct err *err);

// What is reachable: [{"function": key, "method": "GET", "url": "http://…"}], a function URL without
// "method". A new reference.
MUST_CHECK int endpoints_fetch(struct remote *remote, const struct serverless *service,
                               json_t **ret, struct err *err);
// As the Framework's version 3 prints them: "endpoint: …", or "endpoints:" and a line each.
void endpoints_print(const json_t *endpoints);
