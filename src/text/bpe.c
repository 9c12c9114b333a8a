// SPDX-License-Identifier: Apache-2.0
// Byte pair encoding: a word begins as its characters; of all neighbours that the merges name, those
// named first become one, until none is left.
#include "base/mem.h"
#include "format/json.h"
#include "text/subword.h"

// ---- merges: from a pair of tokens to its rank and what it becomes ----

struct merge {
    uint32_t left, right;
    uint32_t rank, id;
    bool used;
};

struct merges {
    struct merge *at; // open addressing
    size_t mask;      // of places, a power of two less one; at most half of them are used
};

void merges_free(struct merges *merges)
{
    if (merges) {
        free(merges->at);
        free(merges);
    }
}

static struct merge *find(const struct merges *merges, uint32_t left, uint32_t right)
{
    uint64_t key = (uint64_t)left << 32 | right;
    size_t i = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & merges->mask;
    while (merges->at[i].used && (merges->at[i].left != left || merges->at[i].right != right)) {
        i = (i + 1) & merges->mask;
    }
    return &merges->at[i];
}

// "left right", or ["left", "right"].
static int read_pair(const json_t *json, struct str *left, struct str *right, struct err *err)
{
    if (json_is_array(json) && json_array_size(json) == 2) {
        *left = json_str(json_array_get(json, 0));
        *right = json_str(json_array_get(json, 1));
    } else {
        *right = json_str(json);
        *left = str_cut(right, ' ');
    }
    return left->at && right->at && str_find(*right, ' ') < 0
               ? 0
               : err_set(err, ERR_INVALID, "must be two tokens");
}

static int need_token(const struct subword *model, struct str text, uint32_t *ret, struct err *err)
{
    int64_t id = vocab_id(model->vocab, text);
    if (id == VOCAB_NONE) {
        return err_set(err, ERR_INVALID, "\"" STR_FMT "\" is not in the vocabulary",
                       STR_ARG(str_head(text, 80)));
    }
    *ret = (uint32_t)id;
    return 0;
}

static int read_merge(struct subword *model, const json_t *json, uint32_t rank, struct err *err)
{
    struct str left, right;
    struct merge merge = {.rank = rank, .used = true};
    TRY(read_pair(json, &left, &right, err));
    TRY(need_token(model, left, &merge.left, err));
    TRY(need_token(model, right, &merge.right, err));
    struct str inner = str_skip(right, model->prefix ? strlen(model->prefix) : 0);
    CLEAN_MEM char *whole = mem_printf(STR_FMT STR_FMT, STR_ARG(left), STR_ARG(inner));
    TRY(need_token(model, str_of(whole), &merge.id, err));
    struct merge *at = find(model->merges, merge.left, merge.right);
    *at = merge; // of two the later counts
    return 0;
}

static int read_merges(struct subword *model, const json_t *json, struct err *err)
{
    json_t *list = NULL;
    TRY(json_need_array(json, "merges", &list, err));
    size_t count = json_array_size(list), places = 16;
    if (count > VOCAB_COUNT_MAX) {
        return err_set(err, ERR_LIMIT, "merges: more than %u", VOCAB_COUNT_MAX);
    }
    while (places < 2 * count) {
        places *= 2;
    }
    model->merges = NEW(struct merges);
    model->merges->at = mem_alloc(places * sizeof(*model->merges->at));
    model->merges->mask = places - 1;
    for (size_t i = 0; i < count; i++) {
        int rc = read_merge(model, json_array_get(list, i), (uint32_t)i, err);
        if (rc < 0) {
            return err_prefix(err, "merges[%zu]", i);
        }
    }
    return 0;
}

static int read_affix(const json_t *json, const char *key, char **ret, struct err *err)
{
    struct str text = {0};
    TRY(json_get_str(json, key, &text, err));
    *ret = text.size ? str_dup(text) : NULL;
    return 0;
}

static int read(struct subword *model, const json_t *json, struct err *err)
{
    const json_t *dropout = json_object_get(json, "dropout");
    if (json_is_number(dropout) && json_number_value(dropout) > 0) {
        return err_set(err, ERR_INVALID, "dropout: is for training, and not supported");
    }
    TRY(read_affix(json, "continuing_subword_prefix", &model->prefix, err));
    TRY(read_affix(json, "end_of_word_suffix", &model->suffix, err));
    TRY(json_get_bool(json, "fuse_unk", &model->fuse_unk, err));
    TRY(json_get_bool(json, "ignore_merges", &model->whole, err));
    TRY(subword_read_vocab(model, json, err));
    TRY(subword_read_unk(model, json, err));
    TRY(subword_read_bytes(model, json, err));
    return read_merges(model, json, err);
}

// ---- a word's symbols ----

#define NO_SYMBOL UINT32_MAX

struct symbol {
    uint32_t id;
    uint32_t size; // bytes; 0: it has become part of the one before
    uint32_t prev, next;
};

struct candidate { // a merge that may be made
    uint32_t rank, at, id;
};

// Two columns in the word's scratch memory.
struct state {
    struct symbol *symbols;
    struct candidate *heap; // the least rank first, then the leftmost
    size_t count, heap_count;
};

static struct state state_of(struct word *word)
{
    // Each symbol offers itself once, and each merge, of which there are fewer, offers two.
    size_t most = word->size + 1, sizes = most * sizeof(struct symbol);
    char *spare = word_spare(word, sizes + 3 * most * sizeof(struct candidate));
    return (struct state){.symbols = (struct symbol *)(void *)spare,
                          .heap = (struct candidate *)(void *)(spare + sizes)};
}

static void add_symbol(struct state *s, uint32_t id, size_t size)
{
    uint32_t at = (uint32_t)s->count++;
    s->symbols[at] = (struct symbol){
        .id = id, .size = (uint32_t)size, .prev = at ? at - 1 : NO_SYMBOL, .next = NO_SYMBOL};
    if (at) {
        s->symbols[at - 1].next = at;
    }
}

