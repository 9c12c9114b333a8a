// SPDX-License-Identifier: Apache-2.0
// The calendar: days since 1970-01-01 and back (proleptic Gregorian), without any time zone.
#pragma once

#include <stdint.h>

#define CIVIL_DAY_S 86400

struct civil {
    int64_t year;
    int month, day; // from 1
};

int64_t civil_days(int64_t year, int month, int day); // a day past the month's end runs on
struct civil civil_of(int64_t days);
int civil_weekday(int64_t days); // 0: Sunday
int civil_month_days(int64_t year, int month);

// Seconds → whole days, downwards also before 1970.
static inline int64_t civil_day_of(int64_t seconds)
{
    return seconds / CIVIL_DAY_S - (seconds % CIVIL_DAY_S < 0);
}
