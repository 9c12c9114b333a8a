// SPDX-License-Identifier: Apache-2.0
// What the words of `rouse model` share, and what rouse create asks. Models are looked at by rouse-runner,
// which has the engine and stands behind walls; it answers with JSON.
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>

struct args;

#define MODEL_REPORT_MAX (16 * 1024 * 1024)

// Runs `rouse-runner ARGV…` (without its own name, ended by NULL); its standard error goes where ours
// goes. ERR_* of what it reports, with `file` before it.
MUST_CHECK int model_run_runner(const char *const *argv, const char *file, json_t **ret_report,
                                struct err *err);

// {"Relu": 3, "Conv": 2} as "Relu 3, Conv 2".
void model_add_pairs(struct buf *out, const json_t *object);

// The report of rouse-runner: {"yaml": a model.yaml to start from, "guessed": [texts], …}. `labels`: how many
// classes there are, a number as text, or NULL. ERR_INVALID when it is no model. A new reference.
MUST_CHECK int model_inspect(const char *file, const char *labels, json_t **ret, struct err *err);

#define MODEL_QUANTIZE_OPTIONS                                                                     \
    {"method", 'm', "METHOD", "quantize: auto (the better of both), dynamic or static"},           \
        {"calibrate", 0, "PATH", "quantize: pictures or payloads, a folder or a file"},            \
        {"keep-accuracy", 0, "LOSS", "quantize: the most that may be lost, 0 to 1 (0.01)"},        \
        {"ranges", 0, "HOW", "quantize: minmax, percentile or entropy (else the best)"},           \
        {"weight-bits", 0, "BITS", "quantize: 7 or 8 (else what this processor is exact with)"},   \
    {                                                                                              \
        "yaml", 0, "FILE",                                                                         \
            "quantize, prepare, bench: the model's model.yaml (else the one beside it)"            \
    }
int model_quantize(const struct args *args, struct err *err);
void model_remove_folder(const char *path); // with what is in it

#define MODEL_BENCH_OPTIONS                                                                        \
    {"keep", 0, "DIR", "prepare, bench: leave what was made there"},                               \
        {"threads", 't', "N,…", "bench: numbers of threads (1 and as many as there are cores)"},   \
        {"batch", 'b', "N,…", "bench: sizes of batches (1,2,4,8,16)"},                             \
        {"length", 0, "N", "bench: of open dimensions other than the batch (128)"},                \
    {                                                                                              \
        "ms", 0, "N", "bench: milliseconds for each pair (500)"                                    \
    }
int model_prepare(const struct args *args, struct err *err);
int model_bench(const struct args *args, struct err *err);
