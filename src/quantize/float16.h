// SPDX-License-Identifier: Apache-2.0
// Models of float16, made float32 inside. Processors mostly compute in float32, and so does what is
// quantized from; inputs and outputs keep their type, by a Cast each.
#pragma once

#include "quantize/graph.h"

// Whether any weight, input or output is float16.
bool float16_is_in(const struct graph *graph);

// ERR_INVALID: a weight is damaged.
MUST_CHECK int float16_widen(struct graph *graph, struct err *err);
