// SPDX-License-Identifier: Apache-2.0
// Static quantization: values are rounded to bytes by scales that a calibration found, weights are int8
// with a scale for each channel, biases int32. Written as QuantizeLinear and DequantizeLinear around the
// operators (QDQ), which every ONNX runtime understands and ONNX Runtime fuses away.
//
//     static_values          which values to look at
//     … the model is run on samples; what they hold goes into ranges …
//     static_quantize        the graph, quantized
//
// Needs operator set 13 (upgrade.h).
#pragma once

#include "quantize/graph.h"
#include "quantize/ranges.h"

#include <jansson.h>

struct map;

// Names of values, in the order of the graph: borrowed from it, the list is heap.
MUST_CHECK int static_values(const struct graph *graph, const char ***ret, size_t *ret_count,
                             struct err *err);

struct static_options {
    int most; // see weight_quantize
    enum range_method method;
    const struct map *ranges; // struct range, by the name of a value
    const struct map *keep;   // values that nodes which stay float make first; NULL: none
};

// ERR_UNSUPPORTED: there is nothing to quantize. Fills `report` (report.h).
MUST_CHECK int static_quantize(struct graph *graph, const struct static_options *options,
                               json_t *report, struct err *err);

#define PROBES_MAX 60

struct probe_list {
    const char *names[PROBES_MAX]; // of the nodes' first outputs; the graph's
    size_t count;
};

// Adds, for nodes that would be quantized, the same node quantized beside it. The graph's outputs are
// then how far each of these results is off, as a share of the result's energy, in the order of the
// list. Begins at node `*from`, and sets it to where to go on with another graph; 0: that was all.
MUST_CHECK int static_probe(struct graph *graph, const struct static_options *options, size_t *from,
                            struct probe_list *ret, struct err *err);
