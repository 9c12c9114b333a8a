// SPDX-License-Identifier: Apache-2.0
// Tensor types, shapes and single elements. The loops over whole tensors are the engine's own or
// tensor_floats here.
#include "engine/tensor.h"
#include "base/check.h"

#include <math.h>
#include <stdio.h>

struct type_row {
    enum tensor_type type;
    size_t size;
    const char *name, *kserve, *numpy;
};

static const struct type_row types[] = {
#define X(id, value, size, text, kserve, numpy) {id, size, text, kserve, numpy},
    TENSOR_TYPES(X)
#undef X
};

static const struct type_row *find(enum tensor_type type)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (types[i].type == type) {
            return &types[i];
        }
    }
    return NULL;
}

size_t tensor_type_size(enum tensor_type type)
{
    const struct type_row *row = find(type);
    return row ? row->size : 0;
}

const char *tensor_type_name(enum tensor_type type)
{
    const struct type_row *row = find(type);
    return row ? row->name : "unknown";
}

const char *tensor_type_kserve(enum tensor_type type)
{
    const struct type_row *row = find(type);
    return row ? row->kserve : "unknown";
}

const char *tensor_type_numpy(enum tensor_type type)
{
    const struct type_row *row = find(type);
    return row ? row->numpy : NULL;
}

enum tensor_type tensor_type_of(struct str name)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (str_eq_nocase(name, str_of(types[i].name)) ||
            str_eq_nocase(name, str_of(types[i].kserve)) ||
            (types[i].numpy && str_eq(name, str_of(types[i].numpy)))) {
            return types[i].type;
        }
    }
    return TENSOR_NONE;
}

int64_t tensor_elements(const int64_t *dims, size_t rank)
{
    int64_t count = 1;
    for (size_t i = 0; i < rank; i++) {
        if (dims[i] < 0 || (dims[i] > 0 && count > (int64_t)TENSOR_SIZE_MAX / dims[i])) {
            return -1;
        }
        count *= dims[i];
    }
    return count;
}

const char *tensor_shape_text(const int64_t *dims, size_t rank, char text[TENSOR_SHAPE_TEXT_MAX])
{
    size_t at = 0;
    text[at++] = '[';
    for (size_t i = 0; i < rank && at < TENSOR_SHAPE_TEXT_MAX - 32; i++) {
        const char *comma = i ? "," : "";
        int n = dims[i] < 0 ? snprintf(text + at, TENSOR_SHAPE_TEXT_MAX - at, "%s?", comma)
                            : snprintf(text + at, TENSOR_SHAPE_TEXT_MAX - at, "%s%lld", comma,
                                       (long long)dims[i]);
        at += (size_t)n;
    }
    text[at++] = ']';
    text[at] = 0;
    return text;
}

// IEEE 754 binary16; subnormals, infinities and NaN included.
static float half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = (half >> 10) & 0x1f, fraction = half & 0x3ff;
    if (exponent == 0) {
        float f = ldexpf((float)fraction, -24);
        return sign ? -f : f;
    }
    uint32_t bits = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | fraction << 13;
    float f;
    memcpy(&f, &bits, sizeof(f));
    return f;
}

// To the nearest, ties to even; too large becomes infinity.
static uint16_t half_of_float(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof(bits));
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    uint32_t rest = bits & 0x7fffffffu;
    if (rest > 0x7f800000u) {
        return (uint16_t)(sign | 0x7e00);
    }
    if (rest >= 0x47800000u) {
        return (uint16_t)(sign | 0x7c00);
    }
    if (rest < 0x38800000u) { // subnormal or zero: in units of 2^-24
        return (uint16_t)(sign | (uint16_t)lrintf(ldexpf(fabsf(f), 24)));
    }
    uint32_t rounded = rest + 0xfffu + (rest >> 13 & 1);
    return (uint16_t)(sign | (uint16_t)((rounded - 0x38000000u) >> 13));
}

#define LOAD(type_)                                                                                \
    ({                                                                                             \
        type_ value_;                                                                              \
        memcpy(&value_, (const char *)tensor->data + index * sizeof(type_), sizeof(type_));        \
        value_;                                                                                    \
    })

