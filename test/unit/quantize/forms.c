// SPDX-License-Identifier: Apache-2.0
// The quantized forms of small graphs: which operators become which, and what stays as it is. That they
// compute the same is for the tests that have an engine.
#include "graphs.h"
#include "base/map.h"
#include "format/json.h"
#include "quantize/dynamic.h"
#include "quantize/report.h"
#include "quantize/static.h"
#include "quantize/tidy.h"
#include "quantize/upgrade.h"

static int64_t counted(const json_t *report, const char *path)
{
    return json_integer_value(json_at(report, path));
}

// ---- dynamic ----

static void test_dynamic(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(graph_done) struct graph graph = {0};
    CLEAN_JSON json_t *report = report_new();
    graph_empty(&graph, 13);
    weight(&graph, "w1", 64, 32, 0, 0);
    weight(&graph, "w2", 64, 32, 0, 0);
    weight(&graph, "small", 4, 4, 0, 0);
    add(&graph, "MatMul", "x w1", "a");
    add(&graph, "MatMul", "x w2", "b");
    add(&graph, "MatMul", "a b", "c");
    add(&graph, "MatMul", "c small", "y");
    graph_add_output(&graph, "y");
    assert_ok(dynamic_quantize(&graph, 64, report, &err), err);
    assert_int_equal(count_ops(&graph, "DynamicQuantizeLinear"), 1); // x is quantized once
    assert_int_equal(count_ops(&graph, "MatMulInteger"), 2);
    assert_int_equal(count_ops(&graph, "MatMul"), 2);
    assert_chain(&graph, "a", "Mul Cast MatMulInteger DynamicQuantizeLinear");
    assert_null(weight_of(&graph, "w1"));
    const Onnx__TensorProto *w1 = weight_of(&graph, "w1_1__s8");
    assert_non_null(w1);
    assert_int_equal(w1->data_type, ONNX_INT8);
    for (size_t i = 0; i < w1->raw_data.len; i++) {
        assert_in_range((int8_t)w1->raw_data.data[i] + 64, 0, 128);
    }
    assert_int_equal(counted(report, "quantized.MatMul"), 2);
    assert_int_equal(counted(report, "float.MatMul"), 2);
    assert_int_equal(json_array_size(json_object_get(report, "left")), 2);
}

static void test_dynamic_gemm_and_table(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(graph_done) struct graph graph = {0};
    CLEAN_JSON json_t *report = report_new();
    graph_empty(&graph, 13);
    weight(&graph, "table", 2048, 64, 0, 0);
    weight(&graph, "w", 32, 64, 0, 0);
    weight(&graph, "bias", 32, 0, 0, 0);
    add(&graph, "Gather", "table ids", "rows");
    node_set_int(&graph, add(&graph, "Gemm", "rows w bias", "y"), "transB", 1);
    graph_add_output(&graph, "y");
    assert_ok(dynamic_quantize(&graph, 127, report, &err), err);
    assert_chain(&graph, "rows", "Mul Cast Gather");
    assert_chain(&graph, "y", "Add Mul Cast MatMulInteger");
    assert_null(weight_of(&graph, "table"));
    const Onnx__TensorProto *w = weight_of(&graph, "w_turned_1__s8");
    assert_non_null(w);
    assert_int_equal(w->dims[0], 64);
    assert_int_equal(w->dims[1], 32);
}

static void test_nothing_dynamic(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(graph_done) struct graph plain = {0}, old = {0};
    CLEAN_JSON json_t *report = report_new();
    graph_empty(&plain, 13);
    add(&plain, "Relu", "x", "y");
    assert_int_equal(dynamic_quantize(&plain, 127, report, &err), ERR_UNSUPPORTED);
    graph_empty(&old, 10);
    assert_int_equal(dynamic_quantize(&old, 127, report, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "11"));
}

// ---- static ----

// x ─ Conv ─ Relu ─ MaxPool ─┬─ Conv ─ Add ─ Relu ─ Conv ─ y
//                            └──────────┘
static void make_net(struct graph *graph)
{
    graph_empty(graph, 13);
    for (size_t i = 0; i < 3; i++) {
        CLEAN_MEM char *name = mem_printf("w%zu", i), *bias = mem_printf("b%zu", i);
        weight(graph, name, 8, 8, 3, 3);
        weight(graph, bias, 8, 0, 0, 0);
    }
    add(graph, "Conv", "x w0 b0", "c0");
    add(graph, "Relu", "c0", "r0");
    add(graph, "MaxPool", "r0", "p0");
    add(graph, "Conv", "p0 w1 b1", "c1");
    add(graph, "Add", "c1 p0", "s1");
    add(graph, "Relu", "s1", "r1");
    add(graph, "Conv", "r1 w2", "c2");
    add(graph, "Softmax", "c2", "y");
    graph_add_output(graph, "y");
}

