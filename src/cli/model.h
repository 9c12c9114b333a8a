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
        "yaml", 0, "FILE", "quantize: the model's model.yaml (else the one beside it)"             \
    }
int model_quantize(const struct args *args, struct err *err);
