// SPDX-License-Identifier: Apache-2.0
// Tensors on their way to a model and back: the body of the Open Inference Protocol's binary
// extension as it is, so that nobody on the way has to look into it. JSON says name, type and shape
// of each tensor and how many bytes it has ("parameters": {"binary_data_size": 24}); the bytes follow
// the JSON, in the same order, little-endian. A mark before it all tells it from other payloads:
//
//     | 93 'T' 'E' 'N' 'S' 'O' 'R' 'S' | size of the JSON, u32 LE | JSON | bytes |
//
// https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
#pragma once

#include "base/buf.h"
#include "base/err.h"

#define TENSORS_MARK_SIZE 12

bool tensors_is(struct str bytes); // by its mark

// What stands before JSON of that size.
void tensors_mark(char to[TENSORS_MARK_SIZE], uint32_t json_size);

// The two parts, views into `bytes`. ERR_INVALID when the JSON is not all there.
MUST_CHECK int tensors_cut(struct str bytes, struct str *ret_json, struct str *ret_raw,
                           struct err *err);

// The next element of a BYTES tensor, whose elements have their size (u32) before them: taken off
// *raw. False, with *raw untouched, when it is not all there.
bool tensors_take_bytes(struct str *raw, struct str *ret);
void tensors_add_bytes(struct buf *raw, struct str element);
