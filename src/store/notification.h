// SPDX-License-Identifier: Apache-2.0
// Who is told of what happens in a bucket: its notification configuration, kept in the order given.
#pragma once

#include "store/db.h"

extern const char *const notification_ddl[];

struct notification {
    struct str id;             // "Id" of the configuration
    struct str function;       // ARN as it was given, perhaps with a qualifier
    struct str events;         // "s3:ObjectCreated:*,s3:ObjectRemoved:Delete"
    struct str prefix, suffix; // of the raw key; at == NULL: no such rule
};

// Replaces all of the bucket's. ERR_NOT_FOUND as NoSuchBucket.
MUST_CHECK int notification_replace(struct db *db, struct str bucket,
                                    const struct notification *list, size_t count, bool eventbridge,
                                    struct err *err);
// `each` returns 0 to go on, < 0 to end with that; its views live until it returns. A bucket that
// is not there has none.
MUST_CHECK int notification_each(struct db *db, struct str bucket,
                                 int (*each)(void *ctx, const struct notification *notification),
                                 void *ctx, struct err *err);
// Are the bucket's events meant for EventBridge too? 1 or 0. ERR_NOT_FOUND as NoSuchBucket.
MUST_CHECK int notification_eventbridge(struct db *db, struct str bucket, struct err *err);
