// SPDX-License-Identifier: Apache-2.0
// Finds what to quantize: everything that could be is assumed to be, then what cannot get or cannot
// pass on bytes is taken back until nothing changes any more.
#include "quantize/plan.h"
#include "base/check.h"
#include "base/mem.h"
#include "format/onnx.h"
#include "quantize/weights.h"

#include <math.h>

#define END_SHARE 0.05 // of all multiplications: an anchor at an end that has less is cheap

// ---- operators ----

static const struct op_kind {
    const char *op;
    enum role role;
    size_t inputs; // with data; 0: all
} operators[] = {
    {"Conv", ROLE_ANCHOR, 1},       {"Gemm", ROLE_ANCHOR, 1},
    {"MatMul", ROLE_ANCHOR, 1},     {"Relu", ROLE_OWN, 1},
    {"Clip", ROLE_OWN, 1},          {"Add", ROLE_OWN, 2},
    {"Mul", ROLE_OWN, 2},           {"Concat", ROLE_OWN, 0},
    {"AveragePool", ROLE_OWN, 1},   {"GlobalAveragePool", ROLE_OWN, 1},
    {"Sigmoid", ROLE_OWN, 1},       {"LeakyRelu", ROLE_OWN, 1},
    {"MaxPool", ROLE_SAME, 1},      {"Reshape", ROLE_SAME, 1},
    {"Flatten", ROLE_SAME, 1},      {"Squeeze", ROLE_SAME, 1},
    {"Unsqueeze", ROLE_SAME, 1},    {"Transpose", ROLE_SAME, 1},
    {"Slice", ROLE_SAME, 1},        {"Split", ROLE_SAME, 1},
    {"DepthToSpace", ROLE_SAME, 1}, {"SpaceToDepth", ROLE_SAME, 1},
    {"Resize", ROLE_SAME, 1},
};

static const struct op_kind *operator_of(const Onnx__NodeProto *node)
{
    for (size_t i = 0; i < ARRAY_SIZE(operators); i++) {
        if (node_is(node, operators[i].op)) {
            return &operators[i];
        }
    }
    return NULL;
}

size_t plan_data_inputs(const Onnx__NodeProto *node)
{
    const struct op_kind *op = operator_of(node);
    size_t inputs = op && op->inputs ? op->inputs : node->n_input;
    return inputs < node->n_input ? inputs : node->n_input;
}

// ---- anchors ----

static const char *check_weight(const struct plan *plan, const Onnx__NodeProto *node)
{
    const struct value *weight = wiring_input(&plan->wiring, node, 1);
    if (!weight || !weight->weight) {
        return "its weight is computed";
    }
    bool conv = node_is(node, "Conv");
    size_t rank = weight->weight->n_dims;
    if (weight->weight->data_type != ONNX_FLOAT) {
        return "its weight is not float32 or float16";
    }
    if (conv ? rank < 3 || rank > 5 : rank != 2) {
        return "its weight has a shape that is not supported";
    }
    return weight_elements(weight->weight) > 0 ? NULL : "its weight is empty";
}

static const char *check_bias(const struct plan *plan, const Onnx__NodeProto *node)
{
    const struct value *bias = wiring_input(&plan->wiring, node, 2);
    if (!node_input(node, 2)) {
        return NULL;
    }
    if (!bias || !bias->weight || bias->weight->data_type != ONNX_FLOAT) {
        return "its bias is computed";
    }
    const Onnx__TensorProto *weight = wiring_input(&plan->wiring, node, 1)->weight;
    bool by_column = node_is(node, "Gemm") && !node_int(node, "transB", 0);
    return weight_elements(bias->weight) == weight->dims[by_column]
               ? NULL
               : "its bias has another shape than one number for each channel";
}

// NULL, or why it stays float.
static const char *check_anchor(const struct plan *plan, const Onnx__NodeProto *node)
{
    if (node->n_input < 2 || node->n_output != 1 || !wiring_output(&plan->wiring, node, 0)) {
        return "it has inputs or outputs that are not supported";
    }
    const struct value *x = wiring_input(&plan->wiring, node, 0);
    if (!x || x->weight) {
        return "its input is constant";
    }
    const char *why = check_weight(plan, node);
    if (!why && node_is(node, "Gemm") &&
        (node_int(node, "transA", 0) || node_float(node, "alpha", 1) != 1 ||
         node_float(node, "beta", 1) != 1)) {
        why = "its alpha, beta or transA is set";
    }
    return why ? why : check_bias(plan, node);
}

// ---- carriers ----

static bool is_nearest(const Onnx__NodeProto *node)
{
    const Onnx__AttributeProto *mode = node_attribute(node, "mode");
    return !mode || str_eq(str_n(mode->s.data, mode->s.len), STR("nearest"));
}

static bool may_carry(const struct plan *plan, const Onnx__NodeProto *node)
{
    for (size_t i = 0; i < node->n_output; i++) {
        if (!wiring_output(&plan->wiring, node, i)) {
            return false;
        }
    }
    bool one = node->n_output == 1 || node_is(node, "Split");
    return one && node->n_input && (!node_is(node, "Resize") || is_nearest(node));
}

