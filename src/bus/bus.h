// SPDX-License-Identifier: Apache-2.0
// Who wants this event. An event is matched and its jobs are written to the outbox in the same
// transaction as the change that it tells of, so that what was acknowledged has its events.
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "format/arn.h"
#include "store/db.h"

#include <stdint.h>

#define BUS_TARGETS_MAX 64 // functions that one event reaches

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

// Names of functions that got a job; filled by bus_emit_object on the store thread, handed to
// dispatch_wake_emitted on the core thread after the commit.
struct bus_emitted {
    int count;
    char *functions[BUS_TARGETS_MAX]; // heap
};
void bus_emitted_done(struct bus_emitted *emitted);

// The outbox's key of the function that an ARN names: see dispatch_key. Heap.
char *bus_function_key(const struct arn_function *function);

// Store thread, in a task: reads the bucket's notification configuration and inserts one job for
// each matching function. One that is not there any more is said in the server's log.
MUST_CHECK int bus_emit_object(struct db *db, const struct bus_object_event *event,
                               struct bus_emitted *emitted, struct err *err);
