// SPDX-License-Identifier: Apache-2.0
// Templates.
#include "text/template.h"
#include "base/mem.h"
#include "format/json.h"

// ---- reading ----

static int add(struct template_part *parts, size_t *count, enum template_what what, int64_t id,
               int64_t type, struct err *err)
{
    if (*count == TEMPLATE_PARTS_MAX) {
        return err_set(err, ERR_LIMIT, "more than %d parts", TEMPLATE_PARTS_MAX);
    }
    parts[(*count)++] = (struct template_part){what, (uint32_t)id, (uint32_t)type};
    return 0;
}

static int read_special(const json_t *json, const json_t *specials, struct template_part *parts,
                        size_t *count, struct err *err)
{
    struct str name;
    int64_t type = 0;
    json_t *ids = NULL;
    TRY(json_need_str(json, "id", &name, err));
    TRY(json_get_int(json, "type_id", 0, 255, &type, err));
    CLEAN_MEM char *key = str_dup(name);
    const json_t *special = json_object_get(specials, key);
    if (!special) {
        return err_set(err, ERR_INVALID, "special_tokens: has no \"%.80s\"", key);
    }
    TRY(json_need_array(special, "ids", &ids, err));
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *id = json_array_get(ids, i);
        if (!json_is_integer(id) || json_integer_value(id) < 0 ||
            json_integer_value(id) >= VOCAB_COUNT_MAX) {
            return err_set(err, ERR_INVALID, "special_tokens: \"%.80s\" has an id that is none",
                           key);
        }
        TRY(add(parts, count, TEMPLATE_SPECIAL, json_integer_value(id), type, err));
    }
    return 0;
}

static int read_sequence(const json_t *json, struct template_part *parts, size_t *count,
                         struct err *err)
{
    struct str name;
    int64_t type = 0;
    TRY(json_need_str(json, "id", &name, err));
    TRY(json_get_int(json, "type_id", 0, 255, &type, err));
    bool first = str_eq(name, STR("A"));
    if (!first && !str_eq(name, STR("B"))) {
        return err_set(err, ERR_INVALID, "Sequence.id: must be A or B");
    }
    return add(parts, count, first ? TEMPLATE_FIRST : TEMPLATE_SECOND, 0, type, err);
}

static int read_parts(const json_t *json, const char *key, struct template_part *parts,
                      size_t *count, struct err *err)
{
    json_t *list = NULL;
    *count = 0;
    TRY(json_need_array(json, key, &list, err));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *part = json_array_get(list, i);
        const json_t *special = json_object_get(part, "SpecialToken");
        const json_t *sequence = json_object_get(part, "Sequence");
        int rc = special    ? read_special(special, json_object_get(json, "special_tokens"), parts,
                                           count, err)
                 : sequence ? read_sequence(sequence, parts, count, err)
                            : err_set(err, ERR_INVALID, "must be a SpecialToken or a Sequence");
        if (rc < 0) {
            return err_prefix(err, "%s[%zu]", key, i);
        }
    }
    return 0;
}

static size_t count_of(const struct template_part *parts, size_t count, enum template_what what)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        found += parts[i].what == what;
    }
    return found;
}

static int read_template(struct template *t, const json_t *json, struct err *err)
{
    TRY(read_parts(json, "single", t->single, &t->single_count, err));
    TRY(read_parts(json, "pair", t->pair, &t->pair_count, err));
    bool whole = count_of(t->single, t->single_count, TEMPLATE_FIRST) == 1 &&
                 count_of(t->single, t->single_count, TEMPLATE_SECOND) == 0 &&
                 count_of(t->pair, t->pair_count, TEMPLATE_FIRST) == 1 &&
                 count_of(t->pair, t->pair_count, TEMPLATE_SECOND) == 1;
    return whole ? 0
                 : err_set(err, ERR_INVALID,
                           "single: must have the sequence A once; pair: A and B once each");
}

// ["[SEP]", 102]
static int read_named(const json_t *json, const char *key, uint32_t *ret, struct err *err)
{
    const json_t *id = json_array_get(json_object_get(json, key), 1);
    if (!json_is_integer(id) || json_integer_value(id) < 0 ||
        json_integer_value(id) >= VOCAB_COUNT_MAX) {
        return err_set(err, ERR_INVALID, "%s: must be [token, id]", key);
    }
    *ret = (uint32_t)json_integer_value(id);
    return 0;
}

