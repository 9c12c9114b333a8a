// SPDX-License-Identifier: Apache-2.0
// One JOBS message: its jobs become items, the task answers them, the items become results.
#pragma once

#include "runner/package.h"
#include "wire/wire.h"

// Answers every job of `in` on the socket. ERR_PROTOCOL: the message is rubbish; ERR_LOST.
MUST_CHECK int batch_run(struct package *package, struct wire_message *in, int fd,
                         struct wire_message *out, struct err *err);
