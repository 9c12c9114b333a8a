// SPDX-License-Identifier: Apache-2.0
// Copies parsed YAML into an arena that outlives the parser, with the file name on every node, so
// that config/variables.c can graft pieces of one file into another.
#include "config/tree.h"
#include "base/check.h"
#include "base/mem.h"

#include <stdarg.h>

#define CHUNK_SIZE (64 * 1024)

struct chunk {
    struct chunk *next;
    size_t used, size;
    _Alignas(16) char bytes[];
};

struct tree {
    struct chunk *chunks;
    size_t nodes;
};

struct tree *tree_new(void)
{
    return NEW(struct tree);
}

void tree_free(struct tree *tree)
{
    if (!tree) {
        return;
    }
    for (struct chunk *c = tree->chunks; c;) {
        struct chunk *next = c->next;
        free(c);
        c = next;
    }
    free(tree);
}

void tree_free_clean(struct tree **tree)
{
    tree_free(*tree);
}

void *tree_alloc(struct tree *tree, size_t size)
{
    size_t padded = (size + 15) & ~(size_t)15;
    struct chunk *c = tree->chunks;
    if (!c || c->size - c->used < padded) {
        size_t room = padded > CHUNK_SIZE ? padded : CHUNK_SIZE;
        c = mem_alloc(sizeof *c + room);
        c->size = room;
        c->next = tree->chunks;
        tree->chunks = c;
    }
    void *at = c->bytes + c->used;
    c->used += padded;
    return at;
}

const char *tree_text(struct tree *tree, struct str text)
{
    char *copy = tree_alloc(tree, text.size + 1);
    if (text.size) {
        memcpy(copy, text.at, text.size);
    }
    return copy;
}

static struct str keep(struct tree *tree, struct str text)
{
    return text.at ? str_n(tree_text(tree, text), text.size) : text;
}

static struct tree_node *as_node(struct yaml_node *yaml)
{
    return (struct tree_node *)(void *)yaml; // every node of a tree was made by node_new
}

static struct tree_node *node_new(struct tree *tree, const struct yaml_node *like, const char *file)
{
    struct tree_node *node = tree_alloc(tree, sizeof *node);
    node->yaml = *like;
    node->yaml.text = keep(tree, like->text);
    node->yaml.key = keep(tree, like->key);
    node->yaml.parent = node->yaml.child = node->yaml.next = node->yaml.last = NULL;
    node->yaml.made_next = NULL;
    node->yaml.count = 0;
    node->file = file;
    tree->nodes++;
    return node;
}

void tree_append(struct tree_node *map, struct tree_node *child)
{
    struct yaml_node *parent = &map->yaml;
    child->yaml.parent = parent;
    child->yaml.next = NULL;
    if (parent->last) {
        parent->last->next = &child->yaml;
    } else {
        parent->child = &child->yaml;
    }
    parent->last = &child->yaml;
    parent->count++;
}

// Copies without recursion: walks `from` in document order and its copy alongside. `file` NULL takes
// each node's own.
static int copy(struct tree *tree, const struct yaml_node *from, const char *file,
                struct tree_node **ret, struct err *err)
{
#define FILE_OF(y) (file ? file : ((const struct tree_node *)(const void *)(y))->file)
    struct tree_node *top = node_new(tree, from, FILE_OF(from));
    struct tree_node *into = top;
    const struct yaml_node *at = from;
    int depth = 0;
    for (;;) {
        if (tree->nodes > TREE_NODE_MAX || depth > TREE_DEPTH_MAX) {
            return err_set(err, ERR_LIMIT,
                           "%s:%d:%d: the configuration grows too large or too deep", FILE_OF(from),
                           from->line, from->column);
        }
        if (at->child) {
            at = at->child;
            depth++;
        } else {
            while (at != from && !at->next) {
                at = at->parent;
                into = as_node(into->yaml.parent);
                depth--;
            }
            if (at == from) {
                break;
            }
            at = at->next;
            into = as_node(into->yaml.parent);
        }
        struct tree_node *node = node_new(tree, at, FILE_OF(at));
        tree_append(into, node);
        into = node;
    }
#undef FILE_OF
    *ret = top;
    return 0;
}

