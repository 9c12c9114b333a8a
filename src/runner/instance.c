// SPDX-License-Identifier: Apache-2.0
// The instance's loop: a batch comes in, its results go out. It ends with its socket.
#include "runner/instance.h"
#include "base/log.h"
#include "runner/batch.h"

#include <unistd.h>

int instance_serve(int fd, struct package *package)
{
    struct wire_message in, out;
    struct err err = {0};
    wire_message_init(&in, WIRE_JOBS);
    wire_message_init(&out, WIRE_RESULT);
    int rc = 1;
    while (rc > 0) {
        rc = wire_recv(fd, &in, &err);
        if (rc > 0) {
            rc = batch_run(package, &in, fd, &out, &err) < 0 ? err.code : 1;
        }
    }
    wire_message_done(&in);
    wire_message_done(&out);
    if (rc < 0 && rc != ERR_LOST) {
        log_error("instance %d of %s: %s", (int)getpid(), package->function, err.text);
        return 1;
    }
    return 0;
}
