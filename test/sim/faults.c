// SPDX-License-Identifier: Apache-2.0
// What goes wrong in the simulated world's database, and where its randomness comes from. The
// linker puts these in the place of the real functions (--wrap).
#include "bus/bus.h"
#include "bus/schedule.h"
#include "result/destination.h"
#include "store/job.h"
#include "world.h"

#include <sys/types.h>

struct faults faults;

ssize_t __wrap_getrandom(void *to, size_t size, unsigned flags);
int __real_db_exec(struct db *db, const char *sql, struct err *err);
int __wrap_db_exec(struct db *db, const char *sql, struct err *err);
int __real_job_row_delete(struct db *db, int64_t id, struct err *err);
int __wrap_job_row_delete(struct db *db, int64_t id, struct err *err);
int __real_job_row_retry(struct db *db, int64_t id, int64_t attempt, int64_t due_ms,
                         struct err *err);
int __wrap_job_row_retry(struct db *db, int64_t id, int64_t attempt, int64_t due_ms,
                         struct err *err);
int64_t __real_job_row_insert(struct db *db, const struct job_row *row, struct err *err);
int64_t __wrap_job_row_insert(struct db *db, const struct job_row *row, struct err *err);
int64_t __real_job_row_add(struct db *db, const struct job_row *row, struct err *err);
int64_t __wrap_job_row_add(struct db *db, const struct job_row *row, struct err *err);
int __real_job_row_delete_function(struct db *db, struct str function, struct err *err);
int __wrap_job_row_delete_function(struct db *db, struct str function, struct err *err);
int __real_destination_deliver(struct db *db, const struct destination *d,
                               struct bus_emitted *emitted, struct err *err);
int __wrap_destination_deliver(struct db *db, const struct destination *d,
                               struct bus_emitted *emitted, struct err *err);
int __real_job_row_next_due(struct db *db, struct str function, int64_t now_ms, int64_t *ret,
                            struct err *err);
int __wrap_job_row_next_due(struct db *db, struct str function, int64_t now_ms, int64_t *ret,
                            struct err *err);
int __real_job_row_each_due(struct db *db, struct str function, int64_t now_ms, int limit,
                            int (*each)(void *ctx, const struct job_row *row), void *ctx,
                            struct err *err);
int __wrap_job_row_each_due(struct db *db, struct str function, int64_t now_ms, int limit,
                            int (*each)(void *ctx, const struct job_row *row), void *ctx,
                            struct err *err);

int __real_bus_fire_next(struct db *db, int64_t *ret_ms, struct err *err);
int __wrap_bus_fire_next(struct db *db, int64_t *ret_ms, struct err *err);

ssize_t __wrap_getrandom(void *to, size_t size, unsigned flags)
{
    // Chances of a few bytes follow from the seed. Identifiers and the key of hashes are kept over
    // runs in their makers, and only have to differ: a stream of their own does not depend on runs.
    static uint64_t last = 1;
    (void)flags;
    unsigned char *at = to;
    for (size_t i = 0; i < size; i++) {
        last = last * 6364136223846793005u + 1442695040888963407u;
        at[i] = (unsigned char)((size < sizeof last ? world_random(world) : last) >> 32);
    }
    return (ssize_t)size;
}

static int fault(struct err *err)
{
    faults.count++;
    if (!faults.all && faults.count != faults.fault_at &&
        !(faults.chance && world_chance(world, faults.chance))) {
        return 0;
    }
    faults.failed++;
    return err_set(err, ERR_IO, "made to fail");
}

int __wrap_db_exec(struct db *db, const char *sql, struct err *err)
{
    if (strcmp(sql, "COMMIT") == 0) {
        TRY(fault(err));
    }
    return __real_db_exec(db, sql, err);
}

int __wrap_job_row_delete(struct db *db, int64_t id, struct err *err)
{
    TRY(fault(err));
    return __real_job_row_delete(db, id, err);
}

int __wrap_job_row_retry(struct db *db, int64_t id, int64_t attempt, int64_t due_ms,
                         struct err *err)
{
    TRY(fault(err));
    return __real_job_row_retry(db, id, attempt, due_ms, err);
}

int64_t __wrap_job_row_insert(struct db *db, const struct job_row *row, struct err *err)
{
    TRY(fault(err));
    return __real_job_row_insert(db, row, err);
}

int64_t __wrap_job_row_add(struct db *db, const struct job_row *row, struct err *err)
{
    TRY(fault(err));
    return __real_job_row_add(db, row, err);
}

int __wrap_job_row_delete_function(struct db *db, struct str function, struct err *err)
{
    TRY(fault(err));
    return __real_job_row_delete_function(db, function, err);
}

int __wrap_destination_deliver(struct db *db, const struct destination *d,
                               struct bus_emitted *emitted, struct err *err)
{
    TRY(fault(err));
    return __real_destination_deliver(db, d, emitted, err);
}

int __wrap_job_row_next_due(struct db *db, struct str function, int64_t now_ms, int64_t *ret,
                            struct err *err)
{
    TRY(fault(err));
    return __real_job_row_next_due(db, function, now_ms, ret, err);
}

int __wrap_job_row_each_due(struct db *db, struct str function, int64_t now_ms, int limit,
                            int (*each)(void *ctx, const struct job_row *row), void *ctx,
                            struct err *err)
{
    TRY(fault(err));
    return __real_job_row_each_due(db, function, now_ms, limit, each, ctx, err);
}

int __wrap_bus_fire_next(struct db *db, int64_t *ret_ms, struct err *err)
{
    TRY(fault(err));
    return __real_bus_fire_next(db, ret_ms, err);
}
