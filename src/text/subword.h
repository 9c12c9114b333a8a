// SPDX-License-Identifier: Apache-2.0
// Models that turn a piece into tokens: WordPiece, byte pair encoding, Unigram; the `model` of a
// tokenizer.json. Whatever the file says is read once; tokenizing changes only the scratch memory.
#pragma once

#include "text/chars.h"
#include "text/vocab.h"

#include <jansson.h>
#include <stdbool.h>

struct token {
    uint32_t id;
    uint32_t type;     // segment: what the graph's token_type_ids takes
    uint32_t from, to; // [from, to) of the original text, in code points; special: both 0
    uint8_t sequence;  // 0: of the first text, 1: of the second
    bool special;      // put there by the post-processor
};

struct tokens {
    struct token *at;
    size_t count, room;
};

void tokens_done(struct tokens *tokens);
void tokens_add(struct tokens *tokens, const struct token *token);

// A piece as bytes, each with the character that it is of.
struct word {
    const struct chars *chars;
    size_t begin, end;
    char *bytes;
    uint32_t *place; // by byte: its character's index in chars
    size_t size, room;
    void *spare; // the model's own scratch memory, heap
    size_t spare_size;
};

void word_done(struct word *word); // survives a zeroed one
void word_set(struct word *word, const struct chars *chars, size_t begin, size_t end);
// Appends the token for the word's bytes [first, end).
void word_token(const struct word *word, size_t first, size_t end, uint32_t id, struct tokens *out);
void *word_spare(struct word *word, size_t size); // at least that many bytes, not cleared

struct subword;

struct subword_ops {
    const char *type; // in tokenizer.json
    const char *keys; // that it may have, separated by spaces
    int (*read)(struct subword *model, const json_t *json, struct err *err);
    int (*tokenize)(const struct subword *model, struct word *word, struct tokens *out,
                    struct err *err);
};

struct merges;

struct subword {
    const struct subword_ops *ops;
    struct vocab *vocab;
    int64_t unk;                         // VOCAB_NONE: it has none
    char *prefix, *suffix;               // of what is inside and at the end of a word; or NULL
    size_t word_max;                     // WordPiece: longer words are unknown
    struct merges *merges;               // BPE
    bool fuse_unk, byte_fallback, whole; // whole: a word that is a token is not taken apart
    int64_t *bytes;                      // the 256 tokens <0x00>…; NULL without byte_fallback
};

// ERR_INVALID names the key.
MUST_CHECK int subword_read(const json_t *json, struct subword **ret, struct err *err);
// WordPiece of a vocab.txt: a token a line.
MUST_CHECK int subword_read_lines(struct str text, struct subword **ret, struct err *err);
void subword_free(struct subword *model); // takes NULL

MUST_CHECK int subword_tokenize(const struct subword *model, struct word *word,
                                const struct chars *chars, size_t begin, size_t end,
                                struct tokens *out, struct err *err);

// ---- for the files of models ----

extern const struct subword_ops subword_wordpiece, subword_bpe, subword_unigram;

MUST_CHECK int subword_read_vocab(struct subword *model, const json_t *json, struct err *err);
// `unk_token`; 1 when it is named, whether or not it is a token.
MUST_CHECK int subword_read_unk(struct subword *model, const json_t *json, struct err *err);
MUST_CHECK int subword_read_bytes(struct subword *model, const json_t *json, struct err *err);
void merges_free(struct merges *merges); // takes NULL
