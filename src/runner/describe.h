// SPDX-License-Identifier: Apache-2.0
// Models as JSON, for the reports of `prepare` and `inspect`.
#pragma once

#include "engine/engine.h"

#include <jansson.h>

// [{"name":"image","type":"float32","shape":[1,3,224,224]}, …]; -1: not fixed. NULL: [].
json_t *describe_values(const struct model *model, bool inputs);

// One line on standard output.
void describe_print(const json_t *report);
