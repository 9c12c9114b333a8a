// SPDX-License-Identifier: Apache-2.0
// Provisioned concurrency: instances that are there before a job comes, and stay. They have places of
// their own beside those that instances_max bounds; what a lane has beyond them is as everybody's.
#include "dispatch/internal.h"
#include "base/log.h"

#include <stdio.h>

// An instance's credentials are good for longer; whoever lives so long makes room for a new one.
#define RENEW_US (12 * 3600 * 1000000ll)

int lane_kept(const struct lane *lane)
{
    int each = lane->concurrency > 1 ? lane->concurrency : 1;
    return (lane->provisioned + each - 1) / each;
}

int lane_live(const struct lane *lane)
{
    return lane->starting + lane->idle + lane->busy;
}

int family_used(const struct family *family)
{
    int used = 0;
    LIST_EACH(lane, &family->lanes, struct lane, family_link)
    {
        int running = lane_running(lane);
        used += running > lane->provisioned ? running : lane->provisioned;
    }
    return used;
}

int places_taken(const struct dispatch *d)
{
    int taken = d->workers;
    LIST_EACH(lane, &d->provisioned, struct lane, provision_link)
    {
        int live = lane_live(lane), kept = lane_kept(lane);
        taken -= live < kept ? live : kept;
    }
    return taken;
}

bool worker_is_kept(const struct worker *worker)
{
    const struct lane *lane = worker->lane;
    return worker->function == lane->function && lane_live(lane) <= lane_kept(lane) &&
           loop_now_us(lane->dispatch->loop) - worker->born_us < RENEW_US;
}

struct worker *idle_spare(const struct dispatch *d)
{
    LIST_EACH(worker, &d->idle, struct worker, idle_link)
    {
        if (!worker_is_kept(worker)) {
            return worker;
        }
    }
    return NULL;
}

int64_t worker_rest_us(const struct worker *worker)
{
    struct dispatch *d = worker->lane->dispatch;
    int64_t left_us = worker->born_us + RENEW_US - loop_now_us(d->loop);
    int64_t idle_us = d->options.idle_us;
    return worker_is_kept(worker) || left_us < idle_us ? left_us : idle_us;
}

bool place_free(const struct lane *lane)
{
    const struct dispatch *d = lane->dispatch;
    bool own = lane_live(lane) < lane_kept(lane); // those that end may be in it still
    return places_taken(d) < d->options.instances_max + own;
}

// As many at once as there are places, so that the others find what these are forked from.
void lane_provision(struct lane *lane)
{
    struct dispatch *d = lane->dispatch;
    int64_t now_us = loop_now_us(d->loop);
    if (!lane->provisioned || lane->provision_reason[0] || !d->resumed || d->draining ||
        !lane->function || lane->function->state != FUNCTION_ACTIVE || lane_is_off(lane)) {
        return;
    }
    while (lane_live(lane) < lane_kept(lane) && lane->starting < d->options.instances_max &&
           place_free(lane)) {
        if (lane->not_before_us > now_us) {
            lane_look(lane, lane->not_before_us);
            return;
        }
        worker_start(lane, /* ahead */ true);
        if (lane->failures > 0) {
            return; // after failures one at a time
        }
    }
}

void provision_failed(struct lane *lane, const char *reason)
{
    if (lane->provisioned && !lane->provision_reason[0]) {
        snprintf(lane->provision_reason, sizeof lane->provision_reason, "%s",
                 *reason ? reason : "its instances end");
        log_warn("function %s: no more of its provisioned instances are started: %s", lane->key,
                 lane->provision_reason);
    }
}

// Some of its instances are as others' now: they may be idle as long, and need ordinary places.
static void places_return(struct lane *lane)
{
    struct dispatch *d = lane->dispatch;
    LIST_EACH(worker, &lane->workers, struct worker, link)
    {
        if (worker->state == WORKER_IDLE) {
            timer_start(d->loop, &worker->timer, d->options.idle_us);
        }
    }
    for (struct worker *idle;
         places_taken(d) - d->stopping > d->options.instances_max && (idle = idle_spare(d));) {
        worker_stop(idle, false);
    }
}

void dispatch_provision(struct dispatch *d, struct str key, int count)
{
    struct lane *lane = lane_find(d, key);
    if (!lane && count == 0) {
        return;
    }
    lane = lane ? lane : lane_of(d, key);
    bool fewer = count < lane->provisioned;
    lane->provisioned = count;
    lane->provision_reason[0] = 0;
    list_remove(&lane->provision_link);
    if (count > 0) {
        list_push_back(&d->provisioned, &lane->provision_link);
    }
    if (fewer) {
        places_return(lane);
    }
    if (lane->function) {
        lane_warm(lane);
        lane_turn(lane);
    }
    worker_free_place(d);
}

struct dispatch_provision dispatch_provisioned(const struct dispatch *d, struct str key)
{
    const struct lane *lane = lane_find(d, key);
    struct dispatch_provision told = {0};
    if (lane) {
        int ready = (lane->idle + lane->busy) * (lane->concurrency > 1 ? lane->concurrency : 1);
        told.wanted = lane->provisioned;
        told.ready = ready < lane->provisioned ? ready : lane->provisioned;
        bool failed = lane->function && lane->function->state == FUNCTION_FAILED;
        told.reason = lane->provision_reason[0] ? lane->provision_reason
                      : failed                  ? "The function is in the state Failed."
                                                : NULL;
    }
    return told;
}
