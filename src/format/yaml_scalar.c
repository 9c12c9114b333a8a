// SPDX-License-Identifier: Apache-2.0
// YAML scalars: js-yaml's rules, so that serverless.yml means here what it means there.
#include "format/yaml_scalar.h"
#include "base/check.h"
#include "base/mem.h"

#include <math.h>

#define NUMBER_MAX 100 // characters of a number; what is longer is a string

static bool is_one_of(struct str s, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq(s, str_of(words[i]))) {
            return true;
        }
    }
    return false;
}

static bool is_null(struct str s)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    return is_one_of(s, words, ARRAY_SIZE(words));
}

static bool resolve_bool(struct yaml_node *node)
{
    static const char *const yes[] = {"true", "True", "TRUE"};
    static const char *const no[] = {"false", "False", "FALSE"};
    node->truth = is_one_of(node->text, yes, ARRAY_SIZE(yes));
    return node->truth || is_one_of(node->text, no, ARRAY_SIZE(no));
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

// Digits of that base with '_' among them, within 64 bits.
static bool parse_digits(struct str s, unsigned base, uint64_t *ret)
{
    uint64_t value = 0;
    for (size_t i = 0; i < s.size; i++) {
        if (s.at[i] == '_') {
            continue;
        }
        unsigned digit = (unsigned)digit_value(s.at[i]);
        if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit, &value)) {
            return false;
        }
    }
    *ret = value;
    return s.size && s.at[0] != '_' && s.at[s.size - 1] != '_';
}

// What does not fit is a number with a fraction when it is decimal, else a string.
static bool resolve_int(struct yaml_node *node)
{
    struct str s = node->text;
    uint64_t value = 0;
    bool negative = str_starts(s, STR("-"));
    s = str_skip(s, negative || str_starts(s, STR("+")) ? 1 : 0);
    unsigned base = str_starts(s, STR("0b"))   ? 2
                    : str_starts(s, STR("0o")) ? 8
                    : str_starts(s, STR("0x")) ? 16
                                               : 10;
    if (s.size > NUMBER_MAX || !parse_digits(str_skip(s, base == 10 ? 0 : 2), base, &value) ||
        value > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return false;
    }
    node->kind = YAML_INT;
    node->integer = negative ? (int64_t)(0 - value) : (int64_t)value;
    node->real = (double)node->integer;
    return true;
}

// [-+]?(digits(.digits)?|.digits)([eE][-+]?digits)?, with '_' among the digits
static bool looks_like_float(struct str s, char text[NUMBER_MAX + 1])
{
    size_t size = 0, digits = 0, i = 0;
    bool dot = false, exponent = false;
    if (s.size > NUMBER_MAX || s.size == 0 || s.at[s.size - 1] == '_') {
        return false;
    }
    i += s.at[0] == '-' || s.at[0] == '+';
    if (i < s.size && s.at[i] == '_') {
        return false;
    }
    for (size_t k = 0; k < i; k++) {
        text[size++] = s.at[k];
    }
    for (; i < s.size; i++) {
        char c = s.at[i];
        if (c == '_' && !exponent) {
            continue;
        }
        if (c >= '0' && c <= '9') {
            digits++;
        } else if (c == '.' && !dot && !exponent) {
            dot = true;
        } else if ((c == 'e' || c == 'E') && !exponent && digits) {
            exponent = true;
            digits = 0;
            if (i + 1 < s.size && (s.at[i + 1] == '-' || s.at[i + 1] == '+')) {
                text[size++] = c;
                c = s.at[++i];
            }
        } else {
            return false;
        }
        text[size++] = c;
    }
    text[size] = 0;
    return digits > 0;
}

static bool resolve_float(struct yaml_node *node)
{
    static const char *const infinite[] = {".inf", ".Inf", ".INF"};
    static const char *const none[] = {".nan", ".NaN", ".NAN"};
    struct str s = node->text;
    char text[NUMBER_MAX + 1];
    bool negative = str_starts(s, STR("-"));
    struct str bare = str_skip(s, negative || str_starts(s, STR("+")) ? 1 : 0);
    if (is_one_of(bare, infinite, ARRAY_SIZE(infinite))) {
        node->real = negative ? -HUGE_VAL : HUGE_VAL;
    } else if (is_one_of(s, none, ARRAY_SIZE(none))) {
        node->real = NAN;
    } else if (looks_like_float(s, text)) {
        node->real = strtod(text, NULL);
    } else {
        return false;
    }
    node->kind = YAML_FLOAT;
    return true;
}

