// SPDX-License-Identifier: Apache-2.0
// Patterns of tokenizers, bounded in size and in steps: they come with a package, as the texts come
// from anybody.
#include "text/pattern.h"
#include "base/mem.h"
#include "text/chars.h"

#define PCRE2_CODE_UNIT_WIDTH 32
#include <pcre2.h>

#define SOURCE_MAX 16384   // code points
#define STEPS_MAX  5000000 // of the matcher, for one match
#define HEAP_MAX   65536   // KiB, likewise

struct pattern {
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *limits;
};

// ---- from Oniguruma's syntax to PCRE2's ----

static void add_text(struct chars *out, const char *text)
{
    for (; *text; text++) {
        chars_add(out, (uint32_t)*text, 0, 0);
    }
}

#define WORD "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"

// What stands for the escape `\c`; NULL: it means the same in both, or "" when it has no equal.
static const char *escape_of(uint32_t c, bool in_class)
{
    switch (c) {
    case 's': return "\\p{White_Space}";
    case 'S': return "\\P{White_Space}";
    case 'w': return in_class ? WORD : "[" WORD "]";
    case 'W': return in_class ? "" : "[^" WORD "]";
    case 'h': // hexadecimal digits there, horizontal space here
    case 'H':
    case 'K':
    case 'X':
    case 'R':
    case 'b': // word boundaries, by another idea of words
    case 'B': return "";
    default: return NULL;
    }
}

static int translate(const struct chars *in, struct chars *out, struct err *err)
{
    bool in_class = false;
    for (size_t i = 0; i < in->count; i++) {
        uint32_t c = in->at[i];
        if (c == '\\' && i + 1 < in->count) {
            uint32_t letter = in->at[++i];
            const char *instead = escape_of(letter, in_class);
            if (instead && !*instead) {
                return err_set(err, ERR_INVALID, "\\%c is not supported%s", (char)letter,
                               in_class ? " in a class" : "");
            }
            if (instead) {
                add_text(out, instead);
            } else {
                chars_add(out, c, 0, 0);
                chars_add(out, letter, 0, 0);
            }
            continue;
        }
        bool both = c == '&' && i + 1 < in->count && in->at[i + 1] == '&';
        if (in_class && (c == '[' || both)) { // Oniguruma nests and intersects
            return err_set(err, ERR_INVALID, "a class within a class is not supported");
        }
        in_class = c == '[' || (in_class && c != ']');
        chars_add(out, c, 0, 0);
    }
    return 0;
}

// ---- entry points ----

static int compile(struct pattern *pattern, enum pattern_kind kind, const struct chars *source,
                   struct err *err)
{
    uint32_t options = PCRE2_UTF | PCRE2_NO_UTF_CHECK;
    options |= kind == PATTERN_LITERAL ? PCRE2_LITERAL
                                       : PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
    int code = 0;
    PCRE2_SIZE at = 0;
    pattern->code = pcre2_compile(source->at, source->count, options, &code, &at, NULL);
    if (!pattern->code) {
        PCRE2_UCHAR wide[200];
        char text[200] = "";
        pcre2_get_error_message(code, wide, ARRAY_SIZE(wide));
        for (size_t i = 0; i < sizeof(text) && (i == 0 || text[i - 1]); i++) {
            text[i] = (char)wide[i];
        }
        return err_set(err, ERR_INVALID, "not a pattern: %s", text);
    }
    pattern->match = pcre2_match_data_create(1, NULL);
    pattern->limits = pcre2_match_context_create(NULL);
    if (!pattern->match || !pattern->limits) {
        return err_set(err, ERR_NO_MEMORY, "no memory for a pattern");
    }
    pcre2_set_match_limit(pattern->limits, STEPS_MAX);
    pcre2_set_heap_limit(pattern->limits, HEAP_MAX);
    return 0;
}

int pattern_new(enum pattern_kind kind, struct str source, struct pattern **ret, struct err *err)
{
    CLEAN(chars_done) struct chars in = {0}, out = {0};
    TRY(chars_read(&in, source, err));
    if (in.count == 0 || in.count > SOURCE_MAX) {
        return err_set(err, ERR_INVALID, "must be of 1 to %d characters", SOURCE_MAX);
    }
    if (kind == PATTERN_REGEX) {
        TRY(translate(&in, &out, err));
    }
    struct pattern *pattern = NEW(struct pattern);
    int rc = compile(pattern, kind, kind == PATTERN_REGEX ? &out : &in, err);
    if (rc < 0) {
        pattern_free(pattern);
        return rc;
    }
    *ret = pattern;
    return 0;
}

void pattern_free(struct pattern *pattern)
{
    if (pattern) {
        pcre2_match_context_free(pattern->limits);
        pcre2_match_data_free(pattern->match);
        pcre2_code_free(pattern->code);
        free(pattern);
    }
}

int pattern_find(const struct pattern *pattern, const uint32_t *at, size_t count, size_t start,
                 size_t *ret_begin, size_t *ret_end, struct err *err)
{
    int rc = pcre2_match(pattern->code, at, count, start, PCRE2_NO_UTF_CHECK, pattern->match,
                         pattern->limits);
    if (rc == PCRE2_ERROR_NOMATCH) {
        return 0;
    }
    if (rc < 0) {
        return err_set(err, ERR_LIMIT, "the tokenizer's pattern takes too long on this text");
    }
    const PCRE2_SIZE *found = pcre2_get_ovector_pointer(pattern->match);
    *ret_begin = found[0];
    *ret_end = found[1];
    return 1;
}
