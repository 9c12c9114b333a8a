// SPDX-License-Identifier: Apache-2.0
// Tags of objects and of buckets: from a header or a document to the form-encoded text that is
// stored, and back.
#include "api/s3.h"
#include "base/mem.h"
#include "format/uri.h"
#include "format/utf8.h"

#define TAG_KEY_MAX   128 // characters
#define TAG_VALUE_MAX 256

static size_t text_length(struct str text) // in characters
{
    size_t length = 0;
    for (size_t i = 0; i < text.size; i++) {
        length += ((unsigned char)text.at[i] & 0xc0) != 0x80;
    }
    return length;
}

static int tag_add(struct buf *out, struct str key, struct str value, struct err *err)
{
    if (!key.size || text_length(key) > TAG_KEY_MAX || !utf8_ok(key) ||
        str_starts(key, STR("aws:"))) {
        return err_aws(err, ERR_INVALID, "InvalidTag", "The TagKey you have provided is invalid");
    }
    if (text_length(value) > TAG_VALUE_MAX || !utf8_ok(value)) {
        return err_aws(err, ERR_INVALID, "InvalidTag", "The TagValue you have provided is invalid");
    }
    CLEAN(buf_done) struct buf encoded = BUF_INIT(8192);
    uri_encode(&encoded, key, false);
    if (uri_query_find(str_not_null(buf_str(out)), key, NULL)) {
        return err_aws(err, ERR_INVALID, "InvalidTag",
                       "Cannot provide multiple Tags with the same key");
    }
    buf_printf(out, "%s%s=", out->size ? "&" : "", buf_text(&encoded));
    uri_encode(out, value, false);
    return 0;
}

static int tags_count_check(struct str tags, size_t count_max, struct err *err)
{
    return s3_tags_count(tags) <= count_max
               ? 0
               : err_aws(err, ERR_INVALID, "BadRequest", "Object tags cannot be greater than %zu",
                         count_max);
}

size_t s3_tags_count(struct str tags)
{
    size_t count = 0;
    struct str name, value;
    while (uri_query_next(&tags, &name, &value)) {
        count++;
    }
    return count;
}

int s3_tags_from_query(struct str text, size_t count_max, struct buf *out, struct err *err)
{
    TRY(tags_count_check(text, count_max, err));
    struct str name, value;
    while (uri_query_next(&text, &name, &value)) {
        CLEAN(buf_done) struct buf key = BUF_INIT(8192);
        CLEAN(buf_done) struct buf plain = BUF_INIT(8192);
        if (uri_decode(name, URI_QUERY, &key, NULL) < 0 ||
            uri_decode(value, URI_QUERY, &plain, NULL) < 0) {
            return err_aws(err, ERR_INVALID, "InvalidArgument",
                           "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded "
                           "URL query parameters without tag name duplicates.");
        }
        TRY(tag_add(out, buf_str(&key), str_not_null(buf_str(&plain)), err));
    }
    return 0;
}

int s3_tags_from_xml(struct str document, size_t count_max, struct buf *out, struct err *err)
{
    CLEAN(xml_clean) struct xml_node *root = NULL;
    TRY(xml_parse(document, &root, err));
    struct xml_node *set = xml_child(root, "TagSet");
    if (strcmp(root->name, "Tagging") != 0 || !set) {
        return err_aws(err, ERR_INVALID, "MalformedXML",
                       "The XML you provided was not well-formed or did not validate against our "
                       "published schema");
    }
    for (struct xml_node *tag = xml_child(set, "Tag"); tag; tag = xml_next(tag)) {
        struct str key, value;
        TRY(xml_need(tag, "Key", &key, err));
        TRY(xml_need(tag, "Value", &value, err));
        TRY(tag_add(out, key, str_not_null(value), err));
    }
    return tags_count_check(str_not_null(buf_str(out)), count_max, err);
}

static void tags_reply(struct s3_request *r, struct str tags)
{
    CLEAN(buf_done) struct buf out = BUF_INIT(S3_REPLY_MAX);
    xml_begin(&out);
    xml_open_ns(&out, "Tagging", XML_NS_S3);
    xml_open(&out, "TagSet");
    struct str name, value;
    while (uri_query_next(&tags, &name, &value)) {
        CLEAN(buf_done) struct buf key = BUF_INIT(8192);
        CLEAN(buf_done) struct buf plain = BUF_INIT(8192);
        uri_decode_lenient(name, URI_QUERY, &key);
        uri_decode_lenient(value, URI_QUERY, &plain);
        xml_open(&out, "Tag");
        xml_text_element(&out, "Key", buf_str(&key));
        xml_text_element(&out, "Value", buf_str(&plain));
        xml_close(&out, "Tag");
    }
    xml_close(&out, "TagSet");
    xml_close(&out, "Tagging");
    s3_reply_xml(r, 200, &out);
}

int s3_get_object_tagging(struct s3_request *r, struct err *err)
{
    CLEAN(object_done) struct object object = {0};
    TRY(s3_object_need(r, r->bucket, r->key, false, &object, err));
    tags_reply(r, object.tags);
    return 0;
}

static int object_tags_commit(struct s3_request *r, struct db *db, struct err *err)
{
    return object_tags_set(db, r->bucket, r->key, r->object.tags, err);
}

static int bucket_tags_commit(struct s3_request *r, struct db *db, struct err *err)
{
    return bucket_tags_set(db, r->bucket, r->object.tags, err);
}

static void reply_200(struct s3_request *r)
{
    s3_reply_empty(r, 200);
}

static void reply_204(struct s3_request *r)
{
    s3_reply_empty(r, 204);
}

static int tags_read(struct s3_request *r, size_t count_max, struct err *err)
{
    CLEAN(buf_done) struct buf tags = BUF_INIT(256 * 1024);
    TRY(s3_tags_from_xml(buf_str(&r->body.memory), count_max, &tags, err));
    r->object.tags = s3_keep_str(r, buf_str(&tags));
    return 0;
}

int s3_put_object_tagging(struct s3_request *r, struct err *err)
{
    TRY(tags_read(r, S3_TAGS_MAX, err));
    s3_commit(r, object_tags_commit, reply_200);
    return 0;
}

int s3_delete_object_tagging(struct s3_request *r, struct err *err)
{
    (void)err;
    s3_commit(r, object_tags_commit, reply_204);
    return 0;
}

int s3_get_bucket_tagging(struct s3_request *r, struct err *err)
{
    CLEAN(buf_done) struct buf tags = BUF_INIT(256 * 1024);
    TRY(bucket_tags_get(store_reader(r->api->store), r->bucket, &tags, err));
    if (!tags.size) {
        return err_aws(err, ERR_NOT_FOUND, "NoSuchTagSet", "The TagSet does not exist");
    }
    tags_reply(r, buf_str(&tags));
    return 0;
}

int s3_put_bucket_tagging(struct s3_request *r, struct err *err)
{
    TRY(tags_read(r, S3_BUCKET_TAGS_MAX, err));
    s3_commit(r, bucket_tags_commit, reply_204);
    return 0;
}

int s3_delete_bucket_tagging(struct s3_request *r, struct err *err)
{
    (void)err;
    s3_commit(r, bucket_tags_commit, reply_204);
    return 0;
}
