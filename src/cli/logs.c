// SPDX-License-Identifier: Apache-2.0
// rouse logs: what a function wrote and how its invocations went, of the past or as it happens.
#include "cli/project.h"
#include "base/clock.h"
#include "base/mem.h"
#include "config/quantity.h"
#include "format/json.h"
#include "format/uri.h"

#define LINE_MAX_SIZE (1024 * 1024)

static const struct option options[] = {
    {"function", 'f', "NAME", "function: its key in serverless.yml here, else its whole name"},
    {"tail", 't', NULL, "go on with what comes, until Ctrl-C"},
    {"startTime", 0, "TIME", "how far back (10m, 2h) or since when (2026-01-02T03:04:05); else 1h"},
    {"filter", 0, "TEXT", "only lines with this text in them"},
    SERVICE_OPTIONS,
    REMOTE_OPTIONS,
};

struct follow {
    struct buf line; // of which the end has not come yet
    const char *filter;
    bool json;
};

// "2026-01-02T03:04:05.678Z<tab>REPORT …": the time is cut off, *line keeps what follows.
static struct str cut_time(struct str *line)
{
    struct str rest = *line;
    struct str time = str_cut(&rest, '\t');
    bool is_time = rest.at && time.size == 24 && time.at[10] == 'T' && time.at[23] == 'Z';
    if (!is_time) {
        return (struct str){0};
    }
    *line = rest;
    return time;
}

// REPORT lines say how it went and are what one looks for; START and END frame them.
static void print_line(const struct follow *follow, struct str line)
{
    if (follow->filter && str_find_str(line, str_of(follow->filter)) < 0) {
        return;
    }
    struct str time = cut_time(&line);
    while (line.size && line.at[line.size - 1] == '\t') {
        line.size--; // Lambda ends REPORT with one
    }
    if (follow->json) {
        CLEAN_JSON json_t *object = json_object();
        if (time.at) {
            json_put_str(object, "timestamp", time);
        }
        json_put_str(object, "message", line);
        cli_print_json_line(object);
        return;
    }
    if (terminal_is_tty() && time.at) {
        time = str_n(time.at + 11, 12); // the day is known to whoever looks
    }
    bool frame = str_starts(line, STR("START ")) || str_starts(line, STR("END "));
    bool report = str_starts(line, STR("REPORT "));
    enum colour colour = frame ? DIM : report ? BOLD : PLAIN;
    printf("%s" STR_FMT "%s%s%s" STR_FMT "%s\n", terminal_on(DIM, false), STR_ARG(time),
           terminal_off(false), time.at ? terminal_is_tty() ? " " : "\t" : "",
           terminal_on(colour, false), STR_ARG(line), terminal_off(false));
}

static int on_piece(void *ctx, struct str piece)
{
    struct follow *follow = ctx;
    while (piece.size) {
        ptrdiff_t end = str_find(piece, '\n');
        struct str part = str_head(piece, end >= 0 ? (size_t)end : piece.size);
        buf_add_str(&follow->line, part);
        piece = str_skip(piece, part.size + (end >= 0));
        if (end >= 0 || !buf_ok(&follow->line)) {
            print_line(follow, buf_str(&follow->line));
            buf_clear(&follow->line);
        }
    }
    fflush(stdout);
    return ferror(stdout) ? ERR_IO : 0;
}

static int fetch(const struct args *args, struct remote *remote, const char *name, struct err *err)
{
    bool tail = args_has(args, "tail");
    const char *start = args_get(args, "startTime");
    int64_t since_ms = 0;
    struct str since = str_of(start ? start : tail ? "10s" : "1h");
    if (since_parse(since, clock_wall_ms(), &since_ms, err) < 0) {
        return err_prefix(err, "--startTime");
    }
    CLEAN(buf_done) struct buf path = BUF_INIT(4096);
    buf_add_text(&path, "/rouse/logs/");
    uri_encode(&path, str_of(name), false);
    CLEAN_MEM char *query =
        mem_printf("%ssince=%lld", tail ? "follow=1&" : "", (long long)since_ms);
    struct follow follow = {.filter = args_get(args, "filter"), .json = args_has(args, "json")};
    buf_init(&follow.line, LINE_MAX_SIZE);
    struct remote_request request = {.service = "lambda",
                                     .method = "GET",
                                     .path = buf_text(&path),
                                     .query = query,
                                     .timeout_s = tail ? 7 * 24 * 3600 : 300,
                                     .on_piece = on_piece,
                                     .ctx = &follow};
    CLEAN(remote_reply_done) struct remote_reply reply = {0};
    int rc = remote_call(remote, &request, &reply, err);
    if (follow.line.size) {
        print_line(&follow, buf_str(&follow.line));
    }
    buf_done(&follow.line);
    return rc;
}

static int run(const struct args *args, struct err *err)
{
    CLEAN_MEM char *name = NULL;
    CLEAN_MEM char *region = NULL;
    CLEAN(remote_done) struct remote remote = {0};
    TRY(project_function_name(args, &name, &region, err));
    TRY(remote_find(args, region, &remote, err));
    return fetch(args, &remote, name, err);
}

const struct verb verb_logs = {
    .name = "logs",
    .usage = "-f NAME [--tail] [--startTime TIME] [--filter TEXT]",
    .summary = "print a function's log",
    .options = options,
    .option_count = ARRAY_SIZE(options),
    .run = run,
};
