// SPDX-License-Identifier: Apache-2.0
// Requests of the Open Inference Protocol as a runner gets them (format/tensors.h) and answers in the
// same form: tensors that are bytes or JSON, one by one, as each says.
//
//     {"id": "7", "inputs": [{"name", "datatype", "shape", "data" or "parameters"}, …],
//      "outputs": [{"name": "y", "parameters": {"binary_data": true}}],      all, when absent
//      "parameters": {"binary_data_output": true}}                          unless an output says so
//
// Only task: tensor has inputs and outputs of its model's. Every other task has one input, BYTES of one
// element: the payload as Invoke would have it, and one output, "answer", likewise.
#pragma once

#include "base/buf.h"
#include "engine/engine.h"

#include <jansson.h>

struct protocol { // a request; zeroed: none
    json_t *root; // owned: inputs in JSON and the views below point into it
    struct str raw;
};

// ERR_INVALID. `bytes` must live as long as the request.
MUST_CHECK int protocol_open(struct str bytes, struct protocol *ret, struct err *err);
void protocol_done(struct protocol *protocol); // survives a zeroed one

// The inputs in their order. `raw` begins with the bytes of those that come.
struct protocol_walk {
    size_t next;
    struct str raw;
};
// 1: *ret_input is one, *ret_raw its bytes (at == NULL: its data is in the JSON); 0: there are no more.
MUST_CHECK int protocol_next(const struct protocol *protocol, struct protocol_walk *walk,
                             const json_t **ret_input, struct str *ret_raw, struct err *err);

// Whether all outputs that it asks for are the model's.
MUST_CHECK int protocol_check(const struct protocol *protocol, const struct model *model,
                              struct err *err);
void protocol_answer(const struct protocol *protocol, const struct model *model,
                     const struct tensor *outputs, struct buf *out);

// The one element, for tasks that have a payload; a view into the request.
MUST_CHECK int protocol_payload(const struct protocol *protocol, struct str *ret, struct err *err);
void protocol_wrap(const struct protocol *protocol, struct str answer, struct buf *out);

// ret->data is heap and the caller's, strings are inside. `type` is the model's. ERR_INVALID.
MUST_CHECK int protocol_tensor(const json_t *input, struct str raw, enum tensor_type type,
                               struct tensor *ret, struct err *err);
