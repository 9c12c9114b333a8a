// SPDX-License-Identifier: Apache-2.0
// Several requests in one run of the model: their inputs stacked along the first dimension, its
// outputs cut again. Only where the graph leaves that dimension open everywhere, and only after the
// first such run has given what the requests gave one by one: an open dimension need not be a batch.
#pragma once

#include "runner/package.h"

struct together_part {
    const struct tensor *inputs; // one for every input of the model; borrowed
    struct tensor *outputs;      // room for ENGINE_VALUES_MAX
    struct err err;
};

bool together_possible(const struct package *package);

// Calls `answer` once for each part, when its outputs (or its err) are there and before they go.
// What fits no other part runs alone, and so does each of a run that failed.
void together_run(struct package *package, struct together_part **parts, size_t count,
                  void (*answer)(void *ctx, struct together_part *part), void *ctx);
