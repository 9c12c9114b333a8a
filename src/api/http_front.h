// SPDX-License-Identifier: Apache-2.0
// Where HTTP requests become events: what function URLs and HTTP APIs share. Whoever knows what a
// request is for fills a struct front and hands it on.
//
//     route ─► preflight? answered ─► (signature) ─► body ─► may they? ─► event ─► job
//                                                                                   │
//     client ◄── response, CORS headers ◄── answer, or what went wrong ◄────────────┘
//
// A model has no handler that could unpack an event: its payload is the body as it came, and its
// answer the body of a 200.
#pragma once

#include "api/api.h"
#include "format/http_route.h"

#include <jansson.h>

enum front_kind {
    FRONT_URL,  // of a function: payload 2.0
    FRONT_API,  // an HTTP API, payload 2.0
    FRONT_REST, // an HTTP API with payload 1.0, and the words of REST APIs when something fails
};

struct front { // heap texts, its own
    enum front_kind kind;
    char *function, *qualifier; // NULL: $LATEST
    bool iam;                   // requests are to be signed
    bool stream;                // the answer goes to the client as it comes
    // Of an API:
    char *resource;     // its ARN for this request: what execute-api:Invoke is about
    char *source;       // its ARN for this route: who invokes the function
    char *credentials;  // ARN of the role that it invokes the function with; NULL: the function's
                        // own policy lets it
    int64_t timeout_ms; // 0: none
    json_t *cors;       // a reference; NULL: none

    char *id, *domain, *stage, *route_key;
    char *raw_path, *path;     // as http_event.h wants them
    char *decoded;             // what `fit` looks into
    struct http_route_fit fit; // of route_key and decoded
    json_t *variables;         // a reference; NULL: none
};

struct front *front_new(enum front_kind kind);
void front_free(struct front *front);

// Serves the request; takes `front` over.
const struct http_handler *front_serve(struct http_request *req, struct api *api,
                                       struct front *front);

// There is nothing of that id.
const struct http_handler *front_unknown(struct http_request *req, enum front_kind kind);
// The API has no such route.
const struct http_handler *front_no_route(struct http_request *req, const json_t *cors);
// A browser's question, answered from the configuration.
const struct http_handler *front_preflight(struct http_request *req, enum front_kind kind,
                                           const json_t *cors);

// Names on this endpoint: "ID.lambda-url.us-east-1.localhost:4566", by the Host header of the request.
// `what` is "lambda-url" or "execute-api". Heap.
char *front_domain(const struct http_request *req, const char *id, const char *what,
                   const char *region);
// The id when the Host header is such a name; at == NULL otherwise.
struct str front_host_id(struct str host, struct str what);
