// SPDX-License-Identifier: Apache-2.0
// The table of objects: reading and changing one. (Listing many is object_list.c.)
#include "store/object.h"
#include "base/check.h"
#include "base/mem.h"
#include "store/bucket.h"

#include <stdio.h>
#include <unistd.h>

// The data come last, so that a listing does not read through them.
const char *const object_ddl[] = {
    "CREATE TABLE object("
    "  id INTEGER PRIMARY KEY,"
    "  bucket INTEGER NOT NULL REFERENCES bucket(id),"
    "  key TEXT NOT NULL,"
    "  size INTEGER NOT NULL,"
    "  modified_ms INTEGER NOT NULL,"
    "  sequencer INTEGER NOT NULL,"
    "  etag TEXT NOT NULL,"
    "  storage_class TEXT NOT NULL,"
    "  sum_name TEXT NOT NULL,"
    "  sum_type TEXT NOT NULL,"
    "  sum TEXT NOT NULL,"
    "  blob TEXT,"
    "  tags TEXT NOT NULL,"
    "  headers TEXT NOT NULL,"
    "  parts TEXT NOT NULL,"
    "  data BLOB)",
    "CREATE UNIQUE INDEX object_key ON object(bucket, key)",
    "CREATE INDEX object_blob ON object(blob) WHERE blob IS NOT NULL",
    "CREATE TABLE object_sequence(id INTEGER PRIMARY KEY CHECK(id = 1), last INTEGER NOT NULL)",
    "INSERT INTO object_sequence(id, last) VALUES(1, 0)",
    NULL,
};

void object_done(struct object *object)
{
    free(object->memory);
    *object = (struct object){0};
}

void object_change_done(struct object_change *change)
{
    blob_list_done(&change->blobs);
}

void object_content_done(struct object_content *content)
{
    fd_clean(&content->fd);
    content->fd = -1;
    buf_done(&content->data);
}

#define OBJECT_COLUMNS                                                                             \
    "o.size, o.modified_ms, o.sequencer, o.etag, o.storage_class, o.sum_name, o.sum_type, o.sum, " \
    "o.blob, o.tags, o.headers, o.parts"

static const char get_sql[] = "SELECT " OBJECT_COLUMNS " FROM bucket b JOIN object o "
                              "ON o.bucket = b.id WHERE b.name = ? AND o.key = ?";
static const char get_data_sql[] = "SELECT " OBJECT_COLUMNS ", o.data FROM bucket b JOIN object o "
                                   "ON o.bucket = b.id WHERE b.name = ? AND o.key = ?";

int object_get(struct db *db, struct str bucket, struct str key, bool with_data, struct object *ret,
               struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, with_data ? get_data_sql : get_sql, &q, err));
    query_bind_str(q, 1, str_not_null(bucket));
    query_bind_str(q, 2, str_not_null(key));
    int rc = query_step(q, err);
    if (rc == 1) {
        struct object o = {
            .bucket = bucket,
            .key = key,
            .size = query_u64(q, 0),
            .modified_ms = query_i64(q, 1),
            .sequencer = query_u64(q, 2),
            .etag = query_str(q, 3),
            .storage_class = query_str(q, 4),
            .sum_name = query_str(q, 5),
            .sum_type = query_str(q, 6),
            .sum = query_str(q, 7),
            .blob = query_str(q, 8),
            .tags = query_str(q, 9),
            .headers = query_str(q, 10),
            .parts = query_str(q, 11),
            .data = with_data ? query_str(q, 12) : (struct str){0},
        };
        struct str *const views[] = {
            &o.bucket, &o.key,  &o.etag, &o.storage_class, &o.sum_name, &o.sum_type,
            &o.sum,    &o.blob, &o.tags, &o.headers,       &o.parts,    &o.data,
        };
        o.memory = str_pack(views, ARRAY_SIZE(views));
        *ret = o;
    }
    query_end(q);
    return rc;
}

// What stands under the key now, as far as a change needs to know.
struct present {
    bool exists;
    char etag[80];
    char blob[BLOB_ID_SIZE + 1];
};

static void text_copy(char *to, size_t room, struct str from)
{
    snprintf(to, room, STR_FMT, STR_ARG(from));
}

