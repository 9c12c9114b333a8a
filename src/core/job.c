// SPDX-License-Identifier: Apache-2.0
// The life of a job.
#include "core/job.h"
#include "base/state.h"

#include <stdlib.h>

const char *tier_name(enum tier tier)
{
    static const char *const names[] = {"", "hot", "warm", "cool", "cold"};
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

void job_free(struct job *job)
{
    if (!job) {
        return;
    }
    list_remove(&job->link);
    function_unref(job->function);
    bytes_unref(job->payload);
    free(job->context);
    bytes_unref(job->result.payload);
    bytes_unref(job->result.log);
    bytes_unref(job->result.init_log);
    free(job);
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
