// SPDX-License-Identifier: Apache-2.0
// The server and the client of the HTTP server's tests.
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

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

const struct http_handler *fixture_route(struct http_request *req, void *ctx)
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

int setup(void **state)
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

int teardown(void **state)
{
    struct fixture *f = *state;
    http_server_free(f->server);
    loop_free(f->loop);
    buf_done(&f->body);
    free(f);
    return 0;
}

// ── the client ──

int client_new(struct fixture *f)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)http_server_port(f->server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

void settle(struct fixture *f)
{
    for (int i = 0; i < 20; i++) {
        loop_turn(f->loop, 1);
    }
}

bool client_send(struct fixture *f, int fd, const void *at, size_t size)
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

void client_say(struct fixture *f, int fd, const char *text)
{
    assert_true(client_send(f, fd, text, strlen(text)));
}

bool client_read(struct fixture *f, int fd, struct buf *in, const char *wanted)
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

char *exchange(struct fixture *f, const char *request, const char *wanted)
{
    int fd = client_new(f);
    struct buf in = BUF_INIT(1024 * 1024);
    client_say(f, fd, request);
    client_read(f, fd, &in, wanted);
    close(fd);
    settle(f);
    return buf_steal(&in);
}

int client_adopted(struct fixture *f, struct http_origin *origin)
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
