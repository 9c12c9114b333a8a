// SPDX-License-Identifier: Apache-2.0
// The policy of placement. Choosing reads from placement_put up; learning is in placement_end.
#include "dispatch/placement.h"
#include "base/check.h"

#define TRIES         3    // jobs of a size until a device's cost is known
#define TRY_AGAIN     1024 // jobs of a size that went elsewhere, before its cost is looked at again
#define HOPELESS      4 // times the best: neighbours that say so much keep a size from being tried
#define TARGET_PARTS  4 // of these, three are the target: expectations are means, targets are not
#define BACKOFF_US    1000000ll // after the first failure; doubles
#define BACKOFF_STEPS 8

int placement_bucket(int64_t size)
{
    int bucket = 0;
    int64_t least = 2; // of the bucket after this one: 2, 3, 4, 6, 8, 12 …
    for (; bucket + 1 < PLACEMENT_BUCKETS && size >= least; bucket++) {
        least = bucket % 2 ? least / 3 * 4 : least / 2 * 3;
    }
    return bucket;
}

void placement_add(struct placement *p, int slots)
{
    CHECK(p->count < PLACEMENT_DEVICES_MAX && slots > 0);
    p->devices[p->count++] = (struct placement_device){.slots = slots};
}

static int64_t at_least_0(int64_t value)
{
    return value > 0 ? value : 0;
}

// ---- what is expected

// Before a job that comes now could begin.
static int64_t wait_us(const struct placement_device *device, int64_t now_us)
{
    if (device->running + device->waiting < device->slots) {
        return 0;
    }
    int64_t running_us = at_least_0(device->running_until - device->running * now_us);
    return (running_us + device->waiting_us) / device->slots;
}

// What the nearest known sizes say of one that is not known: a larger job takes as much longer as it is
// larger at most, a smaller one is no slower. 0: nothing is known.
static int64_t guess_us(const struct placement_cost *costs, int bucket)
{
    for (int away = 0; away < PLACEMENT_BUCKETS; away++) {
        if (bucket + away < PLACEMENT_BUCKETS && costs[bucket + away].us) {
            return costs[bucket + away].us;
        }
        if (bucket - away >= 0 && costs[bucket - away].us) {
            int doublings = (away + 1) / 2;
            return costs[bucket - away].us << (doublings < 20 ? doublings : 20);
        }
    }
    return 0;
}

// The least that a size could take: what the next smaller known one does, or the share of the next
// larger one. 0: nothing is known.
static int64_t least_us(const struct placement_cost *costs, int bucket)
{
    int below = bucket, above = bucket;
    while (below >= 0 && !costs[below].us) {
        below--;
    }
    while (above < PLACEMENT_BUCKETS && !costs[above].us) {
        above++;
    }
    int64_t smaller = below >= 0 ? costs[below].us : 0;
    int64_t larger = above < PLACEMENT_BUCKETS ? costs[above].us >> ((above - bucket + 1) / 2) : 0;
    return smaller > larger ? smaller : larger;
}

static int64_t load_us(const struct placement_costs *costs, int device)
{
    return costs->loaded[device] ? 0 : costs->load_us[device];
}

int64_t placement_expect(const struct placement *p, const struct placement_costs *costs, int device,
                         int64_t size, int64_t now_us)
{
    int64_t job_us = guess_us(costs->at[device], placement_bucket(size));
    if (p->devices[device].out || !job_us) {
        return INT64_MAX;
    }
    return wait_us(&p->devices[device], now_us) + load_us(costs, device) + job_us;
}

// ---- choosing

struct choice {
    const struct placement *placement;
    const struct placement_costs *costs;
    int64_t size, waited_us, now_us;
    uint32_t lost_on;
};

static bool may_take(const struct choice *c, int device)
{
    const struct placement_device *d = &c->placement->devices[device];
    return !d->out && !(c->lost_on & 1u << device);
}

