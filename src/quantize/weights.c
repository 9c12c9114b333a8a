// SPDX-License-Identifier: Apache-2.0
// Weights as floats and as int8.
#include "quantize/weights.h"
#include "base/mem.h"
#include "engine/tensor.h"
#include "format/onnx.h"

#include <math.h>
#include <stdlib.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define SCALE_LEAST 1e-30f

int64_t weight_elements(const Onnx__TensorProto *weight)
{
    int64_t count = 1;
    for (size_t i = 0; i < weight->n_dims; i++) {
        if (weight->dims[i] < 0 || __builtin_mul_overflow(count, weight->dims[i], &count) ||
            count > GRAPH_FILE_MAX) {
            return -1;
        }
    }
    return count;
}

// The elements where they are: as raw bytes, or in the field of their type (float16 in an int32 each).
static bool elements_of(const Onnx__TensorProto *weight, size_t count, struct tensor *ret,
                        uint16_t **ret_halves)
{
    bool half = weight->data_type == ONNX_FLOAT16;
    *ret = (struct tensor){.type = half ? TENSOR_FLOAT16 : TENSOR_FLOAT32,
                           .size = count * (half ? sizeof(uint16_t) : sizeof(float))};
    if (weight->has_raw_data) {
        ret->data = weight->raw_data.data;
        return weight->raw_data.len == ret->size;
    }
    if (!half) {
        ret->data = weight->float_data;
        return weight->n_float_data == count;
    }
    if (weight->n_int32_data != count) {
        return false;
    }
    *ret_halves = mem_alloc(ret->size);
    for (size_t i = 0; i < count; i++) {
        (*ret_halves)[i] = (uint16_t)weight->int32_data[i];
    }
    ret->data = *ret_halves;
    return true;
}

int weight_floats(const Onnx__TensorProto *weight, float **ret, struct err *err)
{
    const char *name = weight->name ? weight->name : "a weight";
    int64_t count = weight_elements(weight);
    if (weight->data_type != ONNX_FLOAT && weight->data_type != ONNX_FLOAT16) {
        return err_set(err, ERR_UNSUPPORTED, "%s is %s", name, onnx_type_name(weight->data_type));
    }
    CLEAN_MEM uint16_t *halves = NULL;
    struct tensor elements;
    if (count < 0 || !elements_of(weight, (size_t)count, &elements, &halves)) {
        return err_set(err, ERR_INVALID, "%s has not as many elements as its shape says", name);
    }
    float *floats = mem_alloc((size_t)count * sizeof *floats);
    tensor_floats(&elements, 0, (size_t)count, floats);
    *ret = floats;
    return 0;
}

// In the order of memory, not channel by channel: those of a matrix lie side by side.
static void largest_each(const float *weight, const struct channels *c, float *ret)
{
    for (size_t o = 0; o < c->outer; o++) {
        for (size_t channel = 0; channel < c->count; channel++) {
            for (size_t i = 0; i < c->inner; i++, weight++) {
                ret[channel] = fmaxf(ret[channel], fabsf(*weight)); // passes over not-a-numbers
            }
        }
    }
}

void weight_quantize(const float *weight, const struct channels *c, int most, const float *floor,
                     int8_t *ret, float *ret_scales)
{
    memset(ret_scales, 0, c->count * sizeof *ret_scales);
    largest_each(weight, c, ret_scales);
    for (size_t channel = 0; channel < c->count; channel++) {
        float scale = ret_scales[channel] / (float)most;
        scale = floor ? fmaxf(scale, floor[channel]) : scale;
        // Below the normal numbers a division loses what it was made for.
        ret_scales[channel] = scale >= SCALE_LEAST && isfinite(scale) ? scale : 1;
    }
    for (size_t o = 0; o < c->outer; o++) {
        for (size_t channel = 0; channel < c->count; channel++) {
            for (size_t i = 0; i < c->inner; i++, weight++, ret++) {
                float q = rintf(*weight / ret_scales[channel]);
                *ret = (int8_t)fmaxf((float)-most, fminf((float)most, q));
            }
        }
    }
}

float *weight_transpose(const float *weight, size_t rows, size_t columns)
{
    float *turned = mem_alloc(rows * columns * sizeof *turned);
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < columns; c++) {
            turned[c * rows + r] = weight[r * columns + c];
        }
    }
    return turned;
}

int weight_most_here(void)
{
#if defined(__x86_64__)
    unsigned a = 0, b = 0, c = 0, d = 0;
    bool avx512_vnni = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & 1u << 11);
    bool avx_vnni = __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4);
    return avx512_vnni || avx_vnni ? 127 : 64;
#else
    return 127;
#endif
}
