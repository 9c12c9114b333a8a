// SPDX-License-Identifier: Apache-2.0
// HTTP/2 connections: nghttp2 makes frames of bytes and bytes of frames, and here is what they mean for
// requests. The only file that sees it. Output is gathered and sent at the end of a turn, so that what
// was answered in it shares a system call.
#include "http/http2.h"
#include "base/check.h"
#include "base/log.h"
#include "http/http2_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE         (64 * 1024)
#define READS_A_TURN      8
#define SEND_SIZE         (64 * 1024)
#define SENDS_A_TURN      16
#define CONNECTION_WINDOW (4 * 1024 * 1024)
#define ACKS_MAX          256   // of pings and settings that the client does not take
#define RESETS_MAX        1000  // by the client of requests that were not answered, …
#define RESET_US          30000 // … and one more after each such time
#define TRAILERS_MAX      4096  // bytes of an answer's trailers
#define ANSWER_MAX        (SIZE_MAX / 2)
#define ANSWER_HEADERS    8

struct http2 { // a connection
    struct list link;
    struct http_server *server;
    nghttp2_session *session;
    struct watch watch;
    struct timer flush; // at the end of the turn
    struct timer idle;
    struct list streams;
    struct buf out;
    size_t sent; // of out
    size_t held; // bytes of requests
    int64_t active_us;
    int64_t resets_us; // resets are paid for up to then
    bool blocked;      // the socket takes no more for now
    bool over;         // it is closed at the end of the turn
    char remote[64];
};

struct stream {
    struct http2_stream pub; // first
    struct http2 *connection;
    struct list link;
    int32_t id;
    const struct http2_handler *handler; // NULL: refused, or not yet routed
    struct http_header headers[HTTP_HEADERS_MAX];
    nghttp2_rcbuf *kept[2 * HTTP_HEADERS_MAX + 3]; // whose bytes those views see
    size_t kept_count, header_bytes;
    size_t held;   // of connection->held
    size_t unpaid; // bytes that came while the handler was paused
    struct buf out;
    size_t sent;
    struct buf trailers; // name NUL value NUL …
    bool begun, ended;   // the answer
    bool complete;       // the request
    bool paused, too_large;
};

static struct stream *stream_of(struct http2_stream *stream)
{
    return CONTAINER_OF(stream, struct stream, pub);
}

// ── life of a stream ──

static struct stream *stream_new(struct http2 *c, int32_t id)
{
    struct stream *s = NEW(struct stream);
    s->connection = c;
    s->id = id;
    buf_init(&s->out, ANSWER_MAX);
    buf_init(&s->trailers, TRAILERS_MAX);
    s->pub.req = (struct http_request){.method = STR(""),
                                       .path = STR("/"),
                                       .query = STR(""),
                                       .host = STR(""),
                                       .headers = s->headers,
                                       .body_size = UINT64_MAX,
                                       .started_us = loop_now_us(c->server->loop),
                                       .ctx = c->server->options.ctx};
    memcpy(s->pub.req.remote, c->remote, sizeof s->pub.req.remote);
    list_push_back(&c->streams, &s->link);
    c->server->requests++;
    return s;
}

static void stream_free(struct stream *s)
{
    struct http2 *c = s->connection;
    if (s->handler) {
        s->handler->on_closed(&s->pub);
    }
    for (size_t i = 0; i < s->kept_count; i++) {
        nghttp2_rcbuf_decref(s->kept[i]);
    }
    c->held -= s->held;
    c->server->requests--;
    list_remove(&s->link);
    buf_done(&s->out);
    buf_done(&s->trailers);
    free(s);
}

// ── out ──

static void owe_flush(struct http2 *c)
{
    if (!timer_running(&c->flush) && !c->blocked) {
        timer_start(c->server->loop, &c->flush, 0);
    }
}

static void connection_end(struct http2 *c)
{
    c->over = true;
    timer_start(c->server->loop, &c->flush, 0);
}

// What nghttp2 has to say, up to a good piece of it.
static void gather(struct http2 *c)
{
    const uint8_t *at = NULL;
    buf_clear(&c->out);
    c->sent = 0;
    while (c->out.size < SEND_SIZE) {
        ssize_t size = nghttp2_session_mem_send(c->session, &at);
        if (size <= 0) {
            c->over = c->over || size < 0;
            break;
        }
        buf_add(&c->out, at, (size_t)size);
    }
}

