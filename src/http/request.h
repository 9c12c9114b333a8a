// SPDX-License-Identifier: Apache-2.0
// Private to http/: a request as the server sees it, and what server.c and request.c want from each
// other. Everybody else sees http/http.h.
//
//     HEADERS ──route()──► BODY ──on_end──► ENDED ──queued──► SENDING ──► gone
//        └── refused before a large body: queued at once, the connection is closed ──┘
#pragma once

#include "base/list.h"
#include "http/http.h"

#include <microhttpd.h>

// A body that nobody wants is read up to here, so that the connection can be used again.
#define REQUEST_DROP_MAX      (8 * 1024 * 1024)
#define REQUEST_STREAM_MAX    (1024 * 1024) // waiting bytes of a streamed reply
#define REQUEST_HEADERS_BYTES (256 * 1024)  // of a reply

enum request_phase { REQUEST_HEADERS, REQUEST_BODY, REQUEST_ENDED, REQUEST_SENDING };

struct connection { // one TCP connection; MHD's socket context
    struct list link;
    int fd;
    struct request *current; // NULL: idle
    bool adopted;
    bool offered;               // MHD has had a whole turn to start it
    struct http_origin *origin; // or NULL
    char remote[64];
};

struct http_server {
    struct loop *loop;
    struct MHD_Daemon *daemon;
    struct http_options options;
    struct watch watch; // of MHD's epoll descriptor
    struct timer timer; // MHD's own time-outs, and a turn that is owed
    struct list connections;
    struct list adoptions; // connections that MHD was given and has not started yet
    int listen_fd, port;
    int requests;
    int64_t idle_us;
    // arrival.c's: how many connections there are of all kinds, and those that have said too little.
    int taken, taken_max;
    struct watch door; // the listening socket; not watched when there are too many
    struct timer retry, patience;
    struct list arrivals;
    struct list http2; // struct http2 (http2.c)
    bool quiescing;
    bool owed; // a turn, since the last one began
};

struct request {
    struct http_request pub; // first: handlers know only this
    struct http_header headers[HTTP_HEADERS_MAX];
    struct http_server *server;
    struct MHD_Connection *mhd;
    struct connection *connection;
    const struct http_handler *handler;
    int phase;      // enum request_phase
    bool inside;    // a callback of the handler runs: what it replies is seen when it returns
    bool suspended; // MHD leaves the connection alone until it is resumed
    bool gone;      // the client, or the connection, is no more
    bool replied;
    bool paused; // the body is to wait
    bool stream, stream_ended, stream_broken;
    bool full;        // somebody waits for room in the stream
    bool watched;     // its client is
    uint64_t dropped; // bytes of the body that nobody wanted

    struct buf reply_headers;      // name NUL value NUL …
    struct MHD_Response *response; // until it is queued
    unsigned status;

    struct buf waiting;  // of a streamed reply
    size_t sent;         // of `waiting`
    struct watch hangup; // whoever waits notices by this that its client has gone
    char target[];       // as in the request line, NUL-terminated
};

// server.c
void server_owe_turn(
    struct http_server *server); // MHD has something to do, at the end of this turn
void address_write(const struct sockaddr *address, char text[64]);
void id_write(char text[37]); // a fresh UUID
// "/path?query", or "http://host/path?query" as a proxy is asked.
void target_split(struct str target, struct http_request *ret);

// request.c
void request_watch_hangup(struct request *r);

// arrival.c
MUST_CHECK int arrivals_start(struct http_server *server, int most, struct err *err);
void arrivals_count(struct http_server *server, int more); // connections came or went
void arrivals_stop(struct http_server *server);            // and nobody is let in any more
