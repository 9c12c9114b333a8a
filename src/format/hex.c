// SPDX-License-Identifier: Apache-2.0
// Hexadecimal digits, both ways. Signatures and hashes travel through here.
#include "format/hex.h"

static const char digits[] = "0123456789abcdef";

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

void hex_write(const void *at, size_t size, char *text)
{
    const uint8_t *bytes = at;
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * size] = 0;
}

void hex_add(struct buf *out, const void *at, size_t size)
{
    char *to = size < SIZE_MAX / 2 ? buf_reserve(out, 2 * size) : NULL;
    if (to) {
        hex_write(at, size, to);
        buf_took(out, 2 * size);
    }
}

int hex_decode(struct str text, void *out, size_t size, struct err *err)
{
    if (text.size / 2 != size || text.size % 2) {
        return err_set(err, ERR_INVALID, "expected %zu hexadecimal digits, got %zu characters",
                       2 * size, text.size);
    }
    uint8_t *bytes = out;
    for (size_t i = 0; i < size; i++) {
        int high = digit_value(text.at[2 * i]);
        int low = digit_value(text.at[2 * i + 1]);
        if (high < 0 || low < 0) {
            return err_set(err, ERR_INVALID, "not a hexadecimal digit at offset %zu",
                           2 * i + (high < 0 ? 0 : 1));
        }
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}
