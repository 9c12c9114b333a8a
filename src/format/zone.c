// SPDX-License-Identifier: Apache-2.0
// TZif: a table of the changes so far, then a rule in POSIX's form (the footer) for those to come.
// A file holds the table twice, for programs with 32 and with 64 bits; the latter is what counts.
#include "format/zone.h"
#include "base/file.h"
#include "base/mem.h"
#include "format/civil.h"

#define HEADER_SIZE 44
#define OFFSET_MOST (26 * 3600) // RFC 9636: more than -25 and less than +26 hours

enum rule_kind { RULE_MONTH, RULE_JULIAN, RULE_DAY }; // Mm.w.d; Jn, without 29 February; n, from 0

struct rule { // when a change comes, each year
    enum rule_kind kind;
    int month, week, day;
    int32_t time_s; // of the local time before the change
};

struct change {
    int64_t at_s;
    int32_t offset_s; // from then on
};

struct zone {
    int32_t first_s; // the offset before all changes
    struct change *changes;
    size_t count;
    bool ruled; // two changes a year go on coming
    int32_t standard_s, summer_s;
    struct rule to_summer, to_standard;
};

// ── the footer: "CET-1CEST,M3.5.0,M10.5.0/3" ──

static bool take(struct str *s, char c)
{
    if (s->size == 0 || s->at[0] != c) {
        return false;
    }
    *s = str_skip(*s, 1);
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool take_number(struct str *s, int least, int most, int *ret)
{
    int value = 0;
    size_t digits = 0;
    for (; digits < s->size && digits < 4 && is_digit(s->at[digits]); digits++) {
        value = value * 10 + (s->at[digits] - '0');
    }
    if (digits == 0 || value < least || value > most) {
        return false;
    }
    *s = str_skip(*s, digits);
    *ret = value;
    return true;
}

// [+-]hh[:mm[:ss]]
static bool take_time(struct str *s, int hours_max, int32_t *ret_s)
{
    int hours = 0, minutes = 0, seconds = 0;
    bool negative = take(s, '-');
    if (!negative) {
        (void)take(s, '+');
    }
    if (!take_number(s, 0, hours_max, &hours) ||
        (take(s, ':') && (!take_number(s, 0, 59, &minutes) ||
                          (take(s, ':') && !take_number(s, 0, 59, &seconds))))) {
        return false;
    }
    int32_t total = hours * 3600 + minutes * 60 + seconds;
    *ret_s = negative ? -total : total;
    return true;
}

// Three letters or more, or <anything>.
static bool skip_name(struct str *s)
{
    size_t size = 0;
    if (take(s, '<')) {
        ptrdiff_t end = str_find(*s, '>');
        *s = str_skip(*s, end < 0 ? 0 : (size_t)end + 1);
        return end > 0;
    }
    while (size < s->size && ((s->at[size] >= 'A' && s->at[size] <= 'Z') ||
                              (s->at[size] >= 'a' && s->at[size] <= 'z'))) {
        size++;
    }
    *s = str_skip(*s, size);
    return size >= 3;
}

static bool take_rule(struct str *s, struct rule *ret)
{
    *ret = (struct rule){.time_s = 2 * 3600};
    bool fine = take(s, ',');
    if (fine && take(s, 'M')) {
        ret->kind = RULE_MONTH;
        fine = take_number(s, 1, 12, &ret->month) && take(s, '.') &&
               take_number(s, 1, 5, &ret->week) && take(s, '.') && take_number(s, 0, 6, &ret->day);
    } else if (fine && take(s, 'J')) {
        ret->kind = RULE_JULIAN;
        fine = take_number(s, 1, 365, &ret->day);
    } else if (fine) {
        ret->kind = RULE_DAY;
        fine = take_number(s, 0, 365, &ret->day);
    }
    return fine && (!take(s, '/') || take_time(s, 167, &ret->time_s));
}

// POSIX counts offsets west of UTC.
static bool footer_parse(struct str s, struct zone *zone)
{
    int32_t west_s = 0;
    if (s.size == 0) {
        return true;
    }
    if (!skip_name(&s) || !take_time(&s, 24, &west_s)) {
        return false;
    }
    zone->standard_s = -west_s;
    if (s.size == 0) {
        return true;
    }
    zone->ruled = true;
    west_s -= 3600;
    if (!skip_name(&s) || (s.size && s.at[0] != ',' && !take_time(&s, 24, &west_s))) {
        return false;
    }
    zone->summer_s = -west_s;
    return take_rule(&s, &zone->to_summer) && take_rule(&s, &zone->to_standard) && s.size == 0;
}

// ── the table ──

static int64_t big_endian(const char *at, size_t size)
{
    uint64_t value = (unsigned char)at[0] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < size; i++) {
        value = value << 8 | (unsigned char)at[i];
    }
    return (int64_t)value;
}

