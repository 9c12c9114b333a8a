// SPDX-License-Identifier: Apache-2.0
// Tensors as JSON and as numpy's files: what is written is read back the same, and what is crooked
// is refused.
#include "base/mem.h"
#include "format/json.h"
#include "runner/npy.h"
#include "runner/tensor_json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int from_text(const char *text, enum tensor_type type, struct tensor *ret, struct err *err)
{
    CLEAN_JSON json_t *json = NULL;
    assert_int_equal(json_parse(str_of(text), &json, err), 0);
    return tensor_from_json(json, type, ret, err);
}

static void nested_lists_have_a_shape(void **state)
{
    (void)state;
    struct tensor t;
    struct err err = {0};
    assert_int_equal(from_text("[[[1,2],[3,4],[5,6]]]", TENSOR_INT16, &t, &err), 0);
    assert_int_equal(t.rank, 3);
    assert_true(t.dims[0] == 1 && t.dims[1] == 3 && t.dims[2] == 2);
    assert_int_equal(t.size, 12);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(((int16_t *)t.data)[i], i + 1);
    }
    free(t.data);
    assert_int_equal(from_text("7", TENSOR_FLOAT32, &t, &err), 0);
    assert_int_equal(t.rank, 0);
    free(t.data);
    assert_int_equal(from_text("[]", TENSOR_FLOAT32, &t, &err), 0);
    assert_true(t.rank == 1 && t.dims[0] == 0 && t.size == 0);
    free(t.data);
}

static void given_shapes_take_flat_or_nested_data(void **state)
{
    (void)state;
    struct tensor t;
    struct err err = {0};
    static const char *const same[] = {
        "{\"shape\":[2,2],\"data\":[1,2,3,4]}",
        "{\"shape\":[2,2],\"data\":[[1,2],[3,4]],\"datatype\":\"UINT8\"}",
        "[[1,2],[3,4]]",
    };
    for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
        assert_int_equal(from_text(same[i], TENSOR_UINT8, &t, &err), 0);
        assert_int_equal(t.rank, 2);
        assert_memory_equal(t.data, "\1\2\3\4", 4);
        free(t.data);
    }
}

static void crooked_tensors_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "[[1],[2,3]]",
        "[[1,2],3]",
        "[[1],[[2]]]",
        "[null]",
        "[\"1\"]",
        "{}",
        "{\"shape\":[1]}",
        "{\"data\":[1]}",
        "{\"shape\":1,\"data\":[1]}",
        "{\"shape\":[1.5],\"data\":[1]}",
        "{\"shape\":[2],\"data\":[1]}",
        "{\"shape\":[1],\"data\":[1,2]}",
        "{\"shape\":[0],\"data\":[1]}",
        "{\"shape\":[1,2],\"data\":[[1],[2]]}",
        "{\"shape\":[4294967296,4294967296],\"data\":[]}",
        "[[[[[[[[[1]]]]]]]]]",
        "{\"a\":1}",
        "{\"shape\":[1,1,1,1,1,1,1,1,1],\"data\":[1]}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct tensor t = {0};
        struct err err = {0};
        int rc = from_text(bad[i], TENSOR_FLOAT32, &t, &err);
        if (rc != ERR_INVALID && rc != ERR_LIMIT) {
            fail_msg("%s: %d", bad[i], rc);
        }
        assert_string_equal(err.aws, "InvalidRequest");
        assert_null(t.data);
    }
}

static void numbers_are_held_to_their_type(void **state)
{
    (void)state;
    struct tensor t;
    struct err err = {0};
    assert_int_equal(from_text("[300, -5, 1.6, true]", TENSOR_UINT8, &t, &err), 0);
    assert_memory_equal(t.data, "\xff\0\2\1", 4);
    free(t.data);
    assert_int_equal(from_text("[1e300]", TENSOR_INT64, &t, &err), 0);
    assert_true(*(int64_t *)t.data > INT64_MAX / 2);
    free(t.data);
}

