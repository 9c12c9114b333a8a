// SPDX-License-Identifier: Apache-2.0
// The six fields of EventBridge's cron(…), which are those of Quartz without the seconds:
//
//     minutes  hours  day-of-month    month    day-of-week      year
//     0-59     0-23   1-31            1-12     1-7, 1: Sunday   1970-2199
//                     ? L LW 3W       JAN-DEC  ? SUN-SAT L 6L 3#2
//
// Each may be `*`, a list (`1,5`), ranges (`MON-FRI`; `22-2` goes over the end) and steps (`0/15`,
// `8-18/2`, `*/5`); exactly one of the two fields of days is `?`. Times here are local: seconds since
// 1970 of a clock in UTC that would show the same. format/schedule.h adds the time zone.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

#define CRON_YEAR_LEAST 1970
#define CRON_YEAR_MOST  2199

struct cron { // bit n: the value n, but for years: 1970 + n
    uint64_t minutes;
    uint32_t hours, months;
    uint32_t days;         // of the month; 0: any, or only those below
    uint32_t nearest_days; // 3W: the weekday nearest to the 3rd, within the month
    bool last_day, last_weekday;
    uint32_t weekdays;      // 1: Sunday; 0: any, or only those below
    uint32_t last_weekdays; // 6L: the last Friday of the month
    int nth_weekday, nth;   // 3#2: the second Tuesday; 0: none
    bool by_week;           // the day of the month is `?`
    uint8_t years[(CRON_YEAR_MOST - CRON_YEAR_LEAST) / 8 + 1];
};

// `fields` is what stands between the brackets. ERR_INVALID names the field and what is wrong.
MUST_CHECK int cron_parse(struct str fields, struct cron *ret, struct err *err);

// The first time after `after_s` that it names; false when there is none until 2199.
bool cron_next(const struct cron *cron, int64_t after_s, int64_t *ret_s);
