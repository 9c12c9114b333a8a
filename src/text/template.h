// SPDX-License-Identifier: Apache-2.0
// What is put around and between the tokens of one or two texts, and how their offsets are trimmed;
// the `post_processor` of a tokenizer.json. BERT's and RoBERTa's are templates, too.
#pragma once

#include "text/subword.h"

#define TEMPLATE_PARTS_MAX 32

enum template_what { TEMPLATE_FIRST, TEMPLATE_SECOND, TEMPLATE_SPECIAL };

struct template_part {
    enum template_what what;
    uint32_t id; // TEMPLATE_SPECIAL
    uint32_t type;
};

struct template
{
    struct template_part single[TEMPLATE_PARTS_MAX], pair[TEMPLATE_PARTS_MAX];
    size_t single_count, pair_count;
    bool trims;  // white space at the ends of tokens is not theirs
    bool prefix; // the first token's, put there by the pre-tokenizer, is
};

// NULL and null put nothing around. ERR_INVALID names the key.
MUST_CHECK int template_read(struct template *template, const json_t *json, struct err *err);
void template_bert(struct template *template, uint32_t cls, uint32_t sep);

size_t template_added(const struct template *template, bool pair); // how many tokens it puts in
// `second` NULL: there is one text. Types are set.
void template_apply(const struct template *template, const struct tokens *first,
                    const struct tokens *second, struct tokens *out);

// Trims the token whose text begins and ends with so much white space; `index`: in its text.
void template_trim(const struct template *template, size_t index, uint32_t leading,
                   uint32_t trailing, struct token *token);
