// SPDX-License-Identifier: Apache-2.0
// Ranges: ends, cuts, and numbers that are none.
#include "graphs.h"
#include "quantize/qdq.h"
#include "quantize/ranges.h"

#include <math.h>

static void look(struct range *range, const float *values, size_t count)
{
    range_bound(range, values, count);
    range_count(range, values, count);
}

static void test_ends(void **state)
{
    (void)state;
    struct range range = RANGE_INIT;
    float low = 7, high = 7;
    assert_false(range_cut(&range, RANGE_MINMAX, &low, &high));
    assert_true(low == 7 && high == 7);
    look(&range, (float[]){NAN, INFINITY, -INFINITY}, 3);
    assert_false(range_cut(&range, RANGE_MINMAX, &low, &high));
    look(&range, (float[]){2, 5, NAN, 3}, 4);
    assert_true(range_cut(&range, RANGE_MINMAX, &low, &high));
    assert_true(low == 0 && high == 5); // 0 is always in it
    range_bound(&range, (float[]){-1}, 1);
    assert_true(range_cut(&range, RANGE_MINMAX, &low, &high));
    assert_true(low == -1 && high == 5);
    assert_int_equal(range.seen, 8);
    range_done(&range);
}

// Many small ones of both signs and one far out.
static void test_cuts(void **state)
{
    (void)state;
    static float values[100000];
    struct range range = RANGE_INIT;
    for (size_t i = 0; i < 99999; i++) {
        values[i] = sinf((float)i) * (float)(i % 100) / 100;
    }
    values[99999] = 100;
    look(&range, values, 100000);
    for (int method = RANGE_PERCENTILE; method < RANGE_METHODS; method++) {
        float low = 0, high = 0;
        assert_true(range_cut(&range, (enum range_method)method, &low, &high));
        assert_true(high < 50 && high > 0.5f);
        assert_true(low > -1.01f && low < -0.4f);
    }
    range_done(&range);
}

// What Relu leaves: zeros are exact in any range and must not draw it to them.
static void test_zeros(void **state)
{
    (void)state;
    static float values[20000];
    struct range range = RANGE_INIT;
    for (size_t i = 0; i < 1000; i++) {
        values[i] = (float)(i + 1) / 1000;
    }
    look(&range, values, 20000);
    for (int method = 0; method < RANGE_METHODS; method++) {
        float low = 0, high = 0;
        assert_true(range_cut(&range, (enum range_method)method, &low, &high));
        assert_true(low == 0 && high > 0.8f && high <= 1);
    }
    range_done(&range);
}

static void test_scales(void **state)
{
    (void)state;
    struct range range = RANGE_INIT, zeros = RANGE_INIT;
    range_bound(&range, (float[]){0, 6}, 2);
    struct qdq_scale scale = qdq_scale_of(&range, RANGE_MINMAX);
    assert_int_equal(scale.zero, 0);
    assert_true(scale.scale * 255 <= 6 && scale.scale * 255 > 5.999f);
    range_bound(&range, (float[]){-6}, 1);
    scale = qdq_scale_of(&range, RANGE_MINMAX);
    assert_true(scale.zero == 127 || scale.zero == 128);
    range_bound(&zeros, (float[]){0, 0}, 2);
    scale = qdq_scale_of(&zeros, RANGE_MINMAX);
    assert_true(scale.scale == 1 && scale.zero == 0);
    range_done(&range);
    range_done(&zeros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_zeros),
        cmocka_unit_test(test_scales),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
