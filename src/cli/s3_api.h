// SPDX-License-Identifier: Apache-2.0
// The S3 API, as far as the verbs need it.
#pragma once

#include "cli/remote.h"
#include "format/xml.h"

struct s3_uri {
    char *bucket, *key; // heap; key may be ""
};
// "s3://bucket/key". ERR_INVALID.
MUST_CHECK int remote_s3_uri_parse(const char *text, struct s3_uri *ret, struct err *err);
void remote_s3_uri_done(struct s3_uri *uri);

// "/bucket/key", percent-encoded.
void remote_s3_path(const char *bucket, const char *key, struct buf *out);

// 1 when it is there, 0 when not.
MUST_CHECK int remote_s3_bucket_find(struct remote *remote, const char *bucket, struct err *err);
MUST_CHECK int remote_s3_bucket_make(struct remote *remote, const char *bucket, struct err *err);
MUST_CHECK int remote_s3_bucket_delete(struct remote *remote, const char *bucket, struct err *err);

MUST_CHECK int remote_s3_put(struct remote *remote, const char *bucket, const char *key,
                             struct str body, struct err *err);
// A file, streamed; the Content-Type is guessed from the name. *ret_etag heap, may be NULL.
MUST_CHECK int remote_s3_put_file(struct remote *remote, const char *bucket, const char *key,
                                  const char *path, char **ret_etag, struct err *err);
// 1 with the bytes appended, 0 when there is no such object (or bucket).
MUST_CHECK int remote_s3_get(struct remote *remote, const char *bucket, const char *key,
                             struct buf *out, struct err *err);
MUST_CHECK int remote_s3_get_to(struct remote *remote, const char *bucket, const char *key,
                                int (*on_piece)(void *ctx, struct str piece), void *ctx,
                                struct err *err);
MUST_CHECK int remote_s3_delete(struct remote *remote, const char *bucket, const char *key,
                                struct err *err);

struct s3_entry {
    struct str key; // or a common prefix, ending in '/'
    bool is_prefix;
    uint64_t size;
    struct str modified; // ISO 8601
};
// Calls on_entry for everything with the prefix, in order, over as many pages as there are; a
// delimiter ("/") folds what lies below it. on_entry may fail.
MUST_CHECK int
remote_s3_list(struct remote *remote, const char *bucket, const char *prefix, const char *delimiter,
               int (*on_entry)(void *ctx, const struct s3_entry *entry, struct err *err), void *ctx,
               struct err *err);
MUST_CHECK int remote_s3_list_buckets(struct remote *remote, struct xml_node **ret,
                                      struct err *err);

// The notification configuration as XML (an empty one when there is none), and back.
MUST_CHECK int remote_s3_notifications_get(struct remote *remote, const char *bucket,
                                           struct xml_node **ret, struct err *err);
MUST_CHECK int remote_s3_notifications_put(struct remote *remote, const char *bucket,
                                           struct str document, struct err *err);
