// SPDX-License-Identifier: Apache-2.0
// One event for a function that runs on this machine as an ordinary program: a Lambda Runtime API of
// its own on loopback, the program beside it, until it has answered or ended.
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct local_call { // texts are borrowed
    char *const *argv;
    const char *dir; // to run in
    struct str payload;
    const char *context;          // client context, JSON; "" without
    const char *request_id, *arn; // of the function
    int64_t deadline_ms;          // since 1970; told, not enforced: a debugger may take its time
    struct buf answer;            // out: what it answered, or the error's document
    bool failed;                  // out: the latter
};

// Runs it with this process's environment, AWS_LAMBDA_RUNTIME_API added. What the program prints goes to
// standard error. ERR_UNAVAILABLE when it cannot be started.
MUST_CHECK int local_call(struct local_call *call, struct err *err);