static int resolve_tagged(struct yaml_node *node, const char *type)
{
    if (strcmp(type, "int") == 0) {
        return resolve_int(node) ? 0 : -1;
    }
    if (strcmp(type, "float") == 0) {
        bool number = resolve_int(node) || resolve_float(node);
        node->kind = YAML_FLOAT;
        return number ? 0 : -1;
    }
    if (strcmp(type, "bool") == 0) {
        node->kind = YAML_BOOL;
        return resolve_bool(node) ? 0 : -1;
    }
    if (strcmp(type, "null") == 0) {
        node->kind = YAML_NULL;
        return is_null(node->text) ? 0 : -1;
    }
    bool is_text =
        strcmp(type, "str") == 0 || strcmp(type, "binary") == 0 || strcmp(type, "timestamp") == 0;
    return is_text ? 0 : -1; // the rest are maps and lists
}

#define CORE_TAG "tag:yaml.org,2002:"

bool yaml_scalar_tag_is_core(const char *tag)
{
    static const char *const names[] = {"str",       "int", "float", "bool", "null", "binary",
                                        "timestamp", "map", "seq",   "set",  "omap", "pairs"};
    if (strncmp(tag, CORE_TAG, sizeof CORE_TAG - 1) != 0) {
        return strcmp(tag, "!") == 0;
    }
    return is_one_of(str_of(tag + sizeof CORE_TAG - 1), names, ARRAY_SIZE(names));
}

int yaml_scalar_resolve(struct yaml_node *node, const char *tag, bool plain)
{
    node->quoted = !plain;
    node->kind = YAML_STRING;
    if (tag && strncmp(tag, CORE_TAG, sizeof CORE_TAG - 1) == 0) {
        return resolve_tagged(node, tag + sizeof CORE_TAG - 1);
    }
    if (!plain || (tag && strcmp(tag, "!") == 0)) {
        return 0;
    }
    if (is_null(node->text)) {
        node->kind = YAML_NULL;
    } else if (resolve_bool(node)) {
        node->kind = YAML_BOOL;
    } else if (!resolve_int(node) && !resolve_float(node)) {
        node->kind = YAML_STRING;
    }
    return 0;
}

const char *yaml_scalar_tag_name(const char *tag)
{
    static const char *const names[] = {
        "Fn::And",    "Fn::Base64",       "Fn::Cidr",      "Fn::Equals", "Fn::FindInMap",
        "Fn::GetAtt", "Fn::GetAZs",       "Fn::If",        "Fn::Join",   "Fn::ImportValue",
        "Fn::Not",    "Fn::Or",           "Fn::Select",    "Fn::Split",  "Fn::Sub",
        "Fn::Length", "Fn::ToJsonString", "Fn::Transform", "Fn::ForEach"};
    if (strcmp(tag, "!Ref") == 0 || strcmp(tag, "!Condition") == 0) {
        return tag[1] == 'R' ? "Ref" : "Condition";
    }
    for (size_t i = 0; i < ARRAY_SIZE(names) && tag[0] == '!'; i++) {
        if (strcmp(tag + 1, names[i] + 4) == 0) {
            return names[i];
        }
    }
    return NULL;
}

const char *yaml_kind_name(enum yaml_kind kind)
{
    static const char *const names[] = {"null",     "true or false", "an integer", "a number",
                                        "a string", "a list",        "a map"};
    return (unsigned)kind < ARRAY_SIZE(names) ? names[kind] : "unknown";
}

bool yaml_is_scalar(const struct yaml_node *node)
{
    return node && node->kind != YAML_LIST && node->kind != YAML_MAP;
}

static json_t *scalar_to_json(const struct yaml_node *node)
{
    json_t *json = NULL;
    switch (node->kind) {
    case YAML_NULL: return json_null();
    case YAML_BOOL: return json_boolean(node->truth);
    case YAML_INT: return json_integer(node->integer);
    case YAML_FLOAT: return isfinite(node->real) ? json_real(node->real) : json_null();
    case YAML_STRING: json = json_stringn(node->text.at, node->text.size); break;
    case YAML_LIST: json = json_array(); break;
    case YAML_MAP: json = json_object(); break;
    default: break;
    }
    CHECK(json != NULL); // libyaml has checked that it is UTF-8
    return json;
}

json_t *yaml_to_json(const struct yaml_node *node)
{
    json_t *open[YAML_DEPTH_MAX + 1]; // the maps and lists above the present node; borrowed
    size_t depth = 0;
    json_t *root = NULL;
    for (const struct yaml_node *at = node; at;) {
        json_t *json = scalar_to_json(at);
        if (depth == 0) {
            root = json;
        } else if (json_is_array(open[depth - 1])) {
            CHECK(json_array_append_new(open[depth - 1], json) == 0);
        } else {
            CHECK(json_object_setn_new(open[depth - 1], at->key.at, at->key.size, json) == 0);
        }
        if (at->child) {
            CHECK(depth < ARRAY_SIZE(open));
            open[depth++] = json;
            at = at->child;
            continue;
        }
        while (at != node && !at->next) {
            at = at->parent;
            depth--;
        }
        at = at == node ? NULL : at->next;
    }
    return root ? root : json_null();
}
