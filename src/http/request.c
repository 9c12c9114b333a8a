// SPDX-License-Identifier: Apache-2.0
// Replies: bytes, files and streams become MHD responses, which are queued when MHD next asks. A
// request that waits for its answer is suspended, and resumed by the reply.
#include "http/request.h"
#include "base/check.h"

#include <sys/epoll.h>
#include <unistd.h>

static struct request *request_of(struct http_request *req)
{
    return CONTAINER_OF(req, struct request, pub);
}

struct str http_request_header(const struct http_request *req, const char *name)
{
    struct str wanted = str_of(name);
    for (size_t i = 0; i < req->header_count; i++) {
        if (str_eq_nocase(req->headers[i].name, wanted)) {
            return req->headers[i].value;
        }
    }
    return (struct str){0};
}

struct str http_request_trailer(const struct http_request *req, const char *name)
{
    const struct request *r = CONTAINER_OF(req, const struct request, pub);
    return str_of(MHD_lookup_connection_value(r->mhd, MHD_FOOTER_KIND, name));
}

void http_request_watch(struct http_request *req)
{
    struct request *r = request_of(req);
    r->watched = true;
    if (r->suspended) {
        request_watch_hangup(r);
    }
}

static void request_resume(struct request *r)
{
    if (r->suspended) {
        r->suspended = false;
        MHD_resume_connection(r->mhd);
        server_owe_turn(r->server);
    }
}

// ── bodies ──

void http_body_pause(struct http_request *req)
{
    request_of(req)->paused = true;
}

void http_body_resume(struct http_request *req)
{
    struct request *r = request_of(req);
    r->paused = false;
    if (r->phase == REQUEST_BODY) {
        request_resume(r);
    }
}

// ── headers ──

void http_reply_header(struct http_request *req, const char *name, const char *value)
{
    struct request *r = request_of(req);
    CHECK(!r->replied || r->gone);
    buf_add(&r->reply_headers, name, strlen(name) + 1);
    buf_add(&r->reply_headers, value, strlen(value) + 1);
}

static void headers_add(struct request *r)
{
    const char *at = r->reply_headers.at;
    const char *end = at + r->reply_headers.size;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        // MHD refuses what would break the message (line ends); such a header is left out.
        (void)MHD_add_response_header(r->response, at, value);
        at = value + strlen(value) + 1;
    }
    if (r->server->quiescing && !r->connection->adopted) {
        (void)MHD_add_response_header(r->response, "Connection", "close");
    }
}

// ── replies ──

// Takes the response over. The client may have gone meanwhile; then nobody wants it.
static void request_reply(struct request *r, int status, struct MHD_Response *response)
{
    CHECK(response && status >= 200 && status < 600);
    if (r->gone || r->replied) {
        CHECK(r->gone); // two replies to one request
        MHD_destroy_response(response);
        return;
    }
    r->replied = true;
    r->status = (unsigned)status;
    r->response = response;
    headers_add(r);
    if (!r->inside) {
        request_resume(r);
    }
}

static struct MHD_Response *response_empty(void)
{
    return MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
}

void http_reply(struct http_request *req, int status, struct str body)
{
    struct MHD_Response *response =
        body.size == 0 ? response_empty()
                       : MHD_create_response_from_buffer(body.size, (void *)(uintptr_t)body.at,
                                                         MHD_RESPMEM_MUST_COPY);
    request_reply(request_of(req), status, response);
}

void http_reply_buf(struct http_request *req, int status, struct buf *body)
{
    size_t size = body->size;
    char *at = buf_steal(body);
    request_reply(request_of(req), status,
                  MHD_create_response_from_buffer(size, at, MHD_RESPMEM_MUST_FREE));
}

void http_reply_borrowed(struct http_request *req, int status, struct str body,
                         void (*on_free)(void *arg), void *free_arg)
{
    if (body.size == 0) {
        on_free(free_arg);
        request_reply(request_of(req), status, response_empty());
        return;
    }
    request_reply(request_of(req), status,
                  MHD_create_response_from_buffer_with_free_callback_cls(
                      body.size, (void *)(uintptr_t)body.at, on_free, free_arg));
}

