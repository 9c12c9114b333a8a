// SPDX-License-Identifier: Apache-2.0
// Which program serves which Lambda runtime. Each program speaks wire.h on the socket it is given
// (--template FD): rouse-runner for models, our bootstraps for languages.
#pragma once

#include "base/err.h"

#include <stdbool.h>

#define RUNTIME_ARGS_MAX 8

struct runtime_program {
    char *key;                    // what shares a template: "onnx", "python:/usr/bin/python3.11"
    char *argv[RUNTIME_ARGS_MAX]; // heap, NULL-terminated; the socket's number comes after the last
    bool config;                  // wants wire_spawn.config and a log file
    char *notice;                 // e.g. python3.9 asked for, 3.11 here; or NULL
};

// ERR_UNSUPPORTED, naming what is served, for a runtime that is not; ERR_NOT_FOUND when its
// interpreter is not installed, naming what to install.
MUST_CHECK int runtime_find(const char *runtime, struct runtime_program *ret, struct err *err);
void runtime_program_done(struct runtime_program *program);

// "onnx, python3.8, …": for messages.
const char *runtime_names(void);

// rouse-runner: $ROUSE_RUNNER, else as runtime_file. Heap.
MUST_CHECK int runner_path(char **ret, struct err *err);

// A file of ours that is not the server: in $ROUSE_LIBEXEC, else ../libexec/rouse of this executable
// (installed), beside it or in ../src/runtime (a build). Heap; ERR_NOT_FOUND names where it was looked for.
MUST_CHECK int runtime_file(const char *name, char **ret, struct err *err);
