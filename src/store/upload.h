// SPDX-License-Identifier: Apache-2.0
// Multipart uploads that are under way: one row an upload, one row and one blob a part.
#pragma once

#include "store/blob.h"
#include "store/db.h"

#include <stdint.h>

#define UPLOAD_PART_MAX 10000

extern const char *const upload_ddl[];

struct upload {
    struct str id; // chosen by the caller, unique
    struct str bucket, key;
    int64_t created_ms;
    struct str headers, tags, storage_class; // of the object to be, as in struct object
    struct str sum_name, sum_type;           // empty when no checksum was asked for
    char *memory;                            // what the views look at, when read by upload_get
};
void upload_done(struct upload *upload);

struct upload_part {
    int number; // 1…UPLOAD_PART_MAX
    uint64_t size;
    int64_t modified_ms;
    struct str etag;          // hexadecimal MD5
    struct str sum_name, sum; // base64; empty when there is none
    struct str blob;
};

// ERR_NOT_FOUND as NoSuchBucket.
MUST_CHECK int upload_create(struct db *db, const struct upload *upload, struct err *err);
// ERR_NOT_FOUND as NoSuchUpload, also when the upload is of another bucket or key.
MUST_CHECK int upload_get(struct db *db, struct str bucket, struct str key, struct str id,
                          struct upload *ret, struct err *err);
// With its parts, whose blobs are added to *blobs. ERR_NOT_FOUND as NoSuchUpload.
MUST_CHECK int upload_delete(struct db *db, struct str id, struct blob_list *blobs,
                             struct err *err);
MUST_CHECK int upload_delete_bucket(struct db *db, struct str bucket, struct blob_list *blobs,
                                    struct err *err);
// Uploads of the bucket whose key has the prefix, by key and then id, those after (key, id).
// `each` returns 0 to go on, 1 to stop; its views live until it returns. 1 when it stopped.
MUST_CHECK int upload_each(struct db *db, struct str bucket, struct str prefix,
                           struct str after_key, struct str after_id,
                           int (*each)(void *ctx, const struct upload *upload), void *ctx,
                           struct err *err);

// Makes or replaces the part; the blob that it replaces is added to *blobs. ERR_NOT_FOUND as
// NoSuchUpload.
MUST_CHECK int upload_part_put(struct db *db, struct str id, const struct upload_part *part,
                               struct blob_list *blobs, struct err *err);
// By number, those above `after`; `each` as above.
MUST_CHECK int upload_part_each(struct db *db, struct str id, int after,
                                int (*each)(void *ctx, const struct upload_part *part), void *ctx,
                                struct err *err);
