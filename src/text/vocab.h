// SPDX-License-Identifier: Apache-2.0
// A vocabulary: tokens and their numbers, sorted by their bytes, in a few arrays without pointers. It
// answers what token a text is, what token a number is, and which tokens a text begins with.
//
//     struct vocab_walk walk = vocab_walk(vocab);
//     while (size < text.size && vocab_step(&walk, (uint8_t)text.at[size++])) {
//         if (walk.found >= 0) { … text's first `size` bytes are that token … }
//     }
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

#define VOCAB_COUNT_MAX (4u * 1024 * 1024) // tokens, and above their numbers
#define VOCAB_BYTES_MAX (256u * 1024 * 1024)
#define VOCAB_NONE      (-1)

struct vocab_entry { // of vocab_new
    struct str text;
    uint32_t id;
    double score; // 0 where the model has none
    size_t order; // vocab_new's own
};

struct vocab;

// Takes a copy, and sorts the entries. Of two with one text the later counts. ERR_LIMIT: too many
// tokens or bytes, or a number that is not below VOCAB_COUNT_MAX.
MUST_CHECK int vocab_new(struct vocab_entry *entries, size_t count, struct vocab **ret,
                         struct err *err);
void vocab_free(struct vocab *vocab); // takes NULL

int64_t vocab_id(const struct vocab *vocab, struct str text);  // VOCAB_NONE
struct str vocab_text(const struct vocab *vocab, uint32_t id); // {0}: no such number
double vocab_score(const struct vocab *vocab, uint32_t id);    // 0: no such number
double vocab_score_least(const struct vocab *vocab);           // of all

// The tokens that begin with the bytes so far.
struct vocab_walk {
    const struct vocab *vocab;
    size_t first, end; // of them, by their order
    size_t size;       // bytes so far
    int64_t found;     // the number of the token that is exactly these bytes, or VOCAB_NONE
};

struct vocab_walk vocab_walk(const struct vocab *vocab);
// One byte more. False: no token begins so, and the walk is over.
bool vocab_step(struct vocab_walk *walk, uint8_t byte);
