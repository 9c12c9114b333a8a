// SPDX-License-Identifier: Apache-2.0
// Firing. On the journey of a scheduled event: what an upload is for S3's events.
#include "bus/schedule.h"
#include "bus/target.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/identity.h"
#include "core/uuid.h"
#include "format/json.h"
#include "format/schedule.h"
#include "store/rule.h"
#include "store/schedule.h"

#include <sys/random.h>

#define EVENT_MAX   ((size_t)4096)
#define PAYLOAD_MAX ((size_t)1024 * 1024)
#define AGAIN_MS    3600000

struct firing {
    struct db *db;
    int64_t now_ms;
    const char *region;
    struct bus_emitted *emitted;
    struct err *err;
    int rc;
};

// ── events ──

// "2026-01-02T03:04:05Z"
static const char *time_text(int64_t ms, char text[CLOCK_TEXT_MAX])
{
    clock_iso(ms, text);
    memcpy(text + 19, "Z", 2);
    return text;
}

static void event_write(struct buf *out, const struct firing *f, const char *source,
                        const char *cause, int64_t instant_ms, const char *detail)
{
    char when[CLOCK_TEXT_MAX];
    struct uuid id = uuid_new();
    buf_printf(out,
               "{\"version\":\"0\",\"id\":\"%s\",\"detail-type\":\"Scheduled Event\","
               "\"source\":\"%s\",\"account\":\"" ACCOUNT_ID "\",\"time\":\"%s\",\"region\":\"%s\","
               "\"resources\":[\"%s\"],\"detail\":%s}",
               id.text, source, time_text(instant_ms, when), f->region, cause, detail);
}

// ── rules ──

int bus_rule_first(struct str expression, int64_t anchor_ms, int64_t *ret_ms, struct err *err)
{
    struct schedule schedule;
    int64_t next_s = 0, anchor_s = anchor_ms / 1000;
    TRY(schedule_parse(expression, SCHEDULE_OF_RULE, &schedule, err));
    *ret_ms = schedule_next(&schedule, NULL, anchor_s, anchor_s, &next_s) ? next_s * 1000 : 0;
    return 0;
}

static int rule_next(const struct rule_row *rule, int64_t after_ms, int64_t *ret_ms,
                     struct err *err)
{
    struct schedule schedule;
    int64_t next_s = 0;
    TRY(schedule_parse(rule->expression, SCHEDULE_OF_RULE, &schedule, err));
    bool more = schedule_next(&schedule, NULL, rule->anchor_ms / 1000, after_ms / 1000, &next_s);
    *ret_ms = more ? next_s * 1000 : 0;
    return 0;
}

struct rule_firing {
    struct firing *f;
    struct str event, arn;
};

static int target_fire(void *ctx, const struct rule_target *target)
{
    const struct rule_firing *r = ctx;
    CLEAN_JSON json_t *document = NULL;
    if (json_parse_object(target->document, &document, NULL) < 0) {
        log_error(STR_FMT ": its target " STR_FMT " is damaged", STR_ARG(r->arn),
                  STR_ARG(target->id));
        return 0;
    }
    struct bus_delivery delivery = {.arn = target->arn,
                                    .target = document,
                                    .event = r->event,
                                    .cause = r->arn,
                                    .now_ms = r->f->now_ms};
    return bus_deliver(r->f->db, &delivery, r->f->emitted, r->f->err);
}

static int rule_fire(struct firing *f, const struct rule_row *rule)
{
    int64_t next_ms = 0, after_ms = rule->due_ms > f->now_ms ? rule->due_ms : f->now_ms;
    TRY(rule_next(rule, after_ms, &next_ms, f->err));
    CLEAN(buf_done) struct buf event = BUF_INIT(EVENT_MAX);
    CLEAN_MEM char *arn = mem_printf("arn:aws:events:%s:" ACCOUNT_ID ":rule/" STR_FMT, f->region,
                                     STR_ARG(rule->name));
    event_write(&event, f, "aws.events", arn, rule->due_ms, "{}");
    struct rule_firing firing = {.f = f, .event = buf_str(&event), .arn = str_of(arn)};
    TRY(rule_target_each(f->db, rule->bus, rule->name, (struct str){0}, target_fire, &firing,
                         f->err));
    return rule_due_set(f->db, rule->bus, rule->name, next_ms, f->err);
}

// What cannot be understood (any more: time zones come and go with the system) must not hold up the
// others. It stays due and is looked at again later.
static bool is_puzzling(int rc)
{
    return rc == ERR_INVALID || rc == ERR_NOT_FOUND || rc == ERR_CORRUPT;
}

