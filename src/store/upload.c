// SPDX-License-Identifier: Apache-2.0
// The tables of multipart uploads and their parts.
#include "store/upload.h"
#include "base/mem.h"
#include "store/bucket.h"

const char *const upload_ddl[] = {
    "CREATE TABLE upload("
    "  id TEXT NOT NULL PRIMARY KEY,"
    "  bucket INTEGER NOT NULL REFERENCES bucket(id),"
    "  key TEXT NOT NULL,"
    "  created_ms INTEGER NOT NULL,"
    "  headers TEXT NOT NULL,"
    "  tags TEXT NOT NULL,"
    "  storage_class TEXT NOT NULL,"
    "  sum_name TEXT NOT NULL,"
    "  sum_type TEXT NOT NULL"
    ") WITHOUT ROWID",
    "CREATE INDEX upload_key ON upload(bucket, key, id)",
    "CREATE TABLE upload_part("
    "  upload TEXT NOT NULL REFERENCES upload(id) ON DELETE CASCADE,"
    "  number INTEGER NOT NULL,"
    "  size INTEGER NOT NULL,"
    "  modified_ms INTEGER NOT NULL,"
    "  etag TEXT NOT NULL,"
    "  sum_name TEXT NOT NULL,"
    "  sum TEXT NOT NULL,"
    "  blob TEXT NOT NULL,"
    "  PRIMARY KEY(upload, number)"
    ") WITHOUT ROWID",
    "CREATE INDEX upload_part_blob ON upload_part(blob)",
    NULL,
};

void upload_done(struct upload *upload)
{
    free(upload->memory);
    *upload = (struct upload){0};
}

static int no_such_upload(struct err *err)
{
    return err_aws(err, ERR_NOT_FOUND, "NoSuchUpload",
                   "The specified upload does not exist. The upload ID may be invalid, or the "
                   "upload may have been aborted or completed.");
}

int upload_create(struct db *db, const struct upload *upload, struct err *err)
{
    int64_t bucket = bucket_id(db, upload->bucket, err);
    if (bucket < 0) {
        return (int)bucket;
    }
    struct query *q = NULL;
    TRY(db_query(db,
                 "INSERT INTO upload(id, bucket, key, created_ms, headers, tags, storage_class, "
                 "sum_name, sum_type) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
                 &q, err));
    query_bind_str(q, 1, upload->id);
    query_bind_i64(q, 2, bucket);
    query_bind_str(q, 3, str_not_null(upload->key));
    query_bind_i64(q, 4, upload->created_ms);
    query_bind_str(q, 5, str_not_null(upload->headers));
    query_bind_str(q, 6, str_not_null(upload->tags));
    query_bind_str(q, 7, str_not_null(upload->storage_class));
    query_bind_str(q, 8, str_not_null(upload->sum_name));
    query_bind_str(q, 9, str_not_null(upload->sum_type));
    return query_run(q, err);
}

int upload_get(struct db *db, struct str bucket, struct str key, struct str id, struct upload *ret,
               struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT u.created_ms, u.headers, u.tags, u.storage_class, u.sum_name, u.sum_type "
                 "FROM upload u JOIN bucket b ON b.id = u.bucket "
                 "WHERE u.id = ? AND b.name = ? AND u.key = ?",
                 &q, err));
    query_bind_str(q, 1, str_not_null(id));
    query_bind_str(q, 2, str_not_null(bucket));
    query_bind_str(q, 3, str_not_null(key));
    int rc = query_step(q, err);
    if (rc == 1) {
        struct upload u = {
            .id = id,
            .bucket = bucket,
            .key = key,
            .created_ms = query_i64(q, 0),
            .headers = query_str(q, 1),
            .tags = query_str(q, 2),
            .storage_class = query_str(q, 3),
            .sum_name = query_str(q, 4),
            .sum_type = query_str(q, 5),
        };
        struct str *const views[] = {&u.id,   &u.bucket,        &u.key,      &u.headers,
                                     &u.tags, &u.storage_class, &u.sum_name, &u.sum_type};
        u.memory = str_pack(views, ARRAY_SIZE(views));
        *ret = u;
    }
    query_end(q);
    return rc == 0 ? no_such_upload(err) : rc < 0 ? rc : 0;
}

int upload_delete(struct db *db, struct str id, struct blob_list *blobs, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "SELECT blob FROM upload_part WHERE upload = ?", &q, err));
    query_bind_str(q, 1, str_not_null(id));
    int rc;
    while ((rc = query_step(q, err)) == 1) {
        blob_list_add(blobs, query_str(q, 0));
    }
    query_end(q);
    TRY(rc);
    TRY(db_query(db, "DELETE FROM upload WHERE id = ?", &q, err)); // its parts follow
    query_bind_str(q, 1, str_not_null(id));
    TRY(query_run(q, err));
    return db_changes(db) ? 0 : no_such_upload(err);
}

