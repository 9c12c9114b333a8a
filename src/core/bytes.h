// SPDX-License-Identifier: Apache-2.0
// Bytes shared by reference: payloads and answers, which pass through many hands unchanged.
#pragma once

#include "base/buf.h"

struct bytes {
    int refs;
    char *at; // heap, a NUL follows that is not counted
    size_t size;
};

struct bytes *bytes_new(struct str s);     // copies
struct bytes *bytes_take(struct buf *buf); // takes over; buf is empty afterwards
struct bytes *bytes_ref(struct bytes *b);
void bytes_unref(struct bytes *b); // NULL is fine
static inline struct str bytes_str(const struct bytes *b)
{
    return b ? (struct str){b->at, b->size} : (struct str){0};
}