static void blocked_set(struct http2 *c, bool blocked)
{
    if (c->blocked != blocked) {
        c->blocked = blocked;
        loop_rewatch(c->server->loop, &c->watch, blocked ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
}

static void send_some(struct http2 *c)
{
    for (int i = 0; i < SENDS_A_TURN && !c->over; i++) {
        if (c->sent == c->out.size) {
            gather(c);
        }
        if (c->out.size == 0) {
            return;
        }
        ssize_t size = send(c->watch.fd, c->out.at + c->sent, c->out.size - c->sent, MSG_NOSIGNAL);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
            blocked_set(c, true);
            return;
        }
        if (size < 0) {
            c->over = true;
            return;
        }
        c->sent += (size_t)size;
        c->active_us = loop_now_us(c->server->loop);
    }
    owe_flush(c);
}

static void connection_free(struct http2 *c)
{
    struct http_server *server = c->server;
    loop_unwatch(server->loop, &c->watch);
    timer_stop(server->loop, &c->flush);
    timer_stop(server->loop, &c->idle);
    LIST_EACH(s, &c->streams, struct stream, link)
    {
        stream_free(s);
    }
    timer_stop(server->loop, &c->flush); // what they said in the end
    nghttp2_session_del(c->session);
    list_remove(&c->link);
    close(c->watch.fd);
    buf_done(&c->out);
    free(c);
    arrivals_count(server, -1);
}

static void flush_due(struct timer *timer)
{
    struct http2 *c = CONTAINER_OF(timer, struct http2, flush);
    send_some(c);
    bool done = !nghttp2_session_want_read(c->session) && !nghttp2_session_want_write(c->session) &&
                c->sent == c->out.size;
    if (c->over || done) {
        connection_free(c);
    }
}

// The bytes of an answer, as many as fit a frame.
static ssize_t read_answer(nghttp2_session *session, int32_t id, uint8_t *to, size_t room,
                           uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)user;
    struct stream *s = source->ptr;
    size_t size = s->out.size - s->sent;
    if (size == 0 && !s->ended) {
        return NGHTTP2_ERR_DEFERRED;
    }
    size = size < room ? size : room;
    if (size) {
        memcpy(to, s->out.at + s->sent, size);
    }
    s->sent += size;
    if (s->sent < s->out.size) {
        return (ssize_t)size;
    }
    buf_clear(&s->out);
    s->sent = 0;
    if (!s->ended) {
        if (s->handler && s->handler->on_sent) {
            s->handler->on_sent(&s->pub);
        }
        return (ssize_t)size;
    }
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    nghttp2_nv trailers[ANSWER_HEADERS];
    size_t count = 0;
    const char *end = s->trailers.at + s->trailers.size;
    for (const char *at = s->trailers.at; at < end && count < ANSWER_HEADERS; count++) {
        size_t name = strlen(at), value = strlen(at + name + 1);
        trailers[count] = (nghttp2_nv){(uint8_t *)(uintptr_t)at,
                                       (uint8_t *)(uintptr_t)(at + name + 1), name, value, 0};
        at += name + value + 2;
    }
    if (count) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (nghttp2_submit_trailer(session, id, trailers, count) != 0) {
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
    }
    return (ssize_t)size;
}

static void begin(struct stream *s, int status, const struct http_header *headers, size_t count,
                  bool with_body)
{
    nghttp2_nv list[ANSWER_HEADERS + 1];
    nghttp2_data_provider body = {.source.ptr = s, .read_callback = read_answer};
    char text[12];
    CHECK(!s->begun && count <= ANSWER_HEADERS);
    s->begun = true;
    int size = snprintf(text, sizeof text, "%d", status);
    list[0] = (nghttp2_nv){(uint8_t *)(uintptr_t) ":status", (uint8_t *)text, strlen(":status"),
                           (size_t)size, 0};
    for (size_t i = 0; i < count; i++) {
        list[i + 1] = (nghttp2_nv){(uint8_t *)(uintptr_t)headers[i].name.at,
                                   (uint8_t *)(uintptr_t)headers[i].value.at, headers[i].name.size,
                                   headers[i].value.size, 0};
    }
    if (nghttp2_submit_response(s->connection->session, s->id, list, count + 1,
                                with_body ? &body : NULL) != 0) {
        nghttp2_submit_rst_stream(s->connection->session, NGHTTP2_FLAG_NONE, s->id,
                                  NGHTTP2_INTERNAL_ERROR);
    }
    owe_flush(s->connection);
}

