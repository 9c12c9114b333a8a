// SPDX-License-Identifier: Apache-2.0
// Alarms on the wall clock, real and simulated. (That setting the clock rings them is the kernel's
// promise: a test does not set the machine's clock.)
#include "io/alarm.h"
#include "base/clock.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct loop *loop;
static struct alarm alarm_;
static int rung;
static int64_t rung_ms;

static void on_due(struct alarm *alarm)
{
    rung++;
    rung_ms = loop_wall_ms(alarm->loop);
}

static void begin(enum loop_kind kind)
{
    struct err err = {0};
    rung = 0;
    assert_int_equal(loop_new(kind, &loop, &err), 0);
    alarm_ = (struct alarm){.on_due = on_due};
    assert_int_equal(alarm_init(&alarm_, loop, &err), 0);
}

static void end(void)
{
    alarm_done(&alarm_);
    alarm_done(&alarm_);
    loop_free(loop);
}

static void ring(int64_t in_ms)
{
    int64_t at_ms = loop_wall_ms(loop) + in_ms;
    int before = rung;
    alarm_set(&alarm_, at_ms);
    for (int i = 0; i < 1000 && rung == before; i++) {
        loop_turn(loop, 100);
    }
    assert_int_equal(rung, before + 1);
    assert_true(rung_ms >= at_ms);
}

static void test_real(void **state)
{
    (void)state;
    begin(LOOP_REAL);
    ring(30);
    ring(0);
    ring(-100000);
    alarm_set(&alarm_, loop_wall_ms(loop) + 20);
    alarm_set(&alarm_, 0);
    loop_turn(loop, 60);
    alarm_set(&alarm_, loop_wall_ms(loop) + 1000000);
    loop_turn(loop, 10);
    assert_int_equal(rung, 3);
    end();
}

static void test_simulated(void **state)
{
    (void)state;
    begin(LOOP_SIMULATED);
    ring(86400000);
    ring(-5);
    alarm_set(&alarm_, loop_wall_ms(loop) + 20);
    alarm_set(&alarm_, 0);
    assert_false(loop_turn(loop, 0));
    assert_int_equal(rung, 2);
    end();
}

static void test_zeroed(void **state)
{
    (void)state;
    struct alarm none = {0};
    alarm_done(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real),
        cmocka_unit_test(test_simulated),
        cmocka_unit_test(test_zeroed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
