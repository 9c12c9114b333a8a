// SPDX-License-Identifier: Apache-2.0
// Unpacked packages that nobody uses any more, of functions and layers alike. Whoever lets go of one
// says so; a little later it is looked at, and when no function, layer, request or instance uses it,
// it is renamed and removed on another thread.
//
// Packages are named by their content, so a request may bring one that is there already, and finds it
// without writing it again. That is why nothing is renamed while a request brings code, and why the
// rename is here, on the core thread: what a request finds after it stays.
#include "api/lambda.h"
#include "base/log.h"
#include "core/uuid.h"
#include "dispatch/dispatch.h"

#include <stdio.h>

#define SOON_US  1000000          // after the last user has let go: its instances are about to end
#define LATER_US (15 * 1000000ll) // when instances of old versions still run

struct lambda_sweep {
    struct lambda *lambda;
    struct map suspects; // by folder; values are the sweep itself
    int held;            // requests that bring code
    struct timer due;
};

struct removal {
    struct pool_work work;
    char *path;
};

static void removal_run(struct pool_work *work)
{
    lambda_folder_remove(CONTAINER_OF(work, struct removal, work)->path);
}

static void removal_done(struct pool_work *work)
{
    struct removal *removal = CONTAINER_OF(work, struct removal, work);
    free(removal->path);
    free(removal);
}

// "…/packages/<sha>/code": all of <sha> goes.
static void package_remove(struct lambda *lambda, const char *package)
{
    struct str folder = str_of(package);
    folder.size -= strlen("/code");
    struct removal *removal = NEW(struct removal);
    removal->path = mem_printf("%s/old-%s", lambda->packages, uuid_new().text);
    CLEAN_MEM char *from = str_dup(folder);
    if (rename(from, removal->path) < 0) {
        log_warn("the package %s, which nobody uses, cannot be removed: %m", from);
        removal_done(&removal->work);
        return;
    }
    log_debug("the package %s is removed: nobody uses it", from);
    removal->work.run = removal_run;
    removal->work.on_done = removal_done;
    pool_submit(lambda->api->pool, &removal->work);
}

static bool function_has(const struct lambda_function *f, const char *package)
{
    const struct function *some[] = {f->latest, f->update, f->preparing};
    for (size_t i = 0; i < ARRAY_SIZE(some); i++) {
        if (some[i] && function_uses(some[i], package)) {
            return true;
        }
    }
    for (size_t i = 0; i < f->version_count; i++) {
        if (function_uses(f->versions[i], package)) {
            return true;
        }
    }
    return false;
}

// A function or a layer has it: no suspect any more, until one of them lets go again.
static bool package_kept(const struct lambda *lambda, const char *package)
{
    size_t at = 0;
    for (struct lambda_function *f; (f = map_next(&lambda->functions, &at));) {
        if (function_has(f, package)) {
            return true;
        }
    }
    return lambda_layers_use(lambda, package);
}

static void look_in(struct lambda_sweep *sweep, int64_t delay_us)
{
    struct loop *loop = sweep->lambda->api->loop;
    int64_t at_us = loop_now_us(loop) + delay_us;
    if (!timer_running(&sweep->due) || sweep->due.due_us > at_us) {
        timer_start_at(loop, &sweep->due, at_us);
    }
}

static void sweep_due(struct timer *timer)
{
    struct lambda_sweep *sweep = CONTAINER_OF(timer, struct lambda_sweep, due);
    struct lambda *lambda = sweep->lambda;
    if (sweep->held) {
        return; // looked at when the last of them ends
    }
    struct map left = {0};
    for (size_t i = 0; i < sweep->suspects.room; i++) {
        const char *package = sweep->suspects.entries[i].key;
        if (!package || package_kept(lambda, package)) {
            continue;
        }
        if (dispatch_uses(lambda->api->dispatch, package)) {
            map_put(&left, str_of(package), sweep);
        } else {
            package_remove(lambda, package);
        }
    }
    map_done(&sweep->suspects);
    sweep->suspects = left;
    if (left.count) {
        look_in(sweep, LATER_US);
    }
}

void lambda_sweep_suspect(struct lambda *lambda, const char *package)
{
    if (package) {
        map_put(&lambda->sweep->suspects, str_of(package), lambda->sweep);
        look_in(lambda->sweep, SOON_US);
    }
}

void lambda_sweep_suspect_all(struct lambda *lambda, const struct function *f)
{
    if (f) {
        lambda_sweep_suspect(lambda, f->package);
        for (size_t i = 0; i < f->layer_count; i++) {
            lambda_sweep_suspect(lambda, f->layers[i].package);
        }
    }
}

void lambda_sweep_hold(struct lambda *lambda)
{
    lambda->sweep->held++;
}

void lambda_sweep_release(struct lambda *lambda, const char *package)
{
    struct lambda_sweep *sweep = lambda->sweep;
    sweep->held--;
    lambda_sweep_suspect(lambda, package);
    if (!sweep->held && sweep->suspects.count) {
        look_in(sweep, SOON_US);
    }
}

void lambda_sweep_start(struct lambda *lambda)
{
    struct lambda_sweep *sweep = NEW(struct lambda_sweep);
    *sweep = (struct lambda_sweep){.lambda = lambda, .due.on_due = sweep_due};
    lambda->sweep = sweep;
}

void lambda_sweep_stop(struct lambda *lambda)
{
    struct lambda_sweep *sweep = MOVE(lambda->sweep);
    if (sweep) {
        timer_stop(lambda->api->loop, &sweep->due);
        map_done(&sweep->suspects);
        free(sweep);
    }
}