// Whether the value is uint8 as things stand, or a weight that could be.
static bool is_fed(const struct plan *plan, const struct value *value, bool *is_weight)
{
    *is_weight = value && value->weight;
    if (!value) {
        return false;
    }
    if (value->weight) {
        return value->weight->data_type == ONNX_FLOAT && weight_elements(value->weight) > 0;
    }
    if (!value->maker) {
        return false;
    }
    size_t maker = value->maker_index;
    return plan->roles[maker] != ROLE_FLOAT;
}

// All it computes with are bytes, and something among it is computed.
static bool can_take(const struct plan *plan, const Onnx__NodeProto *node)
{
    bool any = false;
    size_t inputs = plan_data_inputs(node);
    for (size_t i = 0; i < inputs; i++) {
        bool is_weight = false;
        if (!is_fed(plan, wiring_input(&plan->wiring, node, i), &is_weight)) {
            return false;
        }
        any |= !is_weight;
    }
    return any;
}

static bool reads_as_data(const struct plan *plan, const struct use *use)
{
    const Onnx__NodeProto *reader = plan->wiring.graph->model->graph->node[use->node];
    return plan->roles[use->node] != ROLE_FLOAT && use->input < plan_data_inputs(reader);
}

// Somebody goes on with the bytes.
static bool can_give(const struct plan *plan, const Onnx__NodeProto *node)
{
    for (size_t i = 0; i < node->n_output; i++) {
        const struct value *value = wiring_output(&plan->wiring, node, i);
        for (size_t u = 0; value && u < value->use_count; u++) {
            if (reads_as_data(plan, &value->uses[u])) {
                return true;
            }
        }
    }
    return false;
}

// ---- fused ----

// Relu or Clip that is the one reader of what an anchor or a computing carrier makes.
static bool is_fused(const struct plan *plan, size_t n)
{
    const Onnx__NodeProto *node = plan->wiring.graph->model->graph->node[n];
    if (!node_is(node, "Relu") && !node_is(node, "Clip")) {
        return false;
    }
    const struct value *value = wiring_input(&plan->wiring, node, 0);
    if (!value || !value->maker || wiring_only_reader(&plan->wiring, value) != node) {
        return false;
    }
    enum role maker = plan->roles[value->maker_index];
    return maker == ROLE_ANCHOR || (maker == ROLE_OWN && node_is(value->maker, "Add"));
}

// Conv has no form with bytes in and floats out.
static bool must_round(const struct plan *plan, size_t n)
{
    const Onnx__NodeProto *node = plan->wiring.graph->model->graph->node[n];
    if (plan->roles[n] == ROLE_FUSED) {
        const struct value *value = wiring_input(&plan->wiring, node, 0);
        return must_round(plan, value->maker_index);
    }
    return plan->roles[n] != ROLE_ANCHOR || node_is(node, "Conv");
}

// ---- the plan ----

static void assume(struct plan *plan, const struct map *keep)
{
    const Onnx__GraphProto *g = plan->wiring.graph->model->graph;
    for (size_t n = 0; n < g->n_node; n++) {
        const struct op_kind *op = operator_of(g->node[n]);
        bool kept = keep && g->node[n]->n_output && map_get(keep, str_of(g->node[n]->output[0]));
        if (!op) {
            plan->roles[n] = ROLE_FLOAT;
        } else if (op->role == ROLE_ANCHOR) {
            plan->why[n] =
                kept ? "it would cost too much accuracy" : check_anchor(plan, g->node[n]);
            plan->roles[n] = plan->why[n] ? ROLE_FLOAT : ROLE_ANCHOR;
        } else {
            plan->roles[n] = !kept && may_carry(plan, g->node[n]) ? op->role : ROLE_FLOAT;
        }
        if (plan->roles[n] != ROLE_FLOAT && is_fused(plan, n)) {
            plan->roles[n] = ROLE_FUSED;
        }
    }
}

static bool takes_back(struct plan *plan, size_t n)
{
    const Onnx__NodeProto *node = plan->wiring.graph->model->graph->node[n];
    bool stays = false;
    switch (plan->roles[n]) {
    case ROLE_FLOAT:
    case ROLE_ANCHOR: return false;
    case ROLE_FUSED:
        stays = can_take(plan, node) && (must_round(plan, n) || can_give(plan, node));
        break;
    case ROLE_SAME:
    case ROLE_OWN: stays = can_take(plan, node) && can_give(plan, node); break;
    }
    plan->roles[n] = stays ? plan->roles[n] : ROLE_FLOAT;
    return !stays;
}

static void settle(struct plan *plan)
{
    size_t count = plan->wiring.graph->model->graph->n_node;
    for (bool changed = true; changed;) { // each round takes back one at least
        changed = false;
        for (size_t n = 0; n < count; n++) {
            changed |= takes_back(plan, n);
        }
        for (size_t n = count; n-- > 0;) {
            changed |= takes_back(plan, n);
        }
    }
}

