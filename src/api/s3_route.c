// SPDX-License-Identifier: Apache-2.0
// From a request to its operation: the table of all that S3 does here, and the callbacks of the
// HTTP server. What the table does not name is looked up in s3_unset.c, then refused.
#include "api/s3.h"
#include "base/check.h"
#include "base/mem.h"
#include "format/uri.h"

#include <stdio.h>

// The first row that fits is taken, so that rows with a condition come before those without.
static const struct s3_op ops[] = {
    {"ListBuckets", "GET", S3_SERVICE, NULL, NULL, 0, NULL, s3_list_buckets},

    {"GetBucketLocation", "GET", S3_BUCKET, "location", NULL, 0, NULL, s3_get_bucket_location},
    {"GetBucketTagging", "GET", S3_BUCKET, "tagging", NULL, 0, NULL, s3_get_bucket_tagging},
    {"PutBucketTagging", "PUT", S3_BUCKET, "tagging", NULL, 0, NULL, s3_put_bucket_tagging},
    {"DeleteBucketTagging", "DELETE", S3_BUCKET, "tagging", NULL, 0, NULL,
     s3_delete_bucket_tagging},
    {"GetBucketNotificationConfiguration", "GET", S3_BUCKET, "notification", NULL, 0, NULL,
     s3_get_notification},
    {"PutBucketNotificationConfiguration", "PUT", S3_BUCKET, "notification", NULL, 0, NULL,
     s3_put_notification},
    {"ListMultipartUploads", "GET", S3_BUCKET, "uploads", NULL, 0, NULL, s3_list_uploads},
    {"ListObjectVersions", "GET", S3_BUCKET, "versions", NULL, 0, NULL, s3_list_object_versions},
    {"DeleteObjects", "POST", S3_BUCKET, "delete", NULL, 0, NULL, s3_delete_objects},
    {"PostObject", "POST", S3_BUCKET, NULL, NULL, S3_STREAM | S3_FORM | S3_OTHER_SUM,
     s3_post_object_begin, s3_post_object},
    {"ListObjectsV2", "GET", S3_BUCKET, "list-type", NULL, 0, NULL, s3_list_objects},
    {"ListObjects", "GET", S3_BUCKET, NULL, NULL, 0, NULL, s3_list_objects},
    {"CreateBucket", "PUT", S3_BUCKET, NULL, NULL, S3_ANY_BUCKET, s3_create_bucket_begin,
     s3_create_bucket},
    {"HeadBucket", "HEAD", S3_BUCKET, NULL, NULL, 0, NULL, s3_head_bucket},
    {"DeleteBucket", "DELETE", S3_BUCKET, NULL, NULL, 0, NULL, s3_delete_bucket},

    {"GetObjectAttributes", "GET", S3_OBJECT, "attributes", NULL, 0, NULL,
     s3_get_object_attributes},
    {"GetObjectTagging", "GET", S3_OBJECT, "tagging", NULL, 0, NULL, s3_get_object_tagging},
    {"PutObjectTagging", "PUT", S3_OBJECT, "tagging", NULL, 0, NULL, s3_put_object_tagging},
    {"DeleteObjectTagging", "DELETE", S3_OBJECT, "tagging", NULL, 0, NULL,
     s3_delete_object_tagging},
    {"ListParts", "GET", S3_OBJECT, "uploadId", NULL, 0, NULL, s3_list_parts},
    {"UploadPartCopy", "PUT", S3_OBJECT, "uploadId", "x-amz-copy-source", 0, NULL,
     s3_upload_part_copy},
    {"UploadPart", "PUT", S3_OBJECT, "uploadId", NULL, S3_STREAM, s3_upload_part_begin,
     s3_upload_part},
    {"CompleteMultipartUpload", "POST", S3_OBJECT, "uploadId", NULL, S3_OTHER_SUM, NULL,
     s3_complete_upload},
    {"AbortMultipartUpload", "DELETE", S3_OBJECT, "uploadId", NULL, 0, NULL, s3_abort_upload},
    {"CreateMultipartUpload", "POST", S3_OBJECT, "uploads", NULL, 0, NULL, s3_create_upload},
    {"CopyObject", "PUT", S3_OBJECT, NULL, "x-amz-copy-source", 0, NULL, s3_copy_object},
    {"PutObject", "PUT", S3_OBJECT, NULL, NULL, S3_STREAM, s3_put_object_begin, s3_put_object},
    {"GetObject", "GET", S3_OBJECT, NULL, NULL, S3_LATE_BUCKET, NULL, s3_get_object},
    {"HeadObject", "HEAD", S3_OBJECT, NULL, NULL, S3_LATE_BUCKET, NULL, s3_get_object},
    {"DeleteObject", "DELETE", S3_OBJECT, NULL, NULL, 0, NULL, s3_delete_object},
};

