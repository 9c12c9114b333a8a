// SPDX-License-Identifier: Apache-2.0
// What static quantization will do to a graph: which operators compute in eight bits, and which values
// are therefore uint8, with what scale.
//
//     Conv, Gemm, MatMul with constant weights are what it is for: the anchors. Relu and Clip behind
//     one are done by its rounding. What lies between anchors and can pass bytes on (MaxPool, Add,
//     Concat, …) is quantized too, so that values need not become floats in between.
#pragma once

#include "quantize/qdq.h"
#include "quantize/ranges.h"

enum role {
    ROLE_FLOAT,
    ROLE_ANCHOR, // Conv, Gemm, MatMul
    ROLE_FUSED,  // Relu or Clip behind one node: one operator with it
    ROLE_SAME,   // its outputs have the scale of its input: it moves bytes
    ROLE_OWN,    // computes; its output has a scale of its own
};

struct plan_value {
    bool wanted; // as uint8
    size_t like; // index of the value whose scale it has; its own index: its own
    struct qdq_scale scale;
};

struct plan {
    struct wiring wiring;
    enum role *roles;          // of the graph's nodes
    const char **why;          // of a node that could be an anchor and is none; NULL
    struct plan_value *values; // of the wiring's values
};

// `keep` NULL, or a map of nodes that are to stay float: any value by the name of their first output.
MUST_CHECK int plan_init(struct plan *plan, const struct graph *graph, const struct map *keep,
                         struct err *err);
void plan_done(struct plan *plan);

// Anchors that are cheap and whose results leave the quantized part at once stay float: they make the
// answer, and rounding it gains nothing. `ranges`: struct range by name of a value.
void plan_keep_ends(struct plan *plan, const struct map *ranges);

// Sets the scales of wanted values.
void plan_scales(struct plan *plan, const struct map *ranges, enum range_method method);

size_t plan_index(const struct plan *plan, const struct value *value);
// How many inputs of the node, from the first on, are what it computes with (as opposed to shapes).
size_t plan_data_inputs(const Onnx__NodeProto *node);
