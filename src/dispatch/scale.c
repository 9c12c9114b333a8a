// SPDX-License-Identifier: Apache-2.0
// How many instances: started because jobs wait, stopped because none came. Places are few (one a
// core, by default), so a function that waits may take the place of another's idle instance, and
// after a grace also of one that is always busy.
#include "dispatch/internal.h"
#include "base/check.h"
#include "base/log.h"
#include "observe/logs.h"

#define START_LIMIT_US   (60 * 1000000ll) // an instance that is not ready by then never will be
#define GRACE_US         100000 // a hungry function waits this long for a busy one's place
#define BACKOFF_US       100000 // after the first failure in a row; doubles
#define BACKOFF_MAX_US   (10 * 1000000ll)
#define PEAK_MEMORY      64 // jobs after which a long one counts for about a third of its time
#define FAILURES_GIVE_UP 3  // starts that fail in a row: those who wait are told why

void smooth(int64_t *value, int64_t sample)
{
    sample = sample > 0 ? sample : 1;
    *value = *value ? (*value * 7 + sample) / 8 : sample;
}

static void worker_due(struct timer *timer);

void worker_start(struct lane *lane, bool ahead)
{
    struct dispatch *d = lane->dispatch;
    struct worker *worker = NEW(struct worker);
    worker->lane = lane;
    worker->function = function_ref(lane->function);
    worker->concurrency = lane->concurrency;
    worker->state = WORKER_STARTING;
    worker->ahead = ahead;
    worker->born_us = worker->since_us = loop_now_us(d->loop);
    worker->timer.on_due = worker_due;
    list_init(&worker->batch);
    list_init(&worker->idle_link);
    list_push_front(&lane->workers, &worker->link);
    lane->starting++;
    d->workers++;
    timer_start(d->loop, &worker->timer, START_LIMIT_US);
    worker->instance = d->fleet->ops->start(d->fleet, worker->function, ahead, worker);
}

static void count_out(struct worker *worker)
{
    struct lane *lane = worker->lane;
    lane->starting -= worker->state == WORKER_STARTING;
    lane->idle -= worker->state == WORKER_IDLE;
    lane->busy -= worker->state == WORKER_BUSY;
    lane->dispatch->stopping -= worker->state == WORKER_STOPPING;
    list_remove(&worker->idle_link);
}

void worker_stop(struct worker *worker, bool now)
{
    struct dispatch *d = worker->lane->dispatch;
    count_out(worker);
    worker->state = WORKER_STOPPING;
    d->stopping++;
    // One that does not go by itself is made to.
    timer_start(d->loop, &worker->timer, 1000000);
    if (now) {
        d->fleet->ops->kill(d->fleet, worker->instance);
    } else {
        d->fleet->ops->stop(d->fleet, worker->instance);
    }
}

void worker_forget(struct worker *worker)
{
    batch_forget(worker);
    timer_stop(worker->lane->dispatch->loop, &worker->timer);
    list_remove(&worker->link);
    list_remove(&worker->idle_link);
    function_unref(worker->function);
    free(worker);
}

static void job_leave(struct worker *worker, struct job *job)
{
    list_remove(&job->link);
    worker->load--;
}

// Would one more instance, which needs start_us, be there before those that run have worked off
// the queue? While nothing is known yet, the answer is yes, and so it is when the first has waited
// that long already: what runs is slower than it used to be.
static bool growth_pays(const struct lane *lane)
{
    int have = (lane->busy + lane->starting) * lane->concurrency;
    if (have == 0 || lane->run_us == 0 || lane->start_us == 0) {
        return true;
    }
    const struct job *first = LIST_FIRST(&lane->queue, struct job, link);
    if (loop_now_us(lane->dispatch->loop) - first->created_us >= lane->start_us) {
        return true;
    }
    int64_t waiting = (int64_t)(lane->queued_sync + lane->queued_async);
    return waiting * lane->run_us / have > lane->start_us / 2;
}

