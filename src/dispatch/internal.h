// SPDX-License-Identifier: Apache-2.0
// What the dispatcher's files share. One struct lane a version of a function: its queue, its workers,
// its part of the outbox. An alias is a lane, too, but has nothing but that part of the outbox: its
// jobs are submitted to the lanes of the versions that it leads to. The lanes of one function are a
// family: they share its reserved concurrency. Everything here runs on the core thread.
//
//     submit, outbox ──► lane.queue ──► worker (idle: at once; none: one is started) ──► settle
//            ▲
//            └── outbox of an alias
//
//     worker:  STARTING ──► IDLE ◄──► BUSY        any ──► gone (on_ended)
//                             └──► STOPPING ──────────────┘
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "dispatch/cached.h"
#include "dispatch/dispatch.h"
#include "worker/fleet.h"

enum worker_state { WORKER_STARTING, WORKER_IDLE, WORKER_BUSY, WORKER_STOPPING };

struct worker {
    struct lane *lane;
    struct function *function; // the revision it runs; a reference
    struct instance *instance;
    int state;
    bool fresh;      // has not run a job yet: the first one reports tier and init time
    bool ahead;      // was started to be there, not for a job
    bool timed_out;  // was killed because its job ran too long
    bool leaving;    // gets no more jobs: it stops when those that it has are done
    int concurrency; // jobs that it takes at once; 1: the others of its batch wait for the first
    int load;        // jobs in its batch
    enum tier tier;
    int64_t init_us;
    int64_t since_us; // when it came into this state
    int64_t born_us;
    struct list batch;     // struct job, in the order in which they were given
    bool first;            // this batch is its first
    int64_t given;         // jobs of the batch when it began
    int64_t spent_us;      // on those of them that are answered, as the runner says
    struct list link;      // lane->workers
    struct list idle_link; // dispatch->idle, the longest idle first
    struct timer timer;    // idle: stop it; busy: its job takes too long; starting: gives up
};

#define BATCH_LEVELS 6 // of one job, of 2, 4, 8, 16, 32

// What is known of running a function's jobs together.
struct batching {
    int64_t job_us[BATCH_LEVELS]; // smoothed, by size of the batch; 0: not tried, or long ago
    int tries[BATCH_LEVELS];      // so many batches went into it, as far as they are counted
    uint32_t batches;             // since a size that did not pay was tried
    const struct worker *trying;  // a size that is not known yet; or NULL
    int64_t asked_max, asked_us;  // what the function asks for: so many, after so long; 0: nothing
};

struct family { // the versions and aliases of one function
    struct list lanes;
};

struct lane {
    struct dispatch *dispatch;
    char *key;
    struct function *function; // a reference; NULL: removed, or an alias
    struct alias *alias;       // a reference; NULL: removed, or a version
    struct family *family;
    struct list family_link;
    struct list queue; // struct job, first come first served
    size_t queued_sync, queued_async;
    struct list workers;
    int starting, idle, busy; // of workers; STOPPING ones are counted in dispatch->workers only
    struct timer wake;        // a queued job's deadline, the end of a back-off, or to look again
    int64_t not_before_us;    // after failed starts: no new one before this
    int failures;             // of instances in a row
    int64_t run_us, start_us; // smoothed: of one job, of one start; 0 unknown
    int64_t run_peak_us;      // of the longest job of late, as its runner says; forgotten slowly
    struct batching batching;
    struct cached cached;
    struct list hungry_link; // dispatch->hungry: waits for a place
    bool warmed;             // the fleet was told to make a template of this revision
    int concurrency;         // jobs that an instance of this revision takes at once

    // Provisioned concurrency: instances for so many jobs at once are kept. They wait for jobs as others
    // do, but are not stopped for having waited long, nor for others' sake.
    int provisioned;
    struct list provision_link; // dispatch->provisioned
    char provision_reason[160]; // why no more are started; "": they are

    struct map inflight; // outbox rows of this key that are in memory, by decimal id
    bool outbox_more;    // the last look found more than the window holds
    struct timer outbox_due;

    bool unloaded; // by dispatch_unload; the next job loads it again

    struct dispatch_counts counts;
    struct dispatch_statistics *statistics; // heap; NULL: nothing counted
};

