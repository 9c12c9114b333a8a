// SPDX-License-Identifier: Apache-2.0
// Function URLs as rows. Those of a function go with it: function_delete.
#include "store/function_url.h"

const char *const function_url_ddl[] = {
    "CREATE TABLE function_url("
    "  function TEXT NOT NULL,"
    "  qualifier TEXT NOT NULL,"
    "  id TEXT NOT NULL UNIQUE,"
    "  auth TEXT NOT NULL,"
    "  mode TEXT NOT NULL,"
    "  cors TEXT,"
    "  created_ms INTEGER NOT NULL,"
    "  modified_ms INTEGER NOT NULL,"
    "  PRIMARY KEY(function, qualifier)"
    ") STRICT, WITHOUT ROWID",
    NULL,
};

int function_url_put(struct db *db, const struct function_url *url, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "INSERT OR REPLACE INTO function_url(function, qualifier, id, auth, mode, cors, "
                 "created_ms, modified_ms) VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
                 &q, err));
    query_bind_str(q, 1, url->function);
    query_bind_str(q, 2, str_not_null(url->qualifier));
    query_bind_str(q, 3, url->id);
    query_bind_str(q, 4, url->auth);
    query_bind_str(q, 5, url->mode);
    query_bind_str(q, 6, url->cors);
    query_bind_i64(q, 7, url->created_ms);
    query_bind_i64(q, 8, url->modified_ms);
    return query_run(q, err);
}

int function_url_delete(struct db *db, struct str function, struct str qualifier, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "DELETE FROM function_url WHERE function = ? AND qualifier = ?", &q, err));
    query_bind_str(q, 1, function);
    query_bind_str(q, 2, str_not_null(qualifier));
    return query_run(q, err);
}

int function_url_each(struct db *db, int (*each)(void *ctx, const struct function_url *url),
                      void *ctx, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT function, qualifier, id, auth, mode, cors, created_ms, modified_ms "
                 "FROM function_url ORDER BY function, qualifier",
                 &q, err));
    int rc = 0;
    while (rc == 0 && (rc = query_step(q, err)) == 1) {
        struct function_url url = {
            .function = query_str(q, 0),
            .qualifier = query_str(q, 1),
            .id = query_str(q, 2),
            .auth = query_str(q, 3),
            .mode = query_str(q, 4),
            .cors = query_str(q, 5),
            .created_ms = query_i64(q, 6),
            .modified_ms = query_i64(q, 7),
        };
        rc = each(ctx, &url);
    }
    query_end(q);
    return rc < 0 ? rc : 0;
}
