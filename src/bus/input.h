// SPDX-License-Identifier: Apache-2.0
// What a target is given of an event: the event, a part of it (InputPath), a text that says nothing of it
// (Input), or one made of parts of it (InputTransformer).
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>

struct bus_input {
    const json_t *target; // its members
    struct str event;     // JSON
    struct str rule_arn;
    int64_t now_ms;
};

// ERR_INVALID names the member that cannot be meant so.
MUST_CHECK int bus_input_check(const json_t *target, struct err *err);
void bus_input_write(struct buf *out, const struct bus_input *input);
