// SPDX-License-Identifier: Apache-2.0
// The HTTP server: libmicrohttpd without threads of its own. Its epoll descriptor is watched by our
// loop; when something happens there, or a reply was given, MHD gets a turn.
#include "base/check.h"
#include "http/http2_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

// Of a connection: half of it takes the headers, and pieces of a body are at most this long. MHD
// clears all of it between two requests, so more is not simply better.
#define CONNECTION_MEMORY (32 * 1024)
#define CONNECTION_IDLE_S 75 // as other servers have it
#define CONNECTIONS_MAX   10000
#define DESCRIPTORS_SPARE 256 // for everything that is not a connection
#define LISTEN_BACKLOG    4096
#define RUNS_A_TURN       4 // MHD reads each connection once a run; others want their turn, too

_Static_assert(CONNECTION_MEMORY <= HTTP_PIECE_MAX, "a piece of a body fits its promise");

// ── turns ──

void server_owe_turn(struct http_server *server)
{
    server->owed = true;
    if (!timer_running(&server->timer) || server->timer.due_us > loop_now_us(server->loop)) {
        timer_start(server->loop, &server->timer, 0);
    }
}

// ── connections ──

void address_write(const struct sockaddr *address, char text[64])
{
    text[0] = 0;
    if (address && address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
        inet_ntop(AF_INET, &v4->sin_addr, text, 64);
    } else if (address && address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
        inet_ntop(AF_INET6, &v6->sin6_addr, text, 64);
    }
}

static void connection_free(struct http_server *server, struct connection *connection)
{
    struct http_origin *origin = connection->origin;
    list_remove(&connection->link);
    free(connection);
    arrivals_count(server, -1);
    if (origin && --origin->connections == 0 && origin->on_unused) {
        origin->on_unused(origin);
    }
}

static struct connection *connection_new(struct http_server *server, int fd,
                                         struct http_origin *origin)
{
    struct connection *connection = NEW(struct connection);
    connection->fd = fd;
    connection->origin = origin;
    if (origin) {
        origin->connections++;
    }
    arrivals_count(server, 1);
    return connection;
}

// MHD 0.9 starts what it is given at once, MHD 1.0 in its next run: the descriptor tells which one it is.
static struct connection *adoption_take(struct http_server *server, int fd)
{
    LIST_EACH(connection, &server->adoptions, struct connection, link)
    {
        if (connection->fd == fd) {
            list_remove(&connection->link);
            return connection;
        }
    }
    return NULL;
}

// Forgets what MHD has closed without starting it, before its descriptor's number comes back.
static void adoptions_sweep(struct http_server *server)
{
    LIST_EACH(connection, &server->adoptions, struct connection, link)
    {
        if (connection->offered) {
            connection_free(server, connection);
        } else {
            connection->offered = true;
        }
    }
}

static void on_connection(void *ctx, struct MHD_Connection *mhd, void **socket_ctx,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_server *server = ctx;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        int fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        struct connection *connection = adoption_take(server, fd);
        if (!connection) {
            connection = connection_new(server, fd, NULL);
        }
        address_write(MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr,
                      connection->remote);
        list_push_back(&server->connections, &connection->link);
        *socket_ctx = connection;
    } else if (*socket_ctx) {
        connection_free(server, *socket_ctx);
        *socket_ctx = NULL;
    }
}

// ── a turn ──

// The timer is left alone when it rings earlier than need be: it then finds nothing to do, once.
static void server_turn(struct http_server *server)
{
    MHD_UNSIGNED_LONG_LONG wait_ms = 0;
    enum MHD_Result waits = MHD_YES;
    server->owed = false;
    for (int i = 0; i < RUNS_A_TURN && waits == MHD_YES && wait_ms == 0; i++) {
        MHD_run(server->daemon);
        adoptions_sweep(server);
        waits = MHD_get_timeout(server->daemon, &wait_ms);
    }
    if (waits != MHD_YES) { // it does not count connections that were resumed just now
        if (!server->owed) {
            timer_stop(server->loop, &server->timer);
        }
    } else if (wait_ms == 0) {
        server_owe_turn(server);
    } else {
        int64_t due_us = loop_now_us(server->loop) + (int64_t)wait_ms * 1000;
        if (!timer_running(&server->timer) || server->timer.due_us > due_us) {
            timer_start_at(server->loop, &server->timer, due_us);
        }
    }
}