static int present_get(struct db *db, int64_t bucket, struct str key, struct present *ret,
                       struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "SELECT etag, blob FROM object WHERE bucket = ? AND key = ?", &q, err));
    query_bind_i64(q, 1, bucket);
    query_bind_str(q, 2, str_not_null(key));
    int rc = query_step(q, err);
    ret->exists = rc == 1;
    if (rc == 1) {
        text_copy(ret->etag, sizeof ret->etag, query_str(q, 0));
        text_copy(ret->blob, sizeof ret->blob, query_str(q, 1));
    }
    query_end(q);
    return rc < 0 ? rc : 0;
}

static int condition_check(const struct object_condition *condition, const struct present *present,
                           struct err *err)
{
    if (!condition) {
        return 0;
    }
    if (condition->if_match.size && !present->exists) {
        return err_aws(err, ERR_NOT_FOUND, "NoSuchKey", "The specified key does not exist.");
    }
    bool any = str_eq(condition->if_match, STR("*"));
    if ((condition->if_none_match && present->exists) ||
        (condition->if_match.size && !any && !str_eq(condition->if_match, str_of(present->etag)))) {
        return err_aws(err, ERR_INVALID, "PreconditionFailed",
                       "At least one of the pre-conditions you specified did not hold");
    }
    return 0;
}

// Microseconds of the clock, or one more than the last when the clock stood or went back.
static int sequencer_next(struct db *db, int64_t now_ms, uint64_t *ret, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "UPDATE object_sequence SET last = max(last + 1, ?) RETURNING last", &q, err));
    query_bind_i64(q, 1, now_ms * 1000);
    int rc = query_step(q, err);
    if (rc == 1) {
        *ret = query_u64(q, 0);
        rc = query_step(q, err);
    }
    query_end(q);
    return rc;
}

static void object_bind(struct query *q, int64_t bucket, const struct object *o, uint64_t sequencer)
{
    query_bind_i64(q, 1, bucket);
    query_bind_str(q, 2, str_not_null(o->key));
    query_bind_i64(q, 3, (int64_t)o->size);
    query_bind_i64(q, 4, o->modified_ms);
    query_bind_i64(q, 5, (int64_t)sequencer);
    query_bind_str(q, 6, str_not_null(o->etag));
    query_bind_str(q, 7, str_not_null(o->storage_class));
    query_bind_str(q, 8, str_not_null(o->sum_name));
    query_bind_str(q, 9, str_not_null(o->sum_type));
    query_bind_str(q, 10, str_not_null(o->sum));
    query_bind_str(q, 11, o->blob.size ? o->blob : (struct str){0});
    query_bind_str(q, 12, str_not_null(o->tags));
    query_bind_str(q, 13, str_not_null(o->headers));
    query_bind_str(q, 14, str_not_null(o->parts));
    query_bind_blob(q, 15, o->blob.size ? (struct str){0} : str_not_null(o->data));
}

