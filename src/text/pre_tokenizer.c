// SPDX-License-Identifier: Apache-2.0
// Pre-tokenizers: steps that cut pieces, some after rewriting them.
#include "base/mem.h"
#include "format/json.h"
#include "text/step.h"
#include "text/unicode.h"

// GPT-2's: contractions, words, numbers and other signs, each with the space before it.
#define GPT2_PATTERN                                                                               \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define WORD_PATTERN "\\w+|[^\\w\\s]+"

// ---- cuts ----

// At each character of a kind; without a kind, at the sign.
static int cut_at_characters(const struct step *step, const struct chars *in,
                             const struct piece *piece, struct cuts *cuts, struct err *err)
{
    (void)err;
    for (size_t i = piece->begin; i < piece->end; i++) {
        uint32_t c = in->at[i];
        if (step->has ? step->has(c) : c == step->content.at[0]) {
            if (i > piece->begin) {
                cuts_add(cuts, i, false);
            }
            cuts_add(cuts, i + 1, true);
        }
    }
    cuts_add(cuts, piece->end, false);
    return 0;
}

static int cut_at_pattern(const struct step *step, const struct chars *in,
                          const struct piece *piece, struct cuts *cuts, struct err *err)
{
    const uint32_t *at = in->at + piece->begin;
    size_t count = piece->end - piece->begin, from = 0, begin = 0, end = 0;
    int found = 0;
    while (from < count &&
           (found = pattern_find(step->pattern, at, count, from, &begin, &end, err)) > 0) {
        if (begin > 0) {
            cuts_add(cuts, piece->begin + begin, false);
        }
        if (end > begin) {
            cuts_add(cuts, piece->begin + end, true);
        }
        from = end > begin ? end : end + 1;
    }
    TRY(found);
    cuts_add(cuts, piece->end, false);
    return 0;
}

static int add_at_characters(struct steps *steps, bool (*has)(uint32_t c), int behavior,
                             struct err *err)
{
    struct step *step = NULL;
    TRY(steps_add(steps, &step, err));
    step->cut = cut_at_characters;
    step->has = has;
    step->behavior = behavior;
    return 0;
}

static int add_at_pattern(struct steps *steps, const char *source, int behavior, bool invert,
                          struct err *err)
{
    struct step *step = NULL;
    TRY(steps_add(steps, &step, err));
    step->cut = cut_at_pattern;
    step->behavior = behavior;
    step->invert = invert;
    return pattern_new(PATTERN_REGEX, str_of(source), &step->pattern, err);
}

// ---- kinds ----

static int read_behavior(const json_t *json, int *ret, struct err *err)
{
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious",
                                        "MergedWithNext", "Contiguous"};
    struct str name = {0};
    TRY(json_get_str(json, "behavior", &name, err));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (str_eq(name, str_of(names[i]))) {
            *ret = (int)i;
            return 0;
        }
    }
    return name.at ? err_set(err, ERR_INVALID, "behavior: \"" STR_FMT "\" is not supported",
                             STR_ARG(str_head(name, 40)))
                   : 0;
}

static int read_bert(struct steps *steps, const json_t *json, struct err *err)
{
    (void)json;
    TRY(add_at_characters(steps, unicode_is_space, STEP_REMOVED, err));
    return add_at_characters(steps, unicode_is_punctuation, STEP_ISOLATED, err);
}

static int read_whitespace_split(struct steps *steps, const json_t *json, struct err *err)
{
    (void)json;
    return add_at_characters(steps, unicode_is_space, STEP_REMOVED, err);
}

static int read_whitespace(struct steps *steps, const json_t *json, struct err *err)
{
    (void)json;
    return add_at_pattern(steps, WORD_PATTERN, STEP_REMOVED, true, err);
}

static int read_punctuation(struct steps *steps, const json_t *json, struct err *err)
{
    int behavior = STEP_ISOLATED;
    TRY(read_behavior(json, &behavior, err));
    return add_at_characters(steps, unicode_is_punctuation, behavior, err);
}

static int read_digits(struct steps *steps, const json_t *json, struct err *err)
{
    bool each = false;
    TRY(json_get_bool(json, "individual_digits", &each, err));
    return add_at_characters(steps, unicode_is_number, each ? STEP_ISOLATED : STEP_CONTIGUOUS, err);
}

static int read_split(struct steps *steps, const json_t *json, struct err *err)
{
    struct step *step = NULL;
    TRY(steps_add(steps, &step, err));
    step->cut = cut_at_pattern;
    TRY(read_behavior(json, &step->behavior, err));
    TRY(json_get_bool(json, "invert", &step->invert, err));
    return step_read_pattern(step, json, err);
}

// ---- signs for spaces, and for bytes ----

