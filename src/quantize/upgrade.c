// SPDX-License-Identifier: Apache-2.0
// Operator sets 7 to 12 to 13. Most operators only took more types meanwhile; of the others, most have
// attributes that became inputs. The list of those that stay as they are is the whole of what is let
// through: an operator that is in no table here may mean something else in 13.
#include "quantize/upgrade.h"
#include "base/mem.h"
#include "format/onnx.h"
#include "quantize/wiring.h"

#define OPSET_OLDEST 7

struct upgrade {
    struct graph *graph;
    struct nodes *nodes; // the list being made: of the graph, or of one nested in it
    unsigned made;       // for names
};

static const char *const unchanged[] = {
    "Abs",
    "Acos",
    "Acosh",
    "Add",
    "And",
    "ArgMax",
    "ArgMin",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "AveragePool",
    "Cast",
    "Ceil",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "ConvInteger",
    "ConvTranspose",
    "Cos",
    "Cosh",
    "CumSum",
    "DepthToSpace",
    "DequantizeLinear",
    "Div",
    "Elu",
    "Equal",
    "Erf",
    "Exp",
    "Expand",
    "Flatten",
    "Floor",
    "GRU",
    "Gather",
    "GatherElements",
    "GatherND",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Greater",
    "GreaterOrEqual",
    "HardSigmoid",
    "Identity",
    "If",
    "InstanceNormalization",
    "IsInf",
    "IsNaN",
    "LRN",
    "LSTM",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "Log",
    "Loop",
    "MatMul",
    "MatMulInteger",
    "Max",
    "MaxPool",
    "Mean",
    "Min",
    "Mod",
    "Mul",
    "Neg",
    "NonMaxSuppression",
    "NonZero",
    "Not",
    "OneHot",
    "Or",
    "PRelu",
    "Pow",
    "QuantizeLinear",
    "RNN",
    "Range",
    "Reciprocal",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSumSquare",
    "Relu",
    "Reshape",
    "ReverseSequence",
    "Round",
    "Scan",
    "ScatterElements",
    "ScatterND",
    "Selu",
    "Shape",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Size",
    "Softplus",
    "Softsign",
    "SpaceToDepth",
    "Sqrt",
    "Sub",
    "Sum",
    "Tan",
    "Tanh",
    "Tile",
    "Transpose",
    "Where",
    "Xor",
};

// ---- attributes that became inputs ----

static void drop_attribute(Onnx__NodeProto *node, const char *name)
{
    size_t kept = 0;
    for (size_t i = 0; i < node->n_attribute; i++) {
        if (strcmp(node->attribute[i]->name ? node->attribute[i]->name : "", name) != 0) {
            node->attribute[kept++] = node->attribute[i];
        }
    }
    node->n_attribute = kept;
}

static char *new_name(struct upgrade *u, const char *what)
{
    return graph_text(u->graph, "upgrade__%s_%u", what, u->made++);
}

// Weights of the outermost graph are seen by nested ones as well.
static const char *add_ints(struct upgrade *u, const char *what, const int64_t *ints, size_t count)
{
    char *name = new_name(u, what);
    int64_t dims[] = {(int64_t)count};
    int64_t *at = weight_new(u->graph, name, ONNX_INT64, dims, 1, count * sizeof *at);
    if (count) {
        memcpy(at, ints, count * sizeof *at);
    }
    return name;
}

// Pads the inputs with empty ones up to `index`, and adds the value there.
static void add_input_at(struct upgrade *u, Onnx__NodeProto *node, size_t index, const char *value)
{
    while (node->n_input < index) {
        node_add_input(u->graph, node, "");
    }
    node_add_input(u->graph, node, value);
}

// A list of numbers; one that is not there adds nothing.
static void ints_to_input(struct upgrade *u, Onnx__NodeProto *node, const char *name, size_t index)
{
    const Onnx__AttributeProto *attribute = node_attribute(node, name);
    if (attribute) {
        add_input_at(u, node, index, add_ints(u, name, attribute->ints, attribute->n_ints));
        drop_attribute(node, name);
    }
}

static void float_to_input(struct upgrade *u, Onnx__NodeProto *node, const char *name, size_t index)
{
    const Onnx__AttributeProto *attribute = node_attribute(node, name);
    if (attribute) {
        char *weight = new_name(u, name);
        weight_add_float(u->graph, weight, attribute->f);
        add_input_at(u, node, index, weight);
        drop_attribute(node, name);
    }
}

// ---- one operator each; node is not in the list yet ----

// Of a float graph: before 11 only floats could be clipped.
static void clip_before_11(struct upgrade *u, Onnx__NodeProto *node)
{
    float_to_input(u, node, "min", 1);
    float_to_input(u, node, "max", 2);
}

