// SPDX-License-Identifier: Apache-2.0
// The HTTP server against clients that send too much, nonsense, or leave.
#include "harness.h"

#include <unistd.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bounds_a_stream),
        TEST(notices_who_leaves_a_stream),
        TEST(refuses_early),
        TEST(refuses_large_bodies_unread),
        TEST(refuses_in_the_middle),
        TEST(survives_who_leaves),
        TEST(notices_who_leaves_while_watched),
        TEST(takes_large_headers_and_bounds_them),
        TEST(answers_nonsense_with_400),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
