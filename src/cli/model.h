// SPDX-License-Identifier: Apache-2.0
// What the runner says of a model file, for rouse model and rouse create.
#pragma once

#include "base/err.h"

#include <jansson.h>

// The report of rouse-runner: {"yaml": a model.yaml to start from, "guessed": [texts], …}. `labels`: how many
// classes there are, a number as text, or NULL. ERR_INVALID when it is no model. A new reference.
MUST_CHECK int model_inspect(const char *file, const char *labels, json_t **ret, struct err *err);