static void dropout_before_12(struct upgrade *u, Onnx__NodeProto *node)
{
    (void)u;
    drop_attribute(node, "ratio"); // of training
}

static void normalization_before_9(struct upgrade *u, Onnx__NodeProto *node)
{
    (void)u;
    if (node_int(node, "spatial", 1) == 1) { // the other kind is gone: the engine will say so
        drop_attribute(node, "spatial");
    }
}

static void pad_before_11(struct upgrade *u, Onnx__NodeProto *node)
{
    ints_to_input(u, node, "pads", 1);
    float_to_input(u, node, "value", 2);
}

static void slice_before_10(struct upgrade *u, Onnx__NodeProto *node)
{
    ints_to_input(u, node, "starts", 1);
    ints_to_input(u, node, "ends", 2);
    ints_to_input(u, node, "axes", 3);
}

static void topk_before_10(struct upgrade *u, Onnx__NodeProto *node)
{
    int64_t k = node_int(node, "k", 1);
    add_input_at(u, node, 1, add_ints(u, "k", &k, 1));
    drop_attribute(node, "k");
}

static void axes_before_13(struct upgrade *u, Onnx__NodeProto *node)
{
    ints_to_input(u, node, "axes", 1);
}

static void split_before_13(struct upgrade *u, Onnx__NodeProto *node)
{
    ints_to_input(u, node, "split", 1);
}

static void add_string(struct upgrade *u, Onnx__NodeProto *node, const char *name, const char *text)
{
    node_set_int(u->graph, node, name, 0);
    Onnx__AttributeProto *attribute = node->attribute[node->n_attribute - 1];
    attribute->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
    attribute->has_i = false;
    attribute->has_s = true;
    attribute->s.data = (uint8_t *)graph_text(u->graph, "%s", text);
    attribute->s.len = strlen(text);
}

// x, scales → x, roi, scales; coordinates as they were before one could say which.
static void resize_before_11(struct upgrade *u, Onnx__NodeProto *node)
{
    if (node->n_input == 2) {
        char *scales = node->input[1];
        node->n_input = 1;
        add_input_at(u, node, 2, scales);
    }
    add_string(u, node, "coordinate_transformation_mode", "asymmetric");
    add_string(u, node, "nearest_mode", "floor");
}

static void upsample(struct upgrade *u, Onnx__NodeProto *node)
{
    const Onnx__AttributeProto *scales = node_attribute(node, "scales");
    node->op_type = graph_text(u->graph, "Resize");
    if (scales) { // of set 7
        char *name = new_name(u, "scales");
        int64_t dims[] = {(int64_t)scales->n_floats};
        size_t size = scales->n_floats * sizeof(float);
        float *at = weight_new(u->graph, name, ONNX_FLOAT, dims, 1, size);
        if (size) {
            memcpy(at, scales->floats, size);
        }
        node_add_input(u->graph, node, name);
        drop_attribute(node, "scales");
    }
    resize_before_11(u, node);
}

static Onnx__NodeProto *add_node(struct upgrade *u, const char *op, const char *in, const char *out)
{
    Onnx__NodeProto *node = node_new(u->graph, op, NULL, new_name(u, op));
    node_add_input(u->graph, node, in);
    node_add_output(u->graph, node, out);
    nodes_add(u->nodes, node);
    return node;
}

// What the file says of a value's shape; NULL: nothing.
static const Onnx__TensorShapeProto *shape_of(const Onnx__GraphProto *g, const char *value)
{
    for (size_t i = 0; i < g->n_value_info; i++) {
        const Onnx__TypeProto *type = g->value_info[i]->type;
        bool tensor = type && type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
        if (tensor && g->value_info[i]->name && strcmp(g->value_info[i]->name, value) == 0) {
            return type->tensor_type->shape;
        }
    }
    return NULL;
}

// Whether there is nothing behind that dimension, or only ones.
static bool is_last(const Onnx__TensorShapeProto *shape, int64_t axis)
{
    if (!shape) {
        return axis == -1;
    }
    axis += axis < 0 ? (int64_t)shape->n_dim : 0;
    for (size_t i = (size_t)axis + 1; axis >= 0 && i < shape->n_dim; i++) {
        bool one =
            shape->dim[i]->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE &&
            shape->dim[i]->dim_value == 1;
        if (!one) {
            return false;
        }
    }
    return axis >= 0 && (size_t)axis < shape->n_dim;
}

