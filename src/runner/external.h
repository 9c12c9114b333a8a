// SPDX-License-Identifier: Apache-2.0
// Weights that a model keeps in files beside it, taken into it.
#pragma once

#include "quantize/graph.h"

// `folder`: where the model is; nothing outside of it is read. ERR_INVALID, ERR_NOT_FOUND.
MUST_CHECK int external_take_in(struct graph *graph, const char *folder, struct err *err);
