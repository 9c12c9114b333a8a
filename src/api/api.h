// SPDX-License-Identifier: Apache-2.0
// What the services share: one struct, made by serve, borrowed by every request (req->ctx).
#pragma once

#include "http/http.h"
#include "io/loop.h"
#include "io/pool.h"
#include "store/store.h"

struct cache;
struct device_table;
struct dispatch;
struct fleet;
struct observe;
struct sigv4_key_cache;
struct lambda;
struct schedules;
struct templates;
struct weights;

struct api_settings { // what of the server's settings the services need; borrowed
    const char *region;
    bool insecure;                   // requests need not be signed
    uint64_t invoke_size_max;        // synchronous payloads, 6 MiB
    uint64_t event_size_max;         // asynchronous payloads, 256 KiB
    uint64_t code_zip_max;           // of a zip inside a request, 50 MiB
    const char *(*walls)(void *ctx); // JSON: {"standing": [names], "missing": [names], "why": text}
    void *ctx;
    uint64_t code_unpacked_max; // 250 MiB for Lambda; larger here since models are large
};

struct api {
    struct loop *loop;
    struct pool *pool;
    struct store *store;
    struct cache *cache; // of results; NULL: none
    struct dispatch *dispatch;
    struct fleet *fleet;
    struct device_table *devices;
    struct templates *templates;
    struct weights *weights; // of models in memory
    struct observe *observe;
    struct schedules *schedules;
    const struct api_settings *settings;
    char access_key[64], secret_key[128]; // root credentials
    struct lambda *lambda;                // made by lambda_start
    struct http_apis *apis;               // made by http_apis_start
    struct sigv4_key_cache *keys;         // auth.c's, made with the first signature
    int64_t started_ms;
    bool draining;
};

// The one route function: chooses the service by credential scope, path and host.
const struct http_handler *api_route(struct http_request *req, void *api);

// Each service: NULL when the request is not its own.
const struct http_handler *lambda_route(struct http_request *req, struct api *api);
const struct http_handler *lambda_url_route(struct http_request *req, struct api *api);
const struct http_handler *http_api_route(struct http_request *req, struct api *api);
const struct http_handler *http_api_control_route(struct http_request *req,
                                                  struct api *api); // takes all
const struct http_handler *admin_route(struct http_request *req, struct api *api);
const struct http_handler *s3_route(struct http_request *req, struct api *api); // takes all

// Loads the functions and tells the dispatcher of each, before requests are served; needs loop, store,
// dispatch and settings. Models whose preparation was interrupted are prepared.
MUST_CHECK int lambda_start(struct api *api, struct err *err);
// After http_server_free, pool_free and store_close, which may still call back.
void lambda_stop(struct api *api);

// The same for HTTP APIs.
MUST_CHECK int http_apis_start(struct api *api, struct err *err);
void http_apis_stop(struct api *api);