void http2_begin(struct http2_stream *stream, int status, const struct http_header *headers,
                 size_t count)
{
    begin(stream_of(stream), status, headers, count, true);
}

static void answer_go_on(struct stream *s)
{
    (void)nghttp2_session_resume_data(s->connection->session, s->id); // it may not be deferred
    owe_flush(s->connection);
}

void http2_write(struct http2_stream *stream, struct str bytes)
{
    struct stream *s = stream_of(stream);
    CHECK(s->begun && !s->ended);
    if (s->sent > s->out.size / 2) { // the rest to the front; each byte moves once or twice
        memmove(s->out.at, s->out.at + s->sent, s->out.size - s->sent);
        s->out.size -= s->sent;
        s->sent = 0;
    }
    buf_add_str(&s->out, bytes);
    answer_go_on(s);
}

void http2_write_buf(struct http2_stream *stream, struct buf *bytes)
{
    struct stream *s = stream_of(stream);
    CHECK(s->begun && !s->ended);
    if (s->out.size) {
        http2_write(stream, buf_str(bytes));
        buf_done(bytes);
        return;
    }
    buf_done(&s->out);
    s->out = *bytes;
    s->out.max = ANSWER_MAX;
    *bytes = (struct buf){0};
    answer_go_on(s);
}

size_t http2_waiting(const struct http2_stream *stream)
{
    const struct stream *s = CONTAINER_OF(stream, const struct stream, pub);
    return s->out.size - s->sent;
}

void http2_end(struct http2_stream *stream, const struct http_header *trailers, size_t count)
{
    struct stream *s = stream_of(stream);
    CHECK(s->begun && !s->ended && count <= ANSWER_HEADERS);
    for (size_t i = 0; i < count; i++) {
        buf_add_str(&s->trailers, trailers[i].name);
        buf_add_char(&s->trailers, 0);
        buf_add_str(&s->trailers, trailers[i].value);
        buf_add_char(&s->trailers, 0);
    }
    CHECK(buf_ok(&s->trailers));
    s->ended = true;
    answer_go_on(s);
}

void http2_reply(struct http2_stream *stream, int status, const struct http_header *headers,
                 size_t count)
{
    struct stream *s = stream_of(stream);
    begin(s, status, headers, count, false);
    s->ended = true;
}

void http2_reset(struct http2_stream *stream, enum http2_error error)
{
    struct stream *s = stream_of(stream);
    s->begun = s->ended = true;
    nghttp2_submit_rst_stream(s->connection->session, NGHTTP2_FLAG_NONE, s->id, (uint32_t)error);
    owe_flush(s->connection);
}

// ── in: flow ──

bool http2_hold(struct http2_stream *stream, size_t size)
{
    struct stream *s = stream_of(stream);
    if (size > HTTP2_HELD_MAX - s->connection->held) {
        if (!s->ended) {
            http2_reset(stream, HTTP2_CALM);
        }
        return false;
    }
    s->held += size;
    s->connection->held += size;
    return true;
}

void http2_release(struct http2_stream *stream, size_t size)
{
    struct stream *s = stream_of(stream);
    CHECK(size <= s->held);
    s->held -= size;
    s->connection->held -= size;
}

void http2_pause(struct http2_stream *stream)
{
    stream_of(stream)->paused = true;
}

void http2_resume(struct http2_stream *stream)
{
    struct stream *s = stream_of(stream);
    s->paused = false;
    if (s->unpaid) {
        (void)nghttp2_session_consume_stream(s->connection->session, s->id, s->unpaid);
        s->unpaid = 0;
        owe_flush(s->connection);
    }
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                    size_t size, void *user)
{
    (void)flags, (void)user;
    struct stream *s = nghttp2_session_get_stream_user_data(session, id);
    (void)nghttp2_session_consume_connection(session, size);
    if (s && s->handler && !s->ended && http2_hold(&s->pub, size)) {
        s->handler->on_body(&s->pub, str_n(data, size));
    }
    if (s && s->paused) {
        s->unpaid += size;
    } else {
        (void)nghttp2_session_consume_stream(session, id, size);
    }
    return 0;
}

