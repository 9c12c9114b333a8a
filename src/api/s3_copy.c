// SPDX-License-Identifier: Apache-2.0
// CopyObject and UploadPartCopy. A whole blob is cloned (a link, most often), a range is copied by
// the kernel, and only what is not known yet is read: an MD5 of what was uploaded in parts, another
// checksum than the source has.
#include "api/s3.h"
#include "base/mem.h"
#include "format/base64.h"
#include "format/hex.h"
#include "format/uri.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define PIECE_MAX ((size_t)256 * 1024)

struct copy {
    struct object source;
    int fd; // of the source's blob; -1 when the bytes are in source.data
    struct s3_range range;
    bool md5_on;  // the entity tag must be computed
    int sum_kind; // -1: no checksum; else computed unless source.sum can be taken over
    bool sum_on;
    bool to_blob;
    char etag[33], sum[CHECKSUM_TEXT_MAX];
    // UploadPartCopy:
    struct str upload_id;
    struct upload_part part;
};

static void copy_free(void *data)
{
    struct copy *c = data;
    object_done(&c->source);
    fd_clean(&c->fd);
    free(c);
}

static int source_name(struct s3_request *r, struct str *ret_bucket, struct str *ret_key,
                       struct err *err)
{
    struct str raw = s3_header(r, "x-amz-copy-source"), query, path;
    uri_split(raw, &path, &query);
    struct buf name = BUF_INIT(raw.size + 1);
    uri_decode_lenient(path, URI_PATH, &name);
    size_t size = name.size;
    (void)buf_text(&name);
    char *heap = buf_steal(&name);
    struct str rest = str_n(heap ? s3_keep(r, heap) : "", size);
    if (str_starts(rest, STR("/"))) {
        rest = str_skip(rest, 1);
    }
    *ret_bucket = str_cut(&rest, '/');
    *ret_key = str_not_null(rest);
    if (!ret_bucket->size || !ret_key->size) {
        return err_aws(err, ERR_INVALID, "InvalidArgument",
                       "Copy Source must mention the source bucket and key: "
                       "sourcebucket/sourcekey");
    }
    struct str version = {0};
    if (uri_query_find(query, STR("versionId"), &version) && version.size &&
        !str_eq(version, STR("null"))) {
        return err_aws(err, ERR_NOT_FOUND, "NoSuchVersion",
                       "The specified version does not exist.");
    }
    return s3_key_check(*ret_key, err);
}

// The source as it is now: row read, blob open, conditions hold.
static int source_open(struct s3_request *r, struct copy *c, struct err *err)
{
    struct str bucket, key;
    TRY(source_name(r, &bucket, &key, err));
    TRY(s3_may(r, "s3:GetObject", bucket, key, err));
    int64_t id = bucket_id(store_reader(r->api->store), bucket, err);
    TRY(id < 0 ? (int)id : 0);
    TRY(s3_object_need(r, bucket, key, true /* with_data */, &c->source, err));
    struct s3_conditions conditions = {
        s3_header(r, "x-amz-copy-source-if-match"),
        s3_header(r, "x-amz-copy-source-if-none-match"),
        s3_header(r, "x-amz-copy-source-if-modified-since"),
        s3_header(r, "x-amz-copy-source-if-unmodified-since"),
    };
    if (s3_conditions_check(&conditions, &c->source) != S3_GO_ON) {
        return err_aws(err, ERR_INVALID, "PreconditionFailed",
                       "At least one of the pre-conditions you specified did not hold");
    }
    if (c->source.blob.size) {
        c->fd = s3_blob_open(r, &c->source, err);
        TRY(c->fd);
    }
    c->range = (struct s3_range){0, c->source.size};
    return 0;
}

static int copy_begin(struct s3_request *r, struct copy **ret, struct err *err)
{
    struct copy *c = NEW(struct copy);
    c->fd = -1;
    c->sum_kind = -1;
    r->data = c;
    r->data_free = copy_free;
    *ret = c;
    return source_open(r, c, err);
}

// On a pool thread, as what follows.
static int source_hash(struct copy *c, struct checksum *md5, struct checksum *sum, struct err *err)
{
    uint64_t offset = c->range.first, left = c->range.size;
    CLEAN_MEM char *piece = c->fd >= 0 ? mem_alloc(PIECE_MAX) : NULL;
    while (left) {
        struct str data = str_head(str_skip(str_not_null(c->source.data), offset), left);
        if (c->fd >= 0) {
            ssize_t n = pread(c->fd, piece, left < PIECE_MAX ? left : PIECE_MAX, (off_t)offset);
            if (n <= 0) {
                return err_errno(err, ERR_IO, n < 0 ? errno : EIO, "cannot read the source");
            }
            data = str_n(piece, (size_t)n);
        }
        checksum_add(md5, data);
        if (c->sum_on) {
            checksum_add(sum, data);
        }
        offset += data.size;
        left -= data.size;
    }
    return 0;
}