double tensor_get(const struct tensor *tensor, size_t index)
{
    CHECK((index + 1) * tensor_type_size(tensor->type) <= tensor->size);
    switch (tensor->type) {
    case TENSOR_FLOAT32: return (double)LOAD(float);
    case TENSOR_FLOAT64: return LOAD(double);
    case TENSOR_FLOAT16: return (double)half_to_float(LOAD(uint16_t));
    case TENSOR_BFLOAT16: {
        uint32_t bits = (uint32_t)LOAD(uint16_t) << 16;
        float f;
        memcpy(&f, &bits, sizeof(f));
        return (double)f;
    }
    case TENSOR_UINT8: return (double)LOAD(uint8_t);
    case TENSOR_BOOL: return LOAD(uint8_t) ? 1 : 0;
    case TENSOR_INT8: return (double)LOAD(int8_t);
    case TENSOR_UINT16: return (double)LOAD(uint16_t);
    case TENSOR_INT16: return (double)LOAD(int16_t);
    case TENSOR_UINT32: return (double)LOAD(uint32_t);
    case TENSOR_INT32: return (double)LOAD(int32_t);
    case TENSOR_UINT64: return (double)LOAD(uint64_t);
    case TENSOR_INT64: return (double)LOAD(int64_t);
    case TENSOR_STRING:
    case TENSOR_NONE: break;
    }
    return 0;
}

static double held(double value, double least, double most)
{
    return isnan(value) ? 0 : fmin(fmax(nearbyint(value), least), most);
}

#define STORE(type_, expression)                                                                   \
    do {                                                                                           \
        type_ value_ = (type_)(expression);                                                        \
        memcpy((char *)tensor->data + index * sizeof(type_), &value_, sizeof(type_));              \
    } while (0)

void tensor_set(struct tensor *tensor, size_t index, double value)
{
    CHECK((index + 1) * tensor_type_size(tensor->type) <= tensor->size);
    switch (tensor->type) {
    case TENSOR_FLOAT32: STORE(float, value); break;
    case TENSOR_FLOAT64: STORE(double, value); break;
    case TENSOR_FLOAT16: STORE(uint16_t, half_of_float((float)value)); break;
    case TENSOR_BFLOAT16: {
        float f = (float)value;
        uint32_t bits;
        memcpy(&bits, &f, sizeof(bits));
        bits += isnan(f) ? 0 : 0x7fffu + (bits >> 16 & 1);
        STORE(uint16_t, bits >> 16);
        break;
    }
    case TENSOR_UINT8: STORE(uint8_t, held(value, 0, UINT8_MAX)); break;
    case TENSOR_BOOL: STORE(uint8_t, value != 0); break;
    case TENSOR_INT8: STORE(int8_t, held(value, INT8_MIN, INT8_MAX)); break;
    case TENSOR_UINT16: STORE(uint16_t, held(value, 0, UINT16_MAX)); break;
    case TENSOR_INT16: STORE(int16_t, held(value, INT16_MIN, INT16_MAX)); break;
    case TENSOR_UINT32: STORE(uint32_t, held(value, 0, UINT32_MAX)); break;
    case TENSOR_INT32: STORE(int32_t, held(value, INT32_MIN, INT32_MAX)); break;
    // The largest doubles below 2^64 and 2^63: converting those powers themselves is undefined.
    case TENSOR_UINT64: STORE(uint64_t, held(value, 0, 18446744073709549568.0)); break;
    case TENSOR_INT64: STORE(int64_t, held(value, -0x1p63, 9223372036854774784.0)); break;
    case TENSOR_STRING:
    case TENSOR_NONE: break;
    }
}

void tensor_floats(const struct tensor *tensor, size_t first, size_t count, float *ret)
{
    CHECK((first + count) * tensor_type_size(tensor->type) <= tensor->size);
    if (tensor->type == TENSOR_FLOAT32) {
        memcpy(ret, (const float *)tensor->data + first, count * sizeof(float));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        ret[i] = (float)tensor_get(tensor, first + i);
    }
}

size_t tensor_largest(const struct tensor *tensor)
{
    size_t size = tensor_type_size(tensor->type), best = 0;
    size_t count = size && tensor->type != TENSOR_STRING ? tensor->size / size : 0;
    for (size_t i = 1; i < count; i++) {
        best = tensor_get(tensor, i) > tensor_get(tensor, best) ? i : best;
    }
    return best;
}