// ── in: headers ──

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct http2 *c = user;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        struct stream *s = stream_new(c, frame->hd.stream_id);
        nghttp2_session_set_stream_user_data(session, s->id, s);
    }
    return 0;
}

static void pseudo_header(struct stream *s, struct str name, struct str value)
{
    struct http_request *req = &s->pub.req;
    if (str_eq(name, STR(":method"))) {
        req->method = value;
    } else if (str_eq(name, STR(":path"))) {
        target_split(value, req);
    } else if (str_eq(name, STR(":authority"))) {
        req->host = value;
    }
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *user)
{
    (void)flags, (void)user;
    struct stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    nghttp2_vec n = nghttp2_rcbuf_get_buf(name), v = nghttp2_rcbuf_get_buf(value);
    if (!s || s->handler || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0; // trailers, which nobody reads
    }
    s->header_bytes += n.len + v.len + 32; // as RFC 9113 counts them
    bool pseudo = n.len && n.base[0] == ':';
    s->too_large = s->too_large || s->header_bytes > HTTP2_HEADERS_MAX ||
                   (!pseudo && s->pub.req.header_count == HTTP_HEADERS_MAX);
    if (s->too_large || s->kept_count + 2 > ARRAY_SIZE(s->kept)) {
        return 0;
    }
    nghttp2_rcbuf_incref(value);
    s->kept[s->kept_count++] = value;
    struct str view = str_n(v.base, v.len);
    if (pseudo) {
        pseudo_header(s, str_n(n.base, n.len), view);
        return 0;
    }
    nghttp2_rcbuf_incref(name);
    s->kept[s->kept_count++] = name;
    s->headers[s->pub.req.header_count++] = (struct http_header){str_n(n.base, n.len), view};
    return 0;
}

static void route(struct stream *s)
{
    struct http_server *server = s->connection->server;
    if (s->too_large) {
        http2_reply(&s->pub, 431, NULL, 0);
        return;
    }
    id_write(s->pub.req.id);
    s->handler = server->options.route2(&s->pub, server->options.ctx);
    if (!s->handler && !s->ended) {
        http2_reset(&s->pub, HTTP2_HTTP_1_1_REQUIRED);
    }
}

// ── in: frames ──

// Whoever asks and takes it back again and again costs more than it pays.
static void count_reset(struct http2 *c)
{
    int64_t now_us = loop_now_us(c->server->loop);
    c->resets_us = (c->resets_us > now_us ? c->resets_us : now_us) + RESET_US;
    if (c->resets_us > now_us + (int64_t)RESETS_MAX * RESET_US) {
        log_info("%s resets its requests too often: its connection is closed", c->remote);
        nghttp2_session_terminate_session(c->session, NGHTTP2_ENHANCE_YOUR_CALM);
    }
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct http2 *c = user;
    struct stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!s) {
        return 0;
    }
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        route(s);
    } else if (frame->hd.type == NGHTTP2_RST_STREAM && !s->ended) {
        count_reset(c);
    }
    bool ends = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (ends && frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
        s->complete = true;
        if (s->handler && !s->ended) {
            s->handler->on_end(&s->pub);
        }
    }
    return 0;
}

// The answer is complete; the rest of a request that is not need not be sent.
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)user;
    bool ends = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    struct stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (ends && s && frame->hd.flags & NGHTTP2_FLAG_END_STREAM && !s->complete) {
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    (void)error, (void)user;
    struct stream *s = nghttp2_session_get_stream_user_data(session, id);
    if (s) {
        stream_free(s);
    }
    return 0;
}

// ── connections ──