int tree_parse(struct tree *tree, struct str text, const char *file, struct tree_node **ret,
               struct err *err)
{
    CLEAN(yaml_node_clean) struct yaml_node *root = NULL;
    TRY(yaml_parse(text, file, &root, err));
    return copy(tree, root, tree_text(tree, str_of(file)), ret, err);
}

int tree_copy(struct tree *tree, const struct tree_node *from, struct tree_node **ret,
              struct err *err)
{
    TRY(copy(tree, &from->yaml, NULL, ret, err));
    (*ret)->state = from->state;
    (*ret)->unavailable = from->unavailable;
    return 0;
}

struct tree_node *tree_scalar(struct tree *tree, const struct tree_node *at, enum yaml_kind kind,
                              struct str text)
{
    struct yaml_node like = {.kind = kind,
                             .text = text.at ? text : STR(""),
                             .line = at->yaml.line,
                             .column = at->yaml.column};
    (void)str_to_i64(text, &like.integer);
    (void)str_to_double(text, &like.real);
    like.truth = str_eq(text, STR("true"));
    return node_new(tree, &like, at->file);
}

struct tree_node *tree_string(struct tree *tree, const struct tree_node *at, struct str text)
{
    return tree_scalar(tree, at, YAML_STRING, text);
}

void tree_become(struct tree_node *node, struct tree_node *from)
{
    struct yaml_node was = node->yaml;
    node->yaml = from->yaml;
    node->yaml.parent = was.parent;
    node->yaml.next = was.next;
    node->yaml.key = was.key;
    node->yaml.key_line = was.key_line;
    node->yaml.key_column = was.key_column;
    for (struct yaml_node *child = node->yaml.child; child; child = child->next) {
        child->parent = &node->yaml;
    }
    if (from->yaml
            .child) { // scalars are reported where they are used, trees where they are written
        node->file = from->file;
    } else {
        node->yaml.line = was.line;
        node->yaml.column = was.column;
    }
    node->unavailable = from->unavailable;
}

struct tree_node *tree_get(const struct tree_node *map, const char *key)
{
    return map ? as_node(yaml_get(&map->yaml, key)) : NULL;
}

struct tree_node *tree_child(const struct tree_node *node)
{
    return node ? as_node(node->yaml.child) : NULL;
}

struct tree_node *tree_next(const struct tree_node *node)
{
    return node ? as_node(node->yaml.next) : NULL;
}

static size_t index_of(const struct yaml_node *node)
{
    size_t index = 0;
    for (const struct yaml_node *n = node->parent->child; n != node; n = n->next) {
        index++;
    }
    return index;
}

void tree_path(const struct tree_node *node, struct buf *out)
{
    const struct yaml_node *steps[TREE_DEPTH_MAX + 2];
    size_t count = 0;
    for (const struct yaml_node *n = &node->yaml; n->parent && count < ARRAY_SIZE(steps);
         n = n->parent) {
        steps[count++] = n;
    }
    const char *dot = "";
    while (count-- > 0) {
        if (steps[count]->parent->kind == YAML_LIST) {
            buf_printf(out, "[%zu]", index_of(steps[count]));
        } else {
            buf_printf(out, "%s" STR_FMT, dot, STR_ARG(steps[count]->key));
        }
        dot = ".";
    }
}

static int fail_at(struct err *err, const char *file, int line, int column, const char *fmt,
                   va_list args)
{
    char text[ERR_TEXT_MAX];
    vsnprintf(text, sizeof text, fmt, args);
    return err_set(err, ERR_INVALID, "%s:%d:%d: %s", file, line, column, text);
}

int tree_fail(struct err *err, const struct tree_node *node, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int rc = fail_at(err, node->file, node->yaml.line, node->yaml.column, fmt, args);
    va_end(args);
    return rc;
}

int tree_fail_key(struct err *err, const struct tree_node *node, const char *fmt, ...)
{
    bool keyed = node->yaml.key_line > 0;
    va_list args;
    va_start(args, fmt);
    int rc = fail_at(err, node->file, keyed ? node->yaml.key_line : node->yaml.line,
                     keyed ? node->yaml.key_column : node->yaml.column, fmt, args);
    va_end(args);
    return rc;
}
