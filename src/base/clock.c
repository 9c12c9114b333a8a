// SPDX-License-Identifier: Apache-2.0
// Time, and the three ways AWS writes it.
#include "base/clock.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t clock_mono_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_thread_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct tm utc_of(int64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm = {0};
    gmtime_r(&seconds, &tm);
    return tm;
}

// The last so many decimal digits of a number, and what stands behind them; returns what follows.
static char *put_digits(char *to, int64_t number, int digits, char behind)
{
    for (int i = digits - 1; i >= 0; i--) {
        to[i] = (char)('0' + number % 10);
        number /= 10;
    }
    to[digits] = behind;
    return to + digits + 1;
}

// By hand: each call of a function has both written several times, and strftime looks every time
// whether the machine's time zone has changed.
const char *clock_iso(int64_t wall_ms, char text[CLOCK_TEXT_MAX])
{
    struct tm tm = utc_of(wall_ms);
    char *to = put_digits(text, tm.tm_year + 1900, 4, '-');
    to = put_digits(to, tm.tm_mon + 1, 2, '-');
    to = put_digits(to, tm.tm_mday, 2, 'T');
    to = put_digits(to, tm.tm_hour, 2, ':');
    to = put_digits(to, tm.tm_min, 2, ':');
    to = put_digits(to, tm.tm_sec, 2, '.');
    to = put_digits(to, wall_ms % 1000, 3, 'Z');
    *to = '\0';
    return text;
}

// Day and month names are spelt out: strftime would follow the user's locale.
const char *clock_http(int64_t wall_ms, char text[CLOCK_TEXT_MAX])
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm = utc_of(wall_ms);
    snprintf(text, CLOCK_TEXT_MAX, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday % 7],
             tm.tm_mday, months[tm.tm_mon % 12], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
             tm.tm_sec);
    return text;
}

const char *clock_amz(int64_t wall_ms, char text[CLOCK_TEXT_MAX])
{
    struct tm tm = utc_of(wall_ms);
    int64_t day = (int64_t)(tm.tm_year + 1900) * 10000 + (tm.tm_mon + 1) * 100 + tm.tm_mday;
    char *to = put_digits(text, day, 8, 'T');
    to = put_digits(to, tm.tm_hour * 10000 + tm.tm_min * 100 + tm.tm_sec, 6, 'Z');
    *to = '\0';
    return text;
}

static int64_t parse_with(const char *text, const char *format)
{
    struct tm tm = {0};
    const char *end = strptime(text, format, &tm);
    if (!end || *end) {
        return -1;
    }
    return (int64_t)timegm(&tm) * 1000;
}

int64_t clock_http_parse(const char *text)
{
    return parse_with(text, "%a, %d %b %Y %H:%M:%S GMT");
}

int64_t clock_amz_parse(const char *text)
{
    return parse_with(text, "%Y%m%dT%H%M%SZ");
}
