// SPDX-License-Identifier: Apache-2.0
// A server that answers as a test asks, and a client on a raw socket. Both take turns on one thread, so
// nothing depends on timing.
#pragma once

#include "base/mem.h"
#include "http/http.h"

#include <setjmp.h>
#include <stdarg.h>

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

const struct http_handler *fixture_route(struct http_request *req, void *ctx);
int setup(void **state);
int teardown(void **state);
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int client_new(struct fixture *f); // a connection, non-blocking
// A connection that was accepted by somebody else; returns the client's end.
int client_adopted(struct fixture *f, struct http_origin *origin);
void settle(struct fixture *f); // some turns of the server
// Sends all, giving the server turns. False when the server has closed.
bool client_send(struct fixture *f, int fd, const void *at, size_t size);
void client_say(struct fixture *f, int fd, const char *text);
// Reads until `wanted` appeared, the server closed, or nothing came for long. Appends to *in.
// Returns whether the server has closed.
bool client_read(struct fixture *f, int fd, struct buf *in, const char *wanted);
// On a connection of its own. Heap.
char *exchange(struct fixture *f, const char *request, const char *wanted);

#define HAS(text, part)     assert_non_null(strstr((text), (part)))
#define HAS_NOT(text, part) assert_null(strstr((text), (part)))
