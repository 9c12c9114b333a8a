// SPDX-License-Identifier: Apache-2.0
// A job becomes a message for its runner. The objects that an S3 event names are opened here and
// travel as file descriptors (small ones as bytes): the runner never talks to the store.
#pragma once

#include "core/job.h"
#include "store/store.h"
#include "wire/wire.h"

#include <jansson.h>

// The records of an S3 event as they are served here, borrowed from *ret_event, which is the caller's
// to release in any case; NULL when the payload is none.
json_t *payload_s3_records(struct str payload, json_t **ret_event);

// Of a message's descriptors the job takes at most so many.
size_t payload_files(const struct job *job);

// Appends the job to a JOBS message, whose fds it borrows from `opened`: close them after sending.
struct payload_fds {
    int fds[WIRE_FDS_MAX];
    size_t count;
};
MUST_CHECK int payload_put(struct wire_message *m, struct store *store, const struct job *job,
                           struct payload_fds *opened, struct err *err);
void payload_fds_close(struct payload_fds *opened);
