// SPDX-License-Identifier: Apache-2.0
// What must hold between any two things that happen.
#include "world.h"

static int count(const struct list *head)
{
    int n = 0;
    for (const struct list *at = head->next; at != head; at = at->next) {
        HOLDS(at->next->prev == at, "a list is torn");
        n++;
    }
    return n;
}

static void workers_check(const struct lane *lane, int *all, int *stopping, int *async)
{
    int starting = 0, idle = 0, busy = 0;
    for (struct list *at = lane->workers.next; at != &lane->workers; at = at->next) {
        struct worker *worker = CONTAINER_OF(at, struct worker, link);
        int batch = count(&worker->batch);
        starting += worker->state == WORKER_STARTING;
        idle += worker->state == WORKER_IDLE;
        busy += worker->state == WORKER_BUSY;
        *stopping += worker->state == WORKER_STOPPING;
        *all += 1;
        HOLDS((worker->state == WORKER_BUSY) == (batch > 0), "%s: state %d, %d jobs", lane->key,
              worker->state, batch);
        HOLDS((worker->state == WORKER_IDLE) == !list_empty(&worker->idle_link),
              "%s: state %d and in the idle list or not", lane->key, worker->state);
        HOLDS(worker->state != WORKER_IDLE || worker->function == lane->function,
              "%s: an idle instance of an old revision", lane->key);
        HOLDS(worker->load == batch, "%s: %d jobs counted as %d", lane->key, batch, worker->load);
        HOLDS(worker->concurrency == 1 || batch <= worker->concurrency, "%s: %d jobs at once",
              lane->key, batch);
        bool killed = worker->timer.due_us <= loop_now_us(lane->dispatch->loop);
        HOLDS(timer_running(&worker->timer) || killed,
              "%s: nobody looks after an instance in state %d", lane->key, worker->state);
        for (struct list *j = worker->batch.next; j != &worker->batch; j = j->next) {
            struct job *job = CONTAINER_OF(j, struct job, link);
            HOLDS(job->state == JOB_RUNNING, "%s: a job in state %d runs", lane->key, job->state);
            *async += job->async;
        }
    }
    HOLDS(starting == lane->starting && idle == lane->idle && busy == lane->busy,
          "%s: %d %d %d are counted as %d %d %d", lane->key, starting, idle, busy, lane->starting,
          lane->idle, lane->busy);
}

static void queue_check(const struct lane *lane)
{
    size_t sync = 0, async = 0;
    for (struct list *at = lane->queue.next; at != &lane->queue; at = at->next) {
        struct job *job = CONTAINER_OF(at, struct job, link);
        HOLDS(job->state == JOB_QUEUED, "%s: a job in state %d waits", lane->key, job->state);
        HOLDS(job->function == lane->function, "%s: a job waits for an old revision", lane->key);
        *(job->async ? &async : &sync) += 1;
    }
    HOLDS(sync == lane->queued_sync && async == lane->queued_async, "%s: %zu %zu not %zu %zu",
          lane->key, sync, async, lane->queued_sync, lane->queued_async);
    HOLDS(!sync || timer_running(&lane->wake), "%s: nobody looks at deadlines", lane->key);
    HOLDS(lane->function || list_empty(&lane->queue), "%s: jobs without a function", lane->key);
}

// Jobs that ask the same: one runs, or the cache is asked, while the others wait.
static void flights_check(const struct lane *lane, size_t *flights, int *async)
{
    size_t waits[2] = {0};
    for (struct list *at = lane->cached.flights.next; at != &lane->cached.flights; at = at->next) {
        struct flight *flight = CONTAINER_OF(at, struct flight, link);
        struct str key = cache_key_str(&flight->question.key);
        *flights += 1;
        HOLDS(flight->lane == lane && lane->function, "%s: a flight of nobody", lane->key);
        HOLDS(map_get(&lane->dispatch->flights, key) == flight, "%s: a flight is lost", lane->key);
        HOLDS(flight->leader || count(&flight->waiting) > 0, "%s: a flight for nobody", lane->key);
        HOLDS(flight->leader || flight->lookup.ask, "%s: nobody asks the cache", lane->key);
        HOLDS(!flight->leader ||
                  (flight->leader->flight == flight && flight->leader->state != JOB_SETTLED),
              "%s: a flight without its leader", lane->key);
        for (struct list *j = flight->waiting.next; j != &flight->waiting; j = j->next) {
            struct job *job = CONTAINER_OF(j, struct job, link);
            HOLDS(job->state == JOB_QUEUED && job->flight == flight && !job->alone,
                  "%s: a job waits twice", lane->key);
            waits[job->async]++;
        }
    }
    HOLDS(waits[0] == lane->cached.waiting_sync && waits[1] == lane->cached.waiting_async,
          "%s: %zu %zu wait, counted %zu %zu", lane->key, waits[0], waits[1],
          lane->cached.waiting_sync, lane->cached.waiting_async);
    *async += (int)waits[1];
}

