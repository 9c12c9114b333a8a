// SPDX-License-Identifier: Apache-2.0
// The dispatcher: holds jobs until an instance can run them, starts instances because jobs wait,
// stops them because none came. Core thread only.
//
// A job is held, not refused, up to its deadline; beyond the queue's bound it is refused with
// ERR_BUSY. Every submitted job is settled exactly once.
#pragma once

#include "core/job.h"
#include "io/loop.h"

struct bus_emitted;
struct cache;
struct dispatch;
struct fleet;
struct observe;
struct store;

struct dispatch_options {
    int64_t idle_us;     // an instance without work this long is stopped
    int instances_max;   // of all functions together
    size_t queue_max;    // waiting synchronous jobs of one function; beyond: ERR_BUSY
    int64_t hold_us;     // how long a synchronous job may wait for an instance
    int64_t retry_us;    // before the first retry of an asynchronous job; then twice that, …
    int64_t warm_ms;     // a function used so short before the start gets its template then
    const char *region;  // borrowed
    struct cache *cache; // of results; borrowed; NULL: none
};

struct dispatch *dispatch_new(struct loop *loop, struct store *store, struct fleet *fleet,
                              struct observe *observe, const struct dispatch_options *options);
void dispatch_free(struct dispatch *dispatch);

// The key of a function here: "name" for $LATEST, "name:version" for a published version, "name:alias"
// for an alias. It is what the outbox stores and what dispatch_function and dispatch_wake expect.
char *dispatch_key(const struct function *function); // heap

// A function was created or changed: takes its own reference. Instances of the revision before
// finish what they run and are stopped; queued jobs run on the new one. Where only its settings have
// changed, not the revision, instances go on. Until dispatch_resume no templates are made.
void dispatch_function_set(struct dispatch *dispatch, struct function *function);
// Deleted, `key` and, when that is a function's name, all its versions and aliases: queued jobs are
// refused with ERR_NOT_FOUND, instances stopped. (The outbox rows are removed by whoever deletes the
// row of what is deleted, in the same transaction.)
void dispatch_function_remove(struct dispatch *dispatch, struct str key);
// The current version, borrowed; NULL when there is none of that key.
struct function *dispatch_function(struct dispatch *dispatch, struct str key);
// An alias was made or leads elsewhere now: takes its own reference. Events that came by it and wait
// in the outbox go where it leads when their turn comes.
void dispatch_alias_set(struct dispatch *dispatch, struct alias *alias);
bool dispatch_knows(const struct dispatch *dispatch, struct str key); // a version or an alias

// Makes the version's template now. ERR_NOT_FOUND; ERR_UNAVAILABLE: it has failed, with the reason.
MUST_CHECK int dispatch_load(struct dispatch *dispatch, struct str key, struct err *err);
// Drops its template and its instances (those that run something afterwards), and with them their
// memory. It stays unloaded until the next job, which starts it as ever, or dispatch_load.
// ERR_NOT_FOUND; ERR_EXISTS: its instances are provisioned.
MUST_CHECK int dispatch_unload(struct dispatch *dispatch, struct str key, struct err *err);
bool dispatch_unloaded(const struct dispatch *dispatch, struct str key);

// An instance that has not ended yet runs code or a layer of this package, whatever its version.
bool dispatch_uses(const struct dispatch *dispatch, const char *package);

// From now on so many instances of the version are there whether or not jobs come, beside those that
// instances_max bounds. 0: none. A version that is not known yet gets them when it is.
void dispatch_provision(struct dispatch *dispatch, struct str key, int count);
struct dispatch_provision {
    int wanted, ready;  // ready: at most as many as wanted
    const char *reason; // why no more are started; NULL: they are, or are there. Borrowed.
};
struct dispatch_provision dispatch_provisioned(const struct dispatch *dispatch, struct str key);

// Takes the job. job->on_settled is called later, never from inside this call; but for a job->at_once
// that the result cache answers.
void dispatch_submit(struct dispatch *dispatch, struct job *job);
// Whoever wanted the answer has gone: a job that still waits is settled (JOB_REFUSED, ERR_LOST) on the
// next turn; one that runs goes on.
void dispatch_cancel(struct dispatch *dispatch, struct job *job);
// Asynchronous jobs were committed to the outbox for this function: load and run them.
void dispatch_wake(struct dispatch *dispatch, struct str function_name);
// The same for every function that an event reached.
void dispatch_wake_emitted(struct dispatch *dispatch, const struct bus_emitted *emitted);
// At start, when all functions and aliases are set: those with rows in the outbox are woken, rows of
// what is not there are removed, and those used of late get their templates.
MUST_CHECK int dispatch_resume(struct dispatch *dispatch, struct err *err);

// Stops starting; on_drained is called when nothing runs any more. Queued asynchronous jobs stay
// in the outbox.
void dispatch_drain(struct dispatch *dispatch, void (*on_drained)(void *ctx), void *ctx);

// Memory is short: gives up part of the result cache, or else stops the longest idle instance, or else drops the longest unused template.
void dispatch_relieve(struct dispatch *dispatch);

struct dispatch_counts {
    uint64_t queued, running, instances, templates;
    uint64_t invocations, errors, throttles, cold_starts;
    uint64_t cached; // of the invocations: answered from the result cache, or with another's answer
};
// Of a function, all its versions together.
struct dispatch_counts dispatch_counts(const struct dispatch *dispatch, struct str function_name);
struct dispatch_counts dispatch_totals(const struct dispatch *dispatch);

// Of one version of a model function, since the server's start. Microseconds.
#define DISPATCH_BATCH_MAX 64
struct dispatch_time {
    uint64_t count, us;
};
struct dispatch_batch { // jobs that were given to an instance together
    uint64_t jobs, input_us, infer_us;
};
struct dispatch_statistics {
    int64_t last_ms;                                   // wall time of the last answer; 0: none
    struct dispatch_time success, fail, queue;         // whole calls; waiting for an instance
    struct dispatch_time input, infer;                 // of what succeeded
    struct dispatch_time cached;                       // of it, what came from the result cache
    uint64_t missed;                                   // and what might have
    struct dispatch_batch batches[DISPATCH_BATCH_MAX]; // [i]: i + 1 jobs
};
// Borrowed, until the next turn; zeros where nothing ran.
const struct dispatch_statistics *dispatch_statistics(const struct dispatch *dispatch,
                                                      struct str key);
