// SPDX-License-Identifier: Apache-2.0
// HTTP APIs (API Gateway's version 2): what they are, how they are changed, and what comes in by them.
// An API and each of its parts is a JSON document, as API Gateway shows it, in memory and in the
// store alike. Documents are never changed in place: a request under way keeps those it began with.
//
//     control: POST /v2/apis/ID/routes ─► authorised ─► its turn ─► document ─► row ─► memory ─► reply
//     data:    GET  ID.execute-api.…/pets/7 ─► stage ─► route ─► integration ─► http_front.h
//
// What a change says is in force at once, on every stage; a deployment is recorded, and nothing waits
// for it.
#pragma once

#include "api/auth.h"
#include "api/lambda.h"

#define HTTP_API_STAGE_DEFAULT "$default"

enum http_api_kind {
    HTTP_API,
    HTTP_API_INTEGRATION,
    HTTP_API_ROUTE,
    HTTP_API_STAGE,
    HTTP_API_DEPLOYMENT,
    HTTP_API_KINDS
};

// Names of a kind: in the store, in paths, of the document's id, in messages.
struct http_api_names {
    const char *kind, *collection, *id, *label;
};
extern const struct http_api_names http_api_names[HTTP_API_KINDS];

struct http_api {
    char id[11];
    json_t *document;
    struct map parts[HTTP_API_KINDS]; // documents by id; none of kind HTTP_API
};

struct http_apis {
    struct map by_id;
    struct lambda_line line; // those who change something, one after the other
};

// ---- in memory (http_api.c)
// After the row was written. The document is taken over; NULL: it goes.
void http_apis_set(struct http_apis *apis, const char *api, enum http_api_kind kind, const char *id,
                   json_t *document);
void http_apis_drop(struct http_apis *apis, const char *id);

// ---- documents (http_api_document.c)
// What a request to create (`before` NULL) or to change one says, as a whole document, a new
// reference; without its id. ERR_INVALID as BadRequestException.
MUST_CHECK int http_api_document(enum http_api_kind kind, const json_t *input, const json_t *before,
                                 json_t **ret, struct err *err);
// The ARN of the function that an integration's URI names, within it; at == NULL when it names none.
struct str http_api_function(struct str uri);
