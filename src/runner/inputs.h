// SPDX-License-Identifier: Apache-2.0
// Made-up inputs to try a model with, the same each time.
#pragma once

#include "engine/engine.h"

struct package;

struct inputs_shape { // of dimensions that the model leaves open
    int64_t batch;    // the first
    int64_t length;   // the others
};

// Fills as tensors usually are: bytes of a picture, fractions, small indices; one for each input. *ret has
// room for ENGINE_VALUES_MAX and is to be released in any case. ERR_LIMIT: they would be too large;
// ERR_UNSUPPORTED: a batch of more than one, and the model has a fixed one.
MUST_CHECK int inputs_make(const struct package *package, struct inputs_shape shape,
                           struct tensor *ret, struct err *err);
void inputs_done(struct tensor *inputs, size_t count);
