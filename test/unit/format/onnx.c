// SPDX-License-Identifier: Apache-2.0
// ONNX facts: of small models made here byte by byte, of real ones when they are there, and of files
// that lie about themselves.
#include "format/onnx.h"
#include "files.h"

// A protobuf writer, innermost message first.
static void put_varint(struct buf *out, uint64_t value)
{
    for (; value > 127; value >>= 7) {
        buf_add_char(out, (char)(value | 128));
    }
    buf_add_char(out, (char)value);
}

static void put_int(struct buf *out, unsigned field, uint64_t value)
{
    put_varint(out, field << 3);
    put_varint(out, value);
}

static void put_bytes(struct buf *out, unsigned field, struct str bytes)
{
    put_varint(out, field << 3 | 2);
    put_varint(out, bytes.size);
    buf_add_str(out, bytes);
}

// Puts *message as a field and empties it.
static void put_message(struct buf *out, unsigned field, struct buf *message)
{
    put_bytes(out, field, buf_str(message));
    buf_clear(message);
}

static void put_node(struct buf *graph, unsigned field, const char *op, const char *domain,
                     struct buf *attribute)
{
    CLEAN(buf_done) struct buf node = BUF_INIT(100000);
    put_bytes(&node, 1, STR("x"));
    put_bytes(&node, 4, str_of(op));
    if (domain) {
        put_bytes(&node, 7, str_of(domain));
    }
    if (attribute) {
        put_message(&node, 5, attribute);
    }
    put_message(graph, field, &node);
}

static void put_tensor(struct buf *out, unsigned field, const char *name, size_t raw)
{
    CLEAN(buf_done) struct buf tensor = BUF_INIT(100000);
    CLEAN(buf_done) struct buf zeros = BUF_INIT(100000);
    while (zeros.size < raw) {
        buf_add_char(&zeros, 0);
    }
    put_int(&tensor, 1, raw / 4);
    put_int(&tensor, 2, ONNX_FLOAT);
    put_bytes(&tensor, 8, str_of(name));
    put_bytes(&tensor, 9, buf_str(&zeros));
    put_message(out, field, &tensor);
}

static void put_external(struct buf *out, unsigned field, const char *name, const char *path)
{
    CLEAN(buf_done) struct buf tensor = BUF_INIT(1000);
    CLEAN(buf_done) struct buf entry = BUF_INIT(1000);
    put_bytes(&tensor, 8, str_of(name));
    put_bytes(&entry, 1, STR("location"));
    put_bytes(&entry, 2, str_of(path));
    put_message(&tensor, 13, &entry);
    put_bytes(&entry, 1, STR("length"));
    put_bytes(&entry, 2, STR("1000"));
    put_message(&tensor, 13, &entry);
    put_int(&tensor, 14, 1);
    put_message(out, field, &tensor);
}

// dims: numbers, or 0 for the symbol "batch".
static void put_value(struct buf *graph, unsigned field, const char *name, int type,
                      const int64_t *dims, size_t rank)
{
    CLEAN(buf_done) struct buf dim = BUF_INIT(1000);
    CLEAN(buf_done) struct buf shape = BUF_INIT(10000);
    CLEAN(buf_done) struct buf tensor = BUF_INIT(10000);
    CLEAN(buf_done) struct buf value = BUF_INIT(10000);
    for (size_t i = 0; i < rank; i++) {
        if (dims[i]) {
            put_int(&dim, 1, (uint64_t)dims[i]);
        } else {
            put_bytes(&dim, 2, STR("batch"));
        }
        put_message(&shape, 1, &dim);
    }
    put_int(&tensor, 1, (uint64_t)type);
    put_message(&tensor, 2, &shape);
    put_message(&value, 1, &tensor); // TypeProto
    put_bytes(&tensor, 1, STR(""));
    buf_clear(&tensor);
    put_bytes(&tensor, 1, str_of(name));
    put_message(&tensor, 2, &value);
    put_message(graph, field, &tensor);
}

static void put_opset(struct buf *model, const char *domain, uint64_t version)
{
    CLEAN(buf_done) struct buf opset = BUF_INIT(1000);
    if (domain) {
        put_bytes(&opset, 1, str_of(domain));
    }
    put_int(&opset, 2, version);
    put_message(model, 8, &opset);
}

