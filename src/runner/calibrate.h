// SPDX-License-Identifier: Apache-2.0
// Looks into a model while it runs on samples: what ranges its values take, and what rounding does at
// each of its operators.
#pragma once

#include "base/map.h"
#include "quantize/static.h"
#include "runner/samples.h"

struct calibrate {
    struct engine *engine;
    const char *model, *work; // file of the float model; folder for others made of it
    const struct samples *samples;
    size_t samples_max; // how many of them are used, spread over all
};

// Ranges of the values that static_quantize asks for, into a map of struct range by name. `model` is the
// original, for the names of its inputs and outputs.
MUST_CHECK int calibrate_ranges(const struct calibrate *calibrate, const struct model *model,
                                struct map *ret, struct err *err);
void calibrate_ranges_done(struct map *ranges);

struct hurt {     // what quantizing one node does
    char *name;   // of its first output; heap
    double share; // of its result's energy that is off, the mean over the samples
};

// The worst first. *ret is to be freed in either case, and begins as NULL.
MUST_CHECK int calibrate_hurts(const struct calibrate *calibrate,
                               const struct static_options *options, struct hurt **ret,
                               size_t *ret_count, struct err *err);
void hurts_free(struct hurt *hurts, size_t count);