// It has failed, and its time has come to show that it works.
static int on_trial(const struct choice *c)
{
    for (int i = 0; i < (int)c->placement->count; i++) {
        const struct placement_device *d = &c->placement->devices[i];
        if (d->out && !d->on_trial && d->back_us <= c->now_us && !(c->lost_on & 1u << i)) {
            return i;
        }
    }
    return -1;
}

static int first_to_end(const struct choice *c, int from, int to)
{
    int best = -1;
    int64_t best_us = INT64_MAX;
    for (int i = from; i < to; i++) {
        int64_t us = placement_expect(c->placement, c->costs, i, c->size, c->now_us);
        if (may_take(c, i) && (best < 0 || us < best_us)) {
            best = i;
            best_us = us;
        }
    }
    return best;
}

// The least work among those that are early enough.
static int cheapest_in_time(const struct choice *c)
{
    int64_t left_us = c->costs->target_us / TARGET_PARTS * (TARGET_PARTS - 1) - c->waited_us;
    int best = -1;
    int64_t best_us = INT64_MAX;
    for (int i = 0; i < (int)c->placement->count && c->costs->target_us; i++) {
        int64_t us = placement_expect(c->placement, c->costs, i, c->size, c->now_us);
        int64_t work_us = us == INT64_MAX ? us : us - wait_us(&c->placement->devices[i], c->now_us);
        if (may_take(c, i) && us <= left_us && work_us < best_us) {
            best = i;
            best_us = work_us;
        }
    }
    return best;
}

// A free device whose cost for this size is not known, or was known long ago.
static int to_try(const struct choice *c, int best)
{
    int bucket = placement_bucket(c->size);
    int64_t best_us = best < 0 ? INT64_MAX : guess_us(c->costs->at[best], bucket);
    for (int i = 0; i < (int)c->placement->count; i++) {
        const struct placement_device *d = &c->placement->devices[i];
        const struct placement_cost *cost = &c->costs->at[i][bucket];
        bool known = cost->tries >= TRIES && cost->missed < TRY_AGAIN;
        int64_t least = cost->us ? 0 : least_us(c->costs->at[i], bucket); // old news may be wrong
        bool hopeless = best_us && best_us < INT64_MAX && least / HOPELESS > best_us;
        if (!known && !hopeless && !c->costs->trying[i] && may_take(c, i) &&
            d->running + d->waiting < d->slots) {
            return i;
        }
    }
    return -1;
}

static int by_threshold(const struct choice *c)
{
    int count = (int)c->placement->count;
    bool small = c->size <= c->costs->threshold;
    int device = small || count == 1 ? first_to_end(c, 0, 1) : first_to_end(c, 1, count);
    return device >= 0 ? device : first_to_end(c, 0, count); // better there than nowhere
}

static int choose(const struct choice *c, bool *ret_tries)
{
    if (c->costs->threshold) {
        return by_threshold(c);
    }
    int first = first_to_end(c, 0, (int)c->placement->count);
    int cheap = cheapest_in_time(c);
    int best = cheap >= 0 ? cheap : first;
    int unknown = to_try(c, best);
    *ret_tries = unknown >= 0;
    return unknown >= 0 ? unknown : best;
}

static void book(struct placement *p, struct placement_costs *costs, int bucket,
                 struct placed *placed)
{
    struct placement_device *device = &p->devices[placed->device];
    placed->bucket = bucket;
    placed->begun = false;
    placed->expected_us =
        guess_us(costs->at[placed->device], bucket) + load_us(costs, placed->device);
    device->waiting++;
    device->waiting_us += placed->expected_us;
    device->on_trial = device->on_trial || placed->on_trial;
    costs->trying[placed->device] = costs->trying[placed->device] || placed->tries;
    for (size_t i = 0; i < p->count; i++) {
        struct placement_cost *cost = &costs->at[i][bucket];
        cost->missed = (int)i == placed->device ? 0 : cost->missed + (cost->missed < TRY_AGAIN);
    }
}

static int64_t first_back(const struct choice *c)
{
    int64_t back_us = 0;
    for (size_t i = 0; i < c->placement->count; i++) {
        const struct placement_device *d = &c->placement->devices[i];
        int64_t due_us = d->back_us > c->now_us ? d->back_us : c->now_us + BACKOFF_US; // on trial
        if (!(c->lost_on & 1u << i) && (!back_us || due_us < back_us)) {
            back_us = due_us;
        }
    }
    return back_us;
}

