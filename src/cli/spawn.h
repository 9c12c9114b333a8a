// SPDX-License-Identifier: Apache-2.0
// Other programs that the command line calls: the project's own commands, pip.
#pragma once

#include "base/err.h"

// Runs argv[0] (looked for along PATH when it has no slash) in `dir` to its end, its standard output going where our standard error goes. *ret_status
// is waitpid's. ERR_UNAVAILABLE when it cannot be started.
MUST_CHECK int spawn_wait(char *const argv[], const char *dir, int *ret_status, struct err *err);
// The same, and ERR_FUNCTION unless it ends with status 0; `name` is what the error calls it.
MUST_CHECK int spawn_need(char *const argv[], const char *dir, const char *name, struct err *err);
