// SPDX-License-Identifier: Apache-2.0
// The wiring of a graph: counted first, then filled in, so that all uses lie in one block.
#include "quantize/wiring.h"
#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>

static struct value *value_of(struct wiring *w, const char *name)
{
    size_t index = (size_t)(uintptr_t)map_get(&w->by_name, str_of(name));
    if (index) {
        return &w->values[index - 1];
    }
    struct value *value = &w->values[w->count++]; // there is room for every mention
    value->name = name;
    map_put(&w->by_name, str_of(name), (void *)(uintptr_t)w->count);
    return value;
}

// ---- what nested graphs read ----

static void capture(struct wiring *w, const Onnx__GraphProto *graph);

static void capture_node(struct wiring *w, const Onnx__NodeProto *node)
{
    for (size_t i = 0; i < node->n_attribute; i++) {
        const Onnx__AttributeProto *attribute = node->attribute[i];
        if (attribute->g) {
            capture(w, attribute->g);
        }
        for (size_t g = 0; g < attribute->n_graphs; g++) {
            capture(w, attribute->graphs[g]);
        }
    }
}

static void capture_name(struct wiring *w, const char *name)
{
    struct value *value = name ? wiring_value(w, name) : NULL;
    if (value) {
        value->captured = true;
    }
}

// By name alone: one that the nested graph makes itself counts as well, which only costs us a chance.
// The depth is bounded where graphs are read.
static void capture(struct wiring *w, const Onnx__GraphProto *graph)
{
    for (size_t n = 0; n < graph->n_node; n++) {
        const Onnx__NodeProto *node = graph->node[n];
        for (size_t i = 0; i < node->n_input; i++) {
            capture_name(w, node->input[i]);
        }
        capture_node(w, node);
    }
    for (size_t i = 0; i < graph->n_output; i++) {
        capture_name(w, graph->output[i]->name);
    }
}

// ---- the graph's own values ----

static size_t count_mentions(const Onnx__GraphProto *graph)
{
    size_t count = graph->n_input + graph->n_initializer + graph->n_output;
    for (size_t n = 0; n < graph->n_node; n++) {
        count += graph->node[n]->n_input + graph->node[n]->n_output;
    }
    return count;
}

static int add_makers(struct wiring *w, const Onnx__GraphProto *graph, struct err *err)
{
    for (size_t i = 0; i < graph->n_initializer; i++) {
        if (graph->initializer[i]->name) {
            value_of(w, graph->initializer[i]->name)->weight = graph->initializer[i];
        }
    }
    for (size_t i = 0; i < graph->n_input; i++) {
        struct value *value = graph->input[i]->name ? value_of(w, graph->input[i]->name) : NULL;
        if (value) {
            value->is_input = true;
            value->weight = NULL; // the caller may give another
        }
    }
    for (size_t n = 0; n < graph->n_node; n++) {
        Onnx__NodeProto *node = graph->node[n];
        for (size_t i = 0; i < node->n_output; i++) {
            struct value *value = *node->output[i] ? value_of(w, node->output[i]) : NULL;
            if (value && value->maker) {
                return err_set(err, ERR_INVALID, "two nodes of the model make \"%s\"", value->name);
            }
            if (value) {
                value->maker = node;
                value->maker_index = n;
            }
        }
    }
    return 0;
}

static void add_uses(struct wiring *w, const Onnx__GraphProto *graph)
{
    for (size_t n = 0; n < graph->n_node; n++) {
        for (size_t i = 0; i < graph->node[n]->n_input; i++) {
            if (*graph->node[n]->input[i]) {
                value_of(w, graph->node[n]->input[i])->use_count++;
            }
        }
    }
    struct use *at = w->uses;
    for (size_t v = 0; v < w->count; v++) {
        w->values[v].uses = at;
        at += w->values[v].use_count;
        w->values[v].use_count = 0;
    }
    for (size_t n = 0; n < graph->n_node; n++) {
        for (size_t i = 0; i < graph->node[n]->n_input; i++) {
            if (*graph->node[n]->input[i]) {
                struct value *value = value_of(w, graph->node[n]->input[i]);
                value->uses[value->use_count++] = (struct use){.node = n, .input = i};
            }
        }
    }
}

int wiring_init(struct wiring *w, const struct graph *graph, struct err *err)
{
    const Onnx__GraphProto *g = graph->model->graph;
    size_t mentions = count_mentions(g);
    *w = (struct wiring){.graph = graph,
                         .values = mem_alloc((mentions + 1) * sizeof *w->values),
                         .uses = mem_alloc((mentions + 1) * sizeof *w->uses)};
    TRY(add_makers(w, g, err));
    add_uses(w, g);
    for (size_t i = 0; i < g->n_output; i++) {
        if (g->output[i]->name) {
            value_of(w, g->output[i]->name)->is_output = true;
        }
    }
    for (size_t n = 0; n < g->n_node; n++) {
        capture_node(w, g->node[n]);
    }
    return 0;
}

void wiring_done(struct wiring *w)
{
    free(w->values);
    free(w->uses);
    map_done(&w->by_name);
    *w = (struct wiring){0};
}

int wiring_check_order(const struct wiring *w, struct err *err)
{
    for (size_t v = 0; v < w->count; v++) {
        const struct value *value = &w->values[v];
        for (size_t u = 0; value->maker && u < value->use_count; u++) {
            if (value->uses[u].node <= value->maker_index) {
                return err_set(err, ERR_INVALID,
                               "a node of the model reads \"%s\" before it is made", value->name);
            }
        }
    }
    return 0;
}

struct value *wiring_value(const struct wiring *w, const char *name)
{
    size_t index = (size_t)(uintptr_t)map_get(&w->by_name, str_of(name));
    return index ? &w->values[index - 1] : NULL;
}

struct value *wiring_input(const struct wiring *w, const Onnx__NodeProto *node, size_t index)
{
    const char *name = node_input(node, index);
    return name ? wiring_value(w, name) : NULL;
}

struct value *wiring_output(const struct wiring *w, const Onnx__NodeProto *node, size_t index)
{
    bool there = index < node->n_output && *node->output[index];
    return there ? wiring_value(w, node->output[index]) : NULL;
}

Onnx__NodeProto *wiring_only_reader(const struct wiring *w, const struct value *value)
{
    bool alone = value->use_count == 1 && !value->is_output && !value->captured;
    return alone ? w->graph->model->graph->node[value->uses[0].node] : NULL;
}

int wiring_drop_unread(struct graph *graph, struct err *err)
{
    CLEAN(wiring_done) struct wiring w = {0};
    TRY(wiring_init(&w, graph, err));
    Onnx__GraphProto *g = graph->model->graph;
    size_t kept = 0;
    for (size_t i = 0; i < g->n_initializer; i++) {
        const char *name = g->initializer[i]->name;
        const struct value *value = name ? wiring_value(&w, name) : NULL;
        if (value && (value->use_count || value->is_output || value->captured)) {
            g->initializer[kept++] = g->initializer[i];
        }
    }
    g->n_initializer = kept;
    return 0;
}
