// SPDX-License-Identifier: Apache-2.0
// Asks /rouse/logs and lays its lines out.
#include "cli/log_view.h"
#include "base/mem.h"
#include "format/json.h"
#include "format/uri.h"

#define LINE_SIZE_MAX (1024 * 1024)
#define WIDTH_MAX     24 // of the column that says whose a line is

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

static bool is_error(struct str line)
{
    return str_starts(line, STR("[ERROR]")) || str_find_str(line, STR("\tERROR\t")) >= 0 ||
           str_find_str(line, STR(" Task timed out after ")) >= 0 ||
           str_find_str(line, STR(" Error: Runtime exited ")) >= 0;
}

static enum colour colour_of(struct str line)
{
    return str_starts(line, STR("START ")) || str_starts(line, STR("END ")) ? DIM
           : str_starts(line, STR("REPORT "))                               ? BOLD
           : is_error(line)                                                 ? RED
                                                                            : PLAIN;
}

// ---- whose a line is

// What people call the function: its key in their file.
static const char *called(const struct log_view *view, size_t index)
{
    const struct serverless_function *f =
        view->service ? serverless_function(view->service, str_of(view->names[index])) : NULL;
    return f ? f->key : view->names[index];
}

static size_t index_of(const struct log_view *view, struct str name)
{
    size_t i = 0;
    while (i < view->name_count && !str_eq(name, str_of(view->names[i]))) {
        i++;
    }
    return i;
}

static int width(const struct log_view *view)
{
    size_t widest = 0;
    for (size_t i = 0; i < view->name_count; i++) {
        size_t size = strlen(called(view, i));
        widest = size > widest ? size : widest;
    }
    return (int)(widest < WIDTH_MAX ? widest : WIDTH_MAX);
}

static void print_name(const struct log_view *view, struct str name)
{
    static const enum colour colours[] = {CYAN, MAGENTA, BLUE, GREEN, YELLOW};
    size_t index = index_of(view, name);
    if (!view->several || index == view->name_count) {
        return;
    }
    printf("%s%-*s%s ", terminal_on(colours[index % ARRAY_SIZE(colours)], false), width(view),
           called(view, index), terminal_off(false));
}

// ---- a line

static void print_json(const struct log_view *view, struct str name, struct str time,
                       struct str line)
{
    CLEAN_JSON json_t *object = json_object();
    if (view->several) {
        json_put_str(object, "function", name);
    }
    if (time.at) {
        json_put_str(object, "timestamp", time);
    }
    json_put_str(object, "message", line);
    cli_print_json_line(object);
}

static void print_line(const struct log_view *view, struct str line)
{
    struct str whole = line;
    struct str name = view->several ? str_cut(&line, '\t') : (struct str){0};
    line = line.at ? line : whole; // "… 3 lines were left out …"
    struct str time = cut_time(&line);
    if (view->filter && str_find_str(line, str_of(view->filter)) < 0) {
        return;
    }
    while (line.size && line.at[line.size - 1] == '\t') {
        line.size--; // Lambda ends REPORT with one
    }
    if (view->on_line) {
        view->on_line(view->ctx, view->several ? name : str_of(view->names[0]), time, line);
        return;
    }
    if (view->json) {
        print_json(view, name, time, line);
        return;
    }
    if (terminal_is_tty() && time.at) {
        time = str_n(time.at + 11, 12); // the day is known to whoever looks
    }
    print_name(view, name);
    printf("%s" STR_FMT "%s%s%s" STR_FMT "%s\n", terminal_on(DIM, false), STR_ARG(time),
           terminal_off(false), time.at ? terminal_is_tty() ? " " : "\t" : "",
           terminal_on(colour_of(line), false), STR_ARG(line), terminal_off(false));
}

static int on_piece(void *ctx, struct str piece)
{
    struct log_view *view = ctx;
    while (piece.size) {
        ptrdiff_t end = str_find(piece, '\n');
        struct str part = str_head(piece, end >= 0 ? (size_t)end : piece.size);
        buf_add_str(&view->line, part);
        piece = str_skip(piece, part.size + (end >= 0));
        if (end >= 0 || !buf_ok(&view->line)) {
            print_line(view, buf_str(&view->line));
            buf_clear(&view->line);
        }
    }
    fflush(stdout);
    return ferror(stdout) ? ERR_IO : 0;
}

// ---- asking

static void add_query(const struct log_view *view, int64_t since_ms, bool follow, struct buf *out)
{
    buf_printf(out, "%ssince=%lld", follow ? "follow=1&" : "", (long long)since_ms);
    for (size_t i = 0; i < view->name_count && view->several; i++) {
        buf_add_text(out, "&function=");
        uri_encode(out, str_of(view->names[i]), false);
    }
}

int log_view_run(struct log_view *view, struct remote *remote, int64_t since_ms, bool follow,
                 struct err *err)
{
    CLEAN(buf_done) struct buf path = BUF_INIT(4096);
    CLEAN(buf_done) struct buf query = BUF_INIT(64 * 1024);
    buf_add_text(&path, "/rouse/logs");
    if (!view->several) {
        buf_add_char(&path, '/');
        uri_encode(&path, str_of(view->names[0]), false);
    }
    add_query(view, since_ms, follow, &query);
    buf_init(&view->line, LINE_SIZE_MAX);
    struct remote_request request = {.service = "lambda",
                                     .method = "GET",
                                     .path = buf_text(&path),
                                     .query = buf_text(&query),
                                     .timeout_s = follow ? 7 * 24 * 3600 : 300,
                                     .on_piece = on_piece,
                                     .ctx = view};
    CLEAN(remote_reply_done) struct remote_reply reply = {0};
    int rc = remote_call(remote, &request, &reply, err);
    if (view->line.size) {
        print_line(view, buf_str(&view->line));
    }
    buf_done(&view->line);
    return rc;
}
