// SPDX-License-Identifier: Apache-2.0
// The dispatcher's middle: lanes, their queues, and the turn that brings jobs and workers together.
// On the journey of an upload it stands between the bus and the fleet.
#include "dispatch/internal.h"
#include "base/check.h"
#include "base/log.h"
#include "bus/bus.h"
#include "store/job.h"
#include "store/store.h"
#include "worker/payload.h"

#include <stdio.h>

const char dispatch_off_text[] = "Rate Exceeded.";
const char dispatch_failed_text[] =
    "The operation cannot be performed at this time. The function is currently in the following "
    "state: Failed";

char *dispatch_key(const struct function *f)
{
    return strcmp(f->version, "$LATEST") == 0 ? mem_dup(f->name)
                                              : mem_printf("%s:%s", f->name, f->version);
}

struct lane *lane_find(const struct dispatch *d, struct str key)
{
    return map_get(&d->lanes, key);
}

static void lane_wake_due(struct timer *timer)
{
    lane_turn(CONTAINER_OF(timer, struct lane, wake));
}

static void lane_outbox_due(struct timer *timer)
{
    outbox_load(CONTAINER_OF(timer, struct lane, outbox_due));
}

static struct family *family_of(struct dispatch *d, struct str key)
{
    struct str name = str_cut(&key, ':');
    struct family *family = map_get(&d->families, name);
    if (!family) {
        family = NEW(struct family);
        list_init(&family->lanes);
        map_put(&d->families, name, family);
    }
    return family;
}

struct lane *lane_of(struct dispatch *d, struct str key)
{
    struct lane *lane = lane_find(d, key);
    if (!lane) {
        lane = NEW(struct lane);
        lane->dispatch = d;
        lane->concurrency = 1;
        lane->key = str_dup(key);
        list_init(&lane->queue);
        list_init(&lane->workers);
        list_init(&lane->hungry_link);
        list_init(&lane->provision_link);
        cached_init(&lane->cached);
        lane->wake.on_due = lane_wake_due;
        lane->outbox_due.on_due = lane_outbox_due;
        lane->family = family_of(d, key);
        list_push_back(&lane->family->lanes, &lane->family_link);
        map_put(&d->lanes, key, lane);
    }
    return lane;
}

void lane_look(struct lane *lane, int64_t at_us)
{
    if (!timer_running(&lane->wake) || lane->wake.due_us > at_us) {
        timer_start_at(lane->dispatch->loop, &lane->wake, at_us);
    }
}

void queue_put(struct lane *lane, struct job *job)
{
    struct list *after =
        lane->queue.prev; // mostly the right one: only who has waited elsewhere is late
    while (after != &lane->queue && CONTAINER_OF(after, struct job, link)->id > job->id) {
        after = after->prev;
    }
    list_push_front(after, &job->link);
    *(job->async ? &lane->queued_async : &lane->queued_sync) += 1;
}

void queue_take(struct lane *lane, struct job *job)
{
    list_remove(&job->link);
    *(job->async ? &lane->queued_async : &lane->queued_sync) -= 1;
    if (list_empty(&lane->queue)) {
        list_remove(&lane->hungry_link);
    }
}

// Jobs whose deadline passed while they waited. The queue is in order of arrival and all wait
// equally long, so the first that may stay ends the search. (One that lost its instance, or waited for
// another's answer, stands before others that have an earlier deadline.)
static void queue_expire(struct lane *lane)
{
    int64_t now_us = loop_now_us(lane->dispatch->loop);
    LIST_EACH(job, &lane->queue, struct job, link)
    {
        if (job->async) {
            continue; // its age is judged when it fails
        }
        if (job->deadline_us > now_us) {
            lane_look(lane, job->deadline_us);
            if (job->attempt > 1 || job->alone) {
                continue;
            }
            return;
        }
        queue_take(lane, job);
        job_refuse(lane->dispatch, job, ERR_BUSY, "TooManyRequestsException",
                   "Rate Exceeded: no instance became free in time.");
    }
}

static bool worker_has_room(const struct worker *worker)
{
    return worker->state == WORKER_BUSY && worker->load < worker->concurrency && !worker->leaving &&
           worker->function == worker->lane->function;
}

