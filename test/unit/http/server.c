// SPDX-License-Identifier: Apache-2.0
// The HTTP server against raw sockets: everything a client may do well or badly. Server and client
// take turns on one thread, so nothing depends on timing.
#include "base/check.h"
#include "base/mem.h"
#include "http/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum answer {
    ANSWER_ECHO,   // the body, at the end
    ANSWER_EARLY,  // 403 from route
    ANSWER_MIDDLE, // 413 from the first on_body
    ANSWER_LATER,  // from the test
    ANSWER_STREAM, // started at the end, written by the test
    ANSWER_FILE,   // a part of a file
    ANSWER_HEAD,   // http_reply_head with 12345
    ANSWER_NOT_MODIFIED,
    ANSWER_TARGET, // path, query, host and the header "x-large"'s size
};

struct fixture {
    struct loop *loop;
    struct http_server *server;
    enum answer answer;
    struct http_request *held;  // the last request, until it is closed
    struct http_request *other; // or NULL: answered by the next one
    struct buf body;
    int ends, closes, pieces, freed;
    size_t piece_max;
};

static void fixture_body(struct http_request *req, struct str piece)
{
    struct fixture *f = req->ctx;
    f->pieces++;
    f->piece_max = piece.size > f->piece_max ? piece.size : f->piece_max;
    buf_add_str(&f->body, piece);
    if (f->answer == ANSWER_MIDDLE && f->pieces == 1) {
        http_reply(req, 413, STR("too large"));
    }
}

static void reply_file(struct http_request *req)
{
    FILE *file = tmpfile();
    fputs("0123456789", file);
    fflush(file);
    http_reply_file(req, 206, dup(fileno(file)), 2, 5);
    fclose(file);
}

static void reply_target(struct http_request *req)
{
    struct buf out = BUF_INIT(4096);
    buf_printf(&out, STR_FMT "|" STR_FMT "|" STR_FMT "|%zu|" STR_FMT, STR_ARG(req->path),
               STR_ARG(req->query), STR_ARG(req->host), http_request_header(req, "x-large").size,
               STR_ARG(req->method));
    http_reply_buf(req, 200, &out);
}

static void fixture_end(struct http_request *req)
{
    struct fixture *f = req->ctx;
    f->ends++;
    if (f->other) {
        http_reply(MOVE(f->other), 200, STR("from /b"));
    }
    if (f->answer == ANSWER_ECHO) {
        http_reply_header(req, "X-Test", "yes");
        http_reply_header(req, "X-Bad", "a\r\nInjected: b");
        http_reply(req, 200, buf_str(&f->body));
    } else if (f->answer == ANSWER_STREAM) {
        http_stream_start(req, 200);
    } else if (f->answer == ANSWER_FILE) {
        reply_file(req);
    } else if (f->answer == ANSWER_HEAD) {
        http_reply_head(req, 200, 12345);
    } else if (f->answer == ANSWER_NOT_MODIFIED) {
        http_reply_head(req, 304, 0);
    } else if (f->answer == ANSWER_TARGET) {
        reply_target(req);
    }
}

static void fixture_closed(struct http_request *req)
{
    struct fixture *f = req->ctx;
    f->closes++;
    assert_true(f->held == req || str_eq(req->path, STR("/a")));
    f->held = f->held == req ? NULL : f->held;
}

static const struct http_handler *fixture_route(struct http_request *req, void *ctx)
{
    static const struct http_handler handler = {fixture_body, fixture_end, fixture_closed};
    struct fixture *f = ctx;
    f->held = req;
    f->pieces = 0;
    buf_clear(&f->body);
    if (f->answer == ANSWER_EARLY) {
        http_reply(req, 403, STR("no"));
    }
    return &handler;
}

