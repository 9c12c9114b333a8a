// SPDX-License-Identifier: Apache-2.0
// The tables of IAM.
#include "store/role.h"

const char *const role_ddl[] = {
    "CREATE TABLE role ("
    " name TEXT PRIMARY KEY, path TEXT NOT NULL, trust TEXT NOT NULL, description TEXT NOT NULL,"
    " id TEXT NOT NULL, created_ms INTEGER NOT NULL, session_max_s INTEGER NOT NULL) STRICT",
    "CREATE TABLE role_policy ("
    " role TEXT NOT NULL REFERENCES role (name), name TEXT NOT NULL, document TEXT NOT NULL,"
    " PRIMARY KEY (role, name)) STRICT, WITHOUT ROWID",
    "CREATE TABLE managed_policy ("
    " arn TEXT PRIMARY KEY, name TEXT NOT NULL, path TEXT NOT NULL, description TEXT NOT NULL,"
    " document TEXT NOT NULL, created_ms INTEGER NOT NULL) STRICT",
    "CREATE TABLE role_attachment ("
    " role TEXT NOT NULL REFERENCES role (name), arn TEXT NOT NULL,"
    " PRIMARY KEY (role, arn)) STRICT, WITHOUT ROWID",
    NULL,
};

static int no_such_role(struct str name, struct err *err)
{
    return err_aws(err, ERR_NOT_FOUND, "NoSuchEntity",
                   "The role with name " STR_FMT " cannot be found.", STR_ARG(name));
}

static struct str text(struct str s)
{
    return s.at ? s : STR("");
}

int role_create(struct db *db, const struct role *role, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "INSERT INTO role (name, path, trust, description, id, created_ms, session_max_s)"
                 " VALUES (?, ?, ?, ?, ?, ?, ?)",
                 &q, err));
    query_bind_str(q, 1, role->name);
    query_bind_str(q, 2, text(role->path));
    query_bind_str(q, 3, text(role->trust));
    query_bind_str(q, 4, text(role->description));
    query_bind_str(q, 5, text(role->id));
    query_bind_i64(q, 6, role->created_ms);
    query_bind_i64(q, 7, role->session_max_s);
    int rc = query_run(q, err);
    if (rc == ERR_EXISTS) {
        return err_aws(err, ERR_EXISTS, "EntityAlreadyExists",
                       "Role with name " STR_FMT " already exists.", STR_ARG(role->name));
    }
    return rc;
}

static struct role role_read(struct query *q)
{
    return (struct role){
        .name = query_str(q, 0),
        .path = query_str(q, 1),
        .trust = query_str(q, 2),
        .description = query_str(q, 3),
        .id = query_str(q, 4),
        .created_ms = query_i64(q, 5),
        .session_max_s = query_i64(q, 6),
    };
}

#define ROLE_COLUMNS "name, path, trust, description, id, created_ms, session_max_s"

int role_get(struct db *db, struct str name, void (*each)(void *ctx, const struct role *role),
             void *ctx, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "SELECT " ROLE_COLUMNS " FROM role WHERE name = ?", &q, err));
    query_bind_str(q, 1, name);
    int rc = query_step(q, err);
    if (rc == 1) {
        struct role role = role_read(q);
        each(ctx, &role);
    }
    query_end(q);
    return rc == 0 ? no_such_role(name, err) : rc < 0 ? rc : 0;
}

int role_each(struct db *db, void (*each)(void *ctx, const struct role *role), void *ctx,
              struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "SELECT " ROLE_COLUMNS " FROM role ORDER BY name", &q, err));
    int rc = 0;
    while ((rc = query_step(q, err)) == 1) {
        struct role role = role_read(q);
        each(ctx, &role);
    }
    query_end(q);
    return rc;
}

// Runs a statement that must change a row; `missing` fills the error when it did not.
static int run_one(struct db *db, struct query *q, struct str name,
                   int (*missing)(struct str name, struct err *err), struct err *err)
{
    TRY(query_run(q, err));
    return db_changes(db) ? 0 : missing(name, err);
}

int role_update(struct db *db, const struct role *role, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "UPDATE role SET trust = ?, description = ?, session_max_s = ? WHERE name = ?",
                 &q, err));
    query_bind_str(q, 1, text(role->trust));
    query_bind_str(q, 2, text(role->description));
    query_bind_i64(q, 3, role->session_max_s);
    query_bind_str(q, 4, role->name);
    return run_one(db, q, role->name, no_such_role, err);
}

int role_delete(struct db *db, struct str name, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "DELETE FROM role WHERE name = ?", &q, err));
    query_bind_str(q, 1, name);
    int rc = run_one(db, q, name, no_such_role, err);
    if (rc == ERR_EXISTS) {
        return err_aws(err, ERR_EXISTS, "DeleteConflict",
                       "Cannot delete entity, must delete policies first.");
    }
    return rc;
}

