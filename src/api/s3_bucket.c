// SPDX-License-Identifier: Apache-2.0
// Buckets themselves: make, find, list, remove.
#include "api/s3.h"
#include "base/mem.h"
#include "format/base64.h"

struct bucket_listing {
    struct buf out;
    int64_t max, given;
    struct buf last;
    bool more;
};

static int bucket_write(void *ctx, const struct bucket *bucket)
{
    struct bucket_listing *listing = ctx;
    if (listing->given == listing->max) {
        listing->more = true;
        return 1;
    }
    listing->given++;
    buf_clear(&listing->last);
    buf_add_str(&listing->last, bucket->name);
    xml_open(&listing->out, "Bucket");
    xml_text_element(&listing->out, "Name", bucket->name);
    s3_xml_time(&listing->out, "CreationDate", bucket->created_ms);
    xml_text_element(&listing->out, "BucketRegion", bucket->region);
    xml_close(&listing->out, "Bucket");
    return 0;
}

static int buckets_write(struct s3_request *r, struct bucket_listing *listing, struct err *err)
{
    struct buf *out = &listing->out;
    struct str prefix = s3_param(r, "prefix");
    struct str after = s3_param(r, "continuation-token");
    TRY(s3_param_int(r, "max-buckets", 1, 10000, &listing->max, err));
    xml_begin(out);
    xml_open_ns(out, "ListAllMyBucketsResult", XML_NS_S3);
    s3_xml_owner(out, "Owner");
    xml_open(out, "Buckets");
    TRY(bucket_each(store_reader(r->api->store), prefix, after, bucket_write, listing, err));
    xml_close(out, "Buckets");
    if (prefix.size) {
        xml_text_element(out, "Prefix", prefix);
    }
    if (listing->more) {
        xml_text_element(out, "ContinuationToken", buf_str(&listing->last));
    }
    xml_close(out, "ListAllMyBucketsResult");
    return 0;
}

int s3_list_buckets(struct s3_request *r, struct err *err)
{
    struct bucket_listing listing = {
        .out = BUF_INIT(S3_REPLY_MAX), .last = BUF_INIT(256), .max = 10000};
    int rc = buckets_write(r, &listing, err);
    if (rc >= 0) {
        s3_reply_xml(r, 200, &listing.out);
    }
    buf_done(&listing.out);
    buf_done(&listing.last);
    return rc;
}

int s3_create_bucket_begin(struct s3_request *r, struct err *err)
{
    if (!s3_bucket_name_ok(r->bucket)) {
        return err_aws(err, ERR_INVALID, "InvalidBucketName", "The specified bucket is not valid.");
    }
    struct str lock = s3_header(r, "x-amz-bucket-object-lock-enabled");
    if (str_eq_nocase(lock, STR("true"))) {
        return err_aws(err, ERR_UNSUPPORTED, "NotImplemented", "Object Lock is not implemented");
    }
    return s3_acl_check(r, err);
}

static int bucket_commit(struct s3_request *r, struct db *db, struct err *err)
{
    struct bucket bucket = {r->bucket, r->object.tags, r->now_ms};
    int rc = bucket_create(db, &bucket, err);
    // In us-east-1 making it again succeeds, for the sake of old clients.
    return rc == ERR_EXISTS && str_eq(r->object.tags, STR("us-east-1")) ? 0 : rc;
}

static void bucket_committed(struct s3_request *r)
{
    CLEAN_MEM char *location = mem_printf("/" STR_FMT, STR_ARG(r->bucket));
    s3_reply_header(r, "Location", location);
    s3_reply_empty(r, 200);
}

static bool region_ok(struct str region)
{
    for (size_t i = 0; i < region.size; i++) {
        char c = region.at[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) {
            return false;
        }
    }
    return region.size > 0 && region.size < 64;
}

int s3_create_bucket(struct s3_request *r, struct err *err)
{
    struct str region = str_of(r->api->settings->region);
    if (r->body.memory.size) {
        CLEAN(xml_clean) struct xml_node *root = NULL;
        TRY(xml_parse(buf_str(&r->body.memory), &root, err));
        struct xml_node *named = xml_child(root, "LocationConstraint");
        if (strcmp(root->name, "CreateBucketConfiguration") != 0) {
            return err_aws(err, ERR_INVALID, "MalformedXML",
                           "The XML you provided was not well-formed or did not validate against "
                           "our published schema");
        }
        if (named && xml_text(named).size) {
            region = xml_text(named);
        }
        if (str_eq(region, STR("EU"))) {
            region = STR("eu-west-1");
        }
        if (!region_ok(region)) {
            return err_aws(err, ERR_INVALID, "InvalidLocationConstraint",
                           "The specified location-constraint is not valid");
        }
        region = s3_keep_str(r, region);
    }
    r->object.tags = region; // the task reads it from here
    s3_commit(r, bucket_commit, bucket_committed);
    return 0;
}

int s3_head_bucket(struct s3_request *r, struct err *err)
{
    CLEAN(buf_done) struct buf region = BUF_INIT(256);
    TRY(bucket_region(store_reader(r->api->store), r->bucket, &region, err));
    s3_reply_header(r, "x-amz-bucket-region", buf_text(&region));
    s3_reply_header(r, "x-amz-access-point-alias", "false");
    s3_reply_empty(r, 200);
    return 0;
}

int s3_get_bucket_location(struct s3_request *r, struct err *err)
{
    CLEAN(buf_done) struct buf region = BUF_INIT(256);
    CLEAN(buf_done) struct buf out = BUF_INIT(S3_DOCUMENT_MAX);
    TRY(bucket_region(store_reader(r->api->store), r->bucket, &region, err));
    xml_begin(&out);
    xml_open_ns(&out, "LocationConstraint", XML_NS_S3);
    if (!str_eq(buf_str(&region), STR("us-east-1"))) { // whose name is empty, of old
        xml_escape(&out, buf_str(&region));
    }
    xml_close(&out, "LocationConstraint");
    s3_reply_xml(r, 200, &out);
    return 0;
}

static int bucket_delete_commit(struct s3_request *r, struct db *db, struct err *err)
{
    return bucket_delete(db, r->bucket, &r->change.blobs, err);
}

static void bucket_deleted(struct s3_request *r)
{
    s3_reply_empty(r, 204);
}

int s3_delete_bucket(struct s3_request *r, struct err *err)
{
    (void)err;
    s3_commit(r, bucket_delete_commit, bucket_deleted);
    return 0;
}
