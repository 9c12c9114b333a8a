// SPDX-License-Identifier: Apache-2.0
// The inference protocol in the runner: tensors of bytes there and back, sizes that lie, and payloads
// for tasks that have no tensors.
#include "runner/protocol.h"
#include "base/mem.h"
#include "format/json.h"
#include "format/tensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

// A request of JSON and bytes.
static struct buf request_of(const char *json, struct str raw)
{
    struct buf out = BUF_INIT(4096);
    char mark[TENSORS_MARK_SIZE];
    tensors_mark(mark, (uint32_t)strlen(json));
    buf_add(&out, mark, sizeof mark);
    buf_add_text(&out, json);
    buf_add_str(&out, raw);
    return out;
}

static int first_tensor(const char *json, struct str raw, enum tensor_type type, struct tensor *ret,
                        struct err *err)
{
    CLEAN(buf_done) struct buf bytes = request_of(json, raw);
    CLEAN(protocol_done) struct protocol protocol = {0};
    struct protocol_walk walk = {0};
    const json_t *input = NULL;
    struct str own;
    TRY(protocol_open(buf_str(&bytes), &protocol, err));
    TRY(protocol_next(&protocol, &walk, &input, &own, err));
    TRY(protocol_tensor(input, own, type, ret, err));
    int rc = protocol_next(&protocol, &walk, &input, &own, err);
    if (rc < 0) {
        free(ret->data);
    }
    return rc;
}

#define INPUT(type, shape, size)                                                                   \
    "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"" type "\",\"shape\":" shape                      \
    ",\"parameters\":{\"binary_data_size\":" size "}}]}"

static void numbers_are_taken_as_they_are(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        enum tensor_type type;
        size_t size;
    } rows[] = {
        {INPUT("FP32", "[2,1]", "8"), TENSOR_FLOAT32, 8},
        {INPUT("FP16", "[4]", "8"), TENSOR_FLOAT16, 8},
        {INPUT("BF16", "[2,2]", "8"), TENSOR_BFLOAT16, 8},
        {INPUT("INT64", "[1]", "8"), TENSOR_INT64, 8},
        {INPUT("UINT8", "[8]", "8"), TENSOR_UINT8, 8},
        {INPUT("FP64", "[]", "8"), TENSOR_FLOAT64, 8},
        {INPUT("FP64", "[0,3]", "0"), TENSOR_FLOAT64, 0},
    };
    static const char raw[8] = {1, 2, 3, -4, 5, 6, 7, 8};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct tensor t;
        struct err err = {0};
        struct str bytes = str_n(raw, rows[i].size);
        assert_int_equal(first_tensor(rows[i].json, bytes, rows[i].type, &t, &err), 0);
        assert_int_equal(t.size, rows[i].size);
        assert_memory_equal(t.data, raw, rows[i].size);
        free(t.data);
    }
}

static void any_truth_is_one(void **state)
{
    (void)state;
    struct tensor t;
    struct err err = {0};
    assert_int_equal(first_tensor(INPUT("BOOL", "[3]", "3"), STR("\0\2\1"), TENSOR_BOOL, &t, &err),
                     0);
    assert_memory_equal(t.data, "\0\1\1", 3);
    free(t.data);
}

static void texts_have_their_sizes(void **state)
{
    (void)state;
    struct tensor t;
    struct err err = {0};
    struct str raw = STR("\2\0\0\0ab\0\0\0\0\3\0\0\0xyz");
    assert_int_equal(first_tensor(INPUT("BYTES", "[3]", "17"), raw, TENSOR_STRING, &t, &err), 0);
    const struct str *texts = t.data;
    assert_int_equal(t.size, 3 * sizeof *texts);
    assert_string_equal(texts[0].at, "ab");
    assert_string_equal(texts[1].at, "");
    assert_string_equal(texts[2].at, "xyz");
    free(t.data);
}

static void lies_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        enum tensor_type type;
        const char *words;
    } rows[] = {
        {INPUT("FP32", "[2]", "4"), TENSOR_FLOAT32, "has 4 bytes"},
        {INPUT("FP32", "[1]", "5"), TENSOR_FLOAT32, "bytes are left"},
        {INPUT("FP32", "[1]", "-1"), TENSOR_FLOAT32, "binary_data_size"},
        {INPUT("FP32", "[1]", "\"4\""), TENSOR_FLOAT32, "binary_data_size"},
        {INPUT("INT32", "[1]", "4"), TENSOR_FLOAT32, "FP32"},
        {INPUT("FP32", "[-1]", "4"), TENSOR_FLOAT32, "shape"},
        {INPUT("FP32", "[4294967296,4294967296]", "4"), TENSOR_FLOAT32, "too large"},
        {INPUT("UINT8", "[3]", "3"), TENSOR_UINT8, "belong to no input"},
        {INPUT("BYTES", "[1]", "4"), TENSOR_STRING, "not all there"},
        {INPUT("BYTES", "[100]", "4"), TENSOR_STRING, "not 100 elements"},
        {INPUT("BYTES", "[0]", "4"), TENSOR_STRING, "are left"},
        {"{\"inputs\":{}}", TENSOR_FLOAT32, "list"},
        {"[]", TENSOR_FLOAT32, "object"},
        {"{\"inputs\":[{\"name\":\"x\",\"parameters\":{\"shared_memory_region\":\"r\"}}]}",
         TENSOR_FLOAT32, "not supported"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct tensor t;
        struct err err = {0};
        int rc = first_tensor(rows[i].json, STR("\1\0\0\0"), rows[i].type, &t, &err);
        assert_int_equal(rc, ERR_INVALID);
        if (!strstr(err.text, rows[i].words)) {
            fail_msg("%s: %s", rows[i].json, err.text);
        }
    }
    struct str json, raw;
    struct err err = {0};
    assert_int_equal(tensors_cut(STR("\x93TENSORS\1\0\0\0"), &json, &raw, &err), ERR_INVALID);
    assert_int_equal(tensors_cut(STR("{\"inputs\":[]}"), &json, &raw, &err), ERR_INVALID);
}

