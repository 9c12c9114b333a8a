// SPDX-License-Identifier: Apache-2.0
// Writes the quantized graph that the plan describes. Each quantized value v gets a pair
//
//     v ─ QuantizeLinear ─ v__u8 ─ DequantizeLinear ─ v__float
//
// and all its readers read v__float: whether they compute with bytes or floats is up to the engine, who
// sees the pairs around the operators.
#include "quantize/static.h"
#include "base/check.h"
#include "base/mem.h"
#include "quantize/plan.h"
#include "quantize/report.h"

#define OPSET_LEAST 13

struct writer {
    struct qdq qdq;
    struct plan plan;
};

static char *rounded_name(struct writer *w, const char *value)
{
    return graph_text(w->qdq.graph, "%s__float", value);
}

// `from` is what the value's maker writes, `to` what its readers read.
static void add_pair(struct writer *w, const struct value *value, const char *from, const char *to)
{
    qdq_add_scale(&w->qdq, value->name, w->plan.values[plan_index(&w->plan, value)].scale);
    qdq_add_pair(&w->qdq, from, value->name, to);
}

// ---- nodes ----

static int write_operands(struct writer *w, Onnx__NodeProto *node, enum role role, struct err *err)
{
    if (role == ROLE_ANCHOR) {
        const struct value *x = wiring_input(&w->plan.wiring, node, 0);
        float x_scale = w->plan.values[plan_index(&w->plan, x)].scale.scale;
        return qdq_add_weights(&w->qdq, node, x_scale, node->output[0], err);
    }
    size_t inputs = role == ROLE_OWN ? plan_data_inputs(node) : 0;
    for (size_t i = 0; i < inputs; i++) {
        if (wiring_input(&w->plan.wiring, node, i)->weight) {
            TRY(qdq_add_constant(&w->qdq, node, i, err));
        }
    }
    return 0;
}

static bool is_wanted(const struct writer *w, const struct value *value)
{
    return value && w->plan.values[plan_index(&w->plan, value)].wanted;
}

static void read_rounded(struct writer *w, Onnx__NodeProto *node)
{
    for (size_t i = 0; i < node->n_input; i++) {
        const struct value *value = wiring_input(&w->plan.wiring, node, i);
        if (is_wanted(w, value)) {
            // The graph's own output is the rounded one, so that the engine need not keep both.
            bool output = value->is_output && value->maker;
            node->input[i] = output ? node->input[i] : rounded_name(w, value->name);
        }
    }
}

static void write_pairs(struct writer *w, Onnx__NodeProto *node)
{
    for (size_t i = 0; i < node->n_output; i++) {
        const struct value *value = wiring_output(&w->plan.wiring, node, i);
        if (!is_wanted(w, value)) {
            continue;
        }
        if (value->is_output) {
            node->output[i] = graph_text(w->qdq.graph, "%s__raw", value->name);
            add_pair(w, value, node->output[i], value->name);
        } else {
            add_pair(w, value, value->name, rounded_name(w, value->name));
        }
    }
}

static int write_node(struct writer *w, size_t n, struct err *err)
{
    Onnx__NodeProto *node = w->qdq.graph->model->graph->node[n];
    TRY(write_operands(w, node, w->plan.roles[n], err));
    read_rounded(w, node);
    nodes_add(&w->qdq.nodes, node);
    write_pairs(w, node);
    return 0;
}

static void report_nodes(const struct writer *w, json_t *report)
{
    const Onnx__GraphProto *g = w->qdq.graph->model->graph;
    for (size_t n = 0; n < g->n_node; n++) {
        if (w->plan.roles[n] != ROLE_FLOAT) {
            report_quantized(report, g->node[n]);
        } else if (w->plan.why[n]) {
            report_left(report, g->node[n], w->plan.why[n]);
        } else {
            report_float(report, g->node[n]);
        }
    }
}

static int start(struct writer *w, const struct static_options *options, struct err *err)
{
    if (graph_opset(w->qdq.graph, "") < OPSET_LEAST) {
        return err_set(err, ERR_UNSUPPORTED, "it is of operator set %lld; %d is the least",
                       (long long)graph_opset(w->qdq.graph, ""), OPSET_LEAST);
    }
    TRY(plan_init(&w->plan, w->qdq.graph, options->keep, err));
    w->qdq.wiring = &w->plan.wiring;
    plan_keep_ends(&w->plan, options->ranges);
    plan_scales(&w->plan, options->ranges, options->method);
    for (size_t n = 0; n < w->qdq.graph->model->graph->n_node; n++) {
        if (w->plan.roles[n] == ROLE_ANCHOR) {
            return 0;
        }
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "it has no Conv, Gemm or MatMul with constant weights that could be quantized");
}

static void add_input_pairs(struct writer *w)
{
    for (size_t v = 0; v < w->plan.wiring.count; v++) {
        const struct value *value = &w->plan.wiring.values[v];
        if (is_wanted(w, value) && !value->maker) {
            add_pair(w, value, value->name, rounded_name(w, value->name));
        }
    }
}

static int quantize(struct writer *w, const struct static_options *options, json_t *report,
                    struct err *err)
{
    Onnx__GraphProto *g = w->qdq.graph->model->graph;
    TRY(start(w, options, err));
    report_nodes(w, report);
    add_input_pairs(w);
    for (size_t n = 0; n < g->n_node; n++) {
        TRY(write_node(w, n, err));
    }
    graph_set_nodes(w->qdq.graph, g, &w->qdq.nodes);
    return wiring_drop_unread(w->qdq.graph, err);
}

static void writer_done(struct writer *w)
{
    plan_done(&w->plan);
    nodes_done(&w->qdq.nodes);
}