struct header {
    uint64_t is_ut, is_standard, leaps, times, types, chars; // counts
};

static bool header_parse(struct str at, struct header *ret)
{
    if (at.size < HEADER_SIZE || memcmp(at.at, "TZif", 4) != 0) {
        return false;
    }
    uint64_t *const fields[] = {&ret->is_ut, &ret->is_standard, &ret->leaps,
                                &ret->times, &ret->types,       &ret->chars};
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        *fields[i] = (uint64_t)big_endian(at.at + 20 + 4 * i, 4) & UINT32_MAX;
        if (*fields[i] > ZONE_MAX) {
            return false;
        }
    }
    return ret->types > 0;
}

static uint64_t table_size(const struct header *h, size_t time_size)
{
    return h->times * (time_size + 1) + h->types * 6 + h->chars + h->leaps * (time_size + 4) +
           h->is_standard + h->is_ut;
}

// `at` begins with the table and is as long as it says, at least.
static bool table_parse(const char *at, const struct header *h, size_t time_size, struct zone *zone)
{
    const char *indices = at + h->times * time_size;
    const char *types = indices + h->times;
    for (uint64_t i = 0; i < h->types; i++) {
        int64_t offset = big_endian(types + 6 * i, 4);
        if (offset <= -OFFSET_MOST || offset >= OFFSET_MOST) {
            return false;
        }
    }
    zone->first_s = (int32_t)big_endian(types, 4);
    zone->changes = mem_alloc((h->times + 1) * sizeof *zone->changes);
    zone->count = h->times;
    for (size_t i = 0; i < zone->count; i++) {
        unsigned char type = (unsigned char)indices[i];
        zone->changes[i].at_s = big_endian(at + i * time_size, time_size);
        if (type >= h->types || (i > 0 && zone->changes[i].at_s <= zone->changes[i - 1].at_s)) {
            return false;
        }
        zone->changes[i].offset_s = (int32_t)big_endian(types + 6 * (size_t)type, 4);
    }
    return true;
}

static bool file_parse(struct str rest, struct zone *zone)
{
    struct header h;
    size_t time_size = 4;
    if (!header_parse(rest, &h) || table_size(&h, time_size) > rest.size - HEADER_SIZE) {
        return false;
    }
    if (rest.at[4] >= '2') {
        rest = str_skip(rest, HEADER_SIZE + (size_t)table_size(&h, time_size));
        time_size = 8;
        if (!header_parse(rest, &h) || table_size(&h, time_size) > rest.size - HEADER_SIZE) {
            return false;
        }
    }
    rest = str_skip(rest, HEADER_SIZE);
    // Leap seconds would make these times others than the system's clock shows.
    if (h.leaps > 0 || !table_parse(rest.at, &h, time_size, zone)) {
        return false;
    }
    rest = str_skip(rest, (size_t)table_size(&h, time_size));
    if (time_size == 4) {
        return true; // of version 1, which has no footer
    }
    return take(&rest, '\n') && str_find(rest, '\n') >= 0 &&
           footer_parse(str_cut(&rest, '\n'), zone);
}

int zone_parse(struct str tzif, struct zone **ret, struct err *err)
{
    CLEAN(zone_clean) struct zone *zone = NEW(struct zone);
    if (!file_parse(tzif, zone)) {
        return err_set(err, ERR_CORRUPT, "is not a time zone's file, or has leap seconds");
    }
    *ret = MOVE(zone);
    return 0;
}

// ── opening ──

// "America/Port-au-Prince", "Etc/GMT+1": letters, digits, + - _ and / between them.
static bool name_ok(struct str name)
{
    bool fine = name.size > 0 && name.size < 64;
    for (size_t i = 0; i < name.size && fine; i++) {
        char c = name.at[i];
        bool inner = i > 0 && i + 1 < name.size;
        fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '+' ||
               c == '-' || c == '_' || (c == '/' && inner && name.at[i - 1] != '/');
    }
    return fine;
}

