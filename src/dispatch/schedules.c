// SPDX-License-Identifier: Apache-2.0
// The alarm rings, a task on the store's thread fires what is due, its jobs are woken, and the alarm
// is set again.
#include "dispatch/schedules.h"
#include "base/log.h"
#include "bus/schedule.h"
#include "dispatch/dispatch.h"
#include "io/alarm.h"
#include "store/store.h"

#define AGAIN_MS 1000 // after a failure of the store

struct schedules {
    struct loop *loop;
    struct store *store;
    struct dispatch *dispatch;
    const char *region; // borrowed
    struct alarm alarm;
    struct store_task task;
    bool firing; // the task is under way
    bool stopped;
    int64_t now_ms; // that it fires by
    struct bus_emitted emitted;
};

static int fire_run(struct store_task *task, struct db *db, struct err *err)
{
    struct schedules *s = CONTAINER_OF(task, struct schedules, task);
    return bus_fire(db, s->now_ms, s->region, &s->emitted, err);
}

static void fire(struct schedules *s)
{
    s->firing = true;
    s->now_ms = loop_wall_ms(s->loop);
    store_submit(s->store, &s->task);
}

static void fire_done(struct store_task *task)
{
    struct schedules *s = CONTAINER_OF(task, struct schedules, task);
    s->firing = false;
    if (task->rc < 0) {
        log_error("schedules that are due could not fire, they will again: %s", task->err.text);
        task->err = (struct err){0};
        alarm_set(&s->alarm, s->stopped ? 0 : loop_wall_ms(s->loop) + AGAIN_MS);
    } else {
        dispatch_wake_emitted(s->dispatch, &s->emitted);
        schedules_look(s);
    }
    bus_emitted_done(&s->emitted);
}

static void alarm_due(struct alarm *alarm)
{
    schedules_look(CONTAINER_OF(alarm, struct schedules, alarm));
}

void schedules_look(struct schedules *s)
{
    int64_t next_ms = 0;
    struct err err = {0};
    if (s->firing || s->stopped) {
        return; // the end of firing looks again
    }
    if (bus_fire_next(store_reader(s->store), &next_ms, &err) < 0) {
        log_error("when the next schedule is due cannot be read: %s", err.text);
        alarm_set(&s->alarm, loop_wall_ms(s->loop) + AGAIN_MS);
    } else if (next_ms && next_ms <= loop_wall_ms(s->loop)) {
        fire(s);
    } else {
        alarm_set(&s->alarm, next_ms);
    }
}

void schedules_stop(struct schedules *s)
{
    if (s) {
        s->stopped = true;
        alarm_set(&s->alarm, 0);
    }
}

int schedules_new(struct loop *loop, struct store *store, struct dispatch *dispatch,
                  const char *region, struct schedules **ret, struct err *err)
{
    struct schedules *s = NEW(struct schedules);
    s->loop = loop;
    s->store = store;
    s->dispatch = dispatch;
    s->region = region;
    s->task = (struct store_task){.run = fire_run, .on_done = fire_done};
    s->alarm.on_due = alarm_due;
    int rc = alarm_init(&s->alarm, loop, err);
    if (rc < 0) {
        schedules_free(s);
        return rc;
    }
    *ret = s;
    return 0;
}

void schedules_free(struct schedules *s)
{
    if (s) {
        alarm_done(&s->alarm);
        bus_emitted_done(&s->emitted);
        free(s);
    }
}
