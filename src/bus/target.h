// SPDX-License-Identifier: Apache-2.0
// Whom rules and schedules invoke: a target as PutTargets and CreateSchedule take it, and what it is
// given of an event.
#pragma once

#include "bus/bus.h"

#include <jansson.h>

struct bus_delivery {
    struct str arn;       // of the target: a Lambda function
    const json_t *target; // its members: DeadLetterConfig, and those of bus/input.h
    struct str event;     // JSON: what happened
    struct str cause;     // ARN of the rule or schedule
    int64_t now_ms;
};

// Store thread, in a task: one job with what the target takes of the event. Where there is no such
// function any more, the event goes to the function that DeadLetterConfig names; else it is gone, which
// is said in the server's log and fails nothing.
MUST_CHECK int bus_deliver(struct db *db, const struct bus_delivery *delivery,
                           struct bus_emitted *emitted, struct err *err);
