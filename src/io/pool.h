// SPDX-License-Identifier: Apache-2.0
// A few threads for what blocks and is long: fsync, unpacking, hashing files. Work is done in
// order of submission; its end is delivered on the loop's thread. Threads start with the first
// work and end after being idle, so that an idle server has one thread less to wake.
#pragma once

#include "io/loop.h"

struct pool;

// Caller-owned from submission until on_done.
struct pool_work {
    struct post post;                        // used by the pool
    void (*run)(struct pool_work *work);     // on a pool thread; must not touch the loop's things
    void (*on_done)(struct pool_work *work); // on the loop's thread
    struct pool_work *next;
};

struct pool *pool_new(struct loop *loop, int threads_max);
void pool_free(struct pool *pool); // waits for what was submitted; undelivered ends are dropped
void pool_submit(struct pool *pool, struct pool_work *work);
