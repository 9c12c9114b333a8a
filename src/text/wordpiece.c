// SPDX-License-Identifier: Apache-2.0
// WordPiece: from the left, always the longest token that fits; a word that cannot be covered is
// unknown as a whole.
#include "base/mem.h"
#include "format/json.h"
#include "text/subword.h"

static int read(struct subword *model, const json_t *json, struct err *err)
{
    struct str prefix = STR("##");
    int64_t word_max = 100;
    TRY(json_get_str(json, "continuing_subword_prefix", &prefix, err));
    TRY(json_get_int(json, "max_input_chars_per_word", 1, CHARS_MAX, &word_max, err));
    model->prefix = str_dup(prefix);
    model->word_max = (size_t)word_max;
    TRY(subword_read_vocab(model, json, err));
    TRY(subword_read_unk(model, json, err));
    return model->unk == VOCAB_NONE
               ? err_set(err, ERR_INVALID, "unk_token: must be a token of the vocabulary")
               : 0;
}

// The walk that has gone over what every token inside a word begins with; false: none is there.
static bool inside(const struct subword *model, struct vocab_walk *ret)
{
    *ret = vocab_walk(model->vocab);
    for (const char *c = model->prefix; *c; c++) {
        if (!vocab_step(ret, (uint8_t)*c)) {
            return false;
        }
    }
    return true;
}

// The end of the longest token from `first` on, with its number; `first` itself when there is none.
static size_t longest(struct vocab_walk walk, const struct word *word, size_t first, int64_t *ret)
{
    size_t end = first;
    for (size_t i = first; i < word->size && vocab_step(&walk, (uint8_t)word->bytes[i]); i++) {
        if (walk.found != VOCAB_NONE) {
            *ret = walk.found;
            end = i + 1;
        }
    }
    return end;
}

static bool cover(const struct subword *model, const struct word *word, struct tokens *out)
{
    struct vocab_walk walk = vocab_walk(model->vocab);
    for (size_t at = 0; at < word->size;) {
        int64_t id = VOCAB_NONE;
        size_t end = longest(walk, word, at, &id);
        if (end == at) {
            return false;
        }
        word_token(word, at, end, (uint32_t)id, out);
        if (at == 0 && end < word->size && !inside(model, &walk)) {
            return false;
        }
        at = end;
    }
    return true;
}

static int tokenize(const struct subword *model, struct word *word, struct tokens *out,
                    struct err *err)
{
    (void)err;
    size_t before = out->count;
    if (word->end - word->begin > model->word_max || !cover(model, word, out)) {
        out->count = before;
        word_token(word, 0, word->size, (uint32_t)model->unk, out);
    }
    return 0;
}

const struct subword_ops subword_wordpiece = {
    .type = "WordPiece",
    .keys = "vocab unk_token continuing_subword_prefix max_input_chars_per_word",
    .read = read,
    .tokenize = tokenize,
};
