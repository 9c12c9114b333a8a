// SPDX-License-Identifier: Apache-2.0
// Rules and schedules on a made-up clock: days of them, on a server that stops, loses power and finds
// its database failing. Afterwards the outbox tells what fired, and each that did must be followed by
// the very next instant: none is lost, none comes twice, and of those missed while nobody ran there is
// one.
//
//   test_sim_schedules           many seeds, a line only when one fails
//   ROUSE_SIM_SEED=N …           that one alone
//   ROUSE_SIM_RUNS=N …           so many seeds
#include "base/clock.h"
#include "base/log.h"
#include "bus/schedule.h"
#include "core/identity.h"
#include "dispatch/schedules.h"
#include "format/civil.h"
#include "format/json.h"
#include "format/schedule.h"
#include "store/function.h"
#include "store/job.h"
#include "store/rule.h"
#include "store/schedule.h"
#include "world.h"

#include <time.h>

#define RUNS       20
#define PARTS_MAX  12
#define FIRES_MAX  20000 // of one
#define DOWNS_MAX  64
#define HOUR_US    (3600 * 1000000ll)
#define PROMPT_MS  2000  // after an instant, when all is well
#define FAILING_MS 60000 // when the database fails now and then

struct part { // a rule or a schedule, and the function that it invokes
    char name[16];
    bool rule;
    const char *expression, *zone; // zone: NULL for rules
    int64_t window_s, created_ms, end_s;
    struct schedule when;
    struct zone *clock;
    int64_t instants_s[FIRES_MAX], fired_ms[FIRES_MAX]; // in the order of the outbox
    int count;
};

struct story {
    struct world w; // first
    struct schedules *schedules;
    struct fleet fleet;
    struct part parts[PARTS_MAX];
    int part_count;
    int64_t down_ms[DOWNS_MAX], up_ms[DOWNS_MAX]; // when the server was away
    int downs;
};

// ── the server ──

static void listen_nobody(struct fleet *fleet, const struct fleet_events *events)
{
    (void)fleet, (void)events;
}

static const struct fleet_ops nobody = {.listen = listen_nobody};

static void server_up(struct story *s)
{
    struct err err = {0};
    struct world *w = &s->w;
    struct faults as_before = faults;
    faults = (struct faults){0};
    HOLDS(store_open_inline(w->loop, w->dir, world_between(w, 0, 5000), &w->store, &err) == 0, "%s",
          err.text);
    s->fleet.ops = &nobody;
    w->dispatch = dispatch_new(w->loop, w->store, &s->fleet, NULL, &w->options);
    HOLDS(schedules_new(w->loop, w->store, w->dispatch, "us-east-1", &s->schedules, &err) == 0,
          "%s", err.text);
    schedules_look(s->schedules);
    faults = as_before;
}

// `power`: what was not committed is not there.
static void server_down(struct story *s, bool power)
{
    bool as_before = faults.all;
    schedules_stop(s->schedules);
    faults.all = power;
    store_close(s->w.store);
    faults.all = as_before;
    schedules_free(s->schedules);
    dispatch_free(s->w.dispatch);
}

static void nothing_due(struct timer *timer)
{
    (void)timer;
}

static void time_pass(struct story *s, int64_t us)
{
    struct timer pause = {.on_due = nothing_due};
    timer_start(s->w.loop, &pause, us);
    while (timer_running(&pause)) {
        loop_turn(s->w.loop, 0);
    }
}

static void outage(struct story *s)
{
    struct world *w = &s->w;
    if (s->downs == DOWNS_MAX) {
        return;
    }
    s->down_ms[s->downs] = loop_wall_ms(w->loop);
    server_down(s, world_chance(w, 500));
    time_pass(s, world_chance(w, 500) ? world_between(w, 0, 300) * 1000000
                                      : world_between(w, 0, 48) * HOUR_US);
    server_up(s);
    s->up_ms[s->downs++] = loop_wall_ms(w->loop);
}

// ── what there is to fire ──

static const char *const rates[] = {"rate(1 minute)", "rate(7 minutes)", "rate(1 hour)",
                                    "rate(2 days)"};
static const char *const crons[] = {
    "cron(* 0-3 * * ? *)",   "cron(0/15 * * * ? *)",      "cron(30 2 * * ? *)",
    "cron(0 12 ? * MON *)",  "cron(5,6,7 8-17 L * ? *)",  "cron(0 0 1 1 ? *)",
    "cron(59 23 31 12 ? *)", "cron(0 */5 ? * SAT-SUN *)",
};
static const char *const zones[] = {"UTC", "America/New_York", "Asia/Kolkata",
                                    "Australia/Lord_Howe"};

struct adding {
    struct store_task task;
    struct story *s;
    struct part *part;
};

