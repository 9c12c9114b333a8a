// SPDX-License-Identifier: Apache-2.0
// What a Node.js project needs only while it is developed: packages of node_modules that its
// devDependencies reach and its dependencies do not.
#pragma once

#include "base/err.h"

#include <jansson.h>

// Patterns that leave them out ("!node_modules/eslint/**"), as an array of texts; empty where there is no
// package.json. Packages are looked for as Node does: in node_modules beside whoever asks, then upwards.
// ERR_INVALID when package.json is no JSON. A new reference in *ret.
MUST_CHECK int package_node_dev(const char *dir, json_t **ret, struct err *err);