// Answered, and not told yet.
static void answered_check(const struct dispatch *d, int *async)
{
    for (struct list *at = d->answered.next; at != &d->answered; at = at->next) {
        struct job *job = CONTAINER_OF(at, struct job, link);
        HOLDS(job->state == JOB_QUEUED && job->result.payload && !job->flight, "no answer");
        *async += job->async;
    }
    HOLDS(list_empty(&d->answered) || timer_running(&d->refuse), "nobody tells the answers");
}

// A function that may run and has work but no place at all gets one in bounded time.
static void starving_check(struct world *w, const struct lane *lane)
{
    struct plan *plan = world_plan(w, lane->key);
    int64_t now_us = loop_now_us(w->loop);
    bool may = lane->function && lane->function->state == FUNCTION_ACTIVE &&
               lane->function->reserved_concurrency != 0;
    bool starves = may && !list_empty(&lane->queue) && lane->failures == 0 &&
                   lane->starting + lane->idle + lane->busy == 0;
    if (!starves) {
        plan->starved_since_us = 0;
    } else if (!plan->starved_since_us) {
        plan->starved_since_us = now_us;
    }
    HOLDS(!starves || now_us - plan->starved_since_us <= w->starve_us, "%s has waited for %lld ms",
          lane->key, (long long)(now_us - plan->starved_since_us) / 1000);
}

// While a place is free, jobs do not wait longer than it takes to see that those that run are too
// slow: one start.
static void room_check(struct world *w, const struct lane *lane)
{
    struct plan *plan = world_plan(w, lane->key);
    int64_t now_us = loop_now_us(w->loop);
    const struct function *f = lane->function;
    bool may =
        f && f->state == FUNCTION_ACTIVE && f->reserved_concurrency != 0 &&
        (f->reserved_concurrency < 0 ||
         (lane->starting + lane->idle + lane->busy) * lane->concurrency < f->reserved_concurrency);
    bool room = may && !list_empty(&lane->queue) && lane->failures == 0 && lane->starting == 0 &&
                w->dispatch->workers < w->options.instances_max;
    if (!room) {
        plan->room_since_us = 0;
    } else if (!plan->room_since_us) {
        plan->room_since_us = now_us;
    }
    HOLDS(!room || now_us - plan->room_since_us <= 2 * lane->start_us, "%s has room for %lld ms",
          lane->key, (long long)(now_us - plan->room_since_us) / 1000);
}

// What is provisioned is there or on its way, unless it cannot be.
static void provision_check(struct world *w, const struct lane *lane)
{
    const struct plan *plan = world_plan(w, lane->key);
    const struct dispatch *d = lane->dispatch;
    bool may = lane->function && lane->function->state == FUNCTION_ACTIVE &&
               lane->function->reserved_concurrency != 0 && lane->failures == 0 && d->resumed &&
               !d->draining && !lane->provision_reason[0];
    int live = lane->starting + lane->idle + lane->busy;
    bool looked = timer_running(&lane->wake) && lane->wake.due_us <= loop_now_us(w->loop);
    HOLDS(lane->provisioned == plan->provisioned, "%s: %d provisioned, not %d", lane->key,
          lane->provisioned, plan->provisioned);
    HOLDS(!may || looked || live >= lane_kept(lane) || lane->starting >= w->options.instances_max ||
              !place_free(lane),
          "%s: %d instances of %d that are provisioned", lane->key, live, lane->provisioned);
}

void invariants_check(struct world *w)
{
    struct dispatch *d = w->dispatch;
    int workers = 0, stopping = 0, idle = 0, async = 0, inflight = 0;
    bool starving = false;
    size_t at = 0, flights = 0;
    for (struct lane *lane; (lane = map_next(&d->lanes, &at));) {
        if (strchr(lane->key, ':')) { // an alias
            HOLDS(list_empty(&lane->queue) && list_empty(&lane->workers), "%s has jobs", lane->key);
            inflight += (int)lane->inflight.count;
            continue;
        }
        workers_check(lane, &workers, &stopping, &async);
        queue_check(lane);
        flights_check(lane, &flights, &async);
        starving_check(w, lane);
        room_check(w, lane);
        provision_check(w, lane);
        idle += lane->idle;
        async += (int)lane->queued_async;
        inflight += (int)lane->inflight.count;
        bool hungry = !list_empty(&lane->hungry_link);
        starving = starving || (hungry && lane->starting + lane->idle + lane->busy == 0);
        HOLDS(!hungry || !list_empty(&lane->queue), "%s waits for a place with nothing to do",
              lane->key);
    }
    HOLDS(workers == d->workers && workers == w->fleet.live, "%d workers, counted %d, of %d",
          workers, d->workers, w->fleet.live);
    HOLDS(stopping == d->stopping, "%d stop, counted %d", stopping, d->stopping);
    HOLDS(idle == count(&d->idle), "%d idle, %d in the list", idle, count(&d->idle));
    answered_check(d, &async);
    HOLDS(flights == d->flights.count, "%zu flights, %zu known", flights, d->flights.count);
    HOLDS(inflight == async + d->settling, "%d rows in memory, %d jobs and %d endings", inflight,
          async, d->settling);
    HOLDS(!starving || timer_running(&d->look) || d->owed, "nobody looks for places");
    HOLDS(list_empty(&d->refused) || timer_running(&d->refuse), "nobody tells who was refused");
}