static void make_model(struct buf *out)
{
    static const int64_t dims[] = {0, 3, 224, 224};
    CLEAN(buf_done) struct buf graph = BUF_INIT(100000);
    CLEAN(buf_done) struct buf inner = BUF_INIT(100000);
    CLEAN(buf_done) struct buf attribute = BUF_INIT(100000);
    CLEAN(buf_done) struct buf entry = BUF_INIT(1000);
    put_node(&graph, 1, "Conv", NULL, NULL);
    put_node(&graph, 1, "Conv", NULL, NULL);
    put_node(&graph, 1, "Conv", "com.acme", NULL);
    put_node(&inner, 1, "Relu", NULL, NULL);
    put_external(&inner, 5, "inner", "weights.bin");
    put_message(&attribute, 6, &inner);
    put_node(&graph, 1, "If", NULL, &attribute);
    put_bytes(&graph, 2, STR("g"));
    put_tensor(&graph, 5, "w", 400);
    put_external(&graph, 5, "big", "weights.bin");
    put_external(&graph, 5, "huge", "more.bin");
    put_value(&graph, 11, "image", ONNX_FLOAT16, dims, 4);
    put_value(&graph, 11, "w", ONNX_FLOAT, dims + 1, 1);
    put_value(&graph, 12, "probabilities", ONNX_FLOAT, dims, 2);
    put_int(out, 1, 7);
    put_bytes(out, 2, STR("test"));
    put_bytes(out, 3, STR("1.0"));
    put_int(out, 5, 3);
    put_message(out, 7, &graph);
    put_opset(out, NULL, 17);
    put_opset(out, "com.acme", 2);
    put_bytes(&entry, 1, STR("author"));
    put_bytes(&entry, 2, STR("me"));
    put_message(out, 14, &entry);
    put_node(&inner, 7, "Relu", NULL, NULL); // of a function
    put_message(out, 25, &inner);
}

static void test_facts(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(buf_done) struct buf model = BUF_INIT(100000);
    CLEAN(onnx_facts_done) struct onnx_facts facts;
    make_model(&model);
    assert_ok(onnx_inspect(buf_str(&model), &facts, &err), err);
    assert_int_equal(facts.ir_version, 7);
    assert_int_equal(facts.model_version, 3);
    assert_str(facts.producer, "test");
    assert_str(onnx_producer(buf_str(&model)), "test");
    assert_str(facts.producer_version, "1.0");
    assert_str(facts.graph_name, "g");
    assert_int_equal(onnx_opset_version(&facts, STR("")), 17);
    assert_int_equal(onnx_opset_version(&facts, STR("ai.onnx")), 17);
    assert_int_equal(onnx_opset_version(&facts, STR("com.acme")), 2);
    assert_int_equal(onnx_opset_version(&facts, STR("ai.onnx.ml")), 0);
    assert_int_equal(facts.metadata_count, 1);
    assert_str(facts.metadata[0].key, "author");
    assert_str(facts.metadata[0].value, "me");
    assert_int_equal(facts.function_count, 1);
}

static void test_operators(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(buf_done) struct buf model = BUF_INIT(100000);
    CLEAN(onnx_facts_done) struct onnx_facts facts;
    make_model(&model);
    assert_ok(onnx_inspect(buf_str(&model), &facts, &err), err);
    static const struct {
        const char *type, *domain;
        uint64_t count;
    } want[] = {{"Conv", "", 2}, {"Relu", "", 2}, {"Conv", "com.acme", 1}, {"If", "", 1}};
    assert_int_equal(facts.node_count, 6);
    assert_int_equal(facts.op_count, ARRAY_SIZE(want));
    for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
        assert_str(facts.ops[i].type, want[i].type);
        assert_str(facts.ops[i].domain, want[i].domain);
        assert_int_equal(facts.ops[i].count, want[i].count);
    }
}

static void test_values(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(buf_done) struct buf model = BUF_INIT(100000);
    CLEAN(onnx_facts_done) struct onnx_facts facts;
    make_model(&model);
    assert_ok(onnx_inspect(buf_str(&model), &facts, &err), err);
    assert_int_equal(facts.input_count, 2);
    const struct onnx_value *image = &facts.inputs[0];
    assert_str(image->name, "image");
    assert_int_equal(image->type, ONNX_FLOAT16);
    assert_int_equal(image->rank, 4);
    assert_true(image->has_shape);
    assert_int_equal(image->dims[0].value, -1);
    assert_str(image->dims[0].symbol, "batch");
    assert_int_equal(image->dims[3].value, 224);
    assert_false(image->is_initializer);
    assert_true(facts.inputs[1].is_initializer);
    assert_int_equal(facts.output_count, 1);
    assert_int_equal(facts.initializer_count, 4);
    assert_int_equal(facts.initializer_bytes, 400);
    assert_int_equal(facts.external_count, 2);
    assert_str(facts.external[0], "weights.bin");
    assert_str(facts.external[1], "more.bin");
    assert_int_equal(facts.external_bytes, 3000);
}

// Cut anywhere it is refused or, where only trailing fields are gone, still read: never worse.
static void test_every_cut(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf model = BUF_INIT(100000);
    make_model(&model);
    int refused = 0;
    for (size_t size = 0; size < model.size; size++) {
        struct err err = {0};
        CLEAN_MEM char *copy = mem_dup_n(model.at, size); // of that size, for sanitizers
        CLEAN(onnx_facts_done) struct onnx_facts facts;
        int rc = onnx_inspect(str_n(copy, size), &facts, &err);
        if (rc < 0) {
            assert_err(rc, ERR_INVALID, err, "not an ONNX model");
            refused++;
        }
    }
    assert_true((size_t)refused > model.size / 2);
}

