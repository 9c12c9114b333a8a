// SPDX-License-Identifier: Apache-2.0
// What values a tensor takes, seen over the runs of a calibration, and the range that eight bits are
// spread over. Two passes over the same runs: range_bound finds the ends, range_count fills a
// histogram between them.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RANGE_BINS 2048

enum range_method {
    RANGE_MINMAX,     // all that was seen
    RANGE_PERCENTILE, // without the largest 0.01 %
    RANGE_ENTROPY,    // least divergence (Kullback-Leibler) of the clipped histogram
    RANGE_METHODS
};

struct range {
    float least, most; // of what was seen; least > most: nothing was
    uint64_t seen;     // elements, in all passes of range_bound
    uint64_t *bins;    // heap: of |x| from 0 to the larger end; NULL before range_count
};

#define RANGE_INIT {.least = 1, .most = -1}

// Elements that are no finite number are passed over.
void range_bound(struct range *range, const float *values, size_t count);
void range_count(struct range *range, const float *values, size_t count);
void range_done(struct range *range);

const char *range_method_name(enum range_method method); // "minmax"

// The range to spread over 256 steps; it holds 0. False: nothing was seen.
bool range_cut(const struct range *range, enum range_method method, float *ret_low,
               float *ret_high);