// An idle one, or else one that takes several jobs at once and is not full.
static struct worker *worker_pick(struct lane *lane)
{
    struct worker *busy = NULL;
    LIST_EACH(worker, &lane->workers, struct worker, link)
    {
        if (worker->state == WORKER_IDLE) {
            return worker;
        }
        busy = !busy && worker_has_room(worker) ? worker : busy;
    }
    return busy;
}

static void job_start(struct lane *lane, struct worker *worker, struct job *job)
{
    int64_t now_us = loop_now_us(lane->dispatch->loop);
    queue_take(lane, job);
    job_move(job, JOB_RUNNING);
    lane->unloaded = false;
    job->result.queued_us = now_us - job->created_us;
    job->result.tier = worker->fresh ? worker->tier : TIER_HOT;
    job->result.init_us = worker->fresh ? worker->init_us : 0;
    if (worker->fresh && worker->tier == TIER_COLD) {
        lane->counts.cold_starts++;
    }
    worker->fresh = false;
    job->started_us = now_us;
    job->deadline_us = now_us + (int64_t)worker->function->timeout_s * 1000000;
    list_push_back(&worker->batch, &job->link);
    worker->load++;
}

// One that has lost its instance before runs alone: if it was the cause, no other is to suffer.
static void batch_fill(struct lane *lane, struct worker *worker)
{
    int64_t most = batch_max(lane, worker), count = 0;
    size_t files = 0;
    struct job *job = LIST_FIRST(&lane->queue, struct job, link);
    bool more = true;
    worker->first = worker->fresh;
    while (more) {
        files += payload_files(job);
        more = ++count < most && job->attempt == 1;
        job_start(lane, worker, job);
        job = LIST_FIRST(&lane->queue, struct job, link);
        more = more && job && job->attempt == 1 && files + payload_files(job) <= BATCH_FILES_MAX;
    }
    batch_began(worker, count);
}

static void worker_run(struct lane *lane, struct worker *worker)
{
    struct dispatch *d = lane->dispatch;
    if (worker->state == WORKER_BUSY) { // one more
        struct job *job = LIST_FIRST(&lane->queue, struct job, link);
        job_start(lane, worker, job);
        d->fleet->ops->more(d->fleet, worker->instance, job);
        return;
    }
    batch_fill(lane, worker);
    list_remove(&worker->idle_link);
    lane->idle--;
    lane->busy++;
    worker->state = WORKER_BUSY;
    worker_watch(worker);
    d->fleet->ops->run(d->fleet, worker->instance, &worker->batch);
}

bool lane_is_off(const struct lane *lane)
{
    return lane->function->reserved_concurrency == 0;
}

// A batch of a model counts once; of those that take several at once, each job does.
int lane_running(const struct lane *lane)
{
    int running = lane->busy;
    if (lane->concurrency > 1) {
        running = 0;
        LIST_EACH(worker, &lane->workers, struct worker, link)
        {
            running += worker->load;
        }
    }
    return running;
}

static bool lane_may_run(const struct lane *lane)
{
    int64_t most = lane->function->reserved_concurrency;
    int running = lane_running(lane);
    bool own = running < lane->provisioned && running < most; // set aside for it
    return lane->function->state == FUNCTION_ACTIVE &&
           (most < 0 || own || family_used(lane->family) < most);
}

void lane_turn(struct lane *lane)
{
    if (!lane->function) {
        return;
    }
    queue_expire(lane);
    if (batch_waits(lane)) {
        return;
    }
    while (!list_empty(&lane->queue) && lane_may_run(lane)) {
        struct worker *worker = worker_pick(lane);
        if (!worker) {
            break;
        }
        worker_run(lane, worker);
    }
    if (!lane_may_run(lane)) {
        list_remove(&lane->hungry_link);
    } else if (!list_empty(&lane->queue)) {
        lane_grow(lane);
    }
    if (list_empty(&lane->queue) && lane->busy == 0) {
        timer_stop(lane->dispatch->loop, &lane->wake); // it would wake us for nobody
    }
    lane_provision(lane);
}

void family_turn(struct lane *from)
{
    if (!from->function || from->function->reserved_concurrency < 0) {
        return; // nobody waits for another's end
    }
    LIST_EACH(lane, &from->family->lanes, struct lane, family_link)
    {
        if (lane != from && !list_empty(&lane->queue)) {
            lane_turn(lane);
        }
    }
}

