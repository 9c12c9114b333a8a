// SPDX-License-Identifier: Apache-2.0
// Percent-encoding and query strings. What a client sent is looked at here first, so nothing is
// assumed about it.
#include "format/uri.h"

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Takes one decoded byte off *rest. -1 for a '%' without two digits (which is taken as a byte).
static int take_byte(struct str *rest, enum uri_form form, char *ret)
{
    char c = rest->at[0];
    *ret = c == '+' && form == URI_QUERY ? ' ' : c;
    if (c != '%') {
        *rest = str_skip(*rest, 1);
        return 0;
    }
    int high = rest->size > 2 ? digit_value(rest->at[1]) : -1;
    int low = rest->size > 2 ? digit_value(rest->at[2]) : -1;
    if (high < 0 || low < 0) {
        *rest = str_skip(*rest, 1);
        return -1;
    }
    *ret = (char)(high << 4 | low);
    *rest = str_skip(*rest, 3);
    return 0;
}

static void buf_cut(struct buf *out, size_t size)
{
    out->size = size;
    if (out->at) {
        out->at[size] = 0;
    }
}

int uri_decode(struct str text, enum uri_form form, struct buf *out, struct err *err)
{
    size_t was = out->size;
    struct str rest = text;
    while (rest.size) {
        size_t offset = text.size - rest.size;
        char c = 0;
        if (take_byte(&rest, form, &c) < 0) {
            buf_cut(out, was);
            return err_set(err, ERR_INVALID,
                           "'%%' is not followed by two hexadecimal digits at offset %zu", offset);
        }
        buf_add_char(out, c);
    }
    return 0;
}

void uri_decode_lenient(struct str text, enum uri_form form, struct buf *out)
{
    while (text.size) {
        char c = 0;
        (void)take_byte(&text, form, &c);
        buf_add_char(out, c);
    }
}

static bool is_alnum(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static void add_byte(struct buf *out, char c, bool keep)
{
    static const char digits[] = "0123456789ABCDEF";
    if (keep) {
        buf_add_char(out, c);
        return;
    }
    uint8_t byte = (uint8_t)c;
    char text[3] = {'%', digits[byte >> 4], digits[byte & 15]};
    buf_add(out, text, sizeof text);
}

void uri_encode(struct buf *out, struct str raw, bool keep_slash)
{
    for (size_t i = 0; i < raw.size; i++) {
        char c = raw.at[i];
        add_byte(out, c,
                 is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~' ||
                     (c == '/' && keep_slash));
    }
}

void uri_encode_key(struct buf *out, struct str raw)
{
    for (size_t i = 0; i < raw.size; i++) {
        char c = raw.at[i] == ' ' ? '+' : raw.at[i];
        add_byte(out, c,
                 is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '*' || c == '/' ||
                     raw.at[i] == ' ');
    }
}

bool uri_query_next(struct str *rest, struct str *ret_name, struct str *ret_value)
{
    while (rest->size) {
        struct str part = str_cut(rest, '&');
        if (part.size) {
            *ret_name = str_cut(&part, '=');
            *ret_value = part;
            return true;
        }
    }
    return false;
}

// Is the decoded form of `raw` this name? Compared byte by byte, so that nothing is allocated.
static bool name_is(struct str raw, struct str name)
{
    size_t i = 0;
    while (raw.size) {
        char c = 0;
        (void)take_byte(&raw, URI_QUERY, &c);
        if (i >= name.size || name.at[i] != c) {
            return false;
        }
        i++;
    }
    return i == name.size;
}

bool uri_query_find(struct str query, struct str name, struct str *ret_value)
{
    struct str found, value;
    while (uri_query_next(&query, &found, &value)) {
        if (name_is(found, name)) {
            if (ret_value) {
                *ret_value = value;
            }
            return true;
        }
    }
    return false;
}

int uri_query_get(struct str query, struct str name, struct buf *out, struct err *err)
{
    struct str value;
    if (!uri_query_find(query, name, &value)) {
        return 0;
    }
    if (uri_decode(value, URI_QUERY, out, err) < 0) {
        return err_prefix(err, "query parameter " STR_FMT, STR_ARG(name));
    }
    return 1;
}

void uri_split(struct str target, struct str *ret_path, struct str *ret_query)
{
    *ret_path = str_cut(&target, '?');
    *ret_query = target;
}
