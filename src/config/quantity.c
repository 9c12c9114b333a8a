// SPDX-License-Identifier: Apache-2.0
// Reads and writes durations, sizes, truth values and addresses as people write them, and guesses
// which known word a misspelt one was meant to be. Settings, serverless.yml and the options of all
// verbs share it, so that "60s" means the same everywhere.
#include "config/quantity.h"
#include "base/mem.h"

#include <time.h>

struct unit {
    const char *name;
    double factor;
};

// Splits "1.5GiB" into 1.5 and the factor of its unit. The unit "" is the first row's.
static int scale(struct str text, const struct unit *units, size_t count, double *ret)
{
    size_t digits = 0;
    while (digits < text.size &&
           ((text.at[digits] >= '0' && text.at[digits] <= '9') || text.at[digits] == '.')) {
        digits++;
    }
    double number = 0;
    if (digits == 0 || !str_to_double(str_head(text, digits), &number)) {
        return ERR_INVALID;
    }
    struct str name = str_trim(str_skip(text, digits));
    for (size_t i = 0; i < count; i++) {
        if (str_eq(name, str_of(units[i].name))) {
            number *= units[i].factor;
            if (number > 9e18) {
                return ERR_LIMIT;
            }
            *ret = number;
            return 0;
        }
    }
    return ERR_INVALID;
}

int duration_parse(struct str text, int64_t *ret_ms, struct err *err)
{
    static const struct unit units[] = {{"", 1e3},   {"ms", 1},     {"s", 1e3},
                                        {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}};
    double ms = 0;
    int rc = scale(text, units, ARRAY_SIZE(units), &ms);
    if (rc < 0) {
        return err_set(err, rc,
                       rc == ERR_LIMIT ? "\"" STR_FMT "\" is too long a time"
                                       : "\"" STR_FMT
                                         "\" is not a duration such as 500ms, 60s, 5m or 2h",
                       STR_ARG(text));
    }
    *ret_ms = (int64_t)(ms + 0.5);
    return 0;
}

// Milliseconds since 1970, or -1 when the text is no calendar time.
static int64_t calendar_ms(const char *text)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M",
                                        "%Y-%m-%d", "%Y%m%dT%H%M%S"};
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        struct tm tm = {0};
        const char *end = strptime(text, forms[i], &tm);
        if (end && *end == '.') {
            end += 1 + strspn(end + 1, "0123456789");
        }
        if (end && (*end == 0 || strcmp(end, "Z") == 0)) {
            return (int64_t)timegm(&tm) * 1000;
        }
    }
    return -1;
}

int since_parse(struct str text, int64_t now_ms, int64_t *ret_ms, struct err *err)
{
    CLEAN_MEM char *copy = str_dup(text);
    int64_t ms = calendar_ms(copy);
    uint64_t number = 0;
    if (ms >= 0) {
        *ret_ms = ms;
    } else if (str_to_u64(text, &number) && number <= INT64_MAX) {
        *ret_ms = (int64_t)number;
    } else if (duration_parse(text, &ms, NULL) >= 0) {
        *ret_ms = now_ms - ms;
    } else {
        return err_set(err, ERR_INVALID,
                       "\"" STR_FMT "\" is neither a time back such as 10m nor a "
                       "time such as 2026-01-02T03:04:05",
                       STR_ARG(text));
    }
    return 0;
}

int size_parse(struct str text, uint64_t *ret_bytes, struct err *err)
{
    static const struct unit units[] = {
        {"", 1},     {"B", 1},    {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824},
        {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6},   {"GB", 1e9},      {"TiB", 1099511627776.0},
        {"TB", 1e12}};
    double bytes = 0;
    int rc = scale(text, units, ARRAY_SIZE(units), &bytes);
    if (rc < 0) {
        return err_set(err, rc,
                       rc == ERR_LIMIT ? "\"" STR_FMT "\" is too large a size"
                                       : "\"" STR_FMT
                                         "\" is not a size such as 300, 64KiB, 6MiB or 1GB",
                       STR_ARG(text));
    }
    *ret_bytes = (uint64_t)(bytes + 0.5);
    return 0;
}

