// SPDX-License-Identifier: Apache-2.0
// YAML: libyaml's events become a bounded tree that knows its lines. serverless.yml and the YAML beside a
// model come in here.
//
// Every node is in the list that begins at the root, whether it is still in the tree or not, so that
// freeing needs no walk. Text and key of a node lie behind it in the same piece of memory.
#include "format/yaml.h"
#include "base/check.h"
#include "base/map.h"
#include "base/mem.h"
#include "format/yaml_scalar.h"

#include <stdarg.h>
#include <stdio.h>
#include <yaml.h>

// A map or list whose end has not come.
struct frame {
    struct yaml_node *node;
    struct map keys; // of a map: the children by key
    struct str key;  // a key that waits for its value; heap, at == NULL when none waits
    int key_line, key_column;
    bool key_merges; // it is a plain "<<"
    struct yaml_node *merge;
    bool ends_wrapper; // the node is inside a map {"Fn::…": node} that ends with it
};

struct reader {
    yaml_parser_t parser;
    yaml_event_t event;
    const char *name;
    struct yaml_node *root, *made_last;
    struct frame frames[YAML_DEPTH_MAX];
    size_t depth, count, text_size;
    struct map anchors; // name → node
    bool has_document;
    struct err *err;
};

static int fail_at(struct err *err, int code, const char *name, int line, int column,
                   const char *text)
{
    return err_set(err, code, "%s:%d:%d: %s", name && *name ? name : "YAML", line, column, text);
}

static int fail(const struct reader *r, int code, const char *text)
{
    return fail_at(r->err, code, r->name, (int)r->event.start_mark.line + 1,
                   (int)r->event.start_mark.column + 1, text);
}

// Where a new node goes, and what it is called there.
struct place {
    struct yaml_node *parent; // NULL: the root
    struct str key;           // at == NULL in a list
    int key_line, key_column;
};

static int node_new(struct reader *r, struct place place, struct str text, struct yaml_node **ret)
{
    if (r->count == YAML_NODE_MAX) {
        return fail(r, ERR_LIMIT, "too many values (aliases count as often as they are used)");
    }
    r->text_size += text.size + place.key.size;
    if (r->text_size > YAML_TEXT_MAX) {
        return fail(r, ERR_LIMIT, "too much text (aliases count as often as they are used)");
    }
    struct yaml_node *node = mem_alloc(sizeof *node + text.size + place.key.size + 2);
    char *at = (char *)(node + 1);
    if (text.size) {
        memcpy(at, text.at, text.size);
    }
    node->text = str_n(at, text.size);
    if (place.key.at) {
        char *key = at + text.size + 1;
        memcpy(key, place.key.at, place.key.size);
        node->key = str_n(key, place.key.size);
        node->key_line = place.key_line;
        node->key_column = place.key_column;
    }
    node->line = (int)r->event.start_mark.line + 1;
    node->column = (int)r->event.start_mark.column + 1;
    *(r->made_last ? &r->made_last->made_next : &r->root) = node;
    r->made_last = node;
    r->count++;
    struct yaml_node *parent = place.parent;
    if (parent) {
        node->parent = parent;
        *(parent->last ? &parent->last->next : &parent->child) = node;
        parent->last = node;
        parent->count++;
    }
    *ret = node;
    return 0;
}

// The place of the next value: below the innermost open map or list.
static int next_place(struct reader *r, struct place *ret)
{
    *ret = (struct place){0};
    if (r->depth == 0) {
        return r->root ? fail(r, ERR_INVALID, "a second document is not allowed") : 0;
    }
    struct frame *f = &r->frames[r->depth - 1];
    *ret = (struct place){f->node, f->key, f->key_line, f->key_column};
    return 0;
}

// The value of the waiting key is there: remembers it under its key.
static void key_done(struct reader *r, struct yaml_node *node)
{
    struct frame *f = r->depth ? &r->frames[r->depth - 1] : NULL;
    if (!f || !f->key.at) {
        return;
    }
    if (f->key_merges) {
        f->merge = node;
    }
    map_put(&f->keys, node->key, node);
    free((char *)f->key.at);
    f->key = (struct str){0};
}