void http_reply_file(struct http_request *req, int status, int fd, uint64_t offset, uint64_t size)
{
    if (size == 0) {
        close(fd);
        request_reply(request_of(req), status, response_empty());
        return;
    }
    struct MHD_Response *response = MHD_create_response_from_fd_at_offset64(size, fd, offset);
    if (!response) { // an offset that no file has
        close(fd);
        response = response_empty();
        status = 500;
    }
    request_reply(request_of(req), status, response);
}

static ssize_t nothing_read(void *ctx, uint64_t at, char *out, size_t room)
{
    (void)ctx, (void)at, (void)out, (void)room;
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

void http_reply_head(struct http_request *req, int status, uint64_t content_length)
{
    bool head = str_eq(req->method, STR("HEAD"));
    struct MHD_Response *response =
        head && content_length > 0
            ? MHD_create_response_from_callback(content_length, 1, nothing_read, NULL, NULL)
            : response_empty();
    request_reply(request_of(req), status, response);
}

// ── streams ──

static void hangup_ready(struct watch *watch, uint32_t events)
{
    (void)events;
    struct request *r = CONTAINER_OF(watch, struct request, hangup);
    loop_unwatch(r->server->loop, watch);
    r->gone = true;
    request_resume(r);
}

// MHD does not look at a suspended connection, so we do.
void request_watch_hangup(struct request *r)
{
    if (!r->hangup.added) {
        r->hangup = (struct watch){.fd = r->connection->fd, .on_ready = hangup_ready};
        struct err err = {0};
        if (loop_watch(r->server->loop, &r->hangup, EPOLLRDHUP, &err) < 0) {
            r->hangup.added = false; // it is noticed by the next write then
        }
    }
}

static ssize_t stream_read(void *ctx, uint64_t at, char *out, size_t room)
{
    (void)at;
    struct request *r = ctx;
    size_t size = r->waiting.size - r->sent;
    if (r->gone || (size == 0 && r->stream_broken)) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    if (size == 0 && r->stream_ended) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    if (size == 0) {
        buf_clear(&r->waiting);
        r->sent = 0;
        r->suspended = true;
        MHD_suspend_connection(r->mhd);
        request_watch_hangup(r);
        return 0;
    }
    size = size < room ? size : room;
    memcpy(out, r->waiting.at + r->sent, size);
    r->sent += size;
    if (r->full && r->waiting.size - r->sent <= REQUEST_STREAM_MAX / 2) {
        r->full = false;
        if (r->handler->on_room) {
            r->handler->on_room(&r->pub);
        }
    }
    return (ssize_t)size;
}

void http_stream_start(struct http_request *req, int status)
{
    struct request *r = request_of(req);
    r->stream = true;
    buf_init(&r->waiting, SIZE_MAX / 2);
    request_reply(
        r, status,
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 32 * 1024, stream_read, r, NULL));
}

static void stream_add(struct request *r, struct str piece)
{
    CHECK(r->gone || (r->stream && !r->stream_ended));
    if (r->gone || piece.size == 0) {
        return;
    }
    if (r->sent > r->waiting.size / 2) { // the rest to the front; each byte moves once or twice
        memmove(r->waiting.at, r->waiting.at + r->sent, r->waiting.size - r->sent);
        r->waiting.size -= r->sent;
        r->sent = 0;
    }
    buf_add_str(&r->waiting, piece);
    if (r->phase == REQUEST_SENDING) {
        request_resume(r);
    }
}

int http_stream_write(struct http_request *req, struct str piece, struct err *err)
{
    struct request *r = request_of(req);
    if (!r->gone && r->waiting.size - r->sent > REQUEST_STREAM_MAX) {
        return err_set(err, ERR_BUSY, "the client reads slower than the reply is written");
    }
    stream_add(r, piece);
    return 0;
}

bool http_stream_full(struct http_request *req)
{
    struct request *r = request_of(req);
    r->full = !r->gone && r->waiting.size - r->sent > REQUEST_STREAM_MAX;
    return r->full;
}

void http_stream_end(struct http_request *req)
{
    struct request *r = request_of(req);
    r->stream_ended = true;
    if (r->phase == REQUEST_SENDING) {
        request_resume(r);
    }
}

void http_stream_break(struct http_request *req)
{
    request_of(req)->stream_broken = true;
    http_stream_end(req);
}

void http_stream_finish(struct http_request *req, struct str last)
{
    stream_add(request_of(req), last);
    http_stream_end(req);
}