bool dispatch_uses(const struct dispatch *d, const char *package)
{
    size_t at = 0;
    for (struct lane *lane; (lane = map_next(&d->lanes, &at));) {
        LIST_EACH(worker, &lane->workers, struct worker, link)
        {
            if (function_uses(worker->function, package)) {
                return true;
            }
        }
    }
    return false;
}

// ── jobs ──

void dispatch_submit(struct dispatch *d, struct job *job)
{
    CLEAN_MEM char *key = dispatch_key(job->function);
    struct lane *lane = lane_find(d, str_of(key));
    job->created_us = loop_now_us(d->loop);
    job->deadline_us = job->created_us + d->options.hold_us;
    if (!lane || !lane->function) {
        job_refuse(d, job, ERR_NOT_FOUND, NULL, "The function was deleted.");
        return;
    }
    if (d->draining) {
        job_refuse(d, job, ERR_UNAVAILABLE, NULL, "The server is about to stop.");
        return;
    }
    if (lane->function->state == FUNCTION_FAILED) {
        job_refuse(d, job, ERR_EXISTS, "ResourceConflictException", dispatch_failed_text);
        return;
    }
    if (!job->async && lane_is_off(lane)) {
        lane->counts.throttles++;
        job_refuse(d, job, ERR_BUSY, "TooManyRequestsException", dispatch_off_text);
        return;
    }
    if (cached_take(lane, job)) {
        return;
    }
    if (!job->async && lane->queued_sync + lane->cached.waiting_sync >= d->options.queue_max) {
        lane->counts.throttles++;
        job_refuse(d, job, ERR_BUSY, "TooManyRequestsException",
                   "Rate Exceeded: too many requests wait for this function.");
        return;
    }
    queue_put(lane, job);
    lane_turn(lane);
}

void dispatch_cancel(struct dispatch *d, struct job *job)
{
    CLEAN_MEM char *key = dispatch_key(job->function);
    struct lane *lane = lane_find(d, str_of(key));
    bool waits = lane && job->state == JOB_QUEUED && !job->async;
    bool queued = waits && (!job->flight || job->flight->leader == job);
    if (waits && cached_withdraw(job)) {
        if (queued) {
            queue_take(lane, job);
        }
        job_refuse(d, job, ERR_LOST, NULL, "The caller has gone.");
    }
}

void dispatch_wake(struct dispatch *d, struct str key)
{
    struct lane *lane = lane_find(d, key);
    if (lane) {
        outbox_load(lane);
    }
}

void dispatch_wake_emitted(struct dispatch *d, const struct bus_emitted *emitted)
{
    for (size_t i = 0; i < emitted->count; i++) {
        dispatch_wake(d, str_of(emitted->functions[i]));
    }
}

// ── life ──

static void refuse_due(struct timer *timer)
{
    struct dispatch *d = CONTAINER_OF(timer, struct dispatch, refuse);
    while (!list_empty(&d->refused)) {
        struct job *job = LIST_FIRST(&d->refused, struct job, link);
        list_remove(&job->link);
        job->on_settled(job);
        job_free(job);
    }
    while (!list_empty(&d->answered)) {
        struct job *job = LIST_FIRST(&d->answered, struct job, link);
        CLEAN_MEM char *key = dispatch_key(job->function);
        list_remove(&job->link);
        job_settle(d, lane_of(d, str_of(key)), job);
    }
    drained_check(d);
}

static void look_due(struct timer *timer)
{
    places_look(CONTAINER_OF(timer, struct dispatch, look));
}

struct dispatch *dispatch_new(struct loop *loop, struct store *store, struct fleet *fleet,
                              struct observe *observe, const struct dispatch_options *options)
{
    CHECK(options->instances_max > 0 && options->queue_max > 0);
    struct dispatch *d = NEW(struct dispatch);
    d->loop = loop;
    d->store = store;
    d->fleet = fleet;
    d->observe = observe;
    d->options = *options;
    list_init(&d->idle);
    list_init(&d->hungry);
    list_init(&d->provisioned);
    list_init(&d->refused);
    list_init(&d->answered);
    d->refuse.on_due = refuse_due;
    d->look.on_due = look_due;
    struct fleet_events events = dispatch_fleet_events;
    events.ctx = d;
    fleet->ops->listen(fleet, &events);
    return d;
}

