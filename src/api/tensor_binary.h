// SPDX-License-Identifier: Apache-2.0
// The binary tensor extension: tensors whose bytes follow the JSON of a request or an answer. Inside,
// tensors are JSON; these functions translate at the border.
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>

// Gives every input with parameters.binary_data_size its data, from the bytes in the order of the
// inputs; the parameter is removed. ERR_INVALID when sizes do not fit shapes, types or `raw`.
MUST_CHECK int tensor_binary_in(json_t *inputs, struct str raw, struct err *err);

// Takes the data of an output away and appends it to `raw`; parameters.binary_data_size says how
// long it is.
MUST_CHECK int tensor_binary_out(json_t *output, struct buf *raw, struct err *err);
