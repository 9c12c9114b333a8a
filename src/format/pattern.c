// SPDX-License-Identifier: Apache-2.0
// Patterns are checked once, when they are put, and then walked beside the event. Recursion goes as deep
// as a pattern (PATTERN_DEPTH_MAX) or as JSON may (JSON_DEPTH_MAX_INPUT), no deeper.
#include "format/pattern.h"

#include <arpa/inet.h>

#define NUMBER_MOST 5.0e9

typedef bool compare_fn(struct str value, struct str text);

// ── comparing ──

static bool starts_nocase(struct str value, struct str text)
{
    return value.size >= text.size && str_eq_nocase(str_head(value, text.size), text);
}

static bool ends_nocase(struct str value, struct str text)
{
    return value.size >= text.size && str_eq_nocase(str_skip(value, value.size - text.size), text);
}

// '*' is anything, also nothing; a backslash makes the next character itself.
static bool wildcard(struct str value, struct str text)
{
    size_t v = 0, t = 0, star_v = 0, star_t = SIZE_MAX;
    while (v < value.size || t < text.size) {
        bool escaped = t + 1 < text.size && text.at[t] == '\\';
        if (t < text.size && text.at[t] == '*') {
            star_t = ++t;
            star_v = v;
        } else if (t < text.size && v < value.size && value.at[v] == text.at[t + escaped]) {
            t += 1u + escaped;
            v++;
        } else if (star_t != SIZE_MAX && star_v < value.size) { // the star takes one more
            t = star_t;
            v = ++star_v;
        } else {
            return false;
        }
    }
    return true;
}

static int address(struct str text, unsigned char ret[16])
{
    char copy[INET6_ADDRSTRLEN + 1] = "";
    if (text.size >= sizeof copy || memchr(text.at, 0, text.size)) {
        return 0;
    }
    memcpy(copy, text.at, text.size);
    return inet_pton(AF_INET, copy, ret) == 1 ? 32 : inet_pton(AF_INET6, copy, ret) == 1 ? 128 : 0;
}

// How many bits the address has; 0 when it is not one with a mask that fits.
static int cidr_parse(struct str text, unsigned char ret[16], int *ret_mask)
{
    struct str mask = text;
    struct str ip = str_cut(&mask, '/');
    uint64_t bits = 0;
    int size = mask.at ? address(ip, ret) : 0;
    if (!size || !str_to_u64(mask, &bits) || bits > (uint64_t)size) {
        return 0;
    }
    *ret_mask = (int)bits;
    return size;
}

static bool in_cidr(struct str value, struct str text)
{
    unsigned char net[16] = {0}, ip[16] = {0};
    int mask = 0;
    int size = cidr_parse(text, net, &mask);
    if (!size || address(value, ip) != size) {
        return false;
    }
    int rest = mask % 8;
    return memcmp(net, ip, (size_t)mask / 8) == 0 &&
           (!rest || (net[mask / 8] ^ ip[mask / 8]) >> (8 - rest) == 0);
}

static const struct {
    const char *name;
    compare_fn *compare, *nocase; // nocase: for {"equals-ignore-case": text}; or NULL
    bool inverted;                // may stand below anything-but
} texts[] = {
    {"prefix", str_starts, starts_nocase, true},
    {"suffix", str_ends, ends_nocase, true},
    {"equals-ignore-case", str_eq_nocase, NULL, true},
    {"wildcard", wildcard, NULL, true},
    {"cidr", in_cidr, NULL, false},
};

