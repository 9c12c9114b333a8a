// SPDX-License-Identifier: Apache-2.0
// What a language runtime is told about its function, as JSON:
//
//     {"functionName", "functionVersion", "invokedFunctionArn", "handler", "taskRoot", "memoryMb",
//      "timeoutS", "logGroup", "logStream", "environment": {"NAME": "value", …},
//      "jail": {"package", "layers": […], "tmp", "memory", "port", "network"},
//      "program": [words], "readable": [folders], "runtime": folder,        (rouse-exec only; {task}
//       and {runtime} stay as they are)
//      "learn": true}                                                       (see WIRE_LEARNED)
//
// `environment` holds every variable of Lambda's contract and the function's own. A template of
// libraries is told no more than
//
//     {"libraries": ["name", …], "environment", "network"}
//
// with what is the same for all functions in its environment, and what the function sets itself, since
// libraries may look at that when they are imported.
#pragma once

#include "base/buf.h"
#include "core/function.h"

struct spawn_identity { // who the instance is on the endpoint; empty strings are left out
    const char *region, *endpoint, *access_key, *secret_key, *session_token;
    bool stock;       // started ahead of time: ROUSE_STOCK=1
    bool provisioned; // AWS_LAMBDA_INITIALIZATION_TYPE
    bool grouped;     // a cgroup bounds its memory
    bool learn;       // it is to say what libraries it has loaded
};

struct runtime_program;

void spawn_config_write(struct buf *out, const struct function *f,
                        const struct runtime_program *program,
                        const struct spawn_identity *identity);
// `modules`: names, one a line.
void spawn_config_libraries(struct buf *out, const struct function *f, const char *region,
                            const char *endpoint, struct str modules);
