// SPDX-License-Identifier: Apache-2.0
// READY and SPAWNED, which templates and instances send alike.
#pragma once

#include "base/err.h"
#include "wire/wire.h"

// Makes the runner's end of a socket blocking: runners have nothing else to do than wait.
void channel_block(int fd);

// READY; with `failure`, that the process cannot serve and why. ERR_LOST when nobody listens.
MUST_CHECK int channel_ready(int fd, int64_t began_us, const struct err *failure, struct err *err);