static void server_ready(struct watch *watch, uint32_t events)
{
    (void)events;
    server_turn(CONTAINER_OF(watch, struct http_server, watch));
}

static void server_due(struct timer *timer)
{
    server_turn(CONTAINER_OF(timer, struct http_server, timer));
}

// ── a request arrives ──

// The request line is here, and only here, as it came: MHD cuts and unescapes it afterwards.
static void *on_target(void *ctx, const char *target, struct MHD_Connection *mhd)
{
    size_t size = target ? strlen(target) : 0;
    struct request *r = mem_alloc(sizeof *r + size + 1);
    if (size) {
        memcpy(r->target, target, size);
    }
    r->server = ctx;
    r->mhd = mhd;
    r->pub.ctx = r->server->options.ctx;
    buf_init(&r->reply_headers, REQUEST_HEADERS_BYTES);
    return r;
}

static size_t no_unescape(void *ctx, struct MHD_Connection *mhd, char *text)
{
    (void)ctx, (void)mhd;
    return strlen(text);
}

void target_split(struct str target, struct http_request *ret)
{
    if (target.size && target.at[0] != '/') {
        ptrdiff_t scheme = str_find_str(target, STR("://"));
        struct str rest = scheme >= 0 ? str_skip(target, (size_t)scheme + 3) : (struct str){0};
        ptrdiff_t slash = str_find(rest, '/');
        target = slash >= 0 ? str_skip(rest, (size_t)slash) : STR("/");
    }
    ptrdiff_t mark = str_find(target, '?');
    ret->path = mark >= 0 ? str_head(target, (size_t)mark) : target;
    ret->query = mark >= 0 ? str_skip(target, (size_t)mark + 1) : (struct str){"", 0};
    if (ret->path.size == 0) {
        ret->path = STR("/");
    }
}

struct headers_walk {
    struct request *r;
    size_t count; // all of them, also those for which there is no room
};

static enum MHD_Result on_header(void *ctx, enum MHD_ValueKind kind, const char *name,
                                 size_t name_size, const char *value, size_t value_size)
{
    (void)kind;
    struct headers_walk *walk = ctx;
    if (walk->count < HTTP_HEADERS_MAX) {
        walk->r->headers[walk->count] =
            (struct http_header){{name, name_size}, {value ? value : "", value_size}};
    }
    walk->count++;
    return MHD_YES;
}

// Version 4. Randomness is fetched a block at a time: a request needs one.
void id_write(char text[37])
{
    static unsigned char pool[256];
    static size_t left;
    if (left < 16) {
        CHECK(getrandom(pool, sizeof pool, 0) == sizeof pool);
        left = sizeof pool;
    }
    left -= 16;
    unsigned char *r = pool + left;
    r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
    r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *text++ = '-';
        }
        *text++ = "0123456789abcdef"[r[i] >> 4];
        *text++ = "0123456789abcdef"[r[i] & 15];
    }
    *text = 0;
}

// False when there are more headers than we take.
static bool request_fill(struct request *r, const char *method)
{
    struct http_request *req = &r->pub;
    req->method = str_of(method);
    target_split(str_of(r->target), req);
    struct headers_walk walk = {.r = r};
    MHD_get_connection_values_n(r->mhd, MHD_HEADER_KIND, on_header, &walk);
    req->headers = r->headers;
    req->header_count = walk.count < HTTP_HEADERS_MAX ? walk.count : HTTP_HEADERS_MAX;
    req->host = http_request_header(req, "Host");
    req->started_us = loop_now_us(r->server->loop);
    struct str size = http_request_header(req, "Content-Length");
    if (http_request_header(req, "Transfer-Encoding").at) {
        req->body_size = UINT64_MAX;
    } else if (!str_to_u64(str_trim(size), &req->body_size)) {
        req->body_size = 0; // absent: MHD has refused what is not a number
    }
    memcpy(req->remote, r->connection->remote, sizeof req->remote);
    struct http_origin *origin = r->connection->origin;
    req->origin = origin && !origin->front ? origin : NULL;
    id_write(req->id);
    return walk.count <= HTTP_HEADERS_MAX;
}

