// SPDX-License-Identifier: Apache-2.0
// Events are few kinds, so the next one is found by looking: an arrival, or the end of a job that runs.
#include "placement_world.h"
#include "base/check.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>

#define SLOTS_MAX 8
#define WARM_UP   10 // of a hundred jobs, the first are not counted: nothing is known yet

struct work { // a job
    int64_t tokens, arrived_us;
    struct placed placed;
};

struct station { // a device: a line, and who is served
    const struct curve *curve;
    int slots, running, device; // its number in the placement
    int *line, head, tail;      // indices of jobs
    int served[SLOTS_MAX];
    int64_t until_us[SLOTS_MAX], took_us[SLOTS_MAX], used_us;
};

struct run {
    const struct world *world;
    struct placement placement;
    struct placement_costs costs;
    struct station at[2];
    int stations;
    struct work *jobs;
    int64_t *latency, now_us;
    uint64_t seed;
    bool broken;
    struct outcome *outcome;
};

// ---- curves

int curves_read(const char *path, struct curve *ret)
{
    FILE *file = fopen(path, "re");
    char line[256], device[8], model[24], kind[12];
    int count = 0;
    CHECK(file);
    while (fgets(line, sizeof line, file)) {
        long long tokens = 0;
        double ms = 0;
        if (line[0] == '#' ||
            sscanf(line, "%7s %23s %11s %lld %lf", device, model, kind, &tokens, &ms) != 5) {
            continue;
        }
        struct curve *curve = (struct curve *)(uintptr_t)curve_find(ret, count, device, model);
        if (!curve) {
            CHECK(count < CURVES_MAX);
            curve = &ret[count++];
            *curve = (struct curve){0};
            snprintf(curve->device, sizeof curve->device, "%s", device);
            snprintf(curve->model, sizeof curve->model, "%s", model);
            snprintf(curve->kind, sizeof curve->kind, "%s", kind);
        }
        CHECK(curve->points < CURVE_POINTS_MAX);
        curve->tokens[curve->points] = tokens;
        curve->us[curve->points++] = (int64_t)(ms * 1000);
    }
    fclose(file);
    return count;
}

const struct curve *curve_find(const struct curve *curves, int count, const char *device,
                               const char *model)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(curves[i].device, device) == 0 && strcmp(curves[i].model, model) == 0) {
            return &curves[i];
        }
    }
    return NULL;
}

static int64_t curve_us(const struct curve *curve, int64_t tokens)
{
    int i = 1;
    while (i + 1 < curve->points && curve->tokens[i] < tokens) {
        i++;
    }
    double part =
        (double)(tokens - curve->tokens[i - 1]) / (double)(curve->tokens[i] - curve->tokens[i - 1]);
    return curve->us[i - 1] + (int64_t)(part * (double)(curve->us[i] - curve->us[i - 1]));
}

// ---- chance

static double chance(struct run *run) // 0 < … < 1
{
    run->seed = run->seed * 6364136223846793005ull + 1442695040888963407ull;
    return ((double)(run->seed >> 33) + 0.5) / (double)(1ull << 31);
}

// Four of five texts are short: 4 to 64 tokens; the others 64 to 512; as even in their logarithm.
static int64_t tokens_of(struct run *run)
{
    bool is_short = chance(run) < 0.8;
    double octaves = is_short ? 4 : 3, from = is_short ? 4 : 64;
    return (int64_t)(from * exp2(octaves * chance(run)));
}

// ---- the devices

static void station_serve(struct run *run, struct station *s)
{
    while (s->running < s->slots && s->head < s->tail) {
        int job = s->line[s->head++];
        int64_t took_us = curve_us(s->curve, run->jobs[job].tokens);
        took_us = (int64_t)((double)took_us * (0.95 + 0.15 * chance(run)));
        placement_begin(&run->placement, &run->jobs[job].placed, run->now_us);
        s->served[s->running] = job;
        s->took_us[s->running] = took_us;
        s->until_us[s->running++] = run->now_us + took_us;
    }
}

static void place(struct run *run, int job)
{
    struct work *work = &run->jobs[job];
    int64_t back_us = 0, waited_us = run->now_us - work->arrived_us;
    bool placed = placement_put(&run->placement, &run->costs, work->tokens, waited_us, run->now_us,
                                &work->placed, &back_us);
    CHECK(placed); // one device always works here
    struct station *s = &run->at[work->placed.device];
    s->line[s->tail++] = job;
    station_serve(run, s);
}

static void station_finish(struct run *run, struct station *s, int slot)
{
    int job = s->served[slot];
    struct work *work = &run->jobs[job];
    int64_t took_us = s->took_us[slot];
    s->used_us += took_us;
    s->running--;
    s->served[slot] = s->served[s->running];
    s->until_us[slot] = s->until_us[s->running];
    s->took_us[slot] = s->took_us[s->running];
    placement_end(&run->placement, &run->costs, &work->placed, took_us);
    run->latency[run->outcome->answered++] = run->now_us - work->arrived_us;
    *(s->curve == run->world->gpu ? &run->outcome->on_gpu : &run->outcome->on_cpu) += 1;
    station_serve(run, s);
}