static int rule_add(struct db *db, struct part *p, struct err *err)
{
    struct rule_row rule = {.bus = STR("default"),
                            .name = str_of(p->name),
                            .state = STR("ENABLED"),
                            .expression = str_of(p->expression),
                            .anchor_ms = p->created_ms};
    struct rule_target target = {.bus = rule.bus,
                                 .rule = rule.name,
                                 .id = STR("t"),
                                 .arn = str_of(p->name),
                                 .document = STR("{}")};
    TRY(bus_rule_first(rule.expression, rule.anchor_ms, &rule.due_ms, err));
    TRY(rule_target_put(db, &target, err));
    return rule_put(db, &rule, err);
}

static int schedule_add(struct db *db, struct part *p, struct err *err)
{
    CLEAN_MEM char *document = mem_printf(
        "{\"ScheduleExpression\":\"%s\",\"ScheduleExpressionTimezone\":\"%s\",\"EndDate\":%lld,"
        "\"FlexibleTimeWindow\":{\"MaximumWindowInMinutes\":%lld},\"Target\":{\"Arn\":\"%s\"}}",
        p->expression, p->zone, (long long)p->end_s, (long long)p->window_s / 60, p->name);
    struct bus_moment first = {0};
    TRY(bus_schedule_first(str_of(document), p->created_ms, p->created_ms, &first, err));
    struct schedule_row row = {.group = STR("default"),
                               .name = str_of(p->name),
                               .state = STR("ENABLED"),
                               .document = str_of(document),
                               .created_ms = p->created_ms,
                               .modified_ms = p->created_ms,
                               .instant_ms = first.instant_ms,
                               .due_ms = first.due_ms};
    return schedule_put(db, &row, err);
}

static int add_run(struct store_task *task, struct db *db, struct err *err)
{
    struct adding *a = CONTAINER_OF(task, struct adding, task);
    CLEAN(function_clean) struct function *f = function_new();
    f->name = mem_dup(a->part->name);
    f->version = mem_dup("$LATEST");
    TRY(function_version_put(db, "/packages", f, err));
    return a->part->rule ? rule_add(db, a->part, err) : schedule_add(db, a->part, err);
}

static void add_done(struct store_task *task)
{
    struct adding *a = CONTAINER_OF(task, struct adding, task);
    if (task->rc < 0) { // it was never there: the client is told, and tries no more
        a->part->expression = NULL;
    } else {
        schedules_look(a->s->schedules);
    }
    free(a);
}

static void part_add(struct story *s)
{
    struct world *w = &s->w;
    if (s->part_count == PARTS_MAX) {
        return;
    }
    struct part *p = &s->parts[s->part_count];
    snprintf(p->name, sizeof p->name, "p%d", s->part_count++);
    p->rule = world_chance(w, 400);
    bool rate = world_chance(w, 400);
    p->expression = rate ? rates[world_random(w) % ARRAY_SIZE(rates)]
                         : crons[world_random(w) % ARRAY_SIZE(crons)];
    p->zone = zones[p->rule ? 0 : world_random(w) % ARRAY_SIZE(zones)];
    p->window_s = !p->rule && world_chance(w, 300) ? world_between(w, 1, 90) * 60 : 0;
    p->created_ms = loop_wall_ms(w->loop);
    p->end_s = p->created_ms / 1000 +
               (!p->rule && world_chance(w, 300) ? world_between(w, 0, 48) * 3600 : 1000000000);
    struct err err = {0};
    HOLDS(schedule_parse(str_of(p->expression), SCHEDULE_OF_RULE, &p->when, &err) >= 0, "%s",
          err.text);
    HOLDS(zone_open(str_of(p->zone), &p->clock, &err) >= 0, "%s", err.text);
    struct adding *a = NEW(struct adding);
    *a = (struct adding){.task = {.run = add_run, .on_done = add_done}, .s = s, .part = p};
    store_submit(w->store, &a->task);
    time_pass(s, 10000); // it is committed before the power fails
}

// ── what fired ──

static int row_seen(void *ctx, const struct job_row *row)
{
    struct part *p = ctx;
    struct err err = {0};
    struct tm tm = {0};
    CLEAN_JSON json_t *event = NULL;
    HOLDS(p->count < FIRES_MAX, "%s fires too often", p->name);
    HOLDS(json_parse_object(row->payload, &event, &err) >= 0, "%s", err.text);
    CLEAN_MEM char *when = str_dup(json_str(json_object_get(event, "time")));
    HOLDS(strptime(when, "%Y-%m-%dT%H:%M:%SZ", &tm), "%s is no time", when);
    p->instants_s[p->count] = (int64_t)timegm(&tm);
    p->fired_ms[p->count++] = row->created_ms;
    return 0;
}

// The first instant after that; INT64_MAX: none.
static int64_t next_of(const struct part *p, int64_t after_s)
{
    int64_t next_s = 0;
    bool more = schedule_next(&p->when, p->clock, p->created_ms / 1000, after_s, &next_s);
    return more && (p->rule || next_s <= p->end_s) ? next_s : INT64_MAX;
}

