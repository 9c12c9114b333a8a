// SPDX-License-Identifier: Apache-2.0
// Shared bytes. One thread counts the references: the core's.
#include "core/bytes.h"
#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>

struct bytes *bytes_new(struct str s)
{
    struct bytes *b = NEW(struct bytes);
    *b = (struct bytes){.refs = 1, .at = str_dup(s), .size = s.size};
    return b;
}

struct bytes *bytes_take(struct buf *buf)
{
    struct bytes *b = NEW(struct bytes);
    size_t size = buf->size;
    *b = (struct bytes){.refs = 1, .at = buf_steal(buf), .size = size};
    return b;
}

struct bytes *bytes_ref(struct bytes *b)
{
    CHECK(b->refs > 0);
    b->refs++;
    return b;
}

void bytes_unref(struct bytes *b)
{
    if (!b) {
        return;
    }
    CHECK(b->refs > 0);
    if (--b->refs == 0) {
        free(b->at);
        free(b);
    }
}