static void receive(struct http2 *c)
{
    static uint8_t bytes[READ_SIZE]; // the core is one thread
    for (int i = 0; i < READS_A_TURN && !c->over; i++) {
        ssize_t got = recv(c->watch.fd, bytes, sizeof bytes, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            break;
        }
        if (got <= 0) {
            c->over = true;
            break;
        }
        c->active_us = loop_now_us(c->server->loop);
        ssize_t used = nghttp2_session_mem_recv(c->session, bytes, (size_t)got);
        if (used < 0) { // a preface that is none; of what else is wrong nghttp2 tells the client
            c->over = true;
        }
        if ((size_t)got < sizeof bytes) {
            break;
        }
    }
}

static void connection_ready(struct watch *watch, uint32_t events)
{
    struct http2 *c = CONTAINER_OF(watch, struct http2, watch);
    if (events & EPOLLOUT) {
        blocked_set(c, false);
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        receive(c);
    }
    if (c->over) {
        connection_end(c);
    } else {
        owe_flush(c);
    }
}

// Somebody waits for us, and takes what there is. (A request that is answered while it goes on may be
// silent for as long as it likes.)
static bool is_waiting(const struct http2 *c)
{
    LIST_EACH(s, &c->streams, struct stream, link)
    {
        if (s->out.size || (!s->complete && !s->begun)) {
            return false;
        }
    }
    return !list_empty(&c->streams) && !c->blocked;
}

static void idle_due(struct timer *timer)
{
    struct http2 *c = CONTAINER_OF(timer, struct http2, idle);
    int64_t now_us = loop_now_us(c->server->loop);
    if (is_waiting(c)) {
        c->active_us = now_us;
    }
    if (now_us - c->active_us < c->server->idle_us) {
        timer_start_at(c->server->loop, &c->idle, c->active_us + c->server->idle_us);
    } else if (list_empty(&c->streams)) {
        nghttp2_session_terminate_session(c->session, NGHTTP2_NO_ERROR);
        c->active_us = now_us;
        timer_start_at(c->server->loop, &c->idle, now_us + c->server->idle_us);
        owe_flush(c);
    } else {
        connection_end(c);
    }
}

static int session_new(struct http2 *c)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0) {
        nghttp2_session_callbacks_del(callbacks);
        return ERR_NO_MEMORY;
    }
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_max_outbound_ack(option, ACKS_MAX);
    nghttp2_option_set_no_closed_streams(option, 1);
    int rc = nghttp2_session_server_new2(&c->session, callbacks, c, option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    return rc == 0 ? 0 : ERR_NO_MEMORY;
}

static int session_start(struct http2 *c, struct err *err)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, HTTP2_STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, HTTP2_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP2_HEADERS_MAX},
    };
    if (session_new(c) < 0 ||
        nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, ARRAY_SIZE(settings)) !=
            0 ||
        nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0,
                                              CONNECTION_WINDOW) != 0) {
        return err_set(err, ERR_NO_MEMORY, "no session");
    }
    return loop_watch(c->server->loop, &c->watch, EPOLLIN, err);
}

void http2_open(struct http_server *server, int fd, const char remote[64])
{
    int one = 1;
    struct err err = {0};
    struct http2 *c = NEW(struct http2);
    c->server = server;
    c->watch = (struct watch){.fd = fd, .on_ready = connection_ready};
    c->flush.on_due = flush_due;
    c->idle.on_due = idle_due;
    c->active_us = loop_now_us(server->loop);
    buf_init(&c->out, SIZE_MAX / 2);
    snprintf(c->remote, sizeof c->remote, "%s", remote);
    list_init(&c->streams);
    list_push_back(&server->http2, &c->link);
    arrivals_count(server, 1);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (session_start(c, &err) < 0) {
        log_warn("an HTTP/2 connection is refused: %s", err.text);
        connection_free(c);
        return;
    }
    timer_start(server->loop, &c->idle, server->idle_us);
    connection_ready(&c->watch, EPOLLIN); // its first bytes are there
}

void http2_quiesce(struct http_server *server)
{
    LIST_EACH(c, &server->http2, struct http2, link)
    {
        // Streams that have begun go on; later ones the client may try elsewhere.
        int32_t last = nghttp2_session_get_last_proc_stream_id(c->session);
        nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0);
        owe_flush(c);
    }
}

void http2_close_all(struct http_server *server)
{
    LIST_EACH(c, &server->http2, struct http2, link)
    {
        connection_free(c);
    }
}
