// SPDX-License-Identifier: Apache-2.0
// The store: one SQLite database in WAL mode with one writer thread that commits in groups, and
// blobs in files beside it. A task's on_done is called after its group is durable (synchronous=
// FULL), so whoever answers from on_done acknowledges only what will be there after a crash.
//
//     core thread                       store thread
//     store_submit(task) ──────────────► BEGIN; for each waiting task { SAVEPOINT; task->run(db);
//     on_done(task) ◄────── post ──────  failed? ROLLBACK TO }; COMMIT (one fsync for the group)
#pragma once

#include "io/loop.h"
#include "store/db.h"

struct store;

// Caller-owned until on_done. Embed it first in a struct of your own and CONTAINER_OF back.
struct store_task {
    struct post post; // used by the store
    // On the store thread, inside the group's transaction: use the functions of the tables. A
    // negative return undoes what this task did, and only that.
    int (*run)(struct store_task *task, struct db *db, struct err *err);
    // On the core thread, after the commit. rc is run's (or the commit's failure), err its words.
    void (*on_done)(struct store_task *task);
    int rc;
    struct err err;
    struct store_task *next;
};

// Opens or creates DIR/rouse.db and DIR/blobs, locks the directory (a second server gets
// ERR_EXISTS naming the holder's pid), migrates.
MUST_CHECK int store_open(struct loop *loop, const char *dir, struct store **ret, struct err *err);
// The same without a thread, for a simulated loop: a group is committed commit_us after its first
// task was submitted, on the loop's own thread.
MUST_CHECK int store_open_inline(struct loop *loop, const char *dir, int64_t commit_us,
                                 struct store **ret, struct err *err);
void store_close(struct store *store); // commits what was submitted; on_done is still called
void store_submit(struct store *store, struct store_task *task);
struct db *store_reader(struct store *store); // a read-only connection for the core thread
const char *store_dir(const struct store *store);

struct store_stats {
    uint64_t commits, tasks;
    uint64_t fsync_us; // spent in commits
};
struct store_stats store_stats(const struct store *store);
