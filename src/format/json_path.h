// SPDX-License-Identifier: Apache-2.0
// The part of JSONPath that AWS uses to name one value: $, .name, ['name'], [0].
#pragma once

#include "format/json.h"

// ERR_INVALID when it is not such a path.
MUST_CHECK int json_path_check(struct str path, struct err *err);
// Borrowed; NULL when there is no such value, or the path is none.
json_t *json_path_get(const json_t *json, struct str path);
