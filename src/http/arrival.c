// SPDX-License-Identifier: Apache-2.0
// Connections that come in by the front door. Their first bytes say whether they speak HTTP/2, which
// begins with "PRI "; they are looked at and left where they are, and the connection goes to whom it is
// for. The kernel hands a connection over when its first bytes are there, so that as a rule this costs
// one system call a connection, and a request nothing.
#include "base/check.h"
#include "http/http2_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 64
#define RETRY_US       100000 // when there were no descriptors left
#define DEFER_S        1      // a connection that says nothing comes after that

static const char preface[4] = {'P', 'R', 'I', ' '};

struct arrival { // a connection that has not said enough
    struct list link;
    struct http_server *server;
    struct watch watch;
    int64_t since_us;
    struct sockaddr_storage peer;
    socklen_t peer_size;
};

// ── how many there are ──

static void doors_look(struct http_server *server)
{
    bool open = server->listen_fd >= 0 && server->taken < server->taken_max &&
                !timer_running(&server->retry);
    struct err err = {0};
    if (!open) {
        loop_unwatch(server->loop, &server->door);
    } else if (!server->door.added && loop_watch(server->loop, &server->door, EPOLLIN, &err) < 0) {
        timer_start(server->loop, &server->retry, RETRY_US);
    }
}

void arrivals_count(struct http_server *server, int more)
{
    server->taken += more;
    doors_look(server);
}

static void retry_due(struct timer *timer)
{
    doors_look(CONTAINER_OF(timer, struct http_server, retry));
}

// ── to whom they go ──

static void hand_over(struct http_server *server, int fd, const struct sockaddr_storage *peer,
                      socklen_t peer_size, bool http2)
{
    char remote[64];
    const struct sockaddr *address = (const struct sockaddr *)peer;
    if (http2) {
        address_write(address, remote);
        http2_open(server, fd, remote);
    } else if (MHD_add_connection(server->daemon, fd, address, peer_size) == MHD_YES) {
        server_owe_turn(server);
    }
}

enum says { SAYS_NOTHING, SAYS_HTTP1, SAYS_HTTP2, SAYS_GOODBYE };

static enum says listen_to(const struct http_server *server, int fd)
{
    char first[sizeof preface];
    if (!server->options.route2) {
        return SAYS_HTTP1;
    }
    ssize_t got = recv(fd, first, sizeof first, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0) {
        return errno == EAGAIN || errno == EINTR ? SAYS_NOTHING : SAYS_GOODBYE;
    }
    if (got == 0) {
        return SAYS_GOODBYE;
    }
    if (memcmp(first, preface, (size_t)got) != 0) {
        return SAYS_HTTP1;
    }
    return got == sizeof preface ? SAYS_HTTP2 : SAYS_NOTHING;
}

// ── those that keep us waiting ──

// It waits no longer: its descriptor, which is the caller's now.
static int arrival_end(struct arrival *arrival)
{
    struct http_server *server = arrival->server;
    int fd = arrival->watch.fd;
    loop_unwatch(server->loop, &arrival->watch);
    list_remove(&arrival->link);
    free(arrival);
    arrivals_count(server, -1);
    return fd;
}

// Bytes are reported from so many on.
static void low_water(int fd, int bytes)
{
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
}

static void arrival_ready(struct watch *watch, uint32_t events)
{
    struct arrival *arrival = CONTAINER_OF(watch, struct arrival, watch);
    struct http_server *server = arrival->server;
    enum says says = listen_to(server, watch->fd);
    if (says == SAYS_NOTHING && events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) {
        says = SAYS_GOODBYE; // it will never say more
    }
    if (says == SAYS_NOTHING) {
        return;
    }
    struct sockaddr_storage peer = arrival->peer;
    socklen_t peer_size = arrival->peer_size;
    int fd = arrival_end(arrival);
    if (says == SAYS_GOODBYE) {
        close(fd);
    } else {
        low_water(fd, 1);
        hand_over(server, fd, &peer, peer_size, says == SAYS_HTTP2);
    }
}

static void patience_start(struct http_server *server)
{
    const struct arrival *oldest = LIST_FIRST(&server->arrivals, struct arrival, link);
    if (oldest && !timer_running(&server->patience)) {
        timer_start_at(server->loop, &server->patience, oldest->since_us + server->idle_us);
    }
}

static void patience_due(struct timer *timer)
{
    struct http_server *server = CONTAINER_OF(timer, struct http_server, patience);
    LIST_EACH(arrival, &server->arrivals, struct arrival, link)
    {
        if (arrival->since_us + server->idle_us > loop_now_us(server->loop)) {
            break;
        }
        close(arrival_end(arrival));
    }
    patience_start(server);
}

static void wait_for(struct http_server *server, int fd, const struct sockaddr_storage *peer,
                     socklen_t peer_size)
{
    struct arrival *arrival = NEW(struct arrival);
    struct err err = {0};
    *arrival = (struct arrival){.server = server,
                                .watch = {.fd = fd, .on_ready = arrival_ready},
                                .since_us = loop_now_us(server->loop),
                                .peer = *peer,
                                .peer_size = peer_size};
    low_water(fd, sizeof preface);
    if (loop_watch(server->loop, &arrival->watch, EPOLLIN | EPOLLRDHUP, &err) < 0) {
        close(fd);
        free(arrival);
        return;
    }
    list_push_back(&server->arrivals, &arrival->link);
    arrivals_count(server, 1);
    patience_start(server);
}

// ── the door ──

static void door_ready(struct watch *watch, uint32_t events)
{
    (void)events;
    struct http_server *server = CONTAINER_OF(watch, struct http_server, door);
    for (int i = 0; i < ACCEPTS_A_TURN && server->taken < server->taken_max; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t peer_size = sizeof peer;
        int fd = accept4(server->listen_fd, (struct sockaddr *)&peer, &peer_size,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
            timer_start(server->loop, &server->retry, RETRY_US);
        }
        if (fd < 0) {
            break; // one that has gone again counts as none: the others come in the next turn
        }
        enum says says = listen_to(server, fd);
        if (says == SAYS_NOTHING) {
            wait_for(server, fd, &peer, peer_size);
        } else if (says == SAYS_GOODBYE) {
            close(fd);
        } else {
            hand_over(server, fd, &peer, peer_size, says == SAYS_HTTP2);
        }
    }
    doors_look(server);
}

int arrivals_start(struct http_server *server, int most, struct err *err)
{
    int defer_s = DEFER_S;
    if (server->options.route2) { // it is a hint: without it arrivals wait here
        (void)setsockopt(server->listen_fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &defer_s,
                         sizeof defer_s);
    }
    server->taken_max = most;
    server->retry.on_due = retry_due;
    server->patience.on_due = patience_due;
    server->door = (struct watch){.fd = server->listen_fd, .on_ready = door_ready};
    return loop_watch(server->loop, &server->door, EPOLLIN, err);
}

void arrivals_stop(struct http_server *server)
{
    loop_unwatch(server->loop, &server->door);
    timer_stop(server->loop, &server->retry);
    fd_clean(&server->listen_fd);
    server->listen_fd = -1;
    LIST_EACH(arrival, &server->arrivals, struct arrival, link)
    {
        close(arrival_end(arrival));
    }
    timer_stop(server->loop, &server->patience);
}
