// SPDX-License-Identifier: Apache-2.0
// Destinations: where the result of an asynchronous job goes. A function's ARN gets an event of
// its own; arn:aws:s3:::bucket/prefix gets an object prefix + request id + ".json". Either is
// written in the transaction that ends the job. A dead letter goes the same ways and is the event
// itself, as ".event.json" with what went wrong as the object's metadata.
#pragma once

#include "bus/bus.h"
#include "core/job.h"

struct destination { // a zeroed one is none
    char *arn;
    char *record; // Lambda's invocation record, version 1.0 (JSON); or the event
    size_t record_size;
    char *headers;    // of an object: lines
    char *suffix;     // of its key
    char *request_id; // of the job
    char *region;
    int64_t time_ms;
};

// Builds the record on the core thread; what it needs of the job is copied. `condition`:
// "Success", "RetriesExhausted", "EventAgeExceeded", "ZeroReservedConcurrency".
void destination_init(struct destination *ret, const char *arn, const char *region,
                      const struct job *job, const char *condition, int64_t now_ms);
void dead_letter_init(struct destination *ret, const char *arn, const char *region,
                      const struct job *job, int64_t now_ms);
void destination_done(struct destination *destination);

// Store thread, in a task. A destination that does not exist (any more) does not fail the task:
// the job has ended all the same; it is said in the server's log.
MUST_CHECK int destination_deliver(struct db *db, const struct destination *destination,
                                   struct bus_emitted *emitted, struct err *err);