int role_policy_put(struct db *db, struct str role, struct str name, struct str document,
                    struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "INSERT INTO role_policy (role, name, document) VALUES (?, ?, ?)"
                 " ON CONFLICT (role, name) DO UPDATE SET document = excluded.document",
                 &q, err));
    query_bind_str(q, 1, role);
    query_bind_str(q, 2, name);
    query_bind_str(q, 3, document);
    int rc = query_run(q, err);
    return rc == ERR_EXISTS ? no_such_role(role, err) : rc;
}

static int no_such_policy(struct str name, struct err *err)
{
    return err_aws(err, ERR_NOT_FOUND, "NoSuchEntity", "Policy " STR_FMT " was not found.",
                   STR_ARG(name));
}

static int two_key_delete(struct db *db, const char *sql, struct str a, struct str b,
                          struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, sql, &q, err));
    query_bind_str(q, 1, a);
    query_bind_str(q, 2, b);
    return run_one(db, q, b, no_such_policy, err);
}

int role_policy_delete(struct db *db, struct str role, struct str name, struct err *err)
{
    return two_key_delete(db, "DELETE FROM role_policy WHERE role = ? AND name = ?", role, name,
                          err);
}

int role_detach(struct db *db, struct str role, struct str arn, struct err *err)
{
    return two_key_delete(db, "DELETE FROM role_attachment WHERE role = ? AND arn = ?", role, arn,
                          err);
}

int role_attach(struct db *db, struct str role, struct str arn, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "INSERT INTO role_attachment (role, arn) VALUES (?, ?)"
                 " ON CONFLICT (role, arn) DO NOTHING",
                 &q, err));
    query_bind_str(q, 1, role);
    query_bind_str(q, 2, arn);
    int rc = query_run(q, err);
    return rc == ERR_EXISTS ? no_such_role(role, err) : rc;
}

int managed_policy_create(struct db *db, const struct managed_policy *p, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "INSERT INTO managed_policy (arn, name, path, description, document, created_ms)"
                 " VALUES (?, ?, ?, ?, ?, ?)",
                 &q, err));
    query_bind_str(q, 1, p->arn);
    query_bind_str(q, 2, p->name);
    query_bind_str(q, 3, text(p->path));
    query_bind_str(q, 4, text(p->description));
    query_bind_str(q, 5, p->document);
    query_bind_i64(q, 6, p->created_ms);
    int rc = query_run(q, err);
    if (rc == ERR_EXISTS) {
        return err_aws(err, ERR_EXISTS, "EntityAlreadyExists",
                       "A policy called " STR_FMT " already exists.", STR_ARG(p->name));
    }
    return rc;
}

int managed_policy_delete(struct db *db, struct str arn, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "DELETE FROM managed_policy WHERE arn = ?", &q, err));
    query_bind_str(q, 1, arn);
    return run_one(db, q, arn, no_such_policy, err);
}

int managed_policy_each(struct db *db, struct str arn,
                        void (*each)(void *ctx, const struct managed_policy *policy), void *ctx,
                        struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT arn, name, path, description, document, created_ms FROM managed_policy"
                 " WHERE ?1 = '' OR arn = ?1 ORDER BY name",
                 &q, err));
    query_bind_str(q, 1, text(arn));
    int rc = 0;
    bool any = false;
    while ((rc = query_step(q, err)) == 1) {
        struct managed_policy p = {
            .arn = query_str(q, 0),
            .name = query_str(q, 1),
            .path = query_str(q, 2),
            .description = query_str(q, 3),
            .document = query_str(q, 4),
            .created_ms = query_i64(q, 5),
        };
        any = true;
        each(ctx, &p);
    }
    query_end(q);
    return rc < 0 ? rc : arn.size && !any ? no_such_policy(arn, err) : 0;
}

int role_policies(struct db *db, struct str role,
                  void (*each)(void *ctx, const struct role_policy *policy), void *ctx,
                  struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT name, document, 0 FROM role_policy WHERE role = ?1 UNION ALL"
                 " SELECT a.arn, COALESCE(p.document, ''), 1 FROM role_attachment a"
                 " LEFT JOIN managed_policy p ON p.arn = a.arn WHERE a.role = ?1",
                 &q, err));
    query_bind_str(q, 1, role);
    int rc = 0;
    while ((rc = query_step(q, err)) == 1) {
        struct role_policy p = {
            .name = query_str(q, 0), .document = query_str(q, 1), .attached = query_i64(q, 2) == 1};
        each(ctx, &p);
    }
    query_end(q);
    return rc;
}
