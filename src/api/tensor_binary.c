// SPDX-License-Identifier: Apache-2.0
// Numbers between JSON and little-endian bytes, one table row a datatype.
#include "api/tensor_binary.h"
#include "base/mem.h"
#include "format/json.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>

enum kind { KIND_SIGNED, KIND_UNSIGNED, KIND_FLOAT, KIND_BOOL, KIND_BYTES };

struct datatype {
    const char *name;
    enum kind kind;
    size_t size; // of an element; BYTES: of the length before each
};

static const struct datatype datatypes[] = {
    {"BOOL", KIND_BOOL, 1},    {"UINT8", KIND_UNSIGNED, 1},  {"UINT16", KIND_UNSIGNED, 2},
    {"INT8", KIND_SIGNED, 1},  {"UINT32", KIND_UNSIGNED, 4}, {"UINT64", KIND_UNSIGNED, 8},
    {"INT16", KIND_SIGNED, 2}, {"INT32", KIND_SIGNED, 4},    {"INT64", KIND_SIGNED, 8},
    {"FP16", KIND_FLOAT, 2},   {"FP32", KIND_FLOAT, 4},      {"FP64", KIND_FLOAT, 8},
    {"BYTES", KIND_BYTES, 4},
};

static int datatype_of(const json_t *tensor, const struct datatype **ret, struct err *err)
{
    struct str name = json_str(json_object_get(tensor, "datatype"));
    for (size_t i = 0; i < ARRAY_SIZE(datatypes); i++) {
        if (str_eq(name, str_of(datatypes[i].name))) {
            *ret = &datatypes[i];
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "the datatype \"" STR_FMT "\" is none of the protocol's",
                   STR_ARG(str_head(name, 40)));
}

static double half_to_double(uint16_t half)
{
    int exponent = (half >> 10) & 31, fraction = half & 1023;
    double value = exponent == 0    ? ldexp(fraction, -24)
                   : exponent == 31 ? (fraction ? (double)NAN : (double)INFINITY)
                                    : ldexp(fraction + 1024, exponent - 25);
    return half & 0x8000 ? -value : value;
}

// Rounds to the nearest, ties to even.
static uint16_t half_of(double value)
{
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    value = fabs(value);
    if (isnan(value)) {
        return 0x7e00;
    }
    if (value >= 65520) {
        return (uint16_t)(sign | 0x7c00);
    }
    if (value == 0) {
        return sign;
    }
    int exponent = 0;
    frexp(value, &exponent);
    int shift = exponent < -13 ? 24 : 11 - exponent;
    long bits = lrint(ldexp(value, shift));
    if (exponent < -13) {
        return (uint16_t)(sign | bits);
    }
    return (uint16_t)(sign + ((exponent + 14) << 10) + (bits - 1024));
}

static uint64_t bits_at(const char *at, size_t size)
{
    uint64_t bits = 0;
    memcpy(&bits, at, size); // little-endian, as everywhere Linux servers run today
    return bits;
}

static json_t *number_from(const struct datatype *type, const char *at)
{
    uint64_t bits = bits_at(at, type->size);
    int unused = 64 - (int)type->size * 8;
    float single;
    double real;
    switch (type->kind) {
    case KIND_BOOL: return json_boolean(bits);
    case KIND_SIGNED: return json_integer((int64_t)(bits << unused) >> unused);
    case KIND_UNSIGNED: return json_integer((int64_t)bits);
    default: break;
    }
    if (type->size == 2) {
        real = half_to_double((uint16_t)bits);
    } else if (type->size == 4) {
        memcpy(&single, at, sizeof single);
        real = single;
    } else {
        memcpy(&real, at, sizeof real);
    }
    return json_real(real); // NULL for what JSON cannot say: NaN and the infinities
}

static int64_t elements_of(const json_t *tensor)
{
    const json_t *shape = json_object_get(tensor, "shape");
    int64_t count = 1;
    for (size_t i = 0; i < json_array_size(shape); i++) {
        int64_t dim = json_integer_value(json_array_get(shape, i));
        if (dim < 0 || __builtin_mul_overflow(count, dim, &count)) {
            return -1;
        }
    }
    return count;
}

// One element off `raw`; NULL when it is shorter or cannot be said in JSON.
static json_t *element_take(const struct datatype *type, struct str *raw)
{
    if (raw->size < type->size) {
        return NULL;
    }
    if (type->kind != KIND_BYTES) {
        json_t *number = number_from(type, raw->at);
        *raw = str_skip(*raw, type->size);
        return number;
    }
    uint64_t size = bits_at(raw->at, 4);
    *raw = str_skip(*raw, 4);
    if (size > raw->size) {
        return NULL;
    }
    json_t *text = json_stringn(raw->at, size);
    *raw = str_skip(*raw, size);
    return text;
}

static int input_take(json_t *input, struct str raw, struct err *err)
{
    const struct datatype *type = NULL;
    TRY(datatype_of(input, &type, err));
    int64_t count = elements_of(input);
    bool fits =
        count >= 0 && (type->kind == KIND_BYTES || (uint64_t)count == raw.size / type->size);
    CLEAN_JSON json_t *data = json_array();
    for (int64_t i = 0; fits && i < count; i++) {
        json_t *element = element_take(type, &raw);
        fits = element && json_array_append_new(data, element) == 0;
    }
    if (!fits || raw.size) {
        return err_set(err, ERR_INVALID,
                       "input \"%s\": the binary data is not what its shape and datatype say",
                       json_string_value(json_object_get(input, "name")));
    }
    json_object_set(input, "data", data);
    json_object_del(input, "parameters");
    return 0;
}

int tensor_binary_in(json_t *inputs, struct str raw, struct err *err)
{
    for (size_t i = 0; i < json_array_size(inputs); i++) {
        json_t *input = json_array_get(inputs, i);
        json_t *size = json_at(input, "parameters.binary_data_size");
        if (!json_is_integer(size)) {
            continue;
        }
        int64_t bytes = json_integer_value(size);
        if (bytes < 0 || (uint64_t)bytes > raw.size) {
            return err_set(err, ERR_INVALID, "input %zu: %lld bytes of binary data, %zu are left",
                           i + 1, (long long)bytes, raw.size);
        }
        TRY(input_take(input, str_head(raw, (size_t)bytes), err));
        raw = str_skip(raw, (size_t)bytes);
    }
    return raw.size == 0
               ? 0
               : err_set(err, ERR_INVALID, "%zu bytes of binary data belong to no input", raw.size);
}

static void element_add(const struct datatype *type, const json_t *value, struct buf *raw)
{
    uint64_t bits = 0;
    if (type->kind == KIND_BYTES) {
        struct str text = json_str(value);
        bits = text.size;
        buf_add(raw, &bits, 4);
        buf_add_str(raw, text);
        return;
    }
    double real = json_is_number(value) ? json_number_value(value) : (double)NAN;
    float single = (float)real;
    if (type->kind != KIND_FLOAT) {
        bits = json_is_boolean(value) ? (uint64_t)json_is_true(value)
                                      : (uint64_t)json_integer_value(value);
    } else if (type->size == 2) {
        bits = half_of(real);
    } else if (type->size == 4) {
        memcpy(&bits, &single, sizeof single);
    } else {
        memcpy(&bits, &real, sizeof real);
    }
    buf_add(raw, &bits, type->size);
}

int tensor_binary_out(json_t *output, struct buf *raw, struct err *err)
{
    const struct datatype *type = NULL;
    TRY(datatype_of(output, &type, err));
    size_t before = raw->size;
    const json_t *data = json_object_get(output, "data");
    for (size_t i = 0; i < json_array_size(data); i++) {
        element_add(type, json_array_get(data, i), raw);
    }
    if (!buf_ok(raw)) {
        return err_set(err, ERR_LIMIT, "the answer is too large");
    }
    json_object_del(output, "data");
    json_put(output, "parameters",
             json_pack("{s:I}", "binary_data_size", (json_int_t)(raw->size - before)));
    return 0;
}
