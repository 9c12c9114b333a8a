// SPDX-License-Identifier: Apache-2.0
// Firing what is due: the rows before and after, and the jobs. (That instants follow each other without
// gap over days and crashes is test/sim/schedules.c.)
#include "bus/schedule.h"
#include "format/civil.h"
#include "format/json.h"
#include "store/job.h"
#include "store/rule.h"
#include "store/schedule.h"
#include "../store/tables.h"

#define ARN(name) "arn:aws:lambda:us-east-1:000000000000:function:" name

static struct bus_emitted emitted;

static int setup(void **state)
{
    emitted = (struct bus_emitted){0};
    int rc = tables_setup(state);
    function_make("f", "$LATEST");
    return rc;
}

static int teardown(void **state)
{
    bus_emitted_done(&emitted);
    return tables_teardown(state);
}

static int64_t at(int month, int day, int minutes)
{
    return (civil_days(2026, month, day) * CIVIL_DAY_S + minutes * 60) * 1000;
}

static int fire(int64_t now_ms)
{
    return bus_fire(db, now_ms, "eu-west-1", &emitted, &err);
}

static int keep(void *ctx, const struct job_row *row)
{
    struct buf *out = ctx;
    buf_printf(out, STR_FMT "\n", STR_ARG(row->payload));
    return 0;
}

// The payloads of a function's jobs, which are then gone.
static int jobs(const char *function, struct buf *out)
{
    int count = job_row_each_due(db, str_of(function), INT64_MAX, 100, keep, out, &err);
    assert_int_equal(job_row_delete_function(db, str_of(function), &err), count);
    return count;
}

static int job_count(const char *function)
{
    CLEAN(buf_done) struct buf payloads = BUF_INIT(100000);
    return jobs(function, &payloads);
}

// ── rules ──

static void rule(const char *name, const char *expression, int64_t anchor_ms, const char *target)
{
    struct rule_row row = {.bus = STR("default"),
                           .name = str_of(name),
                           .state = STR("ENABLED"),
                           .expression = str_of(expression),
                           .anchor_ms = anchor_ms};
    assert_int_equal(bus_rule_first(row.expression, anchor_ms, &row.due_ms, &err), 0);
    assert_int_equal(rule_put(db, &row, &err), 0);
    struct rule_target t = {row.bus, row.name, STR("t"), str_of(ARN("f")), str_of(target)};
    assert_int_equal(rule_target_put(db, &t, &err), 0);
}

static int64_t next(void)
{
    int64_t next_ms = 0;
    assert_int_equal(bus_fire_next(db, &next_ms, &err), 0);
    return next_ms;
}

static void test_rule(void **state)
{
    (void)state;
    assert_int_equal(next(), 0);
    assert_int_equal(fire(at(1, 1, 0)), 0);
    rule("r", "rate(5 minutes)", at(1, 1, 0), "{}");
    rule("daily", "cron(0 12 * * ? *)", at(1, 1, 0), "{\"Input\":\"[1]\"}");
    assert_int_equal(next(), at(1, 1, 5));
    assert_int_equal(fire(at(1, 1, 5) - 1), 0);
    assert_int_equal(fire(at(1, 1, 5)), 1);
    assert_int_equal(emitted.count, 1);
    assert_string_equal(emitted.functions[0], "f");
    CLEAN(buf_done) struct buf payloads = BUF_INIT(100000);
    assert_int_equal(jobs("f", &payloads), 1);
    CLEAN_JSON json_t *event = NULL;
    assert_int_equal(json_parse_object(buf_str(&payloads), &event, &err), 0);
    assert_string_equal(json_string_value(json_object_get(event, "time")), "2026-01-01T00:05:00Z");
    assert_string_equal(json_string_value(json_object_get(event, "region")), "eu-west-1");
    const json_t *arns = json_object_get(event, "resources");
    assert_string_equal(json_string_value(json_array_get(arns, 0)),
                        "arn:aws:events:eu-west-1:000000000000:rule/r");
    assert_int_equal(next(), at(1, 1, 10));
    assert_int_equal(fire(at(1, 1, 5)), 0); // not twice
    // Late by hours: once, for the instant that was missed first; then on with the beat.
    assert_int_equal(fire(at(1, 1, 727)), 2);
    assert_int_equal(next(), at(1, 1, 730));
    buf_clear(&payloads);
    assert_int_equal(jobs("f", &payloads), 2);
    assert_non_null(strstr(buf_text(&payloads), "2026-01-01T00:10:00Z"));
    assert_non_null(strstr(buf_text(&payloads), "[1]\n"));
}

