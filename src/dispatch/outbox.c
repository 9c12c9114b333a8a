// SPDX-License-Identifier: Apache-2.0
// Asynchronous jobs: rows of the outbox, a window of which is in memory. A row is removed, or put
// off for a retry, in the transaction that delivers the result to its destination; until that is
// committed the row is there, so that whatever dies, the event is handled again.
//
//     row ──load──► queue … settled ──► {delete row + destination} or {attempt + 1, due later}
//
// The rows of an alias are in memory as its lane's, its jobs run in the lane of the version that was
// chosen when they were loaded; a retry chooses anew.
#include "dispatch/internal.h"
#include "base/log.h"
#include "bus/bus.h"
#include "result/destination.h"
#include "store/job.h"
#include "store/store.h"

#include <stdio.h>
#include <sys/random.h>

struct ending {
    struct store_task task;
    struct dispatch *d;
    struct lane *lane; // whose row it is
    struct job *job;
    bool again; // to be retried at due_ms, else the row goes
    int64_t due_ms;
    struct destination destination; // of the result; empty when there is none
    struct destination dead_letter; // the event itself, when it has failed; or empty
    struct bus_emitted emitted;
};

static void ending_free(struct ending *e)
{
    destination_done(&e->destination);
    destination_done(&e->dead_letter);
    bus_emitted_done(&e->emitted);
    job_free(e->job);
    free(e);
}

static void inflight_remove(struct lane *lane, int64_t row)
{
    char id[24];
    int size = snprintf(id, sizeof id, "%lld", (long long)row);
    map_remove(&lane->inflight, str_n(id, (size_t)size));
}

static struct lane *home_of(struct lane *lane, const struct job *job)
{
    if (!job->alias) {
        return lane;
    }
    CLEAN_MEM char *key = mem_printf("%s:%s", job->alias->function, job->alias->name);
    return lane_of(lane->dispatch, str_of(key));
}

void outbox_forget(struct lane *lane, struct job *job)
{
    inflight_remove(home_of(lane, job), job->row);
    cached_end(lane->dispatch, job, /* settled */ false);
    job_free(job);
}

void outbox_again(struct lane *lane, const struct job *job)
{
    timer_start(lane->dispatch->loop, &home_of(lane, job)->outbox_due, 0);
}

static int ending_run(struct store_task *task, struct db *db, struct err *err)
{
    struct ending *e = CONTAINER_OF(task, struct ending, task);
    if (e->again) {
        return job_row_retry(db, e->job->row, (int64_t)e->job->attempt + 1, e->due_ms, err);
    }
    TRY(job_row_delete(db, e->job->row, err));
    TRY(destination_deliver(db, &e->destination, &e->emitted, err));
    return destination_deliver(db, &e->dead_letter, &e->emitted, err);
}

// A result that cannot be recorded (a full disk) is handled as if the job had never run: the row
// is still there and is looked at again a little later.
static void ending_done(struct store_task *task)
{
    struct ending *e = CONTAINER_OF(task, struct ending, task);
    struct dispatch *d = e->d;
    struct lane *lane = e->lane;
    inflight_remove(lane, e->job->row);
    d->settling--;
    if (task->rc < 0) {
        log_error("the end of a job of %s could not be recorded, it will run again: %s", lane->key,
                  task->err.text);
        timer_start(d->loop, &lane->outbox_due, 1000000);
    } else {
        dispatch_wake_emitted(d, &e->emitted);
        if (e->again || lane->outbox_more) {
            outbox_load(lane);
        }
    }
    ending_free(e);
    drained_check(d);
}

// Twice as long for each further attempt, and up to half as much again by chance, so that what
// failed together does not come back together.
static int64_t retry_delay_ms(const struct dispatch *d, uint32_t attempt)
{
    uint32_t chance = 0;
    (void)!getrandom(&chance, sizeof chance, GRND_NONBLOCK);
    int64_t delay_ms = d->options.retry_us / 1000 << (attempt - 1);
    return delay_ms + (int64_t)chance % (delay_ms / 2 + 1);
}

static const char *condition_of(const struct job *job, bool age_exceeded)
{
    if (job->result.status == JOB_OK) {
        return "Success";
    }
    if (job->result.status == JOB_REFUSED && job->function->reserved_concurrency == 0) {
        return "ZeroReservedConcurrency";
    }
    return age_exceeded ? "EventAgeExceeded" : "RetriesExhausted";
}

void outbox_settle(struct lane *lane, struct job *job)
{
    struct dispatch *d = lane->dispatch;
    struct ending *e = NEW(struct ending);
    *e = (struct ending){.task = {.run = ending_run, .on_done = ending_done},
                         .d = d,
                         .lane = home_of(lane, job),
                         .job = job};
    const struct async_rules *rules = job_rules(job);
    int64_t age_max_ms = (int64_t)rules->event_age_max_s * 1000;
    int64_t now_ms = loop_wall_ms(d->loop);
    bool ok = job->result.status == JOB_OK;
    if (!ok && job->result.status != JOB_REFUSED && job->attempt <= rules->retries_max) {
        e->due_ms = now_ms + retry_delay_ms(d, job->attempt);
        e->again = e->due_ms < job->created_ms + age_max_ms;
    }
    const char *arn = ok ? rules->on_success : rules->on_failure;
    if (!e->again && arn) {
        bool too_old = now_ms + d->options.retry_us / 1000 > job->created_ms + age_max_ms;
        destination_init(&e->destination, arn, d->options.region, job, condition_of(job, too_old),
                         now_ms);
    }
    if (!e->again && !ok && job->function->dead_letter) {
        dead_letter_init(&e->dead_letter, job->function->dead_letter, d->options.region, job,
                         now_ms);
    }
    d->settling++;
    store_submit(d->store, &e->task);
}

