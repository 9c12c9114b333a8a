// SPDX-License-Identifier: Apache-2.0
// One S3 request inside the server, and what its operations (s3_*.c) share. The table of operations
// is in s3_route.c; the outside sees only s3_route of api.h.
//
//     route: find bucket, key, operation ─► authorise ─► op->begin ─► body ─► op->run ─► reply
//                                                                               │
//                                     s3_pool (fsync, copies) and s3_commit (rows) in between
//
// A request is counted: the connection holds one reference, work under way another, so that a client
// that goes away does not take away what the store's thread is looking at.
#pragma once

#include "api/api.h"
#include "api/auth.h"
#include "bus/bus.h"
#include "format/aws_chunked.h"
#include "format/checksum.h"
#include "format/xml.h"
#include "store/blob.h"
#include "store/bucket.h"
#include "store/object.h"
#include "store/upload.h"

#define S3_OBJECT_SIZE_MAX ((uint64_t)5 << 40) // of a multipart upload
#define S3_PUT_SIZE_MAX    ((uint64_t)5 << 30) // of one request
#define S3_PART_SIZE_MIN   ((uint64_t)5 << 20) // but the last
#define S3_DOCUMENT_MAX    ((size_t)4 << 20)   // of an XML body
#define S3_REPLY_MAX       ((size_t)64 << 20)  // of an XML answer

struct s3_request;

// An operation. Both return 0 or an error, which is then answered.
struct s3_op {
    const char *name; // as in the documentation: "PutObject"
    const char *method;
    int level;          // enum s3_level
    const char *sub;    // the query parameter that selects it, or NULL
    const char *header; // the header that selects it, or NULL
    unsigned flags;     // S3_…
    int (*begin)(struct s3_request *r, struct err *err); // the headers are in; or NULL
    int (*run)(struct s3_request *r, struct err *err);   // the body is in and is as promised
};

enum s3_level { S3_SERVICE, S3_BUCKET, S3_OBJECT };
enum {
    S3_ANY_BUCKET = 1,   // the bucket need not exist
    S3_STREAM = 2,       // the body may be large: to memory first, then to a blob
    S3_FORM = 4,         // the body is a browser's form and is authorised by what is in it
    S3_OTHER_SUM = 8,    // x-amz-checksum-… is not of this body
    S3_LATE_BUCKET = 16, // whether there is such a bucket is asked when there is no such object
};

// The body on its way in (s3_body.c).
struct s3_body {
    struct str store_dir;
    bool stream; // beyond memory_max it goes to a blob; else it is refused
    size_t memory_max;
    uint64_t size_max;

    bool chunked; // aws-chunked
    struct aws_chunked decoder;
    struct sigv4_chain chain;

    bool md5_given, sha256_on;
    uint8_t md5_wanted[16];
    int sum_kind; // enum checksum_kind, or -1
    bool sum_in_trailer;
    char sum_wanted[CHECKSUM_TEXT_MAX]; // empty: none was named
    struct checksum md5, sha256, sum;

    uint64_t size;
    struct buf memory; // all of it, while it fits
    int fd;            // else here; -1
    struct blob_id blob;
    bool blob_made; // the file is there and no row names it: removed with the request

    // After s3_body_end:
    uint8_t md5_bytes[16];
    char md5_hex[33], sha256_hex[65];
    char sum_text[CHECKSUM_TEXT_MAX]; // empty when sum_kind is -1
};

struct s3_request {
    struct http_request *req; // NULL once the client has gone
    struct api *api;
    int refs;
    const struct s3_op *op;
    struct str bucket, key; // decoded; live as long as the request
    struct auth auth;
    struct s3_body body;
    bool replied;
    int64_t now_ms; // wall time of its beginning
    char *source_ip, *id;

    // Of s3_commit and s3_pool, one of each at a time.
    struct store_task task;
    int (*commit_run)(struct s3_request *r, struct db *db, struct err *err);
    void (*commit_done)(struct s3_request *r);
    struct pool_work work;
    int (*pool_run)(struct s3_request *r, struct err *err);
    int (*pool_done)(struct s3_request *r, struct err *err);
    struct err err;
    int rc;

    // What a commit did: blobs to be removed and functions to be woken after it.
    struct object_change change;
    struct bus_emitted emitted;

    const char *event;                 // of the write: "ObjectCreated:Put"
    struct object object;              // to be written
    struct object_condition condition; // of the write
    void *data;                        // the operation's own, freed by data_free
    void (*data_free)(void *data);
    struct s3_kept *kept;
};

// ---- rights (s3_authorize.c): 0, or AccessDenied
MUST_CHECK int s3_authorize(struct s3_request *r, struct err *err); // its operation
MUST_CHECK int s3_may(struct s3_request *r, const char *action, struct str bucket, struct str key,
                      struct err *err); // a further one; key empty: the bucket

