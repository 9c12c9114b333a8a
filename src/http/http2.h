// SPDX-License-Identifier: Apache-2.0
// HTTP/2 without TLS, for clients that know that they will find it ("prior knowledge", RFC 9113): those
// of gRPC. It is spoken on the server's one port; which of the two a connection speaks its first bytes
// say (arrival.c). A stream is a request and its answer; many share a connection.
//
//     headers in ── route2() ──► handler ── on_body* ── on_end
//                     http2_begin ── http2_write* ── http2_end      at any time, from route2() on
//                                                on_closed          always, once, last
//
// An answer may be complete before the request is: the rest of that is then refused.
//
// What a client can take is bounded: HTTP2_STREAMS_MAX streams of a connection at once, the bytes of their
// requests together by HTTP2_HELD_MAX, header lists, resets, and time without progress.
#pragma once

#include "http/http.h"

#define HTTP2_STREAMS_MAX 256
#define HTTP2_HELD_MAX    ((size_t)192 * 1024 * 1024)
#define HTTP2_HEADERS_MAX (16 * 1024) // bytes of a request's headers

// Of a stream that is reset; RFC 9113, section 7.
enum http2_error {
    HTTP2_NO_ERROR = 0,
    HTTP2_INTERNAL_ERROR = 2,
    HTTP2_REFUSED = 7,
    HTTP2_CANCEL = 8,
    HTTP2_CALM = 11,             // it asks for too much
    HTTP2_HTTP_1_1_REQUIRED = 13 // this is not to be had by HTTP/2
};

struct http2_stream {
    struct http_request req; // to be read only: the answer is http2_…; live until on_closed
    void *data;              // the handler's own
};

struct http2_handler {
    void (*on_body)(struct http2_stream *stream, struct str piece);
    void (*on_end)(struct http2_stream *stream);    // the request is complete
    void (*on_closed)(struct http2_stream *stream); // answered, reset by its client, or lost
    void (*on_sent)(struct http2_stream *stream);   // nothing waits to be sent; NULL: who cares
};

// NULL: this is not served here; the client is told to use HTTP/1.1.
typedef const struct http2_handler *http2_route_fn(struct http2_stream *stream, void *ctx);

// Status and headers; names in lower case. All is copied.
void http2_begin(struct http2_stream *stream, int status, const struct http_header *headers,
                 size_t count);
// Copied; sent as far as the client takes it.
void http2_write(struct http2_stream *stream, struct str bytes);
void http2_write_buf(struct http2_stream *stream, struct buf *bytes); // taken over, not copied
size_t http2_waiting(const struct http2_stream *stream);              // written and not sent
// With trailers. Nothing of the request is seen any more.
void http2_end(struct http2_stream *stream, const struct http_header *trailers, size_t count);
// Instead of http2_begin, http2_write and http2_end: headers only.
void http2_reply(struct http2_stream *stream, int status, const struct http_header *headers,
                 size_t count);
void http2_reset(struct http2_stream *stream, enum http2_error error);

// Of the body no more, please, than what is under way (HTTP2_WINDOW at most).
#define HTTP2_WINDOW (256 * 1024)
void http2_pause(struct http2_stream *stream);
void http2_resume(struct http2_stream *stream); // safe at any time

// Bytes of a body count as held until on_closed. A handler that makes more of them says so; when the
// connection holds too much the stream is reset and it is false. What it has let go of it gives back.
bool http2_hold(struct http2_stream *stream, size_t size);
void http2_release(struct http2_stream *stream, size_t size);
