// SPDX-License-Identifier: Apache-2.0
// Answers the CloudFormation functions that need no CloudFormation, so that files written for AWS
// name their own region and account and still mean something here.
#include "config/intrinsic.h"
#include "format/arn.h"
#include "base/mem.h"

#define TEXT_MAX (64 * 1024)

static const char *pseudo(const struct intrinsic_facts *facts, struct str name)
{
    const struct {
        const char *name, *value;
    } rows[] = {{"AWS::Region", facts->region},
                {"AWS::AccountId", ARN_ACCOUNT},
                {"AWS::Partition", "aws"},
                {"AWS::StackName", facts->stack},
                {"AWS::URLSuffix", "amazonaws.com"}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (str_eq(name, str_of(rows[i].name))) {
            return rows[i].value;
        }
    }
    return NULL;
}

static bool is_text(const struct tree_node *node)
{
    return node && yaml_is_scalar(&node->yaml) && node->yaml.kind != YAML_NULL;
}

// "arn:${AWS::Partition}:s3:::x/${!literal}". False when a name is not known.
static bool substitute(const struct intrinsic_facts *facts, struct str text, struct buf *out)
{
    for (ptrdiff_t at; (at = str_find_str(text, STR("${"))) >= 0;) {
        buf_add_str(out, str_head(text, (size_t)at));
        text = str_skip(text, (size_t)at + 2);
        ptrdiff_t end = str_find(text, '}');
        if (end < 0) {
            return false;
        }
        struct str name = str_head(text, (size_t)end);
        bool literal = name.size && name.at[0] == '!';
        const char *value = literal ? NULL : pseudo(facts, name);
        if (literal) {
            buf_printf(out, "${" STR_FMT "}", STR_ARG(str_skip(name, 1)));
        } else if (value) {
            buf_add_text(out, value);
        } else {
            return false;
        }
        text = str_skip(text, (size_t)end + 1);
    }
    buf_add_str(out, text);
    return buf_ok(out);
}

static bool join(const struct tree_node *list, struct buf *out)
{
    const struct tree_node *separator = tree_child(list);
    const struct tree_node *texts = tree_next(separator);
    if (!is_text(separator) || !texts || texts->yaml.kind != YAML_LIST) {
        return false;
    }
    for (const struct tree_node *n = tree_child(texts); n; n = tree_next(n)) {
        if (!is_text(n)) {
            return false;
        }
        buf_add_str(out, out->size || n != tree_child(texts) ? separator->yaml.text : STR(""));
        buf_add_str(out, n->yaml.text);
    }
    return buf_ok(out);
}

static bool answer(const struct intrinsic_facts *facts, const struct tree_node *node,
                   struct buf *out)
{
    const struct tree_node *argument = tree_child(node);
    if (node->yaml.kind != YAML_MAP || node->yaml.count != 1) {
        return false;
    }
    if (str_eq(argument->yaml.key, STR("Ref")) && is_text(argument)) {
        const char *value = pseudo(facts, argument->yaml.text);
        buf_add_text(out, value ? value : "");
        return value != NULL;
    }
    if (str_eq(argument->yaml.key, STR("Fn::Sub")) && is_text(argument)) {
        return substitute(facts, argument->yaml.text, out);
    }
    return str_eq(argument->yaml.key, STR("Fn::Join")) && join(argument, out);
}

// Children first, so that a Join of Refs is a Join of texts. As deep as TREE_DEPTH_MAX.
void intrinsic_resolve(struct tree *tree, struct tree_node *root,
                       const struct intrinsic_facts *facts)
{
    for (struct tree_node *n = tree_child(root); n; n = tree_next(n)) {
        intrinsic_resolve(tree, n, facts);
    }
    CLEAN(buf_done) struct buf text = BUF_INIT(TEXT_MAX);
    if (answer(facts, root, &text)) {
        tree_become(root, tree_string(tree, root, buf_str(&text)));
    }
}
