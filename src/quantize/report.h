// SPDX-License-Identifier: Apache-2.0
// What became of each operator, for the user:
//
//     {"quantized": {"Conv": 26}, "float": {"Softmax": 1},
//      "left": [{"node": "conv1", "op": "Conv", "why": "its weight is computed"}, …]}
//
// "left" names those that could have been quantized, and why they were not.
#pragma once

#include "quantize/graph.h"

#include <jansson.h>

#define REPORT_LEFT_MAX 50 // named; the rest only count

json_t *report_new(void);
void report_quantized(json_t *report, const Onnx__NodeProto *node);
void report_float(json_t *report, const Onnx__NodeProto *node);
// Counts it as float, too.
void report_left(json_t *report, const Onnx__NodeProto *node, const char *why);
size_t report_quantized_count(const json_t *report);
