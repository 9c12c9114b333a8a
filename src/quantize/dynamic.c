// SPDX-License-Identifier: Apache-2.0
// A node y = MatMul(x, W) with a constant W becomes
//
//     x ─ DynamicQuantizeLinear ─┬─ xq, x0 ─ MatMulInteger(xq, Wq, x0) ─ Cast ─ Mul ─ y
//                                └─ xs ─ Mul(xs, Ws) ─────────────────────────────┘
//
// which ONNX Runtime runs as one operator. The DynamicQuantizeLinear is shared by all that read x. Wq
// is int8 with a scale for each column.
#include "quantize/dynamic.h"
#include "base/mem.h"
#include "format/onnx.h"
#include "quantize/report.h"
#include "quantize/weights.h"
#include "quantize/wiring.h"

#include <math.h>

#define OPSET_LEAST  11   // DynamicQuantizeLinear is of that one
#define MATRIX_LEAST 1024 // elements: smaller ones cost more to quantize than they gain
#define TABLE_LEAST  65536

struct dynamic {
    struct graph *graph;
    struct wiring wiring;
    struct nodes nodes; // the graph as it will be
    struct map done;    // names of what was quantized already: values, and weights
    json_t *report;
    int most;
};

// A matrix as MatMulInteger wants it: [rows][columns], a scale for each column.
struct matrix {
    const Onnx__TensorProto *weight;
    bool turned; // the weight is its transpose
    size_t rows, columns;
    float factor; // the scales are multiplied with
};

// ---- weights ----

// The first time true.
static bool first_time(struct dynamic *d, const char *name)
{
    return !map_put(&d->done, str_of(name), d);
}

static int add_matrix(struct dynamic *d, const struct matrix *m, const char *name,
                      const char *scale_name, struct err *err)
{
    CLEAN_MEM float *floats = NULL;
    TRY(weight_floats(m->weight, &floats, err));
    if (m->turned) {
        float *straight = weight_transpose(floats, m->columns, m->rows);
        free(floats);
        floats = straight;
    }
    int64_t dims[] = {(int64_t)m->rows, (int64_t)m->columns};
    struct channels channels = {.outer = m->rows, .count = m->columns, .inner = 1};
    int8_t *elements = weight_new(d->graph, name, ONNX_INT8, dims, 2, m->rows * m->columns);
    float *scales =
        weight_new(d->graph, scale_name, ONNX_FLOAT, &dims[1], 1, m->columns * sizeof *scales);
    weight_quantize(floats, &channels, d->most, NULL, elements, scales);
    for (size_t i = 0; i < m->columns; i++) {
        scales[i] *= m->factor;
    }
    return 0;
}

// ---- MatMul and Gemm ----

// x ─ DynamicQuantizeLinear: its outputs are x + these endings.
#define QUANTIZED "__u8"
#define SCALE     "__scale"
#define ZERO      "__zero"

static void quantize_value(struct dynamic *d, const char *value)
{
    char *name = graph_text(d->graph, "%s" QUANTIZED, value);
    if (!first_time(d, name)) {
        return;
    }
    Onnx__NodeProto *node = node_new(d->graph, "DynamicQuantizeLinear", NULL, name);
    node_add_input(d->graph, node, value);
    node_add_output(d->graph, node, name);
    node_add_output(d->graph, node, graph_text(d->graph, "%s" SCALE, value));
    node_add_output(d->graph, node, graph_text(d->graph, "%s" ZERO, value));
    nodes_add(&d->nodes, node);
}

// A node that makes `out` of two values (or of one, when b is NULL).
static Onnx__NodeProto *add_node(struct dynamic *d, const char *op, const char *a, const char *b,
                                 const char *out)
{
    Onnx__NodeProto *node = node_new(d->graph, op, NULL, graph_text(d->graph, "%s__%s", out, op));
    node_add_input(d->graph, node, a);
    if (b) {
        node_add_input(d->graph, node, b);
    }
    node_add_output(d->graph, node, out);
    nodes_add(&d->nodes, node);
    return node;
}

static int add_product(struct dynamic *d, const char *x, const struct matrix *m, const char *y,
                       struct err *err)
{
    struct graph *g = d->graph;
    char *form =
        graph_text(g, "%s%s_%g", m->weight->name, m->turned ? "_turned" : "", (double)m->factor);
    char *weight = graph_text(g, "%s__s8", form), *scale = graph_text(g, "%s__scale", form);
    if (first_time(d, scale)) {
        TRY(add_matrix(d, m, weight, scale, err));
    }
    quantize_value(d, x);
    char *sum = graph_text(g, "%s__s32", y), *cast = graph_text(g, "%s__float", y);
    char *both = graph_text(g, "%s__scale_of_product", y);
    Onnx__NodeProto *product =
        add_node(d, "MatMulInteger", graph_text(g, "%s" QUANTIZED, x), weight, sum);
    node_add_input(g, product, graph_text(g, "%s" ZERO, x));
    node_set_int(g, add_node(d, "Cast", sum, NULL, cast), "to", ONNX_FLOAT);
    add_node(d, "Mul", graph_text(g, "%s" SCALE, x), scale, both);
    add_node(d, "Mul", cast, both, y);
    return 0;
}