static bool lane_full(const struct lane *lane)
{
    int64_t most = lane->function->reserved_concurrency;
    int running = lane_running(lane);
    int own = running > lane->provisioned ? running : lane->provisioned;
    int others = family_used(lane->family) - own;
    return most >= 0 && lane_live(lane) * lane->concurrency >= most - others;
}

// The first of those who wait for a place and have none at all.
static struct lane *starving(const struct dispatch *d)
{
    LIST_EACH(lane, &d->hungry, struct lane, hungry_link)
    {
        if (lane_live(lane) == 0) {
            return lane;
        }
    }
    return NULL;
}

static struct lane *hungriest(const struct dispatch *d)
{
    struct lane *lane = starving(d);
    return lane ? lane : LIST_FIRST(&d->hungry, struct lane, hungry_link);
}

static void look_later(struct dispatch *d)
{
    if (!d->owed && !timer_running(&d->look) && starving(d)) {
        timer_start(d->loop, &d->look, GRACE_US);
    }
}

// All places are taken. Those of idle instances are ours when these have ended.
static void place_claim(struct lane *lane, int count)
{
    struct dispatch *d = lane->dispatch;
    for (struct worker *idle; d->stopping < count && (idle = idle_spare(d));) {
        worker_stop(idle, false);
    }
    if (list_empty(&lane->hungry_link)) {
        list_push_back(&d->hungry, &lane->hungry_link);
    }
    look_later(d);
}

// Instances that those who wait would fill.
static int wanted(const struct lane *lane)
{
    size_t waiting = lane->queued_sync + lane->queued_async, each = (size_t)lane->concurrency;
    return (int)((waiting + each - 1) / each);
}

void lane_grow(struct lane *lane)
{
    struct dispatch *d = lane->dispatch;
    int64_t now_us = loop_now_us(d->loop);
    while (wanted(lane) > lane->starting && !lane_full(lane)) {
        if (lane->not_before_us > now_us) {
            lane_look(lane, lane->not_before_us);
            break;
        }
        if (!growth_pays(lane)) {
            lane_look(lane, now_us + lane->start_us); // look again: perhaps they are slower today
            break;
        }
        if (!place_free(lane)) {
            place_claim(lane, wanted(lane) - lane->starting);
            return;
        }
        worker_start(lane, /* ahead */ false);
        list_remove(&lane->hungry_link); // whoever wants another place stands at the end
        if (lane->failures > 0) {
            break; // after failures one at a time
        }
    }
    list_remove(&lane->hungry_link);
}

// A place is free, or an instance has nothing to do: those who wait for one get it, first those
// that have none at all.
void worker_free_place(struct dispatch *d)
{
    struct lane *lane = hungriest(d);
    while (lane && places_taken(d) < d->options.instances_max) {
        lane_turn(lane); // takes the place, or is not hungry any more
        lane = hungriest(d);
    }
    if (lane && idle_spare(d)) {
        lane_turn(lane);
    }
    LIST_EACH(provisioned, &d->provisioned, struct lane, provision_link)
    {
        lane_provision(provisioned);
    }
    look_later(d);
}

// Who starves has waited long enough for a place that is free by chance: the next worker that has
// done its job gives its own up. So those that are always busy hand places on as jobs end.
void places_look(struct dispatch *d)
{
    worker_free_place(d);
    d->owed = d->stopping == 0 && starving(d);
    look_later(d);
}

void dispatch_relieve(struct dispatch *d)
{
    struct worker *idle = idle_spare(d);
    struct cache *cache = d->options.cache;
    if (cache && cache->ops->relieve(cache)) {
        log_notice("memory is short: half of the cached results are dropped");
    } else if (idle) {
        log_notice("memory is short: an idle instance of %s is stopped", idle->lane->key);
        worker_stop(idle, false);
    } else if (d->fleet->ops->relieve(d->fleet)) {
        log_notice("memory is short: a template is dropped");
    }
}

