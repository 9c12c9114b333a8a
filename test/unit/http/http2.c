// SPDX-License-Identifier: Apache-2.0
// HTTP/2 on the server's port, against a client made of nghttp2 and against raw bytes: what is answered,
// what is held back, and what is too much. Server and client take turns on one thread.
#include "http/http2.h"
#include "base/check.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define STREAMS 64
#define NEVER   SIZE_MAX // a body that does not come

enum answer { ANSWER_ECHO, ANSWER_EARLY, ANSWER_LATER, ANSWER_NONE, ANSWER_LARGE };

struct fixture {
    struct loop *loop;
    struct http_server *server;
    enum answer answer;
    struct http2_stream *held; // the last one, until it is closed
    size_t body, header_count;
    int ends, closes, sents;
    bool pause;
    char path[64], host[64], header[64];
};

// ── the server's side ──

static const struct http_header trailers[] = {{STR("x-end"), STR("yes")}};

static void say(struct http2_stream *stream, struct str bytes)
{
    http2_begin(stream, 200, NULL, 0);
    http2_write(stream, bytes);
    http2_end(stream, trailers, 1);
}

static void on_body(struct http2_stream *stream, struct str piece)
{
    struct fixture *f = stream->req.ctx;
    f->body += piece.size;
    if (f->pause) {
        http2_pause(stream);
    }
}

static void on_end(struct http2_stream *stream)
{
    struct fixture *f = stream->req.ctx;
    f->ends++;
    if (f->answer == ANSWER_ECHO) {
        char text[32];
        snprintf(text, sizeof text, "%zu", f->body);
        say(stream, str_of(text));
    } else if (f->answer == ANSWER_LARGE) {
        static char large[3 * 1024 * 1024];
        say(stream, str_n(large, sizeof large));
    }
}

static void on_closed(struct http2_stream *stream)
{
    struct fixture *f = stream->req.ctx;
    f->closes++;
    f->held = f->held == stream ? NULL : f->held;
}

static void on_sent(struct http2_stream *stream)
{
    ((struct fixture *)stream->req.ctx)->sents++;
}

static const struct http2_handler *route2(struct http2_stream *stream, void *ctx)
{
    static const struct http2_handler handler = {on_body, on_end, on_closed, on_sent};
    struct fixture *f = ctx;
    f->held = stream;
    f->body = 0;
    f->header_count = stream->req.header_count;
    snprintf(f->path, sizeof f->path, STR_FMT "?" STR_FMT, STR_ARG(stream->req.path),
             STR_ARG(stream->req.query));
    snprintf(f->host, sizeof f->host, STR_FMT, STR_ARG(stream->req.host));
    struct str one = http_request_header(&stream->req, "X-One");
    snprintf(f->header, sizeof f->header, STR_FMT, STR_ARG(one));
    if (f->answer == ANSWER_EARLY) {
        http2_reply(stream, 403, trailers, 1);
    }
    return f->answer == ANSWER_NONE ? NULL : &handler;
}

static void hello_end(struct http_request *req)
{
    http_reply(req, 200, STR("by 1.1"));
}

static const struct http_handler *route(struct http_request *req, void *ctx)
{
    static const struct http_handler handler = {.on_end = hello_end};
    (void)req, (void)ctx;
    return &handler;
}

static int setup(void **state)
{
    struct fixture *f = NEW(struct fixture);
    struct err err = {0};
    assert_int_equal(loop_new(LOOP_REAL, &f->loop, &err), 0);
    struct http_options options = {.listen = "127.0.0.1:0",
                                   .route = route,
                                   .route2 = route2,
                                   .ctx = f,
                                   .connections_max = 8,
                                   .idle_s = 1};
    assert_int_equal(http_server_new(f->loop, &options, &f->server, &err), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    http_server_free(f->server);
    loop_free(f->loop);
    free(f);
    return 0;
}

// ── the client's side ──

struct client {
    struct fixture *f;
    int fd;
    nghttp2_session *session;
    struct buf body;
    size_t send; // bytes of a request's body that are still to come
    int statuses[STREAMS], closed;
    uint32_t error; // of the last stream that was closed
    bool trailers, goaway, lost;
    uint32_t goaway_error;
};

static int fd_new(const struct fixture *f)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)http_server_port(f->server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    int one = 1;
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one), 0);
    return fd;
}

static int client_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                         size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                         void *user)
{
    (void)session, (void)flags;
    struct client *c = user;
    struct str n = str_n(name, name_size), v = str_n(value, value_size);
    uint64_t status = 0;
    if (str_eq(n, STR(":status")) && str_to_u64(v, &status)) {
        c->statuses[frame->hd.stream_id / 2 % STREAMS] = (int)status;
    }
    c->trailers = c->trailers || str_eq(n, STR("x-end"));
    return 0;
}

