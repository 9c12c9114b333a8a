// SPDX-License-Identifier: Apache-2.0
// From a text to tokens: added tokens are cut out, the rest is normalized, cut into words, and each
// word goes through the model; then it is cut short and special tokens are put around it.
#include "text/tokenizer.h"
#include "base/mem.h"
#include "format/json.h"
#include "text/added.h"
#include "text/template.h"
#include "text/unicode.h"

struct tokenizer {
    struct steps normalizer, pre_tokenizer;
    struct added added;
    struct subword *model;
    struct template template;
    struct tokenizer_facts facts;
    // Scratch memory, kept from one text to the next.
    struct text text, spare;
    struct word word;
    struct tokens first, second;
};

void tokenizer_free(struct tokenizer *t)
{
    if (!t) {
        return;
    }
    steps_done(&t->normalizer);
    steps_done(&t->pre_tokenizer);
    added_done(&t->added);
    subword_free(t->model);
    text_done(&t->text);
    text_done(&t->spare);
    word_done(&t->word);
    tokens_done(&t->first);
    tokens_done(&t->second);
    free(t);
}

// ---- reading ----

static int read_truncation(struct tokenizer_facts *facts, const json_t *json, struct err *err)
{
    struct str strategy = STR("LongestFirst"), direction = STR("Right");
    int64_t length_max = 0;
    if (!json || json_is_null(json)) {
        return 0;
    }
    TRY(json_need_int(json, "max_length", 1, CHARS_MAX, &length_max, err));
    TRY(json_get_str(json, "strategy", &strategy, err));
    TRY(json_get_str(json, "direction", &direction, err));
    facts->length_max = (size_t)length_max;
    facts->cut_left = str_eq(direction, STR("Left"));
    facts->cut = str_eq(strategy, STR("OnlyFirst"))    ? TOKENIZER_ONLY_FIRST
                 : str_eq(strategy, STR("OnlySecond")) ? TOKENIZER_ONLY_SECOND
                                                       : TOKENIZER_LONGEST_FIRST;
    if (facts->cut == TOKENIZER_LONGEST_FIRST && !str_eq(strategy, STR("LongestFirst"))) {
        return err_set(err, ERR_INVALID, "strategy: \"" STR_FMT "\" is not supported",
                       STR_ARG(str_head(strategy, 40)));
    }
    if (!facts->cut_left && !str_eq(direction, STR("Right"))) {
        return err_set(err, ERR_INVALID, "direction: must be Left or Right");
    }
    return 0;
}

// How much is padded is the batch's business, with what is the file's.
static int read_padding(struct tokenizer_facts *facts, const json_t *json, struct err *err)
{
    struct str direction = STR("Right");
    int64_t id = 0, type = 0;
    if (!json || json_is_null(json)) {
        return 0;
    }
    TRY(json_need_int(json, "pad_id", 0, VOCAB_COUNT_MAX - 1, &id, err));
    TRY(json_get_int(json, "pad_type_id", 0, 255, &type, err));
    TRY(json_get_str(json, "direction", &direction, err));
    facts->pad_id = (uint32_t)id;
    facts->pad_type = (uint32_t)type;
    facts->pad_left = str_eq(direction, STR("Left"));
    facts->pad_known = true;
    return facts->pad_left || str_eq(direction, STR("Right"))
               ? 0
               : err_set(err, ERR_INVALID, "direction: must be Left or Right");
}

static int in_section(int rc, const char *name, struct err *err)
{
    return rc < 0 ? err_prefix(err, "%s", name) : 0;
}

static int read_sections(struct tokenizer *t, const json_t *root, struct err *err)
{
    json_t *model = NULL;
    TRY(json_need_object(root, "model", &model, err));
    TRY(in_section(subword_read(model, &t->model, err), "model", err));
    const json_t *part = json_object_get(root, "normalizer");
    TRY(in_section(steps_read_normalizer(&t->normalizer, part, err), "normalizer", err));
    part = json_object_get(root, "pre_tokenizer");
    TRY(in_section(steps_read_pre_tokenizer(&t->pre_tokenizer, part, err), "pre_tokenizer", err));
    part = json_object_get(root, "post_processor");
    TRY(in_section(template_read(&t->template, part, err), "post_processor", err));
    part = json_object_get(root, "added_tokens");
    TRY(in_section(added_read(&t->added, part, &t->normalizer, err), "added_tokens", err));
    part = json_object_get(root, "truncation");
    TRY(in_section(read_truncation(&t->facts, part, err), "truncation", err));
    part = json_object_get(root, "padding");
    return in_section(read_padding(&t->facts, part, err), "padding", err);
}