int upload_delete_bucket(struct db *db, struct str bucket, struct blob_list *blobs, struct err *err)
{
    int64_t id = bucket_id(db, bucket, err);
    if (id < 0) {
        return (int)id;
    }
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT p.blob FROM upload u JOIN upload_part p ON p.upload = u.id "
                 "WHERE u.bucket = ?",
                 &q, err));
    query_bind_i64(q, 1, id);
    int rc;
    while ((rc = query_step(q, err)) == 1) {
        blob_list_add(blobs, query_str(q, 0));
    }
    query_end(q);
    TRY(rc);
    TRY(db_query(db, "DELETE FROM upload WHERE bucket = ?", &q, err));
    query_bind_i64(q, 1, id);
    return query_run(q, err);
}

int upload_each(struct db *db, struct str bucket, struct str prefix, struct str after_key,
                struct str after_id, int (*each)(void *ctx, const struct upload *upload), void *ctx,
                struct err *err)
{
    int64_t id = bucket_id(db, bucket, err);
    if (id < 0) {
        return (int)id;
    }
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT key, id, created_ms, storage_class, sum_name, sum_type FROM upload "
                 "WHERE bucket = ? AND key >= ? AND (key, id) > (?, ?) ORDER BY key, id",
                 &q, err));
    query_bind_i64(q, 1, id);
    query_bind_str(q, 2, str_not_null(prefix));
    query_bind_str(q, 3, str_not_null(after_key));
    query_bind_str(q, 4, str_not_null(after_id));
    int rc;
    while ((rc = query_step(q, err)) == 1) {
        struct upload u = {
            .bucket = bucket,
            .key = query_str(q, 0),
            .id = query_str(q, 1),
            .created_ms = query_i64(q, 2),
            .storage_class = query_str(q, 3),
            .sum_name = query_str(q, 4),
            .sum_type = query_str(q, 5),
        };
        if (!str_starts(u.key, prefix)) {
            rc = 0; // past all that could have it
            break;
        }
        if (each(ctx, &u)) {
            break;
        }
    }
    query_end(q);
    return rc;
}

static int upload_need(struct db *db, struct str id, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "SELECT 1 FROM upload WHERE id = ?", &q, err));
    query_bind_str(q, 1, str_not_null(id));
    int rc = query_step(q, err);
    query_end(q);
    return rc == 0 ? no_such_upload(err) : rc;
}

static int part_blob_add(struct db *db, struct str id, int number, struct blob_list *blobs,
                         struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "SELECT blob FROM upload_part WHERE upload = ? AND number = ?", &q, err));
    query_bind_str(q, 1, id);
    query_bind_i64(q, 2, number);
    int rc = query_step(q, err);
    if (rc == 1) {
        blob_list_add(blobs, query_str(q, 0));
    }
    query_end(q);
    return rc;
}

int upload_part_put(struct db *db, struct str id, const struct upload_part *part,
                    struct blob_list *blobs, struct err *err)
{
    TRY(upload_need(db, id, err));
    TRY(part_blob_add(db, id, part->number, blobs, err));
    struct query *q = NULL;
    TRY(db_query(db,
                 "INSERT OR REPLACE INTO upload_part(upload, number, size, modified_ms, etag, "
                 "sum_name, sum, blob) VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
                 &q, err));
    query_bind_str(q, 1, id);
    query_bind_i64(q, 2, part->number);
    query_bind_i64(q, 3, (int64_t)part->size);
    query_bind_i64(q, 4, part->modified_ms);
    query_bind_str(q, 5, str_not_null(part->etag));
    query_bind_str(q, 6, str_not_null(part->sum_name));
    query_bind_str(q, 7, str_not_null(part->sum));
    query_bind_str(q, 8, part->blob);
    return query_run(q, err);
}

int upload_part_each(struct db *db, struct str id, int after,
                     int (*each)(void *ctx, const struct upload_part *part), void *ctx,
                     struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT number, size, modified_ms, etag, sum_name, sum, blob FROM upload_part "
                 "WHERE upload = ? AND number > ? ORDER BY number",
                 &q, err));
    query_bind_str(q, 1, str_not_null(id));
    query_bind_i64(q, 2, after);
    int rc;
    while ((rc = query_step(q, err)) == 1) {
        struct upload_part part = {
            .number = (int)query_i64(q, 0),
            .size = query_u64(q, 1),
            .modified_ms = query_i64(q, 2),
            .etag = query_str(q, 3),
            .sum_name = query_str(q, 4),
            .sum = query_str(q, 5),
            .blob = query_str(q, 6),
        };
        if (each(ctx, &part)) {
            break;
        }
    }
    query_end(q);
    return rc;
}
