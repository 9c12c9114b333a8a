// SPDX-License-Identifier: Apache-2.0
// Tensors as JSON. Nested lists are walked by index, not by recursion: their depth is the rank.
#include "runner/tensor_json.h"
#include "base/mem.h"
#include "format/json.h"
#include "runner/task.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define BAD(...) err_aws(err, ERR_INVALID, TASK_BAD_REQUEST, __VA_ARGS__)

static int put_element(struct tensor *tensor, size_t index, const json_t *value, struct err *err)
{
    if (tensor->type == TENSOR_STRING) {
        struct str text = json_str(value);
        if (!text.at || memchr(text.at, 0, text.size)) {
            return BAD("element %zu must be a string without \\u0000, is %s", index,
                       json_kind_name(value));
        }
        ((struct str *)tensor->data)[index] = text; // of the JSON, which outlives the run
    } else if (json_is_integer(value) && tensor->type == TENSOR_INT64) { // exact beyond 2^53
        int64_t number = json_integer_value(value);
        memcpy((int64_t *)tensor->data + index, &number, sizeof(number));
    } else if (json_is_number(value)) {
        tensor_set(tensor, index, json_number_value(value));
    } else if (json_is_boolean(value)) {
        tensor_set(tensor, index, json_is_true(value));
    } else {
        return BAD("element %zu must be a number, is %s", index, json_kind_name(value));
    }
    return 0;
}

static int make_room(struct tensor *tensor, struct err *err)
{
    int64_t count = tensor_elements(tensor->dims, tensor->rank);
    size_t size = count < 0 ? SIZE_MAX : (size_t)count * tensor_type_size(tensor->type);
    tensor->data = size <= TENSOR_SIZE_MAX ? calloc(1, size ? size : 1) : NULL;
    tensor->size = size;
    return tensor->data ? 0 : err_aws(err, ERR_LIMIT, TASK_BAD_REQUEST, "is too large");
}

static int nested_shape(const json_t *value, struct tensor *tensor, struct err *err)
{
    for (const json_t *at = value; json_is_array(at); at = json_array_get(at, 0)) {
        if (tensor->rank == TENSOR_RANK_MAX) {
            return BAD("has more than %d dimensions", TENSOR_RANK_MAX);
        }
        tensor->dims[tensor->rank++] = (int64_t)json_array_size(at);
    }
    return 0;
}

// The element at a flat index; ERR_INVALID when the lists are not all of one length.
static int nested_at(const json_t *value, const struct tensor *tensor, size_t index,
                     const json_t **ret, struct err *err)
{
    size_t below = (size_t)tensor_elements(tensor->dims, tensor->rank);
    for (size_t d = 0; d < tensor->rank; d++) {
        size_t dim = (size_t)tensor->dims[d];
        if (!json_is_array(value) || json_array_size(value) != dim) {
            return BAD("its lists in dimension %zu are not all of length %zu", d, dim);
        }
        below /= dim;
        value = json_array_get(value, index / below % dim);
    }
    *ret = value;
    return 0;
}

static int fill_nested(const json_t *value, struct tensor *tensor, struct err *err)
{
    size_t count = (size_t)tensor_elements(tensor->dims, tensor->rank);
    for (size_t i = 0; i < count; i++) {
        const json_t *number = NULL;
        TRY(nested_at(value, tensor, i, &number, err));
        TRY(put_element(tensor, i, number, err));
    }
    return 0;
}

static int given_shape(const json_t *shape, struct tensor *tensor, struct err *err)
{
    if (!json_is_array(shape) || json_array_size(shape) > TENSOR_RANK_MAX) {
        return BAD("shape: must be a list of at most %d whole numbers", TENSOR_RANK_MAX);
    }
    for (size_t i = 0; i < json_array_size(shape); i++) {
        const json_t *dim = json_array_get(shape, i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0) {
            return BAD("shape: must be a list of whole numbers");
        }
        tensor->dims[tensor->rank++] = json_integer_value(dim);
    }
    return 0;
}

static int check_datatype(const json_t *value, enum tensor_type type, struct err *err)
{
    const json_t *datatype = json_object_get(value, "datatype");
    if (datatype && tensor_type_of(json_str(datatype)) != type) {
        return BAD("datatype: the model wants %s", tensor_type_kserve(type));
    }
    return 0;
}