static const struct s3_op unset_op = {"a sub-resource", "", S3_BUCKET, NULL, NULL, 0, NULL,
                                      s3_unset};

static bool op_fits(const struct s3_op *op, const struct s3_request *r, int level)
{
    const struct http_request *req = r->req;
    return op->level == level && str_eq(req->method, str_of(op->method)) &&
           (!op->sub || uri_query_find(req->query, str_of(op->sub), NULL)) &&
           (!op->header || http_request_header(req, op->header).at);
}

static int op_find(struct s3_request *r, struct err *err)
{
    int level = r->key.size ? S3_OBJECT : r->bucket.size ? S3_BUCKET : S3_SERVICE;
    if (level != S3_SERVICE && s3_unset_named(r)) {
        r->op = &unset_op;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
        if (op_fits(&ops[i], r, level)) {
            r->op = &ops[i];
            return 0;
        }
    }
    return err_aws(err, ERR_INVALID, "MethodNotAllowed",
                   "The specified method is not allowed against this resource.");
}

// Bucket and key from the host and the path. The key is everything after the first '/', as it is.
static int names_find(struct s3_request *r, struct err *err)
{
    struct buf path = BUF_INIT(r->req->path.size + 1);
    int rc = uri_decode(r->req->path, URI_PATH, &path, NULL);
    size_t size = path.size;
    (void)buf_text(&path);
    char *heap = buf_steal(&path);
    struct str rest = str_n(heap ? s3_keep(r, heap) : "", size);
    if (rc < 0) {
        return err_aws(err, ERR_INVALID, "InvalidURI", "Couldn't parse the specified URI.");
    }
    rest = str_skip(rest, 1);
    struct str bucket = s3_host_bucket(r->req->host);
    if (bucket.size) {
        r->bucket = s3_keep_str(r, bucket);
        r->key = rest;
    } else {
        r->bucket = str_cut(&rest, '/');
        r->key = str_not_null(rest);
    }
    return s3_key_check(r->key, err);
}

static int version_check(struct s3_request *r, struct err *err)
{
    struct str version = s3_param(r, "versionId");
    if (!version.size || str_eq(version, STR("null"))) {
        return 0;
    }
    return err_aws(err, ERR_NOT_FOUND, "NoSuchVersion", "The specified version does not exist.");
}

static int authenticate(struct s3_request *r, struct err *err)
{
    if (r->op->flags & S3_FORM) {
        return 0; // by what is in it, later
    }
    return s3_sigv2_present(r) ? s3_sigv2_check(r, err)
                               : auth_headers(r->api, r->req, AUTH_STYLE_S3, &r->auth, err);
}

static int request_begin(struct s3_request *r, struct err *err)
{
    TRY(names_find(r, err));
    TRY(op_find(r, err));
    TRY(authenticate(r, err));
    TRY(s3_authorize(r, err));
    if (r->bucket.size && !(r->op->flags & (S3_ANY_BUCKET | S3_LATE_BUCKET))) {
        int64_t id = bucket_id(store_reader(r->api->store), r->bucket, err);
        TRY(id < 0 ? (int)id : 0);
    }
    TRY(version_check(r, err));
    if (!(r->op->flags & S3_FORM)) {
        TRY(s3_body_begin(r, err));
    }
    return r->op->begin ? r->op->begin(r, err) : 0;
}

static void on_body(struct http_request *req, struct str piece)
{
    struct s3_request *r = req->data;
    if (r->replied) {
        return;
    }
    struct err err = {0};
    int rc = r->op->flags & S3_FORM ? s3_post_object_feed(r, piece, &err)
                                    : s3_body_feed(&r->body, piece, &err);
    if (rc < 0) {
        s3_fail(r, &err);
    }
}

static void on_end(struct http_request *req)
{
    struct s3_request *r = req->data;
    if (r->replied) {
        return;
    }
    struct err err = {0};
    int rc = r->op->flags & S3_FORM ? 0 : s3_body_end(r, &err);
    rc = rc < 0 ? rc : r->op->run(r, &err);
    if (rc < 0) {
        s3_fail(r, &err);
    }
}

static void on_closed(struct http_request *req)
{
    struct s3_request *r = req->data;
    r->req = NULL;
    s3_request_unref(r);
}

const struct http_handler *s3_route(struct http_request *req, struct api *api)
{
    static const struct http_handler handler = {on_body, on_end, on_closed};
    struct s3_request *r = s3_request_new(req, api);
    req->data = r;
    http_reply_header(req, "x-amz-request-id", req->id);
    http_reply_header(req, "x-amz-id-2", req->id);
    struct err err = {0};
    if (request_begin(r, &err) < 0) {
        s3_fail(r, &err);
    }
    return &handler;
}
