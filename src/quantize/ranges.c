// SPDX-License-Identifier: Apache-2.0
// Ranges of activations, and where to cut them. The histogram is of sizes, |x|: what is cut off are the
// far ends, on whichever side they are.
#include "quantize/ranges.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

#define PERCENTILE 0.9999
#define STEP       8 // bins between two thresholds that are tried

static float reach(const struct range *range)
{
    return fmaxf(fabsf(range->least), fabsf(range->most));
}

void range_bound(struct range *range, const float *values, size_t count)
{
    float least = INFINITY, most = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        if (isfinite(values[i])) {
            least = values[i] < least ? values[i] : least;
            most = values[i] > most ? values[i] : most;
        }
    }
    range->seen += count;
    if (least > most) {
        return;
    }
    bool first = range->least > range->most;
    range->least = first || least < range->least ? least : range->least;
    range->most = first || most > range->most ? most : range->most;
}

void range_count(struct range *range, const float *values, size_t count)
{
    if (!range->bins) {
        range->bins = mem_alloc(RANGE_BINS * sizeof *range->bins);
    }
    float end = reach(range);
    float per_unit = end > 0 ? RANGE_BINS / end : 0;
    for (size_t i = 0; i < count; i++) {
        float at = fabsf(values[i]) * per_unit;
        if (at > 0 && isfinite(at)) { // zeros, of which Relu makes many, are exact in any range
            range->bins[at < RANGE_BINS ? (size_t)at : RANGE_BINS - 1]++;
        }
    }
}

void range_done(struct range *range)
{
    free(range->bins);
    *range = (struct range)RANGE_INIT;
}

const char *range_method_name(enum range_method method)
{
    static const char *const names[] = {"minmax", "percentile", "entropy"};
    return names[method];
}

// ---- thresholds, in bins ----

static size_t percentile_bin(const uint64_t *bins)
{
    uint64_t total = 0, below = 0;
    for (size_t i = 0; i < RANGE_BINS; i++) {
        total += bins[i];
    }
    size_t i = 0;
    while (i < RANGE_BINS && (double)below < PERCENTILE * (double)total) {
        below += bins[i++];
    }
    return i ? i : RANGE_BINS;
}

// How far what `levels` steps can tell of the first `end` bins is from what was there, where all beyond
// them falls into the last one.
static double divergence(const uint64_t *bins, size_t end, size_t levels, uint64_t beyond,
                         uint64_t total)
{
    double sum = 0;
    for (size_t level = 0; level < levels; level++) {
        size_t from = level * end / levels, to = (level + 1) * end / levels;
        uint64_t mass = 0;
        size_t taken = 0;
        for (size_t i = from; i < to; i++) {
            mass += bins[i];
            taken += bins[i] > 0;
        }
        for (size_t i = from; i < to; i++) {
            // What was cut off is the reference's, not the quantized one's: that is its price.
            uint64_t here = bins[i] + (i == end - 1 ? beyond : 0);
            double p = (double)here / (double)total;
            double q = bins[i] ? (double)mass / (double)taken / (double)(total - beyond) : 0;
            sum += here ? p * log(p / fmax(q, 1e-9)) : 0;
        }
    }
    return sum;
}

static size_t entropy_bin(const uint64_t *bins, size_t levels)
{
    uint64_t total = 0, inside = 0;
    for (size_t i = 0; i < RANGE_BINS; i++) {
        total += bins[i];
    }
    for (size_t i = 0; i < levels; i++) {
        inside += bins[i];
    }
    double least = INFINITY;
    size_t best = RANGE_BINS;
    for (size_t end = levels; end <= RANGE_BINS; end += STEP) {
        double far = inside ? divergence(bins, end, levels, total - inside, total) : INFINITY;
        if (far < least) {
            least = far;
            best = end;
        }
        for (size_t i = end; i < end + STEP && i < RANGE_BINS; i++) {
            inside += bins[i];
        }
    }
    return best;
}

bool range_cut(const struct range *range, enum range_method method, float *ret_low, float *ret_high)
{
    if (range->least > range->most) {
        return false;
    }
    float low = fminf(range->least, 0), high = fmaxf(range->most, 0);
    if (range->bins && method != RANGE_MINMAX) {
        size_t levels = range->least >= 0 || range->most <= 0 ? 256 : 128;
        size_t bin = method == RANGE_PERCENTILE ? percentile_bin(range->bins)
                                                : entropy_bin(range->bins, levels);
        float end = reach(range) * (float)bin / RANGE_BINS;
        low = fmaxf(low, -end);
        high = fminf(high, end);
    }
    *ret_low = low;
    *ret_high = high;
    return true;
}
