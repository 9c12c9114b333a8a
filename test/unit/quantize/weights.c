// SPDX-License-Identifier: Apache-2.0
// Weights: read in every form they may have, and rounded with a scale for each channel.
#include "graphs.h"
#include "quantize/float16.h"
#include "quantize/weights.h"

#include <math.h>

static void assert_floats(const Onnx__TensorProto *tensor, const float *want, size_t count)
{
    struct err err = {0};
    CLEAN_MEM float *floats = NULL;
    assert_ok(weight_floats(tensor, &floats, &err), err);
    for (size_t i = 0; i < count; i++) {
        assert_true(floats[i] == want[i]);
    }
}

static void test_forms(void **state)
{
    (void)state;
    float values[] = {1, -2, 0.5f};
    uint16_t halves[] = {0x3c00, 0xc000, 0x3800};
    int32_t wide[] = {0x3c00, 0xc000, 0x3800};
    int64_t dims[] = {3};
    Onnx__TensorProto tensor;
    onnx__tensor_proto__init(&tensor);
    tensor.n_dims = 1;
    tensor.dims = dims;
    tensor.data_type = ONNX_FLOAT;
    tensor.n_float_data = 3;
    tensor.float_data = values;
    assert_floats(&tensor, values, 3);
    tensor.has_raw_data = true;
    tensor.raw_data.data = (uint8_t *)values;
    tensor.raw_data.len = sizeof values;
    assert_floats(&tensor, values, 3);
    tensor.data_type = ONNX_FLOAT16;
    tensor.raw_data.data = (uint8_t *)halves;
    tensor.raw_data.len = sizeof halves;
    assert_floats(&tensor, values, 3);
    tensor.has_raw_data = false;
    tensor.n_int32_data = 3;
    tensor.int32_data = wide;
    assert_floats(&tensor, values, 3);
}

static void assert_bad(const Onnx__TensorProto *tensor, int code)
{
    struct err err = {0};
    float *floats = NULL;
    assert_int_equal(weight_floats(tensor, &floats, &err), code);
    assert_null(floats);
}

static void test_lies(void **state)
{
    (void)state;
    float values[4] = {0};
    int64_t dims[] = {5, 1};
    Onnx__TensorProto tensor;
    onnx__tensor_proto__init(&tensor);
    tensor.n_dims = 2;
    tensor.dims = dims;
    tensor.data_type = ONNX_FLOAT;
    tensor.has_raw_data = true;
    tensor.raw_data.data = (uint8_t *)values;
    tensor.raw_data.len = sizeof values;
    assert_bad(&tensor, ERR_INVALID);
    dims[0] = -4;
    assert_bad(&tensor, ERR_INVALID);
    dims[0] = dims[1] = INT64_C(1) << 31;
    assert_int_equal(weight_elements(&tensor), -1);
    assert_bad(&tensor, ERR_INVALID);
    dims[0] = dims[1] = 2;
    tensor.data_type = ONNX_DOUBLE;
    assert_bad(&tensor, ERR_UNSUPPORTED);
}

static void test_channels(void **state)
{
    (void)state;
    // Two columns of very different size, and one of zeros.
    const float values[] = {1, 100, 0, -2, 50, 0, 0.5f, NAN, 0};
    struct channels channels = {.outer = 3, .count = 3, .inner = 1};
    int8_t q[9];
    float scales[3];
    weight_quantize(values, &channels, 127, NULL, q, scales);
    assert_int_equal(q[3], -127);
    assert_int_equal(q[1], 127);
    assert_int_equal(q[0], 64); // 63.5, to even
    assert_true(scales[2] == 1 && q[2] == 0);
    for (size_t i = 0; i < 7; i++) {
        float back = q[i] * scales[i % 3];
        assert_true(fabsf(back - values[i]) <= scales[i % 3] / 2 * 1.001f);
    }
    float least[] = {1, 0, 0};
    weight_quantize(values, &channels, 64, least, q, scales);
    assert_true(scales[0] == 1 && q[3] == -2); // not finer than asked
    assert_int_equal(q[1], 64);
}

static void test_transpose(void **state)
{
    (void)state;
    const float values[] = {1, 2, 3, 4, 5, 6};
    CLEAN_MEM float *turned = weight_transpose(values, 2, 3);
    const float want[] = {1, 4, 2, 5, 3, 6};
    assert_memory_equal(turned, want, sizeof want);
}

static void test_widen(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(graph_done) struct graph graph = {0};
    graph_empty(&graph, 13);
    int64_t dims[] = {2};
    uint16_t *halves = weight_new(&graph, "w", ONNX_FLOAT16, dims, 1, 4);
    halves[0] = halves[1] = 0x3c00;
    add(&graph, "Add", "x w", "a");
    node_set_int(&graph, add(&graph, "Cast", "a", "y"), "to", ONNX_FLOAT16);
    assert_true(float16_is_in(&graph));
    assert_ok(float16_widen(&graph, &err), err);
    assert_false(float16_is_in(&graph));
    assert_int_equal(weight_of(&graph, "w")->data_type, ONNX_FLOAT);
    assert_int_equal(weight_of(&graph, "w")->raw_data.len, 8);
    assert_int_equal(node_int(made_by(&graph, "y"), "to", 0), ONNX_FLOAT);
}

static void test_here(void **state)
{
    (void)state;
    int most = weight_most_here();
    assert_true(most == 64 || most == 127);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),    cmocka_unit_test(test_lies),
        cmocka_unit_test(test_channels), cmocka_unit_test(test_transpose),
        cmocka_unit_test(test_widen),    cmocka_unit_test(test_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
