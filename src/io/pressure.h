// SPDX-License-Identifier: Apache-2.0
// Memory pressure, told by the kernel (PSI): a descriptor that becomes ready while tasks stall for
// memory, so that nobody has to look. Tasks also stall at a limit of their own, a function's, say; so it
// counts only while little is left of the machine's memory, or of the container's. A kernel without PSI, or
// one that does not let us, never tells; that is not an error.
#pragma once

#include "io/loop.h"

struct pressure {
    struct loop *loop;
    struct watch watch;
    void (*on_short)(struct pressure *pressure); // at most every two seconds while it lasts
};

// Is less than an eighth left? `root` is where proc/ and sys/ are: "" but for tests.
bool pressure_little_left(const char *root);

// False when the kernel does not tell.
bool pressure_start(struct pressure *pressure, struct loop *loop);
void pressure_stop(struct pressure *pressure);
