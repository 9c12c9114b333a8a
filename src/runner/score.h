// SPDX-License-Identifier: Apache-2.0
// How good a changed model is: its answers beside the original's, and its time.
#pragma once

#include "runner/samples.h"

struct package;

struct score {
    const char *metric;         // what `loss` is a loss of
    double loss;                // 0: as good as the original; may be below 0 where labels say so
    double distance;            // 1 - cosine of the outputs
    double top1, top1_original; // shares of right answers; -1: nobody knows what is right
};

// Of two tensors taken as vectors: 1 when they are the same but for a factor, 0 when they are of
// different types or sizes.
double score_cosine(const struct tensor *a, const struct tensor *b);

// `package` is the original's. Labels, where all samples have one; else what the task says answers
// share; else 1 - cosine of the outputs.
MUST_CHECK int score_answers(const struct samples *samples, struct package *package,
                             struct model *model, struct score *ret, struct err *err);

// Microseconds that a run computes: the least of many, in turn, since the machine is not ours alone.
MUST_CHECK int score_speed(const struct samples *samples, struct model *original,
                           struct model *model, int64_t *ret_original_us, int64_t *ret_us,
                           struct err *err);
