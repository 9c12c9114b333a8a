// SPDX-License-Identifier: Apache-2.0
// Aliases as rows.
#include "store/alias.h"
#include "base/mem.h"
#include "store/function.h"
#include "store/job.h"

const char *const alias_ddl[] = {
    "CREATE TABLE function_alias("
    "  name TEXT NOT NULL,"
    "  alias TEXT NOT NULL,"
    "  version TEXT NOT NULL,"
    "  other TEXT,"
    "  other_share REAL NOT NULL,"
    "  description TEXT,"
    "  revision TEXT NOT NULL,"
    "  PRIMARY KEY(name, alias)"
    ") STRICT, WITHOUT ROWID",
    NULL,
};

int alias_put(struct db *db, const struct alias *alias, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "INSERT OR REPLACE INTO function_alias(name, alias, version, other, other_share, "
                 "description, revision) VALUES(?, ?, ?, ?, ?, ?, ?)",
                 &q, err));
    query_bind_text(q, 1, alias->function);
    query_bind_text(q, 2, alias->name);
    query_bind_text(q, 3, alias->version);
    query_bind_text(q, 4, alias->other);
    query_bind_real(q, 5, alias->other_share);
    query_bind_text(q, 6, alias->description);
    query_bind_text(q, 7, alias->revision);
    return query_run(q, err);
}

int alias_delete(struct db *db, struct str function, struct str name, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "DELETE FROM function_alias WHERE name = ? AND alias = ?", &q, err));
    query_bind_str(q, 1, function);
    query_bind_str(q, 2, name);
    TRY(query_run(q, err));
    return function_qualifier_forget(db, function, name, err);
}

static struct alias *alias_read(struct query *q)
{
    struct alias *alias = alias_new();
    char **texts[] = {&alias->function, &alias->name,        &alias->version,
                      &alias->other,    &alias->description, &alias->revision};
    for (int i = 0; i < (int)ARRAY_SIZE(texts); i++) {
        struct str text = query_str(q, i);
        *texts[i] = text.at ? str_dup(text) : NULL;
    }
    alias->other_share = query_real(q, (int)ARRAY_SIZE(texts));
    return alias;
}

int alias_each(struct db *db, void (*each)(void *ctx, struct alias *alias), void *ctx,
               struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT name, alias, version, other, description, revision, other_share "
                 "FROM function_alias ORDER BY name, alias",
                 &q, err));
    int rc = 0;
    while ((rc = query_step(q, err)) == 1) {
        each(ctx, alias_read(q));
    }
    query_end(q);
    return rc;
}