int object_put(struct db *db, const struct object *object, const struct object_condition *condition,
               struct object_change *ret, struct err *err)
{
    CHECK(object->blob.size ? object->data.size == 0 : object->data.size == object->size);
    int64_t bucket = bucket_id(db, object->bucket, err);
    if (bucket < 0) {
        return (int)bucket;
    }
    struct present present = {0};
    TRY(present_get(db, bucket, object->key, &present, err));
    TRY(condition_check(condition, &present, err));
    uint64_t sequencer = 0;
    TRY(sequencer_next(db, object->modified_ms, &sequencer, err));
    struct query *q = NULL;
    TRY(db_query(db,
                 "INSERT OR REPLACE INTO object(bucket, key, size, modified_ms, sequencer, etag, "
                 "storage_class, sum_name, sum_type, sum, blob, tags, headers, parts, data) "
                 "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                 &q, err));
    object_bind(q, bucket, object, sequencer);
    TRY(query_run(q, err));
    ret->existed = present.exists;
    ret->sequencer = sequencer;
    blob_list_add(&ret->blobs, str_of(present.blob));
    return 0;
}

int object_put_small(struct db *db, struct str bucket, struct str key, struct str bytes,
                     struct str etag, struct str headers, int64_t now_ms, struct object_change *ret,
                     struct err *err)
{
    struct object object = {
        .bucket = bucket,
        .key = key,
        .size = bytes.size,
        .data = bytes,
        .etag = etag,
        .headers = headers,
        .modified_ms = now_ms,
    };
    return object_put(db, &object, NULL, ret, err);
}

int object_delete(struct db *db, struct str bucket, struct str key, int64_t now_ms,
                  const struct object_condition *condition, struct object_change *ret,
                  struct err *err)
{
    int64_t id = bucket_id(db, bucket, err);
    if (id < 0) {
        return (int)id;
    }
    struct present present = {0};
    TRY(present_get(db, id, key, &present, err));
    TRY(condition_check(condition, &present, err));
    ret->existed = present.exists;
    if (!present.exists) {
        return 0;
    }
    TRY(sequencer_next(db, now_ms, &ret->sequencer, err));
    struct query *q = NULL;
    TRY(db_query(db, "DELETE FROM object WHERE bucket = ? AND key = ?", &q, err));
    query_bind_i64(q, 1, id);
    query_bind_str(q, 2, str_not_null(key));
    TRY(query_run(q, err));
    blob_list_add(&ret->blobs, str_of(present.blob));
    return 0;
}

int object_tags_set(struct db *db, struct str bucket, struct str key, struct str tags,
                    struct err *err)
{
    int64_t id = bucket_id(db, bucket, err);
    if (id < 0) {
        return (int)id;
    }
    struct query *q = NULL;
    TRY(db_query(db, "UPDATE object SET tags = ? WHERE bucket = ? AND key = ?", &q, err));
    query_bind_str(q, 1, str_not_null(tags));
    query_bind_i64(q, 2, id);
    query_bind_str(q, 3, str_not_null(key));
    TRY(query_run(q, err));
    return db_changes(db)
               ? 0
               : err_aws(err, ERR_NOT_FOUND, "NoSuchKey", "The specified key does not exist.");
}

struct str object_header(const struct object *object, const char *name)
{
    struct str rest = object->headers;
    while (rest.size) {
        struct str line = str_cut(&rest, '\n');
        struct str found = str_cut(&line, ':');
        if (str_eq_nocase(found, str_of(name))) {
            return str_trim(line);
        }
    }
    return (struct str){0};
}

int object_open(struct db *reader, const char *store_dir, struct str bucket, struct str key,
                struct object_content *ret, struct err *err)
{
    struct object o = {0};
    int rc = object_get(reader, bucket, key, true /* with_data */, &o, err);
    if (rc == 0) {
        rc = err_aws(err, ERR_NOT_FOUND, "NoSuchKey", "no object " STR_FMT " in bucket " STR_FMT,
                     STR_ARG(key), STR_ARG(bucket));
    }
    TRY(rc);
    struct object_content content = {.size = o.size, .fd = -1, .data = BUF_INIT(OBJECT_INLINE_MAX)};
    text_copy(content.etag, sizeof content.etag, o.etag);
    text_copy(content.content_type, sizeof content.content_type, object_header(&o, "Content-Type"));
    if (o.blob.size) {
        struct blob_id id = {0};
        text_copy(id.text, sizeof id.text, o.blob);
        rc = content.fd = blob_open(store_dir, &id, err);
    } else {
        buf_add_str(&content.data, o.data);
        CHECK(buf_ok(&content.data));
    }
    object_done(&o);
    TRY(rc);
    *ret = content;
    return 0;
}

struct sweep {
    struct db *db;
    struct err *err;
};

static int blob_is_used(void *ctx, const char *id)
{
    struct sweep *sweep = ctx;
    struct query *q = NULL;
    TRY(db_query(sweep->db,
                 "SELECT 1 FROM object WHERE blob = ?1 UNION ALL "
                 "SELECT 1 FROM upload_part WHERE blob = ?1 LIMIT 1",
                 &q, sweep->err));
    query_bind_text(q, 1, id);
    int rc = query_step(q, sweep->err);
    query_end(q);
    return rc;
}

int object_sweep(const char *store_dir, struct db *db, uint64_t *ret_removed, struct err *err)
{
    struct sweep sweep = {db, err};
    return blob_sweep(store_dir, blob_is_used, &sweep, ret_removed, err);
}
