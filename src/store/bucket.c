// SPDX-License-Identifier: Apache-2.0
// The table of buckets.
#include "store/bucket.h"
#include "store/upload.h"

const char *const bucket_ddl[] = {
    "CREATE TABLE bucket("
    "  id INTEGER PRIMARY KEY,"
    "  name TEXT NOT NULL UNIQUE,"
    "  region TEXT NOT NULL,"
    "  created_ms INTEGER NOT NULL,"
    "  tags TEXT NOT NULL DEFAULT '',"
    "  eventbridge INTEGER NOT NULL DEFAULT 0)",
    NULL,
};

int64_t bucket_id(struct db *db, struct str name, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "SELECT id FROM bucket WHERE name = ?", &q, err));
    query_bind_str(q, 1, str_not_null(name));
    int64_t rc = query_step(q, err);
    if (rc == 1) {
        rc = query_i64(q, 0);
    } else if (rc == 0) {
        rc = err_aws(err, ERR_NOT_FOUND, "NoSuchBucket", "The specified bucket does not exist");
    }
    query_end(q);
    return rc;
}

int bucket_create(struct db *db, const struct bucket *bucket, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "INSERT OR IGNORE INTO bucket(name, region, created_ms) VALUES(?, ?, ?)", &q,
                 err));
    query_bind_str(q, 1, bucket->name);
    query_bind_str(q, 2, str_not_null(bucket->region));
    query_bind_i64(q, 3, bucket->created_ms);
    TRY(query_run(q, err));
    if (db_changes(db) == 0) {
        return err_aws(err, ERR_EXISTS, "BucketAlreadyOwnedByYou",
                       "Your previous request to create the named bucket succeeded and you "
                       "already own it.");
    }
    return 0;
}

static int bucket_need_empty(struct db *db, int64_t id, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "SELECT 1 FROM object WHERE bucket = ? LIMIT 1", &q, err));
    query_bind_i64(q, 1, id);
    int rc = query_step(q, err);
    query_end(q);
    return rc != 1 ? rc
                   : err_aws(err, ERR_EXISTS, "BucketNotEmpty",
                             "The bucket you tried to delete is not empty");
}

int bucket_delete(struct db *db, struct str name, struct blob_list *blobs, struct err *err)
{
    int64_t id = bucket_id(db, name, err);
    if (id < 0) {
        return (int)id;
    }
    TRY(bucket_need_empty(db, id, err));
    TRY(upload_delete_bucket(db, name, blobs, err));
    struct query *q = NULL;
    TRY(db_query(db, "DELETE FROM bucket WHERE id = ?", &q, err)); // notifications follow
    query_bind_i64(q, 1, id);
    return query_run(q, err);
}

// Appends one text column of the bucket's row.
static int column_get(struct db *db, const char *sql, struct str name, struct buf *out,
                      struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, sql, &q, err));
    query_bind_str(q, 1, str_not_null(name));
    int rc = query_step(q, err);
    if (rc == 1) {
        buf_add_str(out, query_str(q, 0));
        rc = 0;
    } else if (rc == 0) {
        rc = err_aws(err, ERR_NOT_FOUND, "NoSuchBucket", "The specified bucket does not exist");
    }
    query_end(q);
    return rc;
}

int bucket_region(struct db *db, struct str name, struct buf *out, struct err *err)
{
    return column_get(db, "SELECT region FROM bucket WHERE name = ?", name, out, err);
}

int bucket_tags_get(struct db *db, struct str name, struct buf *out, struct err *err)
{
    return column_get(db, "SELECT tags FROM bucket WHERE name = ?", name, out, err);
}

int bucket_tags_set(struct db *db, struct str name, struct str tags, struct err *err)
{
    int64_t id = bucket_id(db, name, err);
    if (id < 0) {
        return (int)id;
    }
    struct query *q = NULL;
    TRY(db_query(db, "UPDATE bucket SET tags = ? WHERE id = ?", &q, err));
    query_bind_str(q, 1, str_not_null(tags));
    query_bind_i64(q, 2, id);
    return query_run(q, err);
}

int bucket_each(struct db *db, struct str prefix, struct str after,
                int (*each)(void *ctx, const struct bucket *bucket), void *ctx, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT name, region, created_ms FROM bucket WHERE name > ? AND name >= ? "
                 "ORDER BY name",
                 &q, err));
    query_bind_str(q, 1, str_not_null(after));
    query_bind_str(q, 2, str_not_null(prefix));
    int rc;
    while ((rc = query_step(q, err)) == 1) {
        struct bucket bucket = {query_str(q, 0), query_str(q, 1), query_i64(q, 2)};
        if (!str_starts(bucket.name, prefix)) {
            rc = 0; // past all that could have it
            break;
        }
        if (each(ctx, &bucket)) {
            break;
        }
    }
    query_end(q);
    return rc;
}
