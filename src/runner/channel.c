// SPDX-License-Identifier: Apache-2.0
// The first message of a runner process: that it is ready, or why it never will be.
#include "runner/channel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "runner/task.h"

#include <fcntl.h>
#include <unistd.h>

void channel_block(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_NONBLOCK)) {
        fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    }
}

int channel_ready(int fd, int64_t began_us, const struct err *failure, struct err *err)
{
    CLEAN(wire_message_done) struct wire_message m;
    wire_message_init(&m, WIRE_READY);
    struct wire_ready ready = {.pid = (uint32_t)getpid(),
                               .init_us = (uint64_t)(clock_mono_us() - began_us)};
    if (failure) {
        ready.error = 1;
        ready.error_type = str_of(failure->aws ? failure->aws : TASK_BAD_MODEL);
        ready.error_message = str_of(failure->text);
    }
    wire_put_ready(&m, &ready);
    return wire_send(fd, &m, err);
}
