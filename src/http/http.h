// SPDX-License-Identifier: Apache-2.0
// The HTTP/1.1 server (of HTTP/2 see http2.h): libmicrohttpd driven from our loop, on the loop's thread. Every request is
// answered asynchronously: a handler may reply inside a callback or at any later time.
//
// The life of a request:
//
//     headers in ── route() ──► handler ── on_body* ── on_end ──► (later) http_reply… ── on_closed
//
// - route() is called once, when the headers are in; it returns the handler and may set req->data.
// - on_body gets each piece of the body as it arrives (never more than HTTP_PIECE_MAX at once).
// - on_end: the body is complete.
// - A reply may be given from route() on; given before on_end, the rest of the body is read and
//   dropped (bounded; then the connection is closed) and neither on_body nor on_end is called
//   any more.
// - on_closed is always called, exactly once and last, also when the client went away before the
//   reply; after it req is gone. http_reply… on a request whose client has gone is a no-op that is
//   safe until on_closed returns.
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "io/loop.h"

#define HTTP_PIECE_MAX   (128 * 1024)
#define HTTP_ORIGIN_MAX  256 // connections of one origin, so that nobody takes all
#define HTTP_HEADERS_MAX 64  // in a request; more is 431

struct http_server;
struct http_request;

struct http_header {
    struct str name, value;
};

struct http_handler {
    void (*on_body)(struct http_request *req, struct str piece); // NULL: the body is dropped
    void (*on_end)(struct http_request *req);                    // required
    void (*on_closed)(struct http_request *req);                 // NULL: nothing to free
    void (*on_room)(struct http_request *req); // see http_stream_full; NULL: nobody waits for it
};

// Whose a connection is that somebody else accepted (http_server_adopt). Embedded in the adopter's
// own struct, zeroed; it must live while `connections` is not 0.
struct http_origin {
    int connections; // at most HTTP_ORIGIN_MAX
    bool front;      // its requests are as those of the front door: req->origin is NULL
    // The last of its connections has gone; may happen again and again, and the struct may be freed
    // by it. NULL: nobody needs to know.
    void (*on_unused)(struct http_origin *origin);
};

typedef const struct http_handler *http_route_fn(struct http_request *req, void *ctx);

// All views live until on_closed.
struct http_request {
    struct str method;
    struct str path;  // raw, still percent-encoded, without the query, at least "/"
    struct str query; // raw, without '?', may be empty
    struct str host;  // the Host header, may be empty
    const struct http_header *headers; // as received, in order
    size_t header_count;
    uint64_t body_size;         // Content-Length, or UINT64_MAX when chunked / unknown
    int64_t started_us;         // loop_now_us at the headers
    char remote[64];            // the peer's numeric address
    char id[37];                // a fresh request id (UUID), for x-amzn-RequestId and logs
    void *data;                 // the handler's own
    void *ctx;                  // what was given to http_server_new
    struct http_origin *origin; // of an adopted connection; NULL: it came in by the front door
};

// Value of the first header of that name (case-insensitive); {0} with at == NULL when absent.
struct str http_request_header(const struct http_request *req, const char *name);

// Of what follows a chunked body; from on_end on. As http_request_header.
struct str http_request_trailer(const struct http_request *req, const char *name);
// The reply will be a while: on_closed is to be called as soon as the client goes away, and not only
// when the reply cannot be sent. From on_end on.
void http_request_watch(struct http_request *req);

// No more of the body, please: the client has to wait, and so have its bytes. In effect when the
// callback returns; on_end waits, too.
void http_body_pause(struct http_request *req);
void http_body_resume(struct http_request *req); // safe at any time

// Reply headers. `name` is a constant; `value` is copied. Before the reply call.
void http_reply_header(struct http_request *req, const char *name, const char *value);

// Each ends the request's handling; exactly one is to be called.
// The bytes are copied.
void http_reply(struct http_request *req, int status, struct str body);
// The buffer's bytes are taken over (the buffer is empty afterwards); nothing is copied.
void http_reply_buf(struct http_request *req, int status, struct buf *body);
// `at` is sent as it is, then on_free(free_arg) is called: for bytes that somebody else owns.
void http_reply_borrowed(struct http_request *req, int status, struct str body,
                         void (*on_free)(void *arg), void *free_arg);
// A part of a file by sendfile; the fd is taken over and closed.
void http_reply_file(struct http_request *req, int status, int fd, uint64_t offset, uint64_t size);
// Headers only, with a Content-Length of something that is not sent (HEAD) or none (204, 304).
void http_reply_head(struct http_request *req, int status, uint64_t content_length);

// A reply of unknown length (chunked), written over time. Writes after the client has gone are
// dropped; pending bytes are bounded: http_stream_write returns ERR_BUSY when more than 1 MiB is
// waiting to be sent (try again from a timer).
void http_stream_start(struct http_request *req, int status);
MUST_CHECK int http_stream_write(struct http_request *req, struct str piece, struct err *err);
// Whether the next write would be refused. Where it says so, on_room is called once when half of what
// waits has been sent (not if the client goes away first).
bool http_stream_full(struct http_request *req);
void http_stream_end(struct http_request *req);
// The same for a reply that cannot be completed: the connection is closed without the end of the body,
// so that the client knows.
void http_stream_break(struct http_request *req);
// The same after a last piece, which is taken whatever waits.
void http_stream_finish(struct http_request *req, struct str last);

struct http2_handler;
struct http2_stream;

struct http_options {
    const char *listen; // "127.0.0.1:4566", "[::1]:0", "0.0.0.0:80"; port 0 takes a free one
    http_route_fn *route;
    const struct http2_handler *(*route2)(struct http2_stream *stream,
                                          void *ctx); // NULL: no HTTP/2
    void *ctx;
    int connections_max; // 0: 10,000, or what RLIMIT_NOFILE leaves
    int idle_s;          // a connection that makes no progress is closed after that; 0: 75
};

MUST_CHECK int http_server_new(struct loop *loop, const struct http_options *options,
                               struct http_server **ret, struct err *err);
int http_server_port(const struct http_server *server);

// Serves a connection that was accepted elsewhere; the fd is the server's, also on failure, which is
// ERR_BUSY when its origin has too many. `origin`
// may be NULL. An adopted connection has no idle time-out, and outlives http_server_quiesce.
MUST_CHECK int http_server_adopt(struct http_server *server, int fd, struct http_origin *origin,
                                 struct err *err);
// Closes the connections of that origin: their requests see on_closed on the next turn.
void http_origin_close(struct http_server *server, struct http_origin *origin);

int http_server_requests(const struct http_server *server); // in flight
void http_server_quiesce(struct http_server *server);       // stop accepting; close idle ones
void http_server_free(struct http_server *server);          // closes everything; calls on_closed