static int client_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                        size_t size, void *user)
{
    (void)session, (void)flags, (void)id;
    buf_add(&((struct client *)user)->body, data, size);
    return 0;
}

static int client_closed(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    (void)session, (void)id;
    struct client *c = user;
    c->closed++;
    c->error = error;
    return 0;
}

static int client_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)session;
    struct client *c = user;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        c->goaway = true;
        c->goaway_error = frame->goaway.error_code;
    }
    return 0;
}

static void client_open(struct client *c, struct fixture *f)
{
    nghttp2_session_callbacks *callbacks = NULL;
    *c = (struct client){.f = f, .fd = fd_new(f)};
    buf_init(&c->body, 64 * 1024 * 1024);
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, client_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, client_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, client_closed);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, client_frame);
    assert_int_equal(nghttp2_session_client_new(&c->session, callbacks, c), 0);
    nghttp2_session_callbacks_del(callbacks);
    assert_int_equal(nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, NULL, 0), 0);
}

static void client_close(struct client *c)
{
    nghttp2_session_del(c->session);
    buf_done(&c->body);
    close(c->fd);
    for (int i = 0; i < 10; i++) {
        loop_turn(c->f->loop, 1);
    }
}

static void bytes_send(struct client *c, struct str bytes)
{
    while (bytes.size && !c->lost) {
        ssize_t n = send(c->fd, bytes.at, bytes.size, MSG_NOSIGNAL);
        c->lost = n < 0 && errno != EAGAIN;
        bytes = str_skip(bytes, n > 0 ? (size_t)n : 0);
        loop_turn(c->f->loop, n > 0 ? 0 : 1);
    }
}

// Both sides have their turns until nothing comes any more.
static void settle(struct client *c)
{
    static uint8_t in[65536];
    for (int quiet = 0; quiet < 20 && !c->lost; quiet++) {
        const uint8_t *out = NULL;
        ssize_t size;
        while ((size = nghttp2_session_mem_send(c->session, &out)) > 0) {
            bytes_send(c, str_n(out, (size_t)size));
        }
        loop_turn(c->f->loop, 1);
        ssize_t n = recv(c->fd, in, sizeof in, 0);
        c->lost = n == 0 || (n < 0 && errno != EAGAIN);
        if (n > 0) {
            assert_int_equal(nghttp2_session_mem_recv(c->session, in, (size_t)n), n);
            quiet = 0;
        }
    }
}

static ssize_t client_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t room,
                           uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)session, (void)id, (void)source;
    struct client *c = user;
    if (c->send == NEVER) {
        return NGHTTP2_ERR_DEFERRED;
    }
    size_t size = c->send < room ? c->send : room;
    memset(to, 'x', size);
    c->send -= size;
    *flags = c->send ? 0 : NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)size;
}

#define NV(n, v) {(uint8_t *)(uintptr_t)(n), (uint8_t *)(uintptr_t)(v), strlen(n), strlen(v), 0}

// A request with a body of that size; 0: without one.
static int32_t ask(struct client *c, size_t body, const char *header)
{
    const nghttp2_nv headers[] = {NV(":method", "POST"), NV(":scheme", "http"),
                                  NV(":authority", "h:1"), NV(":path", "/a%20b?c=d"),
                                  NV("x-one", header)};
    nghttp2_data_provider from = {.read_callback = client_read};
    c->send = body;
    int32_t id = nghttp2_submit_request(c->session, NULL, headers, ARRAY_SIZE(headers),
                                        body ? &from : NULL, NULL);
    assert_true(id > 0);
    return id;
}

// ── what is answered ──

static void answers_with_trailers(void **state)
{
    struct fixture *f = *state;
    struct client c;
    client_open(&c, f);
    ask(&c, 100000, "one");
    settle(&c);
    assert_int_equal(c.statuses[0], 200);
    assert_true(str_eq(buf_str(&c.body), STR("100000")));
    assert_true(c.trailers && c.closed == 1 && c.error == NGHTTP2_NO_ERROR);
    assert_string_equal(f->path, "/a%20b?c=d");
    assert_string_equal(f->host, "h:1");
    assert_string_equal(f->header, "one");
    assert_int_equal(http_server_requests(f->server), 0);
    assert_int_equal(f->closes, 1);
    client_close(&c);
}

