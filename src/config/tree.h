// SPDX-License-Identifier: Apache-2.0
// The tree that serverless.yml and the files it names are put together in: copies of YAML nodes, each
// of which knows its file, in one arena. Variables replace nodes in place, so a tree of several
// files still gives every error the file and line it came from.
//
//     CLEAN(tree_free_clean) struct tree *tree = tree_new();
//     struct tree_node *root = NULL;
//     TRY(tree_parse(tree, text, "serverless.yml", &root, err));
//     struct tree_node *name = tree_get(root, "service");
#pragma once

#include "format/yaml.h"

#define TREE_NODE_MAX  200000
#define TREE_DEPTH_MAX 128

enum tree_state { TREE_FRESH, TREE_ACTIVE, TREE_DONE }; // of the variables below a node

struct tree_node {
    struct yaml_node yaml; // first: links and content; yaml_get and friends work on &node->yaml
    const char *file;      // as given to tree_parse
    enum tree_state state;
    const char *unavailable; // a source that only AWS has ("ssm") and that this text asks, or NULL
};

struct tree;
struct tree *tree_new(void);
void tree_free(struct tree *tree); // takes NULL; all nodes and texts go with it
void tree_free_clean(struct tree **tree);

void *tree_alloc(struct tree *tree, size_t size);          // zeroed, lives as long as the tree
const char *tree_text(struct tree *tree, struct str text); // NUL-terminated copy

// YAML, or JSON, which YAML reads too. Errors as yaml_parse's.
MUST_CHECK int tree_parse(struct tree *tree, struct str text, const char *file,
                          struct tree_node **ret, struct err *err);
// A scalar, found where `at` stands. Kind and value as given.
struct tree_node *tree_string(struct tree *tree, const struct tree_node *at, struct str text);
struct tree_node *tree_scalar(struct tree *tree, const struct tree_node *at, enum yaml_kind kind,
                              struct str text);
// A deep copy that is in no tree yet. ERR_LIMIT.
MUST_CHECK int tree_copy(struct tree *tree, const struct tree_node *from, struct tree_node **ret,
                         struct err *err);
// Puts the content of `from` (not used afterwards) where `node` is; key and neighbours stay.
void tree_become(struct tree_node *node, struct tree_node *from);
void tree_append(struct tree_node *map, struct tree_node *child); // child has its key already

// All take NULL and nodes of another kind, and are then NULL.
struct tree_node *tree_get(const struct tree_node *map, const char *key);
struct tree_node *tree_child(const struct tree_node *node);
struct tree_node *tree_next(const struct tree_node *node);

// "functions.digits.events[0].s3", without the root.
void tree_path(const struct tree_node *node, struct buf *out);

// ERR_INVALID: "file:line:column: " and the words.
int tree_fail(struct err *err, const struct tree_node *node, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
int tree_fail_key(struct err *err, const struct tree_node *node, const char *fmt, ...)
    PRINTF_LIKE(3, 4); // at the node's key
