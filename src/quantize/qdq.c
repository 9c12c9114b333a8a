// SPDX-License-Identifier: Apache-2.0
// Writing QDQ: scales, weights and biases.
#include "quantize/qdq.h"
#include "base/mem.h"
#include "format/onnx.h"
#include "quantize/weights.h"

#include <math.h>

#define SCALE_LEAST 1e-30f
#define BIAS_MOST   1e9f // |bias / scale|: well within an int32

struct qdq_scale qdq_scale_of(const struct range *range, enum range_method method)
{
    float low = 0, high = 0;
    float scale = range_cut(range, method, &low, &high) ? (high - low) / 255 : 0;
    if (!(scale > SCALE_LEAST) || !isfinite(scale)) {
        return (struct qdq_scale){.scale = 1};
    }
    while (scale * 255 > high - low) { // so that what a Clip lets through is not left again
        scale = nextafterf(scale, 0);
    }
    return (struct qdq_scale){scale, (uint8_t)fminf(255, fmaxf(0, rintf(-low / scale)))};
}

static const char *scale_name(struct qdq *q, const char *value)
{
    return graph_text(q->graph, "%s__scale", value);
}

static const char *zero_name(struct qdq *q, const char *value)
{
    return graph_text(q->graph, "%s__zero", value);
}

Onnx__NodeProto *qdq_add_linear(struct qdq *q, const char *op, const char *in, const char *value,
                                const char *out)
{
    Onnx__NodeProto *node = node_new(q->graph, op, NULL, graph_text(q->graph, "%s__%s", out, op));
    node_add_input(q->graph, node, in);
    node_add_input(q->graph, node, scale_name(q, value));
    node_add_input(q->graph, node, zero_name(q, value));
    node_add_output(q->graph, node, out);
    nodes_add(&q->nodes, node);
    return node;
}

void qdq_add_scale(struct qdq *q, const char *value, struct qdq_scale scale)
{
    weight_add_float(q->graph, scale_name(q, value), scale.scale);
    uint8_t *zero = weight_new(q->graph, zero_name(q, value), ONNX_UINT8, NULL, 0, 1);
    *zero = scale.zero;
}

void qdq_add_pair(struct qdq *q, const char *in, const char *value, const char *out)
{
    char *bytes = graph_text(q->graph, "%s__u8", value);
    qdq_add_linear(q, "QuantizeLinear", in, value, bytes);
    qdq_add_linear(q, "DequantizeLinear", bytes, value, out);
}

// Of an anchor: where its weight is cut, and which of its dimensions the channels are.
static struct channels channels_of(const Onnx__NodeProto *node, const Onnx__TensorProto *weight,
                                   int *ret_axis)
{
    size_t elements = (size_t)weight_elements(weight);
    bool by_column = !node_is(node, "Conv") && !node_int(node, "transB", 0);
    *ret_axis = by_column;
    size_t count = (size_t)weight->dims[by_column];
    return by_column ? (struct channels){.outer = elements / count, .count = count, .inner = 1}
                     : (struct channels){.outer = 1, .count = count, .inner = elements / count};
}

// A weight of `type` with a scale for each channel, and its DequantizeLinear: `name` and its endings.
static void *add_weight(struct qdq *q, const char *name, int type, const Onnx__TensorProto *like,
                        const float *scales, size_t channels, int axis)
{
    int64_t dims[] = {(int64_t)channels};
    size_t element = onnx_type_size(type), elements = (size_t)weight_elements(like);
    char *bytes = graph_text(q->graph, "%s__q", name);
    float *at =
        weight_new(q->graph, scale_name(q, name), ONNX_FLOAT, dims, 1, channels * sizeof *scales);
    memcpy(at, scales, channels * sizeof *scales);
    weight_new(q->graph, zero_name(q, name), type, dims, 1, channels * element);
    node_set_int(q->graph, qdq_add_linear(q, "DequantizeLinear", bytes, name, name), "axis", axis);
    return weight_new(q->graph, bytes, type, like->dims, like->n_dims, elements * element);
}