// The device has failed: whatever is on it is placed again.
static void station_lose(struct run *run, struct station *s)
{
    int lost = s->running + s->tail - s->head, count = 0;
    CLEAN_MEM int *jobs = mem_alloc(((size_t)lost + 1) * sizeof *jobs);
    for (int i = 0; i < s->running; i++) {
        jobs[count++] = s->served[i];
    }
    while (s->head < s->tail) {
        jobs[count++] = s->line[s->head++];
    }
    s->running = s->head = s->tail = 0;
    for (int i = 0; i < count; i++) {
        placement_lost(&run->placement, &run->costs, &run->jobs[jobs[i]].placed, true, run->now_us);
    }
    for (int i = 0; i < count; i++) {
        place(run, jobs[i]);
    }
    run->outcome->lost += count;
}

static void stations_break(struct run *run)
{
    const struct world *w = run->world;
    run->broken =
        w->gpu_breaks_us && run->now_us >= w->gpu_breaks_us && run->now_us < w->gpu_mends_us;
    for (int i = 0; i < run->stations && run->broken; i++) {
        struct station *s = &run->at[i];
        if (s->curve == w->gpu && s->running) {
            station_lose(run, s);
        }
    }
}

// ---- a run

static void station_add(struct run *run, const struct curve *curve, int slots)
{
    struct station *s = &run->at[run->stations];
    CHECK(slots <= SLOTS_MAX);
    *s = (struct station){.curve = curve, .slots = slots, .device = run->stations};
    // Each job once, and again for each time that it is lost.
    s->line = mem_alloc((size_t)run->world->jobs * 2 * sizeof *s->line);
    placement_add(&run->placement, slots);
    run->stations++;
}

// The job that ends next, or NULL.
static struct station *next_end(struct run *run, int *ret_slot, int64_t *ret_us)
{
    struct station *next = NULL;
    for (int i = 0; i < run->stations; i++) {
        for (int slot = 0; slot < run->at[i].running; slot++) {
            if (!next || run->at[i].until_us[slot] < *ret_us) {
                next = &run->at[i];
                *ret_slot = slot;
                *ret_us = run->at[i].until_us[slot];
            }
        }
    }
    return next;
}

static int by_value(const void *left, const void *right)
{
    const int64_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static void tell(struct run *run)
{
    struct outcome *outcome = run->outcome;
    size_t skip = (size_t)(outcome->answered * WARM_UP / 100);
    size_t count = (size_t)outcome->answered - skip;
    qsort(run->latency + skip, count, sizeof *run->latency, by_value);
    outcome->p50_us = run->latency[skip + count / 2];
    outcome->p99_us = run->latency[skip + count * 99 / 100];
    for (int i = 0; i < run->stations; i++) {
        const struct station *s = &run->at[i];
        double used = (double)s->used_us / (double)run->now_us / s->slots;
        *(s->curve == run->world->gpu ? &outcome->gpu_used : &outcome->cpu_used) = used;
        free(s->line);
    }
}

void world_run(const struct world *w, struct outcome *ret)
{
    struct run run = {.world = w, .seed = w->seed, .outcome = ret};
    size_t jobs = (size_t)w->jobs;
    CLEAN_MEM struct work *works = run.jobs = mem_alloc(jobs * sizeof *works);
    CLEAN_MEM int64_t *latency = run.latency = mem_alloc(jobs * sizeof *latency);
    *ret = (struct outcome){0};
    run.costs.target_us = w->policy == POLICY_AUTO ? w->target_us : 0;
    run.costs.threshold = w->policy == POLICY_THRESHOLD ? w->threshold : 0;
    if (w->policy != POLICY_GPU) {
        station_add(&run, w->cpu, w->cpu_slots);
    }
    if (w->policy != POLICY_CPU) {
        station_add(&run, w->gpu, 1);
    }
    int64_t arrives_us = 0;
    for (int arrived = 0; ret->answered < w->jobs;) {
        int slot = 0;
        int64_t ends_us = 0;
        struct station *ends = next_end(&run, &slot, &ends_us);
        if (arrived < w->jobs && (!ends || arrives_us <= ends_us)) {
            run.now_us = arrives_us;
            works[arrived] = (struct work){.tokens = tokens_of(&run), .arrived_us = arrives_us};
            place(&run, arrived++);
            arrives_us += (int64_t)(-log(chance(&run)) * 1e6 / w->per_second);
        } else {
            run.now_us = ends_us;
            station_finish(&run, ends, slot);
        }
        stations_break(&run);
    }
    tell(&run);
}

double world_capacity(struct world *w, struct outcome *ret)
{
    double least = 0, most = 1;
    struct outcome now;
    *ret = (struct outcome){0};
    for (w->per_second = most; world_run(w, &now), now.p99_us <= w->target_us;
         w->per_second = most *= 2) {
    }
    for (int i = 0; i < 10; i++) {
        w->per_second = (least + most) / 2;
        world_run(w, &now);
        if (now.p99_us <= w->target_us) {
            least = w->per_second;
            *ret = now;
        } else {
            most = w->per_second;
        }
    }
    w->per_second = least;
    return least;
}
