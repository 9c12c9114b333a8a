// SPDX-License-Identifier: Apache-2.0
// The table of libraries that functions use.
#include "store/library.h"

#include <stddef.h>

const char *const library_ddl[] = {
    "CREATE TABLE function_library("
    "  name TEXT NOT NULL,"
    "  version TEXT NOT NULL,"
    "  code TEXT NOT NULL,"
    "  modules TEXT NOT NULL,"
    "  PRIMARY KEY(name, version)"
    ") STRICT, WITHOUT ROWID",
    NULL,
};

int library_put(struct db *db, const struct library_list *list, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "INSERT OR REPLACE INTO function_library(name, version, code, modules)"
                 " VALUES(?, ?, ?, ?)",
                 &q, err));
    query_bind_str(q, 1, list->name);
    query_bind_str(q, 2, list->version);
    query_bind_str(q, 3, list->code);
    query_bind_str(q, 4, list->modules.at ? list->modules : STR(""));
    return query_run(q, err);
}

int library_get(struct db *db, struct str name, struct str version, struct str code,
                void (*each)(void *ctx, const struct library_list *list), void *ctx,
                struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT name, version, code, modules FROM function_library WHERE name = ?1"
                 " ORDER BY code = ?3 DESC, version = ?2 DESC LIMIT 1",
                 &q, err));
    query_bind_str(q, 1, name);
    query_bind_str(q, 2, version);
    query_bind_str(q, 3, code);
    int rc = query_step(q, err);
    if (rc == 1) {
        struct library_list list = {.name = query_str(q, 0),
                                    .version = query_str(q, 1),
                                    .code = query_str(q, 2),
                                    .modules = query_str(q, 3)};
        each(ctx, &list);
    }
    query_end(q);
    return rc;
}
