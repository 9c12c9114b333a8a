// SPDX-License-Identifier: Apache-2.0
// The simulated fleet: instances are timers. It is also the judge of how it is used: what the real
// one would not survive does not hold here either.
#include "world.h"

enum stage { STARTING, IDLE, BUSY, ENDING };
enum next { NEXT_STARTED, NEXT_RESULT, NEXT_ENDED };

struct sim_instance {
    struct instance base;
    struct sim_fleet *fleet;
    struct plan *plan;
    struct function *function; // a reference
    enum stage stage;
    enum next next;
    enum tier tier;
    bool fails; // its job ends with a function error
    bool told_to_stop;
    const char *reason;
    struct list *batch;
    int64_t run_us;   // of the job that runs
    struct list runs; // struct sim_run, of one that takes several jobs at once
    struct timer timer;
    struct list link;
};

struct sim_run { // of a job beside others
    struct sim_instance *instance;
    struct job *job;
    int64_t run_us;
    bool fails;
    struct timer timer;
    struct list link;
};

static struct sim_fleet *fleet_of(const struct fleet *fleet)
{
    return CONTAINER_OF(fleet, struct sim_fleet, base);
}

static struct sim_instance *instance_of(struct instance *instance)
{
    return CONTAINER_OF(instance, struct sim_instance, base);
}

static void next_in(struct sim_instance *i, enum next next, int64_t delay_us)
{
    i->next = next;
    timer_start(i->fleet->world->loop, &i->timer, delay_us);
}

static void run_free(struct sim_run *run)
{
    timer_stop(run->instance->fleet->world->loop, &run->timer);
    list_remove(&run->link);
    run->instance->plan->running--;
    free(run);
}

static void instance_free(struct sim_instance *i)
{
    LIST_EACH(run, &i->runs, struct sim_run, link)
    {
        run_free(run);
    }
    timer_stop(i->fleet->world->loop, &i->timer);
    list_remove(&i->link);
    i->fleet->live -= i->stage != ENDING;
    function_unref(i->function);
    free(i);
}

static void idle_again(struct sim_instance *i)
{
    struct world *w = i->fleet->world;
    i->stage = IDLE;
    if (world_chance(w, i->plan->idle_death)) {
        i->reason = "died while idle";
        next_in(i, NEXT_ENDED, world_between(w, 0, 2 * w->options.idle_us));
    }
}

static void started(struct sim_instance *i)
{
    idle_again(i);
    i->base.init_failed = world_chance(i->fleet->world, i->plan->init_fail);
    i->fleet->events.on_started(i->fleet->events.ctx, &i->base, i->tier, 1000);
}

// Where nothing goes wrong, jobs are handed to instances in the order in which they came.
// (Who waits for the cache, or for another's answer, comes when that has ended.)
static void order_check(struct plan *plan, const struct job *job)
{
    if (plan->cached) {
        return;
    }
    if (!job->async) {
        HOLDS(!plan->steady || job->id > plan->last_id, "%s: job %llu goes after %llu", plan->name,
              (unsigned long long)job->id, (unsigned long long)plan->last_id);
        plan->last_id = job->id;
    } else if (job->attempt == 1) { // others failed because no instance could be started
        HOLDS(!plan->steady || faults.failed || job->row > plan->last_row,
              "%s: row %lld goes after %lld", plan->name, (long long)job->row,
              (long long)plan->last_row);
        plan->last_row = job->row;
    }
}

