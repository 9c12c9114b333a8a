// SPDX-License-Identifier: Apache-2.0
// Who makes each value of a graph and who reads it. A picture of the graph at one moment: make it
// anew when the graph has been changed.
#pragma once

#include "base/map.h"
#include "quantize/graph.h"

struct use {
    size_t node;  // in the graph's list
    size_t input; // of the node
};

struct value {
    const char *name;
    Onnx__NodeProto *maker;    // NULL: an input or a weight
    size_t maker_index;        // in the graph's list
    Onnx__TensorProto *weight; // NULL: it is computed, or may be given by the caller
    struct use *uses;          // by nodes of the graph itself
    size_t use_count;
    bool is_input, is_output;
    bool captured; // a nested graph reads it as well
};

struct wiring {
    const struct graph *graph;
    struct value *values;
    size_t count;
    struct map by_name; // index + 1
    struct use *uses;   // of all values
};

// ERR_INVALID when two nodes make the same value. What is in the graph stays where it is.
MUST_CHECK int wiring_init(struct wiring *wiring, const struct graph *graph, struct err *err);
void wiring_done(struct wiring *wiring);

// ERR_INVALID unless every node comes after those that make what it reads.
MUST_CHECK int wiring_check_order(const struct wiring *wiring, struct err *err);

struct value *wiring_value(const struct wiring *wiring, const char *name); // NULL
// Of a node's input or output; NULL when it is left out.
struct value *wiring_input(const struct wiring *wiring, const Onnx__NodeProto *node, size_t index);
struct value *wiring_output(const struct wiring *wiring, const Onnx__NodeProto *node, size_t index);

// The one node that reads it; NULL when several do, or somebody else as well.
Onnx__NodeProto *wiring_only_reader(const struct wiring *wiring, const struct value *value);

// Takes out of the graph the weights that nobody reads (any more).
MUST_CHECK int wiring_drop_unread(struct graph *graph, struct err *err);
