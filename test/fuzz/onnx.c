// SPDX-License-Identifier: Apache-2.0
// Whatever a file says of itself, the facts lie within it.
#include "base/check.h"
#include "base/mem.h"
#include "format/onnx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct str part, const uint8_t *data, size_t size)
{
    const uint8_t *at = (const uint8_t *)part.at;
    CHECK(part.size == 0 || (at >= data && at + part.size <= data + size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    CLEAN(onnx_facts_done) struct onnx_facts facts;
    int rc = onnx_inspect(str_n(data, size), &facts, &err);
    CHECK(rc == 0 || err.text[0]);
    check_inside(onnx_producer(str_n(data, size)), data, size);
    CHECK(facts.initializer_bytes <= size);
    CHECK(facts.node_count <= size && facts.op_count <= facts.node_count);
    for (size_t i = 0; i < facts.input_count; i++) {
        check_inside(facts.inputs[i].name, data, size);
        CHECK(facts.inputs[i].rank <= ONNX_RANK_MAX);
    }
    for (size_t i = 0; i < facts.op_count; i++) {
        check_inside(facts.ops[i].type, data, size);
        CHECK(facts.ops[i].count > 0);
    }
    for (size_t i = 0; i < facts.external_count; i++) {
        check_inside(facts.external[i], data, size);
    }
    return 0;
}
