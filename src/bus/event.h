// SPDX-License-Identifier: Apache-2.0
// Events on EventBridge's buses: those of PutEvents, and S3's for buckets that have EventBridge switched
// on. Each rule whose pattern matches invokes its targets, in the transaction that makes the event.
#pragma once

#include "bus/bus.h"

#include <jansson.h>

struct bus_event {
    struct str bus; // name
    struct str id, detail_type, source;
    int64_t time_ms;
    const char *region;
    const json_t *resources; // a list; NULL: empty
    const json_t *detail;    // an object
};

// The event as rules see it and functions get it. A new reference.
json_t *bus_event_json(const struct bus_event *event);

// Store thread, in a task.
MUST_CHECK int bus_emit_event(struct db *db, const struct bus_event *event, int64_t now_ms,
                              struct bus_emitted *emitted, struct err *err);
// The same of an object: "Object Created", "Object Deleted", where the bucket wants it.
MUST_CHECK int bus_emit_object_event(struct db *db, const struct bus_object_event *event,
                                     struct bus_emitted *emitted, struct err *err);
