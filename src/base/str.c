// SPDX-License-Identifier: Apache-2.0
// Views of bytes: compare, cut, convert.
#include "base/str.h"
#include "base/mem.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/random.h>

bool str_eq(struct str a, struct str b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

bool str_eq_nocase(struct str a, struct str b)
{
    return a.size == b.size && (a.size == 0 || strncasecmp(a.at, b.at, a.size) == 0);
}

bool str_starts(struct str s, struct str prefix)
{
    return s.size >= prefix.size && str_eq(str_head(s, prefix.size), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.size >= suffix.size && str_eq(str_skip(s, s.size - suffix.size), suffix);
}

int str_cmp(struct str a, struct str b)
{
    size_t shorter = a.size < b.size ? a.size : b.size;
    int order = shorter ? memcmp(a.at, b.at, shorter) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

struct str str_skip(struct str s, size_t n)
{
    n = n < s.size ? n : s.size;
    return (struct str){s.at ? s.at + n : NULL, s.size - n};
}

struct str str_head(struct str s, size_t n)
{
    return (struct str){s.at, n < s.size ? n : s.size};
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str s)
{
    while (s.size && is_space(s.at[0])) {
        s = str_skip(s, 1);
    }
    while (s.size && is_space(s.at[s.size - 1])) {
        s.size--;
    }
    return s;
}

ptrdiff_t str_find(struct str s, char c)
{
    const char *found = s.size ? memchr(s.at, c, s.size) : NULL;
    return found ? found - s.at : -1;
}

ptrdiff_t str_find_str(struct str s, struct str part)
{
    if (part.size == 0) {
        return 0;
    }
    const char *found = s.size ? memmem(s.at, s.size, part.at, part.size) : NULL;
    return found ? found - s.at : -1;
}

struct str str_cut(struct str *s, char sep)
{
    ptrdiff_t at = str_find(*s, sep);
    struct str part = *s;
    if (at < 0) {
        *s = (struct str){0};
        return part;
    }
    part.size = (size_t)at;
    *s = str_skip(*s, (size_t)at + 1);
    return part;
}

bool str_to_u64(struct str s, uint64_t *ret)
{
    uint64_t value = 0;
    if (s.size == 0) {
        return false;
    }
    for (size_t i = 0; i < s.size; i++) {
        if (s.at[i] < '0' || s.at[i] > '9' || __builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.at[i] - '0'), &value)) {
            return false;
        }
    }
    *ret = value;
    return true;
}

bool str_to_i64(struct str s, int64_t *ret)
{
    bool negative = s.size && s.at[0] == '-';
    uint64_t value = 0;
    if (!str_to_u64(negative ? str_skip(s, 1) : s, &value)) {
        return false;
    }
    if (value > (uint64_t)INT64_MAX + (negative ? 1u : 0u)) {
        return false;
    }
    *ret = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

bool str_to_double(struct str s, double *ret)
{
    char text[64];
    if (s.size == 0 || s.size >= sizeof text) {
        return false;
    }
    for (size_t i = 0; i < s.size; i++) { // strtod knows more than decimals
        if (!s.at[i] || !strchr("+-.0123456789eE", s.at[i])) {
            return false;
        }
    }
    memcpy(text, s.at, s.size);
    text[s.size] = 0;
    char *end = NULL;
    double value = strtod(text, &end);
    if (*end || !isfinite(value)) {
        return false;
    }
    *ret = value;
    return true;
}

char *str_dup(struct str s)
{
    return mem_dup_n(s.at, s.size);
}

uint64_t str_hash(struct str s)
{
    static uint64_t key;
    uint64_t seed = __atomic_load_n(&key, __ATOMIC_RELAXED);
    if (seed == 0) {
        uint64_t fresh = 0;
        (void)!getrandom(&fresh, sizeof fresh, GRND_NONBLOCK);
        fresh |= 1;
        __atomic_compare_exchange_n(&key, &seed, fresh, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
        seed = __atomic_load_n(&key, __ATOMIC_RELAXED);
    }
    uint64_t h = seed ^ (s.size * 0x9e3779b97f4a7c15u);
    for (size_t i = 0; i < s.size; i++) {
        h = (h ^ (unsigned char)s.at[i]) * 0xff51afd7ed558ccdu;
        h ^= h >> 29;
    }
    return h ^ (h >> 32);
}

char *str_pack(struct str *const *views, size_t count)
{
    size_t size = 1;
    for (size_t i = 0; i < count; i++) {
        size += views[i]->size + 1;
    }
    char *block = mem_alloc(size);
    char *to = block;
    for (size_t i = 0; i < count; i++) {
        if (!views[i]->at) {
            continue;
        }
        memcpy(to, views[i]->at, views[i]->size);
        views[i]->at = to;
        to += views[i]->size + 1;
    }
    return block;
}
