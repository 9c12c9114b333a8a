// SPDX-License-Identifier: Apache-2.0
// The tables of Scheduler.
#include "store/schedule.h"

const char *const schedule_ddl[] = {
    "CREATE TABLE schedule("
    "  grp TEXT NOT NULL,"
    "  name TEXT NOT NULL,"
    "  state TEXT NOT NULL,"
    "  document TEXT NOT NULL,"
    "  created_ms INTEGER NOT NULL,"
    "  modified_ms INTEGER NOT NULL,"
    "  instant_ms INTEGER NOT NULL,"
    "  due_ms INTEGER NOT NULL,"
    "  PRIMARY KEY(grp, name)"
    ") STRICT, WITHOUT ROWID",
    "CREATE INDEX schedule_due ON schedule(due_ms) WHERE due_ms > 0",
    "CREATE TABLE schedule_group("
    "  name TEXT PRIMARY KEY,"
    "  tags TEXT,"
    "  created_ms INTEGER NOT NULL,"
    "  modified_ms INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID",
    "INSERT INTO schedule_group SELECT 'default', NULL, now_ms, now_ms FROM "
    "(SELECT CAST(strftime('%s') AS INTEGER) * 1000 AS now_ms)",
    NULL,
};

#define COLUMNS "grp, name, state, document, created_ms, modified_ms, instant_ms, due_ms"

static struct schedule_row schedule_read(struct query *q)
{
    return (struct schedule_row){
        .group = query_str(q, 0),
        .name = query_str(q, 1),
        .state = query_str(q, 2),
        .document = query_str(q, 3),
        .created_ms = query_i64(q, 4),
        .modified_ms = query_i64(q, 5),
        .instant_ms = query_i64(q, 6),
        .due_ms = query_i64(q, 7),
    };
}

int schedule_put(struct db *db, const struct schedule_row *schedule, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "INSERT OR REPLACE INTO schedule(" COLUMNS ") VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
                 &q, err));
    query_bind_str(q, 1, schedule->group);
    query_bind_str(q, 2, schedule->name);
    query_bind_str(q, 3, schedule->state);
    query_bind_str(q, 4, schedule->document);
    query_bind_i64(q, 5, schedule->created_ms);
    query_bind_i64(q, 6, schedule->modified_ms);
    query_bind_i64(q, 7, schedule->instant_ms);
    query_bind_i64(q, 8, schedule->due_ms);
    return query_run(q, err);
}

// Runs a query for its one row. 1 when there was one.
static int schedule_one(struct query *q,
                        void (*each)(void *ctx, const struct schedule_row *schedule), void *ctx,
                        struct err *err)
{
    int rc = query_step(q, err);
    if (rc == 1) {
        struct schedule_row schedule = schedule_read(q);
        each(ctx, &schedule);
    }
    query_end(q);
    return rc;
}

int schedule_get(struct db *db, struct str group, struct str name,
                 void (*each)(void *ctx, const struct schedule_row *schedule), void *ctx,
                 struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "SELECT " COLUMNS " FROM schedule WHERE grp = ? AND name = ?", &q, err));
    query_bind_str(q, 1, group);
    query_bind_str(q, 2, name);
    return schedule_one(q, each, ctx, err);
}

int schedule_each(struct db *db, const struct schedule_filter *filter,
                  int (*each)(void *ctx, const struct schedule_row *schedule), void *ctx,
                  struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT " COLUMNS " FROM schedule WHERE (?1 = '' OR grp = ?1) "
                 "AND substr(name, 1, length(?2)) = ?2 AND (?3 = '' OR state = ?3) "
                 "AND (grp, name) > (?4, ?5) ORDER BY grp, name",
                 &q, err));
    query_bind_str(q, 1, str_not_null(filter->group));
    query_bind_str(q, 2, str_not_null(filter->prefix));
    query_bind_str(q, 3, str_not_null(filter->state));
    query_bind_str(q, 4, str_not_null(filter->after_group));
    query_bind_str(q, 5, str_not_null(filter->after_name));
    int rc = 0, step = 0;
    while (rc == 0 && (step = query_step(q, err)) == 1) {
        struct schedule_row schedule = schedule_read(q);
        rc = each(ctx, &schedule);
    }
    query_end(q);
    return step < 0 ? step : rc;
}

int schedule_delete(struct db *db, struct str group, struct str name, struct err *err)
{
    const struct str key[] = {group, name};
    return db_run(db, "DELETE FROM schedule WHERE grp = ? AND name = ?", key, 2, err);
}

// ── what is due ──

int schedule_due(struct db *db, int64_t now_ms,
                 void (*each)(void *ctx, const struct schedule_row *schedule), void *ctx,
                 struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT " COLUMNS " FROM schedule WHERE due_ms > 0 AND due_ms <= ? "
                 "ORDER BY due_ms LIMIT 1",
                 &q, err));
    query_bind_i64(q, 1, now_ms);
    return schedule_one(q, each, ctx, err);
}

int schedule_due_set(struct db *db, struct str group, struct str name, int64_t instant_ms,
                     int64_t due_ms, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "UPDATE schedule SET instant_ms = ?, due_ms = ? WHERE grp = ? AND name = ?",
                 &q, err));
    query_bind_i64(q, 1, instant_ms);
    query_bind_i64(q, 2, due_ms);
    query_bind_str(q, 3, group);
    query_bind_str(q, 4, name);
    return query_run(q, err);
}

int schedule_due_next(struct db *db, int64_t *ret_ms, struct err *err)
{
    return db_number(db, "SELECT MIN(due_ms) FROM schedule WHERE due_ms > 0", ret_ms, err);
}

// ── groups ──

int schedule_group_put(struct db *db, const struct schedule_group *group, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "INSERT OR REPLACE INTO schedule_group(name, tags, created_ms, modified_ms) "
                 "VALUES(?, ?, ?, ?)",
                 &q, err));
    query_bind_str(q, 1, group->name);
    query_bind_str(q, 2, group->tags);
    query_bind_i64(q, 3, group->created_ms);
    query_bind_i64(q, 4, group->modified_ms);
    return query_run(q, err);
}

int schedule_group_delete(struct db *db, struct str name, struct err *err)
{
    TRY(db_run(db, "DELETE FROM schedule WHERE grp = ?", &name, 1, err));
    return db_run(db, "DELETE FROM schedule_group WHERE name = ?", &name, 1, err);
}

int schedule_group_each(struct db *db, struct str prefix, struct str after,
                        int (*each)(void *ctx, const struct schedule_group *group), void *ctx,
                        struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT name, tags, created_ms, modified_ms FROM schedule_group WHERE name > ?2 "
                 "AND substr(name, 1, length(?1)) = ?1 ORDER BY name",
                 &q, err));
    query_bind_str(q, 1, str_not_null(prefix));
    query_bind_str(q, 2, str_not_null(after));
    int rc = 0, step = 0;
    while (rc == 0 && (step = query_step(q, err)) == 1) {
        struct schedule_group group = {query_str(q, 0), query_str(q, 1), query_i64(q, 2),
                                       query_i64(q, 3)};
        rc = each(ctx, &group);
    }
    query_end(q);
    return step < 0 ? step : rc;
}
