// SPDX-License-Identifier: Apache-2.0
// The Lambda Runtime API over one kept connection: next, handler, response or error, and again. This
// file and its header are all of it, so that a project may carry them along and needs no more than cc.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // whatever -std says
#endif
#include "rouse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define VERSION   "2018-06-01"
#define HEAD_MAX  (64 * 1024)
#define BODY_MAX  (64 * 1024 * 1024)
#define READ_SIZE (16 * 1024)

// ---- growing text; always followed by a NUL that is not counted

struct text {
    char *at;
    size_t size, room;
};

static void text_room(struct text *text, size_t more)
{
    if (text->size + more + 1 > text->room) {
        size_t room = 2 * (text->size + more + 1);
        char *at = realloc(text->at, room);
        if (!at) {
            fputs("rouse: out of memory\n", stderr);
            abort();
        }
        text->at = at;
        text->room = room;
    }
}

static void text_add(struct text *text, const void *bytes, size_t size)
{
    text_room(text, size);
    if (size) {
        memcpy(text->at + text->size, bytes, size);
    }
    text->size += size;
    text->at[text->size] = 0;
}

static void text_vprintf(struct text *text, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (size > 0) {
        text_room(text, (size_t)size);
        vsnprintf(text->at + text->size, (size_t)size + 1, format, args);
        text->size += (size_t)size;
    }
}

