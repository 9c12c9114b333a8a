// SPDX-License-Identifier: Apache-2.0
// Reading lists of steps, and putting a text through them.
#include "text/step.h"
#include "base/mem.h"
#include "format/json.h"

void steps_done(struct steps *steps)
{
    for (size_t i = 0; i < steps->count; i++) {
        struct step *step = &steps->at[i];
        pattern_free(step->pattern);
        chars_done(&step->content);
        free(step->table);
    }
    steps->count = 0;
}

int steps_add(struct steps *steps, struct step **ret, struct err *err)
{
    if (steps->count == STEPS_MAX) {
        return err_set(err, ERR_LIMIT, "more than %d steps", STEPS_MAX);
    }
    *ret = &steps->at[steps->count++];
    **ret = (struct step){0};
    return 0;
}

static bool is_among(struct str word, const char *words)
{
    for (struct str rest = str_of(words); rest.at;) {
        if (str_eq(str_cut(&rest, ' '), word)) {
            return true;
        }
    }
    return false;
}

static int read_one(struct steps *steps, const json_t *json, const struct step_kind *kinds,
                    size_t kind_count, struct err *err)
{
    struct str type;
    TRY(json_need_str(json, "type", &type, err));
    const struct step_kind *kind = NULL;
    for (size_t i = 0; i < kind_count && !kind; i++) {
        kind = str_eq(type, str_of(kinds[i].type)) ? &kinds[i] : NULL;
    }
    if (!kind) {
        return err_set(err, ERR_INVALID, "type: \"" STR_FMT "\" is not supported",
                       STR_ARG(str_head(type, 80)));
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)json, key, value)
    {
        if (strcmp(key, "type") != 0 && !is_among(str_of(key), kind->keys)) {
            return err_set(err, ERR_INVALID, "%.80s: %s has no such key that is supported", key,
                           kind->type);
        }
    }
    return kind->read(steps, json, err);
}

int steps_read(struct steps *steps, const json_t *json, const struct step_kind *kinds,
               size_t kind_count, const char *list, struct err *err)
{
    if (!json || json_is_null(json)) {
        return 0;
    }
    if (!str_eq(json_str(json_object_get(json, "type")), STR("Sequence"))) {
        return read_one(steps, json, kinds, kind_count, err);
    }
    json_t *items = NULL;
    TRY(json_need_array(json, list, &items, err));
    for (size_t i = 0; i < json_array_size(items); i++) {
        int rc = read_one(steps, json_array_get(items, i), kinds, kind_count, err);
        if (rc < 0) {
            return err_prefix(err, "%s[%zu]", list, i);
        }
    }
    return 0;
}

int step_read_pattern(struct step *step, const json_t *json, struct err *err)
{
    json_t *pattern = NULL;
    struct str source = {0};
    TRY(json_need_object(json, "pattern", &pattern, err));
    int regex = json_get_str(pattern, "Regex", &source, err);
    TRY(regex);
    if (!regex) {
        TRY(json_need_str(pattern, "String", &source, err));
    }
    int rc = pattern_new(regex ? PATTERN_REGEX : PATTERN_LITERAL, source, &step->pattern, err);
    return rc < 0 ? err_prefix(err, "pattern") : 0;
}

int step_read_content(struct step *step, const json_t *json, const char *key, struct err *err)
{
    struct str content;
    TRY(json_need_str(json, key, &content, err));
    int rc = chars_read(&step->content, content, err);
    return rc < 0 ? err_prefix(err, "%s", key) : 0;
}

// ---- running ----

void cuts_add(struct cuts *cuts, size_t end, bool match)
{
    if (cuts->count && cuts->at[cuts->count - 1].end == end) {
        return;
    }
    if (cuts->count == cuts->room) {
        cuts->room = cuts->room ? 2 * cuts->room : 64;
        cuts->at = mem_grow(cuts->at, cuts->room * sizeof(*cuts->at));
    }
    cuts->at[cuts->count++] = (struct cut){end, match};
}

static void cuts_done(struct cuts *cuts)
{
    free(cuts->at);
}

static bool are_one(int behavior, bool match, bool next_match)
{
    switch (behavior) {
    case STEP_MERGED_WITH_PREVIOUS: return !match && next_match;
    case STEP_MERGED_WITH_NEXT: return match && !next_match;
    case STEP_CONTIGUOUS: return match == next_match;
    default: return false;
    }
}

// `shift` is from the places in `in` to those in `out`, where the piece has been copied to.
static void add_cut(const struct step *step, const struct cuts *cuts, size_t begin, size_t shift,
                    struct text *out)
{
    for (size_t i = 0; i < cuts->count; i++) {
        bool removed = step->behavior == STEP_REMOVED && cuts->at[i].match != step->invert;
        while (i + 1 < cuts->count && are_one(step->behavior, cuts->at[i].match != step->invert,
                                              cuts->at[i + 1].match != step->invert)) {
            i++;
        }
        if (!removed) {
            text_add(out, begin + shift, cuts->at[i].end + shift, PIECE_TEXT);
        }
        begin = cuts->at[i].end;
    }
}

static int run_piece(const struct step *step, const struct chars *in, const struct piece *piece,
                     struct text *out, struct err *err)
{
    size_t begin = out->chars.count;
    if (step->rewrite && piece->token == PIECE_TEXT) {
        struct edit edit = edit_of(in, piece->begin, &out->chars);
        TRY(step->rewrite(step, &edit, piece->end, err));
        text_add(out, begin, out->chars.count, PIECE_TEXT);
        return 0;
    }
    chars_copy(&out->chars, in, piece->begin, piece->end);
    if (piece->token != PIECE_TEXT) {
        text_add(out, begin, out->chars.count, piece->token);
        return 0;
    }
    CLEAN(cuts_done) struct cuts cuts = {0};
    TRY(step->cut(step, in, piece, &cuts, err));
    add_cut(step, &cuts, piece->begin, begin - piece->begin, out);
    return 0;
}

static int run_one(const struct step *step, const struct text *in, struct text *out,
                   struct err *err)
{
    text_clear(out);
    for (size_t i = 0; i < in->piece_count; i++) {
        TRY(run_piece(step, &in->chars, &in->pieces[i], out, err));
    }
    return 0;
}

int steps_run(const struct steps *steps, struct text *text, struct text *spare, struct err *err)
{
    for (size_t i = 0; i < steps->count; i++) {
        TRY(run_one(&steps->at[i], text, spare, err));
        struct text done = *spare;
        *spare = *text;
        *text = done;
    }
    return 0;
}
