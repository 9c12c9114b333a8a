// SPDX-License-Identifier: Apache-2.0
// The functions that the dispatcher knows: versions and aliases that come, change and go, and what
// was there before the start.
#include "dispatch/internal.h"
#include "base/log.h"
#include "observe/logs.h"
#include "store/job.h"
#include "store/store.h"

#define WARM_AT_START 4 // functions that get their templates at once

// Those that run finish first; see worker_idle.
static void workers_retire(struct lane *lane)
{
    LIST_EACH(worker, &lane->workers, struct worker, link)
    {
        if (worker->state == WORKER_IDLE || worker->state == WORKER_STARTING) {
            worker_stop(worker, worker->state == WORKER_STARTING);
        }
    }
}

// Asynchronous jobs go back to being rows of the outbox.
static void queue_refuse(struct lane *lane, int code, const char *aws, const char *text)
{
    cached_dissolve(lane);
    LIST_EACH(job, &lane->queue, struct job, link)
    {
        queue_take(lane, job);
        if (job->async) {
            outbox_forget(lane, job);
        } else {
            lane->counts.throttles += code == ERR_BUSY;
            job_refuse(lane->dispatch, job, code, aws, text);
        }
    }
}

// A job keeps the function it was submitted with; one that waits moves to the new revision.
static void queue_move(struct lane *lane)
{
    LIST_EACH(job, &lane->queue, struct job, link)
    {
        function_unref(job->function);
        job->function = function_ref(lane->function);
    }
}

// Another revision takes the place of the one before.
static void lane_replace(struct lane *lane, struct function *was)
{
    lane->failures = 0;
    lane->not_before_us = 0;
    lane->warmed = false;
    lane->unloaded = false;
    lane->provision_reason[0] = 0;
    struct fleet *fleet = lane->dispatch->fleet;
    lane->concurrency = fleet->ops->concurrency(fleet, lane->function);
    batching_read(&lane->batching, lane->function);
    cached_dissolve(lane);
    cached_read(lane);
    if (was) {
        fleet->ops->forget(fleet, was);
        workers_retire(lane);
    }
}

// The same revision with other settings: whoever runs it goes on.
static void lane_adjust(struct lane *lane, const struct function *was)
{
    LIST_EACH(worker, &lane->workers, struct worker, link)
    {
        if (worker->function == was) {
            function_unref(worker->function);
            worker->function = function_ref(lane->function);
        }
    }
}

// Whether the version is one that will be used: others get a template when they are.
static bool lane_expects(const struct lane *lane)
{
    bool expects = lane->provisioned || strcmp(lane->function->version, "$LATEST") == 0;
    LIST_EACH(other, &lane->family->lanes, struct lane, family_link)
    {
        expects =
            expects || (other->alias && alias_leads_to(other->alias, lane->function->version));
    }
    return expects;
}

void lane_warm(struct lane *lane)
{
    struct dispatch *d = lane->dispatch;
    if (d->resumed && !lane->warmed && lane->function->state == FUNCTION_ACTIVE &&
        !lane_is_off(lane) && lane_expects(lane)) {
        lane->warmed = true;
        d->fleet->ops->warm(d->fleet, lane->function);
    }
}

// Aliases whose events could not go anywhere look again.
static void aliases_look(struct lane *lane)
{
    LIST_EACH(other, &lane->family->lanes, struct lane, family_link)
    {
        if (other->alias && alias_leads_to(other->alias, lane->function->version)) {
            outbox_load(other);
        }
    }
}

void dispatch_function_set(struct dispatch *d, struct function *function)
{
    CLEAN_MEM char *key = dispatch_key(function);
    struct lane *lane = lane_of(d, str_of(key));
    CLEAN(function_clean) struct function *was = lane->function;
    bool same = was && was->revision && function->revision && was->state == function->state &&
                strcmp(was->revision, function->revision) == 0;
    lane->function = function_ref(function);
    if (same) {
        lane_adjust(lane, was);
    } else {
        lane_replace(lane, was);
    }
    queue_move(lane);
    if (function->state == FUNCTION_FAILED) {
        queue_refuse(lane, ERR_EXISTS, "ResourceConflictException", dispatch_failed_text);
        return;
    }
    if (lane_is_off(lane)) {
        queue_refuse(lane, ERR_BUSY, "TooManyRequestsException", dispatch_off_text);
    }
    lane_warm(lane);
    outbox_load(lane);
    aliases_look(lane);
    lane_turn(lane);
}

void dispatch_alias_set(struct dispatch *d, struct alias *alias)
{
    CLEAN_MEM char *key = mem_printf("%s:%s", alias->function, alias->name);
    CLEAN_MEM char *version = mem_printf("%s:%s", alias->function, alias->version);
    bool latest = strcmp(alias->version, "$LATEST") == 0;
    struct lane *lane = lane_of(d, str_of(key));
    struct lane *to = lane_find(d, str_of(latest ? alias->function : version));
    alias_unref(lane->alias);
    lane->alias = alias_ref(alias);
    if (to && to->function) {
        lane_warm(to);
    }
    outbox_load(lane);
}

static void lane_remove(struct lane *lane)
{
    struct dispatch *d = lane->dispatch;
    if (lane->function) {
        queue_refuse(lane, ERR_NOT_FOUND, NULL, "The function was deleted.");
        d->fleet->ops->forget(d->fleet, lane->function);
        workers_retire(lane);
    }
    timer_stop(d->loop, &lane->wake);
    timer_stop(d->loop, &lane->outbox_due);
    list_remove(&lane->hungry_link);
    list_remove(&lane->provision_link);
    lane->provisioned = 0;
    function_clean(&lane->function);
    cached_read(lane);
    alias_clean(&lane->alias); // the lane stays: its last workers end later, and it may come again
}

