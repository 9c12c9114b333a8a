// SPDX-License-Identifier: Apache-2.0
// Objects: a row each. The bytes stand in the row while they are few (OBJECT_INLINE_MAX), else in
// a blob that the row names. Text that this folder only carries is kept as it will be sent:
// headers as "name: value\n" lines, tags form-encoded, checksums in base64.
#pragma once

#include "base/buf.h"
#include "store/blob.h"
#include "store/db.h"

#include <stdint.h>

#define OBJECT_INLINE_MAX (64 * 1024)
#define OBJECT_KEY_MAX    1024

extern const char *const object_ddl[];

struct object {
    struct str bucket, key;
    uint64_t size;
    int64_t modified_ms;
    uint64_t sequencer;       // given by object_put; rises with every change of any object
    struct str etag;          // without quotes
    struct str headers;       // content headers and user metadata
    struct str tags;          // "a=1&b=2"
    struct str storage_class; // empty: STANDARD
    struct str sum_name;      // "CRC32C", …; empty when there is no checksum
    struct str sum;           // base64; COMPOSITE ones end in "-<parts>"
    struct str sum_type;      // "FULL_OBJECT" or "COMPOSITE"
    struct str parts;         // of a multipart upload: a line "<number> <size> <checksum>" for each
    struct str data;          // the bytes, when they are in the row
    struct str blob;          // else the name of the blob
    char *memory;             // what the views look at, when it was read by object_get
};
void object_done(struct object *object);

// When a writer wants to know what is there before.
struct object_condition {
    struct str if_match; // the entity tag, without quotes; empty: whatever
    bool if_none_match;  // nothing may be there
};

struct object_change {
    uint64_t sequencer;
    bool existed;
    struct blob_list blobs; // to be removed after the commit
};
void object_change_done(struct object_change *change);

// 1 and *ret filled (object_done it), 0 when there is no such object or bucket. Without with_data,
// ret->data stays empty.
MUST_CHECK int object_get(struct db *db, struct str bucket, struct str key, bool with_data,
                          struct object *ret, struct err *err);

// Makes or replaces the object, in a task. ERR_NOT_FOUND as NoSuchBucket; when the condition does
// not hold ERR_INVALID as PreconditionFailed, or ERR_NOT_FOUND as NoSuchKey.
MUST_CHECK int object_put(struct db *db, const struct object *object,
                          const struct object_condition *condition, struct object_change *ret,
                          struct err *err);
// The same for a few bytes, as results have them, with headers as struct object has them; no blob is
// involved, the entity tag (hexadecimal MD5) is the caller's. Whoever calls emits the event.
MUST_CHECK int object_put_small(struct db *db, struct str bucket, struct str key, struct str bytes,
                                struct str etag, struct str headers, int64_t now_ms,
                                struct object_change *ret, struct err *err);
// Removes it, in a task. ret->existed tells whether there was one. ERR_NOT_FOUND as NoSuchBucket.
MUST_CHECK int object_delete(struct db *db, struct str bucket, struct str key, int64_t now_ms,
                             const struct object_condition *condition, struct object_change *ret,
                             struct err *err);
// ERR_NOT_FOUND as NoSuchKey.
MUST_CHECK int object_tags_set(struct db *db, struct str bucket, struct str key, struct str tags,
                               struct err *err);

// The bytes of an object, for whoever hands them on.
struct object_content {
    uint64_t size;
    int fd;          // a blob, from offset 0, the caller's to close; -1 when the bytes are in data
    struct buf data; // the caller's to free
    char etag[80];
    char content_type[128];
};
void object_content_done(struct object_content *content); // closes and frees
// ERR_NOT_FOUND as NoSuchKey. Core thread, with the store's reader: a blob that a committed row
// names is not removed before the core thread has heard of the next commit.
MUST_CHECK int object_open(struct db *reader, const char *store_dir, struct str bucket,
                           struct str key, struct object_content *ret, struct err *err);

// The line of `headers` with that name, any case; at == NULL when absent.
struct str object_header(const struct object *object, const char *name);

// Removes the blobs that neither an object nor a part of an upload names: at start.
MUST_CHECK int object_sweep(const char *store_dir, struct db *db, uint64_t *ret_removed,
                            struct err *err);

// A listing, in the order of keys. Keys that have `delimiter` after the prefix are rolled up and
// skipped through the index, so that a page costs what it shows.
struct object_list {
    struct str bucket, prefix, delimiter; // empty delimiter: nothing is rolled up
    struct str after;                     // only what comes after this key or rolled-up prefix
    int max;                              // of keys and prefixes together
    void (*on_object)(void *ctx, const struct object *object); // without data, headers, tags
    void (*on_prefix)(void *ctx, struct str prefix);
    void *ctx;
};
// 1 when there is more, with the last key or prefix that was given appended to *last; 0 when not.
MUST_CHECK int object_list(struct db *db, const struct object_list *list, struct buf *last,
                           struct err *err);
