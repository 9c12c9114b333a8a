// SPDX-License-Identifier: Apache-2.0
// What a client of gRPC sends: messages cut at odd places, read as requests for inference, made into
// what travels to a runner; and what a runner answers made into messages that can be read again.
#include "api/grpc_infer.h"
#include "api/proto.h"
#include "base/check.h"
#include "base/mem.h"
#include "format/grpc.h"
#include "format/gzip.h"
#include "format/tensors.h"

#include <stdint.h>

#define MOST (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one_message(struct str bytes)
{
    CLEAN(proto_free) ProtobufCMessage *message = NULL;
    CLEAN(buf_done) struct buf payload = BUF_INIT(MOST);
    struct err err = {0};
    struct str json, raw;
    if (proto_read(&inference__model_infer_request__descriptor, bytes, &message, &err) < 0) {
        return;
    }
    (void)proto_text(message, "model_name");
    if (grpc_infer_payload((const Inference__ModelInferRequest *)(const void *)message, &payload,
                           &err) == 0) {
        CHECK(tensors_cut(buf_str(&payload), &json, &raw, &err) == 0);
    }
}

static void one_answer(struct str bytes)
{
    CLEAN(proto_free) ProtobufCMessage *message = NULL;
    CLEAN(buf_done) struct buf out = BUF_INIT(MOST);
    struct err err = {0};
    struct str json, raw;
    if (tensors_is(bytes) && tensors_cut(bytes, &json, &raw, &err) == 0 &&
        grpc_infer_response(json, raw, "m", "1", &out, &err) == 0) {
        CHECK(proto_read(&inference__model_infer_response__descriptor, buf_str(&out), &message,
                         &err) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEAN(grpc_reader_done) struct grpc_reader reader;
    struct err err = {0};
    grpc_reader_init(&reader, MOST);
    if (size == 0) {
        return 0;
    }
    size_t piece_size = data[0] + 1u;
    struct str rest = str_n(data + 1, size - 1);
    one_answer(rest);
    int rc = 0;
    while (rest.size && rc >= 0) {
        struct str piece = str_head(rest, piece_size);
        rest = str_skip(rest, piece_size);
        while ((rc = grpc_read(&reader, &piece, &err)) > 0) {
            CLEAN(buf_done) struct buf expanded = BUF_INIT(MOST);
            if (!reader.compressed) {
                one_message(buf_str(&reader.message));
            } else if (gzip_expand(buf_str(&reader.message), &expanded, &err) == 0) {
                one_message(buf_str(&expanded));
            }
        }
    }
    return 0;
}
