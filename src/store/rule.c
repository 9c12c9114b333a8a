// SPDX-License-Identifier: Apache-2.0
// The tables of EventBridge. A rule that fires on a schedule is found by the index of what is due.
#include "store/rule.h"

const char *const rule_ddl[] = {
    "CREATE TABLE rule("
    "  bus TEXT NOT NULL,"
    "  name TEXT NOT NULL,"
    "  state TEXT NOT NULL,"
    "  expression TEXT,"
    "  pattern TEXT,"
    "  description TEXT,"
    "  role TEXT,"
    "  tags TEXT,"
    "  anchor_ms INTEGER NOT NULL,"
    "  due_ms INTEGER NOT NULL,"
    "  PRIMARY KEY(bus, name)"
    ") STRICT, WITHOUT ROWID",
    "CREATE INDEX rule_due ON rule(due_ms) WHERE due_ms > 0",
    "CREATE TABLE rule_target("
    "  bus TEXT NOT NULL,"
    "  rule TEXT NOT NULL,"
    "  id TEXT NOT NULL,"
    "  arn TEXT NOT NULL,"
    "  document TEXT NOT NULL,"
    "  PRIMARY KEY(bus, rule, id)"
    ") STRICT, WITHOUT ROWID",
    "CREATE TABLE event_bus("
    "  name TEXT PRIMARY KEY,"
    "  description TEXT,"
    "  tags TEXT,"
    "  created_ms INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID",
    "INSERT INTO event_bus VALUES('default', NULL, NULL, CAST(strftime('%s') AS INTEGER) * 1000)",
    NULL,
};

#define COLUMNS "bus, name, state, expression, pattern, description, role, tags, anchor_ms, due_ms"

static struct rule_row rule_read(struct query *q)
{
    return (struct rule_row){
        .bus = query_str(q, 0),
        .name = query_str(q, 1),
        .state = query_str(q, 2),
        .expression = query_str(q, 3),
        .pattern = query_str(q, 4),
        .description = query_str(q, 5),
        .role = query_str(q, 6),
        .tags = query_str(q, 7),
        .anchor_ms = query_i64(q, 8),
        .due_ms = query_i64(q, 9),
    };
}

int rule_put(struct db *db, const struct rule_row *rule, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "INSERT OR REPLACE INTO rule(" COLUMNS ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                 &q, err));
    const struct str texts[] = {rule->bus,     rule->name,        rule->state, rule->expression,
                                rule->pattern, rule->description, rule->role,  rule->tags};
    for (int i = 0; i < 8; i++) {
        query_bind_str(q, i + 1, texts[i]);
    }
    query_bind_i64(q, 9, rule->anchor_ms);
    query_bind_i64(q, 10, rule->due_ms);
    return query_run(q, err);
}

// Runs a query for its one row. 1 when there was one.
static int rule_one(struct query *q, void (*each)(void *ctx, const struct rule_row *rule),
                    void *ctx, struct err *err)
{
    int rc = query_step(q, err);
    if (rc == 1) {
        struct rule_row rule = rule_read(q);
        each(ctx, &rule);
    }
    query_end(q);
    return rc;
}

static int rule_all(struct query *q, int (*each)(void *ctx, const struct rule_row *rule), void *ctx,
                    struct err *err)
{
    int rc = 0, step = 0;
    while (rc == 0 && (step = query_step(q, err)) == 1) {
        struct rule_row rule = rule_read(q);
        rc = each(ctx, &rule);
    }
    query_end(q);
    return step < 0 ? step : rc;
}

int rule_get(struct db *db, struct str bus, struct str name,
             void (*each)(void *ctx, const struct rule_row *rule), void *ctx, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "SELECT " COLUMNS " FROM rule WHERE bus = ? AND name = ?", &q, err));
    query_bind_str(q, 1, bus);
    query_bind_str(q, 2, name);
    return rule_one(q, each, ctx, err);
}

int rule_each(struct db *db, struct str bus, struct str prefix, struct str after,
              int (*each)(void *ctx, const struct rule_row *rule), void *ctx, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT " COLUMNS " FROM rule WHERE bus = ?1 AND name > ?3 "
                 "AND substr(name, 1, length(?2)) = ?2 ORDER BY name",
                 &q, err));
    query_bind_str(q, 1, bus);
    query_bind_str(q, 2, str_not_null(prefix));
    query_bind_str(q, 3, str_not_null(after));
    return rule_all(q, each, ctx, err);
}

int rule_each_pattern(struct db *db, struct str bus,
                      int (*each)(void *ctx, const struct rule_row *rule), void *ctx,
                      struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT " COLUMNS " FROM rule WHERE bus = ? AND pattern IS NOT NULL "
                 "AND state <> 'DISABLED' ORDER BY name",
                 &q, err));
    query_bind_str(q, 1, bus);
    return rule_all(q, each, ctx, err);
}

int rule_hears_bucket(struct db *db, struct str bucket, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(
        db,
        "SELECT 1 FROM bucket WHERE name = ? AND eventbridge AND EXISTS(SELECT 1 FROM rule "
        "WHERE bus = 'default' AND pattern IS NOT NULL AND state <> 'DISABLED')",
        &q, err));
    query_bind_str(q, 1, bucket);
    int rc = query_step(q, err);
    query_end(q);
    return rc;
}

int rule_delete(struct db *db, struct str bus, struct str name, struct err *err)
{
    const struct str key[] = {bus, name};
    TRY(db_run(db, "DELETE FROM rule_target WHERE bus = ? AND rule = ?", key, 2, err));
    return db_run(db, "DELETE FROM rule WHERE bus = ? AND name = ?", key, 2, err);
}