static int take_key(struct reader *r, struct frame *f, struct str text, bool plain)
{
    const struct yaml_node *before = map_get(&f->keys, text);
    if (before) {
        CLEAN_MEM char *message = mem_printf("duplicate key \"" STR_FMT "\" (first on line %d)",
                                             STR_ARG(str_head(text, 100)), before->key_line);
        return fail(r, ERR_INVALID, message);
    }
    f->key = str_n(str_dup(text), text.size);
    f->key_line = (int)r->event.start_mark.line + 1;
    f->key_column = (int)r->event.start_mark.column + 1;
    f->key_merges = plain && str_eq(text, STR("<<"));
    return 0;
}

static bool waits_for_key(const struct reader *r)
{
    const struct frame *f = r->depth ? &r->frames[r->depth - 1] : NULL;
    return f && f->node->kind == YAML_MAP && !f->key.at;
}

static size_t depth_of(const struct yaml_node *node)
{
    size_t depth = 0;
    for (; node; node = node->parent) {
        depth++;
    }
    return depth;
}

static int copy_one(struct reader *r, const struct yaml_node *from, struct place place,
                    struct yaml_node **ret)
{
    TRY(node_new(r, place, from->text, ret));
    (*ret)->kind = from->kind;
    (*ret)->truth = from->truth;
    (*ret)->quoted = from->quoted;
    (*ret)->integer = from->integer;
    (*ret)->real = from->real;
    (*ret)->line = from->line;
    (*ret)->column = from->column;
    return 0;
}

// Copies a whole subtree. Walks the source in document order, the copy beside it.
static int copy_tree(struct reader *r, const struct yaml_node *from, struct place place,
                     struct yaml_node **ret)
{
    struct yaml_node *to = NULL;
    TRY(copy_one(r, from, place, &to));
    *ret = to;
    size_t depth = depth_of(to);
    const struct yaml_node *at = from;
    for (;;) {
        if (at->child) {
            at = at->child;
            depth++;
        } else {
            while (at != from && !at->next) {
                at = at->parent;
                to = to->parent;
                depth--;
            }
            if (at == from) {
                return 0;
            }
            at = at->next;
            to = to->parent;
        }
        if (depth > YAML_DEPTH_MAX) {
            return fail(r, ERR_LIMIT, "nested too deeply");
        }
        TRY(copy_one(r, at, (struct place){to, at->key, at->key_line, at->key_column}, &to));
    }
}

static void remember_anchor(struct reader *r, const void *anchor, struct yaml_node *node)
{
    if (anchor) {
        map_put(&r->anchors, str_of(anchor), node);
    }
}

static int push(struct reader *r, struct yaml_node *node, bool ends_wrapper)
{
    if (r->depth == YAML_DEPTH_MAX) {
        return fail(r, ERR_LIMIT, "nested too deeply");
    }
    r->frames[r->depth++] = (struct frame){.node = node, .ends_wrapper = ends_wrapper};
    return 0;
}

// For a CloudFormation tag, makes the map around the value and moves *place into it.
static int wrap(struct reader *r, const char *tag, struct place *place, struct yaml_node **ret_map)
{
    const char *name = NULL;
    *ret_map = NULL;
    if (!tag || yaml_scalar_tag_is_core(tag)) {
        return 0;
    }
    name = yaml_scalar_tag_name(tag);
    if (!name) {
        CLEAN_MEM char *message = mem_printf("unknown tag %.100s", tag);
        return fail(r, ERR_INVALID, message);
    }
    TRY(node_new(r, *place, (struct str){0}, ret_map));
    (*ret_map)->kind = YAML_MAP;
    *place = (struct place){*ret_map, str_of(name), (*ret_map)->line, (*ret_map)->column};
    return 0;
}

// `!GetAtt a.b` is a list of two.
static int take_get_att(struct reader *r, struct str text, struct place place)
{
    struct yaml_node *list = NULL, *part = NULL;
    TRY(node_new(r, place, (struct str){0}, &list));
    list->kind = YAML_LIST;
    struct str rest = text;
    struct str first = str_cut(&rest, '.');
    TRY(node_new(r, (struct place){list}, first, &part));
    part->kind = YAML_STRING;
    if (rest.at) {
        TRY(node_new(r, (struct place){list}, rest, &part));
        part->kind = YAML_STRING;
    }
    return 0;
}

