// SPDX-License-Identifier: Apache-2.0
// A made-up world for the dispatcher: simulated time, a fleet of instances that start, run, crash,
// hang and go deaf by chance, and a real database whose operations fail when they are told to.
// Everything that happens follows from one seed.
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "dispatch/internal.h"
#include "store/store.h"
#include "worker/fleet.h"

#include <stdio.h>

#define PLANS_MAX 6
#define LANE_MAX  16 // text of a function's name
#define ALIAS     "live"

// What a function is like. Chances are of 1000.
struct plan {
    char name[LANE_MAX];
    int64_t start_us[TIER_COLD + 1];
    int64_t run_min_us, run_max_us;
    int init_fail, start_crash, start_hang, run_crash, run_hang, run_fail, deaf, idle_death;
    bool uneven;     // its runs are short, but for a few
    bool steady;     // it never loses a job: they run in the order in which they came
    bool aliased;    // half of its events come by its alias, "NAME:live"
    bool cached;     // asks for the result cache: what it runs is asked by several at once
    int concurrency; // jobs that an instance takes at once
    uint32_t timeout_s, retries_max, event_age_s;
    const char *on_success, *on_failure;

    struct function *function; // as it is now; NULL: there is none
    int provisioned;
    // What was seen.
    uint64_t last_id;
    int64_t last_row;
    int running;
    int64_t starved_since_us; // 0: is not
    int64_t room_since_us;    // jobs wait, though one more instance might be started; 0: no
};

// An event for a function: asynchronous jobs are made of it until one ends.
struct event {
    char request_id[UUID_SIZE + 1];
    struct plan *plan;
    bool acknowledged, rejected; // by the store; neither: not yet known
    bool removed;                // its function was removed meanwhile
    int runs, sunk;              // how often it ran; how often its record reached the sink
};

struct world;

struct sim_fleet {
    struct fleet base;
    struct world *world;
    struct fleet_events events;
    struct list instances;
    int live;
    struct map templates; // by revision
    bool runtime_up;
};

struct sim_cache {
    struct cache base;
    struct world *world;
    struct map entries; // by key
    struct list waits;
};

struct world {
    uint64_t seed, random;
    struct loop *loop;
    struct store *store;
    struct observe *observe;
    struct dispatch *dispatch;
    struct sim_fleet fleet;
    struct sim_cache cache;
    struct dispatch_options options;
    char dir[64];
    struct plan plans[PLANS_MAX];
    int plan_count;
    struct plan *sink; // never fails, never goes: what others send their results to
    struct map events; // struct event by request id
    int64_t starve_us; // nobody waits longer for a place
    bool drained;
    int restarts;
    uint64_t sync_open, sync_settled, runs, batches, cached;
};

// The world there is; faults and failing checks look at it.
extern struct world *world;

uint64_t world_random(struct world *w);
bool world_chance(struct world *w, int of_1000);
int64_t world_between(struct world *w, int64_t least, int64_t most);
uint64_t world_number(const char *variable, uint64_t otherwise); // of the environment

void world_dir_make(struct world *w); // w->dir, in memory where that can be
void world_dir_remove(struct world *w);
void world_say_seed(void); // from now on, when the process aborts

void sim_fleet_init(struct sim_fleet *fleet, struct world *w);
void sim_fleet_done(struct sim_fleet *fleet);

void sim_cache_init(struct sim_cache *cache, struct world *w);
void sim_cache_down(struct sim_cache *cache); // its server has ended
void sim_cache_done(struct sim_cache *cache);

// Jobs that an instance of this revision takes at once: what its environment is here.
int sim_concurrency(const struct function *function);

struct plan *world_plan(struct world *w, const char *name);

// What holds whenever nothing is under way. Ends the process with the seed when it does not.
void invariants_check(struct world *w);

// Operations of the database that may fail: they are counted, and fault_at of them (from 1, 0: none)
// fails, or each by chance (of 1000).
struct faults {
    uint64_t count, fault_at;
    int chance;
    bool all; // everything that is written fails: a crash
    uint64_t failed;
};
extern struct faults faults;

// Says what does not hold, and the seed, and aborts.
#define HOLDS(cond, ...)                                                                           \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            world_fail(__FILE__, __LINE__, #cond, __VA_ARGS__);                                    \
        }                                                                                          \
    } while (0)
_Noreturn void world_fail(const char *file, int line, const char *cond, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
