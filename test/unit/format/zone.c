// SPDX-License-Identifier: Apache-2.0
// Time zones: every zone of the system against the C library, files that are broken, and the calendar.
#include "format/zone.h"
#include "format/civil.h"
#include "files.h"

#include <ftw.h>
#include <time.h>

// ── against the C library ──

static int zones_checked;

static int32_t libc_offset(int64_t utc_s)
{
    time_t when = (time_t)utc_s;
    struct tm tm = {0};
    assert_non_null(localtime_r(&when, &tm));
    return (int32_t)tm.tm_gmtoff;
}

static void check_zone(const char *name, const struct zone *zone)
{
    setenv("TZ", name, 1);
    tzset();
    const int64_t from_s = civil_days(1890, 1, 1) * CIVIL_DAY_S;
    const int64_t to_s = civil_days(2199, 12, 31) * CIVIL_DAY_S;
    int64_t at_s = from_s;
    for (int spans = 0; at_s < to_s; spans++) {
        struct zone_span span = zone_at(zone, at_s);
        struct zone_span last = zone_at(zone, span.until_s - 1);
        bool same = span.from_s == last.from_s && span.until_s == last.until_s &&
                    span.offset_s == last.offset_s && span.before_s == last.before_s;
        if (!same || span.from_s > at_s || span.until_s <= at_s || spans > 2000) {
            fail_msg("%s: the span at %lld is not one", name, (long long)at_s);
        }
        int64_t end_s = span.until_s < to_s ? span.until_s : to_s;
        const int64_t probes[] = {at_s, at_s + (end_s - at_s) / 2, end_s - 1};
        for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
            if (libc_offset(probes[i]) != span.offset_s) {
                fail_msg("%s at %lld: have %d, want %d", name, (long long)probes[i], span.offset_s,
                         libc_offset(probes[i]));
            }
        }
        at_s = span.until_s;
    }
}

static int check_file(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st, (void)walk;
    const char *name = path + strlen(ZONE_DIR) + 1;
    CLEAN(zone_clean) struct zone *zone = NULL;
    if (kind == FTW_F && strncmp(name, "right/", 6) != 0 &&
        zone_open(str_of(name), &zone, NULL) >= 0) {
        check_zone(name, zone);
        zones_checked++;
    }
    return 0;
}

static void test_system(void **state)
{
    (void)state;
    if (nftw(ZONE_DIR, check_file, 16, FTW_PHYS) != 0) {
        skip(); // without tzdata
    }
    assert_true(zones_checked > 300);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",
        "Europe/Nowhere",
        "../../etc/passwd",
        "/etc/localtime",
        "Europe",
        "Europe//Berlin",
        "Europe/",
        "zone.tab",
        "Europe/Berlin ",
        "CET;rm",
    };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct zone *zone = NULL;
        struct err err = {0};
        assert_err(zone_open(str_of(names[i]), &zone, &err), ERR_NOT_FOUND, err, "no time zone");
        assert_null(zone);
    }
}

static void test_utc(void **state)
{
    (void)state;
    CLEAN(zone_clean) struct zone *zone = NULL;
    struct err err = {0};
    setenv("TZDIR", "/nonexistent", 1);
    assert_ok(zone_open(STR("UTC"), &zone, &err), err);
    assert_err(zone_open(STR("Europe/Berlin"), &zone, &err), ERR_NOT_FOUND, err, "/nonexistent");
    unsetenv("TZDIR");
    for (int i = 0; i < 2; i++) {
        struct zone_span span = zone_at(i ? zone : NULL, 1767225600);
        assert_int_equal(span.offset_s, 0);
        assert_true(span.from_s == INT64_MIN && span.until_s == INT64_MAX);
    }
}

// ── files ──

// A version 2 file with that footer, whose tables hold one type (of offset 0) and no change.
static void file_make(struct buf *out, const char *footer)
{
    for (int i = 0; i < 2; i++) {
        char header[44] = "TZif2";
        header[39] = 1; // typecnt
        header[43] = 4; // charcnt
        buf_add(out, header, sizeof header);
        buf_add(out, "\0\0\0\0\0\0UTC\0", 10);
    }
    buf_printf(out, "\n%s\n", footer);
}

