// SPDX-License-Identifier: Apache-2.0
// How many jobs of a model function go to an instance together. Three reasons there are: they are so
// short that waking the instance costs more than they do; a curve, measured as jobs run, says that
// the model answers several at once faster; the function asks for it.
#include "dispatch/internal.h"
#include "format/json.h"

#define SHORT_MAX     16  // also of those who ask for a delay and no size
#define SHORT_US      500 // the last of a batch of short jobs waits no longer than that
#define PAYS_PERCENT  90  // of the time a job takes in half the batch
#define TRIES         4   // batches of a size, until it is known: one alone may have been disturbed
#define TRY_AGAIN     1024 // batches, after a size did not pay
#define ASKED_MAX     64   // as the instance takes them
#define TIMEOUT_PARTS 4    // a batch may take this part of the function's timeout

void batching_read(struct batching *batching, const struct function *function)
{
    CLEAN_JSON json_t *extra = NULL;
    *batching = (struct batching){0};
    if (function->extra && json_parse_object(str_of(function->extra), &extra, NULL) == 0) {
        batching->asked_max = json_integer_value(json_at(extra, "Batching.MaxSize"));
        batching->asked_us = json_integer_value(json_at(extra, "Batching.MaxDelayMs")) * 1000;
        bool only_us = batching->asked_us && !batching->asked_max;
        batching->asked_max = only_us ? SHORT_MAX : batching->asked_max;
    }
}

static int level_of(int64_t count)
{
    int level = 0;
    while (level + 1 < BATCH_LEVELS && (2 << level) <= count) {
        level++;
    }
    return level;
}

static bool pays(const struct batching *b, int level)
{
    return b->job_us[level] * 100 < b->job_us[level - 1] * PAYS_PERCENT;
}

// The largest size that pays, or the next one when that is not known yet. One instance tries at a
// time: what a batch took stays with it, which for large models is as much again as it has.
static int64_t learned_max(const struct batching *b)
{
    int level = 0;
    while (level + 1 < BATCH_LEVELS && b->tries[level + 1] >= TRIES && pays(b, level + 1)) {
        level++;
    }
    bool unknown =
        level + 1 < BATCH_LEVELS && b->job_us[level] && !b->trying && b->tries[level + 1] < TRIES;
    return (int64_t)1 << (unknown ? level + 1 : level);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t batch_max(const struct lane *lane, const struct worker *worker)
{
    const struct batching *b = &lane->batching;
    int64_t waiting = (int64_t)(lane->queued_sync + lane->queued_async);
    if (strcmp(worker->function->runtime, "onnx") != 0) {
        return 1; // what runs code takes one at a time
    }
    if (b->asked_max) {
        return least(b->asked_max, ASKED_MAX);
    }
    if (worker->fresh || lane->run_peak_us == 0) {
        return 1;
    }
    int64_t share = (waiting + lane->idle - 1) / lane->idle; // idle workers share evenly
    int64_t quick = least(SHORT_US / lane->run_peak_us, SHORT_MAX);
    int64_t in_time =
        (int64_t)worker->function->timeout_s * 1000000 / TIMEOUT_PARTS / lane->run_peak_us;
    int64_t paying = least(learned_max(b), in_time);
    int64_t most = least(quick > paying ? quick : paying, share);
    return most > 1 ? most : 1;
}

bool batch_waits(struct lane *lane)
{
    const struct batching *b = &lane->batching;
    int64_t waiting = (int64_t)(lane->queued_sync + lane->queued_async);
    const struct job *first = LIST_FIRST(&lane->queue, struct job, link);
    if (!b->asked_us || !first || waiting >= b->asked_max || lane->dispatch->draining) {
        return false;
    }
    int64_t until_us = first->created_us + b->asked_us;
    if (first->attempt > 1 || loop_now_us(lane->dispatch->loop) >= until_us) {
        return false;
    }
    lane_look(lane, until_us);
    if (lane->starting + lane->idle + lane->busy == 0) {
        lane_grow(lane); // so that an instance is there when the window ends
    } else {
        list_remove(&lane->hungry_link); // for now it would do nothing with a place
    }
    return true;
}

void batch_began(struct worker *worker, int64_t count)
{
    struct batching *b = &worker->lane->batching;
    worker->given = count;
    worker->spent_us = 0;
    b->trying = b->tries[level_of(count)] < TRIES ? worker : b->trying;
    LIST_EACH(job, &worker->batch, struct job, link)
    {
        job->result.batch = (uint32_t)count;
    }
}

void batch_forget(const struct worker *worker)
{
    struct batching *b = &worker->lane->batching;
    b->trying = b->trying == worker ? NULL : b->trying;
}

// The first job of an instance says nothing: it finds nothing in the caches.
void batch_answered(struct worker *worker, int64_t said_us)
{
    struct batching *b = &worker->lane->batching;
    worker->spent_us += said_us;
    if (!list_empty(&worker->batch)) {
        return;
    }
    batch_forget(worker);
    if (worker->given == 0 || worker->first) {
        return;
    }
    int level = level_of(worker->given);
    int64_t job_us = worker->spent_us / worker->given;
    if (b->tries[level] < TRIES) {
        b->tries[level]++;
        b->job_us[level] = b->job_us[level] ? least(b->job_us[level], job_us) : job_us;
    } else {
        smooth(&b->job_us[level], job_us);
    }
    if (++b->batches >= TRY_AGAIN) {
        b->batches = 0;
        for (int i = 1; i < BATCH_LEVELS; i++) {
            if (b->job_us[i] && !pays(b, i)) {
                b->job_us[i] = b->tries[i] = 0;
            }
        }
    }
}