int tensor_head_from_json(const json_t *value, struct tensor *tensor, struct err *err)
{
    TRY(check_datatype(value, tensor->type, err));
    return given_shape(json_object_get(value, "shape"), tensor, err);
}

// {"shape", "data", "datatype"}: the data flat, or nested as the shape says.
static int from_object(const json_t *value, struct tensor *tensor, struct err *err)
{
    const json_t *data = json_object_get(value, "data");
    TRY(tensor_head_from_json(value, tensor, err));
    int64_t count = tensor_elements(tensor->dims, tensor->rank);
    if (!json_is_array(data)) {
        return BAD("data: must be a list of numbers");
    }
    bool flat = count >= 0 && json_array_size(data) == (size_t)count;
    if (count < 0 || (!flat && !json_is_array(json_array_get(data, 0)))) {
        return BAD("data: has %zu elements, the shape wants %lld", json_array_size(data),
                   (long long)count);
    }
    if (tensor->rank > 1 && json_is_array(json_array_get(data, 0))) {
        TRY(make_room(tensor, err));
        return fill_nested(data, tensor, err);
    }
    TRY(make_room(tensor, err));
    for (size_t i = 0; i < (size_t)count; i++) {
        TRY(put_element(tensor, i, json_array_get(data, i), err));
    }
    return 0;
}

static int from_any(const json_t *value, struct tensor *tensor, struct err *err)
{
    if (json_is_object(value)) {
        return from_object(value, tensor, err);
    }
    TRY(nested_shape(value, tensor, err));
    TRY(make_room(tensor, err));
    return fill_nested(value, tensor, err);
}

int tensor_from_json(const json_t *value, enum tensor_type type, struct tensor *ret,
                     struct err *err)
{
    struct tensor tensor = {.type = type};
    int rc = from_any(value, &tensor, err);
    if (rc < 0) {
        free(tensor.data);
        return rc;
    }
    *ret = tensor;
    return 0;
}

static void add_number(const struct tensor *tensor, size_t index, struct buf *out)
{
    if (tensor->type == TENSOR_INT64 || tensor->type == TENSOR_UINT64) {
        uint64_t bits;
        memcpy(&bits, (const uint64_t *)tensor->data + index, sizeof(bits));
        if (tensor->type == TENSOR_INT64) {
            buf_printf(out, "%lld", (long long)bits);
        } else {
            buf_printf(out, "%llu", (unsigned long long)bits);
        }
        return;
    }
    double value = tensor_get(tensor, index);
    if (!isfinite(value)) {
        buf_add_text(out, "null");
        return;
    }
    bool fraction = tensor->type == TENSOR_FLOAT32 || tensor->type == TENSOR_FLOAT64 ||
                    tensor->type == TENSOR_FLOAT16 || tensor->type == TENSOR_BFLOAT16;
    if (!fraction) {
        buf_printf(out, "%.0f", value);
        return;
    }
    char text[40]; // as short as it can be read back
    bool wide = tensor->type == TENSOR_FLOAT64;
    snprintf(text, sizeof(text), "%.*g", wide ? 15 : 7, value);
    double back = strtod(text, NULL);
    if (wide ? back != value : (float)back != (float)value) {
        snprintf(text, sizeof(text), "%.*g", wide ? 17 : 9, value);
    }
    buf_add_text(out, text);
}

void tensor_to_json(const struct tensor *tensor, const char *name, struct buf *out)
{
    buf_add_char(out, '{');
    if (name) {
        buf_add_text(out, "\"name\":");
        json_quote(out, str_of(name));
        buf_add_char(out, ',');
    }
    buf_add_text(out, "\"shape\":[");
    for (size_t i = 0; i < tensor->rank; i++) {
        buf_printf(out, "%s%lld", i ? "," : "", (long long)tensor->dims[i]);
    }
    buf_printf(out, "],\"datatype\":\"%s\",\"data\":[", tensor_type_kserve(tensor->type));
    size_t count = tensor->size / tensor_type_size(tensor->type);
    for (size_t i = 0; i < count && buf_ok(out); i++) {
        buf_add_text(out, i ? "," : "");
        if (tensor->type == TENSOR_STRING) {
            json_quote(out, ((const struct str *)tensor->data)[i]);
        } else if (tensor->type == TENSOR_BOOL) {
            buf_add_text(out, tensor_get(tensor, i) != 0 ? "true" : "false");
        } else {
            add_number(tensor, i, out);
        }
    }
    buf_add_text(out, "]}");
}
