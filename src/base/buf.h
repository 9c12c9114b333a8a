// SPDX-License-Identifier: Apache-2.0
// struct buf owns growing bytes and is born with its maximum. Overflow is sticky: after one, every
// further append is ignored; check once at the end with buf_ok. The bytes are always followed by a
// NUL that is not counted, so buf.at is a C string (never NULL after the first append; use
// buf_text to be sure).
//
//     CLEAN(buf_done) struct buf out = BUF_INIT(64 * 1024);
//     buf_printf(&out, "%s=%d", name, n);
//     if (!buf_ok(&out)) { return err_set(err, ERR_LIMIT, …); }
#pragma once

#include "base/str.h"

struct buf {
    char *at;
    size_t size;
    size_t room; // allocated, the NUL included
    size_t max;  // size never passes this
    bool overflowed;
};

#define BUF_INIT(size_max) {.max = (size_max)}

void buf_init(struct buf *buf, size_t size_max);
void buf_done(struct buf *buf);  // frees; survives a zeroed one
void buf_clear(struct buf *buf); // empty again, memory kept, overflow forgotten

void buf_add(struct buf *buf, const void *at, size_t size);
void buf_add_str(struct buf *buf, struct str s);
void buf_add_text(struct buf *buf, const char *text);
void buf_add_char(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// Room for `size` more bytes to be written at the returned place, then buf_took what was used.
// NULL when it would pass the maximum.
char *buf_reserve(struct buf *buf, size_t size);
void buf_took(struct buf *buf, size_t size);

static inline bool buf_ok(const struct buf *buf)
{
    return !buf->overflowed;
}

static inline struct str buf_str(const struct buf *buf)
{
    return (struct str){buf->at, buf->size};
}

const char *buf_text(struct buf *buf); // NUL-terminated, "" when empty
char *buf_steal(struct buf *buf);      // the heap bytes, now the caller's; buf is empty