static void refuse_end(struct http_request *req)
{
    (void)req;
}

static const struct http_handler refused = {.on_end = refuse_end};

static const struct http_handler *refuse(struct http_request *req, int status, const char *text)
{
    http_reply_header(req, "Content-Type", "text/plain");
    http_reply(req, status, str_of(text));
    return &refused;
}

static enum MHD_Result request_queue(struct request *r)
{
    r->phase = REQUEST_SENDING;
    enum MHD_Result done = MHD_queue_response(r->mhd, r->status, r->response);
    MHD_destroy_response(r->response);
    r->response = NULL;
    return done;
}

static enum MHD_Result request_begin(struct request *r, const char *method, const char *version)
{
    struct http_server *server = r->server;
    r->connection =
        MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    r->connection->current = r;
    server->requests++;
    if (r->connection->adopted) { // a runtime is silent for as long as its function runs
        (void)MHD_set_connection_option(r->mhd, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
    }
    r->inside = true;
    if (!request_fill(r, method)) {
        r->handler = refuse(&r->pub, 431, "too many headers\n");
    } else if (!r->pub.host.at && strcmp(version, "HTTP/1.0") != 0) {
        r->handler = refuse(&r->pub, 400, "no Host header\n");
    } else {
        r->handler = server->options.route(&r->pub, server->options.ctx);
    }
    if (!r->handler) {
        r->handler = refuse(&r->pub, 404, "not found\n");
    }
    r->inside = false;
    r->phase = REQUEST_BODY;
    // Refused before the body was sent: a client that waits for "100 Continue" need not send it, and
    // a large one we would rather not read. MHD closes the connection after such a reply.
    bool large = r->pub.body_size > REQUEST_DROP_MAX;
    bool waits = r->pub.body_size > 0 && http_request_header(&r->pub, "Expect").size > 0;
    return r->replied && (large || waits) ? request_queue(r) : MHD_YES;
}

// What MHD has at hand meanwhile stays there: it comes again when the connection is resumed.
static enum MHD_Result body_wait(struct request *r)
{
    if (!r->suspended) {
        r->suspended = true;
        MHD_suspend_connection(r->mhd);
    }
    return MHD_YES;
}

static enum MHD_Result request_body(struct request *r, const char *data, size_t *size)
{
    struct str piece = {data, *size};
    if (r->gone) {
        return MHD_NO; // its origin is closed
    }
    if (r->paused && !r->replied) {
        return body_wait(r);
    }
    *size = 0; // all of it is taken
    if (r->replied || !r->handler->on_body) {
        r->dropped += piece.size;
        return r->dropped > REQUEST_DROP_MAX && r->replied ? MHD_NO : MHD_YES;
    }
    r->inside = true;
    r->handler->on_body(&r->pub, piece);
    r->inside = false;
    return r->paused && !r->replied ? body_wait(r) : MHD_YES;
}

static enum MHD_Result request_end(struct request *r)
{
    if (r->phase == REQUEST_BODY) {
        r->phase = REQUEST_ENDED;
        if (!r->replied) {
            r->inside = true;
            r->handler->on_end(&r->pub);
            r->inside = false;
        }
    }
    if (r->gone) {
        return MHD_NO; // the server ends
    }
    if (r->replied) {
        return r->phase == REQUEST_ENDED ? request_queue(r) : MHD_YES;
    }
    r->suspended = true;
    MHD_suspend_connection(r->mhd);
    if (r->watched) {
        request_watch_hangup(r);
    }
    return MHD_YES;
}

// MHD calls this when the headers are in, for each piece of the body, and at the end. A response is
// queued from the second call on: earlier, MHD would close the connection after it.
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_size, void **request)
{
    (void)ctx, (void)mhd, (void)url;
    struct request *r = *request;
    if (r->phase == REQUEST_HEADERS) {
        return request_begin(r, method, version);
    }
    return *data_size ? request_body(r, data, data_size) : request_end(r);
}

