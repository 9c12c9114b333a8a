// SPDX-License-Identifier: Apache-2.0
// Connections that somebody else has accepted, and given to the HTTP server.
#include "harness.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static void count_unused(struct http_origin *origin)
{
    (*(int *)(void *)(origin + 1))++;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(adopts_connections),
        TEST(adopted_connections_outlive_quiescing),
        TEST(one_request_answers_another),
        TEST(a_dead_connection_is_not_adopted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
