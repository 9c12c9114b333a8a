// SPDX-License-Identifier: Apache-2.0
// Matches paths against patterns without recursion: one place to go back to for "*" and one for "**",
// which is enough because a later "**" makes earlier ones irrelevant. Braces are multiplied out first.
#include "cli/glob.h"
#include "base/buf.h"
#include "base/mem.h"

#define PATTERN_SIZE_MAX 4096
#define ALTERNATIVE_MAX  128

// Matches "[…]" at p against c. The index after it, or 0 when it is not closed; *ret_hit says whether.
static size_t match_class(struct str pattern, size_t p, char c, bool *ret_hit)
{
    size_t i = p + 1;
    bool negated = i < pattern.size && (pattern.at[i] == '!' || pattern.at[i] == '^');
    bool hit = false;
    i += negated;
    for (size_t first = i; i < pattern.size && (pattern.at[i] != ']' || i == first); i++) {
        char low = pattern.at[i], high = low;
        if (i + 2 < pattern.size && pattern.at[i + 1] == '-' && pattern.at[i + 2] != ']') {
            high = pattern.at[i + 2];
            i += 2;
        }
        hit = hit || (c >= low && c <= high);
    }
    *ret_hit = hit != negated && c != '/';
    return i < pattern.size ? i + 1 : 0;
}

// One character of the path against one element of the pattern. The index after it, or 0.
static size_t match_one(struct str pattern, size_t p, char c)
{
    bool hit = false;
    size_t after = 0;
    if (pattern.at[p] == '?') {
        return c == '/' ? 0 : p + 1;
    }
    if (pattern.at[p] == '[' && (after = match_class(pattern, p, c, &hit)) > 0) {
        return hit ? after : 0;
    }
    if (pattern.at[p] == '\\' && p + 1 < pattern.size) {
        p++;
    }
    return pattern.at[p] == c ? p + 1 : 0;
}

static bool match_plain(struct str pattern, struct str path)
{
    const size_t none = (size_t)-1;
    size_t p = 0, s = 0;
    size_t star_p = none, star_s = 0; // after "*", and where it stopped to eat
    size_t deep_p = none, deep_s = 0; // after "**/" or "**"
    for (;;) {
        if (p < pattern.size && pattern.at[p] == '*') {
            size_t end = p;
            while (end < pattern.size && pattern.at[end] == '*') {
                end++;
            }
            bool alone = (p == 0 || pattern.at[p - 1] == '/') &&
                         (end == pattern.size || pattern.at[end] == '/');
            if (end - p >= 2 && alone) {
                if (end == pattern.size) {
                    return true;
                }
                deep_p = p = end + 1;
                deep_s = s;
                star_p = none;
            } else {
                star_p = p = end;
                star_s = s;
            }
            continue;
        }
        if (s == path.size && p == pattern.size) {
            return true;
        }
        size_t next = p < pattern.size && s < path.size ? match_one(pattern, p, path.at[s]) : 0;
        if (next) {
            p = next;
            s++;
        } else if (star_p != none && star_s < path.size && path.at[star_s] != '/') {
            s = ++star_s;
            p = star_p;
        } else if (deep_p != none) {
            ptrdiff_t slash = str_find(str_skip(path, deep_s), '/');
            if (slash < 0) {
                return false;
            }
            s = deep_s = deep_s + (size_t)slash + 1;
            p = deep_p;
            star_p = none;
        } else {
            return false;
        }
    }
}

// The first "{a,b}" of the pattern: its braces. False when there is none.
static bool find_braces(struct str pattern, size_t *ret_open, size_t *ret_close)
{
    ptrdiff_t open = str_find(pattern, '{');
    if (open < 0) {
        return false;
    }
    int depth = 0;
    bool comma = false;
    for (size_t i = (size_t)open; i < pattern.size; i++) {
        depth += pattern.at[i] == '{';
        depth -= pattern.at[i] == '}';
        comma = comma || (pattern.at[i] == ',' && depth == 1);
        if (depth == 0) {
            *ret_open = (size_t)open;
            *ret_close = i;
            return comma;
        }
    }
    return false;
}

// The end of the alternative that begins at `from`: a ',' of the same depth, or `close`.
static size_t alternative_end(struct str pattern, size_t from, size_t close)
{
    int depth = 0;
    for (size_t i = from; i < close; i++) {
        depth += pattern.at[i] == '{';
        depth -= pattern.at[i] == '}';
        if (pattern.at[i] == ',' && depth == 0) {
            return i;
        }
    }
    return close;
}

bool glob_match(struct str pattern, struct str path)
{
    char *todo[ALTERNATIVE_MAX];
    size_t count = 0;
    bool hit = false;
    while (str_starts(pattern, STR("./"))) {
        pattern = str_skip(pattern, 2);
    }
    if (pattern.size > PATTERN_SIZE_MAX) {
        return false;
    }
    todo[count++] = str_dup(pattern);
    while (count > 0) {
        CLEAN_MEM char *text = todo[--count];
        struct str now = str_of(text);
        size_t open = 0, close = 0;
        if (hit) {
            continue; // only frees what is left
        }
        if (!find_braces(now, &open, &close)) {
            hit = match_plain(now, path);
            continue;
        }
        for (size_t at = open + 1; at <= close && count < ALTERNATIVE_MAX;) {
            size_t end = alternative_end(now, at, close);
            todo[count++] = mem_printf(STR_FMT STR_FMT STR_FMT, STR_ARG(str_head(now, open)),
                                       STR_ARG(str_n(now.at + at, end - at)),
                                       STR_ARG(str_skip(now, close + 1)));
            at = end + 1;
        }
    }
    return hit;
}
