// SPDX-License-Identifier: Apache-2.0
// Layers as rows.
#include "store/layer.h"
#include "base/mem.h"

const char *const layer_ddl[] = {
    "CREATE TABLE layer("
    "  name TEXT NOT NULL PRIMARY KEY,"
    "  last_version INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID",
    "CREATE TABLE layer_version("
    "  name TEXT NOT NULL,"
    "  version INTEGER NOT NULL,"
    "  description TEXT,"
    "  license TEXT,"
    "  runtimes TEXT,"
    "  architectures TEXT,"
    "  sha256 TEXT NOT NULL,"
    "  package TEXT NOT NULL,"
    "  code_size INTEGER NOT NULL,"
    "  created_ms INTEGER NOT NULL,"
    "  policy TEXT,"
    "  policy_revision TEXT,"
    "  PRIMARY KEY(name, version)"
    ") STRICT, WITHOUT ROWID",
    NULL,
};

static int last_put(struct db *db, struct str name, int64_t version, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "INSERT INTO layer(name, last_version) VALUES(?1, ?2) ON CONFLICT(name) "
                 "DO UPDATE SET last_version = max(last_version, ?2)",
                 &q, err));
    query_bind_str(q, 1, name);
    query_bind_i64(q, 2, version);
    return query_run(q, err);
}

int layer_put(struct db *db, const char *packages, const struct layer_row *layer, struct err *err)
{
    struct query *q = NULL;
    TRY(last_put(db, layer->name, layer->version, err));
    TRY(db_query(db,
                 "INSERT OR REPLACE INTO layer_version(name, version, description, license, "
                 "runtimes, architectures, sha256, package, code_size, created_ms, policy, "
                 "policy_revision) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                 &q, err));
    query_bind_str(q, 1, layer->name);
    query_bind_i64(q, 2, layer->version);
    query_bind_str(q, 3, layer->description);
    query_bind_str(q, 4, layer->license);
    query_bind_str(q, 5, layer->runtimes);
    query_bind_str(q, 6, layer->architectures);
    query_bind_str(q, 7, layer->sha256);
    query_bind_str(q, 8, str_skip(layer->package, strlen(packages) + 1));
    query_bind_i64(q, 9, (int64_t)layer->code_size);
    query_bind_i64(q, 10, layer->created_ms);
    query_bind_str(q, 11, layer->policy);
    query_bind_str(q, 12, layer->policy_revision);
    return query_run(q, err);
}

int layer_delete(struct db *db, struct str name, int64_t version, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "DELETE FROM layer_version WHERE name = ? AND version = ?", &q, err));
    query_bind_str(q, 1, name);
    query_bind_i64(q, 2, version);
    return query_run(q, err);
}

int layer_each(struct db *db, const char *packages,
               void (*each)(void *ctx, const struct layer_row *layer), void *ctx, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT name, version, description, license, runtimes, architectures, sha256, "
                 "package, code_size, created_ms, policy, policy_revision "
                 "FROM layer_version ORDER BY name, version",
                 &q, err));
    int rc = 0;
    while ((rc = query_step(q, err)) == 1) {
        struct str folder = query_str(q, 7);
        CLEAN_MEM char *package = mem_printf("%s/" STR_FMT, packages, STR_ARG(folder));
        struct layer_row layer = {
            .name = query_str(q, 0),
            .version = query_i64(q, 1),
            .description = query_str(q, 2),
            .license = query_str(q, 3),
            .runtimes = query_str(q, 4),
            .architectures = query_str(q, 5),
            .sha256 = query_str(q, 6),
            .package = str_of(package),
            .code_size = query_u64(q, 8),
            .created_ms = query_i64(q, 9),
            .policy = query_str(q, 10),
            .policy_revision = query_str(q, 11),
        };
        each(ctx, &layer);
    }
    query_end(q);
    return rc;
}

int layer_last_each(struct db *db, void (*each)(void *ctx, struct str name, int64_t last),
                    void *ctx, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "SELECT name, last_version FROM layer", &q, err));
    int rc = 0;
    while ((rc = query_step(q, err)) == 1) {
        each(ctx, query_str(q, 0), query_i64(q, 1));
    }
    query_end(q);
    return rc;
}
