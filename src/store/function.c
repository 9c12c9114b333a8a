// SPDX-License-Identifier: Apache-2.0
// Functions as rows. A version's columns are listed once, in the order of every statement here.
#include "store/function.h"
#include "base/buf.h"
#include "base/mem.h"
#include "store/provisioned.h"

#include <stdlib.h>

#define LAYERS_TEXT_MAX (64 * 1024)

const char *const function_ddl[] = {
    "CREATE TABLE function("
    "  name TEXT NOT NULL PRIMARY KEY,"
    "  tags TEXT,"
    "  policy TEXT,"
    "  reserved INTEGER NOT NULL,"
    "  last_version INTEGER NOT NULL,"
    "  update_status INTEGER NOT NULL,"
    "  update_reason TEXT,"
    "  update_code TEXT"
    ") WITHOUT ROWID",
    "CREATE TABLE function_version("
    "  name TEXT NOT NULL,"
    "  version TEXT NOT NULL,"
    "  runtime TEXT,"
    "  handler TEXT,"
    "  role TEXT,"
    "  description TEXT,"
    "  environment TEXT,"
    "  extra TEXT,"
    "  code_sha256 TEXT,"
    "  package TEXT,"
    "  prepared TEXT,"
    "  state_reason TEXT,"
    "  state_code TEXT,"
    "  revision TEXT,"
    "  code_size INTEGER NOT NULL,"
    "  memory_mb INTEGER NOT NULL,"
    "  timeout_s INTEGER NOT NULL,"
    "  ephemeral_mb INTEGER NOT NULL,"
    "  state INTEGER NOT NULL,"
    "  modified_ms INTEGER NOT NULL,"
    "  PRIMARY KEY(name, version)"
    ") WITHOUT ROWID",
    "CREATE TABLE function_invoke("
    "  name TEXT NOT NULL,"
    "  qualifier TEXT NOT NULL,"
    "  retries INTEGER NOT NULL,"
    "  event_age_s INTEGER NOT NULL,"
    "  on_success TEXT,"
    "  on_failure TEXT,"
    "  modified_ms INTEGER NOT NULL,"
    "  PRIMARY KEY(name, qualifier)"
    ") WITHOUT ROWID",
    NULL,
};

// Lines "<ARN> <code size> <folder>", in order.
const char *const function_layers_ddl[] = {
    "ALTER TABLE function_version ADD COLUMN layers TEXT",
    NULL,
};

const char *const function_quantized_ddl[] = {
    "ALTER TABLE function_version ADD COLUMN quantized TEXT",
    NULL,
};

int function_head_put(struct db *db, const struct function_head *head, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "INSERT OR REPLACE INTO function(name, tags, policy, reserved, last_version, "
                 "update_status, update_reason, update_code) VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
                 &q, err));
    query_bind_str(q, 1, head->name);
    query_bind_str(q, 2, head->tags);
    query_bind_str(q, 3, head->policy);
    query_bind_i64(q, 4, head->reserved);
    query_bind_i64(q, 5, head->last_version);
    query_bind_i64(q, 6, head->update);
    query_bind_str(q, 7, head->update_reason);
    query_bind_str(q, 8, head->update_code);
    return query_run(q, err);
}

// The columns of text between `version` and `code_size`, in their order; folders are apart.
#define VERSION_TEXTS(X)                                                                           \
    X(2, runtime)                                                                                  \
    X(3, handler)                                                                                  \
    X(4, role)                                                                                     \
    X(5, description)                                                                              \
    X(6, environment)                                                                              \
    X(7, extra)                                                                                    \
    X(8, code_sha256)                                                                              \
    X(11, state_reason)                                                                            \
    X(12, state_code)                                                                              \
    X(13, revision)

static struct str relative(const char *packages, const char *path)
{
    struct str text = str_of(path), folder = str_of(packages);
    return path && str_starts(text, folder) ? str_skip(text, folder.size + 1) : text;
}

static void layers_write(const struct function *f, const char *packages, struct buf *out)
{
    for (size_t i = 0; i < f->layer_count; i++) {
        const struct function_layer *layer = &f->layers[i];
        struct str folder = relative(packages, layer->package);
        buf_printf(out, "%s %llu " STR_FMT "\n", layer->arn, (unsigned long long)layer->code_size,
                   STR_ARG(folder));
    }
}

