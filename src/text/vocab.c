// SPDX-License-Identifier: Apache-2.0
// Sorted arrays and binary search; the first byte has a table, since every walk begins there.
#include "text/vocab.h"
#include "base/mem.h"

#include <stdlib.h>

struct vocab {
    size_t count;
    char *bytes;
    uint32_t *start; // of each token's bytes, and an end
    uint32_t *id;    // of each token
    double *score;   // of each token
    uint32_t *place; // by id: the token's index, or UINT32_MAX
    size_t id_end;
    uint32_t first[257]; // by the first byte: where its tokens begin
    double least;
};

static struct str token_at(const struct vocab *vocab, size_t i)
{
    return str_n(vocab->bytes + vocab->start[i], vocab->start[i + 1] - vocab->start[i]);
}

static int entry_cmp(const void *a, const void *b)
{
    const struct vocab_entry *x = a, *y = b;
    int order = str_cmp(x->text, y->text);
    return order ? order : (x->order > y->order) - (x->order < y->order);
}

// Sorts, and leaves of equal texts the last. Returns how many are left.
static size_t put_in_order(struct vocab_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        entries[i].order = i;
    }
    if (count) {
        qsort(entries, count, sizeof(*entries), entry_cmp);
    }
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        if (left && str_eq(entries[left - 1].text, entries[i].text)) {
            left--;
        }
        entries[left++] = entries[i];
    }
    return left;
}

static void take(struct vocab *vocab, const struct vocab_entry *entry)
{
    size_t i = vocab->count++;
    struct str text = str_not_null(entry->text);
    memcpy(vocab->bytes + vocab->start[i], text.at, text.size);
    vocab->start[i + 1] = vocab->start[i] + (uint32_t)text.size;
    vocab->id[i] = entry->id;
    vocab->score[i] = entry->score;
    vocab->place[entry->id] = (uint32_t)i;
    vocab->least = i == 0 || entry->score < vocab->least ? entry->score : vocab->least;
    vocab->first[text.size ? (uint8_t)text.at[0] + 1 : 0]++; // how many, until all are there
}

static void take_all(struct vocab *vocab, const struct vocab_entry *entries, size_t count)
{
    memset(vocab->place, 0xff, vocab->id_end * sizeof(*vocab->place));
    for (size_t i = 0; i < count; i++) {
        take(vocab, &entries[i]);
    }
    for (size_t i = 1; i < ARRAY_SIZE(vocab->first); i++) {
        vocab->first[i] += vocab->first[i - 1];
    }
}

int vocab_new(struct vocab_entry *entries, size_t count, struct vocab **ret, struct err *err)
{
    size_t bytes = 0, id_end = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += entries[i].text.size;
        id_end = entries[i].id >= id_end ? entries[i].id + (size_t)1 : id_end;
    }
    if (count > VOCAB_COUNT_MAX || id_end > VOCAB_COUNT_MAX || bytes > VOCAB_BYTES_MAX) {
        return err_set(err, ERR_LIMIT, "a vocabulary has at most %u tokens, numbered below that",
                       VOCAB_COUNT_MAX);
    }
    count = put_in_order(entries, count);
    struct vocab *vocab = NEW(struct vocab);
    vocab->bytes = mem_alloc(bytes + 1);
    vocab->start = mem_alloc((count + 1) * sizeof(*vocab->start));
    vocab->id = mem_alloc((count + 1) * sizeof(*vocab->id));
    vocab->score = mem_alloc((count + 1) * sizeof(*vocab->score));
    vocab->place = mem_alloc((id_end + 1) * sizeof(*vocab->place));
    vocab->id_end = id_end;
    take_all(vocab, entries, count);
    *ret = vocab;
    return 0;
}

void vocab_free(struct vocab *vocab)
{
    if (vocab) {
        free(vocab->bytes);
        free(vocab->start);
        free(vocab->id);
        free(vocab->score);
        free(vocab->place);
        free(vocab);
    }
}

struct str vocab_text(const struct vocab *vocab, uint32_t id)
{
    uint32_t i = id < vocab->id_end ? vocab->place[id] : UINT32_MAX;
    return i == UINT32_MAX ? (struct str){0} : token_at(vocab, i);
}

double vocab_score(const struct vocab *vocab, uint32_t id)
{
    uint32_t i = id < vocab->id_end ? vocab->place[id] : UINT32_MAX;
    return i == UINT32_MAX ? 0 : vocab->score[i];
}

double vocab_score_least(const struct vocab *vocab)
{
    return vocab->least;
}

int64_t vocab_id(const struct vocab *vocab, struct str text)
{
    size_t first = text.size ? vocab->first[(uint8_t)text.at[0]] : 0;
    size_t end = text.size ? vocab->first[(uint8_t)text.at[0] + 1] : vocab->first[0];
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        int order = str_cmp(token_at(vocab, middle), text);
        if (order == 0) {
            return vocab->id[middle];
        }
        if (order < 0) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return VOCAB_NONE;
}

// ---- walks ----

struct vocab_walk vocab_walk(const struct vocab *vocab)
{
    return (struct vocab_walk){.vocab = vocab, .end = vocab->count, .found = VOCAB_NONE};
}

// The first of [first, end) whose byte at `size` is at least that; one that ends before it is less.
static size_t first_with(const struct vocab *vocab, size_t first, size_t end, size_t size, int byte)
{
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        struct str token = token_at(vocab, middle);
        int there = token.size > size ? (uint8_t)token.at[size] : -1;
        if (there < byte) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return first;
}

bool vocab_step(struct vocab_walk *walk, uint8_t byte)
{
    const struct vocab *vocab = walk->vocab;
    if (walk->size == 0) {
        walk->first = vocab->first[byte];
        walk->end = vocab->first[byte + 1];
    } else {
        walk->first = first_with(vocab, walk->first, walk->end, walk->size, byte);
        walk->end = first_with(vocab, walk->first, walk->end, walk->size, byte + 1);
    }
    walk->size++;
    bool exact = walk->first < walk->end && token_at(vocab, walk->first).size == walk->size;
    walk->found = exact ? (int64_t)vocab->id[walk->first] : VOCAB_NONE;
    return walk->first < walk->end;
}
