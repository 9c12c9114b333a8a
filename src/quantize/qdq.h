// SPDX-License-Identifier: Apache-2.0
// The pieces that a quantized graph is written of: QuantizeLinear and DequantizeLinear, and weights in
// eight bits behind a DequantizeLinear. Names are made of the names of what they belong to.
#pragma once

#include "quantize/ranges.h"
#include "quantize/wiring.h"

struct qdq {
    struct graph *graph;
    const struct wiring *wiring; // of the graph as it was
    struct nodes nodes;          // the graph as it will be
    int most;                    // see weight_quantize
};

struct qdq_scale {
    float scale;
    uint8_t zero;
};

// Of the range that was seen, cut by the method; where there was nothing but zeros, 1.
struct qdq_scale qdq_scale_of(const struct range *range, enum range_method method);

// The constants that the others name by `value`.
void qdq_add_scale(struct qdq *q, const char *value, struct qdq_scale scale);

// QuantizeLinear or DequantizeLinear: from `in` to `out`, by the scale of `value`.
Onnx__NodeProto *qdq_add_linear(struct qdq *q, const char *op, const char *in, const char *value,
                                const char *out);

// Both, by way of bytes: `out` is `in`, rounded.
void qdq_add_pair(struct qdq *q, const char *in, const char *value, const char *out);

// Weight and bias of a Conv, Gemm or MatMul that reads what has `x_scale`; the node then reads them.
// `name` is what theirs begin with. ERR_INVALID: a weight is damaged.
MUST_CHECK int qdq_add_weights(struct qdq *q, Onnx__NodeProto *node, float x_scale,
                               const char *name, struct err *err);

// A constant of another node, as one uint8 tensor with one scale; the node then reads that.
MUST_CHECK int qdq_add_constant(struct qdq *q, Onnx__NodeProto *node, size_t input,
                                struct err *err);
