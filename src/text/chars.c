// SPDX-License-Identifier: Apache-2.0
// Aligned text.
#include "text/chars.h"
#include "base/mem.h"
#include "format/utf8.h"

void chars_done(struct chars *chars)
{
    free(chars->at);
    free(chars->from);
    free(chars->to);
    *chars = (struct chars){0};
}

static void make_room(struct chars *chars, size_t count)
{
    if (chars->count + count <= chars->room) {
        return;
    }
    size_t room = chars->room * 2 > chars->count + count ? chars->room * 2 : chars->count + count;
    room = room < 256 ? 256 : room;
    chars->at = mem_grow(chars->at, room * sizeof(*chars->at));
    chars->from = mem_grow(chars->from, room * sizeof(*chars->from));
    chars->to = mem_grow(chars->to, room * sizeof(*chars->to));
    chars->room = room;
}

void chars_add(struct chars *chars, uint32_t c, uint32_t from, uint32_t to)
{
    make_room(chars, 1);
    chars->at[chars->count] = c;
    chars->from[chars->count] = from;
    chars->to[chars->count] = to;
    chars->count++;
}

void chars_copy(struct chars *out, const struct chars *in, size_t begin, size_t end)
{
    size_t size = (end - begin) * sizeof(uint32_t);
    if (size == 0) {
        return;
    }
    make_room(out, end - begin);
    memcpy(out->at + out->count, in->at + begin, size);
    memcpy(out->from + out->count, in->from + begin, size);
    memcpy(out->to + out->count, in->to + begin, size);
    out->count += end - begin;
}

int chars_read(struct chars *chars, struct str text, struct err *err)
{
    struct str rest = text;
    for (uint32_t i = 0; rest.size; i++) {
        const uint8_t *b = (const uint8_t *)rest.at;
        size_t size = utf8_next(rest);
        uint32_t c = size == 1 ? b[0] : size == 2 ? b[0] & 0x1f : size == 3 ? b[0] & 0xf : b[0] & 7;
        if (size == 0) {
            return err_set(err, ERR_INVALID, "the text is not UTF-8 (at byte %zu)",
                           text.size - rest.size);
        }
        if (i == CHARS_MAX) {
            return err_set(err, ERR_LIMIT, "the text is longer than %u characters", CHARS_MAX);
        }
        for (size_t k = 1; k < size; k++) {
            c = c << 6 | (b[k] & 0x3f);
        }
        chars_add(chars, c, i, i + 1);
        rest = str_skip(rest, size);
    }
    return 0;
}

void text_done(struct text *text)
{
    chars_done(&text->chars);
    free(text->pieces);
    *text = (struct text){0};
}

void text_clear(struct text *text)
{
    text->chars.count = 0;
    text->piece_count = 0;
}

void text_add(struct text *text, size_t begin, size_t end, int64_t token)
{
    if (begin == end) {
        return;
    }
    if (text->piece_count == text->piece_room) {
        text->piece_room = text->piece_room ? 2 * text->piece_room : 64;
        text->pieces = mem_grow(text->pieces, text->piece_room * sizeof(*text->pieces));
    }
    text->pieces[text->piece_count++] = (struct piece){begin, end, token};
}

void edit_replace(struct edit *edit, uint32_t c)
{
    chars_add(edit->out, c, edit->in->from[edit->at], edit->in->to[edit->at]);
    edit->at++;
}

void edit_insert(struct edit *edit, uint32_t c)
{
    uint32_t start = edit->in->from[edit->begin];
    bool first = edit->at == edit->begin;
    chars_add(edit->out, c, first ? start : edit->in->from[edit->at - 1],
              first ? start : edit->in->to[edit->at - 1]);
}
