// SPDX-License-Identifier: Apache-2.0
// Multipart uploads until they are complete: begin, take a part, give up. (The end is s3_complete.c.)
#include "api/s3.h"
#include "base/mem.h"
#include "core/uuid.h"

static int upload_commit(struct s3_request *r, struct db *db, struct err *err)
{
    return upload_create(db, r->data, err);
}

static void upload_created(struct s3_request *r)
{
    const struct upload *upload = r->data;
    if (upload->sum_name.size) {
        s3_reply_header_str(r, "x-amz-checksum-algorithm", upload->sum_name);
        s3_reply_header_str(r, "x-amz-checksum-type", upload->sum_type);
    }
    CLEAN(buf_done) struct buf out = BUF_INIT(S3_REPLY_MAX);
    xml_begin(&out);
    xml_open_ns(&out, "InitiateMultipartUploadResult", XML_NS_S3);
    xml_text_element(&out, "Bucket", upload->bucket);
    xml_text_element(&out, "Key", upload->key);
    xml_text_element(&out, "UploadId", upload->id);
    xml_close(&out, "InitiateMultipartUploadResult");
    s3_reply_xml(r, 200, &out);
}

// x-amz-checksum-algorithm and -type: which parts are to have and how the whole is made of them.
static int sum_choose(struct s3_request *r, struct upload *upload, struct err *err)
{
    struct str name = s3_header(r, "x-amz-checksum-algorithm");
    struct str type = s3_header(r, "x-amz-checksum-type");
    if (!name.size) {
        return !type.size ? 0
                          : err_aws(err, ERR_INVALID, "InvalidRequest",
                                    "The x-amz-checksum-type header can only be used with the "
                                    "x-amz-checksum-algorithm header.");
    }
    int kind = checksum_kind_of_name(name);
    if (kind < 0 || kind == CHECKSUM_MD5) {
        return err_aws(err, ERR_INVALID, "InvalidRequest",
                       "Checksum algorithm provided is unsupported. Please try again with any of "
                       "the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]");
    }
    upload->sum_name = str_of(checksum_name((enum checksum_kind)kind));
    upload->sum_type = kind == CHECKSUM_CRC64NVME ? STR("FULL_OBJECT") : STR("COMPOSITE");
    if (!type.size || str_eq(type, upload->sum_type)) {
        return 0;
    }
    bool full = str_eq(type, STR("FULL_OBJECT"));
    if ((full && checksum_combines((enum checksum_kind)kind)) ||
        (str_eq(type, STR("COMPOSITE")) && kind != CHECKSUM_CRC64NVME)) {
        upload->sum_type = full ? STR("FULL_OBJECT") : STR("COMPOSITE");
        return 0;
    }
    return err_aws(err, ERR_INVALID, "InvalidRequest",
                   "The " STR_FMT " checksum type cannot be used with the " STR_FMT
                   " checksum algorithm.",
                   STR_ARG(type), STR_ARG(upload->sum_name));
}

int s3_create_upload(struct s3_request *r, struct err *err)
{
    struct upload *upload = s3_keep(r, NEW(struct upload));
    struct uuid id = uuid_new();
    *upload = (struct upload){.bucket = r->bucket, .key = r->key, .created_ms = r->now_ms};
    upload->id = s3_keep_str(r, str_of(id.text));
    TRY(s3_acl_check(r, err));
    TRY(s3_meta_headers(r, &upload->headers, err));
    TRY(s3_storage_class(r, &upload->storage_class, err));
    TRY(sum_choose(r, upload, err));
    struct str tags = s3_header(r, "x-amz-tagging");
    if (tags.size) {
        CLEAN(buf_done) struct buf kept = BUF_INIT(64 * 1024);
        TRY(s3_tags_from_query(tags, S3_TAGS_MAX, &kept, err));
        upload->tags = s3_keep_str(r, buf_str(&kept));
    }
    r->data = upload;
    s3_commit(r, upload_commit, upload_created);
    return 0;
}