static int setup(void **state)
{
    struct fixture *f = NEW(struct fixture);
    struct err err = {0};
    buf_init(&f->body, 64 * 1024 * 1024);
    assert_int_equal(loop_new(LOOP_REAL, &f->loop, &err), 0);
    struct http_options options = {.listen = "127.0.0.1:0", .route = fixture_route, .ctx = f};
    assert_int_equal(http_server_new(f->loop, &options, &f->server, &err), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    http_server_free(f->server);
    loop_free(f->loop);
    buf_done(&f->body);
    free(f);
    return 0;
}

// ── the client ──

static int client_new(struct fixture *f)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)http_server_port(f->server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void settle(struct fixture *f)
{
    for (int i = 0; i < 20; i++) {
        loop_turn(f->loop, 1);
    }
}

// Sends all, giving the server turns. False when the server has closed.
static bool client_send(struct fixture *f, int fd, const void *at, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) {
            return false;
        }
        if (n > 0) {
            at = (const char *)at + n;
            size -= (size_t)n;
        }
        loop_turn(f->loop, 1);
    }
    return true;
}

static void client_say(struct fixture *f, int fd, const char *text)
{
    assert_true(client_send(f, fd, text, strlen(text)));
}

// Reads until `wanted` appeared, the server closed, or nothing came for long. Appends to *in.
// Returns whether the server has closed.
static bool client_read(struct fixture *f, int fd, struct buf *in, const char *wanted)
{
    static char piece[65536];
    for (int quiet = 0; quiet < 400; quiet++) {
        if (wanted && in->at && strstr(in->at, wanted)) {
            return false;
        }
        loop_turn(f->loop, 5);
        ssize_t n = recv(fd, piece, sizeof piece, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            return true;
        }
        if (n > 0) {
            buf_add(in, piece, (size_t)n);
            quiet = 0;
        }
    }
    return false;
}

static char *exchange(struct fixture *f, const char *request, const char *wanted)
{
    int fd = client_new(f);
    struct buf in = BUF_INIT(1024 * 1024);
    client_say(f, fd, request);
    client_read(f, fd, &in, wanted);
    close(fd);
    settle(f);
    return buf_steal(&in);
}

#define HAS(text, part)     assert_non_null(strstr((text), (part)))
#define HAS_NOT(text, part) assert_null(strstr((text), (part)))

// ── good clients ──

