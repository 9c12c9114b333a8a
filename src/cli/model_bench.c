// SPDX-License-Identifier: Apache-2.0
// rouse model prepare and rouse model bench: what preparing a model brings on this machine, and how fast it
// runs, by threads and batch. Both are the work of rouse-runner; this shows what came of it.
#include "cli/cli.h"
#include "cli/model.h"
#include "base/mem.h"
#include "config/quantity.h"
#include "format/json.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

// ---- for people

static void print_line(const char *name, const char *text)
{
    printf("%s%s:%s %s\n", terminal_on(DIM, false), name, terminal_off(false), text);
}

static void print_sizes(const json_t *report, struct buf *text)
{
    const json_t *after = json_object_get(report, "prepared_size");
    size_add_human(text, (uint64_t)json_integer_value(json_object_get(report, "size")));
    if (after) {
        buf_add_text(text, " -> ");
        size_add_human(text, (uint64_t)json_integer_value(after));
    }
}

static void print_prepared(const json_t *report, const char *file)
{
    CLEAN(buf_done) struct buf sizes = BUF_INIT(256);
    CLEAN(buf_done) struct buf loads = BUF_INIT(256);
    CLEAN_MEM char *task = str_dup(json_str(json_object_get(report, "task")));
    CLEAN_MEM char *engine = str_dup(json_str(json_object_get(report, "engine")));
    print_sizes(report, &sizes);
    buf_printf(&loads, "%.1f ms", json_number_value(json_object_get(report, "load_ms_before")));
    if (json_object_get(report, "load_ms_after")) {
        buf_printf(&loads, " -> %.1f ms%s",
                   json_number_value(json_object_get(report, "load_ms_after")),
                   json_is_true(json_object_get(report, "packing"))
                       ? ", packed copies of weights included, which pay by faster runs"
                       : ", weights mapped and shared");
    }
    print_line("model", file);
    print_line("task", task);
    print_line("engine", engine);
    print_line("size", buf_text(&sizes));
    print_line("loading", buf_text(&loads));
    CLEAN_MEM char *reason = str_dup(json_str(json_object_get(report, "reason")));
    print_line("prepared",
               json_is_true(json_object_get(report, "prepared")) ? "yes, same answers" : reason);
}

static void print_bench(const json_t *rows)
{
    size_t i = 0;
    json_t *row = NULL;
    printf("\n%s%7s %6s %12s %10s %10s %10s%s\n", terminal_on(DIM, false), "threads", "batch",
           "per second", "p50 ms", "p95 ms", "memory", terminal_off(false));
    json_array_foreach((json_t *)(uintptr_t)rows, i, row)
    {
        CLEAN(buf_done) struct buf memory = BUF_INIT(64);
        struct str error = json_str(json_object_get(row, "error"));
        printf("%7lld %6lld ", (long long)json_integer_value(json_object_get(row, "threads")),
               (long long)json_integer_value(json_object_get(row, "batch")));
        if (error.size) {
            printf(STR_FMT "\n", STR_ARG(error));
            continue;
        }
        size_add_human(&memory, (uint64_t)json_integer_value(json_object_get(row, "memory")));
        printf("%12.1f %10.2f %10.2f %10s\n", json_number_value(json_object_get(row, "per_second")),
               json_number_value(json_object_get(row, "p50_ms")),
               json_number_value(json_object_get(row, "p95_ms")), buf_text(&memory));
    }
}

// ---- the words

static int make_absolute(const char *path, char **ret, struct err *err)
{
    *ret = path ? realpath(path, NULL) : NULL;
    return path && !*ret ? err_errno(err, ERR_NOT_FOUND, errno, "%s", path) : 0;
}

// "1,2,4": numbers from 1 to most.
static int check_list(const struct args *args, const char *name, uint64_t most, struct err *err)
{
    const char *text = args_get(args, name);
    size_t count = 0;
    for (struct str rest = str_of(text); rest.at;) {
        uint64_t number = 0;
        if (!str_to_u64(str_cut(&rest, ','), &number) || number < 1 || number > most ||
            ++count > 16) {
            return err_set(err, ERR_INVALID,
                           "--%s must be at most 16 numbers from 1 to %llu, as in 1,2,4, not %s",
                           name, (unsigned long long)most, text);
        }
    }
    return 0;
}

static int check_options(const struct args *args, struct err *err)
{
    TRY(check_list(args, "threads", 256, err));
    TRY(check_list(args, "batch", 4096, err));
    TRY(check_list(args, "length", 1000000, err));
    return check_list(args, "ms", 1000000, err);
}

static size_t bench_arguments(const struct args *args, char *threads, const char **argv,
                              size_t count)
{
    static const char *const names[][2] = {
        {"threads", "--threads"}, {"batch", "--batch"}, {"length", "--length"}, {"ms", "--ms"}};
    const char *const usual[] = {threads, "1,2,4,8,16", NULL, NULL};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const char *given = args_get(args, names[i][0]);
        if (given || usual[i]) {
            argv[count++] = names[i][1];
            argv[count++] = given ? given : usual[i];
        }
    }
    return count;
}

static int run(const struct args *args, const char *work, bool bench, json_t **ret, struct err *err)
{
    CLEAN_MEM char *model = NULL, *yaml = NULL;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    CLEAN_MEM char *threads =
        cores > 1 ? mem_printf("1,%ld", cores < 256 ? cores : 256) : mem_dup("1");
    TRY(check_options(args, err));
    TRY(make_absolute(args->rest[1], &model, err));
    TRY(make_absolute(args_get(args, "yaml"), &yaml, err));
    const char *argv[24] = {"prepare", "--model", model, work};
    size_t count = 4;
    if (yaml) {
        argv[count++] = "--yaml";
        argv[count++] = yaml;
    }
    count = bench ? bench_arguments(args, threads, argv, count) : count;
    terminal_glimpse("%s %s", bench ? "measuring" : "preparing", args->rest[1]);
    int rc = model_run_runner(argv, args->rest[1], ret, err);
    terminal_clear();
    return rc;
}

static int make_folder(const struct args *args, char **ret, bool *ret_ours, struct err *err)
{
    const char *keep = args_get(args, "keep");
    *ret_ours = keep == NULL;
    if (keep) {
        if (mkdir(keep, 0755) < 0 && errno != EEXIST) {
            return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "%s", keep);
        }
        return make_absolute(keep, ret, err);
    }
    const char *place = getenv("TMPDIR");
    CLEAN_MEM char *folder =
        mem_printf("%s/rouse-model-XXXXXX", place && place[0] == '/' ? place : "/tmp");
    if (!mkdtemp(folder)) {
        return err_errno(err, ERR_IO, errno, "cannot make %s", folder);
    }
    *ret = MOVE(folder);
    return 0;
}

static int prepare(const struct args *args, bool bench, struct err *err)
{
    CLEAN_MEM char *work = NULL;
    CLEAN_JSON json_t *report = NULL;
    bool ours = false;
    TRY(make_folder(args, &work, &ours, err));
    int rc = run(args, work, bench, &report, err);
    if (ours) {
        model_remove_folder(work);
    }
    TRY(rc);
    if (args_has(args, "json")) {
        cli_print_json(report);
        return 0;
    }
    print_prepared(report, args->rest[1]);
    if (bench) {
        print_bench(json_object_get(report, "bench"));
    }
    return 0;
}

int model_prepare(const struct args *args, struct err *err)
{
    return prepare(args, /* bench */ false, err);
}

int model_bench(const struct args *args, struct err *err)
{
    return prepare(args, /* bench */ true, err);
}
