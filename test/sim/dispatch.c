// SPDX-License-Identifier: Apache-2.0
// The dispatcher, the outbox, results and the store in one process on a made-up clock: seeded
// workloads on functions that come, change, fail and go, with drains and crashes in between.
//
//   test_sim_dispatch            many seeds, a line only when one fails
//   ROUSE_SIM_SEED=N …           that one alone; with ROUSE_SIM_FAULT=N its Nth operation fails
//   ROUSE_SIM_RUNS=N …           so many seeds
#include "base/clock.h"
#include "base/log.h"
#include "bus/bus.h"
#include "observe/logs.h"
#include "store/bucket.h"
#include "store/function.h"
#include "store/job.h"
#include "store/object.h"
#include "world.h"

#define MINUTE_US (60 * 1000000ll)
#define ACTIONS   60 // of clients and operators in a run
#if defined(__has_feature)
#define HAS_FEATURE(name) __has_feature(name)
#else
#define HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
    HAS_FEATURE(address_sanitizer) || HAS_FEATURE(thread_sanitizer)
#define RUNS 60
#else
#define RUNS 300
#endif

struct plan *world_plan(struct world *w, const char *name)
{
    for (int i = 0; i < w->plan_count; i++) {
        if (strcmp(w->plans[i].name, name) == 0) {
            return &w->plans[i];
        }
    }
    HOLDS(false, "no function is called %s", name);
    return NULL;
}

// ── functions ──

static void plan_make(struct world *w, struct plan *plan, int number)
{
    *plan = (struct plan){.timeout_s = (uint32_t)world_between(w, 1, 20),
                          .retries_max = (uint32_t)world_between(w, 0, 2),
                          .event_age_s = (uint32_t)world_between(w, 60, 21600)};
    snprintf(plan->name, sizeof plan->name, number ? "f%d" : "sink", number);
    plan->start_us[TIER_WARM] = world_between(w, 1000, 20000);
    plan->start_us[TIER_COOL] = world_between(w, 20000, 200000);
    plan->start_us[TIER_COLD] = world_between(w, 100000, 2000000);
    plan->run_min_us = world_between(w, 10, 100000);
    plan->run_max_us = plan->run_min_us + world_between(w, 10, (int64_t)plan->timeout_s * 900000);
    if (world_chance(w, 300)) { // so short that several of them make a batch
        plan->run_min_us = world_between(w, 1, 50);
        plan->run_max_us = plan->run_min_us + world_between(w, 10, 500);
    }
    plan->uneven = world_chance(w, 500);
    plan->steady = number == 0 || world_chance(w, 400);
    plan->aliased = !plan->steady && world_chance(w, 500);
    plan->cached = number > 0 && world_chance(w, 400);
    plan->concurrency = number > 0 && world_chance(w, 300) ? (int)world_between(w, 2, 8) : 1;
    plan->start_crash = world_chance(w, 300) ? (int)world_between(w, 1, 400) : 0;
    plan->start_hang = world_chance(w, 100) ? 50 : 0;
    plan->init_fail = world_chance(w, 200) ? (int)world_between(w, 1, 500) : 0;
    plan->idle_death = world_chance(w, 300) ? 100 : 0;
    plan->deaf = world_chance(w, 300) ? 200 : 0;
    plan->run_fail = world_chance(w, 500) ? (int)world_between(w, 1, 600) : 0;
    plan->run_crash = plan->steady || world_chance(w, 500) ? 0 : (int)world_between(w, 1, 300);
    plan->run_hang = plan->steady || world_chance(w, 500) ? 0 : (int)world_between(w, 1, 100);
    plan->on_success = world_chance(w, 200) ? "arn:aws:lambda:us-east-1:000000000000:function:sink"
                                            : "arn:aws:s3:::results/ok/";
    plan->on_failure = "arn:aws:s3:::results/failed/";
    if (plan->steady) {
        plan->run_fail = 0;
        plan->run_max_us = plan->run_min_us + 100000;
    }
    if (number == 0) {
        plan->start_crash = plan->start_hang = 0;
        plan->on_success = plan->on_failure = NULL;
        plan->event_age_s = 21600;
    }
}