int static_quantize(struct graph *graph, const struct static_options *options, json_t *report,
                    struct err *err)
{
    CLEAN(writer_done) struct writer w = {.qdq = {.graph = graph, .most = options->most}};
    return quantize(&w, options, report, err);
}

int static_values(const struct graph *graph, const char ***ret, size_t *ret_count, struct err *err)
{
    CLEAN(plan_done) struct plan plan = {0};
    TRY(plan_init(&plan, graph, NULL, err));
    const char **names = mem_alloc((plan.wiring.count + 1) * sizeof *names);
    size_t count = 0;
    for (size_t v = 0; v < plan.wiring.count; v++) {
        if (plan.values[v].wanted) {
            names[count++] = plan.wiring.values[v].name;
        }
    }
    *ret = names;
    *ret_count = count;
    return 0;
}

// ---- probing ----

// x rounded, as the anchor would read it.
static const char *probe_input(struct writer *w, const Onnx__NodeProto *node, const char *name)
{
    const struct value *x = wiring_input(&w->plan.wiring, node, 0);
    char *rounded = graph_text(w->qdq.graph, "%s__x", name);
    qdq_add_scale(&w->qdq, rounded, w->plan.values[plan_index(&w->plan, x)].scale);
    qdq_add_pair(&w->qdq, x->name, rounded, rounded);
    return rounded;
}

static Onnx__NodeProto *copy_node(struct writer *w, const Onnx__NodeProto *node, const char *in,
                                  const char *out)
{
    struct graph *graph = w->qdq.graph;
    Onnx__NodeProto *copy = node_new(graph, node->op_type, NULL, out);
    copy->attribute = node->attribute;
    copy->n_attribute = node->n_attribute;
    node_add_input(graph, copy, in);
    for (size_t i = 1; i < node->n_input; i++) {
        node_add_input(graph, copy, node->input[i]);
    }
    node_add_output(graph, copy, out);
    return copy;
}

static const char *add_op(struct writer *w, const char *op, const char *a, const char *b,
                          const char *out)
{
    Onnx__NodeProto *node = node_new(w->qdq.graph, op, NULL, out);
    node_add_input(w->qdq.graph, node, a);
    if (b) {
        node_add_input(w->qdq.graph, node, b);
    } else {
        node_set_int(w->qdq.graph, node, "keepdims", 0);
    }
    node_add_output(w->qdq.graph, node, out);
    nodes_add(&w->qdq.nodes, node);
    return out;
}

// Beside the node, the same one quantized, with its Relu or Clip; then
// sum((y - quantized)^2) / sum(y^2).
static int probe_anchor(struct writer *w, size_t n, struct err *err)
{
    struct graph *graph = w->qdq.graph;
    const Onnx__NodeProto *node = graph->model->graph->node[n];
    const char *name = graph_text(graph, "%s__probe", node->output[0]);
    const struct value *x = wiring_input(&w->plan.wiring, node, 0);
    const struct value *y = wiring_output(&w->plan.wiring, node, 0);
    Onnx__NodeProto *copy = copy_node(w, node, probe_input(w, node, name), name);
    TRY(qdq_add_weights(&w->qdq, copy, w->plan.values[plan_index(&w->plan, x)].scale.scale, name,
                        err));
    nodes_add(&w->qdq.nodes, copy);
    const Onnx__NodeProto *reader = wiring_only_reader(&w->plan.wiring, y);
    if (reader && w->plan.roles[y->uses[0].node] == ROLE_FUSED) {
        char *fused = graph_text(graph, "%s__fused", name);
        nodes_add(&w->qdq.nodes, copy_node(w, reader, name, fused));
        name = fused;
        y = wiring_output(&w->plan.wiring, reader, 0);
    }
    if (is_wanted(w, y)) {
        char *rounded = graph_text(graph, "%s__rounded", name);
        qdq_add_scale(&w->qdq, rounded, w->plan.values[plan_index(&w->plan, y)].scale);
        qdq_add_pair(&w->qdq, name, rounded, rounded);
        name = rounded;
    }
    const char *off = add_op(w, "Sub", y->name, name, graph_text(graph, "%s__off", name));
    off = add_op(w, "ReduceSumSquare", off, NULL, graph_text(graph, "%s__sum", off));
    const char *all =
        add_op(w, "ReduceSumSquare", y->name, NULL, graph_text(graph, "%s__all", name));
    graph_add_output(graph, add_op(w, "Div", off, all, graph_text(graph, "%s__share", name)));
    return 0;
}

static int probe(struct writer *w, const struct static_options *options, size_t *from,
                 struct probe_list *list, struct err *err)
{
    Onnx__GraphProto *g = w->qdq.graph->model->graph;
    TRY(start(w, options, err));
    g->n_output = 0;
    for (size_t n = 0; n < g->n_node; n++) {
        nodes_add(&w->qdq.nodes, g->node[n]);
    }
    size_t n = *from;
    for (; n < g->n_node && list->count < ARRAY_SIZE(list->names); n++) {
        if (w->plan.roles[n] == ROLE_ANCHOR) {
            list->names[list->count++] = g->node[n]->output[0];
            TRY(probe_anchor(w, n, err));
        }
    }
    while (n < g->n_node && w->plan.roles[n] != ROLE_ANCHOR) {
        n++;
    }
    *from = n < g->n_node ? n : 0;
    graph_set_nodes(w->qdq.graph, g, &w->qdq.nodes);
    return wiring_drop_unread(w->qdq.graph, err);
}

int static_probe(struct graph *graph, const struct static_options *options, size_t *from,
                 struct probe_list *ret, struct err *err)
{
    CLEAN(writer_done) struct writer w = {.qdq = {.graph = graph, .most = options->most}};
    ret->count = 0;
    return probe(&w, options, from, ret, err);
}
