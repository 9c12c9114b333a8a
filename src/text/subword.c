// SPDX-License-Identifier: Apache-2.0
// What the models share: reading, vocabularies, words as bytes.
#include "text/subword.h"
#include "base/mem.h"
#include "format/json.h"
#include "text/unicode.h"

#include <stdio.h>

static const struct subword_ops *const kinds[] = {&subword_wordpiece, &subword_bpe,
                                                  &subword_unigram};

// ---- tokens and words ----

void tokens_done(struct tokens *tokens)
{
    free(tokens->at);
    *tokens = (struct tokens){0};
}

void tokens_add(struct tokens *tokens, const struct token *token)
{
    if (tokens->count == tokens->room) {
        tokens->room = tokens->room ? 2 * tokens->room : 64;
        tokens->at = mem_grow(tokens->at, tokens->room * sizeof(*tokens->at));
    }
    tokens->at[tokens->count++] = *token;
}

void word_done(struct word *word)
{
    free(word->bytes);
    free(word->place);
    free(word->spare);
    *word = (struct word){0};
}

void word_set(struct word *word, const struct chars *chars, size_t begin, size_t end)
{
    size_t most = (end - begin) * UNICODE_UTF8_MAX;
    if (most > word->room) {
        word->bytes = mem_grow(word->bytes, most);
        word->place = mem_grow(word->place, most * sizeof(*word->place));
        word->room = most;
    }
    word->chars = chars;
    word->begin = begin;
    word->end = end;
    word->size = 0;
    for (size_t i = begin; i < end; i++) {
        size_t size = unicode_utf8(chars->at[i], word->bytes + word->size);
        for (size_t k = 0; k < size; k++) {
            word->place[word->size + k] = (uint32_t)i;
        }
        word->size += size;
    }
}

void word_token(const struct word *word, size_t first, size_t end, uint32_t id, struct tokens *out)
{
    struct token token = {.id = id,
                          .from = word->chars->from[word->place[first]],
                          .to = word->chars->to[word->place[end - 1]]};
    tokens_add(out, &token);
}

void *word_spare(struct word *word, size_t size)
{
    if (size > word->spare_size) {
        word->spare = mem_grow(word->spare, size);
        word->spare_size = size;
    }
    return word->spare;
}

// ---- reading ----

static int add_entry(struct vocab_entry *entries, size_t *count, const char *text, const json_t *id,
                     struct err *err)
{
    if (!json_is_integer(id) || json_integer_value(id) < 0 ||
        json_integer_value(id) >= VOCAB_COUNT_MAX) {
        return err_set(err, ERR_INVALID, "vocab: \"%.80s\" must have a whole number below %u", text,
                       VOCAB_COUNT_MAX);
    }
    entries[(*count)++] =
        (struct vocab_entry){.text = str_of(text), .id = (uint32_t)json_integer_value(id)};
    return 0;
}

int subword_read_vocab(struct subword *model, const json_t *json, struct err *err)
{
    json_t *vocab = NULL, *id;
    const char *text;
    size_t count = 0;
    TRY(json_need_object(json, "vocab", &vocab, err));
    CLEAN_MEM struct vocab_entry *entries =
        mem_alloc((json_object_size(vocab) + 1) * sizeof(*entries));
    json_object_foreach(vocab, text, id)
    {
        TRY(add_entry(entries, &count, text, id, err));
    }
    int rc = vocab_new(entries, count, &model->vocab, err);
    return rc < 0 ? err_prefix(err, "vocab") : 0;
}

int subword_read_unk(struct subword *model, const json_t *json, struct err *err)
{
    struct str unk = {0};
    int named = json_get_str(json, "unk_token", &unk, err);
    TRY(named);
    model->unk = named ? vocab_id(model->vocab, unk) : VOCAB_NONE;
    return named;
}

