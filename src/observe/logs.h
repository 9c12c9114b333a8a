// SPDX-License-Identifier: Apache-2.0
// Logs of functions: what they said and Lambda's START, END and REPORT lines, one file a function
// with rotation, under DIR/logs/NAME/log, log.1, …, each line with its time:
//
//     2026-01-02T03:04:05.678Z<TAB>START RequestId: … Version: $LATEST
//
// Lines are gathered for some milliseconds before they are written; logs_flush writes at once.
// Core thread only.
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "io/loop.h"

struct observe;

// file_size_max: bytes after which a file is rotated; files_max: how many are kept.
struct observe *observe_new(struct loop *loop, const char *dir, uint64_t file_size_max,
                            int files_max);
void observe_free(struct observe *observe); // flushes

// Appends `lines` (zero or more whole lines) to the function's log.
void logs_append(struct observe *observe, struct str function, int64_t wall_ms, struct str lines);
void logs_flush(struct observe *observe);
void logs_remove(struct observe *observe, struct str function); // the function was deleted

// When something of it was last written, in wall time; 0: never.
int64_t logs_written_ms(const struct observe *observe, struct str function);

// Gives every kept line with time >= since_ms, oldest first, as it stands in the file (with time,
// without the newline). `each` returns non-zero to stop.
MUST_CHECK int logs_read(struct observe *observe, struct str function, int64_t since_ms,
                         int (*each)(void *ctx, int64_t wall_ms, struct str line), void *ctx,
                         struct err *err);

// Caller-owned; told of every line appended while it follows.
struct log_follower {
    void (*on_line)(struct log_follower *follower, int64_t wall_ms, struct str line);
    struct list link;
};
void logs_follow(struct observe *observe, struct str function, struct log_follower *follower);
void logs_unfollow(struct log_follower *follower);
