// SPDX-License-Identifier: Apache-2.0
// Years are counted from 1 March, so that the day which is not always there comes last; 400 of them
// have 146,097 days.
#include "format/civil.h"

#define ERA_YEARS 400
#define ERA_DAYS  146097
#define EPOCH     719468 // 1970-01-01, counted from 0000-03-01

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

int64_t civil_days(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = floor_div(y, ERA_YEARS);
    int64_t of_era = y - era * ERA_YEARS;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH;
}

struct civil civil_of(int64_t days)
{
    days += EPOCH;
    int64_t era = floor_div(days, ERA_DAYS);
    int64_t day = days - era * ERA_DAYS;
    int64_t year = (day - day / 1460 + day / 36524 - day / (ERA_DAYS - 1)) / 365;
    int64_t of_year = day - (365 * year + year / 4 - year / 100);
    int month = (int)((5 * of_year + 2) / 153);
    struct civil civil = {
        .year = year + era * ERA_YEARS,
        .month = month < 10 ? month + 3 : month - 9,
        .day = (int)(of_year - (153 * month + 2) / 5) + 1,
    };
    civil.year += civil.month <= 2;
    return civil;
}

int civil_weekday(int64_t days)
{
    return (int)(days - floor_div(days + 4, 7) * 7 + 4); // 1970-01-01 was a Thursday
}

int civil_month_days(int64_t year, int month)
{
    return (int)(civil_days(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1) -
                 civil_days(year, month, 1));
}
