// SPDX-License-Identifier: Apache-2.0
// Older operator sets, brought up to 13, the first whose operators can be quantized per channel. The
// graph computes the same afterwards. https://github.com/onnx/onnx/blob/main/docs/Changelog.md
#pragma once

#include "quantize/graph.h"

#define UPGRADE_TO 13

// A graph of that set or a later one is left alone. ERR_UNSUPPORTED names the operator that cannot be
// brought up.
MUST_CHECK int upgrade(struct graph *graph, struct err *err);