static void test_rule_over(void **state)
{
    (void)state;
    rule("once", "cron(0 0 2 1 ? 2026)", at(1, 1, 0), "{}");
    assert_int_equal(fire(at(1, 2, 1)), 1);
    assert_int_equal(next(), 0);
    rule("never", "cron(0 0 31 2 ? *)", at(1, 1, 0), "{}");
    assert_int_equal(next(), 0);
    int64_t first_ms = 0;
    assert_int_equal(bus_rule_first(STR("at(2026-01-01T00:00:00)"), 0, &first_ms, &err),
                     ERR_INVALID);
}

// One that cannot be understood does not hold up the others, and is not forgotten.
static void test_rule_damaged(void **state)
{
    (void)state;
    rule("a", "rate(1 minute)", at(1, 1, 0), "{}");
    rule("b", "rate(1 minute)", at(1, 1, 0), "not json");
    struct rule_row bad = {.bus = STR("default"),
                           .name = STR("bad"),
                           .state = STR("ENABLED"),
                           .expression = STR("every(now)"),
                           .due_ms = 1};
    assert_int_equal(rule_put(db, &bad, &err), 0);
    assert_int_equal(fire(at(1, 1, 1)), 3);
    assert_int_equal(job_count("f"), 1);
    assert_int_equal(next(), at(1, 1, 2));
    assert_int_equal(fire(at(1, 1, 62)), 3);
}

static void test_many(void **state)
{
    (void)state;
    for (int i = 0; i < BUS_FIRE_MAX + 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "r%d", i);
        rule(name, "rate(1 minute)", at(1, 1, 0), "{}");
    }
    assert_int_equal(fire(at(1, 1, 1)), BUS_FIRE_MAX);
    assert_int_equal(fire(at(1, 1, 1)), 3);
    assert_int_equal(fire(at(1, 1, 1)), 0);
    assert_int_equal(emitted.count, 1);
}

// ── schedules ──

static struct bus_moment schedule(const char *name, const char *expression, const char *more,
                                  int64_t now_ms)
{
    CLEAN_MEM char *document =
        mem_printf("{\"ScheduleExpression\":\"%s\",\"Target\":{\"Arn\":\"%s\",\"Input\":\"%s\"}%s}",
                   expression, ARN("f"), "1", more);
    struct bus_moment first = {0};
    assert_int_equal(bus_schedule_first(str_of(document), now_ms, now_ms, &first, &err), 0);
    struct schedule_row row = {.group = STR("g"),
                               .name = str_of(name),
                               .state = STR("ENABLED"),
                               .document = str_of(document),
                               .created_ms = now_ms,
                               .modified_ms = now_ms,
                               .instant_ms = first.instant_ms,
                               .due_ms = first.due_ms};
    assert_int_equal(schedule_put(db, &row, &err), 0);
    return first;
}

static void test_schedule(void **state)
{
    (void)state;
    assert_int_equal(schedule("rate", "rate(1 days)", "", at(1, 1, 0)).due_ms, at(1, 1, 0));
    assert_int_equal(fire(at(1, 1, 0)), 1);
    assert_int_equal(next(), at(1, 2, 0));
    struct bus_moment first =
        schedule("cron", "cron(30 2 * * ? *)",
                 ",\"ScheduleExpressionTimezone\":\"America/Los_Angeles\"", at(3, 7, 0));
    assert_int_equal(first.instant_ms, at(3, 7, 630));
    assert_int_equal(fire(at(3, 7, 630)), 2);
    assert_int_equal(fire(at(3, 9, 570) - 1), 1); // the 8th has no 2:30: only the rate
    assert_int_equal(fire(at(3, 9, 570)), 1);
    assert_int_equal(job_count("f"), 5);
}

static void test_dates(void **state)
{
    (void)state;
    CLEAN_MEM char *dates =
        mem_printf(",\"StartDate\":%lld,\"EndDate\":%lld.5", (long long)at(1, 5, 30) / 1000,
                   (long long)at(1, 5, 90) / 1000);
    assert_int_equal(schedule("a", "rate(1 hour)", dates, at(1, 1, 0)).due_ms, at(1, 5, 30));
    assert_int_equal(fire(at(1, 5, 30)), 1);
    assert_int_equal(next(), at(1, 5, 90)); // the end belongs to it
    assert_int_equal(fire(at(1, 5, 90)), 1);
    assert_int_equal(next(), 0);
    assert_int_equal(schedule("b", "cron(0 * * * ? *)", dates, at(1, 1, 0)).due_ms, at(1, 5, 60));
    assert_int_equal(schedule("c", "rate(1 hour)", dates, at(2, 1, 0)).due_ms, 0);
    assert_int_equal(schedule("d", "at(2026-01-01T00:00:00)", dates, at(1, 3, 0)).due_ms,
                     at(1, 1, 0)); // which fires at once, and has no dates
}

