// SPDX-License-Identifier: Apache-2.0
// Whatever has stages moves through a table of allowed steps. A step that is not in the table is a
// defect of ours and aborts.
//
//     static const struct state_step job_steps[] = {{JOB_QUEUED, JOB_RUNNING}, …};
//     state_move(&job->state, JOB_RUNNING, job_steps, ARRAY_SIZE(job_steps));
#pragma once

#include "base/check.h"

#include <stddef.h>

struct state_step {
    int from, to;
};

static inline int state_may(int from, int to, const struct state_step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (steps[i].from == from && steps[i].to == to) {
            return 1;
        }
    }
    return 0;
}

static inline void state_move(int *state, int to, const struct state_step *steps, size_t count)
{
    CHECK(state_may(*state, to, steps, count));
    *state = to;
}