static struct function *function_of(const struct plan *plan, int64_t reserved,
                                    enum function_state state)
{
    struct function *f = function_new();
    f->name = mem_dup(plan->name);
    f->version = mem_dup("$LATEST");
    bool same = plan->function && world_chance(world, 300); // only its settings have changed
    f->revision = mem_dup(same ? plan->function->revision : uuid_new().text);
    int concurrency = same ? sim_concurrency(plan->function) : plan->concurrency;
    f->runtime = mem_dup(concurrency > 1 ? "provided" : "onnx");
    f->environment = mem_printf("%d", concurrency);
    f->extra = plan->cached ? mem_dup("{\"Cache\":{\"TtlSeconds\":30}}") : NULL;
    f->timeout_s = plan->timeout_s;
    f->async.retries_max = plan->retries_max;
    f->async.event_age_max_s = plan->event_age_s;
    f->reserved_concurrency = reserved;
    f->state = state;
    f->async.on_success = mem_dup(plan->on_success);
    f->async.on_failure = mem_dup(plan->on_failure);
    f->dead_letter = mem_dup(plan->on_failure ? "arn:aws:s3:::results/dead/" : NULL);
    return f;
}

static void alias_set(struct world *w, const struct plan *plan)
{
    if (!plan->aliased || !plan->function) {
        return;
    }
    CLEAN(alias_clean) struct alias *alias = alias_new();
    alias->function = mem_dup(plan->name);
    alias->name = mem_dup(ALIAS);
    alias->version = mem_dup("$LATEST");
    async_rules_set(&alias->async, &plan->function->async);
    dispatch_alias_set(w->dispatch, alias);
}

static void plan_set(struct world *w, struct plan *plan, int64_t reserved,
                     enum function_state state)
{
    struct function *f = function_of(plan, reserved, state);
    function_unref(plan->function);
    plan->function = f;
    dispatch_function_set(w->dispatch, f);
    alias_set(w, plan);
}

static void plan_provision(struct world *w, struct plan *plan, int count)
{
    plan->provisioned = count;
    dispatch_provision(w->dispatch, str_of(plan->name), count);
}

static int64_t reserved_any(struct world *w)
{
    static const int64_t some[] = {-1, -1, -1, 0, 1, 1, 2, 3};
    return some[world_random(w) % ARRAY_SIZE(some)];
}

// ── up and down ──

static int bucket_run(struct store_task *task, struct db *db, struct err *err)
{
    (void)task;
    struct bucket bucket = {STR("results"), STR("us-east-1"), 1000};
    CLEAN(function_clean) struct function *sink = function_new(); // a destination has to be there
    sink->name = mem_dup("sink");
    sink->version = mem_dup("$LATEST");
    TRY(function_version_put(db, "/packages", sink, err));
    return bucket_create(db, &bucket, err);
}

static void nothing_done(struct store_task *task)
{
    (void)task;
}

static void world_up(struct world *w)
{
    struct err err = {0};
    int64_t commit_us = world_between(w, 0, 5000);
    HOLDS(store_open_inline(w->loop, w->dir, commit_us, &w->store, &err) == 0, "%s", err.text);
    CLEAN_MEM char *logs = mem_printf("%s/logs", w->dir);
    w->observe = observe_new(w->loop, logs, 1 << 20, 2);
    w->options.cache = &w->cache.base;
    sim_fleet_init(&w->fleet, w);
    w->dispatch = dispatch_new(w->loop, w->store, &w->fleet.base, w->observe, &w->options);
    for (int i = 0; i < w->plan_count; i++) {
        w->plans[i].last_row = 0;
        if (w->plans[i].function) {
            dispatch_function_set(w->dispatch, w->plans[i].function);
            alias_set(w, &w->plans[i]);
        }
        dispatch_provision(w->dispatch, str_of(w->plans[i].name), w->plans[i].provisioned);
    }
    struct faults as_before = faults;
    faults = (struct faults){0}; // a server that cannot read its outbox does not start
    HOLDS(dispatch_resume(w->dispatch, &err) == 0, "%s", err.text);
    faults = as_before;
}

static void world_down(struct world *w)
{
    store_close(w->store);
    dispatch_free(w->dispatch);
    sim_cache_down(&w->cache);
    sim_fleet_done(&w->fleet);
    observe_free(w->observe);
}