static void add_range(struct map *ranges, const char *name, float least, float most)
{
    struct range *range = NEW(struct range);
    *range = (struct range){.least = least, .most = most, .seen = 1000};
    map_put(ranges, str_of(name), range);
}

static void ranges_clean(struct map *ranges)
{
    size_t at = 0;
    for (struct range *range; (range = map_next(ranges, &at));) {
        free(range);
    }
    map_done(ranges);
}

static void test_values(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(graph_done) struct graph graph = {0};
    CLEAN_MEM const char **names = NULL;
    size_t count = 0;
    make_net(&graph);
    assert_ok(static_values(&graph, &names, &count, &err), err);
    CLEAN(buf_done) struct buf all = BUF_INIT(1024);
    for (size_t i = 0; i < count; i++) {
        buf_printf(&all, "%s ", names[i]);
    }
    // Not c0 and s1, which Relu follows; not y, which Softmax makes.
    static const char *const wanted[] = {"x ", "r0 ", "p0 ", "c1 ", "r1 ", "c2 "};
    assert_int_equal(count, ARRAY_SIZE(wanted));
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        assert_true(str_find_str(buf_str(&all), str_of(wanted[i])) >= 0);
    }
}

static void test_static(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(graph_done) struct graph graph = {0};
    CLEAN(ranges_clean) struct map ranges = {0};
    CLEAN_JSON json_t *report = report_new();
    struct static_options options = {.most = 64, .ranges = &ranges};
    make_net(&graph);
    add_range(&ranges, "r0", 0, 4);
    add_range(&ranges, "x", -1, 1);
    add_range(&ranges, "c2", -3, 3);
    assert_ok(static_quantize(&graph, &options, report, &err), err);
    assert_int_equal(count_ops(&graph, "QuantizeLinear"), 6);
    assert_chain(&graph, "c2__float",
                 "DequantizeLinear QuantizeLinear Conv DequantizeLinear "
                 "QuantizeLinear Relu Add DequantizeLinear");
    assert_string_equal(made_by(&graph, "y")->input[0], "c2__float");
    // MaxPool only moves bytes: its scale is that of what goes in.
    const float *in = (const float *)weight_of(&graph, "r0__scale")->raw_data.data;
    const float *out = (const float *)weight_of(&graph, "p0__scale")->raw_data.data;
    assert_true(*in == *out);
    assert_true(*in * 255 <= 4 && *in * 255 > 3.99f);
    const Onnx__TensorProto *w0 = weight_of(&graph, "c0__weight__q");
    const Onnx__TensorProto *b0 = weight_of(&graph, "c0__bias__q");
    assert_int_equal(w0->data_type, ONNX_INT8);
    assert_int_equal(b0->data_type, ONNX_INT32);
    assert_int_equal(weight_of(&graph, "c0__weight__scale")->dims[0], 8);
    assert_null(weight_of(&graph, "w0"));
    assert_int_equal(counted(report, "quantized.Conv"), 3);
    assert_int_equal(counted(report, "quantized.Relu"), 2);
    assert_int_equal(counted(report, "float.Softmax"), 1);
}

// What is kept float takes along what only moved its bytes.
static void test_keep(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(graph_done) struct graph graph = {0};
    CLEAN(map_done) struct map keep = {0};
    struct map ranges = {0};
    CLEAN_JSON json_t *report = report_new();
    map_put(&keep, STR("c0"), &keep);
    struct static_options options = {.most = 127, .ranges = &ranges, .keep = &keep};
    make_net(&graph);
    assert_ok(static_quantize(&graph, &options, report, &err), err);
    assert_int_equal(counted(report, "quantized.Conv"), 2);
    assert_int_equal(counted(report, "float.Conv"), 1);
    assert_int_equal(counted(report, "float.MaxPool"), 1);
    assert_chain(&graph, "p0", "MaxPool Relu Conv");
    assert_string_equal(made_by(&graph, "c0")->input[1], "w0");
    assert_non_null(weight_of(&graph, "w0"));
    const char *why = json_string_value(
        json_object_get(json_array_get(json_object_get(report, "left"), 0), "why"));
    assert_non_null(strstr(why, "accuracy"));
}