void dispatch_function_remove(struct dispatch *d, struct str key)
{
    struct lane *one = lane_of(d, key);
    if (str_find(key, ':') >= 0) {
        lane_remove(one);
        return;
    }
    LIST_EACH(lane, &one->family->lanes, struct lane, family_link)
    {
        lane_remove(lane);
    }
}

// ── models that are loaded and unloaded by hand ──

static int lane_need(const struct dispatch *d, struct str key, struct lane **ret, struct err *err)
{
    struct lane *lane = lane_find(d, key);
    if (!lane || !lane->function) {
        return err_set(err, ERR_NOT_FOUND, "there is no " STR_FMT, STR_ARG(str_head(key, 100)));
    }
    *ret = lane;
    return 0;
}

int dispatch_load(struct dispatch *d, struct str key, struct err *err)
{
    struct lane *lane = NULL;
    TRY(lane_need(d, key, &lane, err));
    const struct function *f = lane->function;
    if (f->state == FUNCTION_FAILED) {
        return err_set(err, ERR_UNAVAILABLE, "%s",
                       f->state_reason ? f->state_reason : dispatch_failed_text);
    }
    lane->unloaded = false;
    if (f->state == FUNCTION_ACTIVE) { // else it gets its template when it is prepared
        lane->warmed = true;
        d->fleet->ops->warm(d->fleet, lane->function);
    }
    return 0;
}

int dispatch_unload(struct dispatch *d, struct str key, struct err *err)
{
    struct lane *lane = NULL;
    TRY(lane_need(d, key, &lane, err));
    if (lane->provisioned) {
        return err_set(err, ERR_EXISTS, "its instances are provisioned");
    }
    lane->unloaded = true;
    lane->warmed = false;
    d->fleet->ops->forget(d->fleet, lane->function);
    workers_retire(lane);
    LIST_EACH(worker, &lane->workers, struct worker, link)
    {
        worker->leaving = true; // when what it runs is done
    }
    lane_turn(lane); // for whoever waits for one that was starting
    return 0;
}

bool dispatch_unloaded(const struct dispatch *d, struct str key)
{
    const struct lane *lane = lane_find(d, key);
    return lane && lane->unloaded;
}

struct function *dispatch_function(struct dispatch *d, struct str key)
{
    struct lane *lane = lane_find(d, key);
    return lane ? lane->function : NULL;
}

bool dispatch_knows(const struct dispatch *d, struct str key)
{
    const struct lane *lane = lane_find(d, key);
    return lane && (lane->function || lane->alias);
}

// ── the start ──

// Rows of what is not there any more: whoever wrote them did not know, or an older program did.
struct orphans {
    struct store_task task;
    char *key;
};

static int orphans_run(struct store_task *task, struct db *db, struct err *err)
{
    return job_row_delete_function(db, str_of(CONTAINER_OF(task, struct orphans, task)->key), err);
}

static void orphans_done(struct store_task *task)
{
    struct orphans *orphans = CONTAINER_OF(task, struct orphans, task);
    if (task->rc < 0) {
        log_error("the events that wait for %s cannot be removed: %s", orphans->key,
                  task->err.text);
    } else {
        log_warn("%d events that waited for %s are dropped: there is no such function, version or "
                 "alias",
                 task->rc, orphans->key);
    }
    free(orphans->key);
    free(orphans);
}

static void resume_each(void *ctx, struct str key)
{
    struct dispatch *d = ctx;
    if (dispatch_knows(d, key)) {
        timer_start(d->loop, &lane_of(d, key)->outbox_due, 0);
        return;
    }
    struct orphans *orphans = NEW(struct orphans);
    *orphans = (struct orphans){.task = {.run = orphans_run, .on_done = orphans_done},
                                .key = str_dup(key)};
    store_submit(d->store, &orphans->task);
}

struct used {
    struct lane *lane;
    int64_t at_ms;
};

static int later_first(const void *left, const void *right)
{
    const struct used *a = left, *b = right;
    return (a->at_ms < b->at_ms) - (a->at_ms > b->at_ms);
}

// A restart finds warm what was warm before it, as far as that is known: who has said something of
// late was used.
static void used_warm(struct dispatch *d)
{
    CLEAN_MEM struct used *used = mem_alloc((d->lanes.count + 1) * sizeof *used);
    int64_t since_ms = loop_wall_ms(d->loop) - d->options.warm_ms;
    size_t at = 0, count = 0;
    for (struct lane *lane; (lane = map_next(&d->lanes, &at));) {
        int64_t at_ms =
            lane->function ? logs_written_ms(d->observe, str_of(lane->function->name)) : 0;
        if (at_ms > since_ms) {
            used[count++] = (struct used){lane, at_ms};
        }
    }
    qsort(used, count, sizeof *used, later_first);
    for (size_t i = 0; i < count && i < WARM_AT_START; i++) {
        lane_warm(used[i].lane);
    }
}

int dispatch_resume(struct dispatch *d, struct err *err)
{
    d->resumed = true;
    used_warm(d);
    LIST_EACH(lane, &d->provisioned, struct lane, provision_link)
    {
        if (lane->function) {
            lane_warm(lane);
            lane_look(lane, loop_now_us(d->loop));
        }
    }
    return job_row_each_function(store_reader(d->store), resume_each, d, err);
}