static void world_begin(struct world *w, uint64_t seed)
{
    *w = (struct world){.seed = seed, .random = seed};
    struct err err = {0};
    HOLDS(loop_new(LOOP_SIMULATED, &w->loop, &err) == 0, "%s", err.text);
    world_dir_make(w);
    sim_cache_init(&w->cache, w);
    w->plan_count = (int)world_between(w, 2, PLANS_MAX);
    for (int i = 0; i < w->plan_count; i++) {
        plan_make(w, &w->plans[i], i);
    }
    w->sink = &w->plans[0];
    w->options = (struct dispatch_options){
        .idle_us = world_between(w, 100000, MINUTE_US),
        .instances_max = (int)world_between(w, 1, 4),
        .queue_max = (size_t)world_between(w, 5, 200),
        .hold_us = world_between(w, 1000000, 2 * MINUTE_US),
        .retry_us = world_between(w, 1000, MINUTE_US),
        .region = "us-east-1",
    };
    // Each before it in line keeps a place for a job, a start that hangs, and the end of both.
    w->starve_us = 0;
    for (int i = 0; i < w->plan_count; i++) {
        int64_t start_us = w->plans[i].start_hang ? MINUTE_US : w->plans[i].start_us[TIER_COLD];
        w->starve_us += start_us + (w->plans[i].timeout_s + 2) * 1000000ll;
    }
    w->starve_us *= 2;
    world_up(w);
    struct store_task making = {.run = bucket_run, .on_done = nothing_done};
    struct faults as_before = faults;
    faults = (struct faults){0};
    store_submit(w->store, &making);
    loop_run(w->loop);
    HOLDS(making.rc == 0, "%s", making.err.text);
    faults = as_before;
    plan_set(w, w->sink, -1, FUNCTION_ACTIVE);
}

static void world_end(struct world *w)
{
    world_down(w);
    for (int i = 0; i < w->plan_count; i++) {
        function_unref(w->plans[i].function);
    }
    size_t at = 0;
    for (struct event *event; (event = map_next(&w->events, &at));) {
        free(event);
    }
    map_done(&w->events);
    sim_cache_done(&w->cache);
    loop_free(w->loop);
    world_dir_remove(w);
}

// ── what clients do ──

struct call { // a synchronous invocation and whoever waits for it
    struct world *world;
    struct plan *plan;
    struct bytes *payload;
    size_t waiting; // before it came
    int64_t at_us;
    bool draining;
};

static void call_settled(struct job *job)
{
    struct call *call = job->data;
    struct world *w = call->world;
    const struct job_result *r = &job->result;
    int64_t took_us = loop_now_us(w->loop) - call->at_us;
    HOLDS(job->state == JOB_SETTLED, "state %d", job->state);
    HOLDS(r->status != JOB_OK || str_eq(bytes_str(r->payload), bytes_str(call->payload)),
          "%s: not the answer to this question", call->plan->name);
    HOLDS(r->status == JOB_OK || r->status == JOB_REFUSED || r->payload, "an error without words");
    HOLDS(r->status != JOB_TIMED_OUT || call->plan->run_hang, "%s timed out", call->plan->name);
    if (r->status == JOB_REFUSED && strstr(r->err.text, "too many requests")) {
        HOLDS(call->waiting >= w->options.queue_max, "refused with %zu waiting", call->waiting);
    } else if (r->status == JOB_REFUSED && strstr(r->err.text, "in time")) {
        HOLDS(took_us >= w->options.hold_us, "given up after %lld ms", (long long)took_us / 1000);
    } else if (r->status == JOB_REFUSED && r->err.code == ERR_UNAVAILABLE) {
        HOLDS(call->draining, "nobody said that the server stops");
    }
    HOLDS(r->tier != TIER_CACHED || (call->plan->cached && r->status == JOB_OK && r->payload),
          "%s: nothing from the cache", call->plan->name);
    w->cached += r->tier == TIER_CACHED;
    // Twice, when its instance was lost; and before that it may have waited for another one's answer.
    int64_t once_us = w->options.hold_us + (call->plan->timeout_s + 1) * 1000000ll;
    int64_t most_us = (call->plan->cached ? 4 : 2) * once_us;
    HOLDS(took_us <= most_us, "%s: settled after %lld ms", call->plan->name,
          (long long)took_us / 1000);
    w->sync_open--;
    w->sync_settled++;
    bytes_unref(call->payload);
    free(call);
}

static void call_send(struct world *w, struct plan *plan)
{
    struct call *call = NEW(struct call);
    const struct lane *lane = lane_of(w->dispatch, str_of(plan->name));
    uint64_t number = world_random(w) % (plan->cached ? 20 : UINT64_MAX);
    CLEAN_MEM char *text = mem_printf("{\"n\":%llu}", (unsigned long long)number);
    *call = (struct call){.world = w,
                          .plan = plan,
                          .payload = bytes_new(str_of(text)),
                          .waiting = lane->queued_sync + lane->cached.waiting_sync,
                          .at_us = loop_now_us(w->loop),
                          .draining = w->dispatch->draining};
    struct job *job = job_new(plan->function, call->payload);
    job->data = call;
    job->on_settled = call_settled;
    w->sync_open++;
    dispatch_submit(w->dispatch, job);
    if (world_chance(w, 50)) { // whoever wanted it has gone; told never from inside a call
        dispatch_cancel(w->dispatch, job);
    }
}

