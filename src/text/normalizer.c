// SPDX-License-Identifier: Apache-2.0
// Normalizers: steps that rewrite a piece and leave it one.
#include "text/step.h"
#include "base/mem.h"
#include "format/json.h"
#include "text/unicode.h"

typedef int rewrite_fn(const struct step *step, struct edit *edit, size_t end, struct err *err);

static int add(struct steps *steps, rewrite_fn *rewrite, struct step **ret, struct err *err)
{
    TRY(steps_add(steps, ret, err));
    (*ret)->rewrite = rewrite;
    return 0;
}

// ---- character by character ----

static int drop(const struct step *step, struct edit *edit, size_t end, struct err *err)
{
    (void)err;
    while (edit->at < end) {
        uint32_t c = edit->in->at[edit->at];
        if (step->has(c)) {
            edit_skip(edit, 1);
        } else {
            edit_replace(edit, c);
        }
    }
    return 0;
}

static int add_drop(struct steps *steps, bool (*has)(uint32_t c), struct err *err)
{
    struct step *step = NULL;
    TRY(add(steps, drop, &step, err));
    step->has = has;
    return 0;
}

static int lower(const struct step *step, struct edit *edit, size_t end, struct err *err)
{
    (void)step, (void)err;
    while (edit->at < end) {
        uint32_t c = edit->in->at[edit->at], to[2];
        size_t count = unicode_lower(c, to);
        edit_replace(edit, to[0]);
        if (count == 2) {
            edit_insert(edit, to[1]);
        }
    }
    return 0;
}

static int to_form(const struct step *step, struct edit *edit, size_t end, struct err *err)
{
    (void)err;
    unicode_normalize((enum unicode_form)step->form, edit->in, edit->at, end, edit->out);
    return 0;
}

static int add_form(struct steps *steps, enum unicode_form form, struct err *err)
{
    struct step *step = NULL;
    TRY(add(steps, to_form, &step, err));
    step->form = (int)form;
    return 0;
}

static int read_lowercase(struct steps *steps, const json_t *json, struct err *err)
{
    (void)json;
    struct step *step = NULL;
    return add(steps, lower, &step, err);
}

static int read_strip_accents(struct steps *steps, const json_t *json, struct err *err)
{
    (void)json;
    return add_drop(steps, unicode_is_mark, err);
}

#define READ_FORM(name, form)                                                                      \
    static int name(struct steps *steps, const json_t *json, struct err *err)                      \
    {                                                                                              \
        (void)json;                                                                                \
        return add_form(steps, form, err);                                                         \
    }
READ_FORM(read_nfc, UNICODE_NFC)
READ_FORM(read_nfd, UNICODE_NFD)
READ_FORM(read_nfkc, UNICODE_NFKC)
READ_FORM(read_nfkd, UNICODE_NFKD)

// ---- sentencepiece's own ----