// Where no padding is described, the token that is named so.
static void find_padding(struct tokenizer *t)
{
    static const char *const names[] = {"[PAD]", "<pad>", "<|padding|>", "<|endoftext|>"};
    for (size_t i = 0; i < ARRAY_SIZE(names) && !t->facts.pad_known; i++) {
        int64_t id = tokenizer_id(t, str_of(names[i]));
        if (id != VOCAB_NONE) {
            t->facts.pad_id = (uint32_t)id;
            t->facts.pad_known = true;
        }
    }
}

int tokenizer_read(struct str json, struct tokenizer **ret, struct err *err)
{
    CLEAN_JSON json_t *root = NULL;
    TRY(json_parse_object(json, &root, err));
    struct tokenizer *t = NEW(struct tokenizer);
    int rc = read_sections(t, root, err);
    if (rc < 0) {
        tokenizer_free(t);
        return rc;
    }
    find_padding(t);
    *ret = t;
    return 0;
}

static int set_up_bert(struct tokenizer *t, struct str lines, const struct tokenizer_bert *bert,
                       struct err *err)
{
    static const char *const specials[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    TRY(subword_read_lines(lines, &t->model, err));
    CLEAN_JSON json_t *normalizer =
        json_pack("{s:s, s:b, s:b, s:b, s:b}", "type", "BertNormalizer", "clean_text", true,
                  "handle_chinese_chars", bert->ideographs, "strip_accents", bert->accents,
                  "lowercase", bert->lowercase);
    CLEAN_JSON json_t *pre_tokenizer = json_pack("{s:s}", "type", "BertPreTokenizer");
    TRY(steps_read_normalizer(&t->normalizer, normalizer, err));
    TRY(steps_read_pre_tokenizer(&t->pre_tokenizer, pre_tokenizer, err));
    for (size_t i = 0; i < ARRAY_SIZE(specials); i++) {
        int64_t id = vocab_id(t->model->vocab, str_of(specials[i]));
        if (id != VOCAB_NONE) {
            TRY(added_add(&t->added, str_of(specials[i]), (uint32_t)id, err));
        }
    }
    added_ready(&t->added);
    int64_t cls = vocab_id(t->model->vocab, STR("[CLS]"));
    int64_t sep = vocab_id(t->model->vocab, STR("[SEP]"));
    if (cls == VOCAB_NONE || sep == VOCAB_NONE) {
        return err_set(err, ERR_INVALID, "has no lines [CLS] and [SEP]");
    }
    template_bert(&t->template, (uint32_t)cls, (uint32_t)sep);
    return 0;
}

int tokenizer_read_lines(struct str lines, const struct tokenizer_bert *bert,
                         struct tokenizer **ret, struct err *err)
{
    struct tokenizer *t = NEW(struct tokenizer);
    int rc = set_up_bert(t, lines, bert, err);
    if (rc < 0) {
        tokenizer_free(t);
        return rc;
    }
    find_padding(t);
    *ret = t;
    return 0;
}

const struct tokenizer_facts *tokenizer_facts(const struct tokenizer *tokenizer)
{
    return &tokenizer->facts;
}

int64_t tokenizer_id(const struct tokenizer *tokenizer, struct str token)
{
    int64_t id = added_id(&tokenizer->added, token);
    return id != VOCAB_NONE ? id : vocab_id(tokenizer->model->vocab, token);
}

size_t tokenizer_added(const struct tokenizer *tokenizer, bool pair)
{
    return template_added(&tokenizer->template, pair);
}

// ---- encoding ----

static bool is_blank(uint32_t c)
{
    return c == 0x120 || unicode_is_space(c); // U+0120 stands for a space where bytes are signs
}

static void put_added(struct tokenizer *t, const struct piece *piece, struct tokens *out)
{
    const struct chars *chars = &t->text.chars;
    struct token token = {.id = (uint32_t)piece->token,
                          .from = chars->from[piece->begin],
                          .to = chars->to[piece->end - 1]};
    size_t begin = piece->begin, end = piece->end;
    while (begin < end && is_blank(chars->at[begin])) {
        begin++;
    }
    while (end > piece->begin && is_blank(chars->at[end - 1])) {
        end--;
    }
    if (t->template.trims) {
        template_trim(&t->template, out->count, (uint32_t)(begin - piece->begin),
                      (uint32_t)(piece->end - end), &token);
    }
    tokens_add(out, &token);
}

static void trim(struct tokenizer *t, size_t index, struct token *token)
{
    struct str text = vocab_text(t->model->vocab, token->id);
    struct str blank = STR("\xc4\xa0"); // U+0120
    uint32_t leading = 0, trailing = 0;
    for (struct str rest = text; str_starts(rest, blank); rest = str_skip(rest, blank.size)) {
        leading++;
    }
    for (struct str rest = text; str_ends(rest, blank); rest.size -= blank.size) {
        trailing++;
    }
    template_trim(&t->template, index, leading, trailing, token);
}

static int put_word(struct tokenizer *t, const struct piece *piece, struct tokens *out,
                    struct err *err)
{
    size_t before = out->count;
    TRY(subword_tokenize(t->model, &t->word, &t->text.chars, piece->begin, piece->end, out, err));
    for (size_t i = before; t->template.trims && i < out->count; i++) {
        trim(t, i, &out->at[i]);
    }
    return 0;
}

static void cut_added(struct tokenizer *t, enum added_when when)
{
    added_cut(&t->added, when, &t->text, &t->spare);
    struct text done = t->spare;
    t->spare = t->text;
    t->text = done;
}

static int encode(struct tokenizer *t, struct str text, struct tokens *out, struct err *err)
{
    out->count = 0;
    text_clear(&t->text);
    TRY(chars_read(&t->text.chars, text, err));
    text_add(&t->text, 0, t->text.chars.count, PIECE_TEXT);
    cut_added(t, ADDED_BEFORE);
    TRY(steps_run(&t->normalizer, &t->text, &t->spare, err));
    cut_added(t, ADDED_AFTER);
    TRY(steps_run(&t->pre_tokenizer, &t->text, &t->spare, err));
    for (size_t i = 0; i < t->text.piece_count; i++) {
        const struct piece *piece = &t->text.pieces[i];
        if (piece->token != PIECE_TEXT) {
            put_added(t, piece, out);
        } else {
            TRY(put_word(t, piece, out, err));
        }
    }
    return 0;
}

// ---- cutting short ----

static void keep(const struct tokenizer *t, struct tokens *tokens, size_t count)
{
    if (tokens->count > count) {
        if (t->facts.cut_left) {
            memmove(tokens->at, tokens->at + tokens->count - count, count * sizeof(*tokens->at));
        }
        tokens->count = count;
    }
}

// Of the longer one first, until both are equally long, then of both.
static void cut_longest(struct tokenizer *t, size_t most)
{
    struct tokens *shorter = &t->first, *longer = &t->second;
    if (shorter->count > longer->count) {
        shorter = &t->second;
        longer = &t->first;
    }
    size_t less = shorter->count;
    size_t more = less > most ? less : less > most - less ? less : most - less;
    if (less + more > most) {
        less = most / 2;
        more = less + most % 2;
    }
    keep(t, shorter, less);
    keep(t, longer, more);
}

static int cut_short(struct tokenizer *t, bool pair, size_t most, struct err *err)
{
    size_t count = t->first.count + (pair ? t->second.count : 0);
    if (count <= most) {
        return 0;
    }
    if (!pair) {
        keep(t, &t->first, most);
        return 0;
    }
    if (t->facts.cut == TOKENIZER_LONGEST_FIRST) {
        cut_longest(t, most);
        return 0;
    }
    bool first = t->facts.cut == TOKENIZER_ONLY_FIRST;
    struct tokens *tokens = first ? &t->first : &t->second;
    if (tokens->count <= count - most) {
        return err_set(err, ERR_INVALID, "the %s text alone has more than %zu tokens",
                       first ? "second" : "first", most);
    }
    keep(t, tokens, tokens->count - (count - most));
    return 0;
}

int tokenizer_encode(struct tokenizer *t, const struct tokenizer_request *request,
                     struct tokens *ret, struct err *err)
{
    bool pair = request->second.at;
    size_t added = template_added(&t->template, pair), most = request->length_max;
    if (most && most <= added) {
        return err_set(err, ERR_INVALID, "%zu tokens have no room for %zu special ones and a text",
                       most, added);
    }
    TRY(encode(t, request->text, &t->first, err));
    if (pair) {
        TRY(encode(t, request->second, &t->second, err));
    }
    if (most) {
        TRY(cut_short(t, pair, most - added, err));
    }
    ret->count = 0;
    template_apply(&t->template, &t->first, pair ? &t->second : NULL, ret);
    return 0;
}