// Is this a job that may run now, here, and for the first time or again?
static void job_check(struct sim_instance *i, const struct job *job)
{
    struct world *w = i->fleet->world;
    struct plan *plan = i->plan;
    HOLDS(job->state == JOB_RUNNING, "a job of %s is run in state %d", plan->name, job->state);
    HOLDS(strcmp(job->function->name, plan->name) == 0, "a job of %s came to %s",
          job->function->name, plan->name);
    HOLDS(strcmp(i->function->revision, job->function->revision) == 0,
          "a job of %s came to another revision", plan->name);
    HOLDS(!plan->cached || job->flight || job->alone, "%s runs what another one may answer",
          plan->name);
    if (!job->async) {
        return;
    }
    HOLDS(job->row > 0 && job->attempt <= 1 + plan->retries_max, "row %lld, attempt %u",
          (long long)job->row, job->attempt);
    struct event *event = map_get(&w->events, str_of(job->request_id.text));
    if (event) {
        HOLDS(!event->rejected, "%s runs, but was never stored", event->request_id);
        event->runs++;
        int most_runs = (1 + (int)plan->retries_max) * (1 + w->restarts) + (int)faults.failed;
        HOLDS(event->runs <= most_runs, "%s runs for the %dth time", event->request_id,
              event->runs);
        return;
    }
    HOLDS(plan == w->sink, "%s: nobody sent %s", plan->name, job->request_id.text);
    static const char mark[] = "\"requestId\":\"";
    struct str record = bytes_str(job->payload);
    ptrdiff_t at = str_find_str(record, STR("\"requestId\":\""));
    HOLDS(at >= 0, "a record without a request id");
    event =
        map_get(&w->events, str_head(str_skip(record, (size_t)at + sizeof mark - 1), UUID_SIZE));
    HOLDS(event, "a record of something that nobody sent");
    event->sunk++;
}

static int64_t run_begin(struct sim_instance *i, struct job *job)
{
    struct world *w = i->fleet->world;
    struct plan *plan = i->plan;
    w->runs++;
    job->begun = true;
    job_check(i, job);
    bool is_short = plan->uneven && !world_chance(w, 50);
    return is_short ? plan->run_min_us : world_between(w, plan->run_min_us, plan->run_max_us);
}

// The first of the batch runs from now on.
static void job_run(struct sim_instance *i)
{
    struct world *w = i->fleet->world;
    struct plan *plan = i->plan;
    int64_t run_us = run_begin(i, LIST_FIRST(i->batch, struct job, link));
    i->run_us = run_us;
    i->fails = world_chance(w, plan->run_fail);
    if (world_chance(w, plan->run_hang)) {
        return;
    }
    if (world_chance(w, plan->run_crash)) {
        i->reason = "died while running";
        next_in(i, NEXT_ENDED, world_between(w, 0, run_us));
    } else {
        next_in(i, NEXT_RESULT, run_us);
    }
}

static void result_put(struct job *job, int64_t run_us, bool fails)
{
    job->result.run_us = run_us;
    job->result.status = fails ? JOB_FUNCTION_ERROR : JOB_OK;
    job->result.payload = fails          ? bytes_new(STR("{\"errorType\":\"E\"}"))
                          : job->payload ? bytes_ref(job->payload)
                                         : bytes_new(STR("null"));
}

static void run_due(struct timer *timer)
{
    struct sim_run *run = CONTAINER_OF(timer, struct sim_run, timer);
    struct sim_instance *i = run->instance;
    struct job *job = run->job;
    result_put(job, run->run_us, run->fails);
    run_free(run);
    if (list_empty(&i->runs)) {
        idle_again(i);
    }
    i->fleet->events.on_result(i->fleet->events.ctx, &i->base, job);
}

// Beside the others.
static void run_start(struct sim_instance *i, struct job *job)
{
    struct world *w = i->fleet->world;
    struct plan *plan = i->plan;
    struct sim_run *run = NEW(struct sim_run);
    order_check(plan, job);
    run->instance = i;
    run->job = job;
    run->timer.on_due = run_due;
    list_push_back(&i->runs, &run->link);
    plan->running++;
    run->run_us = run_begin(i, job);
    run->fails = world_chance(w, plan->run_fail);
    if (world_chance(w, plan->run_crash)) {
        i->reason = "died while running";
        next_in(i, NEXT_ENDED, world_between(w, 0, run->run_us));
    }
    if (!world_chance(w, plan->run_hang)) {
        timer_start(w->loop, &run->timer, run->run_us);
    }
}

