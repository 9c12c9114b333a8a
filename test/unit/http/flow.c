// SPDX-License-Identifier: Apache-2.0
// Bodies that wait and streams that fill up: what is sent is neither lost nor piled up. Server and
// client take turns on one thread.
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

struct fixture {
    struct loop *loop;
    struct http_server *server;
    struct http_request *up, *down; // until they are closed
    struct buf body;
    int ends, closes, rooms;
    bool greedy; // does not pause
};

static void on_body(struct http_request *req, struct str piece)
{
    struct fixture *f = req->ctx;
    buf_add_str(&f->body, piece);
    if (!f->greedy) {
        http_body_pause(req);
    }
}

static void on_end(struct http_request *req)
{
    struct fixture *f = req->ctx;
    f->ends++;
    if (f->down == req) {
        http_stream_start(req, 200);
    } else {
        http_reply(req, 202, STR("taken"));
    }
}

static void on_closed(struct http_request *req)
{
    struct fixture *f = req->ctx;
    f->closes++;
    *(f->down == req ? &f->down : &f->up) = NULL;
}

static void on_room(struct http_request *req)
{
    struct fixture *f = req->ctx;
    f->rooms++;
}

static const struct http_handler *route(struct http_request *req, void *ctx)
{
    static const struct http_handler handler = {on_body, on_end, on_closed, on_room};
    struct fixture *f = ctx;
    *(str_eq(req->path, STR("/down")) ? &f->down : &f->up) = req;
    return &handler;
}