static int part_number(struct s3_request *r, int *ret, struct err *err)
{
    int64_t number = 0;
    struct str text = s3_param(r, "partNumber");
    if (!str_to_i64(text, &number) || number < 1 || number > UPLOAD_PART_MAX) {
        return err_aws(err, ERR_INVALID, "InvalidArgument",
                       "Part number must be an integer between 1 and %d, inclusive",
                       UPLOAD_PART_MAX);
    }
    *ret = (int)number;
    return 0;
}

// The part that a request makes, and the upload that it is of.
struct incoming {
    struct str upload_id;
    struct upload_part part;
};

int s3_upload_part_begin(struct s3_request *r, struct err *err)
{
    struct incoming *in = s3_keep(r, NEW(struct incoming));
    r->data = in;
    TRY(s3_put_size_check(r, err));
    TRY(part_number(r, &in->part.number, err));
    in->upload_id = s3_param(r, "uploadId");
    struct upload upload = {0};
    TRY(upload_get(store_reader(r->api->store), r->bucket, r->key, in->upload_id, &upload, err));
    int wanted = checksum_kind_of_name(upload.sum_name);
    upload_done(&upload);
    if (wanted >= 0 && r->body.sum_kind < 0) {
        r->body.sum_kind = wanted; // the client sent none: what the upload promised is computed
        checksum_init(&r->body.sum, (enum checksum_kind)wanted);
    } else if (wanted >= 0 && wanted != r->body.sum_kind) {
        return err_aws(err, ERR_INVALID, "InvalidRequest",
                       "Checksum Type mismatch occurred, expected checksum Type: %s, actual "
                       "checksum Type: %s",
                       checksum_name((enum checksum_kind)wanted),
                       checksum_name((enum checksum_kind)r->body.sum_kind));
    }
    return 0;
}

static int part_sync(struct s3_request *r, struct err *err)
{
    return blob_sync(store_dir(r->api->store), &r->body.blob, r->body.fd, err);
}

static int part_commit(struct s3_request *r, struct db *db, struct err *err)
{
    struct incoming *in = r->data;
    return upload_part_put(db, in->upload_id, &in->part, &r->change.blobs, err);
}

static void part_done(struct s3_request *r)
{
    struct incoming *in = r->data;
    r->body.blob_made = false; // a row names it now
    s3_reply_etag(r, in->part.etag);
    s3_reply_sum(r, in->part.sum_name, in->part.sum, (struct str){0});
    s3_reply_empty(r, 200);
}

static void part_fill(struct s3_request *r, struct upload_part *part)
{
    const struct s3_body *body = &r->body;
    part->size = body->size;
    part->modified_ms = r->now_ms;
    part->etag = str_of(body->md5_hex);
    part->blob = str_of(body->blob.text);
    if (body->sum_kind >= 0) {
        part->sum_name = str_of(checksum_name((enum checksum_kind)body->sum_kind));
        part->sum = str_of(body->sum_text);
    }
}

static int part_synced(struct s3_request *r, struct err *err)
{
    (void)err;
    s3_commit(r, part_commit, part_done);
    return 0;
}

int s3_upload_part(struct s3_request *r, struct err *err)
{
    struct incoming *in = r->data;
    TRY(s3_body_to_blob(&r->body, err));
    part_fill(r, &in->part);
    s3_pool(r, part_sync, part_synced);
    return 0;
}

static int abort_commit(struct s3_request *r, struct db *db, struct err *err)
{
    struct upload upload = {0};
    struct str id = r->object.tags;
    TRY(upload_get(db, r->bucket, r->key, id, &upload, err));
    upload_done(&upload);
    return upload_delete(db, id, &r->change.blobs, err);
}

static void abort_done(struct s3_request *r)
{
    s3_reply_empty(r, 204);
}

int s3_abort_upload(struct s3_request *r, struct err *err)
{
    (void)err;
    r->object.tags = s3_param(r, "uploadId"); // the task reads it from here
    s3_commit(r, abort_commit, abort_done);
    return 0;
}
