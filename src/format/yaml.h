// SPDX-License-Identifier: Apache-2.0
// YAML documents as a bounded tree in which every node knows its line. Scalars are typed as the
// Serverless Framework does (js-yaml's default schema: YAML 1.2 core, plus octal 0o17, hexadecimal,
// timestamps left as strings). Anchors, aliases and merge keys ("<<") are resolved by copying, within
// YAML_NODE_MAX, so a small document cannot become a huge tree. CloudFormation's short tags become
// their long form: `!Ref x` is {"Ref": "x"}, `!GetAtt a.b` is {"Fn::GetAtt": ["a", "b"]}, `!Sub s` is
// {"Fn::Sub": s}. Duplicate keys are an error.
//
//     CLEAN(yaml_node_clean) struct yaml_node *root = NULL;
//     TRY(yaml_parse(text, "serverless.yml", &root, err));
//     struct yaml_node *service = yaml_get(root, "service");
//     for (struct yaml_node *f = yaml_get(root, "functions")->child; f; f = f->next) { f->key … }
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>

#define YAML_DEPTH_MAX 64
#define YAML_NODE_MAX  50000
#define YAML_SIZE_MAX  (4 * 1024 * 1024)  // bytes of a document
#define YAML_TEXT_MAX  (16 * 1024 * 1024) // bytes of all scalars and keys, aliases resolved

enum yaml_kind { YAML_NULL, YAML_BOOL, YAML_INT, YAML_FLOAT, YAML_STRING, YAML_LIST, YAML_MAP };

struct yaml_node {
    enum yaml_kind kind;
    struct str text;  // of a scalar, as written (quotes and escapes resolved); NUL-terminated
    bool truth;       // YAML_BOOL
    bool quoted;      // a string in quotes or a block
    int64_t integer;  // YAML_INT
    double real;      // YAML_FLOAT and YAML_INT
    int line, column; // from 1
    struct str key;   // in a map: this node's key, NUL-terminated. In a list: at == NULL
    int key_line, key_column;
    struct yaml_node *parent, *child, *next; // first child, next sibling; document order
    struct yaml_node *last;                  // private: last child
    struct yaml_node *made_next;             // private: all nodes, in the order they were made
    size_t count;                            // children
};

// *ret is the root, to be freed with yaml_node_free; it owns all below and all text. An empty document
// is YAML_NULL. `name` is put before errors: "serverless.yml:12:5: duplicate key "handler"…".
// ERR_INVALID, or ERR_LIMIT for the bounds above. Only one document is allowed.
MUST_CHECK int yaml_parse(struct str text, const char *name, struct yaml_node **ret,
                          struct err *err);
void yaml_node_free(struct yaml_node *root); // takes NULL
void yaml_node_clean(struct yaml_node **root);

// All take NULL, and a node of another kind, and then return NULL.
struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
struct yaml_node *yaml_at(const struct yaml_node *list, size_t index);
struct yaml_node *yaml_path(const struct yaml_node *node, const char *path); // "provider.region"
const char *yaml_kind_name(enum yaml_kind kind);   // "a map", "a string", …
bool yaml_is_scalar(const struct yaml_node *node); // false for NULL (the pointer)

// ERR_INVALID with "line:column: ", text as given: for those who check what a document means.
int yaml_fail(struct err *err, const struct yaml_node *node, const char *name, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

// A new tree of the same content; takes NULL (→ null).
json_t *yaml_to_json(const struct yaml_node *node);
