// SPDX-License-Identifier: Apache-2.0
// Tensors as JSON: nested lists, or {"shape": […], "data": […], "datatype": "FP32"} as in the
// inference protocol of KServe and Triton.
#pragma once

#include "base/buf.h"
#include "engine/tensor.h"

#include <jansson.h>

// ret->data is heap and the caller's; strings in it are views into `value`. Numbers are converted
// to `type`, which is the model's; a datatype that says otherwise is an error. ERR_INVALID,
// ERR_LIMIT.
MUST_CHECK int tensor_from_json(const json_t *value, enum tensor_type type, struct tensor *ret,
                                struct err *err);

// Only the shape, and whether the datatype (if said) is tensor->type; tensor->rank is 0 before.
MUST_CHECK int tensor_head_from_json(const json_t *value, struct tensor *tensor, struct err *err);

// {"shape":…,"datatype":…,"data":…}, with "name" first unless it is NULL. The data is flat. What
// JSON has no number for (NaN, infinities) is null.
void tensor_to_json(const struct tensor *tensor, const char *name, struct buf *out);