int subword_read_bytes(struct subword *model, const json_t *json, struct err *err)
{
    TRY(json_get_bool(json, "byte_fallback", &model->byte_fallback, err));
    if (model->byte_fallback) {
        model->bytes = mem_alloc(256 * sizeof(*model->bytes));
    }
    for (unsigned byte = 0; model->byte_fallback && byte < 256; byte++) {
        char text[8];
        snprintf(text, sizeof(text), "<0x%02X>", byte);
        model->bytes[byte] = vocab_id(model->vocab, str_of(text));
    }
    return 0;
}

// Members that we do not know may change what the others mean.
static int check_keys(const json_t *json, const char *keys, struct err *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)json, key, value)
    {
        bool known = strcmp(key, "type") == 0;
        for (struct str rest = str_of(keys); rest.at && !known;) {
            known = str_eq(str_cut(&rest, ' '), str_of(key));
        }
        if (!known) {
            return err_set(err, ERR_INVALID, "%.80s: is not supported", key);
        }
    }
    return 0;
}

// Files of old do not say which it is: what they have tells it.
static const struct subword_ops *kind_of(const json_t *json, struct str type)
{
    if (!type.at) {
        return json_object_get(json, "merges")                      ? &subword_bpe
               : json_is_array(json_object_get(json, "vocab"))      ? &subword_unigram
               : json_object_get(json, "continuing_subword_prefix") ? &subword_wordpiece
                                                                    : NULL;
    }
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (str_eq(type, str_of(kinds[i]->type))) {
            return kinds[i];
        }
    }
    return NULL;
}

static struct subword *subword_new(const struct subword_ops *ops)
{
    struct subword *model = NEW(struct subword);
    model->ops = ops;
    model->unk = VOCAB_NONE;
    return model;
}

int subword_read(const json_t *json, struct subword **ret, struct err *err)
{
    struct str type = {0};
    TRY(json_get_str(json, "type", &type, err));
    const struct subword_ops *ops = kind_of(json, type);
    if (!ops) {
        return err_set(err, ERR_INVALID,
                       "type: \"" STR_FMT "\" is not supported; WordPiece, BPE and Unigram are",
                       STR_ARG(str_head(type, 80)));
    }
    TRY(check_keys(json, ops->keys, err));
    struct subword *model = subword_new(ops);
    int rc = ops->read(model, json, err);
    if (rc < 0) {
        subword_free(model);
        return rc;
    }
    *ret = model;
    return 0;
}

static int read_lines(struct subword *model, struct str text, struct err *err)
{
    size_t lines = 1, count = 0;
    for (size_t i = 0; i < text.size; i++) {
        lines += text.at[i] == '\n';
    }
    CLEAN_MEM struct vocab_entry *entries = mem_alloc(lines * sizeof(*entries));
    for (struct str rest = text; rest.size; count++) {
        struct str line = str_cut(&rest, '\n');
        if (line.size && line.at[line.size - 1] == '\r') {
            line.size--;
        }
        entries[count] = (struct vocab_entry){.text = line, .id = (uint32_t)count};
    }
    TRY(vocab_new(entries, count, &model->vocab, err));
    model->prefix = mem_dup("##");
    model->word_max = 100;
    model->unk = vocab_id(model->vocab, STR("[UNK]"));
    return model->unk == VOCAB_NONE ? err_set(err, ERR_INVALID, "has no line [UNK]") : 0;
}

int subword_read_lines(struct str text, struct subword **ret, struct err *err)
{
    struct subword *model = subword_new(&subword_wordpiece);
    int rc = read_lines(model, text, err);
    if (rc < 0) {
        subword_free(model);
        return rc;
    }
    *ret = model;
    return 0;
}

void subword_free(struct subword *model)
{
    if (model) {
        vocab_free(model->vocab);
        merges_free(model->merges);
        free(model->prefix);
        free(model->suffix);
        free(model->bytes);
        free(model);
    }
}

int subword_tokenize(const struct subword *model, struct word *word, const struct chars *chars,
                     size_t begin, size_t end, struct tokens *out, struct err *err)
{
    word_set(word, chars, begin, end);
    return model->ops->tokenize(model, word, out, err);
}
