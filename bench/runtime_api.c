// SPDX-License-Identifier: Apache-2.0
// The least that a Lambda Runtime API can be: always the same event, every answer is taken. What a runtime
// client does against it is all its own. Prints its port; then reads seconds from standard input, a
// line a time, and prints "answers microseconds".
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_MAX 16
#define REQUEST_MAX 65536

static const char next_answer[] =
    "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n"
    "Lambda-Runtime-Deadline-Ms: 4102444800000\r\nLambda-Runtime-Invoked-Function-Arn: "
    "arn:aws:lambda:us-east-1:000000000000:function:echo\r\nLambda-Runtime-Trace-Id: "
    "Root=1-5759e988-bd862e3fe1be46a994272793\r\nContent-Type: application/json\r\n"
    "Content-Length: 30\r\n\r\n{\"key1\": \"value1\", \"key2\": 42}";
static const char taken_answer[] =
    "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

struct client {
    char text[REQUEST_MAX + 1];
    size_t size;
};

static struct client clients[CLIENTS_MAX];
static struct pollfd fds[CLIENTS_MAX + 2]; // standard input, the listening socket, clients
static uint64_t answers;

static int listen_any(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(fd, (struct sockaddr *)&at, size) == 0 && listen(fd, CLIENTS_MAX) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&at, &size) == 0);
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

static void client_accept(void)
{
    int one = 1;
    int fd = accept(fds[1].fd, NULL, NULL);
    for (size_t i = 0; i < CLIENTS_MAX && fd >= 0; i++) {
        if (fds[i + 2].fd < 0) {
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            fds[i + 2] = (struct pollfd){.fd = fd, .events = POLLIN};
            clients[i].size = 0;
            return;
        }
    }
    CHECK(fd < 0); // more clients than there is room for
}

// Size of the request at the start of the text, or 0 while it is not whole.
static size_t request_size(struct client *c)
{
    c->text[c->size] = 0;
    char *end = strstr(c->text, "\r\n\r\n");
    if (!end) {
        return 0;
    }
    char *field = strcasestr(c->text, "\r\ncontent-length:");
    size_t body = field && field < end ? strtoul(field + 17, NULL, 10) : 0;
    size_t size = (size_t)(end - c->text) + 4 + body;
    return size <= c->size ? size : 0;
}

static void client_read(size_t i)
{
    struct client *c = &clients[i];
    ssize_t got = read(fds[i + 2].fd, c->text + c->size, REQUEST_MAX - c->size);
    if (got <= 0) {
        close(fds[i + 2].fd);
        fds[i + 2].fd = -1;
        return;
    }
    c->size += (size_t)got;
    for (size_t size; (size = request_size(c)) > 0;) {
        bool next = c->text[0] == 'G';
        struct str answer = next ? str_of(next_answer) : str_of(taken_answer);
        answers += !next;
        CHECK(write(fds[i + 2].fd, answer.at, answer.size) == (ssize_t)answer.size);
        memmove(c->text, c->text + size, c->size - size);
        c->size -= size;
    }
}

static void serve(int64_t until_us)
{
    for (int64_t left; (left = until_us - clock_mono_us()) > 0;) {
        poll(fds + 1, CLIENTS_MAX + 1, (int)(left / 1000) + 1);
        if (fds[1].revents) {
            client_accept();
        }
        for (size_t i = 0; i < CLIENTS_MAX; i++) {
            if (fds[i + 2].fd >= 0 && fds[i + 2].revents) {
                client_read(i);
            }
        }
    }
}

int main(void)
{
    char line[32];
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        fds[i].fd = -1;
    }
    fds[1] = (struct pollfd){.fd = listen_any(), .events = POLLIN};
    while (fgets(line, sizeof line, stdin)) {
        answers = 0;
        int64_t began_us = clock_mono_us();
        serve(began_us + (int64_t)(strtod(line, NULL) * 1e6));
        printf("%llu %lld\n", (unsigned long long)answers, (long long)(clock_mono_us() - began_us));
        fflush(stdout);
    }
    return 0;
}