static void on_completed(void *ctx, struct MHD_Connection *mhd, void **request,
                         enum MHD_RequestTerminationCode code)
{
    (void)ctx, (void)mhd, (void)code;
    struct request *r = *request;
    if (!r) {
        return;
    }
    *request = NULL;
    r->gone = true;
    if (r->phase != REQUEST_HEADERS) {
        r->connection->current = NULL;
        r->server->requests--;
        if (r->handler->on_closed) {
            r->handler->on_closed(&r->pub);
        }
    }
    loop_unwatch(r->server->loop, &r->hangup);
    if (r->response) {
        MHD_destroy_response(r->response);
    }
    buf_done(&r->reply_headers);
    buf_done(&r->waiting);
    free(r);
}

// ── the server itself ──

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at;
    socklen_t size;
};

// "127.0.0.1:4566", "localhost:0", "[::1]:4566". Names are not resolved.
static int address_parse(const char *listen, struct address *ret, struct err *err)
{
    const char *colon = strrchr(listen, ':');
    uint64_t port = 0;
    if (!colon || !str_to_u64(str_of(colon + 1), &port) || port > 65535) {
        return err_set(err, ERR_INVALID,
                       "cannot listen on \"%s\": want ADDRESS:PORT, such as 127.0.0.1:4566",
                       listen);
    }
    char host[64] = "127.0.0.1";
    struct str text = {listen, (size_t)(colon - listen)};
    if (text.size >= 2 && text.at[0] == '[' && text.at[text.size - 1] == ']') {
        text = (struct str){text.at + 1, text.size - 2};
    }
    if (!str_eq(text, STR("localhost"))) {
        snprintf(host, sizeof host, STR_FMT, STR_ARG(text));
    }
    *ret = (struct address){0};
    if (inet_pton(AF_INET, host, &ret->at.v4.sin_addr) == 1) {
        ret->at.v4.sin_family = AF_INET;
        ret->at.v4.sin_port = htons((uint16_t)port);
        ret->size = sizeof ret->at.v4;
    } else if (inet_pton(AF_INET6, host, &ret->at.v6.sin6_addr) == 1) {
        ret->at.v6.sin6_family = AF_INET6;
        ret->at.v6.sin6_port = htons((uint16_t)port);
        ret->size = sizeof ret->at.v6;
    } else {
        return err_set(err, ERR_INVALID, "cannot listen on \"%s\": \"%s\" is no numeric address",
                       listen, host);
    }
    return 0;
}

static int server_listen(struct http_server *server, struct err *err)
{
    const char *text = server->options.listen;
    struct address address;
    TRY(address_parse(text, &address, err));
    int one = 1;
    int fd = socket(address.at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    server->listen_fd = fd;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(fd, &address.at.any, address.size) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
        int code = errno == EADDRINUSE ? ERR_EXISTS : errno == EACCES ? ERR_DENIED : ERR_IO;
        return err_errno(err, code, errno, "cannot listen on %s", text);
    }
    if (getsockname(fd, &address.at.any, &address.size) < 0) {
        return err_errno(err, ERR_IO, errno, "cannot listen on %s", text);
    }
    server->port = ntohs(address.at.any.sa_family == AF_INET ? address.at.v4.sin_port
                                                             : address.at.v6.sin6_port);
    return 0;
}

static unsigned connections_max(int wanted)
{
    struct rlimit limit;
    unsigned most = wanted > 0 ? (unsigned)wanted : CONNECTIONS_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < most + DESCRIPTORS_SPARE) {
        most = limit.rlim_cur > 2 * DESCRIPTORS_SPARE
                   ? (unsigned)(limit.rlim_cur - DESCRIPTORS_SPARE)
                   : (unsigned)(limit.rlim_cur / 2);
    }
    return most;
}

static int server_start(struct http_server *server, struct err *err)
{
    unsigned most = connections_max(server->options.connections_max);
    TRY(server_listen(server, err));
    signal(SIGPIPE, SIG_IGN); // sendfile to a client that has gone
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL,
        on_request, server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_URI_LOG_CALLBACK, on_target,
        server, MHD_OPTION_UNESCAPE_CALLBACK, no_unescape, NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_LIMIT, most, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)(server->idle_us / 1000000), MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
        MHD_OPTION_END);
    if (!server->daemon) {
        return err_set(err, ERR_IO, "cannot start the HTTP server on %s", server->options.listen);
    }
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    CHECK(info && info->epoll_fd >= 0);
    server->watch = (struct watch){.fd = info->epoll_fd, .on_ready = server_ready};
    TRY(loop_watch(server->loop, &server->watch, EPOLLIN, err));
    return arrivals_start(server, (int)most, err);
}