static void layers_read(struct function *f, const char *packages, struct str text)
{
    while (text.size && f->layer_count < FUNCTION_LAYERS_MAX) {
        struct str folder = str_cut(&text, '\n');
        struct str arn = str_cut(&folder, ' ');
        uint64_t size = 0;
        (void)str_to_u64(str_cut(&folder, ' '), &size);
        CLEAN_MEM char *package = mem_printf("%s/" STR_FMT, packages, STR_ARG(folder));
        function_layer_add(f, arn, package, size);
    }
}

int function_version_put(struct db *db, const char *packages, const struct function *f,
                         struct err *err)
{
    CLEAN(buf_done) struct buf layers = BUF_INIT(LAYERS_TEXT_MAX);
    layers_write(f, packages, &layers);
    struct query *q = NULL;
    TRY(db_query(db,
                 "INSERT OR REPLACE INTO function_version(name, version, runtime, handler, role, "
                 "description, environment, extra, code_sha256, package, prepared, state_reason, "
                 "state_code, revision, code_size, memory_mb, timeout_s, ephemeral_mb, state, "
                 "modified_ms, layers, quantized) "
                 "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                 &q, err));
    query_bind_text(q, 1, f->name);
    query_bind_text(q, 2, f->version);
#define X(column, field) query_bind_text(q, (column) + 1, f->field);
    VERSION_TEXTS(X)
#undef X
    query_bind_str(q, 10, relative(packages, f->package));
    query_bind_str(q, 11, relative(packages, f->prepared));
    query_bind_i64(q, 15, (int64_t)f->code_size);
    query_bind_i64(q, 16, f->memory_mb);
    query_bind_i64(q, 17, f->timeout_s);
    query_bind_i64(q, 18, f->ephemeral_mb);
    query_bind_i64(q, 19, f->state);
    query_bind_i64(q, 20, f->modified_ms);
    query_bind_str(q, 21, buf_str(&layers));
    query_bind_text(q, 22, f->quantized);
    return query_run(q, err);
}

int function_invoke_put(struct db *db, const struct function_invoke *config, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "INSERT OR REPLACE INTO function_invoke(name, qualifier, retries, event_age_s, "
                 "on_success, on_failure, modified_ms) VALUES(?, ?, ?, ?, ?, ?, ?)",
                 &q, err));
    query_bind_str(q, 1, config->name);
    query_bind_str(q, 2, config->qualifier);
    query_bind_i64(q, 3, config->retries);
    query_bind_i64(q, 4, config->event_age_s);
    query_bind_str(q, 5, config->on_success);
    query_bind_str(q, 6, config->on_failure);
    query_bind_i64(q, 7, config->modified_ms);
    return query_run(q, err);
}

int function_qualifier_forget(struct db *db, struct str name, struct str qualifier, struct err *err)
{
    TRY(function_invoke_delete(db, name, qualifier, err));
    TRY(provisioned_delete(db, name, qualifier, err));
    const struct str key[] = {name, qualifier};
    TRY(db_run(db, "DELETE FROM function_url WHERE function = ? AND qualifier = ?", key, 2, err));
    return db_run(db, "DELETE FROM job WHERE function = ? || ':' || ?", key, 2, err);
}

int function_version_delete(struct db *db, struct str name, struct str version, struct err *err)
{
    const struct str key[] = {name, version};
    TRY(db_run(db, "DELETE FROM function_library WHERE name = ? AND version = ?", key, 2, err));
    TRY(db_run(db, "DELETE FROM function_version WHERE name = ? AND version = ?", key, 2, err));
    return function_qualifier_forget(db, name, version, err);
}

int function_known(struct db *db, struct str key, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT EXISTS(SELECT 1 FROM function_version WHERE name = ?1 AND version = ?2)"
                 " OR EXISTS(SELECT 1 FROM function_alias WHERE name = ?1 AND alias = ?2)",
                 &q, err));
    struct str qualifier = key, name = str_cut(&qualifier, ':');
    query_bind_str(q, 1, name);
    query_bind_str(q, 2, qualifier.at ? qualifier : STR("$LATEST"));
    int rc = query_step(q, err);
    rc = rc == 1 ? query_i64(q, 0) != 0 : rc;
    query_end(q);
    return rc;
}

int function_invoke_delete(struct db *db, struct str name, struct str qualifier, struct err *err)
{
    const struct str key[] = {name, qualifier};
    TRY(db_run(db, "DELETE FROM function_invoke WHERE name = ? AND qualifier = ?", key, 2, err));
    return 0;
}

