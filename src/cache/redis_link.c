// SPDX-License-Identifier: Apache-2.0
// The connection: looked up, connected, encrypted where asked for, then bytes in both directions.
//
//     RESOLVING ──► CONNECTING ──► (SHAKING) ──► OPEN        any ──on_down──► DOWN
#include "cache/redis_link.h"
#include "base/buf.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define OUT_MAX   (32 * 1024 * 1024) // bytes that wait to leave
#define REPLY_MAX (64 * 1024 * 1024) // of one reply that is not whole yet
#define READ_SIZE (64 * 1024)

enum stage { RESOLVING, CONNECTING, SHAKING, OPEN, DOWN };

struct resolving {
    struct pool_work work;
    struct redis_link *link; // NULL: nobody waits any more
    char *host, port[8];
    int rc; // of getaddrinfo
    struct addrinfo *found;
};

struct redis_link {
    struct loop *loop;
    const struct redis_url *url;
    struct redis_link_events events;
    enum stage stage;
    struct resolving *resolving;
    struct addrinfo *found, *next; // its addresses, those not tried
    struct watch watch;
    uint32_t watched;
    SSL_CTX *tls_context;
    SSL *tls; // NULL: none
    redisReader *reader;
    struct buf out;
    size_t out_at;      // of `out` it has left until here
    struct timer flush; // `out` is not empty, or there is bad news to be told
    char reason[200];   // the bad news
};

// ── going down ──

// The next turn tells.
static void fail(struct redis_link *link, const char *what, const char *why)
{
    if (link->stage != DOWN) {
        link->stage = DOWN;
        snprintf(link->reason, sizeof link->reason, "%s%s%s", what, *why ? ": " : "", why);
        loop_unwatch(link->loop, &link->watch);
        timer_start(link->loop, &link->flush, 0);
    }
}

static const char *tls_reason(const struct redis_link *link)
{
    long verified = SSL_get_verify_result(link->tls);
    const char *text = verified != X509_V_OK ? X509_verify_cert_error_string(verified)
                                             : ERR_reason_error_string(ERR_peek_last_error());
    return text ? text : "the connection ended";
}

// ── bytes ──

// > 0 bytes, 0: none now, -1: failed, and said so.
static ssize_t plain_result(struct redis_link *link, ssize_t got, bool reading)
{
    if (got > 0) {
        return got;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    fail(link, "the connection ended",
         got < 0   ? strerror(errno)
         : reading ? ""
                   : "nothing is taken");
    return -1;
}

static ssize_t tls_result(struct redis_link *link, int got)
{
    int why = got > 0 ? SSL_ERROR_NONE : SSL_get_error(link->tls, got);
    if (why == SSL_ERROR_NONE) {
        return got;
    }
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        return 0;
    }
    fail(link, "the connection ended", tls_reason(link));
    return -1;
}

static ssize_t bytes_read(struct redis_link *link, void *to, size_t size)
{
    if (link->tls) {
        ERR_clear_error();
        return tls_result(link, SSL_read(link->tls, to, (int)size));
    }
    return plain_result(link, recv(link->watch.fd, to, size, 0), true);
}

static ssize_t bytes_write(struct redis_link *link, struct str bytes)
{
    if (link->tls) {
        ERR_clear_error();
        int most = bytes.size > INT32_MAX ? INT32_MAX : (int)bytes.size;
        return tls_result(link, SSL_write(link->tls, bytes.at, most));
    }
    return plain_result(link, send(link->watch.fd, bytes.at, bytes.size, MSG_NOSIGNAL), false);
}

static void watch_for(struct redis_link *link, uint32_t events)
{
    if (link->watched != events && link->watch.added) {
        link->watched = events;
        loop_rewatch(link->loop, &link->watch, events);
    }
}