// The token for a character of the word, with the affixes that its place asks for.
static int64_t token_of(const struct subword *model, const struct word *word, size_t at, size_t end)
{
    struct str bytes = str_n(word->bytes + at, end - at);
    bool inner = at > 0 && model->prefix, last = end == word->size && model->suffix;
    if (!inner && !last) {
        return vocab_id(model->vocab, bytes);
    }
    CLEAN_MEM char *text = mem_printf("%s" STR_FMT "%s", inner ? model->prefix : "", STR_ARG(bytes),
                                      last ? model->suffix : "");
    return vocab_id(model->vocab, str_of(text));
}

static bool add_bytes(const struct subword *model, const struct word *word, size_t at, size_t end,
                      struct state *s)
{
    for (size_t i = at; i < end; i++) {
        if (!model->bytes || model->bytes[(uint8_t)word->bytes[i]] == VOCAB_NONE) {
            return false;
        }
    }
    for (size_t i = at; i < end; i++) {
        add_symbol(s, (uint32_t)model->bytes[(uint8_t)word->bytes[i]], 1);
    }
    return true;
}

static void add_unknown(const struct subword *model, size_t *size, struct state *s)
{
    if (*size) {
        add_symbol(s, (uint32_t)model->unk, *size);
    }
    *size = 0;
}

// A character without a token is bytes, or unknown, or, without an unknown token, left out.
static void begin(const struct subword *model, const struct word *word, struct state *s)
{
    size_t unknown = 0; // bytes that are, and no symbol yet
    for (size_t at = 0, end; at < word->size; at = end) {
        end = at + 1;
        while (end < word->size && word->place[end] == word->place[at]) {
            end++;
        }
        int64_t id = token_of(model, word, at, end);
        if (id == VOCAB_NONE && model->unk != VOCAB_NONE && model->fuse_unk && unknown) {
            unknown += end - at;
            continue;
        }
        add_unknown(model, &unknown, s);
        if (id != VOCAB_NONE) {
            add_symbol(s, (uint32_t)id, end - at);
        } else if (!add_bytes(model, word, at, end, s) && model->unk != VOCAB_NONE) {
            unknown = end - at;
        }
    }
    add_unknown(model, &unknown, s);
}

// ---- merging ----

static bool is_before(const struct candidate *a, const struct candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void heap_add(struct state *s, struct candidate one)
{
    size_t i = s->heap_count++;
    for (size_t up; i > 0 && is_before(&one, &s->heap[up = (i - 1) / 2]); i = up) {
        s->heap[i] = s->heap[up];
    }
    s->heap[i] = one;
}

static struct candidate heap_take(struct state *s)
{
    struct candidate first = s->heap[0], last = s->heap[--s->heap_count];
    size_t i = 0;
    for (size_t down; (down = 2 * i + 1) < s->heap_count; i = down) {
        if (down + 1 < s->heap_count && is_before(&s->heap[down + 1], &s->heap[down])) {
            down++;
        }
        if (!is_before(&s->heap[down], &last)) {
            break;
        }
        s->heap[i] = s->heap[down];
    }
    s->heap[i] = last;
    return first;
}

// Offers the symbol and the one after it, if they may become one.
static void offer(const struct subword *model, struct state *s, uint32_t at)
{
    const struct symbol *left = &s->symbols[at];
    if (left->next == NO_SYMBOL) {
        return;
    }
    const struct merge *merge = find(model->merges, left->id, s->symbols[left->next].id);
    if (merge->used) {
        heap_add(s, (struct candidate){merge->rank, at, merge->id});
    }
}

static void merge_one(const struct subword *model, struct state *s, const struct candidate *one)
{
    struct symbol *left = &s->symbols[one->at];
    if (left->size == 0 || left->next == NO_SYMBOL) {
        return; // it has become another's, or there is nothing after it any more
    }
    struct symbol *right = &s->symbols[left->next];
    const struct merge *merge = find(model->merges, left->id, right->id);
    if (!merge->used || merge->id != one->id) {
        return; // one of the two has become something else
    }
    left->id = one->id;
    left->size += right->size;
    left->next = right->next;
    right->size = 0;
    if (left->next != NO_SYMBOL) {
        s->symbols[left->next].prev = one->at;
    }
    if (left->prev != NO_SYMBOL) {
        offer(model, s, left->prev);
    }
    offer(model, s, one->at);
}

static int tokenize(const struct subword *model, struct word *word, struct tokens *out,
                    struct err *err)
{
    (void)err;
    int64_t whole =
        model->whole ? vocab_id(model->vocab, str_n(word->bytes, word->size)) : VOCAB_NONE;
    if (whole != VOCAB_NONE) {
        word_token(word, 0, word->size, (uint32_t)whole, out);
        return 0;
    }
    struct state s = state_of(word);
    begin(model, word, &s);
    for (uint32_t i = 0; i + 1 < s.count; i++) {
        offer(model, &s, i);
    }
    while (s.heap_count) {
        struct candidate one = heap_take(&s);
        merge_one(model, &s, &one);
    }
    size_t at = 0;
    for (size_t i = 0; i < s.count; i++) {
        if (s.symbols[i].size) {
            word_token(word, at, at + s.symbols[i].size, s.symbols[i].id, out);
            at += s.symbols[i].size;
        }
    }
    return 0;
}

const struct subword_ops subword_bpe = {
    .type = "BPE",
    .keys = "vocab merges dropout unk_token continuing_subword_prefix end_of_word_suffix fuse_unk "
            "byte_fallback ignore_merges",
    .read = read,
    .tokenize = tokenize,
};
