// SPDX-License-Identifier: Apache-2.0
// What was parsed is written and parsed again: the tree must be the same. Any bytes, escaped, must parse
// unless they hold control characters (which S3 writes, and XML does not allow).
#include "base/check.h"
#include "base/mem.h"
#include "format/utf8.h"
#include "format/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_tree(const struct xml_node *root, struct buf *out)
{
    for (const struct xml_node *n = root; n;) {
        xml_open(out, n->name);
        xml_escape(out, n->text);
        if (n->child) {
            n = n->child;
            continue;
        }
        xml_close(out, n->name);
        while (n != root && !n->next) {
            n = n->parent;
            xml_close(out, n->name);
        }
        n = n == root ? NULL : n->next;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    CLEAN(xml_clean) struct xml_node *root = NULL;
    CLEAN(xml_clean) struct xml_node *again = NULL;
    CLEAN(buf_done) struct buf out = BUF_INIT(64 << 20);
    CLEAN(buf_done) struct buf out_again = BUF_INIT(64 << 20);
    int rc = xml_parse(str_n(data, size), &root, &err);
    if (rc < 0) {
        CHECK(err.text[0] && !root);
        xml_escape(&out, str_n(data, size));
        CHECK(utf8_ok(buf_str(&out)));
        return 0;
    }
    write_tree(root, &out);
    CHECK(xml_parse(buf_str(&out), &again, &err) == 0);
    write_tree(again, &out_again);
    CHECK(str_eq(buf_str(&out), buf_str(&out_again)));
    (void)xml_next(xml_child(root, "Key"));
    return 0;
}