static void rule_each_due(void *ctx, const struct rule_row *rule)
{
    struct firing *f = ctx;
    f->rc = rule_fire(f, rule);
    if (is_puzzling(f->rc)) {
        log_error("rule " STR_FMT " cannot fire: %s", STR_ARG(rule->name), f->err->text);
        f->rc = rule_due_set(f->db, rule->bus, rule->name, f->now_ms + AGAIN_MS, f->err);
    }
}

// ── schedules ──

struct plan { // what a schedule's document says of when
    struct schedule when;
    struct zone *zone;
    int64_t start_s, end_s; // end_s: INT64_MAX for none
    int64_t anchor_s, window_s;
};

static void plan_done(struct plan *plan)
{
    zone_free(plan->zone);
}

static int64_t seconds_at(const json_t *document, const char *name, int64_t fallback)
{
    const json_t *value = json_object_get(document, name);
    return json_is_number(value) ? (int64_t)json_number_value(value) : fallback;
}

static int plan_read(const json_t *document, int64_t created_ms, struct plan *ret, struct err *err)
{
    struct str zone = json_str(json_object_get(document, "ScheduleExpressionTimezone"));
    TRY(schedule_parse(json_str(json_object_get(document, "ScheduleExpression")),
                       SCHEDULE_OF_SCHEDULER, &ret->when, err));
    if (zone.size) {
        TRY(zone_open(zone, &ret->zone, err));
    }
    ret->start_s = seconds_at(document, "StartDate", 0);
    ret->end_s = seconds_at(document, "EndDate", INT64_MAX);
    ret->anchor_s = ret->start_s ? ret->start_s : created_ms / 1000;
    const json_t *window = json_object_get(document, "FlexibleTimeWindow");
    ret->window_s = 60 * seconds_at(window, "MaximumWindowInMinutes", 0);
    return 0;
}

static int64_t chance_below(int64_t most)
{
    uint32_t chance = 0;
    (void)!getrandom(&chance, sizeof chance, GRND_NONBLOCK);
    return most > 0 ? (int64_t)(chance % (uint64_t)most) : 0;
}

static struct bus_moment plan_next(const struct plan *plan, int64_t after_s)
{
    int64_t next_s = 0;
    bool once = plan->when.kind == SCHEDULE_AT; // for which StartDate and EndDate do not count
    if (!once && after_s < plan->start_s) {
        after_s = plan->start_s - 1;
    }
    if (!schedule_next(&plan->when, plan->zone, plan->anchor_s, after_s, &next_s) ||
        (!once && next_s > plan->end_s)) {
        return (struct bus_moment){0};
    }
    return (struct bus_moment){.instant_ms = next_s * 1000,
                               .due_ms = next_s * 1000 + chance_below(plan->window_s * 1000)};
}

int bus_schedule_first(struct str document, int64_t created_ms, int64_t now_ms,
                       struct bus_moment *ret, struct err *err)
{
    CLEAN_JSON json_t *json = NULL;
    CLEAN(plan_done) struct plan plan = {0};
    TRY(json_parse_object(document, &json, err));
    TRY(plan_read(json, created_ms, &plan, err));
    int64_t after_s = now_ms / 1000;
    if (plan.when.kind == SCHEDULE_AT) {
        after_s = 0;
    } else if (plan.when.kind == SCHEDULE_RATE && created_ms == now_ms) {
        after_s--; // its anchor is its first instant
    }
    *ret = plan_next(&plan, after_s);
    return 0;
}

// The keywords that Input may hold.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
static void input_write(struct buf *out, struct str input, const char *arn, int64_t instant_ms)
{
    char when[CLOCK_TEXT_MAX], execution[17] = "";
    struct uuid id = uuid_new();
    memcpy(execution, id.text, 8);
    memcpy(execution + 8, id.text + 24, 8);
    const char *const words[][2] = {
        {"<aws.scheduler.schedule-arn>", arn},
        {"<aws.scheduler.scheduled-time>", time_text(instant_ms, when)},
        {"<aws.scheduler.execution-id>", execution},
        {"<aws.scheduler.attempt-number>", "1"},
    };
    while (input.size) {
        ptrdiff_t at = str_find(input, '<');
        size_t plain = at < 0 ? input.size : (size_t)at;
        buf_add_str(out, str_head(input, plain));
        input = str_skip(input, plain);
        size_t used = 0;
        for (size_t i = 0; i < ARRAY_SIZE(words) && !used; i++) {
            if (str_starts(input, str_of(words[i][0]))) {
                buf_add_text(out, words[i][1]);
                used = strlen(words[i][0]);
            }
        }
        if (!used && input.size) {
            buf_add_char(out, '<');
            used = 1;
        }
        input = str_skip(input, used);
    }
}