static bool nmt_drops(uint32_t c)
{
    return (c >= 1 && c <= 8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f || c == 0x8f ||
           c == 0x9f;
}

static bool nmt_blanks(uint32_t c)
{
    return c == 9 || c == 0xa || c == 0xc || c == 0xd || c == 0x1680 ||
           (c >= 0x200b && c <= 0x200f) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
           c == 0xfeff || c == 0xfffd;
}

static int blank(const struct step *step, struct edit *edit, size_t end, struct err *err)
{
    (void)err;
    while (edit->at < end) {
        uint32_t c = edit->in->at[edit->at];
        edit_replace(edit, step->has(c) ? ' ' : c);
    }
    return 0;
}

static int add_blank(struct steps *steps, bool (*has)(uint32_t c), struct err *err)
{
    struct step *step = NULL;
    TRY(add(steps, blank, &step, err));
    step->has = has;
    return 0;
}

static int read_nmt(struct steps *steps, const json_t *json, struct err *err)
{
    (void)json;
    TRY(add_drop(steps, nmt_drops, err));
    return add_blank(steps, nmt_blanks, err);
}

// ---- BERT's ----

static bool bert_drops(uint32_t c)
{
    bool blank = c == '\t' || c == '\n' || c == '\r';
    return c == 0xfffd || (!blank && unicode_is_control(c));
}

static int set_apart(const struct step *step, struct edit *edit, size_t end, struct err *err)
{
    (void)err;
    while (edit->at < end) {
        uint32_t c = edit->in->at[edit->at];
        bool apart = step->has(c);
        if (apart) {
            edit_insert(edit, ' ');
        }
        edit_replace(edit, c);
        if (apart) {
            edit_insert(edit, ' ');
        }
    }
    return 0;
}

static int read_bert(struct steps *steps, const json_t *json, struct err *err)
{
    bool clean = true, ideographs = true, lowercase = true, accents;
    struct step *step = NULL;
    TRY(json_get_bool(json, "clean_text", &clean, err));
    TRY(json_get_bool(json, "handle_chinese_chars", &ideographs, err));
    TRY(json_get_bool(json, "lowercase", &lowercase, err));
    accents = lowercase;
    TRY(json_get_bool(json, "strip_accents", &accents, err));
    if (clean) {
        TRY(add_drop(steps, bert_drops, err));
        TRY(add_blank(steps, unicode_is_space, err));
    }
    if (ideographs) {
        TRY(add(steps, set_apart, &step, err));
        step->has = unicode_is_ideograph;
    }
    if (accents) {
        TRY(add_form(steps, UNICODE_NFD, err));
        TRY(add_drop(steps, unicode_is_accent, err));
    }
    return lowercase ? add(steps, lower, &step, err) : 0;
}

// ---- ends and patterns ----

static int strip(const struct step *step, struct edit *edit, size_t end, struct err *err)
{
    (void)err;
    const uint32_t *at = edit->in->at;
    while (step->right && end > edit->at && unicode_is_space(at[end - 1])) {
        end--;
    }
    while (step->left && edit->at < end && unicode_is_space(at[edit->at])) {
        edit_skip(edit, 1);
    }
    chars_copy(edit->out, edit->in, edit->at, end);
    return 0;
}

static int read_strip(struct steps *steps, const json_t *json, struct err *err)
{
    struct step *step = NULL;
    TRY(add(steps, strip, &step, err));
    step->left = step->right = true;
    TRY(json_get_bool(json, "strip_left", &step->left, err));
    TRY(json_get_bool(json, "strip_right", &step->right, err));
    return 0;
}

// What is put in front stands for what the first character stands for.
static int prepend(const struct step *step, struct edit *edit, size_t end, struct err *err)
{
    (void)err;
    for (size_t i = 0; i < step->content.count; i++) {
        chars_add(edit->out, step->content.at[i], edit->in->from[edit->at], edit->in->to[edit->at]);
    }
    chars_copy(edit->out, edit->in, edit->at, end);
    return 0;
}

static int read_prepend(struct steps *steps, const json_t *json, struct err *err)
{
    struct step *step = NULL;
    TRY(add(steps, prepend, &step, err));
    return step_read_content(step, json, "prepend", err);
}

static void put_content(const struct step *step, struct edit *edit)
{
    for (size_t i = 0; i < step->content.count; i++) {
        edit_insert(edit, step->content.at[i]);
    }
}

static int replace(const struct step *step, struct edit *edit, size_t end, struct err *err)
{
    const uint32_t *at = edit->in->at + edit->at;
    size_t first = edit->at, count = end - edit->at, from = 0, begin = 0, match_end = 0;
    int found = 0;
    while (from <= count &&
           (found = pattern_find(step->pattern, at, count, from, &begin, &match_end, err)) > 0) {
        chars_copy(edit->out, edit->in, edit->at, first + begin);
        edit->at = first + match_end;
        put_content(step, edit);
        from = match_end > begin ? match_end : match_end + 1; // an empty match must not come again
    }
    TRY(found);
    chars_copy(edit->out, edit->in, edit->at, end);
    return 0;
}

static int read_replace(struct steps *steps, const json_t *json, struct err *err)
{
    struct step *step = NULL;
    TRY(add(steps, replace, &step, err));
    TRY(step_read_content(step, json, "content", err));
    return step_read_pattern(step, json, err);
}

static const struct step_kind kinds[] = {
    {"BertNormalizer", "clean_text handle_chinese_chars strip_accents lowercase", read_bert},
    {"Lowercase", "", read_lowercase},
    {"NFC", "", read_nfc},
    {"NFD", "", read_nfd},
    {"NFKC", "", read_nfkc},
    {"NFKD", "", read_nfkd},
    {"Nmt", "", read_nmt},
    {"Precompiled", "precompiled_charsmap", precompiled_read},
    {"Prepend", "prepend", read_prepend},
    {"Replace", "pattern content", read_replace},
    {"Strip", "strip_left strip_right", read_strip},
    {"StripAccents", "", read_strip_accents},
};

int steps_read_normalizer(struct steps *steps, const json_t *json, struct err *err)
{
    return steps_read(steps, json, kinds, ARRAY_SIZE(kinds), "normalizers", err);
}
