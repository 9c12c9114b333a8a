// SPDX-License-Identifier: Apache-2.0
// ListParts and ListMultipartUploads.
#include "api/s3.h"
#include "base/mem.h"
#include "format/uri.h"

struct part_listing {
    struct buf parts;
    int64_t max, count, last;
    bool more;
};

static int part_write(void *ctx, const struct upload_part *part)
{
    struct part_listing *l = ctx;
    if (l->count == l->max) {
        l->more = true;
        return 1;
    }
    l->count++;
    l->last = part->number;
    xml_open(&l->parts, "Part");
    xml_int_element(&l->parts, "PartNumber", part->number);
    s3_xml_time(&l->parts, "LastModified", part->modified_ms);
    s3_xml_etag(&l->parts, part->etag);
    xml_int_element(&l->parts, "Size", (int64_t)part->size);
    s3_xml_sum(&l->parts, part->sum_name, part->sum);
    xml_close(&l->parts, "Part");
    return 0;
}

static void parts_write(const struct upload *u, const struct part_listing *l, int64_t after,
                        struct buf *out)
{
    xml_begin(out);
    xml_open_ns(out, "ListPartsResult", XML_NS_S3);
    xml_text_element(out, "Bucket", u->bucket);
    xml_text_element(out, "Key", u->key);
    xml_text_element(out, "UploadId", u->id);
    xml_int_element(out, "PartNumberMarker", after);
    xml_int_element(out, "NextPartNumberMarker", l->last);
    xml_int_element(out, "MaxParts", l->max);
    xml_bool_element(out, "IsTruncated", l->more);
    buf_add_str(out, buf_str(&l->parts));
    s3_xml_owner(out, "Initiator");
    s3_xml_owner(out, "Owner");
    s3_xml_class(out, u->storage_class);
    if (u->sum_name.size) {
        xml_text_element(out, "ChecksumAlgorithm", u->sum_name);
        xml_text_element(out, "ChecksumType", u->sum_type);
    }
    xml_close(out, "ListPartsResult");
}

int s3_list_parts(struct s3_request *r, struct err *err)
{
    struct db *db = store_reader(r->api->store);
    int64_t after = 0, max = 1000;
    TRY(s3_param_int(r, "part-number-marker", 0, INT32_MAX, &after, err));
    TRY(s3_param_int(r, "max-parts", 0, INT32_MAX, &max, err));
    CLEAN(upload_done) struct upload upload = {0};
    TRY(upload_get(db, r->bucket, r->key, s3_param(r, "uploadId"), &upload, err));
    struct part_listing l = {.parts = BUF_INIT(S3_REPLY_MAX), .max = max < 1000 ? max : 1000};
    int rc = upload_part_each(db, upload.id, (int)after, part_write, &l, err);
    if (rc >= 0) {
        CLEAN(buf_done) struct buf out = BUF_INIT(S3_REPLY_MAX);
        parts_write(&upload, &l, after, &out);
        s3_reply_xml(r, 200, &out);
    }
    buf_done(&l.parts);
    return rc < 0 ? rc : 0;
}

struct upload_listing {
    struct str prefix, delimiter, key_marker;
    bool encode, more;
    int64_t max, count;
    struct buf uploads, prefixes;
    struct buf last_key, last_id, last_prefix;
};

static void key_element(const struct upload_listing *l, struct buf *out, const char *tag,
                        struct str key)
{
    CLEAN(buf_done) struct buf encoded = BUF_INIT(3 * OBJECT_KEY_MAX + 1);
    if (l->encode) {
        uri_encode_key(&encoded, key);
        key = str_not_null(buf_str(&encoded));
    }
    xml_text_element(out, tag, key);
}

static void last_set(struct upload_listing *l, struct str key, struct str id)
{
    buf_clear(&l->last_key);
    buf_add_str(&l->last_key, key);
    buf_clear(&l->last_id);
    buf_add_str(&l->last_id, id);
}

// The rolled-up prefix of the key, empty when it stands for itself.
static struct str rolled_up(const struct upload_listing *l, struct str key)
{
    if (!l->delimiter.size) {
        return (struct str){0};
    }
    ptrdiff_t at = str_find_str(str_skip(key, l->prefix.size), l->delimiter);
    return at < 0 ? (struct str){0}
                  : str_head(key, l->prefix.size + (size_t)at + l->delimiter.size);
}