static void write_out(struct redis_link *link)
{
    ssize_t took = 1;
    while (link->out_at < link->out.size && took > 0) {
        took = bytes_write(link, str_skip(buf_str(&link->out), link->out_at));
        link->out_at += took > 0 ? (size_t)took : 0;
    }
    if (took < 0) {
        return;
    }
    bool all = link->out_at == link->out.size;
    if (all) {
        buf_clear(&link->out);
        link->out_at = 0;
    }
    watch_for(link, all ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

// False when it is over.
static bool replies_take(struct redis_link *link)
{
    void *reply = NULL;
    int rc = REDIS_OK;
    while (link->stage == OPEN && (rc = redisReaderGetReply(link->reader, &reply)) == REDIS_OK &&
           reply) {
        link->events.on_reply(link->events.ctx, reply);
        freeReplyObject(reply);
    }
    if (rc != REDIS_OK) {
        fail(link, "it does not speak Redis's protocol", link->reader->errstr);
    } else if (link->reader->len - link->reader->pos > REPLY_MAX) {
        fail(link, "a reply is too large", "");
    }
    return link->stage == OPEN;
}

static void read_in(struct redis_link *link)
{
    char bytes[READ_SIZE];
    ssize_t got = 1;
    while (link->stage == OPEN && (got = bytes_read(link, bytes, sizeof bytes)) > 0) {
        bool more = (size_t)got == sizeof bytes || (link->tls && SSL_pending(link->tls) > 0);
        if (redisReaderFeed(link->reader, bytes, (size_t)got) != REDIS_OK) {
            fail(link, "a reply cannot be kept", link->reader->errstr);
        } else if (!replies_take(link) || !more) {
            return;
        }
    }
}

// ── connecting ──

static void opened(struct redis_link *link)
{
    link->stage = OPEN;
    write_out(link);
}

static void shake(struct redis_link *link)
{
    ERR_clear_error();
    int rc = SSL_connect(link->tls);
    if (rc == 1) {
        opened(link);
        return;
    }
    int why = SSL_get_error(link->tls, rc);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        watch_for(link, why == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT);
    } else {
        fail(link, "no TLS with it", tls_reason(link));
    }
}

// The certificate has to be of the host and signed by who the machine trusts (or SSL_CERT_FILE names).
static bool tls_begin(struct redis_link *link)
{
    const char *host = link->url->host;
    struct in6_addr address;
    bool numeric =
        inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
    link->tls_context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(link->tls_context, TLS1_2_VERSION);
    SSL_CTX_set_default_verify_paths(link->tls_context);
    SSL_CTX_set_verify(link->tls_context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(link->tls_context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    link->tls = SSL_new(link->tls_context);
    bool named = numeric ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(link->tls), host) == 1
                         : SSL_set1_host(link->tls, host) == 1 &&
                               SSL_set_tlsext_host_name(link->tls, host) == 1;
    return named && SSL_set_fd(link->tls, link->watch.fd) == 1;
}

static int connect_to(struct redis_link *link, const struct addrinfo *to)
{
    int on = 1;
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    link->watch.fd = fd;
    if (fd < 0 || (connect(fd, to->ai_addr, to->ai_addrlen) < 0 && errno != EINPROGRESS)) {
        return errno;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    link->watched = EPOLLOUT;
    return loop_watch(link->loop, &link->watch, EPOLLOUT, NULL) < 0 ? ENOMEM : 0;
}

// The next of its addresses; `failed`: why the one before was none.
static void connect_next(struct redis_link *link, int failed)
{
    link->stage = CONNECTING;
    while (link->next) {
        const struct addrinfo *to = link->next;
        link->next = to->ai_next;
        loop_unwatch(link->loop, &link->watch);
        fd_clean(&link->watch.fd);
        failed = connect_to(link, to);
        if (failed == 0) {
            return;
        }
    }
    fail(link, "cannot connect", strerror(failed));
}

static void connected(struct redis_link *link)
{
    int failed = 0;
    socklen_t size = sizeof failed;
    getsockopt(link->watch.fd, SOL_SOCKET, SO_ERROR, &failed, &size);
    if (failed) {
        connect_next(link, failed);
    } else if (!link->url->tls) {
        opened(link);
    } else if (tls_begin(link)) {
        link->stage = SHAKING;
        shake(link);
    } else {
        fail(link, "no TLS with it", "it cannot be set up");
    }
}

static void watch_ready(struct watch *watch, uint32_t events)
{
    struct redis_link *link = CONTAINER_OF(watch, struct redis_link, watch);
    if (link->stage == CONNECTING) {
        connected(link);
    } else if (link->stage == SHAKING) {
        shake(link);
    } else {
        if (events & EPOLLOUT) {
            write_out(link);
        }
        if (events & ~(uint32_t)EPOLLOUT) {
            read_in(link);
        }
    }
}

// ── the name ──

static int look_up(const char *host, const char *port, int flags, struct addrinfo **ret)
{
    struct addrinfo hints = {.ai_flags = flags | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    return getaddrinfo(host, port, &hints, ret);
}

static void resolve_run(struct pool_work *work)
{
    struct resolving *r = CONTAINER_OF(work, struct resolving, work);
    r->rc = look_up(r->host, r->port, AI_ADDRCONFIG, &r->found);
}

static void resolve_done(struct pool_work *work)
{
    struct resolving *r = CONTAINER_OF(work, struct resolving, work);
    struct redis_link *link = r->link;
    if (link) {
        link->resolving = NULL;
        if (r->rc == 0) {
            link->found = link->next = MOVE(r->found);
            connect_next(link, 0);
        } else {
            fail(link, "its name is not known", gai_strerror(r->rc));
        }
    }
    if (r->found) {
        freeaddrinfo(r->found);
    }
    free(r->host);
    free(r);
}

static void resolve(struct redis_link *link, struct pool *pool)
{
    char port[8];
    snprintf(port, sizeof port, "%d", link->url->port);
    if (look_up(link->url->host, port, AI_NUMERICHOST, &link->found) == 0) { // does not block
        link->next = link->found;
        connect_next(link, 0);
        return;
    }
    struct resolving *r = NEW(struct resolving);
    *r = (struct resolving){.work = {.run = resolve_run, .on_done = resolve_done},
                            .link = link,
                            .host = mem_dup(link->url->host)};
    memcpy(r->port, port, sizeof port);
    link->resolving = r;
    pool_submit(pool, &r->work);
}

// ── entry points ──

static void flush_due(struct timer *timer)
{
    struct redis_link *link = CONTAINER_OF(timer, struct redis_link, flush);
    if (link->stage == OPEN) {
        write_out(link);
    }
    if (link->stage == DOWN) {
        link->events.on_down(link->events.ctx, link->reason);
    }
}

struct redis_link *redis_link_new(struct loop *loop, struct pool *pool, const struct redis_url *url,
                                  const struct redis_link_events *events)
{
    struct redis_link *link = NEW(struct redis_link);
    link->loop = loop;
    link->url = url;
    link->events = *events;
    link->watch = (struct watch){.fd = -1, .on_ready = watch_ready};
    link->flush.on_due = flush_due;
    link->reader = redisReaderCreate();
    buf_init(&link->out, OUT_MAX);
    resolve(link, pool);
    return link;
}

void redis_link_free(struct redis_link *link)
{
    if (!link) {
        return;
    }
    if (link->resolving) {
        link->resolving->link = NULL;
    }
    timer_stop(link->loop, &link->flush);
    loop_unwatch(link->loop, &link->watch);
    SSL_free(link->tls);
    SSL_CTX_free(link->tls_context);
    fd_clean(&link->watch.fd);
    if (link->found) {
        freeaddrinfo(link->found);
    }
    redisReaderFree(link->reader);
    buf_done(&link->out);
    free(link);
}

bool redis_link_send(struct redis_link *link, const struct str *words, size_t count)
{
    const char *at[8];
    size_t sizes[8];
    char *command = NULL;
    for (size_t i = 0; i < count && i < ARRAY_SIZE(at); i++) {
        at[i] = words[i].at;
        sizes[i] = words[i].size;
    }
    long long size = redisFormatCommandArgv(&command, (int)count, at, sizes);
    bool room = size > 0 && link->out.size + (size_t)size <= OUT_MAX && link->stage != DOWN;
    if (room) {
        buf_add(&link->out, command, (size_t)size);
        if (!timer_running(&link->flush)) {
            timer_start(link->loop, &link->flush, 0);
        }
    }
    redisFreeCommand(command);
    return room;
}

void redis_link_fail(struct redis_link *link, const char *reason)
{
    fail(link, reason, "");
}

void redis_link_look(struct redis_link *link)
{
    if (link->stage == OPEN) {
        read_in(link);
    }
}
