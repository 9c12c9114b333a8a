// SPDX-License-Identifier: Apache-2.0
// Tensor types: names, shapes, and single elements of every type there and back.
#include "engine/tensor.h"
#include "base/mem.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void types_have_names(void **state)
{
    (void)state;
    assert_int_equal(tensor_type_of(STR("float32")), TENSOR_FLOAT32);
    assert_int_equal(tensor_type_of(STR("FP16")), TENSOR_FLOAT16);
    assert_int_equal(tensor_type_of(STR("i8")), TENSOR_INT64);
    assert_int_equal(tensor_type_of(STR("INT8")), TENSOR_INT8);
    assert_int_equal(tensor_type_of(STR("complex")), TENSOR_NONE);
    assert_int_equal(tensor_type_of(STR("")), TENSOR_NONE);
    assert_string_equal(tensor_type_name(TENSOR_BOOL), "bool");
    assert_string_equal(tensor_type_name((enum tensor_type)99), "unknown");
    assert_int_equal(tensor_type_size((enum tensor_type)99), 0);
    assert_null(tensor_type_numpy(TENSOR_BFLOAT16));
}

static void shapes_are_counted(void **state)
{
    (void)state;
    char text[TENSOR_SHAPE_TEXT_MAX];
    assert_int_equal(tensor_elements((int64_t[]){2, 3, 4}, 3), 24);
    assert_int_equal(tensor_elements(NULL, 0), 1);
    assert_int_equal(tensor_elements((int64_t[]){5, 0}, 2), 0);
    assert_int_equal(tensor_elements((int64_t[]){-1, 2}, 2), -1);
    assert_int_equal(tensor_elements((int64_t[]){INT64_MAX, 2}, 2), -1);
    assert_int_equal(tensor_elements((int64_t[]){1 << 20, 1 << 20}, 2), -1);
    assert_string_equal(tensor_shape_text((int64_t[]){-1, 3}, 2, text), "[?,3]");
    assert_string_equal(tensor_shape_text(NULL, 0, text), "[]");
}

static void elements_come_back(void **state)
{
    (void)state;
    static const enum tensor_type types[] = {TENSOR_FLOAT32,  TENSOR_FLOAT64, TENSOR_FLOAT16,
                                             TENSOR_BFLOAT16, TENSOR_UINT8,   TENSOR_INT8,
                                             TENSOR_UINT16,   TENSOR_INT16,   TENSOR_UINT32,
                                             TENSOR_INT32,    TENSOR_UINT64,  TENSOR_INT64};
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        char room[16] = {0};
        struct tensor t = {.type = types[i],
                           .rank = 1,
                           .dims = {2},
                           .data = room,
                           .size = 2 * tensor_type_size(types[i])};
        tensor_set(&t, 1, 100);
        assert_true(tensor_get(&t, 1) == 100);
        assert_true(tensor_get(&t, 0) == 0);
        tensor_set(&t, 0, 1e30); // held to what the type can hold
        assert_true(tensor_get(&t, 0) >= 127);
        tensor_set(&t, 0, NAN);
        double back = tensor_get(&t, 0);
        assert_true(isnan(back) || back == 0);
    }
}

static void every_half_comes_back(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 65536; bits++) {
        uint16_t half = (uint16_t)bits, again = 0;
        struct tensor t = {
            .type = TENSOR_FLOAT16, .rank = 1, .dims = {1}, .data = &half, .size = 2};
        double value = tensor_get(&t, 0);
        t.data = &again;
        tensor_set(&t, 0, value);
        assert_true(again == half || (isnan(value) && isnan(tensor_get(&t, 0))));
    }
}

static void halves_are_rounded_to_even(void **state)
{
    (void)state;
    static const struct {
        double value, want;
    } cases[] = {
        {1, 1},
        {-2.5, -2.5},
        {65504, 65504},
        {65519, 65504},
        {65520, INFINITY},
        {1e-8, 0},
        {6e-8, 5.9604644775390625e-8},
        {2049, 2048},
        {2051, 2052},
        {0.1, 0.0999755859375},
        {6.103515625e-05, 6.103515625e-05},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint16_t half = 0;
        struct tensor t = {
            .type = TENSOR_FLOAT16, .rank = 1, .dims = {1}, .data = &half, .size = 2};
        tensor_set(&t, 0, cases[i].value);
        assert_true(tensor_get(&t, 0) == cases[i].want);
    }
}

static void many_are_read_at_once(void **state)
{
    (void)state;
    int8_t values[4] = {1, -2, 3, -4};
    float out[2] = {0};
    struct tensor t = {.type = TENSOR_INT8, .rank = 1, .dims = {4}, .data = values, .size = 4};
    tensor_floats(&t, 1, 2, out);
    assert_true(out[0] == -2 && out[1] == 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_have_names),           cmocka_unit_test(shapes_are_counted),
        cmocka_unit_test(elements_come_back),         cmocka_unit_test(every_half_comes_back),
        cmocka_unit_test(halves_are_rounded_to_even), cmocka_unit_test(many_are_read_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
