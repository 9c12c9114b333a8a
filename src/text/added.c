// SPDX-License-Identifier: Apache-2.0
// Added tokens are found from the left, at each place the longest.
#include "text/added.h"
#include "base/mem.h"
#include "format/json.h"
#include "text/unicode.h"
#include "text/vocab.h"

#include <stdlib.h>

#define ADDED_MAX 100000

void added_done(struct added *added)
{
    for (size_t i = 0; i < added->count; i++) {
        free(added->at[i].name);
        chars_done(&added->at[i].content);
    }
    free(added->at);
    *added = (struct added){0};
}

// ---- reading ----

static struct added_token *token_new(struct added *added)
{
    if ((added->count & (added->count - 1)) == 0) { // room for the next power of two
        size_t room = added->count ? 2 * added->count : 1;
        added->at = mem_grow(added->at, room * sizeof(*added->at));
    }
    struct added_token *token = &added->at[added->count++];
    *token = (struct added_token){0};
    return token;
}

static int normalize(struct chars *content, const struct steps *normalizer, struct err *err)
{
    CLEAN(text_done) struct text text = {.chars = *content}, spare = {0};
    *content = (struct chars){0};
    text_add(&text, 0, text.chars.count, PIECE_TEXT);
    int rc = steps_run(normalizer, &text, &spare, err);
    *content = text.chars;
    text.chars = (struct chars){0};
    return rc;
}

static int read_one(struct added *added, const json_t *json, const struct steps *normalizer,
                    struct err *err)
{
    struct str content;
    int64_t id = 0;
    bool normalized = true;
    TRY(json_need_str(json, "content", &content, err));
    TRY(json_need_int(json, "id", 0, VOCAB_COUNT_MAX - 1, &id, err));
    TRY(json_get_bool(json, "normalized", &normalized, err));
    struct added_token *token = token_new(added);
    token->id = (uint32_t)id;
    token->name = str_dup(content);
    token->when = normalized ? ADDED_AFTER : ADDED_BEFORE;
    TRY(json_get_bool(json, "single_word", &token->alone, err));
    TRY(json_get_bool(json, "lstrip", &token->left, err));
    TRY(json_get_bool(json, "rstrip", &token->right, err));
    TRY(chars_read(&token->content, content, err));
    return normalized ? normalize(&token->content, normalizer, err) : 0;
}

int added_read(struct added *added, const json_t *json, const struct steps *normalizer,
               struct err *err)
{
    size_t count = json_array_size(json);
    if (json && !json_is_null(json) && !json_is_array(json)) {
        return err_set(err, ERR_INVALID, "must be a list");
    }
    if (count > ADDED_MAX) {
        return err_set(err, ERR_LIMIT, "has more than %d tokens", ADDED_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        int rc = read_one(added, json_array_get(json, i), normalizer, err);
        if (rc < 0) {
            return err_prefix(err, "[%zu]", i);
        }
    }
    added_ready(added);
    return 0;
}

int added_add(struct added *added, struct str content, uint32_t id, struct err *err)
{
    struct added_token *token = token_new(added);
    token->id = id;
    token->name = str_dup(content);
    return chars_read(&token->content, content, err);
}

int64_t added_id(const struct added *added, struct str content)
{
    for (size_t i = 0; i < added->count; i++) {
        if (str_eq(str_of(added->at[i].name), content)) {
            return added->at[i].id;
        }
    }
    return VOCAB_NONE;
}

static int token_cmp(const void *a, const void *b)
{
    const struct chars *x = &((const struct added_token *)a)->content;
    const struct chars *y = &((const struct added_token *)b)->content;
    for (size_t i = 0; i < x->count && i < y->count; i++) {
        if (x->at[i] != y->at[i]) {
            return x->at[i] < y->at[i] ? -1 : 1;
        }
    }
    return (x->count > y->count) - (x->count < y->count);
}

void added_ready(struct added *added)
{
    if (added->count) {
        qsort(added->at, added->count, sizeof(*added->at), token_cmp);
    }
    for (size_t i = 0; i < added->count; i++) {
        const struct chars *content = &added->at[i].content;
        if (content->count) { // one without is never found
            added->firsts[added->at[i].when][content->at[0] & 0xff] = 1;
        }
    }
}

// ---- finding ----

// The first token that begins with `c` or a later character.
static size_t first_from(const struct added *added, uint32_t c)
{
    size_t first = 0, end = added->count;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        const struct chars *content = &added->at[middle].content;
        if (content->count == 0 || content->at[0] < c) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return first;
}

static const struct added_token *find_at(const struct added *added, enum added_when when,
                                         const uint32_t *at, size_t count)
{
    const struct added_token *best = NULL;
    if (!added->firsts[when][at[0] & 0xff]) {
        return NULL;
    }
    for (size_t i = first_from(added, at[0]); i < added->count; i++) {
        const struct added_token *token = &added->at[i];
        if (token->content.at[0] != at[0]) {
            break;
        }
        if (token->when == when && token->content.count <= count &&
            memcmp(token->content.at, at, token->content.count * sizeof(*at)) == 0) {
            best = token; // sorted so that the longer come later
        }
    }
    return best;
}

// Cuts one piece, whose characters lie in out->chars already.
static void cut_piece(const struct added *added, enum added_when when, size_t begin, size_t end,
                      struct text *out)
{
    const uint32_t *at = out->chars.at;
    size_t done = begin;
    for (size_t i = begin; i < end;) {
        const struct added_token *token = find_at(added, when, at + i, end - i);
        if (!token) {
            i++;
            continue;
        }
        size_t first = i, after = i + token->content.count;
        i = after;
        if (token->alone && ((first > begin && unicode_is_word(at[first - 1])) ||
                             (after < end && unicode_is_word(at[after])))) {
            continue;
        }
        while (token->left && first > done && unicode_is_space(at[first - 1])) {
            first--;
        }
        while (token->right && after < end && unicode_is_space(at[after])) {
            after++;
        }
        text_add(out, done, first, PIECE_TEXT);
        text_add(out, first, after, token->id);
        done = i = after;
    }
    text_add(out, done, end, PIECE_TEXT);
}

void added_cut(const struct added *added, enum added_when when, const struct text *in,
               struct text *out)
{
    text_clear(out);
    chars_copy(&out->chars, &in->chars, 0, in->chars.count);
    for (size_t i = 0; i < in->piece_count; i++) {
        const struct piece *piece = &in->pieces[i];
        if (piece->token == PIECE_TEXT) {
            cut_piece(added, when, piece->begin, piece->end, out);
        } else {
            text_add(out, piece->begin, piece->end, piece->token);
        }
    }
}
