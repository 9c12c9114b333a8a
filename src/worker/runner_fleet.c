// SPDX-License-Identifier: Apache-2.0
// The fleet: the table of operations by which the dispatcher knows instances. On the journey of an
// upload this is the last step before the process border, and the first after it.
#include "worker/runner_fleet.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "runtime/runtime.h"
#include "worker/runner.h"
#include "worker/runtime_link.h"

#include <sys/socket.h>

static struct runner_fleet *fleet_of(const struct fleet *fleet)
{
    return CONTAINER_OF(fleet, struct runner_fleet, base);
}

static struct runner *runner_of(struct instance *instance)
{
    return CONTAINER_OF(instance, struct runner, base);
}

static void fleet_listen(struct fleet *fleet, const struct fleet_events *events)
{
    fleet_of(fleet)->events = *events;
}

static struct instance *fleet_start(struct fleet *base, struct function *function, bool provisioned,
                                    void *data)
{
    struct runner_fleet *fleet = fleet_of(base);
    struct runner *r = spare_take(fleet, function, provisioned);
    if (!r) {
        r = runner_new(fleet, function);
        r->spawn.provisioned = provisioned;
        runner_spawn(r);
    }
    r->base.data = data;
    return &r->base;
}

static void fleet_run(struct fleet *base, struct instance *instance, struct list *batch)
{
    (void)base;
    struct runner *r = runner_of(instance);
    CHECK(r->init == INIT_DONE || r->init == INIT_FAILED || r->ending);
    r->batch = batch;
    if (r->ending) {
        return; // on_ended is on its way
    }
    if (r->init == INIT_FAILED) {
        r->init = INIT_INVOKE;
        runner_spawn(r);
    } else {
        runner_send(r);
    }
}

static int fleet_concurrency(const struct fleet *fleet, const struct function *function)
{
    (void)fleet;
    return runtime_concurrency(function->runtime, function->environment);
}

static void fleet_more(struct fleet *fleet, struct instance *instance, struct job *job)
{
    (void)fleet;
    struct runner *r = runner_of(instance);
    if (!r->ending && r->init == INIT_DONE) { // else it is sent when it is ready
        runtime_link_give(r->link, job);
    }
}

static void fleet_take_back(struct fleet *fleet, struct instance *instance, struct job *job)
{
    (void)fleet;
    struct runner *r = runner_of(instance);
    if (r->init != INIT_DONE) {
        job->begun = true; // it has waited for a start
    } else if (!r->ending) {
        runtime_link_take_back(r->link, job);
    }
    job->result.log = runner_log_take(r);
}

static void fleet_stop(struct fleet *fleet, struct instance *instance)
{
    (void)fleet;
    struct runner *r = runner_of(instance);
    if (r->watch.fd < 0) {
        runner_end(r, ""); // it has no process
    } else if (!r->ending && !runner_farewell(r, "spindown", false)) {
        shutdown(r->watch.fd, SHUT_WR); // it reads the end of file, and goes
    }
}

static void fleet_kill(struct fleet *fleet, struct instance *instance)
{
    (void)fleet;
    struct runner *r = runner_of(instance);
    r->kill_wanted = true;
    runner_end(r, "Runtime exited with error: signal: killed");
}

static void fleet_warm(struct fleet *base, struct function *function)
{
    struct err err = {0};
    if (templates_make(fleet_of(base)->templates, function, &err) < 0) {
        log_warn("no template of %s: %s", function->name, err.text);
    } else {
        spare_make(fleet_of(base), function);
    }
}

static void fleet_forget(struct fleet *base, struct function *function)
{
    struct runner *spare = spare_find(fleet_of(base), function);
    if (spare) {
        runner_end(spare, "its function has changed");
    }
    templates_drop(fleet_of(base)->templates, function);
}

static int fleet_templates(const struct fleet *base)
{
    struct runner_fleet *fleet = CONTAINER_OF(base, struct runner_fleet, base);
    return templates_count(fleet->templates) + spare_count(fleet);
}

static bool fleet_relieve(struct fleet *base)
{
    struct runner *spare = spare_find(fleet_of(base), NULL);
    if (spare) {
        runner_end(spare, "memory is short");
    }
    return spare || templates_relieve(fleet_of(base)->templates);
}

static const struct fleet_ops runner_fleet_ops = {
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

struct fleet *runner_fleet_new(struct loop *loop, struct store *store, struct templates *templates)
{
    struct runner_fleet *fleet = NEW(struct runner_fleet);
    fleet->base.ops = &runner_fleet_ops;
    fleet->loop = loop;
    fleet->store = store;
    fleet->templates = templates;
    list_init(&fleet->runners);
    return &fleet->base;
}

void runner_fleet_serve(struct fleet *fleet, const struct runtime_api *api)
{
    fleet_of(fleet)->api = api;
}

void runner_fleet_free(struct fleet *base)
{
    if (!base) {
        return;
    }
    struct runner_fleet *fleet = fleet_of(base);
    LIST_EACH(r, &fleet->runners, struct runner, in_fleet)
    {
        runner_free(r);
    }
    free(fleet);
}
