// SPDX-License-Identifier: Apache-2.0
// DeleteObject and DeleteObjects. Removing what is not there succeeds, as in S3, but tells nobody.
#include "api/s3.h"
#include "base/mem.h"

#define KEYS_MAX 1000 // in one DeleteObjects

static int delete_one(struct s3_request *r, struct db *db, struct str key,
                      const struct object_condition *condition, struct err *err)
{
    struct object_change change = {0};
    int rc = object_delete(db, r->bucket, key, r->now_ms, condition, &change, err);
    if (rc >= 0 && change.existed) {
        struct object gone = {.bucket = r->bucket, .key = key};
        rc = s3_emit(r, db, "ObjectRemoved:Delete", &gone, change.sequencer, err);
    }
    for (size_t i = 0; rc >= 0 && i < change.blobs.count; i++) {
        blob_list_add(&r->change.blobs, str_of(change.blobs.at[i].text));
    }
    object_change_done(&change);
    return rc;
}

static int delete_commit(struct s3_request *r, struct db *db, struct err *err)
{
    return delete_one(r, db, r->key, &r->condition, err);
}

static void delete_done(struct s3_request *r)
{
    s3_reply_empty(r, 204);
}

int s3_delete_object(struct s3_request *r, struct err *err)
{
    TRY(s3_put_conditions(r, err));
    s3_commit(r, delete_commit, delete_done);
    return 0;
}

struct deletion {
    struct str key;
    struct object_condition condition;
    bool failed; // its condition did not hold; the words are in err
    struct err err;
};

struct deletions {
    struct deletion *at;
    size_t count;
    bool quiet;
};

static void deletions_free(void *data)
{
    struct deletions *all = data;
    free(all->at);
    free(all);
}

// One key whose condition does not hold fails alone; a broken database fails the request.
static int deletions_commit(struct s3_request *r, struct db *db, struct err *err)
{
    struct deletions *all = r->data;
    for (size_t i = 0; i < all->count; i++) {
        struct deletion *one = &all->at[i];
        if (one->failed) {
            continue; // it may not
        }
        struct err mine = {0};
        int rc = delete_one(r, db, one->key, &one->condition, &mine);
        one->failed = rc == ERR_INVALID || rc == ERR_NOT_FOUND;
        one->err = mine;
        if (rc < 0 && !one->failed) {
            *err = mine;
            return rc;
        }
    }
    return 0;
}

static void deletions_done(struct s3_request *r)
{
    struct deletions *all = r->data;
    CLEAN(buf_done) struct buf out = BUF_INIT(S3_REPLY_MAX);
    xml_begin(&out);
    xml_open_ns(&out, "DeleteResult", XML_NS_S3);
    for (size_t i = 0; i < all->count; i++) {
        const struct deletion *one = &all->at[i];
        if (!one->failed && all->quiet) {
            continue;
        }
        const char *tag = one->failed ? "Error" : "Deleted";
        xml_open(&out, tag);
        xml_text_element(&out, "Key", one->key);
        if (one->failed) {
            xml_text_element(&out, "Code", str_of(s3_error_code(&one->err)));
            xml_text_element(&out, "Message", str_of(one->err.text));
        }
        xml_close(&out, tag);
    }
    xml_close(&out, "DeleteResult");
    s3_reply_xml(r, 200, &out);
}

static int malformed(struct err *err)
{
    return err_aws(err, ERR_INVALID, "MalformedXML",
                   "The XML you provided was not well-formed or did not validate against our "
                   "published schema");
}

static int deletion_read(struct s3_request *r, const struct xml_node *node, struct deletion *ret,
                         struct err *err)
{
    struct str key;
    TRY(xml_need(node, "Key", &key, err));
    TRY(s3_key_check(key, err));
    if (!key.size) {
        return malformed(err);
    }
    struct str version = xml_child_text(node, "VersionId");
    if (version.size && !str_eq(version, STR("null"))) {
        return err_aws(err, ERR_NOT_FOUND, "NoSuchVersion",
                       "The specified version does not exist.");
    }
    struct str match = s3_etag_trim(xml_child_text(node, "ETag"));
    *ret = (struct deletion){.key = s3_keep_str(r, key)};
    if (match.size) {
        ret->condition.if_match = s3_keep_str(r, match);
    }
    return 0;
}

int s3_delete_objects(struct s3_request *r, struct err *err)
{
    CLEAN(xml_clean) struct xml_node *root = NULL;
    TRY(xml_parse(buf_str(&r->body.memory), &root, err));
    if (strcmp(root->name, "Delete") != 0) {
        return malformed(err);
    }
    struct deletions *all = NEW(struct deletions);
    r->data = all;
    r->data_free = deletions_free;
    TRY(xml_child_bool(root, "Quiet", &all->quiet, err));
    all->at = mem_alloc(KEYS_MAX * sizeof *all->at);
    for (struct xml_node *node = xml_child(root, "Object"); node; node = xml_next(node)) {
        if (all->count == KEYS_MAX) {
            return malformed(err);
        }
        struct deletion *one = &all->at[all->count];
        TRY(deletion_read(r, node, one, err));
        one->failed = s3_may(r, "s3:DeleteObject", r->bucket, one->key, &one->err) < 0;
        all->count++;
    }
    if (!all->count) {
        return malformed(err);
    }
    s3_commit(r, deletions_commit, deletions_done);
    return 0;
}
