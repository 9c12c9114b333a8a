// SPDX-License-Identifier: Apache-2.0
// The well-formed sequences of the Unicode standard's table 3-7.
#include "format/utf8.h"

size_t utf8_next(struct str s)
{
    if (s.size == 0) {
        return 0;
    }
    const uint8_t *b = (const uint8_t *)s.at;
    if (b[0] < 0x80) {
        return 1;
    }
    size_t size = b[0] >= 0xc2 && b[0] <= 0xdf ? 2
                  : (b[0] & 0xf0) == 0xe0      ? 3
                  : b[0] >= 0xf0               ? 4
                                               : 0;
    if (size == 0 || b[0] > 0xf4 || s.size < size) {
        return 0;
    }
    uint8_t least = b[0] == 0xe0 ? 0xa0 : b[0] == 0xf0 ? 0x90 : 0x80;
    uint8_t most = b[0] == 0xed ? 0x9f : b[0] == 0xf4 ? 0x8f : 0xbf;
    if (b[1] < least || b[1] > most) {
        return 0;
    }
    for (size_t i = 2; i < size; i++) {
        if ((b[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return size;
}

bool utf8_ok(struct str s)
{
    while (s.size) {
        size_t size = utf8_next(s);
        if (size == 0) {
            return false;
        }
        s = str_skip(s, size);
    }
    return true;
}
