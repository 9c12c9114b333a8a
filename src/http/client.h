// SPDX-License-Identifier: Apache-2.0
// The HTTP client: libcurl, blocking, one kept connection. It knows nothing of signatures or services;
// whoever sends makes the headers.
//
//     CLEAN(http_client_clean) struct http_client *client = NULL;
//     TRY(http_client_new(&client, err));
//     struct http_call call = {.method = "GET", .url = url, .on_piece = …, .ctx = …};
//     TRY(http_client_send(client, &call, err));    call.status is what the server said
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "http/http.h"

struct http_client;

// ERR_UNSUPPORTED: libcurl is not installed.
MUST_CHECK int http_client_new(struct http_client **ret, struct err *err);
void http_client_free(struct http_client *client); // takes NULL
void http_client_clean(struct http_client **client);

struct http_call { // everything is borrowed until http_client_send returns
    const char *method;
    const char *url;                   // sent as it is: dots and escapes stay
    const struct http_header *headers; // without Host and Content-Length
    size_t header_count;
    struct str body; // of PUT, POST and PATCH
    int body_fd;     // with body_in_fd: a file from its beginning, body_size bytes
    bool body_in_fd;
    uint64_t body_size;
    int timeout_s; // 0: none; connecting takes 5 seconds at most in any case
    void (*on_header)(void *ctx, struct str name, struct str value); // NULL: not wanted
    // Each piece of the body, once status is known. A negative return ends the call with ERR_IO.
    int (*on_piece)(void *ctx, int status, struct str piece);
    void (*on_tick)(void *ctx); // now and then while waiting; NULL: not wanted
    void *ctx;
    int status; // out: 200, 404, …
};

// ERR_UNAVAILABLE: nobody answers there; ERR_TIMEOUT; ERR_IO: on_piece or the file failed.
MUST_CHECK int http_client_send(struct http_client *client, struct http_call *call,
                                struct err *err);
