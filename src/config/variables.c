// SPDX-License-Identifier: Apache-2.0
// Reads ${…} in the texts of serverless.yml and puts what they stand for in their place. Where a value
// comes from is config/variable_source.c's; here are the syntax, fallbacks, nesting and circles.
#include "config/variables.h"
#include "config/quantity.h"
#include "config/variable_source.h"
#include "base/mem.h"

#define TEXT_MAX (1024 * 1024)

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_word(char c)
{
    return is_lower(c) || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Length of "self" in "self:…", "file" in "file(…": 0 when the text does not begin with a source.
static size_t source_name(struct str text)
{
    size_t n = 0;
    while (n < text.size && is_word(text.at[n])) {
        n++;
    }
    if (n == 0 || n == text.size || !is_lower(text.at[0])) {
        return 0;
    }
    bool colon = text.at[n] == ':' && !(n + 1 < text.size && text.at[n + 1] == ':');
    return colon || text.at[n] == '(' ? n : 0;
}

static bool is_variable(struct str inner)
{
    inner = str_trim(inner);
    return source_name(inner) > 0 || str_starts(inner, STR("${"));
}

// Scans from `at` (inside a variable) to the first of `stops` that is outside quotes, parentheses
// and nested variables. Index in text, or text.size.
static size_t scan(struct str text, size_t at, const char *stops)
{
    int braces = 0, parens = 0;
    char quote = 0;
    for (; at < text.size; at++) {
        char c = text.at[at];
        if (quote) {
            quote = c == quote ? 0 : quote;
            continue;
        }
        if (braces == 0 && parens == 0 && c && strchr(stops, c)) {
            return at;
        }
        if (c == '\'' || c == '"') {
            quote = c;
        } else if (c == '{' && at > 0 && text.at[at - 1] == '$') {
            braces++;
        } else if (c == '}' && braces > 0) {
            braces--;
        } else if (c == '(') {
            parens++;
        } else if (c == ')' && parens > 0) {
            parens--;
        }
    }
    return text.size;
}

static int eval_text(struct variables *v, const struct tree_node *at, struct str text,
                     struct tree_node **ret, struct err *err);

// 'text', "text", true, false, null, 12, 1.5. 1 with a value, 0 when it is none of these.
static int eval_literal(struct variables *v, const struct tree_node *at, struct str part,
                        struct tree_node **ret)
{
    double number = 0;
    int64_t whole = 0;
    char first = part.at[0];
    if (part.size >= 2 && (first == '\'' || first == '"') && part.at[part.size - 1] == first) {
        *ret = tree_string(v->tree, at, str_n(part.at + 1, part.size - 2));
        return 1;
    }
    enum yaml_kind kind = YAML_STRING;
    if (str_eq(part, STR("true")) || str_eq(part, STR("false"))) {
        kind = YAML_BOOL;
    } else if (str_eq(part, STR("null"))) {
        kind = YAML_NULL;
    } else if (str_to_i64(part, &whole)) {
        kind = YAML_INT;
    } else if (str_to_double(part, &number)) {
        kind = YAML_FLOAT;
    }
    if (kind == YAML_STRING) {
        return 0;
    }
    *ret = tree_scalar(v->tree, at, kind, part);
    return 1;
}

static int fail_source(const struct tree_node *at, struct str name, struct err *err)
{
    const char *names[32];
    size_t count = 0;
    for (; count < source_count && count < ARRAY_SIZE(names); count++) {
        names[count] = source_table[count].name;
    }
    const char *meant = nearest_word(name, names, count);
    return tree_fail(err, at, "unknown variable source \"" STR_FMT "\"%s%s%s", STR_ARG(name),
                     meant ? ", did you mean \"" : "", meant ? meant : "", meant ? "\"?" : "");
}

// "source(params):address" without anything nested.
static int eval_plain(struct variables *v, const struct tree_node *at, struct str part,
                      struct tree_node **ret, struct err *err)
{
    size_t n = source_name(part);
    if (n == 0) {
        return tree_fail(err, at,
                         "\"" STR_FMT "\" is neither a variable source nor a literal (text"
                         " needs quotes)",
                         STR_ARG(part));
    }
    struct str name = str_head(part, n), params = {0}, address = {0};
    struct str rest = str_skip(part, n);
    if (rest.at[0] == '(') {
        size_t close = scan(rest, 1, ")");
        if (close == rest.size) {
            return tree_fail(err, at, "\"(\" is not closed in \"" STR_FMT "\"", STR_ARG(part));
        }
        params = str_trim(str_n(rest.at + 1, close - 1));
        rest = str_skip(rest, close + 1);
    }
    if (rest.size) {
        if (rest.at[0] != ':') {
            return tree_fail(err, at, "\"" STR_FMT "\" after the source in \"" STR_FMT "\"",
                             STR_ARG(rest), STR_ARG(part));
        }
        address = str_trim(str_skip(rest, 1));
    }
    for (size_t i = 0; i < source_count; i++) {
        if (str_eq(name, str_of(source_table[i].name))) {
            return source_table[i].get(v, at, params, address, ret, err);
        }
    }
    return fail_source(at, name, err);
}

// One alternative of a variable.
static int eval_source(struct variables *v, const struct tree_node *at, struct str part,
                       struct tree_node **ret, struct err *err)
{
    part = str_trim(part);
    if (part.size == 0) {
        return tree_fail(err, at, "a variable or one of its fallbacks is empty");
    }
    if (str_find_str(part, STR("${")) >= 0) {
        struct tree_node *value = NULL;
        int rc = eval_text(v, at, part, &value, err);
        if (rc <= 0) {
            return rc;
        }
        if (str_starts(part, STR("${")) && scan(part, 2, "}") == part.size - 1) {
            *ret = value;
            return 1;
        }
        part = value->yaml.text;
    }
    int rc = eval_literal(v, at, part, ret);
    return rc ? rc : eval_plain(v, at, part, ret, err);
}

// What stands between "${" and "}": the first alternative that has a value.
static int eval_variable(struct variables *v, const struct tree_node *at, struct str inner,
                         struct tree_node **ret, struct err *err)
{
    for (size_t from = 0; from <= inner.size;) {
        size_t comma = scan(inner, from, ",");
        int rc = eval_source(v, at, str_n(inner.at + from, comma - from), ret, err);
        if (rc != 0) {
            return rc;
        }
        from = comma + 1;
    }
    return 0;
}

static int add_value(struct buf *out, const struct tree_node *at, const struct tree_node *value,
                     struct str inner, struct err *err)
{
    if (!yaml_is_scalar(&value->yaml) || value->yaml.kind == YAML_NULL) {
        return tree_fail(err, at, "${" STR_FMT "} is %s and cannot stand within a text",
                         STR_ARG(inner), yaml_kind_name(value->yaml.kind));
    }
    buf_add_str(out, value->yaml.text);
    return 0;
}

// Copies text up to the next variable. Returns where that begins, or text.size.
static size_t copy_plain(struct str text, size_t at, struct buf *out)
{
    while (at < text.size) {
        struct str rest = str_skip(text, at);
        if (str_starts(rest, STR("\\${"))) {
            buf_add_text(out, "${");
            at += 3;
        } else if (str_starts(rest, STR("${"))) {
            size_t close = scan(text, at + 2, "}");
            if (is_variable(str_n(text.at + at + 2, close - at - 2))) {
                return at;
            }
            buf_add_text(out, "${");
            at += 2;
        } else {
            buf_add_char(out, text.at[at++]);
        }
    }
    return at;
}

static int eval_pieces(struct variables *v, const struct tree_node *at, struct str text,
                       struct tree_node **ret, struct err *err)
{
    CLEAN(buf_done) struct buf out = BUF_INIT(TEXT_MAX);
    for (size_t i = copy_plain(text, 0, &out); i < text.size; i = copy_plain(text, i, &out)) {
        size_t close = scan(text, i + 2, "}");
        struct str inner = str_n(text.at + i + 2, close - i - 2);
        if (close == text.size) {
            return tree_fail(err, at, "a variable is not closed: \"${" STR_FMT "\"",
                             STR_ARG(inner));
        }
        struct tree_node *value = NULL;
        int rc = eval_variable(v, at, inner, &value, err);
        if (rc <= 0) {
            return rc;
        }
        if (i == 0 && close + 1 == text.size) {
            *ret = value;
            return 1;
        }
        TRY(add_value(&out, at, value, inner, err));
        i = close + 1;
    }
    if (!buf_ok(&out)) {
        return tree_fail(err, at, "the text grows above 1 MiB");
    }
    *ret = tree_string(v->tree, at, buf_str(&out));
    return 1;
}

static int eval_text(struct variables *v, const struct tree_node *at, struct str text,
                     struct tree_node **ret, struct err *err)
{
    if (v->depth >= VARIABLES_DEPTH_MAX) {
        return tree_fail(err, at, "variables are nested too deep");
    }
    v->depth++;
    int rc = eval_pieces(v, at, text, ret, err);
    v->depth--;
    return rc;
}

static int resolve_text(struct variables *v, struct tree_node *node, struct err *err)
{
    struct str text = node->yaml.text;
    struct tree_node *value = NULL;
    const char *before = v->unavailable;
    v->unavailable = NULL;
    int rc = eval_text(v, node, text, &value, err);
    const char *unavailable = v->unavailable;
    v->unavailable = before;
    if (rc < 0) {
        return rc;
    }
    if (rc == 1) {
        tree_become(node, value);
        return 0;
    }
    if (unavailable) {
        node->unavailable = unavailable;
        return 0;
    }
    return tree_fail(err, node, "\"" STR_FMT "\" cannot be resolved and has no fallback",
                     STR_ARG(text));
}

static bool holds_variable(const struct tree_node *node)
{
    return node->yaml.kind == YAML_STRING && str_find_str(node->yaml.text, STR("${")) >= 0;
}

int variables_node(struct variables *v, struct tree_node *node, struct err *err)
{
    if (node->state == TREE_DONE) {
        return 0;
    }
    if (node->state == TREE_ACTIVE) {
        CLEAN(buf_done) struct buf path = BUF_INIT(1024);
        tree_path(node, &path);
        return tree_fail(err, node, "variables go in a circle: %s needs itself", buf_text(&path));
    }
    if (v->depth >= VARIABLES_DEPTH_MAX) {
        return tree_fail(err, node, "variables are nested too deep");
    }
    v->depth++;
    node->state = TREE_ACTIVE;
    int rc = holds_variable(node) ? resolve_text(v, node, err) : 0;
    for (struct tree_node *n = tree_child(node); n && rc >= 0; n = tree_next(n)) {
        rc = variables_node(v, n, err);
    }
    node->state = TREE_DONE;
    v->depth--;
    return rc < 0 ? rc : 0;
}

static struct tree_node *step(const struct tree_node *node, struct str key)
{
    uint64_t index = 0;
    if (node->yaml.kind == YAML_LIST && str_to_u64(key, &index)) {
        struct tree_node *n = tree_child(node);
        while (n && index-- > 0) {
            n = tree_next(n);
        }
        return n;
    }
    CLEAN_MEM char *name = str_dup(key);
    return tree_get(node, name);
}

int variables_find(struct variables *v, struct tree_node *from, struct str address,
                   struct tree_node **ret, struct err *err)
{
    struct tree_node *node = from;
    struct str rest = address.size ? address : (struct str){0};
    while (node && rest.at) {
        if (holds_variable(node)) { // "custom: ${file(custom.yml)}" on the way
            TRY(variables_node(v, node, err));
        }
        node = step(node, str_cut(&rest, '.'));
    }
    if (!node) {
        return 0;
    }
    TRY(variables_node(v, node, err));
    if (node->unavailable) {
        v->unavailable = node->unavailable;
        return 0;
    }
    if (node->yaml.kind == YAML_NULL) {
        return 0; // the Framework treats null as absent here
    }
    TRY(tree_copy(v->tree, node, ret, err));
    (*ret)->state = TREE_DONE;
    return 1;
}

int variables_early(struct variables *v, const char *address, const char **ret, struct err *err)
{
    struct tree_node *found = NULL;
    int rc = variables_find(v, v->root, str_of(address), &found, err);
    if (rc == 1 && yaml_is_scalar(&found->yaml)) {
        *ret = tree_text(v->tree, found->yaml.text);
    }
    return rc < 0 ? rc : 0;
}

static int resolve_all(struct variables *v, struct err *err)
{
    v->stage = v->options->stage;
    v->region = v->options->region;
    if (!v->stage) {
        const char *stage = "dev";
        TRY(variables_early(v, "provider.stage", &stage, err));
        v->stage = stage;
    }
    TRY(variables_dotenv(v, err));
    if (!v->region) {
        const char *region = "us-east-1";
        TRY(variables_early(v, "provider.region", &region, err));
        v->region = region;
    }
    return variables_node(v, v->root, err);
}

int variables_resolve(struct tree *tree, struct tree_node *root,
                      const struct variables_options *options, const char **ret_stage,
                      const char **ret_region, struct err *err)
{
    struct variables v = {.tree = tree, .root = root, .options = options};
    int rc = resolve_all(&v, err);
    map_done(&v.files);
    map_done(&v.dotenv);
    if (rc < 0) {
        return rc;
    }
    *ret_stage = tree_text(tree, str_of(v.stage));
    *ret_region = tree_text(tree, str_of(v.region));
    return 0;
}