// ── loading ──

static bool may_load(const struct lane *lane)
{
    return lane && lane->function && lane->function->state == FUNCTION_ACTIVE &&
           !lane->dispatch->draining;
}

// Where the next event of this key runs; NULL: nowhere now.
static struct lane *target_of(struct lane *lane)
{
    struct lane *to = lane;
    if (lane->alias) {
        const char *version = alias_pick(lane->alias, alias_chance());
        bool latest = strcmp(version, "$LATEST") == 0;
        CLEAN_MEM char *key = latest ? mem_dup(lane->alias->function)
                                     : mem_printf("%s:%s", lane->alias->function, version);
        to = lane_find(lane->dispatch, str_of(key));
    }
    return may_load(to) ? to : NULL;
}

static struct job *job_of_row(struct lane *lane, const struct lane *to, const struct job_row *row)
{
    struct bytes *payload = bytes_new(row->payload);
    struct job *job = job_new(to->function, payload);
    bytes_unref(payload);
    job->async = true;
    job->row = row->id;
    job->attempt = (uint32_t)row->attempt;
    job->created_ms = row->created_ms;
    if (lane->alias) {
        const struct alias *alias = lane->alias;
        CLEAN_MEM char *arn =
            function_arn(lane->dispatch->options.region, alias->function, alias->name);
        job->alias = alias_ref(lane->alias);
        job->context = mem_printf("{\"arn\":\"%s\"}", arn);
    }
    if (row->request_id.size == UUID_SIZE) {
        memcpy(job->request_id.text, row->request_id.at, UUID_SIZE);
    }
    return job;
}

struct loading {
    struct lane *lane;
    struct list jobs; // to be submitted when the query is over
    int64_t now_ms;
};

static int load_each(void *ctx, const struct job_row *row)
{
    struct loading *loading = ctx;
    struct lane *lane = loading->lane;
    char id[24];
    int size = snprintf(id, sizeof id, "%lld", (long long)row->id);
    struct str key = str_n(id, (size_t)size);
    if (map_get(&lane->inflight, key)) {
        return 0;
    }
    if (lane->inflight.count >= OUTBOX_WINDOW) {
        lane->outbox_more = true;
        return 1;
    }
    const struct lane *to = target_of(lane);
    if (to) {
        struct job *job = job_of_row(lane, to, row);
        map_put(&lane->inflight, key, job);
        list_push_back(&loading->jobs, &job->link);
    }
    return 0;
}

// A job that must not run any more ends as a failure without having run.
static bool refused_at_load(struct lane *lane, struct job *job, int64_t now_ms)
{
    bool off = job->function->reserved_concurrency == 0;
    bool old = now_ms - job->created_ms > (int64_t)job_rules(job)->event_age_max_s * 1000;
    if (!off && !old) {
        return false;
    }
    job_move(job, JOB_SETTLED);
    job->result.status = JOB_REFUSED;
    outbox_settle(lane, job);
    return true;
}

static void next_due(struct lane *lane, int64_t now_ms)
{
    int64_t due_ms = 0;
    struct err err = {0};
    if (job_row_next_due(store_reader(lane->dispatch->store), str_of(lane->key), now_ms, &due_ms,
                         &err) < 0) {
        log_error("the outbox of %s cannot be read: %s", lane->key, err.text);
        due_ms = now_ms + 1000;
    }
    if (due_ms > 0) {
        timer_start(lane->dispatch->loop, &lane->outbox_due, (due_ms - now_ms) * 1000);
    }
}

void outbox_load(struct lane *lane)
{
    if (lane->alias ? lane->dispatch->draining : !may_load(lane)) {
        return;
    }
    if (lane->inflight.count >= OUTBOX_WINDOW / 2 && lane->outbox_more) {
        return; // enough in hand; looked at again when these end
    }
    struct loading loading = {.lane = lane, .now_ms = loop_wall_ms(lane->dispatch->loop)};
    list_init(&loading.jobs);
    lane->outbox_more = false;
    struct err err = {0};
    int limit = OUTBOX_WINDOW + (int)lane->inflight.count + 1;
    int rc = job_row_each_due(store_reader(lane->dispatch->store), str_of(lane->key),
                              loading.now_ms, limit, load_each, &loading, &err);
    if (rc < 0) {
        log_error("the outbox of %s cannot be read: %s", lane->key, err.text);
        timer_start(lane->dispatch->loop, &lane->outbox_due, 1000000);
    } else {
        next_due(lane, loading.now_ms);
    }
    LIST_EACH(job, &loading.jobs, struct job, link)
    {
        list_remove(&job->link);
        if (!refused_at_load(lane, job, loading.now_ms)) {
            dispatch_submit(lane->dispatch, job);
        }
    }
}
