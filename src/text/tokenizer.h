// SPDX-License-Identifier: Apache-2.0
// Tokenizers, as the files that models come with describe them: tokenizer.json (of the families of
// BERT, RoBERTa, GPT-2 and XLM-R) or a vocab.txt. Tokens and offsets are those of the reference
// implementation, Hugging Face's tokenizers; what a file asks for and is not supported is an error
// that names the key, never another answer. One thread.
//
//     TRY(tokenizer_read(text, &tokenizer, err));
//     TRY(tokenizer_encode(tokenizer, &request, &tokens, err));
#pragma once

#include "text/subword.h"

struct tokenizer;

enum tokenizer_cut { TOKENIZER_LONGEST_FIRST, TOKENIZER_ONLY_FIRST, TOKENIZER_ONLY_SECOND };

// What the file says for those who make batches and cut texts short.
struct tokenizer_facts {
    size_t length_max; // tokens; 0: it says nothing
    enum tokenizer_cut cut;
    bool cut_left; // at the beginning
    uint32_t pad_id, pad_type;
    bool pad_left, pad_known; // pad_known: the file names a token to pad with
};

struct tokenizer_bert {                  // what a vocab.txt leaves open
    bool lowercase, accents, ideographs; // accents: are taken off; ideographs: are words each
};

struct tokenizer_request {
    struct str text, second; // UTF-8; second.at NULL: there is one text
    size_t length_max;       // tokens, special ones included; 0: as many as there are
};

// Of a tokenizer.json. ERR_INVALID names the key, ERR_LIMIT what is too large.
MUST_CHECK int tokenizer_read(struct str json, struct tokenizer **ret, struct err *err);
// Of a vocab.txt: BERT's normalizer, WordPiece, [CLS] … [SEP].
MUST_CHECK int tokenizer_read_lines(struct str lines, const struct tokenizer_bert *bert,
                                    struct tokenizer **ret, struct err *err);
void tokenizer_free(struct tokenizer *tokenizer); // takes NULL

const struct tokenizer_facts *tokenizer_facts(const struct tokenizer *tokenizer);
int64_t tokenizer_id(const struct tokenizer *tokenizer, struct str token); // VOCAB_NONE
size_t tokenizer_added(const struct tokenizer *tokenizer, bool pair); // special tokens around texts

// Replaces what is in *ret. ERR_INVALID: no UTF-8, or length_max has no room for the special tokens;
// ERR_LIMIT: longer than CHARS_MAX, or more than a pattern can take.
MUST_CHECK int tokenizer_encode(struct tokenizer *tokenizer,
                                const struct tokenizer_request *request, struct tokens *ret,
                                struct err *err);
