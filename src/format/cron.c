// SPDX-License-Identifier: Apache-2.0
// Fields become sets of bits; the next time is found by walking from the year down to the minute,
// each time to the next bit that is set. On the journey of a scheduled event: when it begins.
#include "format/cron.h"
#include "base/mem.h"
#include "format/civil.h"

#define FIELDS    6
#define VALUE_MAX 256 // of a field, years counted from 1970

#define DAY_MINUTES ((int64_t)24 * 60)

// ── parsing ──

struct field {
    const char *name;
    int least, most;
    const char *words; // names of values from `first`, three letters each
    int first;
};

enum { MINUTES, HOURS, DAYS, MONTHS, WEEKDAYS, YEARS };

static const struct field fields[FIELDS] = {
    [MINUTES] = {"minutes", 0, 59, "", 0},
    [HOURS] = {"hours", 0, 23, "", 0},
    [DAYS] = {"day-of-month", 1, 31, "", 0},
    [MONTHS] = {"month", 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC", 1},
    [WEEKDAYS] = {"day-of-week", 1, 7, "SUNMONTUEWEDTHUFRISAT", 1},
    [YEARS] = {"year", CRON_YEAR_LEAST, CRON_YEAR_MOST, "", 0},
};

static int wrong(const struct field *field, struct str text, const char *why, struct err *err)
{
    return err_set(err, ERR_INVALID, "%s: \"" STR_FMT "\" %s", field->name,
                   STR_ARG(str_head(text, 64)), why);
}

static int number_parse(const struct field *field, struct str text, int least, int most, int *ret,
                        struct err *err)
{
    uint64_t value = 0;
    bool digit = text.size && text.at[0] >= '0' && text.at[0] <= '9';
    if (!digit || text.size > 4 || !str_to_u64(text, &value)) {
        return wrong(field, text, "is not a value", err);
    }
    if (value < (uint64_t)least || value > (uint64_t)most) {
        return err_set(err, ERR_INVALID, "%s: %d is not between %d and %d", field->name, (int)value,
                       least, most);
    }
    *ret = (int)value;
    return 0;
}

// A number or a name.
static int value_parse(const struct field *field, struct str text, int *ret, struct err *err)
{
    for (size_t i = 0; text.size == 3 && field->words[i]; i += 3) {
        if (str_eq_nocase(text, str_n(field->words + i, 3))) {
            *ret = field->first + (int)i / 3;
            return 0;
        }
    }
    return number_parse(field, text, field->least, field->most, ret, err);
}

static void set_add(uint8_t *set, const struct field *field, int value)
{
    int bit = field->most > VALUE_MAX ? value - field->least : value;
    set[bit / 8] |= (uint8_t)(1u << bit % 8);
}

// "5", "1-5", "5/15", "1-30/10", "*", "*/5"; a range whose end is before its beginning goes over the
// end of the field.
static int part_parse(const struct field *field, struct str part, uint8_t *set, struct err *err)
{
    struct str step_text = part, to = {0};
    struct str range = str_cut(&step_text, '/');
    int first = field->least, last = field->most, step = 1;
    if (!str_eq(range, STR("*"))) {
        to = range;
        TRY(value_parse(field, str_cut(&to, '-'), &first, err));
        last = step_text.at ? field->most : first;
    }
    if (to.at) {
        TRY(value_parse(field, to, &last, err));
    }
    if (step_text.at) {
        TRY(number_parse(field, step_text, 1, field->most, &step, err));
    }
    if (last < first && field == &fields[YEARS]) {
        return wrong(field, part, "ends before it begins", err);
    }
    int span = field->most - field->least + 1;
    int count = (last - first + span) % span;
    for (int i = 0; i <= count; i += step) {
        set_add(set, field, field->least + (first - field->least + i) % span);
    }
    return 0;
}

static uint64_t bits_of(const uint8_t *set)
{
    uint64_t bits = 0;
    for (int i = 7; i >= 0; i--) {
        bits = bits << 8 | set[i];
    }
    return bits;
}

// What only days may be, of the month or of the week. 1 when it was that, 0 when not.
static int month_day_parse(struct cron *cron, struct str part, struct err *err)
{
    int day = 0;
    if (str_eq(part, STR("L"))) {
        cron->last_day = true;
        return 1;
    }
    if (str_eq(part, STR("LW"))) {
        cron->last_weekday = true;
        return 1;
    }
    if (!str_ends(part, STR("W"))) {
        return 0;
    }
    TRY(number_parse(&fields[DAYS], str_head(part, part.size - 1), 1, 31, &day, err));
    cron->nearest_days |= 1u << day;
    return 1;
}

static int week_day_parse(struct cron *cron, struct str part, bool alone, struct err *err)
{
    int day = 0;
    struct str nth = part;
    struct str before = str_cut(&nth, '#');
    if (nth.at) {
        if (!alone) {
            return wrong(&fields[WEEKDAYS], part, "must be the only value: it has a #", err);
        }
        TRY(value_parse(&fields[WEEKDAYS], before, &cron->nth_weekday, err));
        TRY(number_parse(&fields[WEEKDAYS], nth, 1, 5, &cron->nth, err));
        return 1;
    }
    if (str_eq(part, STR("L"))) {
        cron->weekdays |= 1u << 7;
        return 1;
    }
    if (part.size < 2 || !str_ends(part, STR("L"))) {
        return 0;
    }
    TRY(value_parse(&fields[WEEKDAYS], str_head(part, part.size - 1), &day, err));
    cron->last_weekdays |= 1u << day;
    return 1;
}

// One field, part by part, into *set.
static int field_parse(int number, struct str text, struct cron *cron, uint8_t *set,
                       struct err *err)
{
    bool alone = str_find(text, ',') < 0;
    for (struct str rest = text; rest.at;) {
        struct str part = str_cut(&rest, ',');
        int special = number == DAYS       ? month_day_parse(cron, part, err)
                      : number == WEEKDAYS ? week_day_parse(cron, part, alone, err)
                                           : 0;
        TRY(special);
        if (!special) {
            TRY(part_parse(&fields[number], part, set, err));
        }
    }
    return 0;
}

// Splits at white space into exactly FIELDS.
static int split(struct str text, struct str ret[FIELDS], struct err *err)
{
    int count = 0;
    for (size_t at = 0; at < text.size;) {
        size_t end = at;
        while (end < text.size && text.at[end] != ' ' && text.at[end] != '\t') {
            end++;
        }
        if (end > at && count < FIELDS) {
            ret[count] = str_n(text.at + at, end - at);
        }
        count += end > at;
        at = end + 1;
    }
    return count == FIELDS
               ? 0
               : err_set(err, ERR_INVALID,
                         "cron has %d fields (minutes hours day-of-month month day-of-week year), "
                         "this has %d",
                         FIELDS, count);
}

int cron_parse(struct str text, struct cron *ret, struct err *err)
{
    struct str parts[FIELDS];
    struct cron cron = {0};
    uint8_t sets[FIELDS][VALUE_MAX / 8] = {0};
    TRY(split(text, parts, err));
    cron.by_week = str_eq(parts[DAYS], STR("?"));
    if (cron.by_week == str_eq(parts[WEEKDAYS], STR("?"))) {
        return err_set(err, ERR_INVALID,
                       "one of day-of-month and day-of-week must be ?, and only one");
    }
    for (int i = 0; i < FIELDS; i++) {
        if (i != (cron.by_week ? DAYS : WEEKDAYS)) {
            TRY(field_parse(i, parts[i], &cron, sets[i], err));
        }
    }
    cron.minutes = bits_of(sets[MINUTES]);
    cron.hours = (uint32_t)bits_of(sets[HOURS]);
    cron.days = (uint32_t)bits_of(sets[DAYS]);
    cron.months = (uint32_t)bits_of(sets[MONTHS]);
    cron.weekdays |= (uint32_t)bits_of(sets[WEEKDAYS]);
    memcpy(cron.years, sets[YEARS], sizeof cron.years);
    *ret = cron;
    return 0;
}

// ── the next time ──

static bool has(uint64_t bits, int n)
{
    return bits >> n & 1;
}

// The first bit from `from` on that is set; -1 when there is none.
static int next_bit(uint64_t bits, int from)
{
    bits = from < 64 ? bits >> from : 0;
    return bits ? from + __builtin_ctzll(bits) : -1;
}

struct month {
    int64_t first; // civil day of its 1st
    int days;
    int weekday; // of its 1st, 1: Sunday
};

static int weekday_of(const struct month *m, int day)
{
    return (m->weekday - 1 + day - 1) % 7 + 1;
}

// Monday to Friday, nearest to the day, and in the same month.
static int nearest_weekday(const struct month *m, int day)
{
    int weekday = weekday_of(m, day);
    if (weekday == 7) {
        return day > 1 ? day - 1 : day + 2;
    }
    if (weekday == 1) {
        return day < m->days ? day + 1 : day - 2;
    }
    return day;
}

static uint32_t days_by_month(const struct cron *cron, const struct month *m)
{
    uint32_t days = cron->days;
    for (int day = next_bit(cron->nearest_days, 1); day > 0;
         day = next_bit(cron->nearest_days, day + 1)) {
        days |= day <= m->days ? 1u << nearest_weekday(m, day) : 0;
    }
    if (cron->last_day) {
        days |= 1u << m->days;
    }
    if (cron->last_weekday) {
        days |= 1u << nearest_weekday(m, m->days);
    }
    return days;
}

static uint32_t days_by_week(const struct cron *cron, const struct month *m)
{
    uint32_t days = 0;
    for (int day = 1; day <= m->days; day++) {
        int weekday = weekday_of(m, day);
        bool last = day + 7 > m->days;
        bool nth = weekday == cron->nth_weekday && (day - 1) / 7 + 1 == cron->nth;
        if (nth || has(cron->weekdays, weekday) || (last && has(cron->last_weekdays, weekday))) {
            days |= 1u << day;
        }
    }
    return days;
}

// Minutes of the day from `from` on, or -1.
static int minute_next(const struct cron *cron, int from)
{
    int hour = from / 60;
    int minute = has(cron->hours, hour) ? next_bit(cron->minutes, from % 60) : -1;
    if (minute >= 0) {
        return hour * 60 + minute;
    }
    hour = next_bit(cron->hours, hour + 1);
    return hour < 0 ? -1 : hour * 60 + next_bit(cron->minutes, 0);
}

// Minutes since 1970, in this month, from the minute `from` on; -1: none.
static int64_t month_next(const struct cron *cron, const struct month *m, int64_t from)
{
    uint32_t days = cron->by_week ? days_by_week(cron, m) : days_by_month(cron, m);
    int64_t begin = m->first * DAY_MINUTES;
    int64_t since = from > begin ? from - begin : 0;
    int today = (int)(since / DAY_MINUTES) + 1;
    for (int day = next_bit(days, today); day > 0 && day <= m->days;
         day = next_bit(days, day + 1)) {
        int minute = minute_next(cron, day == today ? (int)(since % DAY_MINUTES) : 0);
        if (minute >= 0) {
            return begin + (int64_t)(day - 1) * DAY_MINUTES + minute;
        }
    }
    return -1;
}

static struct month month_of(int64_t year, int month)
{
    struct month m = {.first = civil_days(year, month, 1), .days = civil_month_days(year, month)};
    m.weekday = civil_weekday(m.first) + 1;
    return m;
}

bool cron_next(const struct cron *cron, int64_t after_s, int64_t *ret_s)
{
    int64_t from = after_s < 0 ? 0 : after_s / 60 + 1; // a minute since 1970
    struct civil civil = civil_of(from / DAY_MINUTES);
    for (int64_t year = civil.year; year <= CRON_YEAR_MOST; year++) {
        int bit = (int)(year - CRON_YEAR_LEAST);
        if (!has(cron->years[bit / 8], bit % 8)) {
            continue;
        }
        int month = next_bit(cron->months, year == civil.year ? civil.month : 1);
        for (; month > 0; month = next_bit(cron->months, month + 1)) {
            struct month m = month_of(year, month);
            int64_t minute = month_next(cron, &m, from);
            if (minute >= 0) {
                *ret_s = minute * 60;
                return true;
            }
        }
    }
    return false;
}
