// SPDX-License-Identifier: Apache-2.0
// An instance: walls, a place for the Runtime API, extensions, and the program. It stays as process 1
// of its pid namespace, tells the server how the program ended, and when it ends all of it ends.
#pragma once

#include "base/str.h"

struct supervised { // descriptors are the callee's
    int fd;         // the channel
    int log_fd;     // standard output and error
    int config_fd;
    struct str function;
};

_Noreturn void supervise(const struct supervised *what);