bool placement_put(struct placement *p, struct placement_costs *costs, int64_t size,
                   int64_t waited_us, int64_t now_us, struct placed *placed, int64_t *ret_back_us)
{
    const struct choice choice = {.placement = p,
                                  .costs = costs,
                                  .size = size,
                                  .waited_us = waited_us,
                                  .now_us = now_us,
                                  .lost_on = placed->lost_on};
    bool tries = false;
    int trial = on_trial(&choice);
    int device = trial >= 0 ? trial : choose(&choice, &tries);
    if (device < 0) {
        *ret_back_us = first_back(&choice);
        return false;
    }
    placed->device = device;
    placed->tries = tries;
    placed->on_trial = trial >= 0;
    book(p, costs, placement_bucket(size), placed);
    return true;
}

// ---- what becomes of it

void placement_begin(struct placement *p, struct placed *placed, int64_t now_us)
{
    struct placement_device *device = &p->devices[placed->device];
    if (!placed->begun) {
        CHECK(device->waiting > 0);
        placed->begun = true;
        placed->until_us = now_us + placed->expected_us;
        device->waiting--;
        device->waiting_us -= placed->expected_us;
        device->running++;
        device->running_until += placed->until_us;
    }
}

// Off the device's books.
static void leave(struct placement *p, struct placement_costs *costs, struct placed *placed)
{
    struct placement_device *device = &p->devices[placed->device];
    if (placed->begun) {
        CHECK(device->running > 0);
        device->running--;
        device->running_until -= placed->until_us;
    } else {
        CHECK(device->waiting > 0);
        device->waiting--;
        device->waiting_us -= placed->expected_us;
    }
    if (placed->tries) {
        costs->trying[placed->device] = false;
    }
    if (placed->on_trial) {
        device->on_trial = false;
    }
    placed->begun = placed->tries = false;
}

// The first jobs count for more, so that one that was disturbed is soon forgotten.
static void learn(struct placement_cost *cost, int64_t took_us)
{
    took_us = took_us > 0 ? took_us : 1;
    int parts = cost->tries < TRIES ? (int)cost->tries + 1 : 8;
    cost->us += (took_us - cost->us) / parts;
    cost->us = cost->us > 0 ? cost->us : 1;
    cost->tries += cost->tries < TRIES;
}

void placement_end(struct placement *p, struct placement_costs *costs, struct placed *placed,
                   int64_t took_us)
{
    struct placement_device *device = &p->devices[placed->device];
    bool again = placed->on_trial;
    leave(p, costs, placed);
    learn(&costs->at[placed->device][placed->bucket], took_us);
    device->worked_us += at_least_0(took_us);
    device->jobs++;
    if (again) {
        device->out = placed->on_trial = false;
        device->failures = 0;
    }
}

void placement_lost(struct placement *p, struct placement_costs *costs, struct placed *placed,
                    bool device_failed, int64_t now_us)
{
    struct placement_device *device = &p->devices[placed->device];
    bool news = !device->out || placed->on_trial; // others that were on it say nothing new
    leave(p, costs, placed);
    placed->on_trial = false;
    placed->lost_on |= 1u << placed->device;
    device->lost++;
    if (device_failed && news) {
        int steps = device->failures < BACKOFF_STEPS ? device->failures : BACKOFF_STEPS;
        device->out = true;
        device->failures++;
        device->back_us = now_us + (BACKOFF_US << steps);
    }
}

void placement_loaded(struct placement_costs *costs, int device, int64_t took_us)
{
    int64_t was_us = costs->load_us[device];
    took_us = took_us > 0 ? took_us : 1;
    costs->loaded[device] = true;
    costs->load_us[device] = was_us ? (was_us + took_us) / 2 : took_us;
}

void placement_unloaded(struct placement_costs *costs, int device)
{
    costs->loaded[device] = false;
}
