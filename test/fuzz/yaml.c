// SPDX-License-Identifier: Apache-2.0
// A tree that was parsed is within its bounds, its links are whole, and it becomes JSON.
#include "base/check.h"
#include "format/json.h"
#include "format/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_tree(const struct yaml_node *root)
{
    size_t count = 0;
    for (const struct yaml_node *n = root; n;) {
        CHECK(++count <= YAML_NODE_MAX);
        CHECK(n->line >= 1 && n->column >= 1);
        size_t children = 0;
        for (const struct yaml_node *c = n->child; c; c = c->next) {
            CHECK(c->parent == n);
            CHECK((n->kind == YAML_MAP) == (c->key.at != NULL));
            children++;
        }
        CHECK(children == n->count);
        CHECK(children == 0 || n->kind == YAML_MAP || n->kind == YAML_LIST);
        if (n->child) {
            n = n->child;
            continue;
        }
        while (n != root && !n->next) {
            n = n->parent;
        }
        n = n == root ? NULL : n->next;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    CLEAN(yaml_node_clean) struct yaml_node *root = NULL;
    if (yaml_parse(str_n(data, size), "f", &root, &err) < 0) {
        CHECK(err.text[0] && !root);
        return 0;
    }
    check_tree(root);
    CLEAN_JSON json_t *json = yaml_to_json(root);
    CLEAN(buf_done) struct buf out = BUF_INIT(256 << 20);
    json_write(json, &out);
    CHECK(buf_ok(&out));
    (void)yaml_path(root, "functions.a.events");
    return 0;
}