static void result(struct sim_instance *i)
{
    struct job *job = LIST_FIRST(i->batch, struct job, link);
    bool last = i->batch->next == i->batch->prev;
    result_put(job, i->run_us, i->fails);
    if (last) {
        i->plan->running--;
        idle_again(i);
    }
    i->fleet->events.on_result(i->fleet->events.ctx, &i->base, job);
    if (!last) {
        job_run(i);
    }
}

static void ended(struct sim_instance *i)
{
    if (i->stage == BUSY && sim_concurrency(i->function) == 1) {
        i->plan->running--;
    }
    LIST_EACH(run, &i->runs, struct sim_run, link)
    {
        run_free(run);
    }
    i->stage = ENDING;
    i->fleet->live--; // its place is free when the dispatcher hears of it
    i->fleet->events.on_ended(i->fleet->events.ctx, &i->base, i->reason);
    instance_free(i);
}

static void due(struct timer *timer)
{
    struct sim_instance *i = CONTAINER_OF(timer, struct sim_instance, timer);
    switch (i->next) {
    case NEXT_STARTED: started(i); break;
    case NEXT_RESULT: result(i); break;
    case NEXT_ENDED: ended(i); break;
    }
}

static void fleet_listen(struct fleet *fleet, const struct fleet_events *events)
{
    fleet_of(fleet)->events = *events;
}

static struct instance *fleet_start(struct fleet *base, struct function *function, bool provisioned,
                                    void *data)
{
    struct sim_fleet *fleet = fleet_of(base);
    struct world *w = fleet->world;
    struct sim_instance *i = NEW(struct sim_instance);
    i->base = (struct instance){.fleet = base, .data = data, .pid = 1};
    i->fleet = fleet;
    i->plan = world_plan(w, function->name);
    i->function = function_ref(function);
    i->reason = "";
    i->timer.on_due = due;
    list_init(&i->runs);
    i->tier = map_get(&fleet->templates, str_of(function->revision)) ? TIER_WARM
              : fleet->runtime_up                                    ? TIER_COOL
                                                                     : TIER_COLD;
    fleet->runtime_up = true;
    list_push_back(&fleet->instances, &i->link);
    fleet->live++;
    int most = w->options.instances_max;
    for (int n = 0; n < w->plan_count; n++) {
        most += w->plans[n].provisioned;
    }
    HOLDS(fleet->live <= most, "%d instances of at most %d", fleet->live, most);
    HOLDS(!provisioned || i->plan->provisioned > 0, "%s has no provisioned ones", function->name);
    HOLDS(function->state == FUNCTION_ACTIVE && function->reserved_concurrency != 0,
          "%s may not be started", function->name);
    int64_t start_us = i->plan->start_us[i->tier];
    if (world_chance(w, i->plan->start_hang)) {
        return &i->base;
    }
    if (world_chance(w, i->plan->start_crash)) {
        i->reason = "died while starting";
        next_in(i, NEXT_ENDED, world_between(w, 0, start_us));
    } else {
        next_in(i, NEXT_STARTED, world_between(w, start_us / 2, start_us));
    }
    return &i->base;
}

// What is under way may go on when the bound sinks.
static void reserved_check(const struct sim_instance *i, const struct job *job)
{
    int64_t most = job->function->reserved_concurrency;
    HOLDS(most < 0 || i->plan->running <= most, "%d of %s run, %lld may", i->plan->running,
          i->plan->name, (long long)most);
}

static void fleet_run(struct fleet *base, struct instance *instance, struct list *batch)
{
    struct world *w = fleet_of(base)->world;
    struct sim_instance *i = instance_of(instance);
    HOLDS(i->stage == IDLE && !i->told_to_stop, "a job for an instance that is not idle");
    HOLDS(!list_empty(batch), "an empty batch");
    timer_stop(w->loop, &i->timer);
    i->stage = BUSY;
    i->batch = batch;
    struct job *first = LIST_FIRST(batch, struct job, link);
    if (sim_concurrency(i->function) > 1) {
        HOLDS(batch->next == batch->prev, "two jobs for one that is given them one by one");
        run_start(i, first);
        reserved_check(i, first);
        return;
    }
    i->plan->running++;
    reserved_check(i, first);
    w->batches += batch->next != batch->prev;
    LIST_EACH(job, batch, struct job, link)
    {
        order_check(i->plan, job);
    }
    job_run(i);
}