static bool place_owed(struct dispatch *d, const struct worker *worker)
{
    struct lane *lane = worker->lane;
    const struct lane *to = d->owed ? starving(d) : NULL;
    bool owed = to && to != lane && !worker_is_kept(worker);
    if (owed && !list_empty(&lane->hungry_link)) { // not to get it back at once
        list_remove(&lane->hungry_link);
        list_push_back(&d->hungry, &lane->hungry_link);
    }
    d->owed = to && !owed;
    look_later(d);
    return owed;
}

void worker_watch(struct worker *worker)
{
    struct loop *loop = worker->lane->dispatch->loop;
    struct job *first = LIST_FIRST(&worker->batch, struct job, link);
    if (worker->concurrency == 1) { // its turn has come
        first->started_us = loop_now_us(loop);
    }
    timer_start_at(loop, &worker->timer,
                   first->started_us + (int64_t)worker->function->timeout_s * 1000000);
}

// The worker has nothing to do: it is told to go when it is of an old revision or another function
// needs its place; else it waits for the next job, or for its idle time to end.
void worker_idle(struct worker *worker)
{
    struct lane *lane = worker->lane;
    struct dispatch *d = lane->dispatch;
    worker->state = WORKER_IDLE;
    worker->since_us = loop_now_us(d->loop);
    lane->idle++;
    list_push_back(&d->idle, &worker->idle_link);
    list_remove(&worker->link); // the last used is the first used again, so that others can go
    list_push_front(&lane->workers, &worker->link);
    if (worker->function != lane->function || place_owed(d, worker) ||
        worker_rest_us(worker) <= 0) {
        worker_stop(worker, false);
        return;
    }
    timer_start(d->loop, &worker->timer, worker_rest_us(worker));
}

// Instances that end by themselves, one after the other without an answer in between: the next
// start waits, longer each time. Those who wait are told why only when no start succeeds; when it
// is the jobs that kill their instances, the next one in the queue may be a good one.
static void instance_failed(struct lane *lane, const char *reason, bool at_start)
{
    struct dispatch *d = lane->dispatch;
    int64_t delay_us = BACKOFF_US << (lane->failures < 8 ? lane->failures : 8);
    delay_us = delay_us < BACKOFF_MAX_US ? delay_us : BACKOFF_MAX_US;
    delay_us = lane->failures == 0 && !at_start ? 0 : delay_us;
    lane->failures++;
    lane->not_before_us = loop_now_us(d->loop) + delay_us;
    log_warn("function %s: an instance ended: %s; failure %d in a row, next start in %lld ms",
             lane->key, reason, lane->failures, (long long)delay_us / 1000);
    if (!at_start || lane->failures < FAILURES_GIVE_UP) {
        return;
    }
    provision_failed(lane, reason);
    // Whoever is told may submit another job at once: it is not of those that fail here.
    struct list failed;
    list_init(&failed);
    while (!list_empty(&lane->queue)) {
        struct job *job = LIST_FIRST(&lane->queue, struct job, link);
        list_remove(&job->link);
        list_push_back(&failed, &job->link);
    }
    lane->queued_sync = lane->queued_async = 0;
    list_remove(&lane->hungry_link);
    while (!list_empty(&failed)) {
        struct job *job = LIST_FIRST(&failed, struct job, link);
        list_remove(&job->link);
        job_move(job, JOB_RUNNING);
        job_fail(d, lane, job, "Runtime.ExitError", reason);
    }
}

// ── what the fleet tells ──

static void on_started(void *ctx, struct instance *instance, enum tier tier, int64_t init_us)
{
    (void)ctx;
    struct worker *worker = instance->data;
    struct lane *lane = worker->lane;
    if (worker->state != WORKER_STARTING) {
        return;
    }
    worker->tier = tier;
    worker->init_us = init_us;
    worker->fresh = !worker->ahead;
    bool useless = worker->ahead && instance->init_failed && list_empty(&lane->queue);
    lane->warmed = lane->warmed && tier == TIER_WARM; // its template is gone: make it again
    smooth(&lane->start_us, loop_now_us(lane->dispatch->loop) - worker->since_us);
    lane->starting--;
    worker_idle(worker);
    if (useless && worker->state == WORKER_IDLE) {
        worker_stop(worker, false);
        instance_failed(lane, "FUNCTION_ERROR_INIT_FAILURE", /* at_start */ true);
    }
    lane_turn(lane);
    worker_free_place(lane->dispatch);
}

