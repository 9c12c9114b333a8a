// SPDX-License-Identifier: Apache-2.0
// A function's answer becomes a response. It comes from anybody's code, so nothing is assumed of it.
#include "format/http_answer.h"
#include "base/mem.h"
#include "format/base64.h"
#include "format/json.h"

static int malformed(struct err *err, const char *what, const json_t *found)
{
    return err_set(err, ERR_INVALID, "malformed answer: %s, is %s", what, json_kind_name(found));
}

// ── headers ──

// Of a connection, not of a response (RFC 9110, section 7.6.1): the server writes them itself.
static bool is_connections(struct str name)
{
    static const char *const names[] = {"connection", "content-length",    "keep-alive", "te",
                                        "trailer",    "transfer-encoding", "upgrade"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (str_eq_nocase(name, str_of(names[i]))) {
            return true;
        }
    }
    return false;
}

// A token (RFC 9110, section 5.6.2).
static bool name_ok(struct str name)
{
    for (size_t i = 0; i < name.size; i++) {
        char c = name.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && (c == 0 || !strchr("!#$%&'*+-.^_`|~", c))) {
            return false;
        }
    }
    return name.size > 0;
}

static bool value_ok(struct str value)
{
    for (size_t i = 0; i < value.size; i++) {
        unsigned char c = (unsigned char)value.at[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

// `value` with at == NULL: whatever it is.
static bool has_header(const struct http_answer *a, struct str name, struct str value)
{
    for (size_t i = 0; i < a->header_count; i++) {
        if (str_eq_nocase(str_of(a->headers[i].name), name) &&
            (!value.at || str_eq(str_of(a->headers[i].value), value))) {
            return true;
        }
    }
    return false;
}

static int header_add(struct http_answer *a, struct str name, struct str value, struct err *err)
{
    value = str_trim(value);
    if (!name_ok(name) || !value_ok(value) || is_connections(name)) {
        return 0;
    }
    a->header_size += name.size + value.size;
    if (a->header_count == HTTP_ANSWER_HEADERS_MAX || a->header_size > HTTP_ANSWER_HEADERS_SIZE) {
        return err_set(err, ERR_INVALID,
                       "malformed answer: more than %d headers or %d bytes of them",
                       HTTP_ANSWER_HEADERS_MAX, HTTP_ANSWER_HEADERS_SIZE);
    }
    if (!a->headers) {
        a->headers = mem_alloc(HTTP_ANSWER_HEADERS_MAX * sizeof *a->headers);
    }
    a->headers[a->header_count++] = (struct http_answer_header){str_dup(name), str_dup(value)};
    return 0;
}

// Numbers and truth values are taken as they are written; null is no header.
static int header_add_json(struct http_answer *a, const char *name, const json_t *value,
                           struct err *err)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(64);
    if (json_is_null(value)) {
        return 0;
    }
    if (json_is_string(value)) {
        return header_add(a, str_of(name), json_str(value), err);
    }
    if (!json_is_number(value) && !json_is_boolean(value)) {
        return malformed(err, "a header must be a string", value);
    }
    json_write(value, &text);
    return header_add(a, str_of(name), buf_str(&text), err);
}

// What stands in multiValueHeaders already is not added once more.
static int headers_read(struct http_answer *a, const json_t *object, struct err *err)
{
    const json_t *headers = json_object_get(object, "headers");
    const char *name = NULL;
    json_t *value = NULL;
    if (headers && !json_is_object(headers) && !json_is_null(headers)) {
        return malformed(err, "\"headers\" must be an object", headers);
    }
    json_object_foreach((json_t *)(uintptr_t)headers, name, value)
    {
        if (!json_is_string(value) || !has_header(a, str_of(name), json_str(value))) {
            TRY(header_add_json(a, name, value, err));
        }
    }
    return 0;
}

static int multi_headers_read(struct http_answer *a, const json_t *object, struct err *err)
{
    const json_t *headers = json_object_get(object, "multiValueHeaders");
    const char *name = NULL;
    json_t *values = NULL;
    if (headers && !json_is_object(headers) && !json_is_null(headers)) {
        return malformed(err, "\"multiValueHeaders\" must be an object", headers);
    }
    json_object_foreach((json_t *)(uintptr_t)headers, name, values)
    {
        if (!json_is_array(values)) {
            return malformed(err, "each of \"multiValueHeaders\" must be a list", values);
        }
        for (size_t i = 0; i < json_array_size(values); i++) {
            TRY(header_add_json(a, name, json_array_get(values, i), err));
        }
    }
    return 0;
}

static int cookies_read(struct http_answer *a, const json_t *object, struct err *err)
{
    const json_t *cookies = json_object_get(object, "cookies");
    if (!cookies || json_is_null(cookies)) {
        return 0;
    }
    if (!json_is_array(cookies)) {
        return malformed(err, "\"cookies\" must be a list", cookies);
    }
    for (size_t i = 0; i < json_array_size(cookies); i++) {
        if (!json_is_string(json_array_get(cookies, i))) {
            return malformed(err, "a cookie must be a string", json_array_get(cookies, i));
        }
        TRY(header_add(a, STR("Set-Cookie"), json_str(json_array_get(cookies, i)), err));
    }
    return 0;
}

// ── status and body ──

// An integer, also in a string.
static int status_read(struct http_answer *a, const json_t *object, struct err *err)
{
    const json_t *status = json_object_get(object, "statusCode");
    int64_t number = 0;
    if (json_is_integer(status)) {
        number = json_integer_value(status);
    } else if (!json_is_string(status) || !str_to_i64(json_str(status), &number)) {
        return malformed(err, "\"statusCode\" must be an integer", status);
    }
    if (number < 200 || number > 599) {
        return err_set(err, ERR_INVALID, "malformed answer: \"statusCode\" is %lld, not 200 to 599",
                       (long long)number);
    }
    a->status = (int)number;
    return 0;
}

static int body_read(struct http_answer *a, const json_t *object, enum http_answer_format format,
                     size_t size_max, struct err *err)
{
    const json_t *body = json_object_get(object, "body");
    const json_t *base64 = json_object_get(object, "isBase64Encoded");
    buf_init(&a->kept, size_max * 8 + 64); // a number may be written longer than it was read
    if (base64 && !json_is_boolean(base64) && !json_is_null(base64)) {
        return malformed(err, "\"isBase64Encoded\" must be true or false", base64);
    }
    if (!body || json_is_null(body)) {
        return 0;
    }
    if (json_is_object(body) && format == HTTP_ANSWER_URL) {
        json_write(body, &a->kept);
        return buf_ok(&a->kept) ? 0 : malformed(err, "\"body\" is too large", body);
    }
    if (!json_is_string(body)) {
        return malformed(err, "\"body\" must be a string", body);
    }
    if (!json_is_true(base64)) {
        buf_add_str(&a->kept, json_str(body));
        return 0;
    }
    struct err why = {0};
    if (base64_decode(json_str(body), &a->kept, &why) < 0) {
        return err_set(err, ERR_INVALID, "malformed answer: \"body\" is no base64: %s", why.text);
    }
    return 0;
}

// ── the whole ──

static int object_read(struct http_answer *a, const json_t *object, enum http_answer_format format,
                       size_t size, struct err *err)
{
    TRY(status_read(a, object, err));
    if (format == HTTP_ANSWER_REST) {
        TRY(multi_headers_read(a, object, err));
    }
    TRY(headers_read(a, object, err));
    if (format != HTTP_ANSWER_REST) {
        TRY(cookies_read(a, object, err));
    }
    TRY(body_read(a, object, format, size, err));
    if (a->status == 204 || a->status == 304) {
        buf_clear(&a->kept);
    } else if (!has_header(a, STR("Content-Type"), (struct str){0})) {
        bool plain = format == HTTP_ANSWER_API;
        TRY(header_add(a, STR("Content-Type"),
                       plain ? STR("text/plain; charset=utf-8") : STR("application/json"), err));
    }
    a->body = buf_str(&a->kept);
    return 0;
}

static int inferred(struct http_answer *a, struct str payload, const json_t *json, struct err *err)
{
    a->status = 200;
    a->body = payload;
    if (json_is_string(json)) {
        buf_init(&a->kept, payload.size);
        buf_add_str(&a->kept, json_str(json));
        a->body = buf_str(&a->kept);
    }
    return header_add(a, STR("Content-Type"), STR("application/json"), err);
}

int http_answer_parse(struct str payload, enum http_answer_format format, struct http_answer *ret,
                      struct err *err)
{
    CLEAN_JSON json_t *json = NULL;
    struct err why = {0};
    int rc = json_parse(payload, &json, &why);
    if (json_is_object(json) && json_object_get(json, "statusCode")) {
        return object_read(ret, json, format, payload.size, err);
    }
    if (format != HTTP_ANSWER_REST) {
        return inferred(ret, payload, json, err);
    }
    if (rc < 0) {
        return err_set(err, ERR_INVALID, "malformed answer: %s", why.text);
    }
    if (json_is_object(json)) {
        return err_set(err, ERR_INVALID, "malformed answer: \"statusCode\" is missing");
    }
    return malformed(err, "must be an object with \"statusCode\"", json);
}

int http_answer_prelude(struct str text, struct http_answer *ret, struct err *err)
{
    CLEAN_JSON json_t *json = NULL;
    struct err why = {0};
    ret->status = 200;
    if (json_parse_object(text, &json, &why) < 0) {
        return err_set(err, ERR_INVALID, "malformed answer: its prelude: %s", why.text);
    }
    TRY(json_object_get(json, "statusCode") ? status_read(ret, json, err) : 0);
    TRY(headers_read(ret, json, err));
    TRY(cookies_read(ret, json, err));
    bool typed = has_header(ret, STR("Content-Type"), (struct str){0});
    return typed ? 0 : header_add(ret, STR("Content-Type"), STR("application/octet-stream"), err);
}

void http_answer_done(struct http_answer *a)
{
    for (size_t i = 0; i < a->header_count; i++) {
        free(a->headers[i].name);
        free(a->headers[i].value);
    }
    free(a->headers);
    buf_done(&a->kept);
    *a = (struct http_answer){0};
}