// ---- life (s3_request.c)
struct s3_request *s3_request_new(struct http_request *req, struct api *api);
struct s3_request *s3_request_ref(struct s3_request *r);
void s3_request_unref(struct s3_request *r);
void *s3_keep(struct s3_request *r, void *heap);            // freed with the request; returns it
struct str s3_keep_str(struct s3_request *r, struct str s); // a copy that lives as long
// A query parameter, decoded, kept; at == NULL when absent. While the client is there.
struct str s3_param(struct s3_request *r, const char *name);
struct str s3_header(const struct s3_request *r, const char *name);
// An integer parameter; absent: *ret untouched. Else InvalidArgument.
MUST_CHECK int s3_param_int(struct s3_request *r, const char *name, int64_t least, int64_t most,
                            int64_t *ret, struct err *err);

// run on the store's thread within a transaction; when it is durable done on the core thread (a
// failure is answered instead). What run put into r->change and r->emitted is dealt with.
void s3_commit(struct s3_request *r,
               int (*run)(struct s3_request *r, struct db *db, struct err *err),
               void (*done)(struct s3_request *r));
// run on a pool thread, then done on the core thread. A failure of either is answered.
void s3_pool(struct s3_request *r, int (*run)(struct s3_request *r, struct err *err),
             int (*done)(struct s3_request *r, struct err *err));
// Within a commit: the event, for the bus.
MUST_CHECK int s3_emit(struct s3_request *r, struct db *db, const char *name,
                       const struct object *object, uint64_t sequencer, struct err *err);
// Removes the files in the background; the list is empty afterwards.
void s3_discard(struct api *api, struct blob_list *blobs);

// ---- replies: exactly one a request; all are no-ops when the client has gone
void s3_reply_header(struct s3_request *r, const char *name, const char *value);
void s3_reply_header_str(struct s3_request *r, const char *name, struct str value);
void s3_reply_empty(struct s3_request *r, int status);
void s3_reply_xml(struct s3_request *r, int status, struct buf *document);
void s3_reply_etag(struct s3_request *r, struct str etag); // the header, in quotes
// ---- errors (s3_error.c)
void s3_fail(struct s3_request *r, const struct err *err);
int s3_error_status(const struct err *err);
const char *s3_error_code(const struct err *err);

// ---- where (s3_host.c)
// The bucket that a Host header names ("photos.localhost:4566"), empty when it names none.
struct str s3_host_bucket(struct str host);
bool s3_bucket_name_ok(struct str name);

// ---- presigned by signature version 2 (s3_sigv2.c)
bool s3_sigv2_present(const struct s3_request *r);
MUST_CHECK int s3_sigv2_check(struct s3_request *r,
                              struct err *err); // in the place of auth_headers
// Is `signature` that of `text` by the access key? Nothing is checked with --insecure.
MUST_CHECK int s3_sigv2_compare(struct s3_request *r, struct str access_key, struct str token,
                                struct str text, struct str signature, struct err *err);
// Appends the secret of the access key. `token`, of temporary credentials, else empty, says whose they
// are: r->auth.role and .session.
MUST_CHECK int s3_secret(struct s3_request *r, struct str access_key, struct str token,
                         struct buf *out, struct err *err);

// ---- body (s3_body.c)
MUST_CHECK int s3_body_begin(struct s3_request *r, struct err *err);
// Before s3_body_begin: a header or form field, remembered when it names a checksum of the body.
MUST_CHECK int s3_body_sum(struct s3_body *body, struct str header, struct str value,
                           struct err *err);
MUST_CHECK int s3_body_feed(struct s3_body *body, struct str piece, struct err *err);
MUST_CHECK int s3_body_add(struct s3_body *body, struct str data, struct err *err); // decoded
MUST_CHECK int s3_body_end(struct s3_request *r, struct err *err);
MUST_CHECK int s3_body_to_blob(struct s3_body *body, struct err *err); // even when it is small
void s3_body_done(struct s3_body *body);

// ---- what describes an object (s3_meta.c)
// Headers of the request that are kept with an object, as "name: value\n" lines.
MUST_CHECK int s3_meta_headers(struct s3_request *r, struct str *ret, struct err *err);
// The same of one name and value, appended; others are left out. *user_size counts metadata.
void s3_meta_add(struct buf *lines, struct str name, struct str value, size_t *user_size);
#define S3_META_MAX 2048 // bytes of user metadata
MUST_CHECK int s3_storage_class(struct s3_request *r, struct str *ret, struct err *err);
MUST_CHECK int s3_acl_check(struct s3_request *r, struct err *err);
MUST_CHECK int s3_key_check(struct str key, struct err *err);
void s3_reply_meta(struct s3_request *r, const struct object *object);
void s3_reply_sum(struct s3_request *r, struct str name, struct str sum, struct str type);
struct str s3_etag_trim(struct str etag); // without the quotes
// Does the comma-separated list of entity tags (or "*") have this one?
bool s3_etag_listed(struct str list, struct str etag);

// ---- conditions (s3_meta.c)
struct s3_conditions {
    struct str match, none_match, modified_since, unmodified_since; // at == NULL: not given
};
enum s3_verdict { S3_GO_ON, S3_NOT_MODIFIED, S3_FAILED };
enum s3_verdict s3_conditions_check(const struct s3_conditions *conditions,
                                    const struct object *object);