// In units of the products: scale of the input · scale of the channel.
static void round_bias(const float *bias, const float *scales, float x_scale, size_t count,
                       int32_t *ret)
{
    for (size_t i = 0; i < count; i++) {
        float q = rintf(bias[i] / (x_scale * scales[i]));
        ret[i] = isfinite(q) ? (int32_t)fmaxf(-BIAS_MOST, fminf(BIAS_MOST, q)) : 0;
    }
}

// So small a scale that the bias does not fit would make it wrong: the weight of such a channel hardly
// matters beside it.
static float *least_scales(const float *bias, float x_scale, size_t count)
{
    float *least = mem_alloc(count * sizeof *least);
    for (size_t i = 0; bias && i < count; i++) {
        least[i] = fabsf(bias[i]) / (x_scale * BIAS_MOST);
    }
    return least;
}

int qdq_add_weights(struct qdq *q, Onnx__NodeProto *node, float x_scale, const char *name,
                    struct err *err)
{
    const struct value *bias = wiring_input(q->wiring, node, 2);
    const Onnx__TensorProto *weight = wiring_input(q->wiring, node, 1)->weight;
    int axis = 0;
    struct channels channels = channels_of(node, weight, &axis);
    CLEAN_MEM float *floats = NULL, *bias_floats = NULL;
    TRY(weight_floats(weight, &floats, err));
    if (bias) {
        TRY(weight_floats(bias->weight, &bias_floats, err));
    }
    CLEAN_MEM float *least = least_scales(bias_floats, x_scale, channels.count);
    CLEAN_MEM float *scales = mem_alloc(channels.count * sizeof *scales);
    CLEAN_MEM int8_t *elements = mem_alloc((size_t)weight_elements(weight));
    weight_quantize(floats, &channels, q->most, least, elements, scales);
    char *weight_name = graph_text(q->graph, "%s__weight", name);
    memcpy(add_weight(q, weight_name, ONNX_INT8, weight, scales, channels.count, axis), elements,
           (size_t)weight_elements(weight));
    node->input[1] = weight_name;
    if (bias) {
        CLEAN_MEM float *products = mem_alloc(channels.count * sizeof *products);
        for (size_t i = 0; i < channels.count; i++) {
            products[i] = x_scale * scales[i];
        }
        char *bias_name = graph_text(q->graph, "%s__bias", name);
        int32_t *rounded = add_weight(q, bias_name, ONNX_INT32, bias->weight, products,
                                      channels.count, /* axis */ 0);
        round_bias(bias_floats, scales, x_scale, channels.count, rounded);
        node->input[2] = bias_name;
    }
    return 0;
}

int qdq_add_constant(struct qdq *q, Onnx__NodeProto *node, size_t input, struct err *err)
{
    const Onnx__TensorProto *weight = wiring_input(q->wiring, node, input)->weight;
    CLEAN_MEM float *floats = NULL;
    TRY(weight_floats(weight, &floats, err));
    size_t count = (size_t)weight_elements(weight);
    struct range range = RANGE_INIT;
    range_bound(&range, floats, count);
    struct qdq_scale scale = qdq_scale_of(&range, RANGE_MINMAX);
    char *name = graph_text(q->graph, "%s__constant%zu", node->output[0], input);
    char *bytes = graph_text(q->graph, "%s__q", name);
    qdq_add_scale(q, name, scale);
    uint8_t *at = weight_new(q->graph, bytes, ONNX_UINT8, weight->dims, weight->n_dims, count);
    for (size_t i = 0; i < count; i++) {
        at[i] = (uint8_t)fmaxf(0, fminf(255, rintf(floats[i] / scale.scale) + scale.zero));
    }
    qdq_add_linear(q, "DequantizeLinear", bytes, name, name);
    node->input[input] = name;
    return 0;
}
