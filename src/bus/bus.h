// SPDX-License-Identifier: Apache-2.0
// Who wants this event. An event is matched and its jobs are written to the outbox in the same
// transaction as the change that it tells of, so that what was acknowledged has its events.
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "format/arn.h"
#include "store/db.h"

#include <stdint.h>

struct bus_object_event {
    const char *name;       // without "s3:": "ObjectCreated:Put", "ObjectRemoved:Delete", …
    struct str bucket, key; // the key decoded
    uint64_t size;
    struct str etag;    // without quotes; empty for removals
    uint64_t sequencer; // grows with every change of the key
    int64_t time_ms;
    const char *region;
    struct str source_ip, request_id; // of the request that caused it
};

// The outbox's keys of functions that got a job, each once. Filled on the store thread, handed to
// dispatch_wake_emitted on the core thread after the commit. A zeroed one is empty.
struct bus_emitted {
    char **functions; // heap
    size_t count;
};
void bus_emitted_add(struct bus_emitted *emitted, struct str function);
void bus_emitted_done(struct bus_emitted *emitted);

// The outbox's key of the function that an ARN names: see dispatch_key. Heap.
char *bus_function_key(const struct arn_function *function);
// Store thread, in a task: one job for the function that an ARN names. 1; 0 when that is not there (any
// more); ERR_INVALID when the ARN names none.
MUST_CHECK int bus_invoke(struct db *db, struct str arn, struct str payload, int64_t time_ms,
                          struct bus_emitted *emitted, struct err *err);

// Store thread, in a task: reads the bucket's notification configuration and inserts one job for
// each matching function, then for the rules of EventBridge. A function that is not there any more is said in the server's log.
MUST_CHECK int bus_emit_object(struct db *db, const struct bus_object_event *event,
                               struct bus_emitted *emitted, struct err *err);
