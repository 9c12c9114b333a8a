// SPDX-License-Identifier: Apache-2.0
// The inner loops of resizing. A resized pixel is a weighted sum of the pixels near it, rows first
// and columns second, so that only one row of sums is ever held.
#pragma once

#include <stddef.h>
#include <stdint.h>

// What each output along one side is made of: `most` inputs from first[i] on, some of weight 0.
// Windows never leave the input.
struct taps {
    int count, most;
    int *first;     // [count], ascending
    float *weights; // [count][most], each row of sum 1
};

struct taps_ask {
    double start, length; // the part of the input that is resized
    int input;            // inputs there are
    int64_t output;       // outputs that all of `length` would make
    int64_t from;         // the first output that is wanted
    int count;            // and how many
};

// An antialiased triangle filter: as wide as one output, but never narrower than one input.
void taps_init(struct taps *taps, const struct taps_ask *ask);
void taps_done(struct taps *taps);

// ret[i] = sum over t of weights[t] * rows[t * stride + i], for i < width.
void resize_rows(const uint8_t *rows, size_t stride, const float *weights, int count, size_t width,
                 float *ret);

// Input i stands at row[(i - taps->first[0]) * channels]; for three channels, one more float must be
// readable behind the last. ret[k] is channel k's outputs.
void resize_row(const float *row, int channels, const struct taps *taps, float *const ret[3]);
