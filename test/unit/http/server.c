// SPDX-License-Identifier: Apache-2.0
// The HTTP server against clients that do well, and its own life: rest, quiescing, the end.
#include "harness.h"

#include <netinet/in.h>
#include <unistd.h>

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
        TEST(sleeps_with_idle_connections),
        TEST(quiesces),
        TEST(ends_with_requests_in_flight),
        TEST(names_what_it_cannot_listen_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
