// SPDX-License-Identifier: Apache-2.0
// Inputs that nobody sent, for whoever tries, compares or measures a model.
#include "runner/inputs.h"
#include "runner/package.h"

#include <stdlib.h>

static uint32_t next_random(uint32_t *state) // xorshift
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void fill(struct tensor *tensor, uint32_t *state)
{
    size_t count = tensor->size / tensor_type_size(tensor->type);
    for (size_t i = 0; tensor->type == TENSOR_STRING && i < count; i++) {
        ((struct str *)tensor->data)[i] = STR("text");
    }
    if (tensor->type == TENSOR_STRING) {
        return;
    }
    bool floats = tensor->type == TENSOR_FLOAT32 || tensor->type == TENSOR_FLOAT16 ||
                  tensor->type == TENSOR_FLOAT64 || tensor->type == TENSOR_BFLOAT16;
    for (size_t i = 0; i < count; i++) {
        uint32_t r = next_random(state) >> 8;
        double value = floats                         ? (double)r / (1 << 23) - 1
                       : tensor->type == TENSOR_UINT8 ? r & 0xff
                                                      : r & 1;
        tensor_set(tensor, i, value);
    }
}

static int shape_one(const struct package *package, const struct engine_value *value,
                     struct inputs_shape shape, struct tensor *ret, struct err *err)
{
    *ret = (struct tensor){.type = value->type, .rank = value->rank};
    memcpy(ret->dims, value->dims, sizeof ret->dims);
    bool open = value->rank > 0 && value->dims[0] < 0;
    if (shape.batch > 1 && !open) {
        return err_set(err, ERR_UNSUPPORTED, "the batch of \"%s\" is fixed", value->name);
    }
    if (package->task->shape) {
        package->task->shape(package, ret->dims); // has one input
    }
    ret->dims[0] = open ? shape.batch : ret->dims[0];
    for (size_t d = 0; d < ret->rank; d++) {
        ret->dims[d] = ret->dims[d] < 0 ? shape.length : ret->dims[d];
    }
    return 0;
}

int inputs_make(const struct package *package, struct inputs_shape shape, struct tensor *ret,
                struct err *err)
{
    const struct model *model = package->model;
    uint32_t state = 2463534242u;
    memset(ret, 0, model->input_count * sizeof *ret);
    for (size_t i = 0; i < model->input_count; i++) {
        struct tensor *t = &ret[i];
        TRY(shape_one(package, &model->inputs[i], shape, t, err));
        int64_t count = tensor_elements(t->dims, t->rank);
        size_t size = count < 0 ? SIZE_MAX : (size_t)count * tensor_type_size(t->type);
        t->data = size <= TENSOR_SIZE_MAX ? calloc(1, size ? size : 1) : NULL;
        t->size = t->data ? size : 0;
        if (!t->data) {
            return err_set(err, ERR_LIMIT, "its inputs are too large to try");
        }
        fill(t, &state);
    }
    return 0;
}

void inputs_done(struct tensor *inputs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(inputs[i].data);
    }
}
