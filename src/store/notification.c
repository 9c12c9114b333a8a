// SPDX-License-Identifier: Apache-2.0
// The table of bucket notifications.
#include "store/notification.h"
#include "store/bucket.h"

const char *const notification_ddl[] = {
    "CREATE TABLE notification("
    "  bucket INTEGER NOT NULL REFERENCES bucket(id) ON DELETE CASCADE,"
    "  position INTEGER NOT NULL,"
    "  id TEXT NOT NULL,"
    "  function TEXT NOT NULL,"
    "  events TEXT NOT NULL,"
    "  prefix TEXT,"
    "  suffix TEXT,"
    "  PRIMARY KEY(bucket, position)"
    ") WITHOUT ROWID",
    NULL,
};

static int notification_insert(struct db *db, int64_t bucket, int64_t position,
                               const struct notification *n, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "INSERT INTO notification(bucket, position, id, function, events, prefix, suffix) "
                 "VALUES(?, ?, ?, ?, ?, ?, ?)",
                 &q, err));
    query_bind_i64(q, 1, bucket);
    query_bind_i64(q, 2, position);
    query_bind_str(q, 3, str_not_null(n->id));
    query_bind_str(q, 4, str_not_null(n->function));
    query_bind_str(q, 5, str_not_null(n->events));
    query_bind_str(q, 6, n->prefix);
    query_bind_str(q, 7, n->suffix);
    return query_run(q, err);
}

int notification_replace(struct db *db, struct str bucket, const struct notification *list,
                         size_t count, bool eventbridge, struct err *err)
{
    int64_t id = bucket_id(db, bucket, err);
    if (id < 0) {
        return (int)id;
    }
    struct query *q = NULL;
    TRY(db_query(db, "UPDATE bucket SET eventbridge = ? WHERE id = ?", &q, err));
    query_bind_i64(q, 1, eventbridge);
    query_bind_i64(q, 2, id);
    TRY(query_run(q, err));
    TRY(db_query(db, "DELETE FROM notification WHERE bucket = ?", &q, err));
    query_bind_i64(q, 1, id);
    TRY(query_run(q, err));
    for (size_t i = 0; i < count; i++) {
        TRY(notification_insert(db, id, (int64_t)i, &list[i], err));
    }
    return 0;
}

int notification_each(struct db *db, struct str bucket,
                      int (*each)(void *ctx, const struct notification *notification), void *ctx,
                      struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(db,
                 "SELECT n.id, n.function, n.events, n.prefix, n.suffix "
                 "FROM bucket b JOIN notification n ON n.bucket = b.id "
                 "WHERE b.name = ? ORDER BY n.position",
                 &q, err));
    query_bind_str(q, 1, str_not_null(bucket));
    int rc;
    while ((rc = query_step(q, err)) == 1) {
        struct notification n = {query_str(q, 0), query_str(q, 1), query_str(q, 2), query_str(q, 3),
                                 query_str(q, 4)};
        rc = each(ctx, &n);
        if (rc < 0) {
            break;
        }
    }
    query_end(q);
    return rc;
}

int notification_eventbridge(struct db *db, struct str bucket, struct err *err)
{
    int64_t id = bucket_id(db, bucket, err);
    if (id < 0) {
        return (int)id;
    }
    struct query *q = NULL;
    TRY(db_query(db, "SELECT eventbridge FROM bucket WHERE id = ?", &q, err));
    query_bind_i64(q, 1, id);
    int rc = query_step(q, err);
    rc = rc == 1 ? query_i64(q, 0) != 0 : rc;
    query_end(q);
    return rc;
}
