// SPDX-License-Identifier: Apache-2.0
// The steps that a text goes through before the model sees it, as a tokenizer.json lists them:
// normalizers, which rewrite pieces, and pre-tokenizers, which cut them. A kind there may become
// several steps here; sequences are laid flat.
#pragma once

#include "text/chars.h"
#include "text/pattern.h"

#include <jansson.h>
#include <stdbool.h>

#define STEPS_MAX 64

enum step_behavior { // of what a piece is cut at
    STEP_REMOVED,
    STEP_ISOLATED,
    STEP_MERGED_WITH_PREVIOUS,
    STEP_MERGED_WITH_NEXT,
    STEP_CONTIGUOUS,
};
enum step_prefix { STEP_NEVER, STEP_ALWAYS, STEP_FIRST };

struct cut { // a part of a piece, up to `end`, that is one match or lies between two
    size_t end;
    bool match;
};

struct cuts {
    struct cut *at;
    size_t count, room;
};

void cuts_add(struct cuts *cuts, size_t end, bool match); // an empty one is left out

struct step {
    // One of the two. A piece is never an added token, and never empty.
    int (*rewrite)(const struct step *step, struct edit *edit, size_t end, struct err *err);
    int (*cut)(const struct step *step, const struct chars *in, const struct piece *piece,
               struct cuts *cuts, struct err *err);
    // What it was told; what of this means something is for the two to know.
    struct pattern *pattern;
    struct chars content;    // what is put in
    char *table;             // heap: of Precompiled
    size_t table_size;       // bytes
    int behavior, prefix;    // enums above
    bool left, right;        // sides of Strip
    bool invert;             // it cuts at what does not match
    int form;                // enum unicode_form
    bool (*has)(uint32_t c); // which characters it is about
};

struct steps {
    struct step at[STEPS_MAX];
    size_t count;
};

// Appends the steps that a `normalizer` or `pre_tokenizer` describes; NULL and null are none.
// ERR_INVALID names the key: `normalizers[1]: type: "…" is not supported`.
MUST_CHECK int steps_read_normalizer(struct steps *steps, const json_t *json, struct err *err);
MUST_CHECK int steps_read_pre_tokenizer(struct steps *steps, const json_t *json, struct err *err);
void steps_done(struct steps *steps);

// Puts the text through all steps; *spare is what they write to. Added tokens stay as they are.
MUST_CHECK int steps_run(const struct steps *steps, struct text *text, struct text *spare,
                         struct err *err);

// ---- for the files that hold kinds of steps ----

struct step_kind {
    const char *type; // in tokenizer.json
    const char *keys; // that it may have beside it, separated by spaces
    int (*read)(struct steps *steps, const json_t *json, struct err *err);
};

// Reads one, or a Sequence of them in `list`.
MUST_CHECK int steps_read(struct steps *steps, const json_t *json, const struct step_kind *kinds,
                          size_t kind_count, const char *list, struct err *err);
// A fresh one at the end. ERR_LIMIT: STEPS_MAX are there.
MUST_CHECK int steps_add(struct steps *steps, struct step **ret, struct err *err);
// Of `pattern`: {"String": …} or {"Regex": …}.
MUST_CHECK int step_read_pattern(struct step *step, const json_t *json, struct err *err);
MUST_CHECK int step_read_content(struct step *step, const json_t *json, const char *key,
                                 struct err *err);

MUST_CHECK int precompiled_read(struct steps *steps, const json_t *json, struct err *err);
