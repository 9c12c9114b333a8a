// SPDX-License-Identifier: Apache-2.0
// Base64, both ways, strict. Four characters are three bytes; the last group may be padded, and then
// the bits that are not used must be zero, so that every value has one spelling.
#include "format/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

void base64_write(const void *at, size_t size, char *text)
{
    const uint8_t *b = at;
    for (; size >= 3; size -= 3, b += 3, text += 4) {
        text[0] = alphabet[b[0] >> 2];
        text[1] = alphabet[(b[0] & 3) << 4 | b[1] >> 4];
        text[2] = alphabet[(b[1] & 15) << 2 | b[2] >> 6];
        text[3] = alphabet[b[2] & 63];
    }
    if (size) {
        uint8_t second = size == 2 ? b[1] : 0;
        text[0] = alphabet[b[0] >> 2];
        text[1] = alphabet[(b[0] & 3) << 4 | second >> 4];
        text[2] = size == 2 ? alphabet[(second & 15) << 2] : '=';
        text[3] = '=';
        text += 4;
    }
    *text = 0;
}

void base64_add(struct buf *out, const void *at, size_t size)
{
    char *to = size < SIZE_MAX / 2 ? buf_reserve(out, BASE64_SIZE(size)) : NULL;
    if (to) {
        base64_write(at, size, to);
        buf_took(out, BASE64_SIZE(size));
    }
}

static size_t padding_of(struct str text)
{
    if (text.size < 4 || text.at[text.size - 1] != '=') {
        return 0;
    }
    return text.at[text.size - 2] == '=' ? 2 : 1;
}

static int bad_char(size_t offset, struct err *err)
{
    return err_set(err, ERR_INVALID, "not base64: unexpected character at offset %zu", offset);
}

// `out` has room for all; the size of the text is a multiple of four.
static int decode_into(struct str text, uint8_t *out, struct err *err)
{
    size_t padding = padding_of(text);
    uint32_t bits = 0;
    for (size_t i = 0; i < text.size - padding; i++) {
        int value = value_of(text.at[i]);
        if (value < 0) {
            return bad_char(i, err);
        }
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 == 3) {
            *out++ = (uint8_t)(bits >> 16);
            *out++ = (uint8_t)(bits >> 8);
            *out++ = (uint8_t)bits;
        }
    }
    if (padding == 1) {
        *out++ = (uint8_t)(bits >> 10);
        *out = (uint8_t)(bits >> 2);
    } else if (padding == 2) {
        *out = (uint8_t)(bits >> 4);
    }
    uint32_t unused = padding == 1 ? bits & 3 : padding == 2 ? bits & 15 : 0;
    return unused ? bad_char(text.size - padding - 1, err) : 0;
}

static int check_size(struct str text, struct err *err)
{
    if (text.size % 4) {
        return err_set(err, ERR_INVALID, "not base64: %zu characters is not a multiple of 4",
                       text.size);
    }
    return 0;
}

int base64_decode(struct str text, struct buf *out, struct err *err)
{
    TRY(check_size(text, err));
    size_t size = text.size / 4 * 3 - padding_of(text);
    bool was_ok = buf_ok(out);
    char *to = buf_reserve(out, size);
    if (!to) {
        out->overflowed = !was_ok;
        return err_set(err, ERR_LIMIT, "base64 text holds more than the %zu bytes allowed",
                       out->max);
    }
    int rc = decode_into(text, (uint8_t *)to, err);
    buf_took(out, rc < 0 ? 0 : size);
    return rc;
}

int base64_decode_exact(struct str text, void *out, size_t size, struct err *err)
{
    TRY(check_size(text, err));
    size_t got = text.size / 4 * 3 - padding_of(text);
    if (got != size) {
        return err_set(err, ERR_INVALID, "base64 text holds %zu bytes instead of %zu", got, size);
    }
    return decode_into(text, out, err);
}
