// SPDX-License-Identifier: Apache-2.0
// The outbox's table.
#include "store/job.h"
#include "store/function.h"

const char *const job_ddl[] = {
    "CREATE TABLE job ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " function TEXT NOT NULL,"
    " payload BLOB NOT NULL,"
    " request_id TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " due_ms INTEGER NOT NULL,"
    " attempt INTEGER NOT NULL) STRICT",
    "CREATE INDEX job_due ON job (function, due_ms, id)",
    NULL,
};

int64_t job_row_insert(struct db *db, const struct job_row *row, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "INSERT INTO job (function, payload, request_id, created_ms, due_ms, attempt)"
                 " VALUES (?, ?, ?, ?, ?, ?)",
                 &q, err));
    query_bind_str(q, 1, row->function);
    query_bind_blob(q, 2, row->payload.at ? row->payload : STR(""));
    query_bind_str(q, 3, row->request_id);
    query_bind_i64(q, 4, row->created_ms);
    query_bind_i64(q, 5, row->due_ms);
    query_bind_i64(q, 6, row->attempt);
    TRY(query_run(q, err));
    return db_last_id(db);
}

int64_t job_row_add(struct db *db, const struct job_row *row, struct err *err)
{
    int known = function_known(db, row->function, err);
    return known == 1 ? job_row_insert(db, row, err) : known;
}

int job_row_delete(struct db *db, int64_t id, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "DELETE FROM job WHERE id = ?", &q, err));
    query_bind_i64(q, 1, id);
    return query_run(q, err);
}

int job_row_retry(struct db *db, int64_t id, int64_t attempt, int64_t due_ms, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "UPDATE job SET attempt = ?, due_ms = ? WHERE id = ?", &q, err));
    query_bind_i64(q, 1, attempt);
    query_bind_i64(q, 2, due_ms);
    query_bind_i64(q, 3, id);
    return query_run(q, err);
}

int job_row_delete_function(struct db *db, struct str function, struct err *err)
{
    return db_run(db, "DELETE FROM job WHERE function = ?", &function, 1, err);
}

static struct job_row row_read(struct query *q)
{
    return (struct job_row){
        .id = query_i64(q, 0),
        .function = query_str(q, 1),
        .payload = query_str(q, 2),
        .request_id = query_str(q, 3),
        .created_ms = query_i64(q, 4),
        .due_ms = query_i64(q, 5),
        .attempt = query_i64(q, 6),
    };
}

int job_row_each_due(struct db *db, struct str function, int64_t now_ms, int limit,
                     int (*each)(void *ctx, const struct job_row *row), void *ctx, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT id, function, payload, request_id, created_ms, due_ms, attempt FROM job"
                 " WHERE function = ? AND due_ms <= ? ORDER BY due_ms, id LIMIT ?",
                 &q, err));
    query_bind_str(q, 1, function);
    query_bind_i64(q, 2, now_ms);
    query_bind_i64(q, 3, limit);
    int given = 0;
    int rc = 0;
    while ((rc = query_step(q, err)) == 1) {
        struct job_row row = row_read(q);
        given++;
        if (each(ctx, &row) != 0) {
            break;
        }
    }
    query_end(q);
    return rc < 0 ? rc : given;
}

int job_row_next_due(struct db *db, struct str function, int64_t now_ms, int64_t *ret,
                     struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "SELECT MIN(due_ms) FROM job WHERE function = ? AND due_ms > ?", &q, err));
    query_bind_str(q, 1, function);
    query_bind_i64(q, 2, now_ms);
    int rc = query_step(q, err);
    if (rc == 1) {
        *ret = query_i64(q, 0);
    }
    query_end(q);
    return rc < 0 ? rc : 0;
}

int job_row_each_function(struct db *db, void (*each)(void *ctx, struct str function), void *ctx,
                          struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "SELECT DISTINCT function FROM job", &q, err));
    int rc = 0;
    while ((rc = query_step(q, err)) == 1) {
        each(ctx, query_str(q, 0));
    }
    query_end(q);
    return rc < 0 ? rc : 0;
}

int job_row_count(struct db *db, uint64_t *ret, struct err *err)
{
    int64_t count = 0;
    TRY(db_number(db, "SELECT COUNT(*) FROM job", &count, err));
    *ret = (uint64_t)count;
    return 0;
}