static void answers_many_at_once(void **state)
{
    struct fixture *f = *state;
    struct client c;
    client_open(&c, f);
    f->answer = ANSWER_LARGE;
    for (int i = 0; i < 8; i++) {
        ask(&c, 0, "one");
    }
    settle(&c);
    assert_int_equal(c.closed, 8);
    assert_int_equal(c.body.size, 8 * 3 * 1024 * 1024);
    client_close(&c);
}

static void takes_bytes_one_by_one(void **state)
{
    struct fixture *f = *state;
    struct client c;
    const uint8_t *out = NULL;
    ssize_t size;
    client_open(&c, f);
    ask(&c, 10, "one");
    while ((size = nghttp2_session_mem_send(c.session, &out)) > 0) {
        for (ssize_t i = 0; i < size; i++) {
            bytes_send(&c, str_n(out + i, 1));
        }
    }
    settle(&c);
    assert_true(str_eq(buf_str(&c.body), STR("10")));
    client_close(&c);
}

static void may_be_answered_early(void **state)
{
    struct fixture *f = *state;
    struct client c;
    client_open(&c, f);
    f->answer = ANSWER_EARLY;
    ask(&c, 50 * 1024 * 1024, "one");
    settle(&c);
    assert_int_equal(c.statuses[0], 403);
    assert_true(c.closed == 1 && c.error == NGHTTP2_NO_ERROR);
    assert_true(c.send > 0); // the rest was not wanted
    assert_int_equal(f->ends, 0);
    client_close(&c);
}

static void may_be_answered_later(void **state)
{
    struct fixture *f = *state;
    struct client c;
    client_open(&c, f);
    f->answer = ANSWER_LATER;
    ask(&c, 0, "one");
    settle(&c);
    assert_int_equal(c.statuses[0], 0);
    http2_begin(f->held, 200, NULL, 0);
    settle(&c);
    assert_int_equal(c.statuses[0], 200);
    http2_write(f->held, STR("a"));
    settle(&c);
    assert_int_equal(f->sents, 1);
    http2_write(f->held, STR("b"));
    http2_end(f->held, NULL, 0);
    settle(&c);
    assert_true(str_eq(buf_str(&c.body), STR("ab")) && c.closed == 1);
    client_close(&c);
}

static void what_is_elsewhere_is_refused(void **state)
{
    struct fixture *f = *state;
    struct client c;
    client_open(&c, f);
    f->answer = ANSWER_NONE;
    ask(&c, 0, "one");
    settle(&c);
    assert_true(c.closed == 1 && c.error == NGHTTP2_HTTP_1_1_REQUIRED);
    f->answer = ANSWER_ECHO; // the connection goes on
    ask(&c, 0, "one");
    settle(&c);
    assert_int_equal(c.statuses[1], 200);
    client_close(&c);
}

// ── what is too much ──

static void a_pause_stops_the_client(void **state)
{
    struct fixture *f = *state;
    struct client c;
    client_open(&c, f);
    f->pause = true;
    ask(&c, 1024 * 1024, "one");
    settle(&c);
    assert_int_equal(f->body, HTTP2_WINDOW);
    assert_int_equal(f->ends, 0);
    f->pause = false;
    http2_resume(f->held);
    settle(&c);
    assert_true(str_eq(buf_str(&c.body), STR("1048576")));
    client_close(&c);
}

static void what_is_held_is_bounded(void **state)
{
    struct fixture *f = *state;
    struct client c;
    client_open(&c, f);
    f->answer = ANSWER_LATER;
    ask(&c, 1000, "one");
    settle(&c);
    assert_true(http2_hold(f->held, HTTP2_HELD_MAX - 1000));
    http2_release(f->held, 500);
    assert_true(http2_hold(f->held, 500));
    ask(&c, 1, "two");
    settle(&c);
    assert_true(c.closed == 1 && c.error == NGHTTP2_ENHANCE_YOUR_CALM);
    client_close(&c);
    assert_int_equal(f->closes, 2);
}

static void headers_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct client c;
    client_open(&c, f);
    CLEAN_MEM char *large = mem_alloc(HTTP2_HEADERS_MAX + 1);
    memset(large, 'x', HTTP2_HEADERS_MAX);
    ask(&c, 0, large);
    settle(&c);
    assert_int_equal(c.statuses[0], 431);
    ask(&c, 0, "one");
    settle(&c);
    assert_int_equal(c.statuses[1], 200);
    client_close(&c);
}

