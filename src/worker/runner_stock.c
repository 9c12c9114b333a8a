// SPDX-License-Identifier: Apache-2.0
// The stock: what cannot be forked is started before it is needed, and waits.
#include "worker/runner.h"
#include "base/clock.h"
#include "worker/program.h"
#include "worker/runtime_link.h"

#include <string.h>

#define STOCK_MAX 4 // programs that wait for a function to be needed

struct runner *spare_find(struct runner_fleet *fleet, const struct function *function)
{
    LIST_EACH(r, &fleet->runners, struct runner, in_fleet)
    {
        if (r->spare && !r->ending &&
            (!function || strcmp(r->function->revision, function->revision) == 0)) {
            return r;
        }
    }
    return NULL;
}

int spare_count(struct runner_fleet *fleet)
{
    int count = 0;
    LIST_EACH(r, &fleet->runners, struct runner, in_fleet)
    {
        count += r->spare && !r->ending;
    }
    return count;
}

void spare_make(struct runner_fleet *fleet, struct function *function)
{
    CLEAN(runtime_program_done) struct runtime_program program = {0};
    struct err ignored = {0};
    if (!fleet->api || spare_find(fleet, function) ||
        program_find(function, &program, &ignored) < 0 || !program.stock) {
        return;
    }
    if (spare_count(fleet) >= STOCK_MAX) {
        runner_end(spare_find(fleet, NULL), "another function needs its place");
    }
    struct runner *r = runner_new(fleet, function);
    r->spare = r->spawn.stock = true;
    runner_spawn(r);
    timer_start(fleet->loop, &r->limit, templates_idle_us(fleet->templates));
}

struct runner *spare_take(struct runner_fleet *fleet, const struct function *function,
                          bool provisioned)
{
    struct runner *r = spare_find(fleet, function);
    if (r) {
        r->spare = false;
        r->spawn.provisioned = provisioned;
        r->tier = r->waits ? TIER_COOL : TIER_COLD;
        r->asked_us = clock_mono_us();
        runner_limit_start(r);
        if (r->link) {
            runner_spare_begin(r);
        }
    }
    return r;
}