int bool_parse(struct str text, bool *ret, struct err *err)
{
    static const char *const words[][2] = {
        {"false", "true"}, {"no", "yes"}, {"off", "on"}, {"0", "1"}};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        for (int truth = 0; truth < 2; truth++) {
            if (str_eq_nocase(text, str_of(words[i][truth]))) {
                *ret = truth == 1;
                return 0;
            }
        }
    }
    return err_set(err, ERR_INVALID, "\"" STR_FMT "\" is neither true nor false", STR_ARG(text));
}

int address_parse(struct str text, struct err *err)
{
    size_t colon = text.size;
    while (colon > 0 && text.at[colon - 1] != ':') {
        colon--;
    }
    struct str host = str_head(text, colon ? colon - 1 : 0);
    uint64_t port = 0;
    bool bracketed = host.size > 2 && host.at[0] == '[' && host.at[host.size - 1] == ']';
    if (colon == 0 || !str_to_u64(str_skip(text, colon), &port) ||
        (!bracketed && (str_find(host, ':') >= 0 || str_find(host, ' ') >= 0))) {
        return err_set(err, ERR_INVALID,
                       "\"" STR_FMT "\" is not an address such as 127.0.0.1:4566 or [::1]:4566",
                       STR_ARG(text));
    }
    if (port > 65535) {
        return err_set(err, ERR_INVALID, "port %llu is above 65535", (unsigned long long)port);
    }
    return 0;
}

void duration_add(struct buf *out, int64_t ms)
{
    static const struct unit units[] = {{"d", 86400e3}, {"h", 3600e3}, {"m", 60e3}, {"s", 1e3}};
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        int64_t factor = (int64_t)units[i].factor;
        if (ms && ms % factor == 0) {
            buf_printf(out, "%lld%s", (long long)(ms / factor), units[i].name);
            return;
        }
    }
    buf_printf(out, ms ? "%lldms" : "%lld", (long long)ms);
}

void size_add(struct buf *out, uint64_t bytes)
{
    static const char *const names[] = {"TiB", "GiB", "MiB", "KiB"};
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        uint64_t factor = 1ull << (10 * (4 - i));
        if (bytes && bytes % factor == 0) {
            buf_printf(out, "%llu%s", (unsigned long long)(bytes / factor), names[i]);
            return;
        }
    }
    buf_printf(out, bytes ? "%lluB" : "%llu", (unsigned long long)bytes);
}

void size_add_human(struct buf *out, uint64_t bytes)
{
    static const char *const names[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < ARRAY_SIZE(names)) {
        value /= 1000;
        unit++;
    }
    bool whole = unit == 0 || value >= 9.95;
    buf_printf(out, whole ? "%.0f %s" : "%.2g %s", value, names[unit]);
}

#define WORD_MAX 64

static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

// Optimal string alignment distance, three rows of the matrix at a time.
static size_t distance(struct str a, struct str b)
{
    size_t rows[3][WORD_MAX] = {{0}};
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b.size; j++) {
        last[j] = j;
    }
    for (size_t i = 1; i <= a.size; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            size_t cost = lower(a.at[i - 1]) == lower(b.at[j - 1]) ? 0 : 1;
            size_t best = last[j - 1] + cost;
            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && lower(a.at[i - 1]) == lower(b.at[j - 2]) &&
                lower(a.at[i - 2]) == lower(b.at[j - 1]) && before[j - 2] + 1 < best) {
                best = before[j - 2] + 1;
            }
            now[j] = best;
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[b.size];
}

const char *nearest_word(struct str word, const char *const *words, size_t count)
{
    const char *best = NULL;
    size_t best_at = WORD_MAX;
    for (size_t i = 0; i < count && word.size < WORD_MAX; i++) {
        struct str known = str_of(words[i]);
        if (known.size >= WORD_MAX) {
            continue;
        }
        size_t far = distance(word, known);
        size_t longer = known.size > word.size ? known.size : word.size;
        bool begins = word.size >= 3 && known.size > word.size &&
                      str_eq_nocase(str_head(known, word.size), word);
        if (begins) {
            far = 1; // a shortened word is as good as one slip
        }
        if (far < best_at && (begins || far <= (longer + 1) / 3)) {
            best = words[i];
            best_at = far;
        }
    }
    return best;
}
