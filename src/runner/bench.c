// SPDX-License-Identifier: Apache-2.0
// Measures a model in forks of a process that has the engine, as a template has it.
#include "runner/bench.h"
#include "base/clock.h"
#include "base/mem.h"
#include "format/json.h"
#include "runner/inputs.h"
#include "runner/package.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNS_MAX   100000
#define RUNS_LEAST 5
#define REPORT_MAX 4096

int bench_list_read(const char *text, int64_t most, struct bench_list *ret)
{
    *ret = (struct bench_list){0};
    for (struct str rest = str_of(text); rest.at;) {
        int64_t number = 0;
        if (!str_to_i64(str_cut(&rest, ','), &number) || number < 1 || number > most ||
            ret->count == BENCH_LIST_MAX) {
            return -1;
        }
        ret->at[ret->count++] = number;
    }
    return ret->count ? 0 : -1;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t memory(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (int64_t)usage.ru_maxrss * 1024 : 0;
}

static int measure(struct model *model, const struct tensor *inputs, int64_t ms, int64_t batch,
                   json_t *row, struct err *err)
{
    struct tensor outputs[ENGINE_VALUES_MAX];
    CLEAN_MEM int64_t *times = mem_alloc(RUNS_MAX * sizeof *times);
    size_t count = 0;
    TRY(model_run(model, inputs, outputs, err)); // the first takes memory
    int64_t began = clock_mono_us(), now = began;
    while (count < RUNS_LEAST || (count < RUNS_MAX && now - began < ms * 1000)) {
        TRY(model_run(model, inputs, outputs, err));
        int64_t after = clock_mono_us();
        times[count++] = after - now;
        now = after;
    }
    qsort(times, count, sizeof *times, by_time);
    json_put(row, "per_second",
             json_real((double)batch * (double)count * 1e6 / (double)(now - began)));
    json_put(row, "p50_ms", json_real((double)times[count / 2] / 1e3));
    json_put(row, "p95_ms", json_real((double)times[count * 95 / 100] / 1e3));
    json_put_int(row, "runs", (int64_t)count);
    return 0;
}

static int run_pair(const struct package *package, const struct model_source *source, int64_t batch,
                    const struct bench_options *options, json_t *row, struct err *err)
{
    CLEAN(model_clean) struct model *model = NULL;
    struct tensor inputs[ENGINE_VALUES_MAX] = {{0}};
    int64_t before = memory();
    TRY(engine_load(package->engine, source, &model, err));
    int rc = inputs_make(package, (struct inputs_shape){batch, options->length}, inputs, err);
    rc = rc < 0 ? rc : measure(model, inputs, options->ms, batch, row, err);
    json_put_int(row, "memory", memory() - before);
    inputs_done(inputs, package->model->input_count);
    return rc;
}

static void child(const struct package *package, const struct model_source *source, int64_t batch,
                  const struct bench_options *options, int to)
{
    CLEAN_JSON json_t *row = json_object();
    CLEAN(buf_done) struct buf text = BUF_INIT(REPORT_MAX);
    struct err err = {0};
    if (run_pair(package, source, batch, options, row, &err) < 0) {
        json_put_str(row, "error", str_of(err.text));
    }
    json_write(row, &text);
    for (struct str rest = buf_str(&text); rest.size;) {
        ssize_t n = write(to, rest.at, rest.size);
        if (n < 0 && errno != EINTR) {
            break;
        }
        rest = str_skip(rest, n > 0 ? (size_t)n : 0);
    }
}

static json_t *row_read(int from)
{
    char text[REPORT_MAX];
    json_t *row = NULL;
    ssize_t size = pread(from, text, sizeof text, 0);
    if (size <= 0 || json_parse_object(str_n(text, (size_t)size), &row, NULL) < 0) {
        row = json_object();
        json_put_str(row, "error", STR("its process died"));
    }
    return row;
}

// The answer comes by a file in memory, since the walls leave no pipes.
static json_t *bench_pair(const struct package *package, const struct model_source *source,
                          int64_t batch, const struct bench_options *options)
{
    CLEAN_FD int file = memfd_create("rouse-bench", MFD_CLOEXEC);
    fflush(NULL);
    pid_t pid = file < 0 ? -1 : fork();
    if (pid == 0) {
        child(package, source, batch, options, file);
        _exit(0);
    }
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    return row_read(file);
}

json_t *bench_run(const struct package *package, const struct model_source *source,
                  const struct bench_options *options)
{
    json_t *rows = json_array();
    for (size_t t = 0; t < options->threads.count; t++) {
        for (size_t b = 0; b < options->batches.count; b++) {
            struct model_source one = *source;
            one.threads = (int)options->threads.at[t];
            json_t *row = bench_pair(package, &one, options->batches.at[b], options);
            json_put_int(row, "threads", options->threads.at[t]);
            json_put_int(row, "batch", options->batches.at[b]);
            json_array_append_new(rows, row);
        }
    }
    return rows;
}