static int sums_compute(struct copy *c, struct err *err)
{
    CLEAN(checksum_done) struct checksum md5 = {0}, sum = {0};
    checksum_init(&md5, CHECKSUM_MD5);
    if (c->sum_on) {
        checksum_init(&sum, (enum checksum_kind)c->sum_kind);
    }
    int rc = source_hash(c, &md5, &sum, err);
    if (rc >= 0) {
        uint8_t bytes[CHECKSUM_SIZE_MAX];
        hex_write(bytes, checksum_end(&md5, bytes), c->etag);
        if (c->sum_on) {
            base64_write(bytes, checksum_end(&sum, bytes), c->sum);
        }
    }
    return rc;
}

static int blob_make(struct s3_request *r, struct copy *c, struct err *err)
{
    struct s3_body *body = &r->body;
    const char *dir = store_dir(r->api->store);
    body->blob = blob_id_new();
    if (c->fd >= 0 && c->range.first == 0 && c->range.size == c->source.size) {
        body->blob_made = true; // even when it fails half way
        return blob_clone(dir, c->fd, &body->blob, err);
    }
    int fd = blob_create(dir, &body->blob, err);
    TRY(fd);
    body->fd = fd;
    body->blob_made = true;
    if (c->fd >= 0) {
        TRY(blob_copy(fd, c->fd, c->range.first, c->range.size, err));
    } else {
        struct str data = str_skip(str_not_null(c->source.data), c->range.first);
        TRY(blob_write(fd, str_head(data, c->range.size), err));
    }
    return blob_sync(dir, &body->blob, fd, err);
}

static int copy_run(struct s3_request *r, struct err *err)
{
    struct copy *c = r->data;
    if (c->md5_on || c->sum_on) {
        TRY(sums_compute(c, err));
    }
    return c->to_blob ? blob_make(r, c, err) : 0;
}

static void result_reply(struct s3_request *r, const char *root, struct str etag,
                         struct str sum_name, struct str sum, struct str sum_type)
{
    CLEAN(buf_done) struct buf out = BUF_INIT(S3_DOCUMENT_MAX);
    r->body.blob_made = false; // a row names it now
    xml_begin(&out);
    xml_open_ns(&out, root, XML_NS_S3);
    s3_xml_time(&out, "LastModified", r->now_ms);
    s3_xml_etag(&out, etag);
    s3_xml_sum(&out, sum_name, sum);
    if (sum.size && sum_type.size) {
        xml_text_element(&out, "ChecksumType", sum_type);
    }
    xml_close(&out, root);
    s3_reply_xml(r, 200, &out);
}

static int object_commit(struct s3_request *r, struct db *db, struct err *err)
{
    TRY(object_put(db, &r->object, &r->condition, &r->change, err));
    return s3_emit(r, db, "ObjectCreated:Copy", &r->object, r->change.sequencer, err);
}

static void object_copied(struct s3_request *r)
{
    const struct object *o = &r->object;
    result_reply(r, "CopyObjectResult", o->etag, o->sum_name, o->sum, o->sum_type);
}

static int object_commit_start(struct s3_request *r, struct err *err)
{
    (void)err;
    struct copy *c = r->data;
    struct object *o = &r->object;
    o->etag = c->md5_on ? str_of(c->etag) : c->source.etag;
    if (c->sum_kind >= 0) {
        o->sum_name = str_of(checksum_name((enum checksum_kind)c->sum_kind));
        o->sum = c->sum_on ? str_of(c->sum) : c->source.sum;
        o->sum_type = STR("FULL_OBJECT");
    }
    if (c->to_blob) {
        o->blob = str_of(r->body.blob.text);
    } else {
        o->data = c->source.data;
    }
    s3_commit(r, object_commit, object_copied);
    return 0;
}

// COPY (the default) or REPLACE. 1 for REPLACE.
static int directive(struct s3_request *r, const char *name, struct err *err)
{
    struct str value = s3_header(r, name);
    bool replace = str_eq(value, STR("REPLACE"));
    if (replace || !value.size || str_eq(value, STR("COPY"))) {
        return replace;
    }
    return err_aws(err, ERR_INVALID, "InvalidArgument", "Unknown %s: " STR_FMT, name,
                   STR_ARG(value));
}

// Content type, metadata and tags: those of the source or those of the request.
static int description_choose(struct s3_request *r, const struct copy *c, struct err *err)
{
    struct object *o = &r->object;
    int replace = directive(r, "x-amz-metadata-directive", err);
    TRY(replace);
    TRY(s3_meta_headers(r, &o->headers, err));
    TRY(s3_storage_class(r, &o->storage_class, err));
    if (!replace) {
        o->headers = c->source.headers;
    }
    int retag = directive(r, "x-amz-tagging-directive", err);
    TRY(retag);
    if (retag) {
        CLEAN(buf_done) struct buf tags = BUF_INIT(64 * 1024);
        TRY(s3_tags_from_query(s3_header(r, "x-amz-tagging"), S3_TAGS_MAX, &tags, err));
        o->tags = s3_keep_str(r, buf_str(&tags));
    } else {
        o->tags = c->source.tags;
    }
    bool same = str_eq(c->source.bucket, r->bucket) && str_eq(c->source.key, r->key);
    if (same && !replace && !retag && str_eq(o->storage_class, c->source.storage_class)) {
        return err_aws(err, ERR_INVALID, "InvalidRequest",
                       "This copy request is illegal because it is trying to copy an object to "
                       "itself without changing the object's metadata, storage class, website "
                       "redirect location or encryption attributes.");
    }
    return 0;
}