static void echoes(void **state)
{
    struct fixture *f = *state;
    CLEAN_MEM char *in = exchange(
        f, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", "\r\n\r\nhello");
    HAS(in, "HTTP/1.1 200");
    HAS(in, "X-Test: yes\r\n");
    HAS(in, "Content-Length: 5\r\n");
    HAS_NOT(in, "Injected");
    assert_int_equal(f->closes, 1);
    assert_int_equal(http_server_requests(f->server), 0);
}

static void keeps_target_raw(void **state)
{
    struct fixture *f = *state;
    f->answer = ANSWER_TARGET;
    CLEAN_MEM char *in = exchange(
        f, "GET /a%2Fb/%00+%zz/../c?x=%20&y&=&z=a+b?c HTTP/1.1\r\nHost: h:1\r\n\r\n", "|GET");
    HAS(in, "/a%2Fb/%00+%zz/../c|x=%20&y&=&z=a+b?c|h:1|0|GET");
    CLEAN_MEM char *proxy =
        exchange(f, "GET http://x.y:80/p?q HTTP/1.1\r\nHost: x.y\r\n\r\n", "|GET");
    HAS(proxy, "/p|q|x.y|0|GET");
    CLEAN_MEM char *none = exchange(f, "GET /only HTTP/1.1\r\nHost:\r\n\r\n", "|GET");
    HAS(none, "/only|||0|GET");
}

static void takes_split_headers(void **state)
{
    struct fixture *f = *state;
    const char *request = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
    int fd = client_new(f);
    for (const char *at = request; *at; at++) {
        assert_true(client_send(f, fd, at, 1));
    }
    struct buf in = BUF_INIT(65536);
    client_read(f, fd, &in, "\r\n\r\nabc");
    HAS(in.at, "200 OK");
    assert_int_equal(f->ends, 1);
    buf_done(&in);
    close(fd);
}

static void takes_pipelined_requests(void **state)
{
    struct fixture *f = *state;
    struct buf in = BUF_INIT(65536);
    int fd = client_new(f);
    client_say(f, fd,
               "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\none"
               "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\ntwo"
               "GET /c HTTP/1.1\r\nHost: h\r\n\r\n");
    client_read(f, fd, &in, "Content-Length: 0");
    char *one = strstr(in.at, "\r\n\r\none");
    assert_non_null(one);
    HAS(one, "\r\n\r\ntwo");
    assert_int_equal(f->ends, 3);
    buf_done(&in);
    close(fd);
}

static void continues(void **state)
{
    struct fixture *f = *state;
    struct buf in = BUF_INIT(65536);
    int fd = client_new(f);
    client_say(f, fd,
               "PUT /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    client_read(f, fd, &in, "100 Continue\r\n\r\n");
    HAS(in.at, "HTTP/1.1 100 Continue");
    client_say(f, fd, "abc");
    client_read(f, fd, &in, "\r\n\r\nabc");
    HAS(in.at, "HTTP/1.1 200");
    buf_done(&in);
    close(fd);
}

static void takes_chunks(void **state)
{
    struct fixture *f = *state;
    CLEAN_MEM char *in = exchange(f,
                                  "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "3\r\nabc\r\n4\r\ndefg\r\n0\r\nTrailer: t\r\n\r\n",
                                  "\r\n\r\nabcdefg");
    HAS(in, "\r\n\r\nabcdefg");
}

// libmicrohttpd 0.9 skips a chunk's extension, 1.0 refuses it: nothing in between.
static void takes_or_refuses_chunk_extensions(void **state)
{
    struct fixture *f = *state;
    CLEAN_MEM char *in = exchange(f,
                                  "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "4;x=y\r\ndefg\r\n0\r\n\r\n",
                                  "\r\n\r\n");
    assert_true(strstr(in, "\r\n\r\ndefg") || strstr(in, "HTTP/1.1 400"));
}

static void takes_large_bodies_in_pieces(void **state)
{
    struct fixture *f = *state;
    size_t size = 3 * 1024 * 1024;
    char *body = mem_alloc(size);
    for (size_t i = 0; i < size; i++) {
        body[i] = (char)('a' + i % 23);
    }
    f->answer = ANSWER_LATER;
    int fd = client_new(f);
    client_say(f, fd, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3145728\r\n\r\n");
    assert_true(client_send(f, fd, body, size));
    for (int i = 0; i < 1000 && f->ends == 0; i++) {
        loop_turn(f->loop, 5);
    }
    assert_int_equal(f->ends, 1);
    assert_int_equal(f->body.size, size);
    assert_memory_equal(f->body.at, body, size);
    assert_true(f->piece_max <= HTTP_PIECE_MAX);
    http_reply(f->held, 200, STR("done"));
    struct buf in = BUF_INIT(65536);
    client_read(f, fd, &in, "\r\n\r\ndone");
    HAS(in.at, "200 OK");
    buf_done(&in);
    free(body);
    close(fd);
}

static void answers_later(void **state)
{
    struct fixture *f = *state;
    f->answer = ANSWER_LATER;
    int fd = client_new(f);
    struct buf in = BUF_INIT(65536);
    for (int i = 0; i < 3; i++) { // the connection is used again
        client_say(f, fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        settle(f);
        assert_non_null(f->held);
        assert_int_equal(f->closes, i);
        assert_int_equal(http_server_requests(f->server), 1);
        http_reply_borrowed(f->held, 200, STR("later"), free, NULL);
        buf_clear(&in);
        client_read(f, fd, &in, "\r\n\r\nlater");
        HAS(in.at, "200 OK");
        settle(f);
    }
    buf_done(&in);
    close(fd);
}

static void answers_head(void **state)
{
    struct fixture *f = *state;
    f->answer = ANSWER_HEAD;
    int fd = client_new(f);
    struct buf in = BUF_INIT(65536);
    client_say(f, fd, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    client_read(f, fd, &in, "\r\n\r\n");
    HAS(in.at, "Content-Length: 12345\r\n");
    assert_string_equal(strstr(in.at, "\r\n\r\n"), "\r\n\r\n");
    buf_clear(&in);
    f->answer = ANSWER_FILE; // a body is not sent either
    client_say(f, fd, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    client_read(f, fd, &in, "\r\n\r\n");
    HAS(in.at, "206");
    HAS(in.at, "Content-Length: 5\r\n");
    assert_string_equal(strstr(in.at, "\r\n\r\n"), "\r\n\r\n");
    buf_clear(&in);
    f->answer = ANSWER_NOT_MODIFIED;
    client_say(f, fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    client_read(f, fd, &in, "\r\n\r\n");
    HAS(in.at, "304");
    buf_clear(&in);
    f->answer = ANSWER_FILE;
    client_say(f, fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    client_read(f, fd, &in, "\r\n\r\n23456");
    HAS(in.at, "\r\n\r\n23456");
    buf_done(&in);
    close(fd);
}

static void streams(void **state)
{
    struct fixture *f = *state;
    f->answer = ANSWER_STREAM;
    struct err err = {0};
    int fd = client_new(f);
    struct buf in = BUF_INIT(65536);
    client_say(f, fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    settle(f);
    assert_int_equal(http_stream_write(f->held, STR("first"), &err), 0);
    client_read(f, fd, &in, "5\r\nfirst\r\n");
    HAS(in.at, "Transfer-Encoding: chunked");
    assert_int_equal(http_stream_write(f->held, STR("second"), &err), 0);
    client_read(f, fd, &in, "6\r\nsecond\r\n");
    HAS(in.at, "6\r\nsecond\r\n");
    http_stream_end(f->held);
    client_read(f, fd, &in, "\r\n0\r\n\r\n");
    HAS(in.at, "\r\n0\r\n\r\n");
    settle(f);
    assert_int_equal(f->closes, 1);
    buf_done(&in);
    close(fd);
}

// ── bad clients ──

static void bounds_a_stream(void **state)
{
    struct fixture *f = *state;
    f->answer = ANSWER_STREAM;
    struct err err = {0};
    int fd = client_new(f);
    client_say(f, fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    settle(f);
    char *piece = mem_alloc(65536);
    int rc = 0;
    size_t written = 0;
    for (; rc == 0 && written < 256 * 1024 * 1024; written += 65536) {
        rc = http_stream_write(f->held, (struct str){piece, 65536}, &err);
        loop_turn(f->loop, 0);
    }
    assert_int_equal(rc, ERR_BUSY);
    close(fd); // with all that unread
    settle(f);
    assert_null(f->held);
    assert_int_equal(f->closes, 1);
    free(piece);
}

static void notices_who_leaves_a_stream(void **state)
{
    struct fixture *f = *state;
    f->answer = ANSWER_STREAM;
    struct err err = {0};
    int fd = client_new(f);
    struct buf in = BUF_INIT(65536);
    client_say(f, fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    settle(f);
    assert_int_equal(http_stream_write(f->held, STR("x"), &err), 0);
    client_read(f, fd, &in, "1\r\nx\r\n");
    assert_int_equal(f->closes, 0);
    close(fd); // nothing is written any more
    settle(f);
    assert_int_equal(f->closes, 1);
    buf_done(&in);
}

static void refuses_early(void **state)
{
    struct fixture *f = *state;
    f->answer = ANSWER_EARLY;
    int fd = client_new(f);
    struct buf in = BUF_INIT(65536);
    client_say(f, fd, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    client_read(f, fd, &in, "\r\n\r\nno");
    HAS(in.at, "403");
    assert_int_equal(f->ends, 0);
    assert_int_equal(f->pieces, 0);
    buf_clear(&in);
    f->answer = ANSWER_ECHO; // a small body was dropped; the connection lives on
    client_say(f, fd, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
    client_read(f, fd, &in, "\r\n\r\nabc");
    HAS(in.at, "200");
    buf_clear(&in);
    f->answer = ANSWER_EARLY; // who waits for "100 Continue" is not asked for the body
    client_say(f, fd,
               "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n");
    assert_true(client_read(f, fd, &in, NULL));
    HAS(in.at, "403");
    HAS_NOT(in.at, "100 Continue");
    buf_done(&in);
    close(fd);
}

static void refuses_large_bodies_unread(void **state)
{
    struct fixture *f = *state;
    f->answer = ANSWER_EARLY;
    struct buf in = BUF_INIT(65536);
    int fd = client_new(f);
    client_say(f, fd, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000000000000\r\n\r\nabc");
    client_read(f, fd, &in, "\r\n\r\nno");
    HAS(in.at, "403");
    assert_int_equal(f->pieces, 0);
    buf_done(&in);
    close(fd);
}

static void refuses_in_the_middle(void **state)
{
    struct fixture *f = *state;
    f->answer = ANSWER_MIDDLE;
    struct buf in = BUF_INIT(65536);
    int fd = client_new(f);
    char *body = mem_alloc(1024 * 1024);
    client_say(f, fd, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1048576\r\n\r\n");
    assert_true(client_send(f, fd, body, 1024 * 1024));
    client_read(f, fd, &in, "\r\n\r\ntoo large");
    HAS(in.at, "413");
    assert_int_equal(f->pieces, 1);
    assert_int_equal(f->ends, 0);
    free(body);
    buf_done(&in);
    close(fd);
    // Without an end, there is a limit to our patience.
    fd = client_new(f);
    client_say(f, fd, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\n");
    body = mem_alloc(1024 * 1024);
    bool open = true;
    for (int i = 0; i < 64 && open; i++) {
        open = client_send(f, fd, body, 1024 * 1024);
    }
    assert_false(open);
    settle(f);
    assert_int_equal(f->closes, 2);
    free(body);
    close(fd);
}

static void survives_who_leaves(void **state)
{
    struct fixture *f = *state;
    f->answer = ANSWER_LATER;
    int fd = client_new(f); // in the body
    client_say(f, fd, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc");
    settle(f);
    assert_int_equal(f->closes, 0);
    close(fd);
    settle(f);
    assert_int_equal(f->closes, 1);
    assert_int_equal(f->ends, 0);

    fd = client_new(f); // waiting for the answer: seen when it is given
    client_say(f, fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    settle(f);
    close(fd);
    settle(f);
    assert_non_null(f->held);
    http_reply(f->held, 200, STR("x"));
    settle(f);
    assert_int_equal(f->closes, 2);

    fd = client_new(f); // in the headers: no handler has heard of it
    client_say(f, fd, "GET / HTTP/1.1\r\nHo");
    close(fd);
    settle(f);
    assert_int_equal(f->closes, 2);
}

static void count_unused(struct http_origin *origin)
{
    (*(int *)(void *)(origin + 1))++;
}

// A connection that was accepted by somebody else; returns the client's end.
static int client_adopted(struct fixture *f, struct http_origin *origin)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    struct err err = {0};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &size), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, size), 0);
    int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    close(listener);
    assert_int_equal(http_server_adopt(f->server, accepted, origin, &err), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void adopts_connections(void **state)
{
    struct fixture *f = *state;
    struct {
        struct http_origin origin;
        int unused;
    } one = {.origin.on_unused = count_unused};
    struct buf in = BUF_INIT(65536);
    f->answer = ANSWER_ECHO;
    int fd = client_adopted(f, &one.origin);
    client_say(f, fd, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    client_read(f, fd, &in, "\r\n\r\nhello");
    assert_int_equal(one.origin.connections, 1);
    f->answer = ANSWER_LATER; // waits, and its origin ends meanwhile
    client_say(f, fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    settle(f);
    assert_ptr_equal(f->held->origin, &one.origin);
    int closes = f->closes;
    http_origin_close(f->server, &one.origin);
    settle(f);
    assert_int_equal(f->closes, closes + 1);
    assert_int_equal(one.origin.connections, 0);
    assert_int_equal(one.unused, 1);
    close(fd);
    buf_done(&in);
}

static void adopted_connections_outlive_quiescing(void **state)
{
    struct fixture *f = *state;
    struct buf in = BUF_INIT(65536);
    f->answer = ANSWER_ECHO;
    int fd = client_adopted(f, NULL);
    client_say(f, fd, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\na");
    client_read(f, fd, &in, "\r\n\r\na");
    http_server_quiesce(f->server);
    settle(f);
    buf_clear(&in);
    client_say(f, fd, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nb");
    client_read(f, fd, &in, "\r\n\r\nb");
    HAS_NOT(in.at, "close");
    close(fd);
    buf_done(&in);
}

// The only connections are ones without a time-out, so nothing else rings.
static void one_request_answers_another(void **state)
{
    struct fixture *f = *state;
    struct buf in = BUF_INIT(65536);
    f->answer = ANSWER_LATER;
    int waiting = client_adopted(f, NULL);
    int asking = client_adopted(f, NULL);
    client_say(f, asking, "GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
    settle(f);
    http_reply(f->held, 200, STR("first"));
    client_read(f, asking, &in, "\r\n\r\nfirst");
    buf_clear(&in);
    client_say(f, waiting, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    settle(f);
    f->other = MOVE(f->held);
    client_say(f, asking, "GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
    client_read(f, waiting, &in, "\r\n\r\nfrom /b");
    close(waiting);
    close(asking);
    buf_done(&in);
}

static void a_dead_connection_is_not_adopted(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); // was never connected
    assert_int_equal(http_server_adopt(f->server, fd, NULL, &err), ERR_LOST);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void notices_who_leaves_while_watched(void **state)
{
    struct fixture *f = *state;
    f->answer = ANSWER_LATER;
    int fd = client_new(f);
    client_say(f, fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    settle(f);
    http_request_watch(f->held);
    close(fd);
    settle(f);
    assert_int_equal(f->closes, 1);
}

static void takes_large_headers_and_bounds_them(void **state)
{
    struct fixture *f = *state;
    f->answer = ANSWER_TARGET;
    struct buf request = BUF_INIT(1024 * 1024);
    buf_add_text(&request, "GET / HTTP/1.1\r\nHost: h\r\nX-Large: ");
    for (int i = 0; i < 12000; i++) {
        buf_add_char(&request, 'x');
    }
    buf_add_text(&request, "\r\n\r\n");
    CLEAN_MEM char *in = exchange(f, request.at, "|GET");
    HAS(in, "|12000|GET");

    buf_clear(&request);
    buf_add_text(&request, "GET / HTTP/1.1\r\nHost: h\r\nX-Large: ");
    for (int i = 0; i < 40000; i++) {
        buf_add_char(&request, 'x');
    }
    int fd = client_new(f);
    struct buf out = BUF_INIT(65536);
    (void)client_send(f, fd, request.at, request.size);
    assert_true(client_read(f, fd, &out, NULL));
    HAS(out.at, "HTTP/1.1 4");
    close(fd);
    buf_done(&out);

    buf_clear(&request);
    buf_add_text(&request, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (int i = 0; i < HTTP_HEADERS_MAX; i++) {
        buf_printf(&request, "X-%d: v\r\n", i);
    }
    buf_add_text(&request, "\r\n");
    CLEAN_MEM char *many = exchange(f, request.at, "too many headers");
    HAS(many, "431");
    buf_done(&request);
}

static void answers_nonsense_with_400(void **state)
{
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: abc\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: -5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET / HTTP/1.1\r\nno colon here\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        int fd = client_new(f);
        struct buf in = BUF_INIT(65536);
        client_say(f, fd, requests[i]);
        client_read(f, fd, &in, "\r\n\r\n");
        HAS(in.at, "HTTP/1.1 400");
        buf_done(&in);
        close(fd);
    }
    settle(f);
    assert_int_equal(http_server_requests(f->server), 0);
    // Nor do bytes that are no HTTP at all do harm.
    int fd = client_new(f);
    char noise[512];
    for (size_t i = 0; i < sizeof noise; i++) {
        noise[i] = (char)(i * 37 + 11);
    }
    (void)client_send(f, fd, noise, sizeof noise);
    settle(f);
    close(fd);
    settle(f);
    CLEAN_MEM char *in = exchange(f, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n\r\n");
    HAS(in, "200 OK");
}

// ── the server's own life ──

static void sleeps_with_idle_connections(void **state)
{
    struct fixture *f = *state;
    int fd = client_new(f);
    struct buf in = BUF_INIT(65536);
    client_say(f, fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    client_read(f, fd, &in, "\r\n\r\n");
    settle(f);
    int turns = 0;
    for (int i = 0; i < 20; i++) {
        turns += loop_turn(f->loop, 5) ? 1 : 0;
    }
    assert_int_equal(turns, 0);
    buf_done(&in);
    close(fd);
}

static void quiesces(void **state)
{
    struct fixture *f = *state;
    f->answer = ANSWER_LATER;
    struct buf in = BUF_INIT(65536);
    int idle = client_new(f), busy = client_new(f);
    client_say(f, busy, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    settle(f);
    http_server_quiesce(f->server);
    http_server_quiesce(f->server); // harmless
    assert_true(client_read(f, idle, &in, NULL));
    assert_int_equal(in.size, 0);
    http_reply(f->held, 200, STR("last"));
    assert_true(client_read(f, busy, &in, NULL));
    HAS(in.at, "Connection: close");
    HAS(in.at, "\r\n\r\nlast");
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)http_server_port(f->server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), -1);
    close(fd);
    close(idle);
    close(busy);
    buf_done(&in);
}

static void ends_with_requests_in_flight(void **state)
{
    struct fixture *f = *state;
    f->answer = ANSWER_LATER;
    int held = client_new(f);
    client_say(f, held, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    settle(f);
    assert_int_equal(http_server_requests(f->server), 1);
    http_server_free(f->server);
    f->server = NULL;
    assert_int_equal(f->closes, 1);
    close(held);
}

static void names_what_it_cannot_listen_on(void **state)
{
    struct fixture *f = *state;
    static const char *const wrong[] = {
        "", "nonsense", "1.2.3.4", "host.example:80", "127.0.0.1:99999", "127.0.0.1:x", "[::1:80"};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct err err = {0};
        struct http_server *server = NULL;
        struct http_options options = {.listen = wrong[i], .route = fixture_route, .ctx = f};
        assert_int_equal(http_server_new(f->loop, &options, &server, &err), ERR_INVALID);
        HAS(err.text, "cannot listen on");
    }
    char taken[32];
    snprintf(taken, sizeof taken, "127.0.0.1:%d", http_server_port(f->server));
    struct err err = {0};
    struct http_server *server = NULL;
    struct http_options options = {.listen = taken, .route = fixture_route, .ctx = f};
    assert_int_equal(http_server_new(f->loop, &options, &server, &err), ERR_EXISTS);
    HAS(err.text, "in use");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(echoes),
        TEST(keeps_target_raw),
        TEST(takes_split_headers),
        TEST(takes_pipelined_requests),
        TEST(continues),
        TEST(takes_chunks),
        TEST(takes_or_refuses_chunk_extensions),
        TEST(takes_large_bodies_in_pieces),
        TEST(answers_later),
        TEST(answers_head),
        TEST(streams),
        TEST(bounds_a_stream),
        TEST(notices_who_leaves_a_stream),
        TEST(refuses_early),
        TEST(refuses_large_bodies_unread),
        TEST(refuses_in_the_middle),
        TEST(survives_who_leaves),
        TEST(adopts_connections),
        TEST(adopted_connections_outlive_quiescing),
        TEST(one_request_answers_another),
        TEST(a_dead_connection_is_not_adopted),
        TEST(notices_who_leaves_while_watched),
        TEST(takes_large_headers_and_bounds_them),
        TEST(answers_nonsense_with_400),
        TEST(sleeps_with_idle_connections),
        TEST(quiesces),
        TEST(ends_with_requests_in_flight),
        TEST(names_what_it_cannot_listen_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
