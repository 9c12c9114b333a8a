// SPDX-License-Identifier: Apache-2.0
// Dynamic quantization: weights of MatMul and Gemm become int8 now, what they are multiplied with becomes
// uint8 when the model runs. Tables that Gather reads rows of become int8 as well. Needs no
// calibration; of use where matrices are most of the work, as in transformers.
#pragma once

#include "quantize/graph.h"

#include <jansson.h>

// `most`: see weight_quantize. ERR_UNSUPPORTED: an operator set before 11, or there is nothing to
// quantize; ERR_INVALID: the graph is damaged. Fills `report` (report.h).
MUST_CHECK int dynamic_quantize(struct graph *graph, int most, json_t *report, struct err *err);
