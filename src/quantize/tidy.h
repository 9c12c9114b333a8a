// SPDX-License-Identifier: Apache-2.0
// A graph made plain before it is quantized: weights that are weights, and nothing said that is not so.
#pragma once

#include "quantize/wiring.h"

// Every tensor: weights and constants, those of nested graphs and of functions too. Stops at what is
// not 0 and returns it.
typedef int tidy_tensor_fn(void *ctx, Onnx__TensorProto *tensor);
int tidy_each_tensor(const struct graph *graph, tidy_tensor_fn *each, void *ctx);

bool tidy_is_external(const Onnx__TensorProto *tensor); // its elements are in another file

// Weights are no inputs any more (files before IR 4 list them as such), and operator sets that no node
// is of are not mentioned.
void tidy(struct graph *graph);

// Rows of the smallest table that Gather reads by what the value says; 0: it is no such index.
int64_t tidy_rows(const struct wiring *wiring, const char *value);