static void test_damaged(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *part;
    } bad[] = {
        {"", 0, "no graph"},
        {"\x08\x07", 2, "no graph"},
        {"\x3a\x00", 2, "no IR version"},
        {"\x3a\x7f", 2, "longer than what it is in at byte 2"},
        {"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "longer than what it is in"},
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, "a number is too long at byte 1"},
        {"\x08\xff", 2, "cut off at byte 1"},
        {"\x00\x01", 2, "no valid number at byte 0"},
        {"\x0b", 1, "wire type at byte 0"},
        {"\x3a\x00\x3a\x00", 4, "a second graph at byte 4"},
        {"\x3a\x02\x0a\x05", 4, "longer than what it is in at byte 4"},
        {"not a model", 11, "not an ONNX model"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct err err = {0};
        CLEAN(onnx_facts_done) struct onnx_facts facts;
        assert_err(onnx_inspect(str_n(bad[i].bytes, bad[i].size), &facts, &err), ERR_INVALID, err,
                   bad[i].part);
    }
}

static void test_deep_graphs(void **state)
{
    (void)state;
    for (int depth = ONNX_DEPTH_MAX - 1; depth <= ONNX_DEPTH_MAX + 1; depth += 2) {
        struct err err = {0};
        CLEAN(buf_done) struct buf graph = BUF_INIT(100000);
        CLEAN(buf_done) struct buf attribute = BUF_INIT(100000);
        CLEAN(buf_done) struct buf model = BUF_INIT(100000);
        for (int i = 0; i < depth; i++) {
            put_message(&attribute, 6, &graph);
            put_node(&graph, 1, "Loop", NULL, &attribute);
        }
        put_int(&model, 1, 8);
        put_message(&model, 7, &graph);
        CLEAN(onnx_facts_done) struct onnx_facts facts;
        int rc = onnx_inspect(buf_str(&model), &facts, &err);
        if (depth < ONNX_DEPTH_MAX) {
            assert_ok(rc, err);
            assert_int_equal(facts.node_count, depth);
        } else {
            assert_err(rc, ERR_LIMIT, err, "nested deeper");
        }
    }
}

static void test_limits(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(buf_done) struct buf graph = BUF_INIT(10000000);
    CLEAN(buf_done) struct buf model = BUF_INIT(10000000);
    static const int64_t dims[ONNX_RANK_MAX + 1];
    put_value(&graph, 11, "x", 1, dims, ONNX_RANK_MAX + 1);
    put_int(&model, 1, 8);
    put_message(&model, 7, &graph);
    CLEAN(onnx_facts_done) struct onnx_facts facts;
    assert_err(onnx_inspect(buf_str(&model), &facts, &err), ERR_LIMIT, err, "16 dimensions");
    onnx_facts_done(&facts);
    buf_clear(&model);
    for (int i = 0; i <= ONNX_VALUE_MAX; i++) {
        put_bytes(&graph, 12, STR(""));
    }
    put_message(&model, 7, &graph);
    assert_err(onnx_inspect(buf_str(&model), &facts, &err), ERR_LIMIT, err, "inputs or outputs");
    onnx_facts_done(&facts);
    buf_clear(&model);
    for (int i = 0; i <= ONNX_LIST_MAX; i++) {
        put_opset(&model, NULL, 1);
    }
    assert_err(onnx_inspect(buf_str(&model), &facts, &err), ERR_LIMIT, err, "operator sets");
}

static void test_type_names(void **state)
{
    (void)state;
    assert_string_equal(onnx_type_name(ONNX_FLOAT), "float32");
    assert_string_equal(onnx_type_name(ONNX_INT64), "int64");
    assert_string_equal(onnx_type_name(-1), "unknown");
    assert_string_equal(onnx_type_name(1000), "unknown");
    assert_int_equal(onnx_type_size(ONNX_FLOAT16), 2);
    assert_int_equal(onnx_type_size(ONNX_STRING), 0);
    assert_int_equal(onnx_type_size(99), 0);
}

static void test_real_models(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(buf_done) struct buf file = BUF_INIT(FILE_SIZE_MAX);
    if (!env_read("ROUSE_SHARED", "data/models/squeezenet-imagenet-fp16.onnx", &file)) {
        print_message("no models in ROUSE_SHARED: skipped\n");
        skip();
    }
    CLEAN(onnx_facts_done) struct onnx_facts facts;
    assert_ok(onnx_inspect(buf_str(&file), &facts, &err), err);
    assert_int_equal(facts.node_count, 66);
    assert_str(facts.ops[0].type, "Conv");
    assert_int_equal(facts.ops[0].count, 26);
    const struct onnx_value *input = facts.inputs;
    while (input->is_initializer) { // the file is of IR 3, which lists them all
        input++;
    }
    assert_str(input->name, "data_0");
    assert_int_equal(input->type, ONNX_FLOAT16);
    assert_int_equal(input->dims[2].value, 224);
    assert_int_equal(onnx_opset_version(&facts, STR("")), 7);
    assert_int_equal(facts.initializer_bytes, 2470992);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_facts),       cmocka_unit_test(test_operators),
        cmocka_unit_test(test_values),      cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_damaged),     cmocka_unit_test(test_deep_graphs),
        cmocka_unit_test(test_limits),      cmocka_unit_test(test_type_names),
        cmocka_unit_test(test_real_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