// A job of it is done.
static void worker_next(struct worker *worker)
{
    struct lane *lane = worker->lane;
    struct dispatch *d = lane->dispatch;
    if (list_empty(&worker->batch) && worker->leaving) {
        worker_stop(worker, worker->timed_out);
    } else if (list_empty(&worker->batch)) {
        timer_stop(d->loop, &worker->timer);
        lane->busy--;
        worker_idle(worker);
    } else {
        worker->leaving = worker->leaving || (worker->concurrency > 1 && place_owed(d, worker));
        worker_watch(worker);
    }
}

static void on_result(void *ctx, struct instance *instance, struct job *job)
{
    struct dispatch *d = ctx;
    struct worker *worker = instance->data;
    struct lane *lane = worker->lane;
    CHECK(worker->state == WORKER_BUSY);
    // Answers of a batch are read together; then what the runner says of each is nearer the truth.
    int64_t took_us = loop_now_us(d->loop) - job->started_us;
    int64_t said_us = job->result.decode_us + job->result.run_us + 1;
    job->result.duration_us = took_us > said_us && worker->given == 1 ? took_us : said_us;
    smooth(&lane->run_us, job->result.duration_us);
    int64_t peak_us = lane->run_peak_us - lane->run_peak_us / PEAK_MEMORY;
    lane->run_peak_us = peak_us > said_us ? peak_us : said_us;
    lane->failures = 0;
    lane->not_before_us = 0;
    job_leave(worker, job);
    batch_answered(worker, said_us);
    worker_next(worker);
    job_settle(d, lane, job);
    lane_turn(lane);
    family_turn(lane);
    worker_free_place(d);
    if (!lane->warmed && lane->function && lane->queued_sync + lane->queued_async == 0) {
        lane->warmed = true;
        d->fleet->ops->warm(d->fleet, lane->function);
    }
}

static bool lane_can_run(const struct lane *lane)
{
    return lane->function && lane->function->state == FUNCTION_ACTIVE &&
           lane->function->reserved_concurrency != 0;
}

// Back to the front of the queue, as if it had never run.
static void job_again(struct lane *lane, struct job *job)
{
    bytes_unref(job->result.payload);
    bytes_unref(job->result.log);
    bytes_unref(job->result.init_log);
    job->result = (struct job_result){0};
    job->begun = false;
    job->deadline_us = loop_now_us(lane->dispatch->loop) + lane->dispatch->options.hold_us;
    function_unref(job->function);
    job->function = function_ref(lane->function);
    job_move(job, JOB_QUEUED);
    list_push_front(&lane->queue, &job->link);
    *(job->async ? &lane->queued_async : &lane->queued_sync) += 1;
}

// A job whose instance was lost: once more, unless it was lost before, is asynchronous (then its
// attempts are counted by the outbox) or ran too long.
static void job_lost(struct lane *lane, struct worker *worker, struct job *job, const char *reason)
{
    struct dispatch *d = lane->dispatch;
    job->result.duration_us = loop_now_us(d->loop) - job->started_us;
    if (worker->timed_out && worker->concurrency == 1) {
        job->result.status = JOB_TIMED_OUT;
        job_fail(d, lane, job, "Sandbox.Timedout", NULL);
        return;
    }
    const struct instance *instance = worker->instance;
    if (!job->async && !instance->once && job->attempt < 2 && lane_can_run(lane)) {
        job->attempt++;
        job_again(lane, job);
        return;
    }
    job_fail(d, lane, job, instance->end_type[0] ? instance->end_type : "Runtime.ExitError",
             reason);
}

