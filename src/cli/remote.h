// SPDX-License-Identifier: Apache-2.0
// The server as the command line sees it: an address, credentials and signed requests. Nothing here is
// Rouse's own: the same calls would reach AWS.
#pragma once

#include "cli/cli.h"

#define REMOTE_BODY_MAX (256u * 1024 * 1024) // of a reply that is kept in memory

struct remote {                // strings are its own
    char *endpoint;            // "http://127.0.0.1:4566", without a slash at the end
    char *access_key, *secret; // "" when requests are not to be signed
    char *token;               // session token or ""
    char *region;
    struct http_client *client; // kept from call to call; NULL before the first
    char *noticed; // what the server has told besides an answer, the last time; or NULL
};

// Finds the server (docs/cli.md says where). `region` of the service, or NULL.
MUST_CHECK int remote_find(const struct args *args, const char *region, struct remote *ret,
                           struct err *err);
// As remote_find, for `rouse env`: from the data folder alone. ERR_NOT_FOUND when no server has run there.
MUST_CHECK int remote_find_local(const struct args *args, struct remote *ret, struct err *err);
void remote_done(struct remote *remote);
// The data folder: --data, ROUSE_DATA, or the default. Heap.
char *remote_data_dir(const struct args *args);

struct remote_header {
    const char *name, *value;
};

#define REMOTE_HEADERS_MAX 8

struct remote_request {
    const char *service; // "lambda", "s3"
    const char *method;
    const char *path;                                 // percent-encoded, from "/"
    const char *query;                                // percent-encoded, without '?', or NULL
    struct remote_header headers[REMOTE_HEADERS_MAX]; // up to the first without a name
    struct str body;
    const char *body_path; // a file to send instead of body, or NULL
    int timeout_s;         // 0: 60
    // Where a 2xx body goes piece by piece instead of into reply->body; a negative return stops.
    int (*on_piece)(void *ctx, struct str piece);
    void *ctx;
};

struct remote_reply {
    int status;
    struct buf body;
    // Headers, or NULL.
    char *function_error, *tier, *version, *log, *etag, *error_type, *notice;
};
void remote_reply_done(struct remote_reply *reply);

// Sends; *reply is filled in for any status. ERR_UNAVAILABLE when nobody answers.
MUST_CHECK int remote_send(struct remote *remote, const struct remote_request *request,
                           struct remote_reply *reply, struct err *err);
// As remote_send, and a status of 400 or more is the error that it stands for, in the server's words.
MUST_CHECK int remote_call(struct remote *remote, const struct remote_request *request,
                           struct remote_reply *reply, struct err *err);
// The error of a reply with such a status. 0 for others.
int remote_error(const struct remote_reply *reply, struct err *err);
