// SPDX-License-Identifier: Apache-2.0
// Weights: read as floats, and made into int8 with one scale for each channel.
#pragma once

#include "base/err.h"
#include "quantize/graph.h"

// Elements of a tensor; -1 when its dimensions are impossible.
int64_t weight_elements(const Onnx__TensorProto *weight);

// float32 and float16, wherever in the tensor they are. Heap. ERR_INVALID: their number is not that of
// the shape; ERR_UNSUPPORTED: another type.
MUST_CHECK int weight_floats(const Onnx__TensorProto *weight, float **ret, struct err *err);

// How a weight is cut: [outer][channels][inner], a scale for each channel.
struct channels {
    size_t outer, count, inner;
};

// Symmetric: q = round(w / scale), |q| <= most (127, or 64 where sums of pairs saturate). `floor`
// NULL, or the least scale of each channel. A channel of zeros gets the scale 1 (or its floor).
void weight_quantize(const float *weight, const struct channels *channels, int most,
                     const float *floor, int8_t *ret, float *ret_scales);

// [rows][columns] to [columns][rows]. Heap.
float *weight_transpose(const float *weight, size_t rows, size_t columns);

// The most that |q| may be on this processor. Without the dot-product instructions (VNNI), x86 adds
// two products u8 · s8 in 16 bits, saturating: 255 · 127 · 2 does not fit, 255 · 64 · 2 does.
int weight_most_here(void);