static void test_left(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(graph_done) struct graph graph = {0}, old = {0};
    struct map ranges = {0};
    CLEAN_JSON json_t *report = report_new();
    struct static_options options = {.most = 127, .ranges = &ranges};
    graph_empty(&graph, 13);
    weight(&graph, "w", 8, 8, 3, 3);
    weight(&graph, "bias", 7, 0, 0, 0);
    add(&graph, "Conv", "x w bias", "a"); // one number too few
    add(&graph, "Conv", "a computed", "b");
    graph_add_output(&graph, "b");
    assert_int_equal(static_quantize(&graph, &options, report, &err), ERR_UNSUPPORTED);
    graph_empty(&old, 12);
    assert_int_equal(static_quantize(&old, &options, report, &err), ERR_UNSUPPORTED);
}

static void test_probe(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(graph_done) struct graph graph = {0};
    CLEAN(ranges_clean) struct map ranges = {0};
    struct static_options options = {.most = 127, .ranges = &ranges};
    struct probe_list list;
    size_t from = 0;
    make_net(&graph);
    assert_ok(static_probe(&graph, &options, &from, &list, &err), err);
    assert_int_equal(list.count, 3);
    assert_int_equal(from, 0);
    assert_string_equal(list.names[1], "c1");
    assert_int_equal(graph.model->graph->n_output, 3);
    assert_chain(&graph, graph.model->graph->output[0]->name, "Div ReduceSumSquare Sub Relu");
}

// ---- before ----

static void test_upgrade(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(graph_done) struct graph graph = {0};
    graph_empty(&graph, 7);
    node_set_int(&graph, add(&graph, "Softmax", "x", "y"), "axis", 1);
    Onnx__NodeProto *squeeze = add(&graph, "Squeeze", "y", "z");
    int64_t axes[] = {0, 2};
    node_set_int(&graph, squeeze, "axes", 0);
    squeeze->attribute[0]->n_ints = 2;
    squeeze->attribute[0]->ints = axes;
    add(&graph, "Dropout", "z", "d");
    assert_ok(upgrade(&graph, &err), err);
    assert_int_equal(graph_opset(&graph, ""), 13);
    assert_chain(&graph, "y", "Reshape Softmax Flatten");
    assert_int_equal(node_int(made_by(&graph, made_by(&graph, "y")->input[0]), "axis", 0), -1);
    assert_int_equal(made_by(&graph, "z")->n_input, 2);
    assert_int_equal(made_by(&graph, "z")->n_attribute, 0);
    assert_int_equal(weight_of(&graph, made_by(&graph, "z")->input[1])->dims[0], 2);
}

static void test_no_upgrade(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(graph_done) struct graph unknown = {0}, ancient = {0}, newer = {0};
    graph_empty(&unknown, 9);
    add(&unknown, "Frobnicate", "x", "y");
    assert_int_equal(upgrade(&unknown, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "Frobnicate"));
    graph_empty(&ancient, 6);
    assert_int_equal(upgrade(&ancient, &err), ERR_UNSUPPORTED);
    graph_empty(&newer, 21);
    add(&newer, "Frobnicate", "x", "y");
    assert_ok(upgrade(&newer, &err), err);
    assert_int_equal(graph_opset(&newer, ""), 21);
}

static void test_tidy(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(graph_done) struct graph graph = {0};
    CLEAN(wiring_done) struct wiring wiring = {0};
    graph_empty(&graph, 13);
    graph_need_opset(&graph, GRAPH_MICROSOFT, 1);
    weight(&graph, "table", 50, 4, 0, 0);
    weight(&graph, "unread", 5, 0, 0, 0);
    add(&graph, "Cast", "ids", "cast");
    add(&graph, "Gather", "table cast", "y");
    graph_add_output(&graph, "y");
    tidy(&graph);
    assert_int_equal(graph_opset(&graph, GRAPH_MICROSOFT), 0);
    assert_ok(wiring_drop_unread(&graph, &err), err);
    assert_null(weight_of(&graph, "unread"));
    assert_false(tidy_is_external(weight_of(&graph, "table")));
    assert_ok(wiring_init(&wiring, &graph, &err), err);
    assert_int_equal(tidy_rows(&wiring, "ids"), 50);
    assert_int_equal(tidy_rows(&wiring, "y"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dynamic),
        cmocka_unit_test(test_dynamic_gemm_and_table),
        cmocka_unit_test(test_nothing_dynamic),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_static),
        cmocka_unit_test(test_keep),
        cmocka_unit_test(test_left),
        cmocka_unit_test(test_probe),
        cmocka_unit_test(test_upgrade),
        cmocka_unit_test(test_no_upgrade),
        cmocka_unit_test(test_tidy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
