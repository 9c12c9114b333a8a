// SPDX-License-Identifier: Apache-2.0
// What the tasks that read texts share: from an item's bytes to texts, tokens and the model's inputs,
// through the model (several together where it can), and from each text's result to the answer.
//
//     "plain text"                                     one text
//     {"text": "…"}, {"text": "…", "text_pair": "…"}   one text, or a pair
//     {"inputs": "…"}, {"inputs": [text or {…}, …]}    one, or a list: the answer is a list, too
//     {"input": …, "encoding_format": …}               OpenAI's shape, of embeddings
#pragma once

#include "runner/package.h"
#include "text/tokenizer.h"

#define TEXT_COUNT_MAX 2048 // texts in a request

enum text_input { TEXT_IDS, TEXT_MASK, TEXT_TYPES, TEXT_POSITIONS };

struct text_model {
    struct tokenizer *tokenizer;
    size_t length_max; // tokens of a text, special ones included
    int64_t fixed;     // tokens that the graph wants, always; -1: any number
    bool pads;         // it can be told what is padding
    enum text_input inputs[ENGINE_VALUES_MAX];
};

enum text_shape { TEXT_ONE, TEXT_LIST, TEXT_OPENAI };

// One text on its way.
struct text_one {
    struct str text;      // UTF-8
    struct tokens tokens; // as they went in, without padding
    size_t padded;        // how many with it
    size_t before;        // padding before the first
    bool base64;          // how an embedding is wanted
    struct buf result;    // JSON
    struct err err;
};

// package->state of these tasks is a struct text_model, or begins with one, from the heap.

// Finds and reads the tokenizer, and checks the graph's inputs. ERR_INVALID.
MUST_CHECK int text_setup(struct text_model *text, struct package *package, struct err *err);
void text_drop(struct package *package); // the task's `done`

// What became of one text: appends its JSON to one->result. The first dimension of every output is 1.
typedef int text_read(struct package *package, const struct text_model *text, struct text_one *one,
                      const struct tensor *outputs, struct err *err);

// Answers every item. `name`: of a result among others, "embedding"; NULL: it stands by itself.
void text_run(struct package *package, struct item *items, size_t count, const char *name,
              text_read *read);

// The first of the item's texts: the task's `inputs`.
MUST_CHECK int text_inputs(struct package *package, struct item *item, struct tensor *ret);
