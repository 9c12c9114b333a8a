// SPDX-License-Identifier: Apache-2.0
// The list of steps. Add at the end; never change or remove one that was released.
#include "store/migrations.h"
#include "base/mem.h"
#include "store/alias.h"
#include "store/bucket.h"
#include "store/function.h"
#include "store/function_url.h"
#include "store/http_api.h"
#include "store/job.h"
#include "store/layer.h"
#include "store/library.h"
#include "store/notification.h"
#include "store/object.h"
#include "store/provisioned.h"
#include "store/role.h"
#include "store/rule.h"
#include "store/schedule.h"
#include "store/upload.h"

#include <stdio.h>

static const char *const *const steps[] = {
    job_ddl,
    bucket_ddl,
    object_ddl,
    upload_ddl,
    notification_ddl,
    function_ddl,
    role_ddl,
    function_layers_ddl,
    layer_ddl,
    function_url_ddl,
    http_api_ddl,
    alias_ddl,
    library_ddl,
    rule_ddl,
    schedule_ddl,
    provisioned_ddl,
    function_quantized_ddl,
};

static int version_get(struct db *db, int64_t *ret, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db, "PRAGMA user_version", &q, err));
    int rc = query_step(q, err);
    if (rc == 1) {
        *ret = query_i64(q, 0);
    }
    query_end(q);
    return rc < 0 ? rc : 0;
}

static int step_run(struct db *db, size_t number, struct err *err)
{
    TRY(db_exec(db, "BEGIN IMMEDIATE", err));
    int rc = 0;
    for (const char *const *sql = steps[number - 1]; *sql && rc >= 0; sql++) {
        rc = db_exec(db, *sql, err);
    }
    char version[64];
    snprintf(version, sizeof version, "PRAGMA user_version = %zu", number);
    rc = rc < 0 ? rc : db_exec(db, version, err);
    rc = rc < 0 ? rc : db_exec(db, "COMMIT", err);
    if (rc < 0) {
        (void)!db_exec(db, "ROLLBACK", NULL);
        err_prefix(err, "migration %zu", number);
    }
    return rc;
}

int migrations_run(struct db *db, struct err *err)
{
    int64_t version = 0;
    TRY(version_get(db, &version, err));
    if (version > (int64_t)ARRAY_SIZE(steps)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "the database has shape %lld, this program knows %zu: it was used by a "
                       "newer rouse",
                       (long long)version, ARRAY_SIZE(steps));
    }
    for (size_t next = (size_t)version + 1; next <= ARRAY_SIZE(steps); next++) {
        TRY(step_run(db, next, err));
    }
    return 0;
}