static int take_scalar(struct reader *r)
{
    const char *tag = (const char *)r->event.data.scalar.tag;
    bool plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    struct str text = str_n(r->event.data.scalar.value, r->event.data.scalar.length);
    if (waits_for_key(r)) {
        return take_key(r, &r->frames[r->depth - 1], text, plain && !tag);
    }
    struct place place;
    struct yaml_node *wrapper = NULL, *node = NULL;
    TRY(next_place(r, &place));
    TRY(wrap(r, tag, &place, &wrapper));
    if (wrapper && str_eq(place.key, STR("Fn::GetAtt"))) {
        TRY(take_get_att(r, text, place));
    } else {
        TRY(node_new(r, place, text, &node));
        if (yaml_scalar_resolve(node, tag, plain) < 0) {
            CLEAN_MEM char *message = mem_printf("\"" STR_FMT "\" is not of the type its tag says",
                                                 STR_ARG(str_head(text, 60)));
            return fail(r, ERR_INVALID, message);
        }
    }
    node = wrapper ? wrapper : node;
    remember_anchor(r, r->event.data.scalar.anchor, node);
    key_done(r, node);
    return 0;
}

static int take_start(struct reader *r, enum yaml_kind kind, const void *tag, const void *anchor)
{
    if (waits_for_key(r)) {
        return fail(r, ERR_INVALID, "a key must be a scalar");
    }
    struct place place;
    struct yaml_node *wrapper = NULL, *node = NULL;
    TRY(next_place(r, &place));
    TRY(wrap(r, tag, &place, &wrapper));
    TRY(node_new(r, place, (struct str){0}, &node));
    node->kind = kind;
    remember_anchor(r, anchor, wrapper ? wrapper : node);
    key_done(r, wrapper ? wrapper : node);
    if (wrapper) {
        TRY(push(r, wrapper, false));
    }
    return push(r, node, wrapper != NULL);
}

static int take_alias(struct reader *r)
{
    const char *name = (const char *)r->event.data.alias.anchor;
    const struct yaml_node *from = map_get(&r->anchors, str_of(name));
    CLEAN_MEM char *message = NULL;
    if (!from) {
        message = mem_printf("alias *%.60s has no anchor before it", name);
        return fail(r, ERR_INVALID, message);
    }
    for (size_t i = 0; i < r->depth; i++) {
        if (r->frames[i].node == from) {
            message = mem_printf("alias *%.60s is inside its own anchor", name);
            return fail(r, ERR_INVALID, message);
        }
    }
    if (waits_for_key(r)) {
        return yaml_is_scalar(from) ? take_key(r, &r->frames[r->depth - 1], from->text, false)
                                    : fail(r, ERR_INVALID, "a key must be a scalar");
    }
    struct place place;
    struct yaml_node *node = NULL;
    TRY(next_place(r, &place));
    TRY(copy_tree(r, from, place, &node));
    key_done(r, node);
    return 0;
}

static void unlink_child(struct yaml_node *parent, struct yaml_node *child)
{
    struct yaml_node *before = NULL;
    for (struct yaml_node *n = parent->child; n != child; n = n->next) {
        before = n;
    }
    *(before ? &before->next : &parent->child) = child->next;
    parent->last = parent->last == child ? before : parent->last;
    parent->count--;
    child->next = NULL; // it keeps its parent: a walk of a copy of it must end there
}

static int merge_one(struct reader *r, struct frame *f, const struct yaml_node *from)
{
    if (from->kind != YAML_MAP) {
        return fail_at(r->err, ERR_INVALID, r->name, from->line, from->column,
                       "\"<<\" takes a map or a list of maps");
    }
    for (const struct yaml_node *n = from->child; n; n = n->next) {
        if (!map_get(&f->keys, n->key)) {
            struct yaml_node *copy = NULL;
            TRY(copy_tree(r, n, (struct place){f->node, n->key, n->key_line, n->key_column},
                          &copy));
            map_put(&f->keys, copy->key, copy);
        }
    }
    return 0;
}

// What "<<" names goes into the map where the map itself says nothing; the first of a list wins.
static int merge(struct reader *r, struct frame *f)
{
    struct yaml_node *from = f->merge;
    unlink_child(f->node, from);
    map_remove(&f->keys, STR("<<"));
    if (from->kind != YAML_LIST) {
        return merge_one(r, f, from);
    }
    for (const struct yaml_node *n = from->child; n; n = n->next) {
        TRY(merge_one(r, f, n));
    }
    return 0;
}