// NULL, or why this node stays as it is.
static const char *find_matrix(const struct dynamic *d, const Onnx__NodeProto *node, bool turned,
                               struct matrix *ret)
{
    const struct value *w = wiring_input(&d->wiring, node, 1);
    if (!w || !w->weight) {
        return "its second side is computed";
    }
    const Onnx__TensorProto *weight = w->weight;
    if (weight->data_type != ONNX_FLOAT) {
        return "its weight is not float32 or float16";
    }
    int64_t elements = weight_elements(weight);
    if (weight->n_dims != 2) {
        return "its weight is no matrix";
    }
    if (elements < MATRIX_LEAST) {
        return "its weight is too small to gain from it";
    }
    size_t dims[] = {(size_t)weight->dims[0], (size_t)weight->dims[1]};
    *ret = (struct matrix){.weight = weight,
                           .turned = turned,
                           .rows = dims[turned],
                           .columns = dims[!turned],
                           .factor = 1};
    return NULL;
}

static int take_matmul(struct dynamic *d, Onnx__NodeProto *node, struct err *err)
{
    struct matrix matrix;
    const char *why = find_matrix(d, node, false, &matrix);
    if (why) {
        report_left(d->report, node, why);
        nodes_add(&d->nodes, node);
        return 0;
    }
    report_quantized(d->report, node);
    return add_product(d, node->input[0], &matrix, node->output[0], err);
}

static int take_gemm(struct dynamic *d, Onnx__NodeProto *node, struct err *err)
{
    struct matrix matrix;
    bool turned = node_int(node, "transB", 0) != 0;
    const char *why = node_int(node, "transA", 0) ? "its first side is transposed"
                                                  : find_matrix(d, node, turned, &matrix);
    const char *bias = node_input(node, 2);
    if (!why && bias && node_float(node, "beta", 1) != 1) {
        why = "its beta is not 1";
    }
    if (why) {
        report_left(d->report, node, why);
        nodes_add(&d->nodes, node);
        return 0;
    }
    matrix.factor = node_float(node, "alpha", 1);
    report_quantized(d->report, node);
    const char *out = node->output[0];
    char *product = bias ? graph_text(d->graph, "%s__product", out) : node->output[0];
    TRY(add_product(d, node->input[0], &matrix, product, err));
    if (bias) {
        add_node(d, "Add", product, bias, out);
    }
    return 0;
}

// ---- Gather ----

// Rows of a table: y = Gather(Tq, ids) as floats · a scale for each column.
static int take_gather(struct dynamic *d, Onnx__NodeProto *node, struct err *err)
{
    const struct value *table = wiring_input(&d->wiring, node, 0);
    const Onnx__TensorProto *weight = table ? table->weight : NULL;
    bool fits = weight && weight->data_type == ONNX_FLOAT && weight->n_dims == 2 &&
                weight_elements(weight) >= TABLE_LEAST && node_int(node, "axis", 0) == 0;
    for (size_t i = 0; fits && i < table->use_count; i++) { // else it would be there twice
        const Onnx__NodeProto *reader = d->graph->model->graph->node[table->uses[i].node];
        fits = node_is(reader, "Gather") && node_int(reader, "axis", 0) == 0;
    }
    if (!fits || table->captured || table->is_output) {
        report_float(d->report, node);
        nodes_add(&d->nodes, node);
        return 0;
    }
    struct matrix matrix = {.weight = weight,
                            .rows = (size_t)weight->dims[0],
                            .columns = (size_t)weight->dims[1],
                            .factor = 1};
    char *name = graph_text(d->graph, "%s__s8", weight->name);
    char *scale = graph_text(d->graph, "%s__scale", weight->name);
    if (first_time(d, scale)) {
        int most = d->most;
        d->most = 127; // these are in no product that could saturate
        int rc = add_matrix(d, &matrix, name, scale, err);
        d->most = most;
        TRY(rc);
    }
    const char *out = node->output[0];
    char *rows = graph_text(d->graph, "%s__s8", out),
         *cast = graph_text(d->graph, "%s__float", out);
    add_node(d, "Gather", name, node->input[1], rows);
    node_set_int(d->graph, add_node(d, "Cast", rows, NULL, cast), "to", ONNX_FLOAT);
    add_node(d, "Mul", cast, scale, out);
    report_quantized(d->report, node);
    return 0;
}

// ---- all ----

static int take_node(struct dynamic *d, Onnx__NodeProto *node, struct err *err)
{
    bool binary = node->n_input >= 2 && node->n_output == 1 && *node->output[0];
    if (binary && node_is(node, "MatMul")) {
        return take_matmul(d, node, err);
    }
    if (binary && node_is(node, "Gemm")) {
        return take_gemm(d, node, err);
    }
    if (binary && node_is(node, "Gather")) {
        return take_gather(d, node, err);
    }
    report_float(d->report, node);
    nodes_add(&d->nodes, node);
    return 0;
}

static int quantize(struct dynamic *d, struct err *err)
{
    const Onnx__GraphProto *g = d->graph->model->graph;
    TRY(wiring_init(&d->wiring, d->graph, err));
    for (size_t n = 0; n < g->n_node; n++) {
        TRY(take_node(d, g->node[n], err));
    }
    if (report_quantized_count(d->report) == 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "it has no MatMul or Gemm with a constant matrix worth quantizing");
    }
    graph_set_nodes(d->graph, d->graph->model->graph, &d->nodes);
    return wiring_drop_unread(d->graph, err);
}

int dynamic_quantize(struct graph *graph, int most, json_t *report, struct err *err)
{
    int64_t opset = graph_opset(graph, "");
    if (opset < OPSET_LEAST) {
        return err_set(err, ERR_UNSUPPORTED,
                       "it is of operator set %lld; dynamic quantization needs %d",
                       (long long)opset, OPSET_LEAST);
    }
    struct dynamic d = {.graph = graph, .report = report, .most = most};
    int rc = quantize(&d, err);
    wiring_done(&d.wiring);
    nodes_done(&d.nodes);
    map_done(&d.done);
    return rc;
}
