// SPDX-License-Identifier: Apache-2.0
// Schedule expressions: tables of the next instants (made by another implementation) and of what is
// refused, and rates, which need an anchor.
#include "format/schedule.h"
#include "format/civil.h"
#include "files.h"

static bool next_line(struct str *rest, struct str *ret)
{
    while (rest->at) {
        *ret = str_cut(rest, '\n');
        if (ret->size && ret->at[0] != '#') {
            return true;
        }
    }
    return false;
}

static int number(struct str text, size_t at, size_t size)
{
    uint64_t value = 0;
    assert_true(str_to_u64(str_head(str_skip(text, at), size), &value));
    return (int)value;
}

// "2026-01-01T10:00:00"
static int64_t instant(struct str text)
{
    int64_t day = civil_days(number(text, 0, 4), number(text, 5, 2), number(text, 8, 2));
    return day * CIVIL_DAY_S + number(text, 11, 2) * 3600 + number(text, 14, 2) * 60 +
           number(text, 17, 2);
}

static void check_next(struct str line)
{
    struct str rest = line;
    struct str left = str_trim(str_cut(&rest, '|'));
    struct str zone_name = str_cut(&left, ' '), after = str_cut(&left, ' ');
    CLEAN(zone_clean) struct zone *zone = NULL;
    struct schedule schedule;
    struct err err = {0};
    assert_ok(zone_open(zone_name, &zone, &err), err);
    assert_ok(schedule_parse(left, SCHEDULE_OF_SCHEDULER, &schedule, &err), err);
    int64_t at_s = instant(after), found_s = 0;
    int count = 0;
    for (rest = str_trim(rest); rest.size; count++) {
        int64_t want_s = instant(str_cut(&rest, ' '));
        bool found = schedule_next(&schedule, zone, 0, at_s, &found_s);
        if (!found || found_s != want_s) {
            fail_msg(STR_FMT "\n have %lld, want %lld", STR_ARG(line),
                     found ? (long long)found_s : -1, (long long)want_s);
        }
        at_s = found_s;
    }
    if (count < 4 && schedule_next(&schedule, zone, 0, at_s, &found_s)) {
        fail_msg(STR_FMT "\n have %lld, want no more", STR_ARG(line), (long long)found_s);
    }
}

static void test_next(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf file = BUF_INIT(FILE_SIZE_MAX);
    assert_true(env_read("ROUSE_CASES", "schedule/next.txt", &file));
    size_t count = 0;
    for (struct str rest = buf_str(&file), line; next_line(&rest, &line); count++) {
        check_next(line);
    }
    assert_true(count > 80);
}

static void check_bad(struct str text, enum schedule_dialect dialect, struct str part)
{
    struct schedule schedule = {.rate_s = 7};
    struct err err = {0};
    CLEAN_MEM char *want = str_dup(part);
    int rc = schedule_parse(text, dialect, &schedule, &err);
    if (rc >= 0) {
        fail_msg("\"" STR_FMT "\" is taken", STR_ARG(text));
    }
    assert_err(rc, ERR_INVALID, err, want);
}

static void test_bad(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf file = BUF_INIT(FILE_SIZE_MAX);
    assert_true(env_read("ROUSE_CASES", "schedule/bad.txt", &file));
    size_t count = 0;
    for (struct str rest = buf_str(&file), line; next_line(&rest, &line); count++) {
        struct str dialect = str_trim(str_cut(&line, '|')), text = str_skip(str_cut(&line, '|'), 1);
        text = text.size ? str_head(text, text.size - 1) : text; // the spaces of the table
        if (!str_eq(dialect, STR("scheduler"))) {
            check_bad(text, SCHEDULE_OF_RULE, str_trim(line));
        }
        if (!str_eq(dialect, STR("rule"))) {
            check_bad(text, SCHEDULE_OF_SCHEDULER, str_trim(line));
        }
    }
    assert_true(count > 80);
    CLEAN(buf_done) struct buf spaces = BUF_INIT(1000);
    buf_add_text(&spaces, "cron(");
    while (spaces.size < 300) {
        buf_add_char(&spaces, ' ');
    }
    buf_add_text(&spaces, "0 0 1 * ? *)");
    check_bad(buf_str(&spaces), SCHEDULE_OF_RULE, STR("longer than"));
}

static int64_t rate_after(const char *text, int64_t anchor_s, int64_t after_s)
{
    struct schedule schedule;
    struct err err = {0};
    int64_t next_s = 0;
    assert_ok(schedule_parse(str_of(text), SCHEDULE_OF_SCHEDULER, &schedule, &err), err);
    assert_true(schedule_next(&schedule, NULL, anchor_s, after_s, &next_s));
    return next_s;
}

static void test_rate(void **state)
{
    (void)state;
    assert_int_equal(rate_after("rate(5 minutes)", 1000, 0), 1000);
    assert_int_equal(rate_after("rate(5 minutes)", 1000, 999), 1000);
    assert_int_equal(rate_after("rate(5 minutes)", 1000, 1000), 1300);
    assert_int_equal(rate_after("rate(5 minutes)", 1000, 1299), 1300);
    assert_int_equal(rate_after("rate(1 hour)", 1000, 1300), 4600);
    assert_int_equal(rate_after("rate(1 hours)", 1000, 1000000), 1000 + 3600 * 278);
    assert_int_equal(rate_after("rate(2 day)", 0, 1), 2 * CIVIL_DAY_S);
    assert_int_equal(rate_after("rate(36500 days)", 0, 0), 36500ll * CIVIL_DAY_S);
}

// White space between fields is free, and names may be small.
static void test_lenient(void **state)
{
    (void)state;
    assert_int_equal(rate_after("cron(0  0\t1 jan ? *)", 0, 0), 365 * CIVIL_DAY_S);
    assert_int_equal(rate_after("cron( 0 0 1 1 ? * )", 0, 0), 365 * CIVIL_DAY_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_lenient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