// It was over all dimensions from the axis on, as if they were one; now it is over one.
static void softmax_before_13(struct upgrade *u, Onnx__NodeProto *node)
{
    if (node->n_input != 1 || node->n_output != 1) {
        return; // damaged: the engine will say so
    }
    int64_t axis = node_int(node, "axis", 1);
    if (is_last(shape_of(u->graph->model->graph, node->input[0]), axis)) {
        drop_attribute(node, "axis");
        node_set_int(u->graph, node, "axis", axis);
        return;
    }
    char *flat = new_name(u, "flat"), *shape = new_name(u, "shape"), *share = new_name(u, "share");
    char *in = node->input[0], *out = node->output[0];
    add_node(u, "Shape", in, shape);
    node_set_int(u->graph, add_node(u, "Flatten", in, flat), "axis", axis);
    node_set_int(u->graph, add_node(u, node->op_type, flat, share), "axis", -1);
    node->op_type = graph_text(u->graph, "Reshape");
    node->input[0] = share;
    node_add_input(u->graph, node, shape);
    drop_attribute(node, "axis");
    node->output[0] = out;
}

static const struct change {
    const char *op;
    int64_t before; // nodes of this set and later ones are already as they should be
    void (*apply)(struct upgrade *u, Onnx__NodeProto *node);
} changes[] = {
    {"BatchNormalization", 9, normalization_before_9},
    {"Clip", 11, clip_before_11},
    {"Dropout", 12, dropout_before_12},
    {"Hardmax", 13, softmax_before_13},
    {"LogSoftmax", 13, softmax_before_13},
    {"Pad", 11, pad_before_11},
    {"ReduceSum", 13, axes_before_13},
    {"Resize", 11, resize_before_11},
    {"Slice", 10, slice_before_10},
    {"Softmax", 13, softmax_before_13},
    {"Split", 13, split_before_13},
    {"Squeeze", 13, axes_before_13},
    {"TopK", 10, topk_before_10},
    {"Unsqueeze", 13, axes_before_13},
    {"Upsample", 13, upsample},
};

// ---- all ----

static int upgrade_nested(struct upgrade *u, Onnx__NodeProto *node, int64_t from, struct err *err);

static bool is_unchanged(const Onnx__NodeProto *node)
{
    for (size_t i = 0; i < ARRAY_SIZE(unchanged); i++) {
        if (node_is(node, unchanged[i])) {
            return true;
        }
    }
    return false;
}

static int upgrade_node(struct upgrade *u, Onnx__NodeProto *node, int64_t from, struct err *err)
{
    TRY(upgrade_nested(u, node, from, err));
    bool known =
        is_unchanged(node) || (node->domain && *node->domain && !node_is(node, node->op_type));
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        if (node_is(node, changes[i].op)) {
            known = true;
            if (from < changes[i].before) {
                changes[i].apply(u, node);
            }
        }
    }
    nodes_add(u->nodes, node);
    return known ? 0
                 : err_set(err, ERR_UNSUPPORTED,
                           "it is of operator set %lld, and what %s meant then is not known here",
                           (long long)from, node->op_type ? node->op_type : "a nameless operator");
}

static int upgrade_graph(struct upgrade *u, Onnx__GraphProto *g, int64_t from, struct err *err)
{
    CLEAN(nodes_done) struct nodes nodes = {0};
    struct nodes *outer = u->nodes;
    u->nodes = &nodes;
    int rc = 0;
    for (size_t n = 0; rc == 0 && n < g->n_node; n++) {
        rc = upgrade_node(u, g->node[n], from, err);
    }
    u->nodes = outer;
    TRY(rc);
    graph_set_nodes(u->graph, g, &nodes);
    return 0;
}

// The depth was bounded when the model was read.
static int upgrade_nested(struct upgrade *u, Onnx__NodeProto *node, int64_t from, struct err *err)
{
    for (size_t i = 0; i < node->n_attribute; i++) {
        const Onnx__AttributeProto *attribute = node->attribute[i];
        if (attribute->g) {
            TRY(upgrade_graph(u, attribute->g, from, err));
        }
        for (size_t k = 0; k < attribute->n_graphs; k++) {
            TRY(upgrade_graph(u, attribute->graphs[k], from, err));
        }
    }
    return 0;
}

int upgrade(struct graph *graph, struct err *err)
{
    int64_t from = graph_opset(graph, "");
    if (from >= UPGRADE_TO) {
        return 0;
    }
    if (from < OPSET_OLDEST || graph->model->n_functions) {
        return err_set(err, ERR_UNSUPPORTED, "it is of operator set %lld%s", (long long)from,
                       from < OPSET_OLDEST ? "; 7 is the least" : " and has functions of its own");
    }
    struct upgrade u = {.graph = graph};
    TRY(upgrade_graph(&u, graph->model->graph, from, err));
    for (size_t i = 0; i < graph->model->n_opset_import; i++) {
        Onnx__OperatorSetIdProto *opset = graph->model->opset_import[i];
        if (!opset->domain || !*opset->domain || strcmp(opset->domain, "ai.onnx") == 0) {
            opset->version = UPGRADE_TO;
        }
    }
    return 0;
}
