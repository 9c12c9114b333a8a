// SPDX-License-Identifier: Apache-2.0
// Times as the protocols write them, and back.
#include "base/clock.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static void test_write(void **state)
{
    (void)state;
    char text[CLOCK_TEXT_MAX];
    assert_string_equal(clock_iso(0, text), "1970-01-01T00:00:00.000Z");
    assert_string_equal(clock_iso(1767323045678, text), "2026-01-02T03:04:05.678Z");
    assert_string_equal(clock_http(1767323045678, text), "Fri, 02 Jan 2026 03:04:05 GMT");
    assert_string_equal(clock_amz(1767323045678, text), "20260102T030405Z");
    assert_string_equal(clock_http(951782400000, text), "Tue, 29 Feb 2000 00:00:00 GMT");
    assert_string_equal(clock_iso(253402300799999, text), "9999-12-31T23:59:59.999Z");
}

static void test_round_trip(void **state)
{
    (void)state;
    for (int64_t ms = 0; ms < 4102444800000; ms += 86400000 * 37ll + 3661000) {
        char text[CLOCK_TEXT_MAX];
        assert_int_equal(clock_http_parse(clock_http(ms, text)), ms);
        assert_int_equal(clock_amz_parse(clock_amz(ms, text)), ms);
    }
}

static void test_malformed(void **state)
{
    (void)state;
    static const char *const http[] = {"",
                                       "Fri, 02 Jan 2026 03:04:05",
                                       "Fri, 02 Jan 2026 03:04:05 CET",
                                       "Fri, 32 Jan 2026 03:04:05 GMT",
                                       "Fri, 02 Foo 2026 03:04:05 GMT",
                                       "Fri, 02 Jan 2026 03:04:05 GMT ",
                                       "2026-01-02T03:04:05Z"};
    for (size_t i = 0; i < ARRAY_SIZE(http); i++) {
        assert_int_equal(clock_http_parse(http[i]), -1);
    }
    static const char *const amz[] = {"",
                                      "20260102T030405",
                                      "20260102T030405Zx",
                                      "20261302T030405Z",
                                      "20260102 030405Z",
                                      "2026-01-02T03:04:05Z"};
    for (size_t i = 0; i < ARRAY_SIZE(amz); i++) {
        assert_int_equal(clock_amz_parse(amz[i]), -1);
    }
}

static void test_now(void **state)
{
    (void)state;
    int64_t first = clock_mono_us();
    assert_true(first > 0);
    assert_true(clock_mono_us() >= first);
    assert_true(clock_wall_ms() > 1700000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