static int sum_choose(struct s3_request *r, struct copy *c, struct err *err)
{
    struct str name = s3_header(r, "x-amz-checksum-algorithm");
    int source_kind = checksum_kind_of_name(c->source.sum_name);
    c->sum_kind = name.size ? checksum_kind_of_name(name) : source_kind;
    if (name.size && (c->sum_kind < 0 || c->sum_kind == CHECKSUM_MD5)) {
        return err_aws(err, ERR_INVALID, "InvalidRequest",
                       "Checksum algorithm provided is unsupported. Please try again with any of "
                       "the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]");
    }
    c->sum_on = c->sum_kind >= 0 &&
                (c->sum_kind != source_kind || !str_eq(c->source.sum_type, STR("FULL_OBJECT")));
    return 0;
}

int s3_copy_object(struct s3_request *r, struct err *err)
{
    struct copy *c;
    TRY(s3_acl_check(r, err));
    TRY(s3_put_conditions(r, err));
    TRY(copy_begin(r, &c, err));
    if (c->source.size > S3_PUT_SIZE_MAX) {
        return err_aws(err, ERR_INVALID, "InvalidRequest",
                       "The specified copy source is larger than the maximum allowable size for a "
                       "copy source: %" PRIu64,
                       S3_PUT_SIZE_MAX);
    }
    TRY(description_choose(r, c, err));
    TRY(sum_choose(r, c, err));
    c->md5_on = str_find(c->source.etag, '-') >= 0; // not the MD5 of the bytes
    c->to_blob = c->fd >= 0;
    r->object.bucket = r->bucket;
    r->object.key = r->key;
    r->object.size = c->source.size;
    r->object.modified_ms = r->now_ms;
    s3_pool(r, copy_run, object_commit_start);
    return 0;
}

static int part_commit(struct s3_request *r, struct db *db, struct err *err)
{
    struct copy *c = r->data;
    return upload_part_put(db, c->upload_id, &c->part, &r->change.blobs, err);
}

static void part_copied(struct s3_request *r)
{
    const struct copy *c = r->data;
    result_reply(r, "CopyPartResult", c->part.etag, c->part.sum_name, c->part.sum, (struct str){0});
}

static int part_commit_start(struct s3_request *r, struct err *err)
{
    (void)err;
    struct copy *c = r->data;
    c->part.size = c->range.size;
    c->part.modified_ms = r->now_ms;
    c->part.etag = str_of(c->etag);
    c->part.blob = str_of(r->body.blob.text);
    if (c->sum_on) {
        c->part.sum_name = str_of(checksum_name((enum checksum_kind)c->sum_kind));
        c->part.sum = str_of(c->sum);
    }
    s3_commit(r, part_commit, part_copied);
    return 0;
}

static int source_range(struct s3_request *r, struct copy *c, struct err *err)
{
    struct str range = s3_header(r, "x-amz-copy-source-range");
    if (range.size) {
        int rc = s3_range_parse(range, c->source.size, &c->range, err);
        TRY(rc);
        if (rc == 0) {
            return err_aws(err, ERR_INVALID, "InvalidArgument",
                           "The x-amz-copy-source-range value must be of the form "
                           "bytes=first-last where first and last are the zero-based offsets of "
                           "the first and last bytes to copy");
        }
    }
    if (c->range.size > S3_PUT_SIZE_MAX) {
        return err_aws(err, ERR_LIMIT, "EntityTooLarge",
                       "Your proposed upload exceeds the maximum allowed size");
    }
    return 0;
}

int s3_upload_part_copy(struct s3_request *r, struct err *err)
{
    struct copy *c;
    int64_t number = 0;
    struct str text = s3_param(r, "partNumber");
    if (!str_to_i64(text, &number) || number < 1 || number > UPLOAD_PART_MAX) {
        return err_aws(err, ERR_INVALID, "InvalidArgument",
                       "Part number must be an integer between 1 and %d, inclusive",
                       UPLOAD_PART_MAX);
    }
    struct upload upload = {0};
    struct str id = s3_param(r, "uploadId");
    TRY(upload_get(store_reader(r->api->store), r->bucket, r->key, id, &upload, err));
    int kind = checksum_kind_of_name(upload.sum_name);
    upload_done(&upload);
    TRY(copy_begin(r, &c, err));
    TRY(source_range(r, c, err));
    c->part.number = (int)number;
    c->upload_id = id;
    c->sum_kind = kind;
    c->sum_on = kind >= 0;
    c->md5_on = true;
    c->to_blob = true;
    s3_pool(r, copy_run, part_commit_start);
    return 0;
}
