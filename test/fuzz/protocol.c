// SPDX-License-Identifier: Apache-2.0
// Requests of the inference protocol as a runner gets them: what is read is answered, and the answer can
// be read again.
#include "base/check.h"
#include "base/mem.h"
#include "format/tensors.h"
#include "runner/protocol.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(const struct protocol *protocol, const struct tensor *tensor)
{
    struct engine_value value = {.name = (char *)(uintptr_t) "x"};
    struct model model = {.outputs = &value, .output_count = 1};
    struct err err = {0};
    struct str json, raw;
    struct buf out = BUF_INIT(1 << 20);
    if (protocol_check(protocol, &model, &err) == 0) {
        protocol_answer(protocol, &model, tensor, &out);
        CHECK(!buf_ok(&out) || tensors_cut(buf_str(&out), &json, &raw, &err) == 0);
    }
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum tensor_type types[] = {TENSOR_FLOAT32, TENSOR_STRING, TENSOR_BOOL,
                                             TENSOR_INT64};
    struct protocol protocol = {0};
    struct protocol_walk walk = {0};
    struct err err = {0};
    struct str raw, payload;
    const json_t *input = NULL;
    if (size == 0 || protocol_open(str_n(data + 1, size - 1), &protocol, &err) < 0) {
        return 0;
    }
    enum tensor_type type = types[data[0] % ARRAY_SIZE(types)];
    while (protocol_next(&protocol, &walk, &input, &raw, &err) > 0) {
        struct tensor tensor;
        if (protocol_tensor(input, raw, type, &tensor, &err) == 0) {
            answer(&protocol, &tensor);
            free(tensor.data);
        }
    }
    if (protocol_payload(&protocol, &payload, &err) == 0) {
        struct buf out = BUF_INIT(1 << 20);
        protocol_wrap(&protocol, payload, &out);
        buf_done(&out);
    }
    protocol_done(&protocol);
    return 0;
}
