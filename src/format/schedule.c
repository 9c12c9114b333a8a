// SPDX-License-Identifier: Apache-2.0
// The three kinds of expression, and what time zones do to them: time is walked in stretches without a
// change of the clock, in each of which local times are only shifted.
#include "format/schedule.h"
#include "format/civil.h"

#define RATE_MOST_S ((int64_t)100 * 366 * CIVIL_DAY_S)

// ── parsing ──

static int rate_parse(struct str text, enum schedule_dialect dialect, struct schedule *ret,
                      struct err *err)
{
    static const struct {
        const char *one, *many;
        int64_t seconds;
    } units[] = {{"minute", "minutes", 60}, {"hour", "hours", 3600}, {"day", "days", CIVIL_DAY_S}};
    struct str unit = text;
    struct str number = str_cut(&unit, ' ');
    uint64_t value = 0;
    bool digits = number.size && number.at[0] >= '0' && number.at[0] <= '9';
    if (!digits || !str_to_u64(number, &value) || value == 0) {
        return err_set(err, ERR_INVALID, "rate: \"" STR_FMT "\" is not a number above 0",
                       STR_ARG(str_head(number, 64)));
    }
    for (size_t i = 0; i < 3; i++) {
        bool one = str_eq(unit, str_of(units[i].one)), many = str_eq(unit, str_of(units[i].many));
        if (!one && !many) {
            continue;
        }
        if (dialect == SCHEDULE_OF_RULE && one != (value == 1)) {
            return err_set(err, ERR_INVALID, "rate: write %s for %s",
                           one ? units[i].many : units[i].one, one ? "more than 1" : "1");
        }
        if (value > (uint64_t)(RATE_MOST_S / units[i].seconds)) {
            return err_set(err, ERR_INVALID, "rate: more than a hundred years");
        }
        *ret =
            (struct schedule){.kind = SCHEDULE_RATE, .rate_s = (int64_t)value * units[i].seconds};
        return 0;
    }
    return err_set(err, ERR_INVALID,
                   "rate: \"" STR_FMT "\" is not minute, minutes, hour, hours, day or days",
                   STR_ARG(str_head(unit, 64)));
}

// "2026-11-20T13:00:00", each digit where it belongs.
static int at_parse(struct str text, struct schedule *ret, struct err *err)
{
    static const char form[] = "0000-00-00T00:00:00";
    int numbers[6] = {0}, number = 0;
    bool fine = text.size == sizeof form - 1;
    for (size_t i = 0; fine && i < text.size; i++) {
        bool digit = text.at[i] >= '0' && text.at[i] <= '9';
        fine = form[i] == '0' ? digit : text.at[i] == form[i];
        number += form[i] != '0';
        numbers[number] = form[i] == '0' ? numbers[number] * 10 + (text.at[i] - '0') : 0;
    }
    fine = fine && numbers[0] >= CRON_YEAR_LEAST && numbers[1] >= 1 && numbers[1] <= 12 &&
           numbers[2] >= 1 && numbers[2] <= civil_month_days(numbers[0], numbers[1]) &&
           numbers[3] <= 23 && numbers[4] <= 59 && numbers[5] <= 59;
    if (!fine) {
        return err_set(err, ERR_INVALID, "at: \"" STR_FMT "\" is no date of the form %s",
                       STR_ARG(str_head(text, 64)), "yyyy-mm-ddThh:mm:ss");
    }
    int64_t day = civil_days(numbers[0], numbers[1], numbers[2]);
    *ret = (struct schedule){.kind = SCHEDULE_AT,
                             .at_s = day * CIVIL_DAY_S + numbers[3] * 3600 + numbers[4] * 60 +
                                     numbers[5]};
    return 0;
}

static bool within(struct str text, struct str name, struct str *ret)
{
    bool fine = str_starts(text, name) && str_ends(text, STR(")")) && text.size > name.size;
    if (fine) {
        *ret = str_n(text.at + name.size, text.size - name.size - 1);
    }
    return fine;
}

int schedule_parse(struct str text, enum schedule_dialect dialect, struct schedule *ret,
                   struct err *err)
{
    struct str inner = {0};
    if (text.size > SCHEDULE_TEXT_MAX) {
        return err_set(err, ERR_INVALID, "longer than %d bytes", SCHEDULE_TEXT_MAX);
    }
    if (within(text, STR("rate("), &inner)) {
        return rate_parse(inner, dialect, ret, err);
    }
    if (within(text, STR("cron("), &inner)) {
        *ret = (struct schedule){.kind = SCHEDULE_CRON};
        return cron_parse(inner, &ret->cron, err);
    }
    if (dialect == SCHEDULE_OF_SCHEDULER && within(text, STR("at("), &inner)) {
        return at_parse(inner, ret, err);
    }
    return err_set(err, ERR_INVALID, "\"" STR_FMT "\" is neither rate(…) nor cron(…)%s",
                   STR_ARG(str_head(text, 64)),
                   dialect == SCHEDULE_OF_SCHEDULER ? " nor at(…)" : "");
}

// ── the next instant ──

static bool rate_next(int64_t rate_s, int64_t anchor_s, int64_t after_s, int64_t *ret_s)
{
    *ret_s = after_s < anchor_s ? anchor_s : after_s + rate_s - (after_s - anchor_s) % rate_s;
    return true;
}

static bool cron_next_in(const struct cron *cron, const struct zone *zone, int64_t after_s,
                         int64_t *ret_s)
{
    struct zone_span span = zone_at(zone, after_s);
    for (int64_t local_s = after_s + span.offset_s, found_s;;) {
        // What the clock has shown before it was put back does not come again.
        if (span.before_s > span.offset_s && local_s < span.from_s + span.before_s) {
            local_s = span.from_s + span.before_s - 1;
        }
        if (!cron_next(cron, local_s, &found_s)) {
            return false;
        }
        if (found_s - span.offset_s < span.until_s) {
            *ret_s = found_s - span.offset_s;
            return true;
        }
        span = zone_at(zone, span.until_s);
        local_s = span.from_s + span.offset_s - 1;
    }
}

static int64_t at_instant(int64_t local_s, const struct zone *zone)
{
    struct zone_span span = zone_at(zone, local_s - 2 * CIVIL_DAY_S); // surely before it
    while (span.until_s != INT64_MAX && local_s - span.offset_s >= span.until_s) {
        struct zone_span next = zone_at(zone, span.until_s);
        if (local_s - next.offset_s < next.from_s) {
            break; // left out: counted as if the clock had not been put forward
        }
        span = next;
    }
    return local_s - span.offset_s;
}

bool schedule_next(const struct schedule *schedule, const struct zone *zone, int64_t anchor_s,
                   int64_t after_s, int64_t *ret_s)
{
    int64_t at_s = 0;
    switch (schedule->kind) {
    case SCHEDULE_RATE: return rate_next(schedule->rate_s, anchor_s, after_s, ret_s);
    case SCHEDULE_CRON: return cron_next_in(&schedule->cron, zone, after_s, ret_s);
    case SCHEDULE_AT: at_s = at_instant(schedule->at_s, zone); break;
    }
    if (at_s <= after_s) {
        return false;
    }
    *ret_s = at_s;
    return true;
}