struct sending {
    struct store_task task;
    struct world *world;
    struct event *event;
    char key[LANE_MAX + sizeof ALIAS];
    int64_t now_ms;
};

static int send_run(struct store_task *task, struct db *db, struct err *err)
{
    struct sending *s = CONTAINER_OF(task, struct sending, task);
    struct job_row row = {.function = str_of(s->key),
                          .payload = STR("{\"an\":\"event\"}"),
                          .request_id = str_of(s->event->request_id),
                          .created_ms = s->now_ms,
                          .due_ms = s->now_ms,
                          .attempt = 1};
    int64_t id = job_row_insert(db, &row, err);
    return id < 0 ? (int)id : 0;
}

static void send_done(struct store_task *task)
{
    struct sending *s = CONTAINER_OF(task, struct sending, task);
    *(task->rc < 0 ? &s->event->rejected : &s->event->acknowledged) = true;
    if (task->rc >= 0) {
        dispatch_wake(s->world->dispatch, str_of(s->key));
    }
    free(s);
}

static void event_send(struct world *w, struct plan *plan)
{
    struct event *event = NEW(struct event);
    event->plan = plan;
    struct uuid id = uuid_new();
    memcpy(event->request_id, id.text, sizeof event->request_id);
    map_put(&w->events, str_of(event->request_id), event);
    struct sending *s = NEW(struct sending);
    *s = (struct sending){.task = {.run = send_run, .on_done = send_done},
                          .world = w,
                          .event = event,
                          .now_ms = loop_wall_ms(w->loop)};
    bool aliased = plan->aliased && world_chance(w, 500);
    snprintf(s->key, sizeof s->key, "%s%s", plan->name, aliased ? ":" ALIAS : "");
    store_submit(w->store, &s->task);
}

struct removing {
    struct store_task task;
    struct world *world;
    struct plan *plan;
};

static int remove_run(struct store_task *task, struct db *db, struct err *err)
{
    struct removing *r = CONTAINER_OF(task, struct removing, task);
    CLEAN_MEM char *alias = mem_printf("%s:" ALIAS, r->plan->name);
    TRY(job_row_delete_function(db, str_of(r->plan->name), err));
    return job_row_delete_function(db, str_of(alias), err);
}

static void remove_done(struct store_task *task)
{
    struct removing *r = CONTAINER_OF(task, struct removing, task);
    struct world *w = r->world;
    if (task->rc >= 0) {
        dispatch_function_remove(w->dispatch, str_of(r->plan->name));
        r->plan->provisioned = 0;
        function_unref(r->plan->function);
        r->plan->function = NULL;
        size_t at = 0;
        for (struct event *event; (event = map_next(&w->events, &at));) {
            event->removed = event->removed || event->plan == r->plan;
        }
    }
    free(r);
}

static void plan_remove(struct world *w, struct plan *plan)
{
    struct removing *r = NEW(struct removing);
    *r = (struct removing){
        .task = {.run = remove_run, .on_done = remove_done}, .world = w, .plan = plan};
    store_submit(w->store, &r->task);
}

// ── the end of a run, and of a server ──

static void on_drained(void *ctx)
{
    ((struct world *)ctx)->drained = true;
}

static void drain(struct world *w)
{
    w->drained = false;
    dispatch_drain(w->dispatch, on_drained, w);
    HOLDS(!w->drained, "told from inside the call");
    while (!w->drained) {
        if (world_chance(w, 20) && w->sink->function) {
            call_send(w, w->sink);
        }
        HOLDS(loop_turn(w->loop, 0), "it never drains");
        invariants_check(w);
    }
    HOLDS(w->sync_open == 0, "%llu calls are open", (unsigned long long)w->sync_open);
    HOLDS(dispatch_totals(w->dispatch).running == 0, "something runs");
    world_down(w);
    w->restarts++;
    world_up(w);
}

static void calls_forget(struct list *jobs)
{
    LIST_EACH(job, jobs, struct job, link)
    {
        struct call *call = job->data;
        if (call) {
            bytes_unref(call->payload);
            free(call);
        }
    }
}

