// SPDX-License-Identifier: Apache-2.0
// Between config/variables.c, which reads ${…}, and config/variable_source.c, which knows where
// each source looks. Only these two include it.
#pragma once

#include "base/map.h"
#include "config/variables.h"

struct variables {
    struct tree *tree;
    struct tree_node *root;
    const struct variables_options *options;
    const char *stage, *region; // NULL until known
    struct map files;           // path → struct tree_node *
    struct map dotenv;          // name → const char *
    const char *unavailable;    // the last source that could not be asked, or NULL
    int depth;
};

#define VARIABLES_DEPTH_MAX 100

// 1: *ret is the value, complete and not in the tree yet; 0: there is none; or an error.
struct source {
    const char *name;
    int (*get)(struct variables *v, const struct tree_node *at, struct str params,
               struct str address, struct tree_node **ret, struct err *err);
};
extern const struct source source_table[];
extern const size_t source_count;

// Resolves the node and all below it.
MUST_CHECK int variables_node(struct variables *v, struct tree_node *node, struct err *err);
// The value at "a.b.0" below `from`, resolved and copied. As source.get.
MUST_CHECK int variables_find(struct variables *v, struct tree_node *from, struct str address,
                              struct tree_node **ret, struct err *err);
// provider.stage and the like, before everything else; *ret stays when there is none.
MUST_CHECK int variables_early(struct variables *v, const char *address, const char **ret,
                               struct err *err);
// Reads .env.STAGE, else .env, when `useDotenv: true`.
MUST_CHECK int variables_dotenv(struct variables *v, struct err *err);
