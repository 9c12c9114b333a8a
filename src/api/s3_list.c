// SPDX-License-Identifier: Apache-2.0
// Listings of objects: ListObjects, ListObjectsV2 and ListObjectVersions are one walk with three
// ways to say where it begins and where it stopped.
#include "api/s3.h"
#include "base/mem.h"
#include "format/base64.h"
#include "format/uri.h"

enum style { V1, V2, VERSIONS };

struct listing {
    enum style style;
    struct object_list list;
    bool encode;      // encoding-type=url
    bool fetch_owner; // V2
    int count;
    struct buf objects, prefixes; // elements, kept apart until the end
};

static void key_element(const struct listing *l, struct buf *out, const char *tag, struct str key)
{
    if (!l->encode) {
        xml_text_element(out, tag, key);
        return;
    }
    CLEAN(buf_done) struct buf encoded = BUF_INIT(3 * OBJECT_KEY_MAX + 1);
    uri_encode_key(&encoded, key);
    xml_text_element(out, tag, str_not_null(buf_str(&encoded)));
}

static void on_object(void *ctx, const struct object *object)
{
    struct listing *l = ctx;
    struct buf *out = &l->objects;
    const char *tag = l->style == VERSIONS ? "Version" : "Contents";
    l->count++;
    xml_open(out, tag);
    key_element(l, out, "Key", object->key);
    if (l->style == VERSIONS) { // nothing has more than one here
        xml_text_element(out, "VersionId", STR("null"));
        xml_bool_element(out, "IsLatest", true);
    }
    s3_xml_time(out, "LastModified", object->modified_ms);
    s3_xml_etag(out, object->etag);
    if (object->sum_name.size) {
        xml_text_element(out, "ChecksumAlgorithm", object->sum_name);
        xml_text_element(out, "ChecksumType", object->sum_type);
    }
    xml_int_element(out, "Size", (int64_t)object->size);
    s3_xml_class(out, object->storage_class);
    if (l->fetch_owner || l->style != V2) {
        s3_xml_owner(out, "Owner");
    }
    xml_close(out, tag);
}

static void on_prefix(void *ctx, struct str prefix)
{
    struct listing *l = ctx;
    l->count++;
    xml_open(&l->prefixes, "CommonPrefixes");
    key_element(l, &l->prefixes, "Prefix", prefix);
    xml_close(&l->prefixes, "CommonPrefixes");
}

// A continuation token is the last key in base64, so that nobody takes it for a key.
static int token_read(struct s3_request *r, struct str token, struct str *ret, struct err *err)
{
    CLEAN(buf_done) struct buf key = BUF_INIT(2 * OBJECT_KEY_MAX);
    if (!token.size || base64_decode(token, &key, NULL) < 0) {
        return err_aws(err, ERR_INVALID, "InvalidArgument",
                       "The continuation token provided is incorrect");
    }
    *ret = s3_keep_str(r, buf_str(&key));
    return 0;
}

static int begin_read(struct s3_request *r, struct listing *l, struct err *err)
{
    if (l->style == V1) {
        l->list.after = s3_param(r, "marker");
        return 0;
    }
    if (l->style == VERSIONS) {
        l->list.after = s3_param(r, "key-marker");
        return 0;
    }
    struct str fetch_owner = s3_param(r, "fetch-owner");
    l->fetch_owner = str_eq_nocase(fetch_owner, STR("true"));
    l->list.after = s3_param(r, "start-after");
    struct str token = s3_param(r, "continuation-token");
    return token.at ? token_read(r, token, &l->list.after, err) : 0;
}