// Power fails: what was not committed is not there, and nobody is told anything.
static void crash(struct world *w)
{
    bool as_before = faults.all;
    faults.all = true;
    store_close(w->store);
    faults.all = as_before;
    size_t at = 0;
    for (struct lane *lane; (lane = map_next(&w->dispatch->lanes, &at));) {
        calls_forget(&lane->queue);
        LIST_EACH(worker, &lane->workers, struct worker, link)
        {
            calls_forget(&worker->batch);
        }
        LIST_EACH(flight, &lane->cached.flights, struct flight, link)
        {
            calls_forget(&flight->waiting);
        }
    }
    calls_forget(&w->dispatch->refused);
    calls_forget(&w->dispatch->answered);
    w->sync_open = 0;
    dispatch_free(w->dispatch);
    sim_cache_down(&w->cache);
    sim_fleet_done(&w->fleet);
    observe_free(w->observe);
    w->restarts++;
    world_up(w);
}

static int row_seen(void *ctx, const struct job_row *row)
{
    map_put(ctx, row->request_id, ctx);
    return 0;
}

static int object_there(struct world *w, const char *prefix, const char *request_id)
{
    CLEAN_MEM char *key = mem_printf("%s/%s.json", prefix, request_id);
    struct object object = {0};
    struct err err = {0};
    int rc = object_get(store_reader(w->store), STR("results"), str_of(key), false, &object, &err);
    HOLDS(rc >= 0, "%s", err.text);
    if (rc == 1) {
        object_done(&object);
    }
    return rc;
}

// Every event that was acknowledged has ended once, or is a row of the outbox still.
static void events_check(struct world *w)
{
    struct err err = {0};
    struct map rows = {0};
    for (int i = 0; i < w->plan_count; i++) {
        struct plan *plan = &w->plans[i];
        CLEAN_MEM char *alias = mem_printf("%s:" ALIAS, plan->name);
        int count = job_row_each_due(store_reader(w->store), str_of(plan->name), INT64_MAX, 1000000,
                                     row_seen, &rows, &err);
        int more = job_row_each_due(store_reader(w->store), str_of(alias), INT64_MAX, 1000000,
                                    row_seen, &rows, &err);
        HOLDS(count >= 0 && more >= 0, "%s", err.text);
        count += more;
        HOLDS(count == 0 || !plan->function || plan->function->state != FUNCTION_ACTIVE,
              "%s: %d rows and nothing happens", plan->name, count);
    }
    size_t at = 0;
    for (struct event *event; (event = map_next(&w->events, &at));) {
        int row = map_get(&rows, str_of(event->request_id)) != NULL;
        int ended = object_there(w, "ok", event->request_id) +
                    object_there(w, "failed", event->request_id) + (event->sunk > 0);
        CLEAN_MEM char *letter = mem_printf("%s.event", event->request_id);
        HOLDS(object_there(w, "failed", event->request_id) == object_there(w, "dead", letter),
              "%s failed without a dead letter, or did not and has one", event->request_id);
        HOLDS(event->acknowledged != event->rejected, "%s: the store did not say",
              event->request_id);
        HOLDS(ended + row <= 1, "%s of %s: %d ends, %d rows", event->request_id, event->plan->name,
              ended, row);
        if (event->rejected) {
            HOLDS(ended + row + event->runs == 0, "%s was refused and is there", event->request_id);
        } else if (event->plan != w->sink) {
            HOLDS(event->removed || ended + row == 1, "%s of %s: %d ends, %d rows after %d runs",
                  event->request_id, event->plan->name, ended, row, event->runs);
        }
    }
    map_done(&rows);
}

// With nothing more to do it all comes to rest by itself, and soon.
static void rest(struct world *w)
{
    for (int i = 1; i < w->plan_count; i++) {
        if (w->plans[i].function && w->plans[i].function->state == FUNCTION_PENDING) {
            plan_set(w, &w->plans[i], -1, FUNCTION_ACTIVE);
        }
    }
    for (int i = 0; i < w->plan_count; i++) {
        plan_provision(w, &w->plans[i], 0);
    }
    uint64_t turns = 0;
    while (loop_turn(w->loop, 0)) {
        invariants_check(w);
        struct dispatch_counts now = dispatch_totals(w->dispatch);
        turns++;
        if (now.queued || now.running || w->dispatch->settling) {
            turns = 0;
        }
        HOLDS(turns < 1000, "much ado about nothing");
    }
    HOLDS(w->sync_open == 0, "%llu calls were never answered", (unsigned long long)w->sync_open);
    HOLDS(w->fleet.live == 0, "%d instances stay", w->fleet.live);
    struct dispatch_counts totals = dispatch_totals(w->dispatch);
    HOLDS(totals.queued + totals.running + totals.instances == 0, "something is left");
    struct faults as_before = faults;
    faults = (struct faults){0};
    events_check(w);
    faults = as_before;
}

