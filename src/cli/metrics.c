// SPDX-License-Identifier: Apache-2.0
// rouse metrics: how often functions ran, how often they failed and how long they took, counted from the
// REPORT lines of their logs; how often they were refused, from the server's own counters.
#include "cli/lambda_api.h"
#include "cli/log_view.h"
#include "cli/project.h"
#include "base/clock.h"
#include "base/mem.h"
#include "config/quantity.h"
#include "format/json.h"

static const struct option options[] = {
    {"function", 'f', "NAME", "only this function: its key in serverless.yml here, else its name"},
    {"startTime", 0, "TIME",
     "how far back (10m, 2h) or since when (2026-01-02T03:04:05); else 24h"},
    {"endTime", 0, "TIME", "until when, in the same form; else now"},
    SERVICE_OPTIONS,
    REMOTE_OPTIONS,
};

struct metric { // of one function
    const char *name, *key;
    double *durations_ms;
    size_t count, errors, cold;
    double total_ms;
    int64_t throttles; // since the server started; -1: not known
};

struct metrics {
    struct metric *rows;
    size_t count;
    char until[CLOCK_TEXT_MAX]; // as in the log
};

// ---- reading

// "12.34" of "…\tDuration: 12.34 ms\t…".
static struct str field(struct str report, const char *name)
{
    for (struct str rest = report; rest.at;) {
        struct str part = str_cut(&rest, '\t');
        struct str value = part;
        struct str key = str_cut(&value, ':');
        if (str_eq(key, str_of(name))) {
            value = str_trim(value);
            return str_ends(value, STR(" ms")) ? str_head(value, value.size - 3) : value;
        }
    }
    return (struct str){0};
}

static void add_duration(struct metric *row, double ms)
{
    if ((row->count & (row->count - 1)) == 0) { // at 0, 1, 2, 4, …
        size_t room = row->count ? row->count * 2 : 1;
        row->durations_ms = mem_grow(row->durations_ms, room * sizeof *row->durations_ms);
    }
    row->durations_ms[row->count++] = ms;
    row->total_ms += ms;
}

static void on_line(void *ctx, struct str name, struct str time, struct str line)
{
    struct metrics *metrics = ctx;
    double ms = 0;
    if (!str_starts(line, STR("REPORT ")) || str_cmp(time, str_of(metrics->until)) > 0) {
        return;
    }
    for (size_t i = 0; i < metrics->count; i++) {
        struct metric *row = &metrics->rows[i];
        if (str_eq(name, str_of(row->name)) && str_to_double(field(line, "Duration"), &ms)) {
            add_duration(row, ms);
            row->errors += field(line, "Status").size > 0;
            row->cold += field(line, "Init Duration").size > 0;
        }
    }
}

static int fetch_throttles(struct remote *remote, struct metrics *metrics, struct err *err)
{
    CLEAN_JSON json_t *info = NULL;
    size_t i;
    json_t *one;
    TRY(remote_lambda_call(remote, "GET", "/rouse/info", NULL, &info, err));
    json_array_foreach(json_object_get(info, "functions"), i, one)
    {
        for (size_t j = 0; j < metrics->count; j++) {
            if (str_eq(json_str(json_object_get(one, "name")), str_of(metrics->rows[j].name))) {
                metrics->rows[j].throttles = json_integer_value(json_object_get(one, "throttles"));
            }
        }
    }
    return 0;
}

// ---- showing

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

// The value below which that part of the sorted durations lies (nearest rank); 0 of none.
static double quantile(const struct metric *row, double part)
{
    size_t rank = (size_t)(part * (double)row->count);
    return row->count ? row->durations_ms[rank < row->count ? rank : row->count - 1] : 0;
}

static json_t *row_json(const struct metric *row)
{
    json_t *object = json_object();
    json_put_str(object, "name", str_of(row->name));
    json_put_int(object, "invocations", (int64_t)row->count);
    json_put_int(object, "errors", (int64_t)row->errors);
    json_put_int(object, "starts", (int64_t)row->cold);
    json_put(object, "throttles", row->throttles < 0 ? json_null() : json_integer(row->throttles));
    double average = row->count ? row->total_ms / (double)row->count : 0;
    json_put(object, "durationMs",
             json_pack("{s:f, s:f, s:f, s:f}", "average", average, "median", quantile(row, 0.5),
                       "p95", quantile(row, 0.95), "max", quantile(row, 1)));
    return object;
}

static void print_json(const struct metrics *metrics, int64_t since_ms)
{
    char since[CLOCK_TEXT_MAX];
    CLEAN_JSON json_t *object = json_object();
    json_t *functions = json_object();
    for (size_t i = 0; i < metrics->count; i++) {
        json_put(functions, metrics->rows[i].key, row_json(&metrics->rows[i]));
    }
    json_put_str(object, "startTime", str_of(clock_iso(since_ms, since)));
    json_put_str(object, "endTime", str_of(metrics->until));
    json_put(object, "functions", functions);
    cli_print_json(object);
}