static void test_window(void **state)
{
    (void)state;
    bool differ = false;
    struct bus_moment one = {0};
    for (int i = 0; i < 20; i++) {
        one = schedule("w", "cron(0/10 * * * ? *)",
                       ",\"FlexibleTimeWindow\":{\"MaximumWindowInMinutes\":15}", at(1, 1, 5));
        assert_int_equal(one.instant_ms, at(1, 1, 10));
        assert_true(one.due_ms >= at(1, 1, 10) && one.due_ms < at(1, 1, 25));
        differ = differ || one.due_ms % 60000 != 0;
    }
    assert_true(differ);
    // Windows may overlap: each instant has its own.
    int fired = fire(at(1, 1, 25));
    assert_true(fired == 1 || fired == 2);
    assert_true(next() > at(1, 1, 25) && next() < at(1, 1, 45));
    // But those whose windows have passed are one, before those that are open.
    fired = fire(at(1, 2, 5));
    assert_true(fired >= 1 && fired <= 3);
}

static void seen(void *ctx, const struct schedule_row *row)
{
    (void)row;
    *(int *)ctx += 1;
}

static void test_deletion(void **state)
{
    (void)state;
    schedule("stays", "at(2026-01-01T00:10:00)", "", at(1, 1, 0));
    schedule("goes", "at(2026-01-01T00:10:00)", ",\"ActionAfterCompletion\":\"DELETE\"",
             at(1, 1, 0));
    assert_int_equal(fire(at(1, 1, 10)), 2);
    assert_int_equal(next(), 0);
    int there = 0;
    assert_int_equal(schedule_get(db, STR("g"), STR("stays"), seen, &there, &err), 1);
    assert_int_equal(schedule_get(db, STR("g"), STR("goes"), seen, &there, &err), 0);
    assert_int_equal(there, 1);
}

// A time zone that is gone (with a package of the system) does not lose the instant.
static void test_zone_gone(void **state)
{
    (void)state;
    schedule("z", "cron(0 12 * * ? *)", ",\"ScheduleExpressionTimezone\":\"Europe/Berlin\"",
             at(1, 1, 0));
    schedule("other", "cron(0 12 * * ? *)", "", at(1, 1, 0));
    setenv("TZDIR", "/nonexistent", 1);
    assert_int_equal(fire(at(1, 1, 721)), 2);
    assert_int_equal(job_count("f"), 1);
    unsetenv("TZDIR");
    assert_int_equal(fire(at(1, 1, 782)), 1);
    assert_int_equal(job_count("f"), 1);
    struct bus_moment first = {0};
    struct str unknown =
        STR("{\"ScheduleExpression\":\"rate(1 day)\",\"ScheduleExpressionTimezone\":\"X/Y\"}");
    assert_int_equal(bus_schedule_first(unknown, 0, 0, &first, &err), ERR_NOT_FOUND);
    assert_int_equal(bus_schedule_first(STR("{}"), 0, 0, &first, &err), ERR_INVALID);
}

static void test_dead_letter(void **state)
{
    (void)state;
    struct rule_target gone = {
        STR("default"), STR("r"), STR("t"), STR(ARN("gone")),
        STR("{\"Input\":\"7\",\"DeadLetterConfig\":{\"Arn\":\"" ARN("f") "\"}}")};
    rule("r", "rate(1 minute)", at(1, 1, 0), "{}");
    assert_int_equal(rule_target_put(db, &gone, &err), 0);
    assert_int_equal(fire(at(1, 1, 1)), 1);
    CLEAN(buf_done) struct buf payloads = BUF_INIT(1000);
    assert_int_equal(jobs("f", &payloads), 1);
    assert_string_equal(buf_text(&payloads), "7\n");
    gone.document = STR("{}");
    assert_int_equal(rule_target_put(db, &gone, &err), 0);
    assert_int_equal(fire(at(1, 1, 2)), 1);
    assert_int_equal(job_count("f") + job_count("gone"), 0);
}

int main(void)
{
#define FIRE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        FIRE(test_rule),      FIRE(test_rule_over),   FIRE(test_rule_damaged), FIRE(test_many),
        FIRE(test_schedule),  FIRE(test_dates),       FIRE(test_window),       FIRE(test_deletion),
        FIRE(test_zone_gone), FIRE(test_dead_letter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