// A job of the batch that had not begun when the instance was lost: nothing happened to it.
static void job_unbegun(struct lane *lane, struct job *job, const char *reason)
{
    struct dispatch *d = lane->dispatch;
    if (lane_can_run(lane) && !(job->async && d->draining)) {
        job_again(lane, job);
    } else if (job->async) { // its row is there, and looked at again
        outbox_again(lane, job);
        outbox_forget(lane, job);
    } else {
        job_fail(d, lane, job, "Runtime.ExitError", reason);
    }
}

// The first of those that run at once takes too long. The others may go on; but what it does cannot be
// stopped alone, so the instance gets no more, and ends after them.
static void job_overdue(struct worker *worker)
{
    struct lane *lane = worker->lane;
    struct dispatch *d = lane->dispatch;
    struct job *job = LIST_FIRST(&worker->batch, struct job, link);
    d->fleet->ops->take_back(d->fleet, worker->instance, job);
    job_leave(worker, job);
    worker->leaving = true;
    worker->timed_out = worker->timed_out || job->begun;
    worker_next(worker);
    if (job->begun) {
        job->result.duration_us = loop_now_us(d->loop) - job->started_us;
        job->result.status = JOB_TIMED_OUT;
        job_fail(d, lane, job, "Sandbox.Timedout", NULL);
    } else {
        job_unbegun(lane, job, "Runtime exited without providing a reason");
    }
    lane_turn(lane);
    family_turn(lane);
}

static void worker_due(struct timer *timer)
{
    struct worker *worker = CONTAINER_OF(timer, struct worker, timer);
    struct dispatch *d = worker->lane->dispatch;
    switch (worker->state) {
    case WORKER_IDLE:
        if (worker_is_kept(worker)) {
            timer_start(d->loop, &worker->timer, worker_rest_us(worker));
        } else {
            worker_stop(worker, false);
        }
        break;
    case WORKER_BUSY:
        if (worker->concurrency > 1) {
            job_overdue(worker);
            break;
        }
        worker->timed_out = true; /* fall through */
    default: d->fleet->ops->kill(d->fleet, worker->instance); break;
    }
}

static void on_ended(void *ctx, struct instance *instance, const char *reason)
{
    struct dispatch *d = ctx;
    struct worker *worker = instance->data;
    struct lane *lane = worker->lane;
    bool at_start = worker->state == WORKER_STARTING;
    const struct job *first = LIST_FIRST(&worker->batch, struct job, link);
    bool failed = at_start || (first && first->begun && !worker->timed_out && !instance->once);
    count_out(worker);
    d->workers--;
    d->settling++; // nothing is over while jobs of the batch are neither here nor there
    // Backwards, since each goes to the front of the queue.
    while (!list_empty(&worker->batch)) {
        struct job *job = CONTAINER_OF(worker->batch.prev, struct job, link);
        job_leave(worker, job);
        if (job->begun) {
            job_lost(lane, worker, job, reason);
        } else {
            job_unbegun(lane, job, reason);
        }
    }
    worker_forget(worker);
    if (failed && lane->function) {
        instance_failed(lane, reason, at_start);
    }
    worker_free_place(d);
    lane_turn(lane);
    family_turn(lane);
    d->settling--;
    drained_check(d);
}

static void on_said(void *ctx, const struct function *function, struct str text)
{
    struct dispatch *d = ctx;
    CLEAN(buf_done) struct buf lines = BUF_INIT(text.size + 1);
    buf_add_str(&lines, text);
    if (text.size && text.at[text.size - 1] != '\n') {
        buf_add_char(&lines, '\n');
    }
    logs_append(d->observe, str_of(function->name), loop_wall_ms(d->loop), buf_str(&lines));
}

const struct fleet_events dispatch_fleet_events = {
    .on_started = on_started,
    .on_result = on_result,
    .on_ended = on_ended,
    .on_said = on_said,
};
