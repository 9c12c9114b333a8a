// SPDX-License-Identifier: Apache-2.0
// struct str is a borrowed view of bytes, passed by value; it owns nothing and need not end in NUL.
// A zeroed one is the empty string.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *at;
    size_t size;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_FMT      "%.*s"
#define STR_ARG(s)   (int)(s).size, (s).at ? (s).at : ""

static inline struct str str_of(const char *text)
{
    return (struct str){text, text ? strlen(text) : 0};
}

static inline struct str str_n(const void *at, size_t size)
{
    return (struct str){at, size};
}

bool str_eq(struct str a, struct str b);
bool str_eq_nocase(struct str a, struct str b); // ASCII
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
int str_cmp(struct str a, struct str b);               // bytewise, shorter first: S3's key order
struct str str_skip(struct str s, size_t n);           // without the first n (at most all) bytes
struct str str_head(struct str s, size_t n);           // the first n (at most all) bytes
struct str str_trim(struct str s);                     // without ASCII white space at both ends
ptrdiff_t str_find(struct str s, char c);              // index of the first, or -1
ptrdiff_t str_find_str(struct str s, struct str part); // index of the first, or -1

// Cuts *s at the first `sep`: returns what is before it and leaves in *s what is after it (empty
// with at == NULL when there is no more). Loop: `while (rest.at) { part = str_cut(&rest, ','); }`
struct str str_cut(struct str *s, char sep);

// Whole-string decimal numbers. False, with *ret untouched, on anything else or overflow.
bool str_to_u64(struct str s, uint64_t *ret);
bool str_to_i64(struct str s, int64_t *ret);
bool str_to_double(struct str s, double *ret);

char *str_dup(struct str s);     // NUL-terminated heap copy
uint64_t str_hash(struct str s); // keyed per process, so that users cannot choose collisions

// The same bytes, never with at == NULL: for those to whom NULL means "none".
static inline struct str str_not_null(struct str s)
{
    return s.at ? s : STR("");
}

// Copies what the views see into one heap block, a NUL after each, and makes them see the copies;
// those with at == NULL stay so.
char *str_pack(struct str *const *views, size_t count);
