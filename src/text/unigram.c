// SPDX-License-Identifier: Apache-2.0
// Unigram: of all ways to cover a piece with tokens, the one with the greatest sum of scores
// (Viterbi's algorithm, over bytes). A character without a token costs more than any that has one.
#include "base/mem.h"
#include "format/json.h"
#include "text/subword.h"
#include "text/unicode.h"

#define UNK_PENALTY 10.0 // below the least score

struct node { // the best way that ends here
    double score;
    uint32_t start; // of its last token, in bytes
    uint32_t next;  // where the next token of the best of all ends
    int32_t id;     // of its last token; NODE_UNK, NODE_NONE: there is no way yet
};
enum { NODE_UNK = -1, NODE_NONE = -2 };

static int read_scores(struct subword *model, const json_t *vocab, struct err *err)
{
    size_t count = json_array_size(vocab);
    CLEAN_MEM struct vocab_entry *entries = mem_alloc((count + 1) * sizeof(*entries));
    for (size_t i = 0; i < count; i++) {
        const json_t *pair = json_array_get(vocab, i);
        struct str text = json_str(json_array_get(pair, 0));
        const json_t *score = json_array_get(pair, 1);
        if (!text.at || !json_is_number(score)) {
            return err_set(err, ERR_INVALID, "vocab[%zu]: must be [text, score]", i);
        }
        entries[i] = (struct vocab_entry){
            .text = text, .id = (uint32_t)i, .score = json_number_value(score)};
    }
    int rc = vocab_new(entries, count, &model->vocab, err);
    return rc < 0 ? err_prefix(err, "vocab") : 0;
}

static int read(struct subword *model, const json_t *json, struct err *err)
{
    json_t *vocab = NULL;
    TRY(json_need_array(json, "vocab", &vocab, err));
    if (json_array_size(vocab) > VOCAB_COUNT_MAX) {
        return err_set(err, ERR_LIMIT, "vocab: has more than %u tokens", VOCAB_COUNT_MAX);
    }
    TRY(json_get_int(json, "unk_id", 0, (int64_t)json_array_size(vocab) - 1, &model->unk, err));
    TRY(read_scores(model, vocab, err));
    return subword_read_bytes(model, json, err);
}

static void offer(struct node *node, double score, size_t start, int32_t id)
{
    if (node->id == NODE_NONE || score > node->score) {
        *node = (struct node){.score = score, .start = (uint32_t)start, .id = id};
    }
}

static void fill(const struct subword *model, const struct word *word, struct node *nodes)
{
    double unk_score = vocab_score_least(model->vocab) - UNK_PENALTY;
    nodes[0] = (struct node){.id = NODE_UNK};
    for (size_t i = 1; i <= word->size; i++) {
        nodes[i].id = NODE_NONE;
    }
    for (size_t at = 0, next; at < word->size; at = next) {
        next = at + 1;
        while (next < word->size && word->place[next] == word->place[at]) {
            next++;
        }
        bool covered = false; // this one character
        struct vocab_walk walk = vocab_walk(model->vocab);
        for (size_t i = at; i < word->size && vocab_step(&walk, (uint8_t)word->bytes[i]); i++) {
            if (walk.found != VOCAB_NONE) {
                double score = vocab_score(model->vocab, (uint32_t)walk.found);
                offer(&nodes[i + 1], nodes[at].score + score, at, (int32_t)walk.found);
                covered = covered || i + 1 == next;
            }
        }
        if (!covered) {
            offer(&nodes[next], nodes[at].score + unk_score, at, NODE_UNK);
        }
    }
}

// The bytes of what no token covers have tokens of their own, or it is one unknown token.
static int put_unknown(const struct subword *model, const struct word *word, size_t first,
                       size_t end, struct tokens *out, struct err *err)
{
    size_t before = out->count;
    for (size_t i = first; model->bytes && i < end; i++) {
        int64_t id = model->bytes[(uint8_t)word->bytes[i]];
        if (id == VOCAB_NONE) {
            break;
        }
        word_token(word, first, end, (uint32_t)id, out);
    }
    if (out->count - before == end - first) {
        return 0;
    }
    out->count = before;
    if (model->unk == VOCAB_NONE) {
        return err_set(err, ERR_INVALID, "the tokenizer has no token for \"" STR_FMT "\"",
                       STR_ARG(str_head(str_n(word->bytes + first, end - first), 80)));
    }
    word_token(word, first, end, (uint32_t)model->unk, out);
    return 0;
}

static int tokenize(const struct subword *model, struct word *word, struct tokens *out,
                    struct err *err)
{
    struct node *nodes = word_spare(word, (word->size + 1) * sizeof(*nodes));
    fill(model, word, nodes);
    for (size_t end = word->size; end > 0; end = nodes[end].start) {
        nodes[nodes[end].start].next = (uint32_t)end;
    }
    for (size_t at = 0, end; at < word->size; at = end) {
        end = nodes[at].next;
        int32_t id = nodes[end].id;
        if (id != NODE_UNK && id != model->unk) {
            word_token(word, at, end, (uint32_t)id, out);
            continue;
        }
        while (end < word->size &&
               (nodes[nodes[end].next].id == NODE_UNK || nodes[nodes[end].next].id == model->unk)) {
            end = nodes[end].next; // neighbours are one unknown
        }
        TRY(put_unknown(model, word, at, end, out, err));
    }
    return 0;
}

const struct subword_ops subword_unigram = {
    .type = "Unigram",
    .keys = "vocab unk_id byte_fallback",
    .read = read,
    .tokenize = tokenize,
};