static struct buf answer_to(const char *json, const struct tensor *outputs)
{
    struct engine_value values[2] = {{.name = (char *)(uintptr_t) "y"},
                                     {.name = (char *)(uintptr_t) "t"}};
    struct model model = {.outputs = values, .output_count = 2};
    CLEAN(buf_done) struct buf bytes = request_of(json, STR(""));
    CLEAN(protocol_done) struct protocol protocol = {0};
    struct err err = {0};
    struct buf out = BUF_INIT(4096);
    if (protocol_open(buf_str(&bytes), &protocol, &err) < 0 ||
        protocol_check(&protocol, &model, &err) < 0) {
        buf_add_text(&out, err.text);
    } else {
        protocol_answer(&protocol, &model, outputs, &out);
    }
    return out;
}

static void outputs_come_in_the_form_asked_for(void **state)
{
    (void)state;
    float number = 1.5f;
    struct str text = STR("hi");
    const struct tensor outputs[2] = {
        {.type = TENSOR_FLOAT32, .rank = 1, .dims = {1}, .data = &number, .size = 4},
        {.type = TENSOR_STRING, .rank = 1, .dims = {1}, .data = &text, .size = sizeof text},
    };
    static const struct {
        const char *json, *want;
        struct str raw;
    } rows[] = {
        {"{\"inputs\":[]}",
         "{\"outputs\":[{\"name\":\"y\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1.5]},"
         "{\"name\":\"t\",\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[\"hi\"]}]}",
         STR("")},
        {"{\"id\":\"7\",\"inputs\":[],\"parameters\":{\"binary_data_output\":true}}",
         "{\"id\":\"7\",\"outputs\":[{\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[1],"
         "\"parameters\":{\"binary_data_size\":4}},{\"name\":\"t\",\"datatype\":\"BYTES\","
         "\"shape\":[1],\"parameters\":{\"binary_data_size\":6}}]}",
         STR("\0\0\xc0\x3f\2\0\0\0hi")},
        {"{\"inputs\":[],\"outputs\":[{\"name\":\"t\",\"parameters\":{\"binary_data\":true}}]}",
         "{\"outputs\":[{\"name\":\"t\",\"datatype\":\"BYTES\",\"shape\":[1],"
         "\"parameters\":{\"binary_data_size\":6}}]}",
         STR("\2\0\0\0hi")},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEAN(buf_done) struct buf out = answer_to(rows[i].json, outputs);
        struct str json, raw;
        struct err err = {0};
        assert_int_equal(tensors_cut(buf_str(&out), &json, &raw, &err), 0);
        CLEAN_MEM char *got = str_dup(json);
        assert_string_equal(got, rows[i].want);
        assert_int_equal(raw.size, rows[i].raw.size);
        assert_memory_equal(raw.at, rows[i].raw.at, raw.size);
    }
    CLEAN(buf_done)
    struct buf out = answer_to("{\"inputs\":[],\"outputs\":[{\"name\":\"z\"}]}", outputs);
    assert_string_equal(buf_text(&out), "the model has no output \"z\"");
    CLEAN(buf_done)
    struct buf other = answer_to(
        "{\"inputs\":[],\"outputs\":[{\"name\":\"y\",\"parameters\":{\"classification\":3}}]}",
        outputs);
    assert_non_null(strstr(buf_text(&other), "not supported"));
}

static void payloads_are_one_element(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        struct str raw;
        const char *want; // NULL: refused
    } rows[] = {
        {INPUT("BYTES", "[1]", "6"), STR("\2\0\0\0hi"), "hi"},
        {"{\"inputs\":[{\"name\":\"p\",\"datatype\":\"BYTES\",\"shape\":[1],\"data\":[\"hi\"]}]}",
         STR(""), "hi"},
        {INPUT("BYTES", "[2]", "10"), STR("\2\0\0\0hi\0\0\0\0"), NULL},
        {INPUT("FP32", "[1]", "4"), STR("\0\0\0\0"), NULL},
        {INPUT("BYTES", "[1]", "6"), STR("\2\0\0\0hix"), NULL},
        {"{\"inputs\":[]}", STR(""), NULL},
        {"{\"inputs\":[{\"name\":\"p\",\"datatype\":\"BYTES\",\"data\":[7]}]}", STR(""), NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEAN(buf_done) struct buf bytes = request_of(rows[i].json, rows[i].raw);
        CLEAN(protocol_done) struct protocol protocol = {0};
        struct err err = {0};
        struct str payload = {0};
        assert_int_equal(protocol_open(buf_str(&bytes), &protocol, &err), 0);
        int rc = protocol_payload(&protocol, &payload, &err);
        assert_int_equal(rc, rows[i].want ? 0 : ERR_INVALID);
        if (rows[i].want) {
            assert_true(str_eq(payload, str_of(rows[i].want)));
            CLEAN(buf_done) struct buf out = BUF_INIT(4096);
            protocol_wrap(&protocol, STR("yes"), &out);
            assert_non_null(strstr(out.at + TENSORS_MARK_SIZE, "\"data\":[\"yes\"]"));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_taken_as_they_are),
        cmocka_unit_test(any_truth_is_one),
        cmocka_unit_test(texts_have_their_sizes),
        cmocka_unit_test(lies_are_refused),
        cmocka_unit_test(outputs_come_in_the_form_asked_for),
        cmocka_unit_test(payloads_are_one_element),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
