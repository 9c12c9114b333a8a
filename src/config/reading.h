// SPDX-License-Identifier: Apache-2.0
// Reads nodes of serverless.yml that the schema has checked: what is NULL, null, of another kind or left
// to CloudFormation gives the fallback. Texts live as long as the tree.
#pragma once

#include "config/tree.h"

#include <jansson.h>

const char *read_text(const struct tree_node *node, const char *fallback); // of a scalar
const char *read_text_in(const struct tree_node *map, const char *key, const char *fallback);
int64_t read_number_in(const struct tree_node *map, const char *key, int64_t fallback);
bool read_truth_in(const struct tree_node *map, const char *key, bool fallback);

// Items of a list; a single value stands for a list of one.
//
//     for (const struct tree_node *n = read_first(list); n; n = read_next(list, n)) { … }
size_t read_count(const struct tree_node *list);
const struct tree_node *read_first(const struct tree_node *list);
const struct tree_node *read_next(const struct tree_node *list, const struct tree_node *item);
// An array of the list's texts. A new reference.
json_t *read_texts(const struct tree_node *list);
