// SPDX-License-Identifier: Apache-2.0
// HTTP APIs as rows.
#include "store/http_api.h"

const char *const http_api_ddl[] = {
    "CREATE TABLE http_api("
    "  api TEXT NOT NULL,"
    "  kind TEXT NOT NULL,"
    "  id TEXT NOT NULL,"
    "  document TEXT NOT NULL,"
    "  PRIMARY KEY(api, kind, id)"
    ") STRICT, WITHOUT ROWID",
    NULL,
};

int http_api_put(struct db *db, const struct http_api_row *row, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "INSERT OR REPLACE INTO http_api(api, kind, id, document) VALUES(?, ?, ?, ?)",
                 &q, err));
    query_bind_str(q, 1, row->api);
    query_bind_str(q, 2, row->kind);
    query_bind_str(q, 3, row->id);
    query_bind_str(q, 4, row->document);
    return query_run(q, err);
}

int http_api_delete(struct db *db, const struct http_api_row *row, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "DELETE FROM http_api WHERE api = ?1 AND (?2 = '' OR (kind = ?2 AND id = ?3))",
                 &q, err));
    query_bind_str(q, 1, row->api);
    query_bind_str(q, 2, str_not_null(row->kind));
    query_bind_str(q, 3, str_not_null(row->id));
    return query_run(q, err);
}

int http_api_each(struct db *db, int (*each)(void *ctx, const struct http_api_row *row), void *ctx,
                  struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "SELECT api, kind, id, document FROM http_api ORDER BY kind <> 'api', api, id",
                 &q, err));
    int rc = 0;
    while (rc == 0 && (rc = query_step(q, err)) == 1) {
        struct http_api_row row = {query_str(q, 0), query_str(q, 1), query_str(q, 2),
                                   query_str(q, 3)};
        rc = each(ctx, &row);
    }
    query_end(q);
    return rc < 0 ? rc : 0;
}