int http_server_new(struct loop *loop, const struct http_options *options, struct http_server **ret,
                    struct err *err)
{
    struct http_server *server = NEW(struct http_server);
    server->loop = loop;
    server->options = *options;
    server->idle_us = (options->idle_s ? options->idle_s : CONNECTION_IDLE_S) * 1000000ll;
    server->listen_fd = -1;
    server->timer.on_due = server_due;
    list_init(&server->connections);
    list_init(&server->adoptions);
    list_init(&server->arrivals);
    list_init(&server->http2);
    int rc = server_start(server, err);
    if (rc < 0) {
        http_server_free(server);
        return rc;
    }
    *ret = server;
    return 0;
}

int http_server_port(const struct http_server *server)
{
    return server->port;
}

// ── connections that others accepted ──

int http_server_adopt(struct http_server *server, int fd, struct http_origin *origin,
                      struct err *err)
{
    struct sockaddr_storage peer = {0};
    socklen_t size = sizeof peer;
    if (origin && origin->connections >= HTTP_ORIGIN_MAX) {
        close(fd);
        return err_set(err, ERR_BUSY, "it has %d connections open", HTTP_ORIGIN_MAX);
    }
    if (getpeername(fd, (struct sockaddr *)&peer, &size) < 0) {
        int error = errno;
        close(fd);
        return err_errno(err, ERR_LOST, error, "an adopted connection has gone already");
    }
    struct connection *connection = connection_new(server, fd, origin);
    connection->adopted = true;
    list_push_back(&server->adoptions, &connection->link);
    if (MHD_add_connection(server->daemon, fd, (struct sockaddr *)&peer, size) != MHD_YES) {
        connection = adoption_take(server, fd); // MHD has closed the descriptor
        if (connection) {
            connection_free(server, connection);
        }
        return err_set(err, ERR_BUSY, "there are too many connections");
    }
    server_owe_turn(server);
    return 0;
}

void http_origin_close(struct http_server *server, struct http_origin *origin)
{
    LIST_EACH(connection, &server->adoptions, struct connection, link)
    {
        if (connection->origin == origin) {
            shutdown(connection->fd, SHUT_RDWR);
        }
    }
    LIST_EACH(connection, &server->connections, struct connection, link)
    {
        if (connection->origin != origin) {
            continue;
        }
        struct request *r = connection->current;
        shutdown(connection->fd, SHUT_RDWR);
        if (r && r->suspended) {
            r->gone = true;
            r->suspended = false;
            MHD_resume_connection(r->mhd);
        }
    }
    server_owe_turn(server);
}

int http_server_requests(const struct http_server *server)
{
    return server->requests;
}

void http_server_quiesce(struct http_server *server)
{
    if (server->quiescing) {
        return;
    }
    server->quiescing = true;
    arrivals_stop(server);
    http2_quiesce(server);
    LIST_EACH(connection, &server->connections, struct connection, link)
    {
        if (!connection->current && !connection->adopted) {
            shutdown(connection->fd, SHUT_RD); // MHD reads an end and closes it
        }
    }
    server_owe_turn(server);
}

void http_server_free(struct http_server *server)
{
    if (!server) {
        return;
    }
    loop_unwatch(server->loop, &server->watch);
    arrivals_stop(server);
    http2_close_all(server);
    if (server->daemon) {
        // A daemon with suspended connections cannot be stopped.
        LIST_EACH(connection, &server->connections, struct connection, link)
        {
            struct request *r = connection->current;
            if (r && r->suspended) {
                r->gone = true;
                r->suspended = false;
                MHD_resume_connection(r->mhd);
            }
        }
        MHD_stop_daemon(server->daemon);
        adoptions_sweep(server);
        adoptions_sweep(server);
    }
    timer_stop(server->loop, &server->timer);
    CHECK(server->requests == 0 && server->taken == 0 && list_empty(&server->connections));
    free(server);
}
