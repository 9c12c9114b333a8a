// SPDX-License-Identifier: Apache-2.0
// The fleet: templates and instances as the dispatcher sees them. A table of operations, because
// the simulator has a second one. Core thread only; callbacks never come from inside a call.
//
//     instance:  STARTING ──on_started──► IDLE ◄──on_result × n── BUSY      any ──on_ended──► gone
#pragma once

#include "core/job.h"
#include "io/loop.h"

// The part of an instance that every fleet has; a fleet embeds it first in a struct of its own.
// Owned by the fleet until on_ended returned.
struct instance {
    struct fleet *fleet;
    void *data; // the dispatcher's, as given to start
    int pid;    // 0 while it is not known
    // Its jobs may have had effects, so that one whose instance was lost is not run twice.
    bool once;
    // It has started, but its function could not be loaded: the next job is told why.
    bool init_failed;
    char end_type[64]; // Lambda's name for the end; "": Runtime.ExitError
};

struct fleet_events {
    void *ctx;
    void (*on_started)(void *ctx, struct instance *instance, enum tier tier, int64_t init_us);
    // One job of the batch is answered; job->result is filled in. Jobs that an instance has begun
    // with say so (job->begun).
    void (*on_result)(void *ctx, struct instance *instance, struct job *job);
    // It is gone, whatever the reason ("" when it was stopped as asked). Jobs of its batch that
    // were not answered are still the dispatcher's; those that it had not begun with may run
    // elsewhere as if nothing had been.
    void (*on_ended)(void *ctx, struct instance *instance, const char *reason);
    // Whole lines that a process of the function has printed outside of any job.
    void (*on_said)(void *ctx, const struct function *function, struct str text);
};

struct fleet {
    const struct fleet_ops *ops;
};

struct fleet_ops {
    void (*listen)(struct fleet *fleet, const struct fleet_events *events);
    // Starts one; `data` is kept in the instance. A failure is reported by on_ended. `provisioned`: it
    // is started to be there, not for a job.
    struct instance *(*start)(struct fleet *fleet, struct function *function, bool provisioned,
                              void *data);
    // Gives an idle instance a batch (jobs linked through job->link by the caller's list, at most
    // WIRE_JOBS_MAX). On failure the instance ends by itself.
    void (*run)(struct fleet *fleet, struct instance *instance, struct list *batch);
    // How many jobs one instance of the function takes at once; 1 unless the function asks for more.
    int (*concurrency)(const struct fleet *fleet, const struct function *function);
    // One more for an instance that takes several and has some; it stands last in its batch.
    void (*more)(struct fleet *fleet, struct instance *instance, struct job *job);
    // A job of such an instance took too long, and is the dispatcher's again.
    void (*take_back)(struct fleet *fleet, struct instance *instance, struct job *job);
    void (*stop)(struct fleet *fleet, struct instance *instance); // politely: it is idle
    void (*kill)(struct fleet *fleet, struct instance *instance); // at once
    // The function will be used soon / is gone or has changed: make / drop its template.
    void (*warm)(struct fleet *fleet, struct function *function);
    void (*forget)(struct fleet *fleet, struct function *function);
    int (*templates)(const struct fleet *fleet); // how many processes
    // Memory is short: drops the longest unused template. False when there is none to drop.
    bool (*relieve)(struct fleet *fleet);
};