// ── what is due ──

int rule_due(struct db *db, int64_t now_ms, void (*each)(void *ctx, const struct rule_row *rule),
             void *ctx, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT " COLUMNS " FROM rule WHERE due_ms > 0 AND due_ms <= ? "
                 "ORDER BY due_ms LIMIT 1",
                 &q, err));
    query_bind_i64(q, 1, now_ms);
    return rule_one(q, each, ctx, err);
}

int rule_due_set(struct db *db, struct str bus, struct str name, int64_t due_ms, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "UPDATE rule SET due_ms = ? WHERE bus = ? AND name = ?", &q, err));
    query_bind_i64(q, 1, due_ms);
    query_bind_str(q, 2, bus);
    query_bind_str(q, 3, name);
    return query_run(q, err);
}

int rule_due_next(struct db *db, int64_t *ret_ms, struct err *err)
{
    return db_number(db, "SELECT MIN(due_ms) FROM rule WHERE due_ms > 0", ret_ms, err);
}

// ── targets ──

#define TARGET_COLUMNS "bus, rule, id, arn, document"

int rule_target_put(struct db *db, const struct rule_target *target, struct err *err)
{
    const struct str texts[] = {target->bus, target->rule, target->id, target->arn,
                                target->document};
    TRY(db_run(db, "INSERT OR REPLACE INTO rule_target(" TARGET_COLUMNS ") VALUES(?, ?, ?, ?, ?)",
               texts, 5, err));
    return 0;
}

int rule_target_delete(struct db *db, struct str bus, struct str rule, struct str id,
                       struct err *err)
{
    const struct str key[] = {bus, rule, id};
    return db_run(db, "DELETE FROM rule_target WHERE bus = ? AND rule = ? AND id = ?", key, 3, err);
}

static int target_all(struct query *q, int (*each)(void *ctx, const struct rule_target *target),
                      void *ctx, struct err *err)
{
    int rc = 0, step = 0;
    while (rc == 0 && (step = query_step(q, err)) == 1) {
        struct rule_target target = {query_str(q, 0), query_str(q, 1), query_str(q, 2),
                                     query_str(q, 3), query_str(q, 4)};
        rc = each(ctx, &target);
    }
    query_end(q);
    return step < 0 ? step : rc;
}

int rule_target_each(struct db *db, struct str bus, struct str rule, struct str after,
                     int (*each)(void *ctx, const struct rule_target *target), void *ctx,
                     struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT " TARGET_COLUMNS " FROM rule_target WHERE bus = ? AND rule = ? AND id > ? "
                 "ORDER BY id",
                 &q, err));
    query_bind_str(q, 1, bus);
    query_bind_str(q, 2, rule);
    query_bind_str(q, 3, str_not_null(after));
    return target_all(q, each, ctx, err);
}

int rule_target_count(struct db *db, struct str bus, struct str rule, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "SELECT COUNT(*) FROM rule_target WHERE bus = ? AND rule = ?", &q, err));
    query_bind_str(q, 1, bus);
    query_bind_str(q, 2, rule);
    int rc = query_step(q, err);
    rc = rc == 1 ? (int)query_i64(q, 0) : rc;
    query_end(q);
    return rc;
}

int rule_target_each_arn(struct db *db, struct str bus, struct str arn, struct str after,
                         int (*each)(void *ctx, const struct rule_target *target), void *ctx,
                         struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT " TARGET_COLUMNS
                 " FROM rule_target WHERE bus = ? AND arn = ? AND rule > ? "
                 "GROUP BY rule ORDER BY rule",
                 &q, err));
    query_bind_str(q, 1, bus);
    query_bind_str(q, 2, arn);
    query_bind_str(q, 3, str_not_null(after));
    return target_all(q, each, ctx, err);
}

// ── buses ──

int event_bus_put(struct db *db, const struct event_bus *bus, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "INSERT INTO event_bus(name, description, tags, created_ms) VALUES(?, ?, ?, ?)",
                 &q, err));
    query_bind_str(q, 1, bus->name);
    query_bind_str(q, 2, bus->description);
    query_bind_str(q, 3, bus->tags);
    query_bind_i64(q, 4, bus->created_ms);
    return query_run(q, err);
}

int event_bus_delete(struct db *db, struct str name, struct err *err)
{
    TRY(db_run(db, "DELETE FROM rule_target WHERE bus = ?", &name, 1, err));
    TRY(db_run(db, "DELETE FROM rule WHERE bus = ?", &name, 1, err));
    return db_run(db, "DELETE FROM event_bus WHERE name = ?", &name, 1, err);
}

int event_bus_each(struct db *db, struct str prefix, struct str after,
                   int (*each)(void *ctx, const struct event_bus *bus), void *ctx, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT name, description, tags, created_ms FROM event_bus WHERE name > ?2 "
                 "AND substr(name, 1, length(?1)) = ?1 ORDER BY name",
                 &q, err));
    query_bind_str(q, 1, str_not_null(prefix));
    query_bind_str(q, 2, str_not_null(after));
    int rc = 0, step = 0;
    while (rc == 0 && (step = query_step(q, err)) == 1) {
        struct event_bus bus = {query_str(q, 0), query_str(q, 1), query_str(q, 2), query_i64(q, 3)};
        rc = each(ctx, &bus);
    }
    query_end(q);
    return step < 0 ? step : rc;
}
