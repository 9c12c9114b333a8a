// SPDX-License-Identifier: Apache-2.0
// Properties and normal forms. utf8proc decomposes and knows the pairs that compose; the order of
// marks and the walk over starters are here, because each character must keep its alignment.
#include "text/unicode.h"
#include "base/check.h"
#include "base/mem.h"

#include <utf8proc.h>

static utf8proc_category_t category_of(uint32_t c)
{
    return utf8proc_category((utf8proc_int32_t)c);
}

bool unicode_is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

bool unicode_is_punctuation(uint32_t c)
{
    if (c < 128) {
        return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
               (c >= 123 && c <= 126);
    }
    utf8proc_category_t category = category_of(c);
    return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

bool unicode_is_number(uint32_t c)
{
    utf8proc_category_t category = category_of(c);
    return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

bool unicode_is_mark(uint32_t c)
{
    utf8proc_category_t category = category_of(c);
    return category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME;
}

bool unicode_is_accent(uint32_t c)
{
    return c >= 0x300 && category_of(c) == UTF8PROC_CATEGORY_MN;
}

// Alphabetic, but for a few symbols that count as letters, is a matter of categories.
bool unicode_is_word(uint32_t c)
{
    utf8proc_category_t category = category_of(c);
    bool symbol = (c >= 0x24b6 && c <= 0x24e9) || (c >= 0x1f130 && c <= 0x1f149) ||
                  (c >= 0x1f150 && c <= 0x1f169) || (c >= 0x1f170 && c <= 0x1f189);
    return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) ||
           category == UTF8PROC_CATEGORY_PC || symbol || c == 0x200c || c == 0x200d;
}

bool unicode_is_control(uint32_t c)
{
    utf8proc_category_t category = category_of(c);
    return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
           category == UTF8PROC_CATEGORY_CO;
}

bool unicode_is_ideograph(uint32_t c)
{
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) ||
           (c >= 0x20000 && c <= 0x2a6df) || (c >= 0x2a700 && c <= 0x2b73f) ||
           (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
           (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

size_t unicode_lower(uint32_t c, uint32_t ret[2])
{
    if (c == 0x130) { // İ, the only one that becomes two without regard to a language
        ret[0] = 'i';
        ret[1] = 0x307;
        return 2;
    }
    ret[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
    return 1;
}

size_t unicode_utf8(uint32_t c, char text[UNICODE_UTF8_MAX])
{
    utf8proc_uint8_t bytes[UNICODE_UTF8_MAX];
    utf8proc_ssize_t size = utf8proc_encode_char((utf8proc_int32_t)c, bytes);
    CHECK(size > 0 && size <= UNICODE_UTF8_MAX);
    memcpy(text, bytes, (size_t)size);
    return (size_t)size;
}

// ---- normal forms ----

#define DECOMPOSED_MAX 32 // U+FDFA becomes 18, the most

// A character of the result on its way. `change` is what the reference counts: 0 for one that takes
// the place of the next original, 1 for one more, -n for one that takes the place of n + 1.
struct shift {
    uint32_t c;
    int order; // canonical combining class
    int change;
    size_t index; // keeps the sort stable
};

struct shifts {
    struct shift *at;
    size_t count, room;
};

static void shifts_done(struct shifts *shifts)
{
    free(shifts->at);
}

static void shifts_add(struct shifts *shifts, uint32_t c, int change)
{
    if (shifts->count == shifts->room) {
        shifts->room = shifts->room ? 2 * shifts->room : 64;
        shifts->at = mem_grow(shifts->at, shifts->room * sizeof(*shifts->at));
    }
    int order = c < 0x300 ? 0 : utf8proc_get_property((utf8proc_int32_t)c)->combining_class;
    shifts->at[shifts->count] = (struct shift){c, order, change, shifts->count};
    shifts->count++;
}

static void decompose(struct shifts *shifts, uint32_t c, bool compatibly)
{
    utf8proc_int32_t parts[DECOMPOSED_MAX] = {(utf8proc_int32_t)c};
    utf8proc_ssize_t count = 1;
    if (c >= 0x80) {
        int boundary = 0;
        int options = UTF8PROC_DECOMPOSE | (compatibly ? UTF8PROC_COMPAT : 0);
        count = utf8proc_decompose_char((utf8proc_int32_t)c, parts, DECOMPOSED_MAX,
                                        (utf8proc_option_t)options, &boundary);
        CHECK(count > 0 && count <= DECOMPOSED_MAX);
    }
    for (utf8proc_ssize_t i = 0; i < count; i++) {
        shifts_add(shifts, (uint32_t)parts[i], i > 0);
    }
}

static int shift_cmp(const void *a, const void *b)
{
    const struct shift *x = a, *y = b;
    return x->order != y->order ? x->order - y->order
                                : (x->index > y->index) - (x->index < y->index);
}

// Runs of marks in canonical order.
static void put_in_order(struct shifts *shifts)
{
    for (size_t i = 0; i < shifts->count;) {
        size_t end = i;
        while (end < shifts->count && shifts->at[end].order > 0) {
            end++;
        }
        if (end > i + 1) {
            qsort(shifts->at + i, end - i, sizeof(*shifts->at), shift_cmp);
        }
        i = end + 1;
    }
}

// The character that the two make, or 0. No second half of a pair lies below U+0300.
static uint32_t pair_of(uint32_t first, uint32_t second)
{
    utf8proc_int32_t pair[2] = {(utf8proc_int32_t)first, (utf8proc_int32_t)second};
    if (second < 0x300) {
        return 0;
    }
    utf8proc_ssize_t count =
        utf8proc_normalize_utf32(pair, 2, (utf8proc_option_t)(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
    return count == 1 ? (uint32_t)pair[0] : 0;
}

// Marks, and letters right behind a starter, go into it unless something between them is in the way.
static void compose(struct shifts *shifts)
{
    struct shift *starter = NULL;
    int between = -1; // order of what came last behind the starter; -1: nothing did
    size_t count = 0;
    for (size_t i = 0; i < shifts->count; i++) {
        struct shift one = shifts->at[i];
        uint32_t pair = starter && between < one.order ? pair_of(starter->c, one.c) : 0;
        if (pair) {
            starter->c = pair;
            starter->change += one.change - 1;
            continue;
        }
        between = one.order;
        shifts->at[count] = one;
        if (one.order == 0) {
            starter = &shifts->at[count];
            between = -1;
        }
        count++;
    }
    shifts->count = count;
}

static void put_shifts(const struct shifts *shifts, struct edit *edit)
{
    for (size_t i = 0; i < shifts->count; i++) {
        const struct shift *one = &shifts->at[i];
        if (one->change > 0) {
            edit_insert(edit, one->c);
        } else {
            edit_replace(edit, one->c);
            edit_skip(edit, (size_t)-one->change);
        }
    }
}

void unicode_normalize(enum unicode_form form, const struct chars *in, size_t begin, size_t end,
                       struct chars *out)
{
    CLEAN(shifts_done) struct shifts shifts = {0};
    struct edit edit = edit_of(in, begin, out);
    for (size_t i = begin; i < end; i++) {
        decompose(&shifts, in->at[i], form == UNICODE_NFKC || form == UNICODE_NFKD);
    }
    put_in_order(&shifts);
    if (form == UNICODE_NFC || form == UNICODE_NFKC) {
        compose(&shifts);
    }
    put_shifts(&shifts, &edit);
}

size_t unicode_grapheme(const struct chars *in, size_t begin, size_t end)
{
    utf8proc_int32_t state = 0;
    size_t at = begin + 1;
    while (at < end && !utf8proc_grapheme_break_stateful((utf8proc_int32_t)in->at[at - 1],
                                                         (utf8proc_int32_t)in->at[at], &state)) {
        at++;
    }
    return at;
}