static void resets_are_counted(void **state)
{
    struct fixture *f = *state;
    struct client c;
    client_open(&c, f);
    f->answer = ANSWER_LATER;
    for (int i = 0; i < 1100 && !c.goaway && !c.lost; i++) {
        int32_t id = ask(&c, 0, "one");
        const uint8_t *out = NULL;
        ssize_t size;
        while ((size = nghttp2_session_mem_send(c.session, &out)) > 0) {
            bytes_send(&c, str_n(out, (size_t)size));
        }
        nghttp2_submit_rst_stream(c.session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
        if (i == 500) {
            settle(&c);
            assert_false(c.goaway);
        }
    }
    settle(&c);
    assert_true(c.lost); // what it was told before may be lost with it
    assert_true(!c.goaway || c.goaway_error == NGHTTP2_ENHANCE_YOUR_CALM);
    assert_true(f->closes >= 1000 && f->closes < 1100);
    assert_int_equal(http_server_requests(f->server), 0);
    client_close(&c);
}

static void floods_of_frames_end_it(void **state)
{
    struct fixture *f = *state;
    static const char *const frames[] = {
        "\0\0\x08\x06\0\0\0\0\0abcdefgh", // PING
        "\0\0\0\x04\0\0\0\0\0",           // SETTINGS
    };
    static const size_t sizes[] = {17, 9};
    for (size_t kind = 0; kind < ARRAY_SIZE(frames); kind++) {
        struct client c;
        client_open(&c, f);
        settle(&c);
        CLEAN(buf_done) struct buf flood = BUF_INIT(1 << 20);
        for (int i = 0; i < 5000; i++) {
            buf_add(&flood, frames[kind], sizes[kind]);
        }
        bytes_send(&c, buf_str(&flood)); // and nothing is read
        for (int i = 0; i < 100 && !c.lost; i++) {
            bytes_send(&c, buf_str(&flood));
        }
        // What it has to answer is sent or the connection is over; the server lives either way.
        client_close(&c);
    }
    struct client c;
    client_open(&c, f);
    ask(&c, 0, "one");
    settle(&c);
    assert_int_equal(c.statuses[0], 200);
    client_close(&c);
}

static void streams_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct client c;
    client_open(&c, f);
    settle(&c); // its settings are known
    f->answer = ANSWER_LATER;
    for (int i = 0; i < HTTP2_STREAMS_MAX + 10; i++) {
        ask(&c, 0, "one");
    }
    settle(&c);
    assert_int_equal(http_server_requests(f->server), HTTP2_STREAMS_MAX);
    client_close(&c);
    assert_int_equal(http_server_requests(f->server), 0);
}

static void nonsense_is_told(void **state)
{
    struct fixture *f = *state;
    static const char *const first[] = {
        "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\0\0\0\0\0\0",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\x01\x04\0\0\0\1abc",
        "PRI /",
    };
    for (size_t i = 0; i < ARRAY_SIZE(first); i++) {
        struct client c;
        client_open(&c, f);
        bytes_send(&c, str_n(first[i], i == 0 ? 24 : i == 3 ? 5 : 33));
        for (int turn = 0; turn < 10; turn++) {
            loop_turn(f->loop, 1);
        }
        client_close(&c);
    }
    assert_int_equal(f->closes, 0);
}

// ── the port ──

static bool says(struct fixture *f, int fd, const char *wanted)
{
    char in[512] = "";
    size_t size = 0;
    for (int i = 0; i < 200 && !strstr(in, wanted); i++) {
        loop_turn(f->loop, 5);
        ssize_t n = recv(fd, in + size, sizeof in - 1 - size, 0);
        size += n > 0 ? (size_t)n : 0;
    }
    return strstr(in, wanted);
}

static void both_share_the_port(void **state)
{
    struct fixture *f = *state;
    static const char *const methods[] = {"GET", "POST", "PUT", "PRIX"};
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        int fd = fd_new(f);
        struct client c = {.f = f, .fd = fd};
        CLEAN_MEM char *text = mem_printf("%s / HTTP/1.1\r\nHost: h\r\n\r\n", methods[i]);
        bytes_send(&c, str_of(text));
        assert_true(says(f, fd, "by 1.1"));
        close(fd);
    }
}

static void slow_speakers_are_waited_for(void **state)
{
    struct fixture *f = *state;
    int slow = fd_new(f), silent = fd_new(f), gone = fd_new(f);
    struct client c = {.f = f, .fd = slow};
    const char *text = "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n";
    assert_int_equal(send(gone, "P", 1, 0), 1);
    for (const char *at = text; *at; at++) {
        bytes_send(&c, str_n(at, 1));
        loop_turn(f->loop, 1);
    }
    assert_true(says(f, slow, "by 1.1"));
    close(gone);
    close(slow);
    for (int i = 0; i < 20; i++) {
        loop_turn(f->loop, 1);
    }
    close(silent);
}