static void answers_are_json(void **state)
{
    (void)state;
    float values[] = {0.1f, -1e-20f, NAN, INFINITY, 16777216};
    struct tensor t = {
        .type = TENSOR_FLOAT32, .rank = 1, .dims = {5}, .data = values, .size = sizeof(values)};
    CLEAN(buf_done) struct buf out = BUF_INIT(4096);
    tensor_to_json(&t, "a\"b", &out);
    assert_string_equal(buf_text(&out), "{\"name\":\"a\\\"b\",\"shape\":[5],\"datatype\":\"FP32\","
                                        "\"data\":[0.1,-1e-20,null,null,16777216]}");
    CLEAN_JSON json_t *json = NULL;
    struct err err = {0};
    assert_int_equal(json_parse(buf_str(&out), &json, &err), 0);
}

static void floats_come_back_the_same(void **state)
{
    (void)state;
    uint32_t bits = 12345;
    for (int i = 0; i < 2000; i++) {
        bits = bits * 1664525u + 1013904223u;
        float value;
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value)) {
            continue;
        }
        struct tensor t = {.type = TENSOR_FLOAT32,
                           .rank = 1,
                           .dims = {1},
                           .data = &value,
                           .size = 4},
                      back;
        CLEAN(buf_done) struct buf out = BUF_INIT(4096);
        struct err err = {0};
        tensor_to_json(&t, NULL, &out);
        assert_int_equal(from_text(buf_text(&out), TENSOR_FLOAT32, &back, &err), 0);
        assert_memory_equal(back.data, &value, 4);
        free(back.data);
    }
}

static void arrays_come_back_the_same(void **state)
{
    (void)state;
    int16_t values[6] = {1, -2, 3, -4, 5, -6};
    struct tensor t = {.type = TENSOR_INT16,
                       .rank = 2,
                       .dims = {2, 3},
                       .data = values,
                       .size = sizeof(values)},
                  back;
    for (size_t rank = 0; rank <= 2; rank++) {
        t.rank = rank;
        t.size = (rank == 0 ? 1 : rank == 1 ? 2 : 6) * sizeof(int16_t);
        CLEAN(buf_done) struct buf out = BUF_INIT(4096);
        struct err err = {0};
        assert_int_equal(npy_write(&t, &out, &err), 0);
        assert_int_equal((out.size - t.size) % 64, 0);
        assert_true(npy_is(buf_str(&out)));
        assert_int_equal(npy_read(buf_str(&out), &back, &err), 0);
        assert_true(back.type == TENSOR_INT16 && back.rank == rank && back.size == t.size);
        assert_memory_equal(back.data, values, t.size);
        for (size_t size = 0; size < out.size; size++) { // every shorter one is refused
            assert_true(npy_read(str_n(out.at, size), &back, &err) < 0);
        }
    }
}

static void crooked_arrays_are_refused(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }",
        "{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999,9999999999), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 1, }",
        "{'descr': '<f4', 'fortran_order': False, }",
        "{'shape': (1,)",
        "",
        "'descr':",
        "'shape':",
    };
    for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
        CLEAN(buf_done) struct buf npy = BUF_INIT(4096);
        struct err err = {0};
        struct tensor t;
        size_t size = strlen(headers[i]);
        buf_add(&npy, "\x93NUMPY\1\0", 8);
        buf_add(&npy, (char[]){(char)size, 0}, 2);
        buf_add_text(&npy, headers[i]);
        buf_add(&npy, "\0\0\0\0", 4);
        int rc = npy_read(buf_str(&npy), &t, &err);
        if (rc >= 0) {
            fail_msg("%s", headers[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested_lists_have_a_shape),
        cmocka_unit_test(given_shapes_take_flat_or_nested_data),
        cmocka_unit_test(crooked_tensors_are_refused),
        cmocka_unit_test(numbers_are_held_to_their_type),
        cmocka_unit_test(answers_are_json),
        cmocka_unit_test(floats_come_back_the_same),
        cmocka_unit_test(arrays_come_back_the_same),
        cmocka_unit_test(crooked_arrays_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