static int take_end(struct reader *r)
{
    CHECK(r->depth > 0);
    struct frame *f = &r->frames[r->depth - 1];
    if (f->merge) {
        TRY(merge(r, f));
    }
    bool twice = f->ends_wrapper;
    map_done(&f->keys);
    r->depth--;
    if (twice) {
        map_done(&r->frames[r->depth - 1].keys);
        r->depth--;
    }
    return 0;
}

static int take_event(struct reader *r)
{
    const yaml_event_t *e = &r->event;
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (r->has_document) {
            return fail(r, ERR_INVALID, "a second document is not allowed");
        }
        r->has_document = true;
        return 0;
    case YAML_SCALAR_EVENT: return take_scalar(r);
    case YAML_ALIAS_EVENT: return take_alias(r);
    case YAML_MAPPING_START_EVENT:
        return take_start(r, YAML_MAP, e->data.mapping_start.tag, e->data.mapping_start.anchor);
    case YAML_SEQUENCE_START_EVENT:
        return take_start(r, YAML_LIST, e->data.sequence_start.tag, e->data.sequence_start.anchor);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT: return take_end(r);
    default: return 0;
    }
}

static int parser_error(const struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    bool marked = p->problem_mark.line || p->problem_mark.column;
    CLEAN_MEM char *text = p->context ? mem_printf("%s (%s that began on line %zu)", p->problem,
                                                   p->context, p->context_mark.line + 1)
                                      : mem_dup(p->problem ? p->problem : "cannot be read");
    return fail_at(r->err, ERR_INVALID, r->name, marked ? (int)p->problem_mark.line + 1 : 1,
                   marked ? (int)p->problem_mark.column + 1 : 1, text);
}

static int read_events(struct reader *r)
{
    for (bool more = true; more;) {
        if (!yaml_parser_parse(&r->parser, &r->event)) {
            return parser_error(r);
        }
        int rc = take_event(r);
        more = r->event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&r->event);
        TRY(rc);
    }
    if (!r->root) { // an empty document
        struct yaml_node *node = NULL;
        TRY(node_new(r, (struct place){0}, (struct str){0}, &node));
        node->kind = YAML_NULL;
    }
    return 0;
}

static void reader_done(struct reader *r)
{
    for (size_t i = 0; i < r->depth; i++) {
        map_done(&r->frames[i].keys);
        free((char *)r->frames[i].key.at);
    }
    map_done(&r->anchors);
    yaml_parser_delete(&r->parser);
}

int yaml_parse(struct str text, const char *name, struct yaml_node **ret, struct err *err)
{
    if (text.size > YAML_SIZE_MAX) {
        return fail_at(err, ERR_LIMIT, name, 1, 1, "longer than 4 MB");
    }
    struct reader r = {.name = name, .err = err};
    CHECK(yaml_parser_initialize(&r.parser) == 1);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.at ? text.at : ""),
                                 text.size);
    int rc = read_events(&r);
    reader_done(&r);
    if (rc < 0) {
        yaml_node_free(r.root);
        return rc;
    }
    *ret = r.root;
    return 0;
}

void yaml_node_free(struct yaml_node *root)
{
    while (root) {
        struct yaml_node *next = root->made_next;
        free(root);
        root = next;
    }
}

void yaml_node_clean(struct yaml_node **root)
{
    yaml_node_free(*root);
    *root = NULL;
}

struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    struct yaml_node *n = map && map->kind == YAML_MAP ? map->child : NULL;
    while (n && !str_eq(n->key, str_of(key))) {
        n = n->next;
    }
    return n;
}

struct yaml_node *yaml_at(const struct yaml_node *list, size_t index)
{
    struct yaml_node *n = list && list->kind == YAML_LIST ? list->child : NULL;
    while (n && index--) {
        n = n->next;
    }
    return n;
}

struct yaml_node *yaml_path(const struct yaml_node *node, const char *path)
{
    struct str rest = str_of(path);
    while (rest.at && node) {
        struct str name = str_cut(&rest, '.');
        const struct yaml_node *n = node->kind == YAML_MAP ? node->child : NULL;
        while (n && !str_eq(n->key, name)) {
            n = n->next;
        }
        node = n;
    }
    return (struct yaml_node *)node;
}

int yaml_fail(struct err *err, const struct yaml_node *node, const char *name, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return fail_at(err, ERR_INVALID, name, node ? node->line : 1, node ? node->column : 1, text);
}
