// SPDX-License-Identifier: Apache-2.0
// The outbox: one row for each asynchronous job, written in the transaction of the event that
// caused it, removed in the transaction that records its end.
#pragma once

#include "store/db.h"

#include <stdint.h>

extern const char *const job_ddl[];

struct job_row {
    int64_t id;
    struct str function;   // "name", "name:version" or "name:alias"
    struct str payload;    // bytes
    struct str request_id; // UUID
    int64_t created_ms;    // wall time of the event
    int64_t due_ms;        // not before this wall time (retries)
    int64_t attempt;       // 1 for the first
};

// `row->id` is ignored; returns the new id (> 0).
MUST_CHECK int64_t job_row_insert(struct db *db, const struct job_row *row, struct err *err);
// The same for a function, version or alias that there is; 0, and no row, when there is not (any more).
MUST_CHECK int64_t job_row_add(struct db *db, const struct job_row *row, struct err *err);
MUST_CHECK int job_row_delete(struct db *db, int64_t id, struct err *err);
MUST_CHECK int job_row_retry(struct db *db, int64_t id, int64_t attempt, int64_t due_ms,
                             struct err *err);
// Returns how many there were.
MUST_CHECK int job_row_delete_function(struct db *db, struct str function, struct err *err);

// Rows of the function that are due by now_ms, the longest due first, at most `limit`. `each`
// returns 0 to go on. The views live until it returns. Returns how many were given.
MUST_CHECK int job_row_each_due(struct db *db, struct str function, int64_t now_ms, int limit,
                                int (*each)(void *ctx, const struct job_row *row), void *ctx,
                                struct err *err);
// The earliest due time of the function's rows after now_ms; 0 when there is none.
MUST_CHECK int job_row_next_due(struct db *db, struct str function, int64_t now_ms, int64_t *ret,
                                struct err *err);
// The names of all functions that have rows.
MUST_CHECK int job_row_each_function(struct db *db, void (*each)(void *ctx, struct str function),
                                     void *ctx, struct err *err);
MUST_CHECK int job_row_count(struct db *db, uint64_t *ret, struct err *err);
