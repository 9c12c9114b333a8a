// SPDX-License-Identifier: Apache-2.0
// functions.*.cache of serverless.yml: the result cache.
#pragma once

#include "config/serverless.h"
#include "config/tree.h"

// Makes ret->cache, which the caller owns in any case.
MUST_CHECK int cache_read_function(const struct tree_node *node, struct serverless_function *ret,
                                   struct err *err);