// The sign goes in front of a piece that does not begin with it.
static int put_prefix(const struct step *step, struct edit *edit, size_t end, struct err *err)
{
    (void)err;
    uint32_t sign = step->content.at[0], first = edit->in->from[edit->at];
    bool wanted = step->prefix == STEP_ALWAYS || (step->prefix == STEP_FIRST && first == 0);
    if (wanted && edit->in->at[edit->at] != sign) {
        chars_add(edit->out, sign, first, edit->in->to[edit->at]);
    }
    chars_copy(edit->out, edit->in, edit->at, end);
    return 0;
}

static int add_prefix(struct steps *steps, uint32_t sign, int prefix, struct err *err)
{
    struct step *step = NULL;
    TRY(steps_add(steps, &step, err));
    step->rewrite = put_prefix;
    step->prefix = prefix;
    chars_add(&step->content, sign, 0, 0);
    return 0;
}

static int put_for_spaces(const struct step *step, struct edit *edit, size_t end, struct err *err)
{
    (void)err;
    while (edit->at < end) {
        uint32_t c = edit->in->at[edit->at];
        edit_replace(edit, c == ' ' ? step->content.at[0] : c);
    }
    return 0;
}

static int read_prefix(const json_t *json, int *ret, struct err *err)
{
    struct str scheme = {0};
    bool add = true;
    TRY(json_get_bool(json, "add_prefix_space", &add, err)); // as older files have it
    TRY(json_get_str(json, "prepend_scheme", &scheme, err));
    *ret = str_eq(scheme, STR("first"))                           ? STEP_FIRST
           : str_eq(scheme, STR("never")) || (!add && !scheme.at) ? STEP_NEVER
                                                                  : STEP_ALWAYS;
    bool known = !scheme.at || *ret != STEP_ALWAYS || str_eq(scheme, STR("always"));
    return known ? 0
                 : err_set(err, ERR_INVALID, "prepend_scheme: \"" STR_FMT "\" is not supported",
                           STR_ARG(str_head(scheme, 40)));
}

static int read_metaspace(struct steps *steps, const json_t *json, struct err *err)
{
    struct step *step = NULL;
    bool cuts = true;
    int prefix = STEP_ALWAYS;
    TRY(json_get_bool(json, "split", &cuts, err));
    TRY(read_prefix(json, &prefix, err));
    TRY(steps_add(steps, &step, err));
    step->rewrite = put_for_spaces;
    TRY(step_read_content(step, json, "replacement", err));
    if (step->content.count != 1) {
        return err_set(err, ERR_INVALID, "replacement: must be one character");
    }
    uint32_t sign = step->content.at[0];
    TRY(add_prefix(steps, sign, prefix, err));
    if (cuts) {
        TRY(steps_add(steps, &step, err));
        step->cut = cut_at_characters;
        step->behavior = STEP_MERGED_WITH_NEXT;
        chars_add(&step->content, sign, 0, 0);
    }
    return 0;
}

// A character for each byte, such that none is blank.
static uint32_t sign_of_byte(uint8_t byte)
{
    return byte <= 32                   ? 256u + byte
           : byte >= 127 && byte <= 160 ? 289u + byte - 127
           : byte == 173                ? 323u
                                        : byte;
}

static int to_bytes(const struct step *step, struct edit *edit, size_t end, struct err *err)
{
    (void)step, (void)err;
    while (edit->at < end) {
        char bytes[UNICODE_UTF8_MAX];
        size_t size = unicode_utf8(edit->in->at[edit->at], bytes);
        edit_replace(edit, sign_of_byte((uint8_t)bytes[0]));
        for (size_t i = 1; i < size; i++) {
            edit_insert(edit, sign_of_byte((uint8_t)bytes[i]));
        }
    }
    return 0;
}

static int read_byte_level(struct steps *steps, const json_t *json, struct err *err)
{
    struct step *step = NULL;
    bool prefix = true, regex = true;
    TRY(json_get_bool(json, "add_prefix_space", &prefix, err));
    TRY(json_get_bool(json, "use_regex", &regex, err));
    if (prefix) {
        TRY(add_prefix(steps, ' ', STEP_ALWAYS, err));
    }
    if (regex) {
        TRY(add_at_pattern(steps, GPT2_PATTERN, STEP_ISOLATED, false, err));
    }
    TRY(steps_add(steps, &step, err));
    step->rewrite = to_bytes;
    return 0;
}

static const struct step_kind kinds[] = {
    {"BertPreTokenizer", "", read_bert},
    {"ByteLevel", "add_prefix_space trim_offsets use_regex", read_byte_level},
    {"Digits", "individual_digits", read_digits},
    {"Metaspace", "replacement prepend_scheme add_prefix_space split str_rep", read_metaspace},
    {"Punctuation", "behavior", read_punctuation},
    {"Split", "pattern behavior invert", read_split},
    {"Whitespace", "", read_whitespace},
    {"WhitespaceSplit", "", read_whitespace_split},
};

int steps_read_pre_tokenizer(struct steps *steps, const json_t *json, struct err *err)
{
    return steps_read(steps, json, kinds, ARRAY_SIZE(kinds), "pretokenizers", err);
}
