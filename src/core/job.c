// SPDX-License-Identifier: Apache-2.0
// The life of a job.
#include "core/job.h"
#include "base/check.h"
#include "base/state.h"

#include <stdlib.h>

const char *tier_name(enum tier tier)
{
    static const char *const names[] = {"", "hot", "warm", "cool", "cold", "cached"};
    return (size_t)tier < ARRAY_SIZE(names) ? names[tier] : "";
}

struct job *job_new(struct function *function, struct bytes *payload)
{
    static uint64_t last_id;
    struct job *job = NEW(struct job);
    job->id = ++last_id;
    job->request_id = uuid_new();
    job->function = function_ref(function);
    job->payload = payload ? bytes_ref(payload) : NULL;
    job->attempt = 1;
    list_init(&job->link);
    return job;
}

// The source may be paused, and is to read on all the same.
static void stream_cut(struct job *job)
{
    struct job_source *source = MOVE(job->source);
    if (source) {
        source->job = NULL;
        source->on_wanted(source);
    }
}

void job_free(struct job *job)
{
    if (!job) {
        return;
    }
    list_remove(&job->link);
    stream_cut(job);
    function_unref(job->function);
    alias_unref(job->alias);
    bytes_unref(job->payload);
    free(job->context);
    bytes_unref(job->result.payload);
    bytes_unref(job->result.log);
    bytes_unref(job->result.init_log);
    free(job);
}

const struct async_rules *job_rules(const struct job *job)
{
    return job->alias ? &job->alias->async : &job->function->async;
}

void job_move(struct job *job, enum job_state to)
{
    static const struct state_step steps[] = {
        {JOB_QUEUED, JOB_RUNNING},
        {JOB_RUNNING, JOB_QUEUED},
        {JOB_RUNNING, JOB_SETTLED},
        {JOB_QUEUED, JOB_SETTLED},
    };
    state_move(&job->state, (int)to, steps, ARRAY_SIZE(steps));
}

// ── streams ──

void job_stream_begin(struct job *job, struct job_source *source, struct str content_type)
{
    CHECK(job->sink && !job->streamed && !source->job);
    job->streamed = true;
    job->source = source;
    source->job = job;
    job->sink->on_begun(job, content_type);
}

bool job_stream_put(struct job_source *source, struct str piece)
{
    return !source->job || source->job->sink->on_piece(source->job, piece);
}

void job_stream_end(struct job_source *source)
{
    if (source->job) {
        source->job->source = NULL;
        source->job = NULL;
    }
}

void job_stream_want(struct job *job)
{
    if (job->source) {
        job->source->on_wanted(job->source);
    }
}
