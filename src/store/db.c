// SPDX-License-Identifier: Apache-2.0
// SQLite behind a narrow door: open with our pragmas, cached statements, errors translated. The
// only file, with its header's users in this folder, that knows it is SQLite.
#include "store/db.h"
#include "base/check.h"
#include "base/mem.h"

#include <sqlite3.h>

#define QUERIES_MAX 512 // distinct statements in the program; a power of two

struct query {
    const char *sql; // the constant that names it; NULL: free
    sqlite3_stmt *stmt;
    bool busy;
};

struct db {
    sqlite3 *sqlite;
    struct query queries[QUERIES_MAX];
};

static int db_fail(struct db *db, int rc, struct err *err)
{
    int code = ERR_IO;
    switch (rc & 0xff) {
    case SQLITE_CONSTRAINT: code = ERR_EXISTS; break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: code = ERR_BUSY; break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: code = ERR_CORRUPT; break;
    case SQLITE_TOOBIG: code = ERR_LIMIT; break;
    case SQLITE_NOMEM: code = ERR_NO_MEMORY; break;
    default: break;
    }
    return err_set(err, code, "database: %s", sqlite3_errmsg(db->sqlite));
}

int db_exec(struct db *db, const char *sql, struct err *err)
{
    int rc = sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : db_fail(db, rc, err);
}

int db_open(const char *path, bool writer, struct db **ret, struct err *err)
{
    struct db *db = NEW(struct db);
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE | (writer ? SQLITE_OPEN_CREATE : 0);
    int rc = sqlite3_open_v2(path, &db->sqlite, flags, NULL);
    if (rc != SQLITE_OK) {
        rc = db->sqlite ? db_fail(db, rc, err) : err_set(err, ERR_NO_MEMORY, "out of memory");
        err_prefix(err, "cannot open %s", path);
        db_close(db);
        return rc;
    }
    sqlite3_extended_result_codes(db->sqlite, 1);
    sqlite3_busy_timeout(db->sqlite, 10000);
    // cache_size in KiB: a server at rest is to stay small.
    rc = db_exec(db,
                 writer ? "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                          "PRAGMA foreign_keys=ON; PRAGMA cache_size=-4000"
                        : "PRAGMA query_only=ON; PRAGMA cache_size=-2000",
                 err);
    if (rc < 0) {
        err_prefix(err, "cannot open %s", path);
        db_close(db);
        return rc;
    }
    *ret = db;
    return 0;
}

void db_close(struct db *db)
{
    if (!db) {
        return;
    }
    for (size_t i = 0; i < QUERIES_MAX; i++) {
        sqlite3_finalize(db->queries[i].stmt);
    }
    sqlite3_close(db->sqlite);
    free(db);
}

static struct query *query_slot(struct db *db, const char *sql)
{
    size_t i = ((uintptr_t)sql * 0x9e3779b97f4a7c15u) >> 55;
    for (size_t tried = 0; tried < QUERIES_MAX; tried++, i++) {
        struct query *q = &db->queries[i & (QUERIES_MAX - 1)];
        if (!q->sql || q->sql == sql) {
            return q;
        }
    }
    CHECK(sql == NULL); // more statements than QUERIES_MAX: one that is not a constant?
    return NULL;
}

int db_query(struct db *db, const char *sql, struct query **ret, struct err *err)
{
    struct query *q = query_slot(db, sql);
    if (!q->sql) {
        int rc = sqlite3_prepare_v3(db->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &q->stmt, NULL);
        if (rc != SQLITE_OK) {
            return db_fail(db, rc, err);
        }
        q->sql = sql;
    }
    CHECK(!q->busy); // a statement is not used inside its own loop
    q->busy = true;
    *ret = q;
    return 0;
}

bool db_in_transaction(struct db *db)
{
    return sqlite3_get_autocommit(db->sqlite) == 0;
}

int64_t db_last_id(struct db *db)
{
    return sqlite3_last_insert_rowid(db->sqlite);
}

int db_changes(struct db *db)
{
    return sqlite3_changes(db->sqlite);
}

void query_bind_str(struct query *q, int i, struct str text)
{
    CHECK(sqlite3_bind_text64(q->stmt, i, text.at, text.size, SQLITE_STATIC, SQLITE_UTF8) ==
          SQLITE_OK);
}

void query_bind_text(struct query *q, int i, const char *text)
{
    query_bind_str(q, i, str_of(text));
}

void query_bind_blob(struct query *q, int i, struct str bytes)
{
    int rc = bytes.at ? sqlite3_bind_blob64(q->stmt, i, bytes.at, bytes.size, SQLITE_STATIC)
                      : sqlite3_bind_null(q->stmt, i);
    CHECK(rc == SQLITE_OK);
}

void query_bind_real(struct query *q, int i, double value)
{
    CHECK(sqlite3_bind_double(q->stmt, i, value) == SQLITE_OK);
}

void query_bind_i64(struct query *q, int i, int64_t value)
{
    CHECK(sqlite3_bind_int64(q->stmt, i, value) == SQLITE_OK);
}

int query_step(struct query *q, struct err *err)
{
    int rc = sqlite3_step(q->stmt);
    if (rc == SQLITE_ROW) {
        return 1;
    }
    if (rc == SQLITE_DONE) {
        return 0;
    }
    struct db db = {.sqlite = sqlite3_db_handle(q->stmt)};
    return db_fail(&db, rc, err);
}

int query_run(struct query *q, struct err *err)
{
    int rc = 1;
    while (rc == 1) {
        rc = query_step(q, err);
    }
    query_end(q);
    return rc;
}

int db_run(struct db *db, const char *sql, const struct str *texts, int count, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, sql, &q, err));
    for (int i = 0; i < count; i++) {
        query_bind_str(q, i + 1, texts[i]);
    }
    TRY(query_run(q, err));
    return db_changes(db);
}

int db_number(struct db *db, const char *sql, int64_t *ret, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, sql, &q, err));
    int rc = query_step(q, err);
    *ret = rc == 1 ? query_i64(q, 0) : 0;
    query_end(q);
    return rc < 0 ? rc : 0;
}

// The pointer must be asked for before the size: the conversion may change it.
struct str query_str(struct query *q, int column)
{
    if (sqlite3_column_type(q->stmt, column) == SQLITE_NULL) {
        return (struct str){0};
    }
    const void *at = sqlite3_column_blob(q->stmt, column);
    size_t size = (size_t)sqlite3_column_bytes(q->stmt, column);
    return (struct str){at ? at : "", size};
}

int64_t query_i64(struct query *q, int column)
{
    return sqlite3_column_int64(q->stmt, column);
}

double query_real(struct query *q, int column)
{
    return sqlite3_column_double(q->stmt, column);
}

uint64_t query_u64(struct query *q, int column)
{
    int64_t value = query_i64(q, column);
    return value < 0 ? 0 : (uint64_t)value;
}

void query_end(struct query *q)
{
    if (!q) {
        return;
    }
    sqlite3_reset(q->stmt);
    sqlite3_clear_bindings(q->stmt);
    q->busy = false;
}
