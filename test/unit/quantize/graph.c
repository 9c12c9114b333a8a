// SPDX-License-Identifier: Apache-2.0
// Models read and written: what is not known stays, what lies is refused.
#include "graphs.h"
#include "base/buf.h"
#include "base/file.h"
#include "quantize/wiring.h"

#include <unistd.h>

static void test_round_trip(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(graph_done) struct graph graph = {0}, again = {0};
    // A field 200 that no schema knows, then graph and opset.
    char bytes[] = "\x08\x08\xc2\x0c\x03"
                   "new\x3a\x05\x12\x03"
                   "abc\x42\x02\x10\x0d";
    assert_ok(graph_read(str_n(bytes, sizeof bytes - 1), &graph, &err), err);
    assert_string_equal(graph.model->graph->name, "abc");
    add(&graph, "Relu", "x", "y");
    graph_add_output(&graph, "y");
    char path[] = "/tmp/test_quantize_XXXXXX";
    close(mkstemp(path));
    assert_ok(graph_write(&graph, path, &err), err);
    CLEAN(buf_done) struct buf file = BUF_INIT(4096);
    assert_ok(file_read(path, &file, &err), err);
    unlink(path);
    assert_true(str_find_str(buf_str(&file), STR("\xc2\x0c\x03new")) >= 0);
    assert_ok(graph_read(buf_str(&file), &again, &err), err);
    assert_int_equal(again.model->graph->n_node, 1);
    assert_int_equal(graph_opset(&again, ""), 13);
    assert_int_equal(graph_opset(&again, GRAPH_MICROSOFT), 0);
}

static void test_write_fails(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(graph_done) struct graph graph = {0};
    graph_empty(&graph, 13);
    assert_int_equal(graph_write(&graph, "/nonexistent/model.onnx", &err), ERR_IO);
    assert_non_null(strstr(err.text, "/nonexistent/model.onnx"));
}

static void assert_refused(struct str bytes, int code)
{
    struct err err = {0};
    CLEAN(graph_done) struct graph graph = {0};
    assert_int_equal(graph_read(bytes, &graph, &err), code);
    assert_true(err.text[0] != 0);
}

static void test_no_model(void **state)
{
    (void)state;
    assert_refused(STR(""), ERR_INVALID);
    assert_refused(STR("\x08\x08"), ERR_INVALID);
    assert_refused(STR("version https://git-lfs"), ERR_INVALID);
    assert_refused(STR("\x3a\x7f\x0a"), ERR_INVALID);
    assert_refused(STR("\x3a\xff\xff\xff\xff\x0f"), ERR_INVALID);
}

// Makes the bytes a field of a message.
static void wrap(struct buf *bytes, char tag)
{
    CLEAN(buf_done) struct buf whole = BUF_INIT(16 * 1024 * 1024);
    buf_add_char(&whole, tag);
    size_t size = bytes->size;
    for (; size > 127; size >>= 7) {
        buf_add_char(&whole, (char)(size | 128));
    }
    buf_add_char(&whole, (char)size);
    buf_add_str(&whole, buf_str(bytes));
    buf_clear(bytes);
    buf_add_str(bytes, buf_str(&whole));
}

static void test_too_deep(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf file = BUF_INIT(16 * 1024 * 1024);
    for (size_t i = 0; i < 1000; i++) {
        wrap(&file, 0x32); // attribute.g
        wrap(&file, 0x2a); // node.attribute
        wrap(&file, 0x0a); // graph.node
    }
    wrap(&file, 0x3a);
    assert_refused(buf_str(&file), ERR_LIMIT);
}

// A graph of millions of empty nodes: two bytes each in the file, a hundred in memory.
static void test_too_large(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf file = BUF_INIT(16 * 1024 * 1024);
    for (size_t i = 0; i < 2 * 1024 * 1024; i++) {
        buf_add(&file, "\x0a\x00", 2);
    }
    wrap(&file, 0x3a);
    assert_refused(buf_str(&file), ERR_LIMIT);
}

static void test_wiring(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(graph_done) struct graph graph = {0};
    graph_empty(&graph, 13);
    weight(&graph, "w", 4, 4, 0, 0);
    add(&graph, "MatMul", "x w", "a");
    add(&graph, "Add", "a a", "b");
    add(&graph, "Relu", "b", "c");
    graph_add_output(&graph, "c");
    CLEAN(wiring_done) struct wiring wiring = {0};
    assert_ok(wiring_init(&wiring, &graph, &err), err);
    assert_ok(wiring_check_order(&wiring, &err), err);
    assert_null(wiring_value(&wiring, "nothing"));
    assert_non_null(wiring_value(&wiring, "w")->weight);
    assert_int_equal(wiring_value(&wiring, "a")->use_count, 2);
    assert_null(wiring_only_reader(&wiring, wiring_value(&wiring, "a")));
    assert_ptr_equal(wiring_only_reader(&wiring, wiring_value(&wiring, "b")), made_by(&graph, "c"));
    assert_null(wiring_only_reader(&wiring, wiring_value(&wiring, "c")));
    assert_true(wiring_value(&wiring, "c")->is_output);
}

static void test_damaged_graphs(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(graph_done) struct graph twice = {0}, order = {0};
    CLEAN(wiring_done) struct wiring first = {0}, second = {0};
    graph_empty(&twice, 13);
    add(&twice, "Relu", "x", "a");
    add(&twice, "Neg", "x", "a");
    assert_int_equal(wiring_init(&first, &twice, &err), ERR_INVALID);
    graph_empty(&order, 13);
    add(&order, "Add", "x b", "a");
    add(&order, "Relu", "a", "b");
    assert_ok(wiring_init(&second, &order, &err), err);
    assert_int_equal(wiring_check_order(&second, &err), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_write_fails),
        cmocka_unit_test(test_no_model),       cmocka_unit_test(test_too_deep),
        cmocka_unit_test(test_too_large),      cmocka_unit_test(test_wiring),
        cmocka_unit_test(test_damaged_graphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