static void text_printf(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void text_printf(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    text_vprintf(text, format, args);
    va_end(args);
}

static void text_clear(struct text *text)
{
    text->size = 0;
    text_room(text, 0);
    text->at[0] = 0;
}

// Bytes of the UTF-8 sequence at `at` (RFC 3629), or 0 when it is none.
static size_t utf8_size(const unsigned char *at, size_t left)
{
    size_t size = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    if (size == 0 || size > left || at[0] > 0xf4) {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
    bool outside = (at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf4 && at[1] > 0x8f);
    return overlong || outside ? 0 : size;
}

static void text_quote(struct text *text, const char *s, size_t size)
{
    text_add(text, "\"", 1);
    for (size_t i = 0, step; i < size; i += step) {
        const unsigned char *at = (const unsigned char *)s + i;
        step = utf8_size(at, size - i);
        if (step == 0) {
            text_add(text, "\xef\xbf\xbd", 3);
            step = 1;
        } else if (*at == '"' || *at == '\\') {
            text_printf(text, "\\%c", *at);
        } else if (*at < 0x20) {
            text_printf(text, "\\u%04x", *at);
        } else {
            text_add(text, at, step);
        }
    }
    text_add(text, "\"", 1);
}

// ---- the connection

struct api {
    int fd;           // -1: none
    bool used;        // it has answered before, so that it may have been closed since
    const char *name; // "127.0.0.1:9001"
    struct sockaddr_in address;
    struct text in; // the reply: head and body
    size_t body;    // where in `in` the body begins
    int status;     // of the reply
};

static void api_close(struct api *api)
{
    if (api->fd >= 0) {
        close(api->fd);
    }
    api->fd = -1;
    api->used = false;
}

static bool api_connect(struct api *api)
{
    int on = 1;
    api->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return api->fd >= 0 &&
           connect(api->fd, (const struct sockaddr *)&api->address, sizeof api->address) == 0 &&
           setsockopt(api->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0;
}

// "127.0.0.1:9001" of AWS_LAMBDA_RUNTIME_API: always a number, so that no name has to be looked up,
// which a static program could not do everywhere.
static bool api_find(struct api *api)
{
    const char *address = getenv("AWS_LAMBDA_RUNTIME_API");
    const char *colon = address ? strrchr(address, ':') : NULL;
    char host[INET_ADDRSTRLEN];
    *api = (struct api){.fd = -1, .name = address ? address : "", .address.sin_family = AF_INET};
    if (!colon || (size_t)(colon - address) >= sizeof host) {
        return false;
    }
    snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
    api->address.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    return inet_pton(AF_INET, host, &api->address.sin_addr) == 1;
}

static bool send_all(int fd, const struct text *head, const struct text *body)
{
    struct iovec parts[2] = {{head->at, head->size},
                             {body ? body->at : NULL, body ? body->size : 0}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    while (parts[0].iov_len + parts[1].iov_len > 0) {
        ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) {
            return false;
        }
        for (int i = 0; i < 2 && sent > 0; i++) {
            size_t part = (size_t)sent < parts[i].iov_len ? (size_t)sent : parts[i].iov_len;
            parts[i].iov_base = (char *)parts[i].iov_base + part;
            parts[i].iov_len -= part;
            sent -= (ssize_t)part;
        }
    }
    return true;
}

static bool read_more(struct api *api)
{
    text_room(&api->in, READ_SIZE);
    ssize_t got;
    do {
        got = read(api->fd, api->in.at + api->in.size, api->in.room - api->in.size - 1);
    } while (got < 0 && errno == EINTR);
    api->in.size += got > 0 ? (size_t)got : 0;
    api->in.at[api->in.size] = 0;
    return got > 0;
}

// A header's value in the head, "" when it is absent. The head's lines end in NUL by now.
static const char *header(const struct api *api, const char *name)
{
    size_t size = strlen(name);
    const char *end = api->in.at + api->body;
    for (const char *line = api->in.at; line < end; line += strlen(line) + 2) {
        if (strncasecmp(line, name, size) == 0 && line[size] == ':') {
            const char *value = line + size + 1;
            return value + strspn(value, " \t");
        }
    }
    return "";
}

static bool read_reply(struct api *api)
{
    const char *end = NULL;
    text_clear(&api->in);
    while (!(end = strstr(api->in.at, "\r\n\r\n"))) {
        if (api->in.size > HEAD_MAX || !read_more(api)) {
            return false;
        }
    }
    api->body = (size_t)(end - api->in.at) + 4;
    if (strncmp(api->in.at, "HTTP/1.1 ", 9) != 0) {
        return false;
    }
    api->status = (int)strtol(api->in.at + 9, NULL, 10);
    for (size_t i = 0; i + 1 < api->body; i++) {
        if (api->in.at[i] == '\r' && api->in.at[i + 1] == '\n') {
            api->in.at[i] = 0;
        }
    }
    unsigned long long size = strtoull(header(api, "Content-Length"), NULL, 10);
    if (size > BODY_MAX) {
        return false;
    }
    while (api->in.size < api->body + size) {
        if (!read_more(api)) {
            return false;
        }
    }
    api->used = true;
    return true;
}

// Sends and reads the reply. A kept connection may have been closed meanwhile: then once more.
static bool exchange(struct api *api, const struct text *head, const struct text *body)
{
    for (;;) {
        bool again = api->used;
        if ((api->fd >= 0 || api_connect(api)) && send_all(api->fd, head, body) &&
            read_reply(api)) {
            return true;
        }
        api_close(api);
        if (!again) {
            return false;
        }
    }
}

static bool post(struct api *api, const char *path, const char *type, const char *error_type,
                 const struct text *body)
{
    struct text head = {0};
    text_printf(&head, "POST /" VERSION "/runtime/%s HTTP/1.1\r\nHost: %s\r\n", path, api->name);
    text_printf(&head, "Content-Type: %s\r\nContent-Length: %zu\r\n", type, body->size);
    if (error_type) {
        text_printf(&head, "Lambda-Runtime-Function-Error-Type: %s\r\n", error_type);
    }
    text_add(&head, "\r\n", 2);
    bool sent = exchange(api, &head, body);
    free(head.at);
    if (sent && api->status >= 400) {
        fprintf(stderr, "rouse: %s: %s\n", path, api->in.at + api->body);
    }
    return sent;
}

// ---- one event

struct rouse_answer {
    struct text body;
    const char *content_type;
    bool failed;
    struct text error_type, error_message;
};

void rouse_answer_add(struct rouse_answer *answer, const void *bytes, size_t size)
{
    text_add(&answer->body, bytes, size);
}

void rouse_answer_printf(struct rouse_answer *answer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    text_vprintf(&answer->body, format, args);
    va_end(args);
}

void rouse_answer_quote(struct rouse_answer *answer, const char *text, size_t size)
{
    text_quote(&answer->body, text, size);
}

void rouse_answer_type(struct rouse_answer *answer, const char *content_type)
{
    answer->content_type = content_type;
}

void rouse_fail(struct rouse_answer *answer, const char *type, const char *format, ...)
{
    va_list args;
    answer->failed = true;
    text_clear(&answer->error_type);
    text_clear(&answer->error_message);
    for (const char *c = type; *c; c++) { // it becomes a header
        text_add(&answer->error_type, *c > ' ' && *c < 127 ? c : "_", 1);
    }
    va_start(args, format);
    text_vprintf(&answer->error_message, format, args);
    va_end(args);
}

int64_t rouse_remaining_ms(const struct rouse_event *event)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t left = event->deadline_ms - (int64_t)now.tv_sec * 1000 - now.tv_nsec / 1000000;
    return left > 0 ? left : 0;
}

static bool post_error(struct api *api, const char *path, const char *type,
                       const struct text *message)
{
    struct text body = {0};
    text_printf(&body, "{\"errorMessage\": ");
    text_quote(&body, message->at ? message->at : "", message->size);
    text_printf(&body, ", \"errorType\": ");
    text_quote(&body, type, strlen(type));
    text_printf(&body, ", \"stackTrace\": []}");
    bool sent = post(api, path, "application/json", type, &body);
    free(body.at);
    return sent;
}

static bool answer_send(struct api *api, struct rouse_answer *answer, const char *request_id)
{
    struct text path = {0};
    bool sent;
    text_printf(&path, "invocation/%s/%s", request_id, answer->failed ? "error" : "response");
    if (answer->failed) {
        sent = post_error(api, path.at, answer->error_type.at, &answer->error_message);
    } else {
        if (answer->body.size == 0) {
            text_add(&answer->body, "null", 4);
        }
        sent = post(api, path.at, answer->content_type, NULL, &answer->body);
    }
    free(path.at);
    return sent;
}

// The event in the reply of `next`; its texts lie there.
static bool answer_one(struct api *api, rouse_handler *handler, void *ctx)
{
    struct rouse_event event = {
        .bytes = api->in.at + api->body,
        .size = api->in.size - api->body,
        .request_id = header(api, "Lambda-Runtime-Aws-Request-Id"),
        .function_arn = header(api, "Lambda-Runtime-Invoked-Function-Arn"),
        .trace_id = header(api, "Lambda-Runtime-Trace-Id"),
        .client_context = header(api, "Lambda-Runtime-Client-Context"),
        .cognito_identity = header(api, "Lambda-Runtime-Cognito-Identity"),
        .deadline_ms = strtoll(header(api, "Lambda-Runtime-Deadline-Ms"), NULL, 10),
    };
    struct rouse_answer answer = {.content_type = "application/json"};
    setenv("_X_AMZN_TRACE_ID", event.trace_id, 1);
    handler(&event, &answer, ctx);
    fflush(stdout); // before the answer, after which this process may be stopped
    bool sent = answer_send(api, &answer, event.request_id);
    free(answer.body.at);
    free(answer.error_type.at);
    free(answer.error_message.at);
    return sent;
}

// ---- entry points

static int no_api(struct api *api)
{
    if (!api->name[0]) {
        fputs(
            "rouse: AWS_LAMBDA_RUNTIME_API is not set: this program is started by Rouse or by AWS "
            "Lambda, not by hand\n",
            stderr);
    } else {
        fprintf(stderr, "rouse: the Runtime API at %s does not answer\n", api->name);
    }
    api_close(api);
    free(api->in.at);
    return 1;
}

int rouse_run(rouse_handler *handler, void *ctx)
{
    struct api api;
    struct text next = {0};
    setvbuf(stdout, NULL, _IOLBF, 0); // its lines are the log's
    bool there = api_find(&api);
    text_printf(&next, "GET /" VERSION "/runtime/invocation/next HTTP/1.1\r\nHost: %s\r\n\r\n",
                api.name);
    while (there) {
        there = exchange(&api, &next, NULL) && api.status == 200 && answer_one(&api, handler, ctx);
    }
    free(next.at);
    return no_api(&api);
}

int rouse_init_failed(const char *type, const char *format, ...)
{
    struct api api;
    struct text message = {0};
    va_list args;
    va_start(args, format);
    text_vprintf(&message, format, args);
    va_end(args);
    bool told = api_find(&api) && post_error(&api, "init/error", type, &message);
    free(message.at);
    if (!told) {
        return no_api(&api);
    }
    api_close(&api);
    free(api.in.at);
    return 1;
}
