// SPDX-License-Identifier: Apache-2.0
// Random identifiers. Kernel randomness is fetched a block at a time: a request needs one, and a
// system call for each would show.
#include "core/uuid.h"
#include "base/check.h"

#include <stddef.h>
#include <string.h>
#include <sys/random.h>

struct uuid uuid_new(void)
{
    static _Thread_local unsigned char pool[256];
    static _Thread_local size_t left;
    if (left < 16) {
        CHECK(getrandom(pool, sizeof pool, 0) == sizeof pool);
        left = sizeof pool;
    }
    unsigned char r[16];
    left -= 16;
    memcpy(r, pool + left, 16);
    r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
    r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
    static const char hex[] = "0123456789abcdef";
    struct uuid id = {0};
    char *to = id.text;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *to++ = '-';
        }
        *to++ = hex[r[i] >> 4];
        *to++ = hex[r[i] & 15];
    }
    return id;
}
