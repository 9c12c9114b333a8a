// SPDX-License-Identifier: Apache-2.0
#include "media/half.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <math.h>

static double value_of(uint16_t half)
{
    int exponent = half >> 10 & 31, fraction = half & 1023;
    double size = exponent == 0    ? ldexp(fraction, -24)
                  : exponent == 31 ? (fraction ? NAN : INFINITY)
                                   : ldexp(1024 + fraction, exponent - 25);
    return half & 0x8000 ? -size : size;
}

static void every_half_comes_back(void **state)
{
    (void)state;
    for (uint32_t half = 0; half <= 0xffff; half++) {
        double value = value_of((uint16_t)half);
        uint16_t again = half_of_float((float)value);
        if (isnan(value)) {
            assert_true(isnan(value_of(again)));
        } else {
            assert_int_equal(again, half);
        }
    }
}

static void rounds_to_the_nearest(void **state)
{
    (void)state;
    for (uint32_t half = 0; half < 0x7bff; half++) {
        double low = value_of((uint16_t)half), high = value_of((uint16_t)(half + 1));
        float middle = (float)((low + high) / 2);
        assert_int_equal(half_of_float(nextafterf(middle, 0)), half);
        assert_int_equal(half_of_float(nextafterf(middle, INFINITY)), half + 1);
        assert_int_equal(half_of_float(middle), half + (half & 1)); // to even
        assert_int_equal(half_of_float(-middle), 0x8000 | (half + (half & 1)));
    }
}

static void ends_are_right(void **state)
{
    (void)state;
    assert_int_equal(half_of_float(65504), 0x7bff);
    assert_int_equal(half_of_float(65519), 0x7bff);
    assert_int_equal(half_of_float(65520), 0x7c00);
    assert_int_equal(half_of_float(1e30f), 0x7c00);
    assert_int_equal(half_of_float(-INFINITY), 0xfc00);
    assert_int_equal(half_of_float(1e-30f), 0);
    assert_int_equal(half_of_float(-0.0f), 0x8000);
    assert_true(isnan(value_of(half_of_float(NAN))));
}

static void rows_are_as_single_ones(void **state)
{
    (void)state;
    float values[53];
    uint16_t halves[53 + 1];
    for (int i = 0; i < 53; i++) {
        values[i] = ldexpf((float)(i * 7919 % 1000 - 500) / 3, i % 40 - 28);
    }
    for (size_t count = 0; count <= 53; count++) {
        halves[count] = 0xabcd;
        half_of_floats(values, count, halves);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(halves[i], half_of_float(values[i]));
        }
        assert_int_equal(halves[count], 0xabcd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_comes_back),
        cmocka_unit_test(rounds_to_the_nearest),
        cmocka_unit_test(ends_are_right),
        cmocka_unit_test(rows_are_as_single_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