static int text_operator(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        if (strcmp(texts[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

// ── checking ──

static int invalid(struct err *err, const char *reason)
{
    return err_set(err, ERR_INVALID, "%s", reason);
}

static bool is_keyword(const char *name)
{
    return text_operator(name) >= 0 || strcmp(name, "anything-but") == 0 ||
           strcmp(name, "numeric") == 0 || strcmp(name, "exists") == 0;
}

// The one member of an object, by name. 0 when there is exactly one.
static int sole(const json_t *object, const char **ret_name, const json_t **ret)
{
    void *at = json_object_iter((json_t *)(uintptr_t)object);
    if (json_object_size(object) != 1) {
        return -1;
    }
    *ret_name = json_object_iter_key(at);
    *ret = json_object_iter_value(at);
    return 0;
}

static int check_wildcard(struct str text, struct err *err)
{
    for (size_t i = 0; i + 1 < text.size; i++) {
        if (text.at[i] == '\\') {
            i++;
        } else if (text.at[i] == '*' && text.at[i + 1] == '*') {
            return invalid(err, "Consecutive wildcard characters");
        }
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] == '\\') {
            i++;
            if (i == text.size || (text.at[i] != '*' && text.at[i] != '\\')) {
                return invalid(err, "Invalid escape character in wildcard");
            }
        }
    }
    return 0;
}

static int check_text(const char *name, const json_t *value, struct err *err)
{
    unsigned char ip[16];
    int mask = 0;
    struct str text = json_str(value);
    if (!json_is_string(value)) {
        return err_set(err, ERR_INVALID, "%s match pattern must be a string", name);
    }
    if (strcmp(name, "cidr") == 0 && !cidr_parse(text, ip, &mask)) {
        return invalid(err, "Malformed CIDR");
    }
    return strcmp(name, "wildcard") == 0 ? check_wildcard(text, err) : 0;
}

static int check_text_operator(int which, const json_t *value, struct err *err)
{
    const char *name = NULL;
    const json_t *inner = NULL;
    if (!json_is_object(value) || !texts[which].nocase) {
        return check_text(texts[which].name, value, err);
    }
    if (sole(value, &name, &inner) < 0 || strcmp(name, "equals-ignore-case") != 0) {
        return err_set(err, ERR_INVALID, "%s match pattern must be a string", texts[which].name);
    }
    return check_text(name, inner, err);
}

// A list that is not empty, each element of which `check` takes; a single value stands for itself.
static int check_each(const char *name, const json_t *value,
                      int (*check)(const char *name, const json_t *value, struct err *err),
                      struct err *err)
{
    size_t i = 0;
    json_t *one = NULL;
    if (!json_is_array(value)) {
        return check(name, value, err);
    }
    json_array_foreach((json_t *)(uintptr_t)value, i, one)
    {
        TRY(check(name, one, err));
    }
    return i > 0 ? 0 : err_set(err, ERR_INVALID, "Empty arrays are not allowed");
}

static int check_inverted_text(const char *name, const json_t *value, struct err *err)
{
    TRY(check_text(name, value, err));
    return json_str(value).size > 0 ? 0 : invalid(err, "Null prefix/suffix not allowed");
}

static int check_inverted_value(const char *name, const json_t *value, struct err *err)
{
    return json_is_string(value) || json_is_number(value)
               ? 0
               : err_set(err, ERR_INVALID,
                         "%s values must be strings or numbers, or lists of one of them", name);
}

static int check_anything_but(const json_t *value, struct err *err)
{
    const char *name = NULL;
    const json_t *inner = NULL;
    if (!json_is_object(value)) {
        TRY(check_each("anything-but", value, check_inverted_value, err));
        const json_t *first = json_array_get(value, 0);
        for (size_t i = 1; i < json_array_size(value); i++) {
            if (json_is_string(first) != json_is_string(json_array_get(value, i))) {
                return invalid(err, "Inside anything but list, either all values are number or "
                                    "string, mixed type is not supported");
            }
        }
        return 0;
    }
    int which = sole(value, &name, &inner) < 0 ? -1 : text_operator(name);
    if (which < 0 || !texts[which].inverted) {
        return invalid(err, "Unsupported anything-but pattern");
    }
    return check_each(name, inner, check_inverted_text, err);
}

static bool is_order(struct str op, const char *a, const char *b)
{
    return str_eq(op, str_of(a)) || str_eq(op, str_of(b));
}

static int check_numeric(const json_t *value, struct err *err)
{
    size_t size = json_array_size(value);
    struct str op = json_str(json_array_get(value, 0)), op2 = json_str(json_array_get(value, 2));
    bool lower = is_order(op, ">", ">="), range = is_order(op2, "<", "<=");
    if (!json_is_array(value) || (size != 2 && size != 4)) {
        return invalid(err, "Value of numeric must be an array of one or two comparisons");
    }
    for (size_t i = 1; i < size; i += 2) {
        const json_t *number = json_array_get(value, i);
        double n = json_number_value(number);
        if (!json_is_number(number) || n < -NUMBER_MOST || n > NUMBER_MOST) {
            return invalid(err, "Value of numeric comparison must be a number within "
                                "-5000000000 and 5000000000");
        }
    }
    if (size == 2) {
        return lower || is_order(op, "<", "<=") || str_eq(op, STR("="))
                   ? 0
                   : invalid(err, "Unrecognized numeric range operator");
    }
    if (!lower || !range) {
        return invalid(err, "Bad numeric range operator");
    }
    return json_number_value(json_array_get(value, 1)) < json_number_value(json_array_get(value, 3))
               ? 0
               : invalid(err, "Bottom must be less than top");
}

static int check_matcher(const json_t *matcher, struct err *err)
{
    const char *name = NULL;
    const json_t *value = NULL;
    if (json_is_array(matcher)) {
        return invalid(err, "Match value must be String, number, true, false, or null");
    }
    if (!json_is_object(matcher)) {
        return 0;
    }
    if (sole(matcher, &name, &value) < 0) {
        return invalid(err, "Only one key allowed in match expression");
    }
    int which = text_operator(name);
    if (which >= 0) {
        return check_text_operator(which, value, err);
    }
    if (strcmp(name, "anything-but") == 0) {
        return check_anything_but(value, err);
    }
    if (strcmp(name, "numeric") == 0) {
        return check_numeric(value, err);
    }
    if (strcmp(name, "exists") != 0) {
        return err_set(err, ERR_INVALID, "Unrecognized match type %.64s", name);
    }
    return json_is_boolean(value) ? 0
                                  : invalid(err, "exists match pattern must be either true or "
                                                 "false.");
}

// "$or" with one pattern, or with matchers, is a field of that name.
static bool is_or(const char *name, const json_t *value)
{
    const char *inner = NULL;
    const json_t *ignored = NULL;
    bool fits = strcmp(name, "$or") == 0 && json_array_size(value) >= 2;
    for (size_t i = 0; fits && i < json_array_size(value); i++) {
        const json_t *one = json_array_get(value, i);
        fits = json_is_object(one) && json_object_size(one) > 0 &&
               !(sole(one, &inner, &ignored) == 0 && is_keyword(inner));
    }
    return fits;
}

static int check_object(const json_t *pattern, int depth, struct err *err);

static int check_field(const char *name, const json_t *value, int depth, struct err *err)
{
    if (json_is_object(value)) {
        return check_object(value, depth + 1, err);
    }
    if (!json_is_array(value)) {
        return err_set(err, ERR_INVALID, "\"%.64s\" must be an object or an array", name);
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *one = json_array_get(value, i);
        TRY(is_or(name, value) ? check_object(one, depth + 1, err) : check_matcher(one, err));
    }
    return json_array_size(value) ? 0 : invalid(err, "Empty arrays are not allowed");
}

static int check_object(const json_t *pattern, int depth, struct err *err)
{
    const char *name = NULL;
    json_t *value = NULL;
    if (depth > PATTERN_DEPTH_MAX) {
        return invalid(err, "Event pattern is nested too deeply");
    }
    if (json_object_size(pattern) == 0) {
        return invalid(err, "Empty objects are not allowed");
    }
    json_object_foreach((json_t *)(uintptr_t)pattern, name, value)
    {
        TRY(check_field(name, value, depth, err));
    }
    return 0;
}

int pattern_parse(struct str text, json_t **ret, struct err *err)
{
    CLEAN_JSON json_t *pattern = NULL;
    struct err why = {0};
    if (json_parse(text, &pattern, &why) < 0) {
        return invalid(err, why.text);
    }
    if (!json_is_object(pattern)) {
        return invalid(err, "Filter is not an object");
    }
    TRY(check_object(pattern, 0, err));
    *ret = MOVE(pattern);
    return 0;
}

// ── matching ──

static bool number_fits(const json_t *comparisons, double value)
{
    for (size_t i = 0; i + 1 < json_array_size(comparisons); i += 2) {
        struct str op = json_str(json_array_get(comparisons, i));
        double bound = json_number_value(json_array_get(comparisons, i + 1));
        bool fits = str_eq(op, STR("="))    ? value == bound
                    : str_eq(op, STR("<"))  ? value < bound
                    : str_eq(op, STR("<=")) ? value <= bound
                    : str_eq(op, STR(">"))  ? value > bound
                                            : value >= bound;
        if (!fits) {
            return false;
        }
    }
    return true;
}

// Does the text, or one of the texts, compare so with the value?
static bool any_text(const json_t *list, struct str value, compare_fn *compare)
{
    if (json_is_string(list)) {
        return compare(value, json_str(list));
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (compare(value, json_str(json_array_get(list, i)))) {
            return true;
        }
    }
    return false;
}

static bool any_equal(const json_t *list, const json_t *value)
{
    if (!json_is_array(list)) {
        return json_equal(list, value);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (json_equal(json_array_get(list, i), value)) {
            return true;
        }
    }
    return false;
}

static bool anything_but(const json_t *but, const json_t *value)
{
    const char *name = NULL;
    const json_t *inner = NULL;
    if (!json_is_object(but)) {
        return !any_equal(but, value);
    }
    int which = sole(but, &name, &inner) < 0 ? -1 : text_operator(name);
    return which >= 0 &&
           !(json_is_string(value) && any_text(inner, json_str(value), texts[which].compare));
}

static bool text_fits(int which, const json_t *operand, const json_t *value)
{
    const json_t *nocase = json_object_get(operand, "equals-ignore-case");
    return json_is_string(value) && any_text(nocase ? nocase : operand, json_str(value),
                                             nocase ? texts[which].nocase : texts[which].compare);
}

// `value` is a leaf, or NULL: there is none.
static bool matcher_fits(const json_t *matcher, const json_t *value)
{
    const char *name = NULL;
    const json_t *operand = NULL;
    if (!json_is_object(matcher)) {
        return value && json_equal(matcher, value);
    }
    if (sole(matcher, &name, &operand) < 0) {
        return false;
    }
    if (strcmp(name, "exists") == 0) {
        return json_is_true(operand) == (value != NULL);
    }
    if (!value) {
        return false;
    }
    if (strcmp(name, "anything-but") == 0) {
        return anything_but(operand, value);
    }
    if (strcmp(name, "numeric") == 0) {
        return json_is_number(value) && number_fits(operand, json_number_value(value));
    }
    return text_fits(text_operator(name), operand, value);
}

static bool any_matcher_fits(const json_t *matchers, const json_t *value)
{
    for (size_t i = 0; i < json_array_size(matchers); i++) {
        if (matcher_fits(json_array_get(matchers, i), value)) {
            return true;
        }
    }
    return false;
}

// The leaves of an array, those of arrays in it too. *ret_any: there is one.
static bool any_leaf_fits(const json_t *matchers, const json_t *value, bool *ret_any)
{
    if (!json_is_array(value)) {
        bool leaf = value && !json_is_object(value);
        *ret_any = *ret_any || leaf;
        return leaf && any_matcher_fits(matchers, value);
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (any_leaf_fits(matchers, json_array_get(value, i), ret_any)) {
            return true;
        }
    }
    return false;
}

static bool object_fits(const json_t *pattern, const json_t *event);

// Of an array, an element must match as a whole. What is no object is as if it were not there.
static bool inner_fits(const json_t *pattern, const json_t *value)
{
    if (!json_is_array(value)) {
        return object_fits(pattern, json_is_object(value) ? value : NULL);
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (inner_fits(pattern, json_array_get(value, i))) {
            return true;
        }
    }
    return json_array_size(value) == 0 && object_fits(pattern, NULL);
}

static bool field_fits(const char *name, const json_t *pattern, const json_t *event)
{
    if (is_or(name, pattern)) {
        bool fits = false;
        for (size_t i = 0; i < json_array_size(pattern) && !fits; i++) {
            fits = object_fits(json_array_get(pattern, i), event);
        }
        return fits;
    }
    const json_t *value = json_object_get(event, name);
    if (json_is_object(pattern)) {
        return inner_fits(pattern, value);
    }
    bool any = false;
    return any_leaf_fits(pattern, value, &any) || (!any && any_matcher_fits(pattern, NULL));
}

static bool object_fits(const json_t *pattern, const json_t *event)
{
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)pattern, name, value)
    {
        if (!field_fits(name, value, event)) {
            return false;
        }
    }
    return true;
}

bool pattern_matches(const json_t *pattern, const json_t *event)
{
    return object_fits(pattern, event);
}