static int listing_read(struct s3_request *r, struct listing *l, struct err *err)
{
    struct str type = s3_param(r, "list-type");
    if (l->style != VERSIONS && type.at) {
        if (!str_eq(type, STR("2"))) {
            return err_aws(err, ERR_INVALID, "InvalidArgument", "Invalid List Type");
        }
        l->style = V2;
    }
    int64_t max = 1000;
    TRY(s3_param_int(r, "max-keys", 0, INT32_MAX, &max, err));
    struct str encoding = s3_param(r, "encoding-type");
    if (encoding.size && !str_eq(encoding, STR("url"))) {
        return err_aws(err, ERR_INVALID, "InvalidArgument",
                       "Invalid Encoding Method specified in Request");
    }
    l->encode = encoding.size > 0;
    l->list.bucket = r->bucket;
    l->list.prefix = s3_param(r, "prefix");
    l->list.delimiter = s3_param(r, "delimiter");
    l->list.max = max < 1000 ? (int)max : 1000;
    l->list.on_object = on_object;
    l->list.on_prefix = on_prefix;
    l->list.ctx = l;
    TRY(s3_key_check(l->list.prefix, err));
    return begin_read(r, l, err);
}

static void token_element(struct buf *out, const char *tag, struct str key)
{
    CLEAN(buf_done) struct buf token = BUF_INIT(2 * OBJECT_KEY_MAX);
    base64_add(&token, key.at, key.size);
    xml_text_element(out, tag, str_not_null(buf_str(&token)));
}

static void place_write(struct s3_request *r, const struct listing *l, bool more, struct str last,
                        struct buf *out)
{
    if (l->style == V1) {
        key_element(l, out, "Marker", s3_param(r, "marker"));
        if (more && l->list.delimiter.size) {
            key_element(l, out, "NextMarker", last);
        }
        return;
    }
    if (l->style == VERSIONS) {
        key_element(l, out, "KeyMarker", s3_param(r, "key-marker"));
        xml_text_element(out, "VersionIdMarker", s3_param(r, "version-id-marker"));
        if (more) {
            key_element(l, out, "NextKeyMarker", last);
            xml_text_element(out, "NextVersionIdMarker", STR("null"));
        }
        return;
    }
    xml_int_element(out, "KeyCount", l->count);
    struct str token = s3_param(r, "continuation-token");
    struct str start_after = s3_param(r, "start-after");
    if (token.at) {
        xml_text_element(out, "ContinuationToken", token);
    }
    if (start_after.at) {
        key_element(l, out, "StartAfter", start_after);
    }
    if (more) {
        token_element(out, "NextContinuationToken", last);
    }
}

static void listing_write(struct s3_request *r, const struct listing *l, bool more, struct str last,
                          struct buf *out)
{
    const char *root = l->style == VERSIONS ? "ListVersionsResult" : "ListBucketResult";
    xml_begin(out);
    xml_open_ns(out, root, XML_NS_S3);
    xml_text_element(out, "Name", r->bucket);
    key_element(l, out, "Prefix", l->list.prefix);
    if (l->list.delimiter.size) {
        key_element(l, out, "Delimiter", l->list.delimiter);
    }
    xml_int_element(out, "MaxKeys", l->list.max);
    if (l->encode) {
        xml_text_element(out, "EncodingType", STR("url"));
    }
    xml_bool_element(out, "IsTruncated", more);
    place_write(r, l, more, last, out);
    buf_add_str(out, buf_str(&l->objects));
    buf_add_str(out, buf_str(&l->prefixes));
    xml_close(out, root);
}

static int listing_run(struct s3_request *r, struct listing *l, struct err *err)
{
    CLEAN(buf_done) struct buf last = BUF_INIT(4 * OBJECT_KEY_MAX);
    TRY(listing_read(r, l, err));
    int more = object_list(store_reader(r->api->store), &l->list, &last, err);
    TRY(more);
    CLEAN(buf_done) struct buf out = BUF_INIT(S3_REPLY_MAX);
    listing_write(r, l, more == 1, buf_str(&last), &out);
    s3_reply_xml(r, 200, &out);
    return 0;
}

static int list(struct s3_request *r, enum style style, struct err *err)
{
    struct listing l = {.style = style};
    buf_init(&l.objects, S3_REPLY_MAX);
    buf_init(&l.prefixes, S3_REPLY_MAX);
    int rc = listing_run(r, &l, err);
    buf_done(&l.objects);
    buf_done(&l.prefixes);
    return rc;
}

int s3_list_objects(struct s3_request *r, struct err *err)
{
    return list(r, V1, err);
}

int s3_list_object_versions(struct s3_request *r, struct err *err)
{
    return list(r, VERSIONS, err);
}