static void print_table(const struct metrics *metrics)
{
    const char *dim = terminal_on(DIM, false), *off = terminal_off(false);
    int widest = (int)strlen("function");
    for (size_t i = 0; i < metrics->count; i++) {
        int size = (int)strlen(metrics->rows[i].key);
        widest = size > widest ? size : widest;
    }
    printf("%s%-*s %11s %7s %9s %7s %11s %11s %11s%s\n", dim, widest, "function", "invocations",
           "errors", "throttles", "starts", "average", "95 %", "longest", off);
    for (size_t i = 0; i < metrics->count; i++) {
        const struct metric *row = &metrics->rows[i];
        double average = row->count ? row->total_ms / (double)row->count : 0;
        const char *on = row->errors ? terminal_on(RED, false) : "";
        printf("%-*s %11zu %s%7zu%s %9lld %7zu", widest, row->key, row->count, on, row->errors,
               row->errors ? off : "", (long long)(row->throttles < 0 ? 0 : row->throttles),
               row->cold);
        if (row->count == 0) {
            printf(" %11s %11s %11s\n", "-", "-", "-");
        } else {
            printf(" %8.1f ms %8.1f ms %8.1f ms\n", average, quantile(row, 0.95), quantile(row, 1));
        }
    }
}

// ---- which

static void set_rows(struct metrics *metrics, const struct serverless *service, const char *only)
{
    size_t count = only ? 1 : service->function_count;
    metrics->rows = mem_alloc((count + 1) * sizeof *metrics->rows);
    for (size_t i = 0; i < count; i++) {
        const struct serverless_function *f = !only     ? &service->functions[i]
                                              : service ? serverless_function(service, str_of(only))
                                                        : NULL;
        metrics->rows[i] =
            (struct metric){.name = f ? f->name : only, .key = f ? f->key : only, .throttles = -1};
    }
    metrics->count = count;
}

static void metrics_done(struct metrics *metrics)
{
    for (size_t i = 0; i < metrics->count; i++) {
        free(metrics->rows[i].durations_ms);
    }
    free(metrics->rows);
}

static int fetch(const struct args *args, struct metrics *metrics, const char *region,
                 int64_t since_ms, struct err *err)
{
    CLEAN(remote_done) struct remote remote = {0};
    CLEAN_MEM const char **names = mem_alloc((metrics->count + 1) * sizeof *names);
    for (size_t i = 0; i < metrics->count; i++) {
        names[i] = metrics->rows[i].name;
    }
    struct log_view view = {.on_line = on_line,
                            .ctx = metrics,
                            .names = names,
                            .name_count = metrics->count,
                            .several = true};
    TRY(remote_find(args, region, &remote, err));
    TRY(log_view_run(&view, &remote, since_ms, false, err));
    for (size_t i = 0; i < metrics->count; i++) {
        struct metric *row = &metrics->rows[i];
        if (row->count) {
            qsort(row->durations_ms, row->count, sizeof *row->durations_ms, by_size);
        }
    }
    return fetch_throttles(&remote, metrics, err);
}

static int time_of(const struct args *args, const char *name, const char *fallback, int64_t *ret_ms,
                   struct err *err)
{
    const char *text = args_get(args, name);
    return since_parse(str_of(text ? text : fallback), clock_wall_ms(), ret_ms, err) < 0
               ? err_prefix(err, "--%s", name)
               : 0;
}

static int run(const struct args *args, struct err *err)
{
    CLEAN(serverless_free_clean) struct serverless *service = NULL;
    CLEAN(metrics_done) struct metrics metrics = {0};
    const char *only = args_get(args, "function");
    int64_t since_ms = 0, until_ms = 0;
    TRY(time_of(args, "startTime", "24h", &since_ms, err));
    TRY(time_of(args, "endTime", "0s", &until_ms, err));
    TRY(project_find(args, &service, err));
    if (!only && (!service || service->function_count == 0)) {
        return err_set(
            err, ERR_INVALID,
            "-f NAME is missing: which function? (In a folder with a serverless.yml: all)");
    }
    clock_iso(until_ms, metrics.until);
    set_rows(&metrics, service, only);
    const char *region = service ? service->region : args_get(args, "region");
    TRY(fetch(args, &metrics, region, since_ms, err));
    if (args_has(args, "json")) {
        print_json(&metrics, since_ms);
    } else {
        print_table(&metrics);
    }
    return 0;
}

const struct verb verb_metrics = {
    .name = "metrics",
    .usage = "[-f NAME] [--startTime TIME] [--endTime TIME]",
    .summary = "count invocations, errors and durations",
    .details =
        "Of the functions of this folder, or of one, from what is kept of their logs. Starts are "
        "invocations that\nhad to wait for an instance; throttles are those that were refused "
        "since the server started.",
    .options = options,
    .option_count = ARRAY_SIZE(options),
    .run = run,
};
