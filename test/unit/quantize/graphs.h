// SPDX-License-Identifier: Apache-2.0
// For the tests of quantize/: small graphs, made with the functions under test.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants those four first.
#include <cmocka.h>

#include "base/mem.h"
#include "format/onnx.h"
#include "quantize/graph.h"

#include <stdio.h>

#define assert_ok(call, err)                                                                       \
    do {                                                                                           \
        int rc_ = (call);                                                                          \
        if (rc_ < 0) {                                                                             \
            print_error("%s: %s\n", #call, (err).text);                                            \
        }                                                                                          \
        assert_int_equal(rc_, 0);                                                                  \
    } while (0)

// An empty graph of an operator set below 128.
static inline void graph_empty(struct graph *graph, char opset)
{
    char bytes[] = {0x08, 0x08, 0x3a, 0x00, 0x42, 0x02, 0x10, opset}; // ir, graph, opset_import
    struct err err = {0};
    assert_ok(graph_read(str_n(bytes, sizeof bytes), graph, &err), err);
}

// Adds y = op(inputs…); the inputs are names with blanks between them.
static inline Onnx__NodeProto *add(struct graph *graph, const char *op, const char *inputs,
                                   const char *output)
{
    Onnx__GraphProto *g = graph->model->graph;
    CLEAN(nodes_done) struct nodes nodes = {0};
    for (size_t i = 0; i < g->n_node; i++) {
        nodes_add(&nodes, g->node[i]);
    }
    Onnx__NodeProto *node = node_new(graph, op, NULL, output);
    for (struct str rest = str_of(inputs); rest.at;) {
        CLEAN_MEM char *name = str_dup(str_cut(&rest, ' '));
        node_add_input(graph, node, name);
    }
    node_add_output(graph, node, output);
    nodes_add(&nodes, node);
    graph_set_nodes(graph, g, &nodes);
    return node;
}

// Weights that go up and down, from -1 to 1.
static inline float *weight(struct graph *graph, const char *name, int64_t a, int64_t b, int64_t c,
                            int64_t d)
{
    int64_t dims[] = {a, b, c, d};
    size_t rank = d ? 4 : c ? 3 : b ? 2 : 1, count = 1;
    for (size_t i = 0; i < rank; i++) {
        count *= (size_t)dims[i];
    }
    float *at = weight_new(graph, name, ONNX_FLOAT, dims, rank, count * sizeof *at);
    for (size_t i = 0; i < count; i++) {
        at[i] = (float)(i % 21) / 10 - 1;
    }
    return at;
}

static inline const Onnx__NodeProto *made_by(const struct graph *graph, const char *value)
{
    const Onnx__GraphProto *g = graph->model->graph;
    for (size_t n = 0; n < g->n_node; n++) {
        for (size_t i = 0; i < g->node[n]->n_output; i++) {
            if (strcmp(g->node[n]->output[i], value) == 0) {
                return g->node[n];
            }
        }
    }
    return NULL;
}

static inline const Onnx__TensorProto *weight_of(const struct graph *graph, const char *name)
{
    const Onnx__GraphProto *g = graph->model->graph;
    for (size_t i = 0; i < g->n_initializer; i++) {
        if (strcmp(g->initializer[i]->name, name) == 0) {
            return g->initializer[i];
        }
    }
    return NULL;
}

static inline size_t count_ops(const struct graph *graph, const char *op)
{
    size_t count = 0;
    for (size_t n = 0; n < graph->model->graph->n_node; n++) {
        count += strcmp(graph->model->graph->node[n]->op_type, op) == 0;
    }
    return count;
}

// That the nodes of a chain have these operators: from the value on, by the first inputs.
static inline void assert_chain(const struct graph *graph, const char *value, const char *ops)
{
    for (struct str rest = str_of(ops); rest.at;) {
        struct str op = str_cut(&rest, ' ');
        const Onnx__NodeProto *node = made_by(graph, value);
        assert_non_null(node);
        assert_true(str_eq(op, str_of(node->op_type)));
        value = node->input[0];
    }
}