static void lane_free(struct lane *lane)
{
    struct loop *loop = lane->dispatch->loop;
    cached_done(lane);
    timer_stop(loop, &lane->wake);
    timer_stop(loop, &lane->outbox_due);
    LIST_EACH(worker, &lane->workers, struct worker, link)
    {
        LIST_EACH(job, &worker->batch, struct job, link)
        {
            job_free(job);
        }
        worker_forget(worker);
    }
    LIST_EACH(job, &lane->queue, struct job, link)
    {
        job_free(job);
    }
    map_done(&lane->inflight);
    free(lane->statistics);
    function_unref(lane->function);
    alias_unref(lane->alias);
    free(lane->key);
    free(lane);
}

void dispatch_free(struct dispatch *d)
{
    if (!d) {
        return;
    }
    timer_stop(d->loop, &d->refuse);
    timer_stop(d->loop, &d->look);
    LIST_EACH(job, &d->refused, struct job, link)
    {
        job_free(job);
    }
    LIST_EACH(job, &d->answered, struct job, link)
    {
        job_free(job);
    }
    size_t at = 0;
    for (struct lane *lane; (lane = map_next(&d->lanes, &at));) {
        lane_free(lane);
    }
    map_done(&d->lanes);
    at = 0;
    for (struct family *family; (family = map_next(&d->families, &at));) {
        free(family);
    }
    map_done(&d->families);
    map_done(&d->flights);
    free(d);
}

void drained_check(struct dispatch *d)
{
    if (!d->draining || !d->on_drained || d->settling || !list_empty(&d->refused) ||
        !list_empty(&d->answered)) {
        return;
    }
    size_t at = 0;
    for (struct lane *lane; (lane = map_next(&d->lanes, &at));) {
        if (lane->busy || lane->queued_sync || lane->cached.waiting_sync) {
            return;
        }
    }
    void (*on_drained)(void *ctx) = d->on_drained;
    d->on_drained = NULL;
    on_drained(d->drained_ctx);
}

// Asynchronous jobs that only wait go back to being rows of the outbox.
void dispatch_drain(struct dispatch *d, void (*on_drained)(void *ctx), void *ctx)
{
    d->draining = true;
    d->on_drained = on_drained;
    d->drained_ctx = ctx;
    size_t at = 0;
    for (struct lane *lane; (lane = map_next(&d->lanes, &at));) {
        cached_drain(lane);
        LIST_EACH(job, &lane->queue, struct job, link)
        {
            if (job->async) {
                queue_take(lane, job);
                outbox_forget(lane, job);
            }
        }
    }
    timer_start(d->loop, &d->refuse, 0); // never from inside this call
}

static void counts_add(struct dispatch_counts *sum, const struct lane *lane)
{
    const struct cached *cached = &lane->cached;
    sum->queued += lane->queued_sync + lane->queued_async;
    sum->queued += cached->waiting_sync + cached->waiting_async;
    sum->running += (uint64_t)lane_running(lane);
    sum->instances += (uint64_t)(lane->starting + lane->idle + lane->busy);
    sum->invocations += lane->counts.invocations;
    sum->errors += lane->counts.errors;
    sum->throttles += lane->counts.throttles;
    sum->cold_starts += lane->counts.cold_starts;
    sum->cached += lane->counts.cached;
}

struct dispatch_counts dispatch_counts(const struct dispatch *d, struct str name)
{
    struct dispatch_counts sum = {0};
    const struct family *family = map_get(&d->families, name);
    if (family) {
        LIST_EACH(lane, &family->lanes, struct lane, family_link)
        {
            counts_add(&sum, lane);
        }
    }
    return sum;
}

struct dispatch_counts dispatch_totals(const struct dispatch *d)
{
    struct dispatch_counts sum = {0};
    size_t at = 0;
    for (struct lane *lane; (lane = map_next(&d->lanes, &at));) {
        counts_add(&sum, lane);
    }
    sum.instances = (uint64_t)d->workers;
    sum.templates = (uint64_t)d->fleet->ops->templates(d->fleet);
    return sum;
}