// ── a run ──

static void act(struct world *w, bool restarts)
{
    struct plan *plan = &w->plans[world_random(w) % (uint64_t)w->plan_count];
    int64_t what = world_between(w, 0, 99);
    bool there = plan->function != NULL;
    int64_t many = world_chance(w, 100) ? world_between(w, 50, 200) : world_between(w, 1, 15);
    if (what < 40 && there) {
        for (int64_t i = 0; i < many; i++) {
            call_send(w, plan);
        }
    } else if (what < 70 && there) {
        for (int64_t i = 0; i < many; i++) {
            event_send(w, plan);
        }
    } else if (what < 85 && plan != w->sink) {
        int state = (int)world_between(w, 0, 9);
        plan_set(w, plan, reserved_any(w),
                 state == 0   ? FUNCTION_FAILED
                 : state == 1 ? FUNCTION_PENDING
                              : FUNCTION_ACTIVE);
    } else if (what < 89 && there && plan != w->sink) {
        plan_remove(w, plan);
    } else if (what < 91) {
        dispatch_relieve(w->dispatch);
    } else if (what < 92 && plan != w->sink) {
        plan_provision(w, plan, (int)world_between(w, 0, 3));
    } else if (what < 94 && restarts) {
        drain(w);
    } else if (what < 96 && restarts) {
        crash(w);
    }
    invariants_check(w);
}

static void nothing_due(struct timer *timer)
{
    (void)timer;
}

static uint64_t batches, cached; // of more than one job, and answers from the cache, in all runs

static void run(uint64_t seed, int actions, int fault_chance, uint64_t fault_at, bool restarts)
{
    struct world w;
    world = &w;
    faults = (struct faults){0};
    world_begin(&w, seed);
    faults = (struct faults){.chance = fault_chance, .fault_at = fault_at};
    for (int i = 0; i < actions; i++) {
        act(&w, restarts);
        // Short breaths mostly, and now and then a long one in which instances grow old.
        int64_t pause_us = world_chance(&w, 100) ? world_between(&w, 0, 10 * MINUTE_US)
                                                 : world_between(&w, 0, 300000);
        struct timer pause = {.on_due = nothing_due};
        timer_start(w.loop, &pause, pause_us);
        while (timer_running(&pause)) {
            loop_turn(w.loop, 0);
            invariants_check(&w);
        }
    }
    faults.chance = 0;
    rest(&w);
    batches += w.batches;
    cached += w.cached;
    world_end(&w);
}

// Odd seeds meet faults in a few of a thousand operations of the database.
static int chance_of(uint64_t seed)
{
    return seed % 2 ? (int)(seed / 2 % 4) * 20 : 0;
}

int main(void)
{
    world_say_seed();
    log_setup(getenv("ROUSE_SIM_LOG") ? LOG_DEBUG : (enum log_level)(LOG_ERROR + 1), false);
    uint64_t seed = world_number("ROUSE_SIM_SEED", 0);
    uint64_t fault_at = world_number("ROUSE_SIM_FAULT", 0);
    if (seed) {
        run(seed, fault_at ? 12 : ACTIONS, fault_at ? 0 : chance_of(seed), fault_at, !fault_at);
        return 0;
    }
    uint64_t runs = world_number("ROUSE_SIM_RUNS", RUNS);
    for (seed = 1; seed <= runs; seed++) {
        run(seed, ACTIONS, chance_of(seed), 0, true);
    }
    // Single operations of a short run fail: each of the first ones, later ones less densely.
    uint64_t singles = 0;
    for (seed = 1000; seed < 1000 + (runs + 99) / 100; seed++) {
        do {
            fault_at += 1 + fault_at / 64;
            run(seed, 12, 0, fault_at, false);
            singles++;
        } while (faults.failed);
        fault_at = 0;
    }
    printf("%llu seeds, %llu single faults, %llu batches, %llu cached\n", (unsigned long long)runs,
           (unsigned long long)singles, (unsigned long long)batches, (unsigned long long)cached);
    return 0;
}
