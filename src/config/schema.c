// SPDX-License-Identifier: Apache-2.0
// Walks serverless.yml beside the table of its keys: unknown keys and wrong values fail with file, line
// and column, keys that are known but not honoured are collected for one warning.
#include "config/schema.h"
#include "config/quantity.h"
#include "base/map.h"
#include "base/mem.h"

#define NOTE_MAX    (64 * 1024)
#define SUGGEST_MAX 256
#define PATTERN_MAX 512

struct walk {
    struct map rows; // pattern → row
    struct map told; // patterns that the warning names already
    enum schema_mode mode;
    struct schema_notes *notes;
};

static void add_rows(struct map *map, const struct schema_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        map_put(map, str_of(rows[i].path), (void *)(uintptr_t)&rows[i]);
    }
}

bool schema_is_intrinsic(const struct tree_node *node)
{
    const struct yaml_node *y = &node->yaml;
    return y->kind == YAML_MAP && y->count == 1 &&
           (str_eq(y->child->key, STR("Ref")) || str_starts(y->child->key, STR("Fn::")));
}

// "a string, a list or a CloudFormation function"
static void add_kinds(struct buf *out, int kinds)
{
    static const struct {
        int kind;
        const char *name;
    } names[] = {{S, "a string"},      {I, "a whole number"}, {N, "a number"},
                 {B, "true or false"}, {L, "a list"},         {M | O, "a map"}};
    const char *found[ARRAY_SIZE(names)];
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (kinds & names[i].kind) {
            found[count++] = names[i].name;
        }
    }
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "%s%s", i == 0 ? "" : i + 1 == count ? " or " : ", ", found[i]);
    }
}

static int fail_kind(const struct tree_node *node, const struct schema_row *row, struct err *err)
{
    CLEAN(buf_done) struct buf path = BUF_INIT(PATTERN_MAX);
    CLEAN(buf_done) struct buf kinds = BUF_INIT(PATTERN_MAX);
    tree_path(node, &path);
    add_kinds(&kinds, row->kinds);
    return tree_fail(err, node, "%s: must be %s, is %s", buf_text(&path), buf_text(&kinds),
                     yaml_kind_name(node->yaml.kind));
}

static int check_range(const struct tree_node *node, const struct schema_row *row, struct err *err)
{
    double value = 0;
    bool bounded = row->least || row->most;
    if (!bounded || !str_to_double(node->yaml.text, &value)) {
        return 0;
    }
    if (value >= row->least && (row->most == 0 || value <= row->most)) {
        return 0;
    }
    CLEAN(buf_done) struct buf path = BUF_INIT(PATTERN_MAX);
    tree_path(node, &path);
    if (row->most == 0) {
        return tree_fail(err, node, "%s: " STR_FMT " is below %d", buf_text(&path),
                         STR_ARG(node->yaml.text), row->least);
    }
    return tree_fail(err, node, "%s: " STR_FMT " is not between %d and %d", buf_text(&path),
                     STR_ARG(node->yaml.text), row->least, row->most);
}

static int check_choice(const struct tree_node *node, const struct schema_row *row, struct err *err)
{
    const char *words[64];
    size_t count = 0;
    CLEAN_MEM char *list = mem_dup(row->choices);
    for (char *at = list, *next = NULL; at && count < ARRAY_SIZE(words); at = next) {
        next = strchr(at, '|');
        if (next) {
            *next++ = 0;
        }
        words[count++] = at;
        if (str_eq(node->yaml.text, str_of(at))) {
            return 0;
        }
    }
    CLEAN(buf_done) struct buf path = BUF_INIT(PATTERN_MAX);
    tree_path(node, &path);
    const char *meant = nearest_word(node->yaml.text, words, count);
    CLEAN(buf_done) struct buf all = BUF_INIT(PATTERN_MAX);
    for (size_t i = 0; i < count; i++) {
        buf_printf(&all, "%s%s", i == 0 ? "" : i + 1 == count ? " or " : ", ", words[i]);
    }
    return tree_fail(err, node, "%s: \"" STR_FMT "\" is not %s%s%s%s", buf_text(&path),
                     STR_ARG(node->yaml.text), count > 1 ? "one of " : "", buf_text(&all),
                     meant ? ", did you mean " : "", meant ? meant : "");
}

