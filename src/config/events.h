// SPDX-License-Identifier: Apache-2.0
// The parts of serverless.yml by which time and EventBridge reach functions: `schedule` and `eventBridge`
// events. Each becomes what the APIs are to be told, so that deploy compares and calls.
#pragma once

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>

struct serverless;
struct serverless_function;
struct tree_node;

struct serverless_event {
    bool scheduler;   // EventBridge Scheduler's, else a rule
    const char *name; // of the rule or schedule
    const char *bus;  // of a rule: a name or an ARN; NULL: default
    json_t *what;     // members of PutRule or CreateSchedule, but for names and target
    json_t *target;   // members of the target, but for Id, Arn and RoleArn
};

// Each error has a position. The function's name is known already.
MUST_CHECK int events_read_function(struct serverless *service, const struct tree_node *node,
                                    struct serverless_function *ret, struct err *err);
void events_free(struct serverless *service);
void events_function_to_json(const struct serverless_function *f, json_t *object);
