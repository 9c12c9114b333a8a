// SPDX-License-Identifier: Apache-2.0
// Helpers around jansson: bounds before it, exact errors after it, a writer that gives the shortest
// number that reads back the same.
#include "format/json.h"
#include "base/check.h"
#include "format/utf8.h"

#include <math.h>
#include <stdio.h>

void json_clean(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}

// jansson recurses as deep as the text is nested, so that is counted before. Offset of the bracket
// that is too deep, or -1.
static ptrdiff_t too_deep(struct str text)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.at[i];
        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX_INPUT) {
                return (ptrdiff_t)i;
            }
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return -1;
}

int json_parse(struct str text, json_t **ret, struct err *err)
{
    ptrdiff_t deep = too_deep(text);
    if (deep >= 0) {
        return err_set(err, ERR_LIMIT, "JSON is nested deeper than %d levels at offset %td",
                       JSON_DEPTH_MAX_INPUT, deep);
    }
    json_error_t why;
    json_t *json =
        json_loadb(text.at ? text.at : "", text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    if (!json) {
        return err_set(err, ERR_INVALID, "JSON line %d, column %d: %s", why.line, why.column,
                       why.text);
    }
    *ret = json;
    return 0;
}

int json_parse_object(struct str text, json_t **ret, struct err *err)
{
    CLEAN_JSON json_t *json = NULL;
    TRY(json_parse(text, &json, err));
    if (!json_is_object(json)) {
        return err_set(err, ERR_INVALID, "JSON: must be an object, is %s", json_kind_name(json));
    }
    *ret = MOVE(json);
    return 0;
}

const char *json_kind_name(const json_t *json)
{
    if (!json) {
        return "nothing";
    }
    switch (json_typeof(json)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a number with a fraction";
    case JSON_TRUE:
    case JSON_FALSE: return "a boolean";
    default: return "null";
    }
}

struct str json_str(const json_t *json)
{
    return json_is_string(json) ? str_n(json_string_value(json), json_string_length(json))
                                : (struct str){0};
}

// Walks the path. *ret_not_object is where it met something that has no fields, if it did.
static json_t *walk(const json_t *obj, const char *path, struct str *ret_not_object)
{
    json_t *at = json_object_get(obj, path); // a name with a dot in it, or without
    if (at) {
        return at;
    }
    struct str rest = str_of(path);
    at = (json_t *)obj;
    while (rest.at && at) {
        if (!json_is_object(at)) {
            size_t size = (size_t)(rest.at - path);
            *ret_not_object = str_n(path, size ? size - 1 : 0);
            return json_is_null(at) ? NULL : at;
        }
        struct str name = str_cut(&rest, '.');
        at = json_object_getn(at, name.at, name.size);
    }
    return at;
}

json_t *json_at(const json_t *obj, const char *path)
{
    struct str not_object = {0};
    json_t *at = walk(obj, path, &not_object);
    return not_object.at ? NULL : at;
}

// 1 with *ret, or 0 when absent or null.
static int find(const json_t *obj, const char *name, json_t **ret, struct err *err)
{
    struct str not_object = {0};
    json_t *at = walk(obj, name, &not_object);
    if (!at || (!not_object.at && json_is_null(at))) {
        return 0;
    }
    if (not_object.at) {
        return err_set(err, ERR_INVALID, STR_FMT "%smust be an object, is %s", STR_ARG(not_object),
                       not_object.size ? ": " : "the value ", json_kind_name(at));
    }
    *ret = at;
    return 1;
}

static int wrong_kind(struct err *err, const char *name, const char *wanted, const json_t *have)
{
    return err_set(err, ERR_INVALID, "%s: must be %s, is %s", name, wanted, json_kind_name(have));
}

int json_get_str(const json_t *obj, const char *name, struct str *ret, struct err *err)
{
    json_t *json = NULL;
    int rc = find(obj, name, &json, err);
    if (rc <= 0) {
        return rc;
    }
    if (!json_is_string(json)) {
        return wrong_kind(err, name, "a string", json);
    }
    *ret = json_str(json);
    return 1;
}

int json_get_int(const json_t *obj, const char *name, int64_t least, int64_t most, int64_t *ret,
                 struct err *err)
{
    json_t *json = NULL;
    int rc = find(obj, name, &json, err);
    if (rc <= 0) {
        return rc;
    }
    if (!json_is_integer(json)) {
        return wrong_kind(err, name, "an integer", json);
    }
    int64_t value = json_integer_value(json);
    if (value < least || value > most) {
        return err_set(err, ERR_INVALID, "%s: must be from %lld to %lld, is %lld", name,
                       (long long)least, (long long)most, (long long)value);
    }
    *ret = value;
    return 1;
}

int json_get_real(const json_t *obj, const char *name, double *ret, struct err *err)
{
    json_t *json = NULL;
    int rc = find(obj, name, &json, err);
    if (rc <= 0) {
        return rc;
    }
    if (!json_is_number(json)) {
        return wrong_kind(err, name, "a number", json);
    }
    *ret = json_number_value(json);
    return 1;
}

int json_get_bool(const json_t *obj, const char *name, bool *ret, struct err *err)
{
    json_t *json = NULL;
    int rc = find(obj, name, &json, err);
    if (rc <= 0) {
        return rc;
    }
    if (!json_is_boolean(json)) {
        return wrong_kind(err, name, "true or false", json);
    }
    *ret = json_is_true(json);
    return 1;
}

int json_get_object(const json_t *obj, const char *name, json_t **ret, struct err *err)
{
    json_t *json = NULL;
    int rc = find(obj, name, &json, err);
    if (rc <= 0) {
        return rc;
    }
    if (!json_is_object(json)) {
        return wrong_kind(err, name, "an object", json);
    }
    *ret = json;
    return 1;
}

int json_get_array(const json_t *obj, const char *name, json_t **ret, struct err *err)
{
    json_t *json = NULL;
    int rc = find(obj, name, &json, err);
    if (rc <= 0) {
        return rc;
    }
    if (!json_is_array(json)) {
        return wrong_kind(err, name, "an array", json);
    }
    *ret = json;
    return 1;
}

static int needed(int rc, const char *name, struct err *err)
{
    return rc == 0 ? err_set(err, ERR_INVALID, "%s: is required", name) : rc;
}

int json_need_str(const json_t *obj, const char *name, struct str *ret, struct err *err)
{
    return needed(json_get_str(obj, name, ret, err), name, err);
}

int json_need_int(const json_t *obj, const char *name, int64_t least, int64_t most, int64_t *ret,
                  struct err *err)
{
    return needed(json_get_int(obj, name, least, most, ret, err), name, err);
}

int json_need_object(const json_t *obj, const char *name, json_t **ret, struct err *err)
{
    return needed(json_get_object(obj, name, ret, err), name, err);
}

int json_need_array(const json_t *obj, const char *name, json_t **ret, struct err *err)
{
    return needed(json_get_array(obj, name, ret, err), name, err);
}

json_t *json_from_str(struct str text)
{
    json_t *json = json_stringn(text.at ? text.at : "", text.size);
    if (!json) {
        CLEAN(buf_done) struct buf fixed = BUF_INIT(SIZE_MAX / 8);
        while (text.size) {
            size_t size = utf8_next(text);
            if (size) {
                buf_add(&fixed, text.at, size);
            } else {
                buf_add_text(&fixed, UTF8_REPLACEMENT);
            }
            text = str_skip(text, size ? size : 1);
        }
        json = json_stringn(buf_text(&fixed), fixed.size);
    }
    CHECK(json != NULL);
    return json;
}

void json_put(json_t *obj, const char *name, json_t *value)
{
    CHECK(value != NULL);
    CHECK(json_object_set_new(obj, name, value) == 0);
}

void json_put_str(json_t *obj, const char *name, struct str text)
{
    json_put(obj, name, json_from_str(text));
}

void json_put_int(json_t *obj, const char *name, int64_t value)
{
    json_put(obj, name, json_integer(value));
}

void json_put_bool(json_t *obj, const char *name, bool value)
{
    json_put(obj, name, json_boolean(value));
}