int function_delete(struct db *db, struct str name, struct err *err)
{
    static const char *const statements[] = {
        "DELETE FROM function_invoke WHERE name = ?",
        "DELETE FROM function_url WHERE function = ?",
        "DELETE FROM function_alias WHERE name = ?",
        "DELETE FROM function_library WHERE name = ?",
        "DELETE FROM function_provisioned WHERE name = ?",
        "DELETE FROM function_version WHERE name = ?",
        "DELETE FROM function WHERE name = ?",
        "DELETE FROM job WHERE function = ?1 OR function GLOB ?1 || ':*'",
    };
    for (size_t i = 0; i < ARRAY_SIZE(statements); i++) {
        struct query *q = NULL;
        TRY(db_query(db, statements[i], &q, err));
        query_bind_str(q, 1, name);
        TRY(query_run(q, err));
    }
    return 0;
}

int function_head_each(struct db *db, int (*each)(void *ctx, const struct function_head *head),
                       void *ctx, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT name, tags, policy, reserved, last_version, update_status, "
                 "update_reason, update_code FROM function ORDER BY name",
                 &q, err));
    int rc = 0;
    while (rc == 0 && (rc = query_step(q, err)) == 1) {
        struct function_head head = {
            .name = query_str(q, 0),
            .tags = query_str(q, 1),
            .policy = query_str(q, 2),
            .reserved = query_i64(q, 3),
            .last_version = query_i64(q, 4),
            .update = (int)query_i64(q, 5),
            .update_reason = query_str(q, 6),
            .update_code = query_str(q, 7),
        };
        rc = each(ctx, &head);
    }
    query_end(q);
    return rc < 0 ? rc : 0;
}

static char *column_dup(struct query *q, int column)
{
    struct str text = query_str(q, column);
    return text.at ? str_dup(text) : NULL;
}

static char *column_path(struct query *q, int column, const char *packages)
{
    struct str text = query_str(q, column);
    return text.size ? mem_printf("%s/" STR_FMT, packages, STR_ARG(text)) : NULL;
}

static struct function *version_read(struct query *q, const char *packages)
{
    struct function *f = function_new();
    f->name = column_dup(q, 0);
    f->version = column_dup(q, 1);
#define X(column, field) f->field = column_dup(q, column);
    VERSION_TEXTS(X)
#undef X
    f->package = column_path(q, 9, packages);
    f->prepared = column_path(q, 10, packages);
    f->code_size = query_u64(q, 14);
    f->memory_mb = (uint32_t)query_i64(q, 15);
    f->timeout_s = (uint32_t)query_i64(q, 16);
    f->ephemeral_mb = (uint32_t)query_i64(q, 17);
    f->state = (enum function_state)query_i64(q, 18);
    f->modified_ms = query_i64(q, 19);
    layers_read(f, packages, query_str(q, 20));
    f->quantized = column_dup(q, 21);
    return f;
}

int function_version_each(struct db *db, const char *packages,
                          int (*each)(void *ctx, struct function *f), void *ctx, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT name, version, runtime, handler, role, description, environment, extra, "
                 "code_sha256, package, prepared, state_reason, state_code, revision, code_size, "
                 "memory_mb, timeout_s, ephemeral_mb, state, modified_ms, layers, quantized "
                 "FROM function_version ORDER BY name, CAST(version AS INTEGER)",
                 &q, err));
    int rc = 0;
    while (rc == 0 && (rc = query_step(q, err)) == 1) {
        rc = each(ctx, version_read(q, packages));
    }
    query_end(q);
    return rc < 0 ? rc : 0;
}

int function_invoke_each(struct db *db,
                         int (*each)(void *ctx, const struct function_invoke *config), void *ctx,
                         struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT name, qualifier, retries, event_age_s, on_success, on_failure, "
                 "modified_ms FROM function_invoke ORDER BY name, qualifier",
                 &q, err));
    int rc = 0;
    while (rc == 0 && (rc = query_step(q, err)) == 1) {
        struct function_invoke config = {
            .name = query_str(q, 0),
            .qualifier = query_str(q, 1),
            .retries = query_i64(q, 2),
            .event_age_s = query_i64(q, 3),
            .on_success = query_str(q, 4),
            .on_failure = query_str(q, 5),
            .modified_ms = query_i64(q, 6),
        };
        rc = each(ctx, &config);
    }
    query_end(q);
    return rc < 0 ? rc : 0;
}
