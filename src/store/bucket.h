// SPDX-License-Identifier: Apache-2.0
// Buckets. A bucket is known by its name outside and by a number in the tables that belong to it.
#pragma once

#include "base/buf.h"
#include "store/blob.h"
#include "store/db.h"

#include <stdint.h>

extern const char *const bucket_ddl[];

struct bucket {
    struct str name, region;
    int64_t created_ms;
};

// Its number (> 0). ERR_NOT_FOUND as NoSuchBucket.
MUST_CHECK int64_t bucket_id(struct db *db, struct str name, struct err *err);
// ERR_EXISTS as BucketAlreadyOwnedByYou.
MUST_CHECK int bucket_create(struct db *db, const struct bucket *bucket, struct err *err);
// With its notifications and unfinished uploads, whose blobs are added to *blobs. ERR_EXISTS as
// BucketNotEmpty while it has objects.
MUST_CHECK int bucket_delete(struct db *db, struct str name, struct blob_list *blobs,
                             struct err *err);
// Appends its region. ERR_NOT_FOUND as NoSuchBucket.
MUST_CHECK int bucket_region(struct db *db, struct str name, struct buf *out, struct err *err);
// In the order of names, those after `after` with the prefix; `each` returns 0 to go on, 1 to stop.
// The views live until it returns. 1 when it stopped.
MUST_CHECK int bucket_each(struct db *db, struct str prefix, struct str after,
                           int (*each)(void *ctx, const struct bucket *bucket), void *ctx,
                           struct err *err);
// Tags, form-encoded ("a=1&b=2"); empty when there are none.
MUST_CHECK int bucket_tags_get(struct db *db, struct str name, struct buf *out, struct err *err);
MUST_CHECK int bucket_tags_set(struct db *db, struct str name, struct str tags, struct err *err);
