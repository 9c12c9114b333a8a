// SPDX-License-Identifier: Apache-2.0
// float16 to float32: weights and constants are converted, types are said anew, and what callers see is
// cast. Nested graphs and the model's own functions are gone through too; how deep graphs nest was
// bounded when the model was read.
#include "quantize/float16.h"
#include "base/mem.h"
#include "format/onnx.h"
#include "quantize/weights.h"

#define SUFFIX "__float32"

// ---- asking ----

static bool is_half(const Onnx__ValueInfoProto *value)
{
    const Onnx__TypeProto *type = value->type;
    return type && type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE && type->tensor_type &&
           type->tensor_type->elem_type == ONNX_FLOAT16;
}

static bool any_half(Onnx__ValueInfoProto *const *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_half(values[i])) {
            return true;
        }
    }
    return false;
}

bool float16_is_in(const struct graph *graph)
{
    const Onnx__GraphProto *g = graph->model->graph;
    for (size_t i = 0; i < g->n_initializer; i++) {
        if (g->initializer[i]->data_type == ONNX_FLOAT16) {
            return true;
        }
    }
    return any_half(g->input, g->n_input) || any_half(g->output, g->n_output);
}

// ---- what is inside ----

static int widen_tensor(struct graph *graph, Onnx__TensorProto *tensor, struct err *err)
{
    if (tensor->data_type != ONNX_FLOAT16) {
        return 0;
    }
    CLEAN_MEM float *floats = NULL;
    TRY(weight_floats(tensor, &floats, err));
    size_t size = (size_t)weight_elements(tensor) * sizeof *floats;
    tensor->data_type = ONNX_FLOAT;
    tensor->n_int32_data = 0;
    tensor->has_raw_data = true;
    tensor->raw_data.len = size;
    tensor->raw_data.data = graph_alloc(graph, size);
    memcpy(tensor->raw_data.data, floats, size);
    return 0;
}

static void widen_value(Onnx__ValueInfoProto *value)
{
    if (is_half(value)) {
        value->type->tensor_type->elem_type = ONNX_FLOAT;
    }
}

static int widen_nested(struct graph *graph, Onnx__GraphProto *nested, struct err *err);

static int widen_attribute(struct graph *graph, Onnx__AttributeProto *attribute, struct err *err)
{
    static const char *const types[] = {"to", "dtype", "output_dtype"};
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (attribute->name && strcmp(attribute->name, types[i]) == 0 && attribute->has_i &&
            attribute->i == ONNX_FLOAT16) {
            attribute->i = ONNX_FLOAT;
        }
    }
    if (attribute->t) {
        TRY(widen_tensor(graph, attribute->t, err));
    }
    for (size_t i = 0; i < attribute->n_tensors; i++) {
        TRY(widen_tensor(graph, attribute->tensors[i], err));
    }
    if (attribute->g) {
        TRY(widen_nested(graph, attribute->g, err));
    }
    for (size_t i = 0; i < attribute->n_graphs; i++) {
        TRY(widen_nested(graph, attribute->graphs[i], err));
    }
    return 0;
}

static int widen_nodes(struct graph *graph, Onnx__NodeProto *const *nodes, size_t count,
                       struct err *err)
{
    for (size_t n = 0; n < count; n++) {
        for (size_t i = 0; i < nodes[n]->n_attribute; i++) {
            TRY(widen_attribute(graph, nodes[n]->attribute[i], err));
        }
    }
    return 0;
}

// The engine finds the types of what is in between; what was said of them is not true any more.
static int widen_inside(struct graph *graph, Onnx__GraphProto *g, struct err *err)
{
    for (size_t i = 0; i < g->n_initializer; i++) {
        TRY(widen_tensor(graph, g->initializer[i], err));
    }
    g->n_value_info = 0;
    return widen_nodes(graph, g->node, g->n_node, err);
}

static int widen_nested(struct graph *graph, Onnx__GraphProto *nested, struct err *err)
{
    for (size_t i = 0; i < nested->n_input; i++) {
        widen_value(nested->input[i]);
    }
    for (size_t i = 0; i < nested->n_output; i++) {
        widen_value(nested->output[i]);
    }
    return widen_inside(graph, nested, err);
}

// ---- what callers see ----

static void rename_all(Onnx__GraphProto *g, const char *from, char *to, bool outputs);

static void rename_in_node(Onnx__NodeProto *node, const char *from, char *to, bool outputs)
{
    for (size_t i = 0; i < node->n_input; i++) {
        node->input[i] = strcmp(node->input[i], from) == 0 ? to : node->input[i];
    }
    for (size_t i = 0; outputs && i < node->n_output; i++) {
        node->output[i] = strcmp(node->output[i], from) == 0 ? to : node->output[i];
    }
    for (size_t i = 0; i < node->n_attribute; i++) {
        if (node->attribute[i]->g) {
            rename_all(node->attribute[i]->g, from, to, false);
        }
        for (size_t k = 0; k < node->attribute[i]->n_graphs; k++) {
            rename_all(node->attribute[i]->graphs[k], from, to, false);
        }
    }
}

static void rename_all(Onnx__GraphProto *g, const char *from, char *to, bool outputs)
{
    for (size_t n = 0; n < g->n_node; n++) {
        rename_in_node(g->node[n], from, to, outputs);
    }
}

static Onnx__NodeProto *cast_new(struct graph *graph, const char *from, const char *to, int type)
{
    Onnx__NodeProto *cast = node_new(graph, "Cast", NULL, graph_text(graph, "%s__cast", to));
    node_add_input(graph, cast, from);
    node_add_output(graph, cast, to);
    node_set_int(graph, cast, "to", type);
    return cast;
}

static bool is_weight(const Onnx__GraphProto *g, const char *name)
{
    for (size_t i = 0; i < g->n_initializer; i++) {
        if (g->initializer[i]->name && strcmp(g->initializer[i]->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void cast_borders(struct graph *graph)
{
    Onnx__GraphProto *g = graph->model->graph;
    CLEAN(nodes_done) struct nodes nodes = {0}, last = {0};
    for (size_t i = 0; i < g->n_input; i++) {
        const char *name = g->input[i]->name;
        if (!is_half(g->input[i]) || !name) {
            continue;
        }
        if (is_weight(g, name)) { // an older file's way to list its weights
            widen_value(g->input[i]);
            continue;
        }
        char *inside = graph_text(graph, "%s" SUFFIX, name);
        rename_all(g, name, inside, false);
        nodes_add(&nodes, cast_new(graph, name, inside, ONNX_FLOAT));
    }
    for (size_t i = 0; i < g->n_output; i++) {
        const char *name = g->output[i]->name;
        if (is_half(g->output[i]) && name) {
            char *inside = graph_text(graph, "%s" SUFFIX, name);
            rename_all(g, name, inside, true);
            nodes_add(&last, cast_new(graph, inside, name, ONNX_FLOAT16));
        }
    }
    for (size_t n = 0; n < g->n_node; n++) {
        nodes_add(&nodes, g->node[n]);
    }
    for (size_t n = 0; n < last.count; n++) {
        nodes_add(&nodes, last.at[n]);
    }
    graph_set_nodes(graph, g, &nodes);
}

int float16_widen(struct graph *graph, struct err *err)
{
    TRY(widen_inside(graph, graph->model->graph, err));
    for (size_t i = 0; i < graph->model->n_functions; i++) {
        const Onnx__FunctionProto *function = graph->model->functions[i];
        TRY(widen_nodes(graph, function->node, function->n_node, err));
    }
    cast_borders(graph);
    return 0;
}