static int schedule_deliver(struct firing *f, const struct schedule_row *schedule,
                            const json_t *target)
{
    CLEAN(buf_done) struct buf payload = BUF_INIT(PAYLOAD_MAX);
    CLEAN_MEM char *arn =
        mem_printf("arn:aws:scheduler:%s:" ACCOUNT_ID ":schedule/" STR_FMT "/" STR_FMT, f->region,
                   STR_ARG(schedule->group), STR_ARG(schedule->name));
    struct str input = json_str(json_object_get(target, "Input"));
    if (input.size) {
        input_write(&payload, input, arn, schedule->instant_ms);
    } else {
        event_write(&payload, f, "aws.scheduler", arn, schedule->instant_ms, "\"{}\"");
    }
    CLEAN_JSON json_t *rest = json_copy((json_t *)(uintptr_t)target);
    json_object_del(rest, "Input");
    struct bus_delivery delivery = {.arn = json_str(json_object_get(target, "Arn")),
                                    .target = rest,
                                    .event = buf_str(&payload),
                                    .cause = str_of(arn),
                                    .now_ms = f->now_ms};
    return buf_ok(&payload) ? bus_deliver(f->db, &delivery, f->emitted, f->err)
                            : err_set(f->err, ERR_LIMIT, "a schedule's input is too large");
}

// The instant after this one, unless its whole window has passed while nobody looked.
static int64_t after_s(const struct firing *f, const struct schedule_row *schedule,
                       const struct plan *plan)
{
    int64_t passed_s = f->now_ms / 1000 - plan->window_s;
    return schedule->instant_ms / 1000 > passed_s ? schedule->instant_ms / 1000 : passed_s;
}

static int schedule_fire(struct firing *f, const struct schedule_row *schedule)
{
    CLEAN_JSON json_t *document = NULL;
    CLEAN(plan_done) struct plan plan = {0};
    TRY(json_parse_object(schedule->document, &document, f->err));
    TRY(plan_read(document, schedule->created_ms, &plan, f->err));
    TRY(schedule_deliver(f, schedule, json_object_get(document, "Target")));
    struct bus_moment next = {0};
    if (plan.when.kind != SCHEDULE_AT) {
        next = plan_next(&plan, after_s(f, schedule, &plan));
    }
    struct str after = json_str(json_object_get(document, "ActionAfterCompletion"));
    if (!next.instant_ms && str_eq(after, STR("DELETE"))) {
        int rc = schedule_delete(f->db, schedule->group, schedule->name, f->err);
        return rc < 0 ? rc : 0;
    }
    return schedule_due_set(f->db, schedule->group, schedule->name, next.instant_ms, next.due_ms,
                            f->err);
}

static void schedule_each_due(void *ctx, const struct schedule_row *schedule)
{
    struct firing *f = ctx;
    f->rc = schedule_fire(f, schedule);
    if (is_puzzling(f->rc)) {
        log_error("schedule " STR_FMT "/" STR_FMT " cannot fire: %s", STR_ARG(schedule->group),
                  STR_ARG(schedule->name), f->err->text);
        f->rc = schedule_due_set(f->db, schedule->group, schedule->name, schedule->instant_ms,
                                 f->now_ms + AGAIN_MS, f->err);
    }
}

// ── both ──

// 1 when something was due.
static int fire_one(struct firing *f)
{
    int rc = rule_due(f->db, f->now_ms, rule_each_due, f, f->err);
    if (rc == 0) {
        rc = schedule_due(f->db, f->now_ms, schedule_each_due, f, f->err);
    }
    return f->rc < 0 ? f->rc : rc;
}

int bus_fire(struct db *db, int64_t now_ms, const char *region, struct bus_emitted *emitted,
             struct err *err)
{
    struct firing f = {
        .db = db, .now_ms = now_ms, .region = region, .emitted = emitted, .err = err};
    int count = 0;
    for (int rc = 1; count < BUS_FIRE_MAX && rc == 1; count += rc) {
        rc = fire_one(&f);
        TRY(rc);
    }
    return count;
}

int bus_fire_next(struct db *db, int64_t *ret_ms, struct err *err)
{
    int64_t rule_ms = 0, schedule_ms = 0;
    TRY(rule_due_next(db, &rule_ms, err));
    TRY(schedule_due_next(db, &schedule_ms, err));
    *ret_ms = rule_ms && (!schedule_ms || rule_ms < schedule_ms) ? rule_ms : schedule_ms;
    return 0;
}