static bool scalar_fits(const struct yaml_node *y, int kinds)
{
    int64_t whole = 0;
    double number = 0;
    if (kinds & S) {
        return true;
    }
    if ((kinds & I) && (y->kind == YAML_INT || str_to_i64(y->text, &whole) ||
                        (str_to_double(y->text, &number) && number == (double)(int64_t)number))) {
        return true;
    }
    if ((kinds & N) && (y->kind == YAML_FLOAT || str_to_double(y->text, &number))) {
        return true;
    }
    return (kinds & B) &&
           (y->kind == YAML_BOOL || str_eq(y->text, STR("true")) || str_eq(y->text, STR("false")));
}

static int check_scalar(const struct tree_node *node, const struct schema_row *row, struct err *err)
{
    if (!scalar_fits(&node->yaml, row->kinds)) {
        return fail_kind(node, row, err);
    }
    TRY(check_range(node, row, err));
    // A choice among strings says nothing about the other kinds a key may have.
    bool bare = node->yaml.kind == YAML_BOOL && (row->kinds & B);
    return row->choices && !bare ? check_choice(node, row, err) : 0;
}

// Names the keys that may stand below `pattern` and suggests one.
static int fail_unknown(struct walk *walk, const struct tree_node *node, const char *pattern,
                        struct err *err)
{
    const char *words[SUGGEST_MAX];
    size_t count = 0;
    size_t at = 0;
    CLEAN_MEM char *prefix = mem_printf("%s%s", pattern, pattern[0] ? "." : "");
    struct str prefix_str = str_of(prefix);
    for (const struct schema_row *row; (row = map_next(&walk->rows, &at));) {
        struct str path = str_of(row->path);
        if (str_starts(path, prefix_str) && count < ARRAY_SIZE(words)) {
            struct str last = str_skip(path, prefix_str.size);
            if (str_find(last, '.') < 0 && str_find(last, '[') < 0 && !str_eq(last, STR("*"))) {
                words[count++] = last.at;
            }
        }
    }
    CLEAN(buf_done) struct buf path = BUF_INIT(PATTERN_MAX);
    if (node->yaml.parent && node->yaml.parent->parent) {
        buf_add_text(&path, " in ");
        tree_path((const struct tree_node *)(const void *)node->yaml.parent, &path);
    }
    const char *meant = nearest_word(node->yaml.key, words, count);
    return tree_fail_key(err, node, "unknown key \"" STR_FMT "\"%s%s%s%s", STR_ARG(node->yaml.key),
                         buf_text(&path), meant ? ", did you mean \"" : "", meant ? meant : "",
                         meant ? "\"?" : "");
}

// Unknown keys are an error, or a line of the notes, as configValidationMode wants it.
static int unknown(struct walk *walk, const struct tree_node *node, const char *pattern,
                   struct err *err)
{
    struct err told = {0};
    int rc = fail_unknown(walk, node, pattern, &told);
    if (walk->mode == SCHEMA_ERROR) {
        return err_set(err, rc, "%s", told.text);
    }
    if (walk->mode == SCHEMA_WARN) {
        buf_printf(&walk->notes->unknown, "%s%s", walk->notes->unknown.size ? "\n" : "", told.text);
    }
    return 0;
}

static void note_ignored(struct walk *walk, const struct tree_node *node,
                         const struct schema_row *row)
{
    if (map_put(&walk->told, str_of(row->path), walk)) {
        return; // one example of each is enough
    }
    struct buf *out = &walk->notes->ignored;
    buf_add_text(out, out->size ? ", " : "");
    tree_path(node, out);
    buf_printf(out, " (line %d)", node->yaml.key_line ? node->yaml.key_line : node->yaml.line);
    walk->notes->ignored_count++;
}

static int check(struct walk *walk, struct tree_node *node, const struct schema_row *row,
                 bool honoured, struct err *err);

