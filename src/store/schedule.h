// SPDX-License-Identifier: Apache-2.0
// EventBridge Scheduler's schedules and their groups. A schedule's members are kept as they were given;
// what of them counts for finding it again stands beside them.
#pragma once

#include "store/db.h"

#include <stdint.h>

extern const char *const schedule_ddl[];

struct schedule_row { // views
    struct str group, name;
    struct str state;    // "ENABLED", "DISABLED"
    struct str document; // JSON: ScheduleExpression, FlexibleTimeWindow, Target, …
    int64_t created_ms, modified_ms;
    int64_t instant_ms; // what it fires for next; 0: nothing
    int64_t due_ms;     // when it does: later than the instant where its time is flexible
};

// Inserts or replaces.
MUST_CHECK int schedule_put(struct db *db, const struct schedule_row *schedule, struct err *err);
// 1 when it is there. The views live until `each` returns.
MUST_CHECK int schedule_get(struct db *db, struct str group, struct str name,
                            void (*each)(void *ctx, const struct schedule_row *schedule), void *ctx,
                            struct err *err);
// In the order of groups and names, those after the pair; an empty group or state: any. `each` returns
// 0 to go on, 1 to stop, < 0 to end with that. Returns what it did last.
struct schedule_filter {
    struct str group, prefix, state;
    struct str after_group, after_name;
};
MUST_CHECK int schedule_each(struct db *db, const struct schedule_filter *filter,
                             int (*each)(void *ctx, const struct schedule_row *schedule), void *ctx,
                             struct err *err);
// Whether it was there.
MUST_CHECK int schedule_delete(struct db *db, struct str group, struct str name, struct err *err);

// The one that is due the longest, by now_ms: 1, or 0 when none is.
MUST_CHECK int schedule_due(struct db *db, int64_t now_ms,
                            void (*each)(void *ctx, const struct schedule_row *schedule), void *ctx,
                            struct err *err);
MUST_CHECK int schedule_due_set(struct db *db, struct str group, struct str name,
                                int64_t instant_ms, int64_t due_ms, struct err *err);
// The earliest that any is due; 0: never.
MUST_CHECK int schedule_due_next(struct db *db, int64_t *ret_ms, struct err *err);

// Groups; "default" is there from the beginning.
struct schedule_group {
    struct str name, tags; // tags: a JSON array of {"Key", "Value"}
    int64_t created_ms, modified_ms;
};
MUST_CHECK int schedule_group_put(struct db *db, const struct schedule_group *group,
                                  struct err *err);
// With its schedules. Whether it was there.
MUST_CHECK int schedule_group_delete(struct db *db, struct str name, struct err *err);
// As schedule_each.
MUST_CHECK int schedule_group_each(struct db *db, struct str prefix, struct str after,
                                   int (*each)(void *ctx, const struct schedule_group *group),
                                   void *ctx, struct err *err);
