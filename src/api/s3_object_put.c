// SPDX-License-Identifier: Apache-2.0
// PutObject: what is few stays in the row, what is large was written to a blob as it came; the blob
// is made durable, then the row with its events is committed, then the answer is given.
#include "api/s3.h"
#include "base/check.h"
#include "base/mem.h"

// The size that was announced, before anything is received.
int s3_put_size_check(struct s3_request *r, struct err *err)
{
    uint64_t size = r->req->body_size;
    struct str decoded = s3_header(r, "x-amz-decoded-content-length");
    if (decoded.at && !str_to_u64(decoded, &size)) {
        return err_aws(err, ERR_INVALID, "InvalidArgument",
                       "x-amz-decoded-content-length must be a number of bytes");
    }
    if (size == UINT64_MAX) {
        return err_aws(err, ERR_INVALID, "MissingContentLength",
                       "You must provide the Content-Length HTTP header.");
    }
    if (size > S3_PUT_SIZE_MAX) {
        return err_aws(err, ERR_LIMIT, "EntityTooLarge",
                       "Your proposed upload exceeds the maximum allowed size");
    }
    return 0;
}

static int tags_header(struct s3_request *r, struct err *err)
{
    struct str text = s3_header(r, "x-amz-tagging");
    if (text.size) {
        CLEAN(buf_done) struct buf tags = BUF_INIT(64 * 1024);
        TRY(s3_tags_from_query(text, S3_TAGS_MAX, &tags, err));
        r->object.tags = s3_keep_str(r, buf_str(&tags));
    }
    return 0;
}

int s3_put_object_begin(struct s3_request *r, struct err *err)
{
    TRY(s3_put_size_check(r, err));
    TRY(s3_acl_check(r, err));
    TRY(s3_put_conditions(r, err));
    TRY(s3_storage_class(r, &r->object.storage_class, err));
    TRY(tags_header(r, err));
    TRY(s3_meta_headers(r, &r->object.headers, err));
    if (!r->condition.if_none_match) {
        return 0;
    }
    // Checked again with the write; here it spares the client the sending.
    struct object present = {0};
    int rc = object_get(store_reader(r->api->store), r->bucket, r->key, false, &present, err);
    TRY(rc);
    object_done(&present);
    return rc == 0 ? 0
                   : err_aws(err, ERR_INVALID, "PreconditionFailed",
                             "At least one of the pre-conditions you specified did not hold");
}

static int put_commit(struct s3_request *r, struct db *db, struct err *err)
{
    TRY(object_put(db, &r->object, &r->condition, &r->change, err));
    return s3_emit(r, db, r->event, &r->object, r->change.sequencer, err);
}

static int put_sync(struct s3_request *r, struct err *err)
{
    return blob_sync(store_dir(r->api->store), &r->body.blob, r->body.fd, err);
}

static int put_synced(struct s3_request *r, struct err *err)
{
    (void)err;
    s3_commit(r, put_commit, r->commit_done);
    return 0;
}

int s3_put_store(struct s3_request *r, const char *event, void (*done)(struct s3_request *r),
                 struct err *err)
{
    struct s3_body *body = &r->body;
    struct object *o = &r->object;
    o->bucket = r->bucket;
    o->key = r->key;
    o->size = body->size;
    o->modified_ms = r->now_ms;
    o->etag = str_of(body->md5_hex);
    if (body->sum_kind >= 0) {
        o->sum_name = str_of(checksum_name((enum checksum_kind)body->sum_kind));
        o->sum = str_of(body->sum_text);
        o->sum_type = STR("FULL_OBJECT");
    }
    r->event = event;
    r->commit_done = done;
    if (body->fd < 0) {
        o->data = str_not_null(buf_str(&body->memory));
        return put_synced(r, err);
    }
    o->blob = str_of(body->blob.text);
    s3_pool(r, put_sync, put_synced);
    return 0;
}

static void put_done(struct s3_request *r)
{
    r->body.blob_made = false; // a row names it now
    s3_reply_etag(r, r->object.etag);
    s3_reply_sum(r, r->object.sum_name, r->object.sum, r->object.sum_type);
    s3_reply_empty(r, 200);
}

int s3_put_object(struct s3_request *r, struct err *err)
{
    return s3_put_store(r, "ObjectCreated:Put", put_done, err);
}