static void test_footers(void **state)
{
    (void)state;
    static const struct {
        const char *footer;
        int january, july; // minutes; -9999: refused
    } cases[] = {
        {"", 0, 0},
        {"CET-1CEST,M3.5.0,M10.5.0/3", 60, 120},
        {"EST5EDT,M3.2.0,M11.1.0", -300, -240},
        {"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 660, 630},
        {"IST-1GMT0,M10.5.0,M3.5.0/1", 0, 60}, // Dublin: winter is the exception
        {"XYZ-3:30:30", 0, 0},                 // no rule: the table has said it all
        {"AAA3BBB,J60,J300", -180, -120},
        {"AAA3BBB,0/0,J365/23", -120, -120}, // summer all year
        {"AAA3BBB4,59/-2,299/167:59:59", -180, -240},
        {"A3", -9999, 0},
        {"<AB", -9999, 0},
        {"AAA", -9999, 0},
        {"AAA25", -9999, 0},
        {"AAA3BBB", -9999, 0},
        {"AAA3BBB,M3.2.0", -9999, 0},
        {"AAA3BBB,M13.2.0,M11.1.0", -9999, 0},
        {"AAA3BBB,M3.6.0,M11.1.0", -9999, 0},
        {"AAA3BBB,M3.2.7,M11.1.0", -9999, 0},
        {"AAA3BBB,J0,J300", -9999, 0},
        {"AAA3BBB,J60/168,J300", -9999, 0},
        {"AAA3BBB,J60,J300,", -9999, 0},
        {"AAA3:60", -9999, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEAN(buf_done) struct buf file = BUF_INIT(1000);
        CLEAN(zone_clean) struct zone *zone = NULL;
        struct err err = {0};
        file_make(&file, cases[i].footer);
        int rc = zone_parse(buf_str(&file), &zone, &err);
        if (cases[i].january == -9999) {
            assert_err(rc, ERR_CORRUPT, err, "not a time zone");
            continue;
        }
        assert_ok(rc, err);
        int64_t january_s = civil_days(2030, 1, 20) * CIVIL_DAY_S;
        int64_t july_s = civil_days(2030, 7, 20) * CIVIL_DAY_S;
        assert_int_equal(zone_at(zone, january_s).offset_s / 60, cases[i].january);
        assert_int_equal(zone_at(zone, july_s).offset_s / 60, cases[i].july);
    }
}

// Every shorter file, and every file with one byte changed, is refused or understood.
static void test_broken(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf file = BUF_INIT(FILE_SIZE_MAX);
    if (!file_read(ZONE_DIR "/Europe/Berlin", &file)) {
        skip();
    }
    for (size_t size = 0; size < file.size; size++) {
        CLEAN_MEM char *copy = mem_dup_n(file.at, size);
        struct zone *zone = NULL;
        struct err err = {0};
        assert_err(zone_parse(str_n(copy, size), &zone, &err), ERR_CORRUPT, err, "");
    }
    for (size_t at = 0; at < file.size; at++) {
        CLEAN(zone_clean) struct zone *zone = NULL;
        char was = file.at[at];
        file.at[at] = (char)(was ^ 0x81);
        if (zone_parse(buf_str(&file), &zone, NULL) >= 0) {
            (void)zone_at(zone, 1767225600);
        }
        file.at[at] = was;
    }
}

// ── the calendar ──

static void test_calendar(void **state)
{
    (void)state;
    int64_t days = civil_days(1600, 1, 1);
    for (int year = 1600; year < 2400; year++) {
        for (int month = 1; month <= 12; month++) {
            for (int day = 1; day <= civil_month_days(year, month); day++, days++) {
                struct civil c = civil_of(days);
                assert_true(c.year == year && c.month == month && c.day == day);
                assert_true(civil_days(year, month, day) == days);
            }
        }
    }
    struct tm tm = {.tm_year = 2026 - 1900, .tm_mon = 6, .tm_mday = 28};
    assert_int_equal(civil_days(2026, 7, 28) * CIVIL_DAY_S, timegm(&tm));
    assert_int_equal(civil_weekday(civil_days(2026, 7, 28)), 2);
    assert_int_equal(civil_weekday(civil_days(1969, 12, 28)), 0);
    assert_int_equal(civil_day_of(-1), -1);
    assert_int_equal(civil_day_of(-CIVIL_DAY_S), -1);
    assert_int_equal(civil_day_of(CIVIL_DAY_S), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_system), cmocka_unit_test(test_names),
        cmocka_unit_test(test_utc),    cmocka_unit_test(test_footers),
        cmocka_unit_test(test_broken), cmocka_unit_test(test_calendar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
