// SPDX-License-Identifier: Apache-2.0
// Which program serves which Lambda runtime. Each speaks wire.h on the socket it is given
// (--template FD): rouse-runner for models, our bootstrap for Python, and rouse-exec for all that are
// programs of their own and speak the Lambda Runtime API.
//
// ROUSE_RUNTIMES in the server's environment extends the table: "python3.9=/opt/py39/bin/python3,
// ruby3.3=/opt/ruby/bootstrap". A name of the table gets that interpreter, a new one that program.
#pragma once

#include "base/err.h"

#include <stdbool.h>

#define RUNTIME_ARGS_MAX     8
#define RUNTIME_WORDS_MAX    16
#define RUNTIME_READABLE_MAX 4

struct runtime_program {
    char *key; // what shares a root: "onnx", "python:/usr/bin/python3.11", "exec"
    char *argv[RUNTIME_ARGS_MAX]; // heap, NULL-terminated; the socket's number comes after the last
    bool config;                  // wants a configuration and a log file
    bool forks;                   // a function can have a template of its own
    // Else its instances run this: words with {task}, {runtime}, {handler} and {heap} (megabytes) to
    // be filled in. None: the package's own bootstrap.
    char *words[RUNTIME_WORDS_MAX];
    char *readable[RUNTIME_READABLE_MAX]; // folders outside /usr that it needs
    char *folder;                         // of ours, {runtime}: /var/runtime inside; or NULL
    bool stock;   // worth keeping one started, idle, before a function needs it
    char *notice; // e.g. python3.9 asked for, 3.11 here; or NULL
};

// ERR_UNSUPPORTED, naming what is served, for a runtime that is not; ERR_NOT_FOUND when its
// interpreter is not installed, naming what to install.
MUST_CHECK int runtime_find(const char *runtime, struct runtime_program *ret, struct err *err);
// The same without forks: the interpreter is executed and asks the Runtime API for its events.
MUST_CHECK int runtime_find_executed(const char *runtime, struct runtime_program *ret,
                                     struct err *err);
void runtime_program_done(struct runtime_program *program);

#define RUNTIME_CONCURRENCY_MAX 64
// How many events an instance takes at once: AWS_LAMBDA_MAX_CONCURRENCY of the function's environment
// (JSON, or NULL), for runtimes that ask for their events themselves; else 1.
int runtime_concurrency(const char *runtime, const char *environment);

// "onnx, python3.8, …": for messages.
const char *runtime_names(void);

// rouse-runner: $ROUSE_RUNNER, else as runtime_file. Heap.
MUST_CHECK int runner_path(char **ret, struct err *err);

// A file of ours that is not the server: in $ROUSE_LIBEXEC, else ../libexec/rouse of this executable
// (installed), beside it or in ../src/runtime (a build). Heap; ERR_NOT_FOUND names where it was looked for.
MUST_CHECK int runtime_file(const char *name, char **ret, struct err *err);
