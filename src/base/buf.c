// SPDX-License-Identifier: Apache-2.0
// Growing bytes with a ceiling.
#include "base/buf.h"
#include "base/check.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *buf, size_t size_max)
{
    *buf = (struct buf){.max = size_max};
}

void buf_done(struct buf *buf)
{
    free(buf->at);
    *buf = (struct buf){.max = buf->max};
}

void buf_clear(struct buf *buf)
{
    buf->size = 0;
    buf->overflowed = false;
    if (buf->at) {
        buf->at[0] = 0;
    }
}

char *buf_reserve(struct buf *buf, size_t size)
{
    if (buf->overflowed || size > buf->max - buf->size) {
        buf->overflowed = true;
        return NULL;
    }
    size_t need = buf->size + size + 1;
    if (need > buf->room) {
        size_t room = buf->room * 2 > need ? buf->room * 2 : need;
        room = room < 64 ? 64 : room;
        room = room - 1 > buf->max ? buf->max + 1 : room;
        buf->at = mem_grow(buf->at, room);
        buf->room = room;
    }
    return buf->at + buf->size;
}

void buf_took(struct buf *buf, size_t size)
{
    CHECK(buf->size + size < buf->room);
    buf->size += size;
    buf->at[buf->size] = 0;
}

void buf_add(struct buf *buf, const void *at, size_t size)
{
    char *to = buf_reserve(buf, size);
    if (to) {
        if (size) {
            memcpy(to, at, size);
        }
        buf_took(buf, size);
    }
}

void buf_add_str(struct buf *buf, struct str s)
{
    buf_add(buf, s.at, s.size);
}

void buf_add_text(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

void buf_add_char(struct buf *buf, char c)
{
    buf_add(buf, &c, 1);
}

void buf_printf(struct buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    size_t room = buf->overflowed ? 0 : buf->room - buf->size; // mostly it fits: written once
    int size = vsnprintf(room ? buf->at + buf->size : NULL, room, fmt, args);
    va_end(args);
    if (size >= 0 && (size_t)size < room) {
        buf_took(buf, (size_t)size);
    } else {
        if (room) {
            buf->at[buf->size] = 0;
        }
        char *to = size >= 0 ? buf_reserve(buf, (size_t)size) : NULL;
        if (to) {
            vsnprintf(to, (size_t)size + 1, fmt, again);
            buf_took(buf, (size_t)size);
        }
    }
    va_end(again);
}

const char *buf_text(struct buf *buf)
{
    return buf->at ? buf->at : "";
}

char *buf_steal(struct buf *buf)
{
    char *at = buf->at ? buf->at : mem_alloc(1);
    *buf = (struct buf){.max = buf->max};
    return at;
}
