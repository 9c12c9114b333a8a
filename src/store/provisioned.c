// SPDX-License-Identifier: Apache-2.0
// Provisioned concurrency as rows; those of a version, an alias or a function go with it (function.c).
#include "store/provisioned.h"

const char *const provisioned_ddl[] = {
    "CREATE TABLE function_provisioned("
    "  name TEXT NOT NULL,"
    "  qualifier TEXT NOT NULL,"
    "  count INTEGER NOT NULL,"
    "  modified_ms INTEGER NOT NULL,"
    "  PRIMARY KEY(name, qualifier)"
    ") STRICT, WITHOUT ROWID",
    NULL,
};

int provisioned_put(struct db *db, const struct provisioned *row, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "INSERT OR REPLACE INTO function_provisioned(name, qualifier, count, modified_ms) "
                 "VALUES(?, ?, ?, ?)",
                 &q, err));
    query_bind_str(q, 1, row->function);
    query_bind_str(q, 2, row->qualifier);
    query_bind_i64(q, 3, row->count);
    query_bind_i64(q, 4, row->modified_ms);
    return query_run(q, err);
}

int provisioned_delete(struct db *db, struct str function, struct str qualifier, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "DELETE FROM function_provisioned WHERE name = ? AND qualifier = ?", &q, err));
    query_bind_str(q, 1, function);
    query_bind_str(q, 2, qualifier);
    return query_run(q, err);
}

int provisioned_each(struct db *db, void (*each)(void *ctx, const struct provisioned *row),
                     void *ctx, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT name, qualifier, count, modified_ms FROM function_provisioned "
                 "ORDER BY name, qualifier",
                 &q, err));
    int rc = 0;
    while ((rc = query_step(q, err)) == 1) {
        struct provisioned row = {query_str(q, 0), query_str(q, 1), query_i64(q, 2),
                                  query_i64(q, 3)};
        each(ctx, &row);
    }
    query_end(q);
    return rc;
}