static int setup(void **state)
{
    struct fixture *f = NEW(struct fixture);
    struct err err = {0};
    buf_init(&f->body, 64 * 1024 * 1024);
    assert_int_equal(loop_new(LOOP_REAL, &f->loop, &err), 0);
    struct http_options options = {.listen = "127.0.0.1:0", .route = route, .ctx = f};
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

// As much as the server takes; how much that was.
static size_t say(struct fixture *f, int fd, struct str text)
{
    size_t said = 0;
    for (int quiet = 0; said < text.size && quiet < 20;) {
        ssize_t n = send(fd, text.at + said, text.size - said, MSG_NOSIGNAL);
        assert_true(n >= 0 || errno == EAGAIN);
        said += n > 0 ? (size_t)n : 0;
        quiet = n > 0 ? 0 : quiet + 1;
        loop_turn(f->loop, 1);
    }
    return said;
}

// Until `wanted` came, or (NULL) nothing more.
static size_t hear(struct fixture *f, int fd, const char *wanted, struct buf *in)
{
    static char piece[65536];
    int patience = wanted ? 5000 : 50;
    for (int quiet = 0; quiet < patience && !(wanted && in->at && strstr(in->at, wanted));
         quiet++) {
        loop_turn(f->loop, 1);
        ssize_t n = recv(fd, piece, sizeof piece, 0);
        if (n > 0) {
            buf_add(in, piece, (size_t)n);
            quiet = 0;
        }
    }
    return in->size;
}

#define CHUNKED "POST /up HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"

// ── bodies ──

static void a_paused_body_waits_piece_by_piece(void **state)
{
    struct fixture *f = *state;
    CLEAN(buf_done) struct buf in = BUF_INIT(4096);
    int fd = client_new(f);
    say(f, fd, STR(CHUNKED "1\r\na\r\n1\r\nb\r\n2\r\ncd\r\n0\r\n\r\n"));
    static const char *const so_far[] = {"a", "ab", "abcd"};
    for (size_t i = 0; i < ARRAY_SIZE(so_far); i++) {
        settle(f);
        assert_true(str_eq(buf_str(&f->body), str_of(so_far[i])));
        assert_int_equal(f->ends, 0);
        http_body_resume(f->up);
        http_body_resume(f->up); // harmless
    }
    hear(f, fd, "taken", &in);
    assert_int_equal(f->ends, 1);
    close(fd);
}

static void a_paused_client_cannot_send_on(void **state)
{
    struct fixture *f = *state;
    enum { SIZE = 32 * 1024 * 1024 };
    CLEAN(buf_done) struct buf text = BUF_INIT(SIZE + 1024);
    CLEAN(buf_done) struct buf in = BUF_INIT(4096);
    buf_printf(&text, "POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", SIZE);
    memset(buf_reserve(&text, SIZE), 'x', SIZE);
    buf_took(&text, SIZE);
    int fd = client_new(f);
    size_t said = say(f, fd, buf_str(&text));
    assert_true(said < text.size); // what the kernel holds, and one piece
    assert_true(f->body.size <= HTTP_PIECE_MAX);
    f->greedy = true;
    http_body_resume(f->up);
    assert_int_equal(said + say(f, fd, str_skip(buf_str(&text), said)), text.size);
    hear(f, fd, "taken", &in);
    assert_int_equal(f->body.size, SIZE);
    close(fd);
}

// The client has said all there is to say, and hears the answer all the same.
static void a_paused_client_may_close_its_side(void **state)
{
    struct fixture *f = *state;
    CLEAN(buf_done) struct buf in = BUF_INIT(4096);
    int fd = client_new(f);
    say(f, fd, STR(CHUNKED "1\r\na\r\n1\r\nb\r\n0\r\n\r\n"));
    shutdown(fd, SHUT_WR);
    settle(f);
    assert_int_equal(f->closes, 0);
    f->greedy = true;
    http_body_resume(f->up);
    hear(f, fd, "taken", &in);
    assert_non_null(strstr(in.at, "taken"));
    close(fd);
}

static void a_paused_client_may_leave(void **state)
{
    struct fixture *f = *state;
    int fd = client_new(f);
    say(f, fd, STR(CHUNKED "1\r\na\r\n1\r\nb\r\n"));
    close(fd);
    settle(f);
    f->greedy = true;
    http_body_resume(f->up);
    settle(f);
    assert_int_equal(f->ends, 0);
    assert_int_equal(f->closes, 1);
}

static void a_reply_ends_the_pause(void **state)
{
    struct fixture *f = *state;
    CLEAN(buf_done) struct buf in = BUF_INIT(4096);
    int fd = client_new(f);
    say(f, fd, STR(CHUNKED "1\r\na\r\n1\r\nb\r\n0\r\n\r\n"));
    settle(f);
    http_reply(f->up, 413, STR("enough"));
    hear(f, fd, "enough", &in);
    assert_non_null(strstr(in.at, "413"));
    assert_int_equal(f->ends, 0);
    close(fd);
}

static void the_server_ends_while_a_body_waits(void **state)
{
    struct fixture *f = *state;
    int fd = client_new(f);
    say(f, fd, STR(CHUNKED "1\r\na\r\n1\r\nb\r\n"));
    settle(f);
    http_server_free(f->server);
    f->server = NULL;
    assert_int_equal(f->closes, 1);
    close(fd);
}

// ── streams ──

static size_t fill(struct fixture *f)
{
    static const char piece[32 * 1024];
    struct err err = {0};
    size_t size = 0;
    while (!http_stream_full(f->down)) {
        assert_int_equal(http_stream_write(f->down, str_n(piece, sizeof piece), &err), 0);
        size += sizeof piece;
    }
    assert_int_equal(http_stream_write(f->down, STR("x"), &err), ERR_BUSY);
    return size;
}

static void a_full_stream_says_when_there_is_room(void **state)
{
    struct fixture *f = *state;
    CLEAN(buf_done) struct buf in = BUF_INIT(64 * 1024 * 1024);
    int fd = client_new(f);
    say(f, fd, STR("GET /down HTTP/1.1\r\nHost: h\r\n\r\n"));
    settle(f);
    size_t size = fill(f);
    assert_int_equal(f->rooms, 0);
    for (int i = 1; i <= 20; i++) { // more than the kernel takes
        hear(f, fd, NULL, &in);
        assert_int_equal(f->rooms, i);
        size += fill(f);
    }
    http_stream_end(f->down);
    assert_true(hear(f, fd, "\r\n0\r\n\r\n", &in) > size);
    close(fd);
}

static void a_stream_without_a_reader_is_never_full(void **state)
{
    struct fixture *f = *state;
    int fd = client_new(f);
    say(f, fd, STR("GET /down HTTP/1.1\r\nHost: h\r\n\r\n"));
    settle(f);
    fill(f);
    close(fd);
    settle(f);
    assert_int_equal(f->closes, 1);
    assert_null(f->down);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_paused_body_waits_piece_by_piece),
        TEST(a_paused_client_cannot_send_on),
        TEST(a_paused_client_may_close_its_side),
        TEST(a_paused_client_may_leave),
        TEST(a_reply_ends_the_pause),
        TEST(the_server_ends_while_a_body_waits),
        TEST(a_full_stream_says_when_there_is_room),
        TEST(a_stream_without_a_reader_is_never_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