MUST_CHECK int s3_put_conditions(struct s3_request *r, struct err *err); // into r->condition

// ---- tags (s3_tagging.c)
#define S3_TAGS_MAX        10 // of an object
#define S3_BUCKET_TAGS_MAX 50
MUST_CHECK int s3_tags_from_query(struct str text, size_t count_max, struct buf *out,
                                  struct err *err);
MUST_CHECK int s3_tags_from_xml(struct str document, size_t count_max, struct buf *out,
                                struct err *err);
size_t s3_tags_count(struct str tags);

// ---- byte ranges (s3_range.c)
struct s3_range {
    uint64_t first, size;
};
// 1: one range, within size; 0: no or an odd range, so all of it; ERR_INVALID as InvalidRange.
MUST_CHECK int s3_range_parse(struct str text, uint64_t size, struct s3_range *ret,
                              struct err *err);

// ---- parts of a finished multipart object, from its row
struct s3_part {
    int number;
    uint64_t offset, size;
    struct str sum;
};
// Takes the next off *rest (object->parts at first). *part is the one before, zeroed at first.
bool s3_part_next(struct str *rest, struct s3_part *part);

// ERR_NOT_FOUND as NoSuchKey or NoSuchBucket.
MUST_CHECK int s3_object_need(struct s3_request *r, struct str bucket, struct str key,
                              bool with_data, struct object *ret, struct err *err);
// An fd, the caller's; -1 when the bytes are in object->data.
MUST_CHECK int s3_blob_open(struct s3_request *r, const struct object *object, struct err *err);

// ---- XML that several answers have
void s3_xml_owner(struct buf *out, const char *tag);
void s3_xml_etag(struct buf *out, struct str etag);
void s3_xml_time(struct buf *out, const char *tag, int64_t time_ms);
void s3_xml_class(struct buf *out, struct str storage_class);
void s3_xml_sum(struct buf *out, struct str name, struct str sum); // <ChecksumCRC32>…
#define S3_OWNER_ID   "0000000000000000000000000000000000000000000000000000000000000000"
#define S3_OWNER_NAME "rouse"

// ---- operations
int s3_list_buckets(struct s3_request *r, struct err *err);
int s3_create_bucket_begin(struct s3_request *r, struct err *err);
int s3_create_bucket(struct s3_request *r, struct err *err);
int s3_head_bucket(struct s3_request *r, struct err *err);
int s3_delete_bucket(struct s3_request *r, struct err *err);
int s3_get_bucket_location(struct s3_request *r, struct err *err);
int s3_get_bucket_tagging(struct s3_request *r, struct err *err);
int s3_put_bucket_tagging(struct s3_request *r, struct err *err);
int s3_delete_bucket_tagging(struct s3_request *r, struct err *err);
int s3_get_notification(struct s3_request *r, struct err *err);
int s3_put_notification(struct s3_request *r, struct err *err);
int s3_list_objects(struct s3_request *r, struct err *err); // both versions
int s3_list_object_versions(struct s3_request *r, struct err *err);
int s3_list_uploads(struct s3_request *r, struct err *err);
int s3_list_parts(struct s3_request *r, struct err *err);
int s3_put_object_begin(struct s3_request *r, struct err *err);
int s3_put_object(struct s3_request *r, struct err *err);
int s3_put_size_check(struct s3_request *r, struct err *err);
// The body that has come becomes r->object, with its event; then done.
int s3_put_store(struct s3_request *r, const char *event, void (*done)(struct s3_request *r),
                 struct err *err);
int s3_get_object(struct s3_request *r, struct err *err); // and HEAD
int s3_get_object_attributes(struct s3_request *r, struct err *err);
int s3_delete_object(struct s3_request *r, struct err *err);
int s3_delete_objects(struct s3_request *r, struct err *err);
int s3_copy_object(struct s3_request *r, struct err *err);
int s3_get_object_tagging(struct s3_request *r, struct err *err);
int s3_put_object_tagging(struct s3_request *r, struct err *err);
int s3_delete_object_tagging(struct s3_request *r, struct err *err);
int s3_create_upload(struct s3_request *r, struct err *err);
int s3_upload_part_begin(struct s3_request *r, struct err *err);
int s3_upload_part(struct s3_request *r, struct err *err);
int s3_upload_part_copy(struct s3_request *r, struct err *err);
int s3_complete_upload(struct s3_request *r, struct err *err);
int s3_abort_upload(struct s3_request *r, struct err *err);
int s3_post_object_begin(struct s3_request *r, struct err *err);
int s3_post_object_feed(struct s3_request *r, struct str piece, struct err *err);
int s3_post_object(struct s3_request *r, struct err *err);
// What was never configured, and what cannot be: sub-resources by name (s3_unset.c). ERR_NOT_FOUND
// when the request names none of them.
bool s3_unset_named(const struct s3_request *r);
int s3_unset(struct s3_request *r, struct err *err);