static void fleet_stop(struct fleet *base, struct instance *instance)
{
    struct world *w = fleet_of(base)->world;
    struct sim_instance *i = instance_of(instance);
    HOLDS(i->stage == IDLE && !i->told_to_stop, "only who is idle is told to stop");
    i->told_to_stop = true;
    timer_stop(w->loop, &i->timer);
    if (!world_chance(w, i->plan->deaf)) {
        next_in(i, NEXT_ENDED, world_between(w, 0, 5000));
    }
}

static void fleet_kill(struct fleet *base, struct instance *instance)
{
    (void)base;
    struct sim_instance *i = instance_of(instance);
    i->reason = "killed";
    next_in(i, NEXT_ENDED, 0);
}

static void fleet_warm(struct fleet *base, struct function *function)
{
    struct sim_fleet *fleet = fleet_of(base);
    fleet->runtime_up = true;
    map_put(&fleet->templates, str_of(function->revision), fleet);
}

static void fleet_forget(struct fleet *base, struct function *function)
{
    map_remove(&fleet_of(base)->templates, str_of(function->revision));
}

int sim_concurrency(const struct function *function)
{
    int64_t number = 1;
    (void)str_to_i64(str_of(function->environment), &number);
    return (int)number;
}

static int fleet_concurrency(const struct fleet *base, const struct function *function)
{
    (void)base;
    return sim_concurrency(function);
}

static void fleet_more(struct fleet *base, struct instance *instance, struct job *job)
{
    (void)base;
    struct sim_instance *i = instance_of(instance);
    int load = 1;
    LIST_EACH(run, &i->runs, struct sim_run, link)
    {
        load++;
    }
    HOLDS(i->stage == BUSY && !i->told_to_stop, "one more for an instance that is not at work");
    HOLDS(load <= sim_concurrency(i->function), "%d jobs for one of %s", load, i->plan->name);
    run_start(i, job);
    reserved_check(i, job);
}

// What it does goes on: it is not idle again before it ends.
static void fleet_take_back(struct fleet *base, struct instance *instance, struct job *job)
{
    (void)base;
    struct sim_instance *i = instance_of(instance);
    struct sim_run *taken = NULL;
    LIST_EACH(run, &i->runs, struct sim_run, link)
    {
        taken = run->job == job ? run : taken;
    }
    HOLDS(taken, "a job is taken back that was not given");
    run_free(taken);
}

static int fleet_templates(const struct fleet *base)
{
    const struct sim_fleet *fleet = fleet_of(base);
    return (int)fleet->templates.count + fleet->runtime_up;
}

static bool fleet_relieve(struct fleet *base)
{
    struct sim_fleet *fleet = fleet_of(base);
    bool any = fleet->templates.count > 0;
    map_done(&fleet->templates);
    return any;
}

static const struct fleet_ops sim_fleet_ops = {
    .listen = fleet_listen,
    .start = fleet_start,
    .run = fleet_run,
    .concurrency = fleet_concurrency,
    .more = fleet_more,
    .take_back = fleet_take_back,
    .stop = fleet_stop,
    .kill = fleet_kill,
    .warm = fleet_warm,
    .forget = fleet_forget,
    .templates = fleet_templates,
    .relieve = fleet_relieve,
};

void sim_fleet_init(struct sim_fleet *fleet, struct world *w)
{
    *fleet = (struct sim_fleet){.base.ops = &sim_fleet_ops, .world = w};
    list_init(&fleet->instances);
}

void sim_fleet_done(struct sim_fleet *fleet)
{
    LIST_EACH(i, &fleet->instances, struct sim_instance, link)
    {
        instance_free(i);
    }
    map_done(&fleet->templates);
    for (int n = 0; n < fleet->world->plan_count; n++) {
        fleet->world->plans[n].running = 0;
    }
}