static void put_around(struct template *t, uint32_t cls, uint32_t sep, bool twice, uint32_t type)
{
    const struct template_part first = {.what = TEMPLATE_FIRST};
    const struct template_part second = {.what = TEMPLATE_SECOND, .type = type};
    const struct template_part open = {.what = TEMPLATE_SPECIAL, .id = cls};
    const struct template_part close = {.what = TEMPLATE_SPECIAL, .id = sep};
    const struct template_part last = {.what = TEMPLATE_SPECIAL, .id = sep, .type = type};
    const struct template_part parts[] = {open, first, close, close, second, last};
    memcpy(t->single, parts, 3 * sizeof(*parts));
    memcpy(t->pair, parts, 3 * sizeof(*parts));
    memcpy(t->pair + 3, parts + (twice ? 3 : 4), (twice ? 3 : 2) * sizeof(*parts));
    t->single_count = 3;
    t->pair_count = twice ? 6 : 5;
}

void template_bert(struct template *template, uint32_t cls, uint32_t sep)
{
    put_around(template, cls, sep, false, 1);
}

static int read_around(struct template *t, const json_t *json, bool roberta, struct err *err)
{
    uint32_t cls = 0, sep = 0;
    TRY(read_named(json, "cls", &cls, err));
    TRY(read_named(json, "sep", &sep, err));
    put_around(t, cls, sep, roberta, roberta ? 0 : 1);
    return 0;
}

static int read_trim(struct template *t, const json_t *json, struct err *err)
{
    t->trims = t->prefix = true;
    TRY(json_get_bool(json, "trim_offsets", &t->trims, err));
    TRY(json_get_bool(json, "add_prefix_space", &t->prefix, err));
    return 0;
}

static int read_one(struct template *t, const json_t *json, struct err *err)
{
    struct str type;
    TRY(json_need_str(json, "type", &type, err));
    if (str_eq(type, STR("TemplateProcessing"))) {
        return read_template(t, json, err);
    }
    if (str_eq(type, STR("BertProcessing"))) {
        return read_around(t, json, false, err);
    }
    if (str_eq(type, STR("RobertaProcessing"))) {
        TRY(read_trim(t, json, err));
        return read_around(t, json, true, err);
    }
    if (str_eq(type, STR("ByteLevel"))) {
        return read_trim(t, json, err);
    }
    return err_set(err, ERR_INVALID, "type: \"" STR_FMT "\" is not supported",
                   STR_ARG(str_head(type, 80)));
}

int template_read(struct template *template, const json_t *json, struct err *err)
{
    *template = (struct template){
        .single = {{.what = TEMPLATE_FIRST}},
        .pair = {{.what = TEMPLATE_FIRST}, {.what = TEMPLATE_SECOND, .type = 1}},
        .single_count = 1,
        .pair_count = 2,
    };
    if (!json || json_is_null(json)) {
        return 0;
    }
    if (!str_eq(json_str(json_object_get(json, "type")), STR("Sequence"))) {
        return read_one(template, json, err);
    }
    json_t *list = NULL;
    TRY(json_need_array(json, "processors", &list, err));
    for (size_t i = 0; i < json_array_size(list); i++) {
        int rc = read_one(template, json_array_get(list, i), err);
        if (rc < 0) {
            return err_prefix(err, "processors[%zu]", i);
        }
    }
    return 0;
}

// ---- applying ----

size_t template_added(const struct template *template, bool pair)
{
    return pair ? count_of(template->pair, template->pair_count, TEMPLATE_SPECIAL)
                : count_of(template->single, template->single_count, TEMPLATE_SPECIAL);
}

static void put_text(const struct template_part *part, const struct tokens *tokens,
                     struct tokens *out)
{
    for (size_t i = 0; i < tokens->count; i++) {
        struct token token = tokens->at[i];
        token.type = part->type;
        token.sequence = part->what == TEMPLATE_SECOND;
        tokens_add(out, &token);
    }
}

void template_apply(const struct template *template, const struct tokens *first,
                    const struct tokens *second, struct tokens *out)
{
    const struct template_part *parts = second ? template->pair : template->single;
    size_t count = second ? template->pair_count : template->single_count;
    for (size_t i = 0; i < count; i++) {
        const struct template_part *part = &parts[i];
        if (part->what == TEMPLATE_SPECIAL) {
            struct token token = {.id = part->id, .type = part->type, .special = true};
            tokens_add(out, &token);
        } else {
            put_text(part, part->what == TEMPLATE_FIRST ? first : second, out);
        }
    }
}

void template_trim(const struct template *template, size_t index, uint32_t leading,
                   uint32_t trailing, struct token *token)
{
    bool first = index == 0 || token->from == 0;
    if (leading == 1 && first && template->prefix) {
        leading = 0; // it was put there, and stands for nothing
    }
    uint32_t size = token->to - token->from;
    token->from += leading < size ? leading : size;
    size = token->to - token->from;
    token->to -= trailing < size ? trailing : size;
}