static int upload_write(void *ctx, const struct upload *u)
{
    struct upload_listing *l = ctx;
    struct str rolled = rolled_up(l, u->key);
    if (rolled.size &&
        (str_eq(rolled, str_not_null(buf_str(&l->last_prefix))) || str_eq(rolled, l->key_marker))) {
        return 0; // it was given, here or on the page before
    }
    if (l->count == l->max) {
        l->more = true;
        return 1;
    }
    l->count++;
    if (rolled.size) {
        buf_clear(&l->last_prefix);
        buf_add_str(&l->last_prefix, rolled);
        last_set(l, rolled, STR(""));
        xml_open(&l->prefixes, "CommonPrefixes");
        key_element(l, &l->prefixes, "Prefix", rolled);
        xml_close(&l->prefixes, "CommonPrefixes");
        return 0;
    }
    last_set(l, u->key, u->id);
    xml_open(&l->uploads, "Upload");
    key_element(l, &l->uploads, "Key", u->key);
    xml_text_element(&l->uploads, "UploadId", u->id);
    s3_xml_owner(&l->uploads, "Initiator");
    s3_xml_owner(&l->uploads, "Owner");
    s3_xml_class(&l->uploads, u->storage_class);
    s3_xml_time(&l->uploads, "Initiated", u->created_ms);
    if (u->sum_name.size) {
        xml_text_element(&l->uploads, "ChecksumAlgorithm", u->sum_name);
        xml_text_element(&l->uploads, "ChecksumType", u->sum_type);
    }
    xml_close(&l->uploads, "Upload");
    return 0;
}

static void uploads_write(struct s3_request *r, const struct upload_listing *l,
                          struct str id_marker, struct buf *out)
{
    xml_begin(out);
    xml_open_ns(out, "ListMultipartUploadsResult", XML_NS_S3);
    xml_text_element(out, "Bucket", r->bucket);
    key_element(l, out, "KeyMarker", l->key_marker);
    xml_text_element(out, "UploadIdMarker", id_marker);
    if (l->more) {
        key_element(l, out, "NextKeyMarker", buf_str(&l->last_key));
        xml_text_element(out, "NextUploadIdMarker", str_not_null(buf_str(&l->last_id)));
    }
    key_element(l, out, "Prefix", l->prefix);
    if (l->delimiter.size) {
        key_element(l, out, "Delimiter", l->delimiter);
    }
    xml_int_element(out, "MaxUploads", l->max);
    if (l->encode) {
        xml_text_element(out, "EncodingType", STR("url"));
    }
    xml_bool_element(out, "IsTruncated", l->more);
    buf_add_str(out, buf_str(&l->uploads));
    buf_add_str(out, buf_str(&l->prefixes));
    xml_close(out, "ListMultipartUploadsResult");
}

static int uploads_list(struct s3_request *r, struct upload_listing *l, struct err *err)
{
    int64_t max = 1000;
    TRY(s3_param_int(r, "max-uploads", 0, INT32_MAX, &max, err));
    l->max = max < 1000 ? max : 1000;
    l->prefix = s3_param(r, "prefix");
    l->delimiter = s3_param(r, "delimiter");
    l->key_marker = s3_param(r, "key-marker");
    struct str id_marker = s3_param(r, "upload-id-marker"), encoding = s3_param(r, "encoding-type");
    l->encode = str_eq(encoding, STR("url"));
    // Without an id all uploads of the marker's key are past; no id is above this one.
    struct str after_id = id_marker.size ? id_marker : STR("\xff");
    struct db *db = store_reader(r->api->store);
    TRY(upload_each(db, r->bucket, l->prefix, l->key_marker,
                    l->key_marker.size ? after_id : STR(""), upload_write, l, err));
    CLEAN(buf_done) struct buf out = BUF_INIT(S3_REPLY_MAX);
    uploads_write(r, l, id_marker, &out);
    s3_reply_xml(r, 200, &out);
    return 0;
}

int s3_list_uploads(struct s3_request *r, struct err *err)
{
    struct upload_listing l = {
        .uploads = BUF_INIT(S3_REPLY_MAX),
        .prefixes = BUF_INIT(S3_REPLY_MAX),
        .last_key = BUF_INIT(2 * OBJECT_KEY_MAX),
        .last_id = BUF_INIT(256),
        .last_prefix = BUF_INIT(2 * OBJECT_KEY_MAX),
    };
    int rc = uploads_list(r, &l, err);
    buf_done(&l.uploads);
    buf_done(&l.prefixes);
    buf_done(&l.last_key);
    buf_done(&l.last_id);
    buf_done(&l.last_prefix);
    return rc;
}
