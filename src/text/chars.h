// SPDX-License-Identifier: Apache-2.0
// Text on its way through a tokenizer: code points, each of which knows what part of the original it
// stands for, and the pieces that the text has been cut into. Nothing is changed in place: each step
// reads one text and appends to another.
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

#define CHARS_MAX (1024u * 1024) // code points of a text; the steps may make more of them

// Columns, so that a run of code points is an array of them. A zeroed one is empty.
struct chars {
    uint32_t *at;
    uint32_t *from, *to; // [from, to) of the original, in its code points
    size_t count, room;
};

void chars_done(struct chars *chars);
void chars_add(struct chars *chars, uint32_t c, uint32_t from, uint32_t to);
void chars_copy(struct chars *out, const struct chars *in, size_t begin, size_t end);
// Appends the text itself. ERR_INVALID: not UTF-8; ERR_LIMIT: more than CHARS_MAX.
MUST_CHECK int chars_read(struct chars *chars, struct str text, struct err *err);

#define PIECE_TEXT (-1)

struct piece {
    size_t begin, end; // of the text's chars
    int64_t token;     // it is that added token; or PIECE_TEXT
};

struct text {
    struct chars chars;
    struct piece *pieces;
    size_t piece_count, piece_room;
};

void text_done(struct text *text);
void text_clear(struct text *text); // memory is kept
// Appends a piece of what is in chars; an empty one is left out.
void text_add(struct text *text, size_t begin, size_t end, int64_t token);

// A part of a text being rewritten. What is inserted stands for what the character before it stood
// for: offsets are then those of the reference implementation (tokenizers' NormalizedString).
struct edit {
    const struct chars *in;
    size_t begin, at;
    struct chars *out;
};

static inline struct edit edit_of(const struct chars *in, size_t begin, struct chars *out)
{
    return (struct edit){.in = in, .begin = begin, .at = begin, .out = out};
}

void edit_replace(struct edit *edit, uint32_t c); // instead of the next one
void edit_insert(struct edit *edit, uint32_t c);
static inline void edit_skip(struct edit *edit, size_t count)
{
    edit->at += count;
}
