// SPDX-License-Identifier: Apache-2.0
// Tensors between JSON and bytes: there and back, and sizes that lie.
#include "api/tensor_binary.h"
#include "base/mem.h"
#include "format/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void there_and_back(void **state)
{
    (void)state;
    static const char *const tensors[] = {
        "{\"name\":\"a\",\"datatype\":\"FP32\",\"shape\":[2,2],\"data\":[1.5,-2.0,0.25,1024.0]}",
        "{\"name\":\"a\",\"datatype\":\"FP64\",\"shape\":[1],\"data\":[0.1]}",
        "{\"name\":\"a\",\"datatype\":\"FP16\",\"shape\":[3],\"data\":[-0.5,65504.0,0.0]}",
        "{\"name\":\"a\",\"datatype\":\"INT64\",\"shape\":[2],\"data\":[-9223372036854775807,1]}",
        "{\"name\":\"a\",\"datatype\":\"INT8\",\"shape\":[3],\"data\":[-128,127,-1]}",
        "{\"name\":\"a\",\"datatype\":\"UINT8\",\"shape\":[2],\"data\":[0,255]}",
        "{\"name\":\"a\",\"datatype\":\"BOOL\",\"shape\":[2],\"data\":[true,false]}",
        "{\"name\":\"a\",\"datatype\":\"BYTES\",\"shape\":[2],\"data\":[\"ab\",\"\"]}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(tensors); i++) {
        struct err err = {0};
        CLEAN_JSON json_t *want = NULL;
        CLEAN_JSON json_t *got = NULL;
        assert_int_equal(json_parse(str_of(tensors[i]), &want, &err), 0);
        got = json_deep_copy(want);
        CLEAN(buf_done) struct buf raw = BUF_INIT(1024);
        assert_int_equal(tensor_binary_out(got, &raw, &err), 0);
        assert_null(json_object_get(got, "data"));
        CLEAN_JSON json_t *inputs = json_pack("[O]", got);
        assert_int_equal(tensor_binary_in(inputs, buf_str(&raw), &err), 0);
        if (!json_equal(got, want)) {
            char *text = json_dumps(got, 0);
            fail_msg("%s became %s", tensors[i], text);
        }
    }
}

static void lies_are_refused(void **state)
{
    (void)state;
    static const char *const tensors[] = {
        "[{\"name\":\"a\",\"datatype\":\"FP32\",\"shape\":[2],"
        "\"parameters\":{\"binary_data_size\":4}}]",
        "[{\"name\":\"a\",\"datatype\":\"FP32\",\"shape\":[1],"
        "\"parameters\":{\"binary_data_size\":400}}]",
        "[{\"name\":\"a\",\"datatype\":\"FP32\",\"shape\":[-1],"
        "\"parameters\":{\"binary_data_size\":4}}]",
        "[{\"name\":\"a\",\"datatype\":\"FP33\",\"shape\":[1],"
        "\"parameters\":{\"binary_data_size\":4}}]",
        "[{\"name\":\"a\",\"datatype\":\"BYTES\",\"shape\":[1],"
        "\"parameters\":{\"binary_data_size\":4}}]",
        "[{\"name\":\"a\",\"datatype\":\"FP32\",\"shape\":[4294967296,4294967296],"
        "\"parameters\":{\"binary_data_size\":4}}]",
        "[]",
    };
    for (size_t i = 0; i < ARRAY_SIZE(tensors); i++) {
        struct err err = {0};
        CLEAN_JSON json_t *inputs = NULL;
        assert_int_equal(json_parse(str_of(tensors[i]), &inputs, &err), 0);
        assert_int_equal(tensor_binary_in(inputs, str_n("\1\0\0\0", 4), &err), ERR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(lies_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
