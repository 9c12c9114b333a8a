// SPDX-License-Identifier: Apache-2.0
// Added tokens: texts that are one token wherever they stand, whatever the model would make of them;
// the `added_tokens` of a tokenizer.json. Some are looked for before the normalizer, some after.
#pragma once

#include "text/step.h"

enum added_when { ADDED_BEFORE, ADDED_AFTER }; // the normalizer

struct added_token {
    char *name;           // as in the file
    struct chars content; // normalized, when it is looked for afterwards
    uint32_t id;
    enum added_when when;
    bool alone;       // not within a word
    bool left, right; // takes the white space on that side in
};

struct added {
    struct added_token *at; // sorted by content
    size_t count;
    uint8_t firsts[2]
                  [256]; // by when, and by the low byte of a first character: whether one begins so
};

// Reads `added_tokens`; NULL and null are none. ERR_INVALID names the key.
MUST_CHECK int added_read(struct added *added, const json_t *json, const struct steps *normalizer,
                          struct err *err);
// A token that is looked for before the normalizer; added_ready after the last.
MUST_CHECK int added_add(struct added *added, struct str content, uint32_t id, struct err *err);
void added_ready(struct added *added);
void added_done(struct added *added);

int64_t added_id(const struct added *added, struct str content); // as in the file; -1: no such

// Cuts the text's pieces where such tokens stand; `out` is cleared first.
void added_cut(const struct added *added, enum added_when when, const struct text *in,
               struct text *out);