struct dispatch {
    struct loop *loop;
    struct store *store;
    struct fleet *fleet;
    struct observe *observe;
    struct dispatch_options options;
    struct map lanes;        // struct lane by key
    struct map families;     // struct family by the function's name
    bool resumed;            // what there was before the start is known
    struct list idle;        // struct worker
    struct list hungry;      // struct lane
    struct list provisioned; // struct lane
    int workers;             // all, whatever their state
    int stopping;            // of them: in WORKER_STOPPING
    bool owed; // the next worker that has done its job gives its place to those who are hungry
    struct list refused;  // struct job, to be settled on the next turn
    struct list answered; // struct job, from the cache, to be settled then, too
    struct timer refuse;
    struct map flights; // struct flight by key
    struct timer look;  // lanes that have no place have waited for one long enough
    bool draining;
    void (*on_drained)(void *ctx);
    void *drained_ctx;
    int settling; // ends under way: store tasks of asynchronous jobs, and of instances
};

#define OUTBOX_WINDOW 128 // asynchronous jobs of one function in memory

// dispatch.c
void lane_turn(struct lane *lane); // gives queued jobs to idle workers, starts what is missing
void lane_look(struct lane *lane, int64_t at_us);         // a turn at the latest then
struct lane *lane_of(struct dispatch *d, struct str key); // made when there is none
struct lane *lane_find(const struct dispatch *d, struct str key);
int lane_running(const struct lane *lane);                     // its concurrency now
bool lane_is_off(const struct lane *lane);                     // its reserved concurrency is 0
void queue_put(struct lane *lane, struct job *job);            // behind those that came before it
void queue_take(struct lane *lane, struct job *job);           // out of the queue
extern const char dispatch_off_text[], dispatch_failed_text[]; // what callers of such are told
void family_turn(struct lane *lane); // one of its jobs has ended: others of the family may run
void drained_check(struct dispatch *d);

// batch.c
#define BATCH_FILES_MAX 128 // that the jobs of one name or are
void batching_read(struct batching *batching, const struct function *function);
int64_t batch_max(const struct lane *lane, const struct worker *worker); // jobs that it gets now
bool batch_waits(struct lane *lane); // for more jobs, as the function asks; looks again in time
void batch_began(struct worker *worker, int64_t count);
void batch_answered(struct worker *worker, int64_t said_us); // one more of its jobs
void batch_forget(const struct worker *worker);

// scale.c
void smooth(int64_t *value, int64_t sample); // an eighth of the way; never 0, which means unknown
void lane_grow(struct lane *lane);
void worker_start(struct lane *lane, bool ahead); // ahead: of any job
void worker_free_place(struct dispatch *d);
void places_look(struct dispatch *d);
void worker_idle(struct worker *worker);
void worker_watch(struct worker *worker); // the first of its batch may run for so long
void worker_stop(struct worker *worker, bool now);
void worker_forget(struct worker *worker); // after on_ended
extern const struct fleet_events dispatch_fleet_events;

// statistics.c
void statistics_count(struct lane *lane, const struct job *job); // it is settled

// functions.c
void lane_warm(struct lane *lane); // its template, when it is one that will be used

// provision.c
int lane_kept(const struct lane *lane);              // instances that are provisioned
int lane_live(const struct lane *lane);              // instances that run jobs, or soon will
int family_used(const struct family *family);        // concurrency that runs or is set aside
int places_taken(const struct dispatch *d);          // of options.instances_max
bool place_free(const struct lane *lane);            // it may start one more
bool worker_is_kept(const struct worker *worker);    // it is one of those that are provisioned
struct worker *idle_spare(const struct dispatch *d); // the longest idle one that is not; or NULL
int64_t worker_rest_us(const struct worker *worker); // how long it may be idle from now on
void lane_provision(struct lane *lane);              // starts what is missing
void provision_failed(struct lane *lane, const char *reason); // too often to go on

// settle.c
void job_settle(struct dispatch *d, struct lane *lane, struct job *job); // result is filled in
void job_refuse(struct dispatch *d, struct job *job, int code, const char *aws, const char *text);
void job_fail(struct dispatch *d, struct lane *lane, struct job *job, const char *type,
              const char *message);

// outbox.c
void outbox_load(struct lane *lane);
// Both take the job, which is of this lane or came by an alias that led to it.
void outbox_forget(struct lane *lane, struct job *job); // its row stays
void outbox_settle(struct lane *lane, struct job *job);
void outbox_again(struct lane *lane,
                  const struct job *job); // its row is looked at on the next turn
