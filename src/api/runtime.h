// SPDX-License-Identifier: Apache-2.0
// The Lambda Runtime API and the Extensions API over HTTP, for connections that come from inside an
// instance: the instance is known by the socket that it connected to, so nothing is signed.
#pragma once

#include "api/api.h"

struct runtime_api;
struct runtime_server;

// `api` and `http` are borrowed. Free it after the fleet, which tells of the ends of instances.
struct runtime_server *runtime_server_new(struct api *api, struct http_server *http);
void runtime_server_quiet(struct runtime_server *server); // before `http` goes; NULL is fine
void runtime_server_free(struct runtime_server *server);  // NULL is fine
const struct runtime_api *runtime_server_api(struct runtime_server *server); // for the fleet

// Of requests whose req->origin is not NULL.
const struct http_handler *runtime_route(struct http_request *req);