int zone_open(struct str name, struct zone **ret, struct err *err)
{
    CLEAN(buf_done) struct buf bytes = BUF_INIT(ZONE_MAX);
    const char *dir = getenv("TZDIR");
    struct err why = {0};
    if (str_eq(name, STR("UTC"))) {
        *ret = NEW(struct zone);
        return 0;
    }
    CLEAN_MEM char *path = mem_printf("%s/" STR_FMT, dir ? dir : ZONE_DIR, STR_ARG(name));
    if (!name_ok(name) || file_read(path, &bytes, &why) < 0 ||
        !str_starts(buf_str(&bytes), STR("TZif"))) {
        return err_set(err, ERR_NOT_FOUND, "there is no time zone \"" STR_FMT "\" in %s",
                       STR_ARG(str_head(name, 64)), dir ? dir : ZONE_DIR);
    }
    int rc = zone_parse(buf_str(&bytes), ret, err);
    return rc < 0 ? err_prefix(err, "%s", path) : 0;
}

void zone_free(struct zone *zone)
{
    if (zone) {
        free(zone->changes);
        free(zone);
    }
}

void zone_clean(struct zone **zone)
{
    zone_free(*zone);
}

// ── asking ──

static int64_t rule_day(const struct rule *rule, int64_t year)
{
    int64_t first = civil_days(year, 1, 1);
    if (rule->kind == RULE_DAY) {
        return first + rule->day;
    }
    if (rule->kind == RULE_JULIAN) {
        bool after_february = rule->day > 31 + 28;
        return first + rule->day - 1 + (after_february && civil_month_days(year, 2) == 29);
    }
    int64_t month = civil_days(year, rule->month, 1);
    int64_t day = month + (rule->day - civil_weekday(month) + 7) % 7 + 7 * (rule->week - 1);
    return day < month + civil_month_days(year, rule->month) ? day : day - 7; // the fifth: the last
}

// The rule's changes around a time, in order: six, of three years.
static void rule_changes(const struct zone *zone, int64_t utc_s, struct change ret[6])
{
    int64_t year = civil_of(civil_day_of(utc_s)).year - 1;
    for (int i = 0; i < 6; i++) {
        bool summer = i % 2 == 0;
        const struct rule *rule = summer ? &zone->to_summer : &zone->to_standard;
        int32_t before_s = summer ? zone->standard_s : zone->summer_s;
        struct change change = {
            .at_s = rule_day(rule, year + i / 2) * CIVIL_DAY_S + rule->time_s - before_s,
            .offset_s = summer ? zone->summer_s : zone->standard_s,
        };
        int at = i;
        for (; at > 0 && ret[at - 1].at_s > change.at_s; at--) {
            ret[at] = ret[at - 1];
        }
        ret[at] = change;
    }
}

// The changes that have been written down, up to utc_s, and the next one.
static struct zone_span span_of_table(const struct zone *zone, int64_t utc_s)
{
    struct zone_span span = {INT64_MIN, INT64_MAX, zone->first_s, zone->first_s};
    size_t low = 0, high = zone->count; // what is before `low` is not after utc_s
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->changes[middle].at_s <= utc_s) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low > 0) {
        span.from_s = zone->changes[low - 1].at_s;
        span.offset_s = zone->changes[low - 1].offset_s;
    }
    if (low > 1) {
        span.before_s = zone->changes[low - 2].offset_s;
    }
    if (low < zone->count) {
        span.until_s = zone->changes[low].at_s;
    }
    return span;
}

struct zone_span zone_at(const struct zone *zone, int64_t utc_s)
{
    struct zone_span span = {INT64_MIN, INT64_MAX, 0, 0};
    if (!zone) {
        return span;
    }
    span = span_of_table(zone, utc_s);
    if (!zone->ruled || span.until_s != INT64_MAX) {
        return span;
    }
    int64_t table_s = span.from_s; // the rule holds after the table's last change
    struct change changes[6];
    rule_changes(zone, utc_s, changes);
    for (size_t i = 0; i < ARRAY_SIZE(changes) && span.until_s == INT64_MAX; i++) {
        if (changes[i].at_s > utc_s) {
            span.until_s = changes[i].at_s;
        } else if (changes[i].at_s > table_s) {
            span.from_s = changes[i].at_s;
            span.before_s = span.offset_s;
            span.offset_s = changes[i].offset_s;
        }
    }
    return span;
}