static const struct schema_row *row_below(struct walk *walk, const char *pattern, struct str key)
{
    CLEAN_MEM char *exact =
        mem_printf("%s%s" STR_FMT, pattern, pattern[0] ? "." : "", STR_ARG(key));
    const struct schema_row *row = map_get(&walk->rows, str_of(exact));
    if (!row) {
        CLEAN_MEM char *any = mem_printf("%s.*", pattern);
        row = map_get(&walk->rows, str_of(any));
    }
    return row;
}

static int check_map(struct walk *walk, struct tree_node *map, const struct schema_row *row,
                     bool honoured, struct err *err)
{
    const char *pattern = row ? row->like ? row->like : row->path : "";
    for (struct tree_node *n = tree_child(map); n; n = tree_next(n)) {
        const struct schema_row *below = row_below(walk, pattern, n->yaml.key);
        if (below) {
            TRY(check(walk, n, below, honoured, err));
        } else if (!row || !(row->kinds & O)) {
            TRY(unknown(walk, n, pattern, err));
        }
    }
    return 0;
}

static int check_list(struct walk *walk, struct tree_node *list, const struct schema_row *row,
                      bool honoured, struct err *err)
{
    CLEAN_MEM char *pattern = mem_printf("%s[]", row->like ? row->like : row->path);
    const struct schema_row *item = map_get(&walk->rows, str_of(pattern));
    for (struct tree_node *n = tree_child(list); n && item; n = tree_next(n)) {
        TRY(check(walk, n, item, honoured, err));
    }
    return 0;
}

// As deep as the table's paths, for maps that it knows; open maps are not entered.
static int check(struct walk *walk, struct tree_node *node, const struct schema_row *row,
                 bool honoured, struct err *err)
{
    const struct yaml_node *y = &node->yaml;
    if (y->kind == YAML_NULL) {
        return 0; // as if the key were absent, as the Framework has it
    }
    if (honoured && !row->honoured) {
        note_ignored(walk, node, row);
    }
    honoured = honoured && row->honoured;
    if (row->kinds & ANY) {
        return 0;
    }
    if (node->unavailable) { // a variable that only AWS could resolve
        return honoured ? tree_fail(err, node,
                                    "\"" STR_FMT "\" asks for \"%s\", which only AWS has; give it "
                                    "a fallback",
                                    STR_ARG(y->text), node->unavailable)
                        : 0;
    }
    if (schema_is_intrinsic(node) && !(row->kinds & O)) {
        if (honoured && (row->kinds & C)) {
            note_ignored(walk, node, row);
        }
        return row->kinds & C ? 0 : fail_kind(node, row, err);
    }
    if (y->kind == YAML_MAP) {
        return row->kinds & (M | O) ? check_map(walk, node, row, honoured, err)
                                    : fail_kind(node, row, err);
    }
    if (y->kind == YAML_LIST) {
        return row->kinds & L ? check_list(walk, node, row, honoured, err)
                              : fail_kind(node, row, err);
    }
    if ((row->kinds & L) && !(row->kinds & S)) {
        CLEAN_MEM char *pattern = mem_printf("%s[]", row->path);
        const struct schema_row *item = map_get(&walk->rows, str_of(pattern));
        return item ? check_scalar(node, item, err) : 0;
    }
    return check_scalar(node, row, err);
}

int schema_check(struct tree_node *root, enum schema_mode mode, struct schema_notes *notes,
                 struct err *err)
{
    struct walk walk = {.mode = mode, .notes = notes};
    buf_init(&notes->ignored, NOTE_MAX);
    buf_init(&notes->unknown, NOTE_MAX);
    add_rows(&walk.rows, schema_service, schema_service_count);
    add_rows(&walk.rows, schema_function, schema_function_count);
    int rc = check_map(&walk, root, NULL, true, err);
    map_done(&walk.rows);
    map_done(&walk.told);
    return rc;
}

void schema_notes_done(struct schema_notes *notes)
{
    buf_done(&notes->ignored);
    buf_done(&notes->unknown);
}