// It fired so late: was the server away?
static void late_check(const struct story *s, const struct part *p, int64_t instant_ms,
                       int64_t fired_ms, int64_t prompt_ms)
{
    int64_t latest_ms = instant_ms + p->window_s * 1000 + prompt_ms;
    HOLDS(fired_ms >= instant_ms, "%s fires %lld ms early", p->name,
          (long long)(instant_ms - fired_ms));
    for (int i = 0; i < s->downs; i++) {
        bool over = s->down_ms[i] <= latest_ms && latest_ms - prompt_ms <= s->up_ms[i] + prompt_ms;
        latest_ms =
            over && s->up_ms[i] + prompt_ms > latest_ms ? s->up_ms[i] + prompt_ms : latest_ms;
    }
    HOLDS(fired_ms <= latest_ms, "%s fires %lld ms after its instant %lld", p->name,
          (long long)(fired_ms - instant_ms), (long long)instant_ms / 1000);
}

static void part_check(struct story *s, struct part *p, int64_t prompt_ms)
{
    int64_t now_ms = loop_wall_ms(s->w.loop);
    bool at_once = !p->rule && p->when.kind == SCHEDULE_RATE;
    int64_t want_s = next_of(p, p->created_ms / 1000 - at_once);
    int count = job_row_each_due(store_reader(s->w.store), str_of(p->name), INT64_MAX, 1000000,
                                 row_seen, p, NULL);
    HOLDS(count == p->count, "%d of %d", count, p->count);
    for (int i = 0; i < p->count; i++) {
        int64_t instant_s = p->instants_s[i], fired_ms = p->fired_ms[i];
        HOLDS(instant_s == want_s, "%s %s in %s: after %d the next is %lld, not %lld", p->name,
              p->expression, p->zone, i, (long long)want_s, (long long)instant_s);
        late_check(s, p, instant_s * 1000, fired_ms, prompt_ms);
        int64_t passed_s = fired_ms / 1000 - p->window_s;
        want_s = next_of(p, passed_s > instant_s ? passed_s : instant_s);
    }
    HOLDS(want_s == INT64_MAX || want_s * 1000 + p->window_s * 1000 + prompt_ms > now_ms,
          "%s %s: %lld is due since %lld ms", p->name, p->expression, (long long)want_s,
          (long long)(now_ms - want_s * 1000));
}

static void story_check(struct story *s, int64_t prompt_ms)
{
    for (int i = 0; i < s->part_count; i++) {
        if (s->parts[i].expression) {
            part_check(s, &s->parts[i], prompt_ms);
        }
    }
}

// ── a run ──

static uint64_t fires; // in all runs

static void run(uint64_t seed)
{
    struct story *s = NEW(struct story);
    struct world *w = &s->w;
    struct err err = {0};
    *w = (struct world){.seed = seed, .random = seed};
    w->options = (struct dispatch_options){.instances_max = 1, .queue_max = 1};
    world = w;
    faults = (struct faults){0};
    HOLDS(loop_new(LOOP_SIMULATED, &w->loop, &err) == 0, "%s", err.text);
    world_dir_make(w);
    server_up(s);
    // Somewhere in the year, so that clocks are put forward and back.
    time_pass(s, world_between(w, 0, 365 * 24) * HOUR_US + world_between(w, 0, 59999999));
    faults.chance = seed % 2 ? (int)(seed / 2 % 4) * 20 : 0;
    for (int i = 0; i < 30; i++) {
        int64_t what = world_between(w, 0, 99);
        if (what < 50) {
            part_add(s);
        } else if (what < 65) {
            outage(s);
        }
        time_pass(s, world_chance(w, 300) ? world_between(w, 0, 30) * HOUR_US / 10
                                          : world_between(w, 0, 600000000));
    }
    int64_t prompt_ms = faults.chance ? FAILING_MS : PROMPT_MS;
    faults = (struct faults){0};
    time_pass(s, prompt_ms * 1000);
    story_check(s, prompt_ms);
    server_down(s, false);
    for (int i = 0; i < s->part_count; i++) {
        fires += (uint64_t)s->parts[i].count;
        zone_free(s->parts[i].clock);
    }
    loop_free(w->loop);
    world_dir_remove(w);
    free(s);
}

int main(void)
{
    world_say_seed();
    log_setup(getenv("ROUSE_SIM_LOG") ? LOG_DEBUG : (enum log_level)(LOG_ERROR + 1), false);
    uint64_t only = world_number("ROUSE_SIM_SEED", 0);
    uint64_t runs = only ? only : world_number("ROUSE_SIM_RUNS", RUNS);
    for (uint64_t seed = only ? only : 1; seed <= runs; seed++) {
        run(seed);
    }
    printf("%llu seeds, %llu fires\n", (unsigned long long)runs, (unsigned long long)fires);
    return 0;
}
