// SPDX-License-Identifier: Apache-2.0
// Logs of functions for people: what is in the files, merged by time, and then what is appended.
#include "api/admin.h"
#include "api/lambda.h"
#include "api/reply.h"
#include "base/clock.h"
#include "format/uri.h"
#include "observe/logs.h"

#define REPLY_MAX     ((size_t)256 * 1024 * 1024)
#define FUNCTIONS_MAX 200

struct names {
    struct str at[FUNCTIONS_MAX]; // views of the request
    size_t count;
    bool several; // asked for by ?function=: their lines say whose they are
};

static int name_add(struct names *names, struct api *api, struct str name, struct err *err)
{
    if (!function_name_ok(name) || !lambda_find(api, name)) {
        return err_set(err, ERR_NOT_FOUND, "There is no function " STR_FMT ".",
                       STR_ARG(str_head(name, 80)));
    }
    if (names->count == FUNCTIONS_MAX) {
        return err_set(err, ERR_INVALID, "function: at most %d at once", FUNCTIONS_MAX);
    }
    names->at[names->count++] = name;
    return 0;
}

static int names_read(struct http_request *req, struct api *api, struct str function,
                      struct names *ret, struct err *err)
{
    if (function.size) {
        return name_add(ret, api, function, err);
    }
    ret->several = true;
    for (struct str rest = req->query, name, value; uri_query_next(&rest, &name, &value);) {
        if (str_eq(name, STR("function"))) {
            TRY(name_add(ret, api, value, err)); // names need no percent-encoding
        }
    }
    return ret->count ? 0 : err_set(err, ERR_INVALID, "function: which?");
}

// ── what is in the files ──

struct past_line {
    int64_t wall_ms;
    size_t order; // as read, for lines of the same time
    size_t at, size;
};

struct past {
    struct buf text;
    struct past_line *lines;
    size_t count;
    struct str name; // of the function that is being read, or empty
};

static int line_add(void *ctx, int64_t wall_ms, struct str line)
{
    struct past *past = ctx;
    if ((past->count & (past->count - 1)) == 0) { // at 0, 1, 2, 4, …
        size_t room = past->count ? past->count * 2 : 1;
        past->lines = mem_grow(past->lines, room * sizeof *past->lines);
    }
    size_t at = past->text.size;
    if (past->name.size) {
        buf_add_str(&past->text, past->name);
        buf_add_char(&past->text, '\t');
    }
    buf_add_str(&past->text, line);
    buf_add_char(&past->text, '\n');
    if (!buf_ok(&past->text)) {
        return 1;
    }
    past->lines[past->count] = (struct past_line){wall_ms, past->count, at, past->text.size - at};
    past->count++;
    return 0;
}

static int by_time(const void *left, const void *right)
{
    const struct past_line *a = left, *b = right;
    return a->wall_ms != b->wall_ms ? (a->wall_ms < b->wall_ms ? -1 : 1)
           : a->order < b->order    ? -1
                                    : a->order > b->order;
}

static int past_read(struct api *api, const struct names *names, int64_t since_ms, struct buf *out,
                     struct err *err)
{
    struct past past = {.text = BUF_INIT(REPLY_MAX)};
    int rc = 0;
    logs_flush(api->observe);
    for (size_t i = 0; i < names->count && rc >= 0; i++) {
        past.name = names->several ? names->at[i] : (struct str){0};
        rc = logs_read(api->observe, names->at[i], since_ms, line_add, &past, err);
    }
    if (names->count > 1 && past.count) {
        qsort(past.lines, past.count, sizeof *past.lines, by_time);
    }
    for (size_t i = 0; i < past.count && rc >= 0; i++) {
        buf_add(out, past.text.at + past.lines[i].at, past.lines[i].size);
    }
    buf_done(&past.text);
    free(past.lines);
    return rc;
}

// ── what comes ──

struct feed { // of one function
    struct log_follower follower;
    struct stream *stream;
    char *name; // to put before each line, or NULL
};

struct stream {
    struct http_request *req;
    uint64_t left_out; // lines, since the client reads too slowly
    size_t count;
    struct feed feeds[];
};

static void feed_line(struct log_follower *follower, int64_t wall_ms, struct str line)
{
    const struct feed *feed = CONTAINER_OF(follower, struct feed, follower);
    struct stream *stream = feed->stream;
    CLEAN(buf_done) struct buf text = BUF_INIT(1024 * 1024);
    char when[CLOCK_TEXT_MAX];
    struct err err = {0};
    if (stream->left_out) {
        buf_printf(&text, "… %llu lines were left out …\n", (unsigned long long)stream->left_out);
    }
    if (feed->name) {
        buf_printf(&text, "%s\t", feed->name);
    }
    buf_printf(&text, "%s\t", clock_iso(wall_ms, when));
    buf_add_str(&text, line);
    buf_add_char(&text, '\n');
    if (http_stream_write(stream->req, buf_str(&text), &err) < 0) {
        stream->left_out++;
    } else {
        stream->left_out = 0;
    }
}

static void stream_closed(struct http_request *req)
{
    struct stream *stream = req->data;
    for (size_t i = 0; i < stream->count; i++) {
        logs_unfollow(&stream->feeds[i].follower);
        free(stream->feeds[i].name);
    }
    free(stream);
}

static void nothing_end(struct http_request *req)
{
    (void)req;
}

static void stream_begin(struct http_request *req, struct api *api, const struct names *names,
                         struct buf *before)
{
    struct stream *stream = mem_alloc(sizeof *stream + names->count * sizeof *stream->feeds);
    struct err err = {0};
    stream->req = req;
    stream->count = names->count;
    req->data = stream;
    http_stream_start(req, 200);
    (void)!http_stream_write(req, buf_str(before), &err); // nothing waits yet, so it is taken
    for (size_t i = 0; i < names->count; i++) {
        struct feed *feed = &stream->feeds[i];
        *feed = (struct feed){.follower.on_line = feed_line,
                              .stream = stream,
                              .name = names->several ? str_dup(names->at[i]) : NULL};
        list_init(&feed->follower.link);
        logs_follow(api->observe, names->at[i], &feed->follower);
    }
}

int admin_logs(struct http_request *req, struct api *api, struct str function,
               const struct http_handler **ret, struct err *err)
{
    static const struct http_handler once = {.on_end = nothing_end};
    static const struct http_handler stream = {.on_end = nothing_end, .on_closed = stream_closed};
    struct names names = {0};
    struct str since = {0}, follow = {0};
    int64_t since_ms = 0;
    CLEAN(buf_done) struct buf out = BUF_INIT(REPLY_MAX);
    (void)uri_query_find(req->query, STR("since"), &since);
    if (since.size && !str_to_i64(since, &since_ms)) {
        return err_set(err, ERR_INVALID, "since: must be milliseconds since 1970");
    }
    TRY(names_read(req, api, function, &names, err));
    TRY(past_read(api, &names, since_ms, &out, err));
    http_reply_header(req, "Content-Type", "text/plain; charset=utf-8");
    if (uri_query_find(req->query, STR("follow"), &follow) && !str_eq(follow, STR("0"))) {
        stream_begin(req, api, &names, &out);
        *ret = &stream;
        return 0;
    }
    http_reply_buf(req, 200, &out);
    *ret = &once;
    return 0;
}