static void want(struct plan *plan, const struct value *value, const struct value *like)
{
    if (!value || value->weight) {
        return;
    }
    plan->values[plan_index(plan, value)].wanted = true;
    if (like) {
        size_t index = plan_index(plan, like);
        plan->values[plan_index(plan, value)].like = plan->values[index].like;
    }
}

// Makers come before readers, so what a value is like is known when it is asked for.
static void want_values(struct plan *plan)
{
    const Onnx__GraphProto *g = plan->wiring.graph->model->graph;
    for (size_t v = 0; v < plan->wiring.count; v++) {
        plan->values[v] = (struct plan_value){.like = v, .scale = {.scale = 1}};
    }
    for (size_t n = 0; n < g->n_node; n++) {
        if (plan->roles[n] == ROLE_FLOAT) {
            continue;
        }
        size_t inputs = plan->roles[n] == ROLE_FUSED ? 0 : plan_data_inputs(g->node[n]);
        for (size_t i = 0; i < inputs; i++) {
            want(plan, wiring_input(&plan->wiring, g->node[n], i), NULL);
        }
        const struct value *in = wiring_input(&plan->wiring, g->node[n], 0);
        const struct value *out = wiring_output(&plan->wiring, g->node[n], 0);
        const Onnx__NodeProto *reader = wiring_only_reader(&plan->wiring, out);
        bool goes_on = reader && plan->roles[out->uses[0].node] == ROLE_FUSED;
        for (size_t i = 0; !goes_on && must_round(plan, n) && i < g->node[n]->n_output; i++) {
            want(plan, wiring_output(&plan->wiring, g->node[n], i),
                 plan->roles[n] == ROLE_SAME ? in : NULL);
        }
    }
}

int plan_init(struct plan *plan, const struct graph *graph, const struct map *keep, struct err *err)
{
    *plan = (struct plan){0};
    TRY(wiring_init(&plan->wiring, graph, err));
    size_t nodes = graph->model->graph->n_node;
    plan->roles = mem_alloc(nodes * sizeof *plan->roles);
    plan->why = mem_alloc(nodes * sizeof *plan->why);
    plan->values = mem_alloc(plan->wiring.count * sizeof *plan->values);
    TRY(wiring_check_order(&plan->wiring, err));
    assume(plan, keep);
    settle(plan);
    want_values(plan);
    return 0;
}

void plan_done(struct plan *plan)
{
    wiring_done(&plan->wiring);
    free(plan->roles);
    free(plan->why);
    free(plan->values);
    *plan = (struct plan){0};
}

size_t plan_index(const struct plan *plan, const struct value *value)
{
    return (size_t)(value - plan->wiring.values);
}

// ---- ends ----

// Multiplications of an anchor over the calibration; 0: not known.
static double work_of(const struct plan *plan, const Onnx__NodeProto *node,
                      const struct map *ranges)
{
    const struct value *out = wiring_output(&plan->wiring, node, 0);
    const Onnx__NodeProto *reader = wiring_only_reader(&plan->wiring, out);
    const struct range *range = map_get(ranges, str_of(out->name));
    if (!range && reader && reader->n_output) {
        range = map_get(ranges, str_of(reader->output[0]));
    }
    const Onnx__TensorProto *weight = wiring_input(&plan->wiring, node, 1)->weight;
    bool by_column = !node_is(node, "Conv") && !node_int(node, "transB", 0);
    double each = (double)weight_elements(weight) / (double)weight->dims[by_column];
    return range ? (double)range->seen * each : 0;
}

static bool is_end(const struct plan *plan, size_t n)
{
    const Onnx__GraphProto *g = plan->wiring.graph->model->graph;
    const struct value *out = wiring_output(&plan->wiring, g->node[n], 0);
    if (wiring_only_reader(&plan->wiring, out) && plan->roles[out->uses[0].node] == ROLE_FUSED) {
        return is_end(plan, out->uses[0].node);
    }
    return must_round(plan, n) && !can_give(plan, g->node[n]);
}

void plan_keep_ends(struct plan *plan, const struct map *ranges)
{
    const Onnx__GraphProto *g = plan->wiring.graph->model->graph;
    double all = 0;
    for (size_t n = 0; n < g->n_node; n++) {
        all += plan->roles[n] == ROLE_ANCHOR ? work_of(plan, g->node[n], ranges) : 0;
    }
    for (size_t n = 0; n < g->n_node; n++) {
        if (plan->roles[n] == ROLE_ANCHOR && is_end(plan, n) &&
            work_of(plan, g->node[n], ranges) < END_SHARE * all) {
            plan->roles[n] = ROLE_FLOAT;
            plan->why[n] = "it makes the answer and is cheap";
        }
    }
    settle(plan);
    want_values(plan);
}

// ---- scales ----

void plan_scales(struct plan *plan, const struct map *ranges, enum range_method method)
{
    for (size_t v = 0; v < plan->wiring.count; v++) {
        const struct range *range = map_get(ranges, str_of(plan->wiring.values[v].name));
        if (plan->values[v].like == v && range) {
            plan->values[v].scale = qdq_scale_of(range, method);
        }
    }
    for (size_t v = 0; v < plan->wiring.count; v++) {
        plan->values[v].scale = plan->values[plan->values[v].like].scale;
    }
}
