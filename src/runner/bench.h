// SPDX-License-Identifier: Apache-2.0
// How fast a model runs, by threads and batch: each pair in a process of its own, as an instance would be.
#pragma once

#include "engine/engine.h"

#include <jansson.h>

struct package;

#define BENCH_LIST_MAX 16

struct bench_list {
    int64_t at[BENCH_LIST_MAX];
    size_t count;
};
// "1,2,4": numbers from 1 to most. -1: it is none.
MUST_CHECK int bench_list_read(const char *text, int64_t most, struct bench_list *ret);

struct bench_options {
    struct bench_list threads, batches;
    int64_t length; // of open dimensions other than the first
    int64_t ms;     // for each pair
};

// `package` is loaded, `source` what an instance would load. Single-threaded processes only, since it
// forks. [{"threads": 1, "batch": 8, "per_second": 812.1, "p50_ms": …, "p95_ms": …, "memory": bytes that
// the process took, "runs": 93}, {"threads": 1, "batch": 16, "error": "…"}, …], a new reference.
json_t *bench_run(const struct package *package, const struct model_source *source,
                  const struct bench_options *options);