static void who_is_too_many_waits(void **state)
{
    struct fixture *f = *state;
    struct client c[8];
    for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
        client_open(&c[i], f);
        ask(&c[i], 0, "one");
        settle(&c[i]);
        assert_int_equal(c[i].statuses[0], 200);
    }
    struct client late;
    client_open(&late, f);
    ask(&late, 0, "one");
    settle(&late);
    assert_int_equal(late.statuses[0], 0);
    client_close(&c[0]);
    settle(&late);
    assert_int_equal(late.statuses[0], 200);
    client_close(&late);
    for (size_t i = 1; i < ARRAY_SIZE(c); i++) {
        client_close(&c[i]);
    }
}

// ── ends ──

// Whoever says nothing for a second here is not waited for; but whoever waits for us is not sent away.
static void what_does_not_go_on_ends(void **state)
{
    struct fixture *f = *state;
    int silent = fd_new(f), half = fd_new(f);
    struct client idle, slow, waiting;
    char byte;
    assert_int_equal(send(half, "PR", 2, 0), 2);
    client_open(&idle, f);
    settle(&idle);
    client_open(&slow, f);
    f->answer = ANSWER_LATER;
    ask(&slow, NEVER, "one");
    settle(&slow);
    assert_int_equal(http_server_requests(f->server), 1);
    client_open(&waiting, f);
    ask(&waiting, 0, "one");
    settle(&waiting);
    for (int i = 0; i < 3000 && !(idle.lost && slow.lost); i++) {
        loop_turn(f->loop, 1);
        if (i % 100 == 0) {
            settle(&idle);
            settle(&slow);
        }
    }
    assert_true(idle.lost && idle.goaway && idle.goaway_error == NGHTTP2_NO_ERROR);
    assert_true(slow.lost);
    ssize_t got = recv(half, &byte, 1, 0);
    assert_true(got == 0 || (got < 0 && errno == ECONNRESET));
    settle(&waiting);
    assert_false(waiting.lost);
    say(f->held, STR("late"));
    settle(&waiting);
    assert_true(str_eq(buf_str(&waiting.body), STR("late")));
    client_close(&idle);
    client_close(&slow);
    client_close(&waiting);
    close(silent);
    close(half);
}

static void who_leaves_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct client c;
    client_open(&c, f);
    f->answer = ANSWER_LATER;
    ask(&c, 0, "one");
    ask(&c, 0, "two");
    settle(&c);
    client_close(&c);
    assert_int_equal(f->closes, 2);
    assert_int_equal(http_server_requests(f->server), 0);
}

static void quiesces(void **state)
{
    struct fixture *f = *state;
    struct client busy, idle;
    client_open(&busy, f);
    client_open(&idle, f);
    f->answer = ANSWER_LATER;
    ask(&busy, 0, "one");
    settle(&busy);
    settle(&idle);
    http_server_quiesce(f->server);
    settle(&idle);
    assert_true(idle.goaway && idle.lost);
    settle(&busy);
    assert_true(busy.goaway && !busy.lost);
    say(f->held, STR("last"));
    settle(&busy);
    assert_true(str_eq(buf_str(&busy.body), STR("last")) && busy.lost);
    client_close(&busy);
    client_close(&idle);
}

static void ends_with_streams_in_flight(void **state)
{
    struct fixture *f = *state;
    struct client c;
    client_open(&c, f);
    f->answer = ANSWER_LATER;
    ask(&c, 0, "one");
    settle(&c);
    http_server_free(f->server);
    f->server = NULL;
    assert_int_equal(f->closes, 1);
    client_close(&c);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_with_trailers),
        TEST(answers_many_at_once),
        TEST(takes_bytes_one_by_one),
        TEST(may_be_answered_early),
        TEST(may_be_answered_later),
        TEST(what_is_elsewhere_is_refused),
        TEST(a_pause_stops_the_client),
        TEST(what_is_held_is_bounded),
        TEST(headers_are_bounded),
        TEST(resets_are_counted),
        TEST(floods_of_frames_end_it),
        TEST(streams_are_bounded),
        TEST(nonsense_is_told),
        TEST(both_share_the_port),
        TEST(slow_speakers_are_waited_for),
        TEST(who_is_too_many_waits),
        TEST(what_does_not_go_on_ends),
        TEST(who_leaves_is_noticed),
        TEST(quiesces),
        TEST(ends_with_streams_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
