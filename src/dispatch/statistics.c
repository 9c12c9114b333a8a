// SPDX-License-Identifier: Apache-2.0
// What is counted of a model function's jobs as they settle: how often, and where their time went.
#include "dispatch/internal.h"

static void add(struct dispatch_time *time, int64_t us)
{
    time->count++;
    time->us += us > 0 ? (uint64_t)us : 0;
}

// Made with the first job: most functions are no models.
void statistics_count(struct lane *lane, const struct job *job)
{
    const struct job_result *r = &job->result;
    struct loop *loop = lane->dispatch->loop;
    if (strcmp(job->function->runtime, "onnx") != 0) {
        return;
    }
    if (!lane->statistics) {
        lane->statistics = NEW(struct dispatch_statistics);
    }
    struct dispatch_statistics *s = lane->statistics;
    s->last_ms = loop_wall_ms(loop);
    if (r->status != JOB_OK) {
        add(&s->fail, loop_now_us(loop) - job->created_us);
        return;
    }
    if (r->tier == TIER_CACHED) {
        add(&s->success, loop_now_us(loop) - job->created_us);
        add(&s->cached, r->queued_us);
        return;
    }
    s->missed += lane->cached.policy.ttl_ms > 0;
    uint32_t together = r->batch > 1 ? r->batch : 1;
    struct dispatch_batch *batch =
        &s->batches[together < DISPATCH_BATCH_MAX ? together - 1 : DISPATCH_BATCH_MAX - 1];
    add(&s->success, loop_now_us(loop) - job->created_us);
    add(&s->queue, r->queued_us);
    add(&s->input, r->decode_us);
    add(&s->infer, r->run_us);
    batch->jobs++;
    batch->input_us += (uint64_t)r->decode_us;
    batch->infer_us += (uint64_t)r->run_us;
}

const struct dispatch_statistics *dispatch_statistics(const struct dispatch *d, struct str key)
{
    static const struct dispatch_statistics none;
    const struct lane *lane = lane_find(d, key);
    return lane && lane->statistics ? lane->statistics : &none;
}
