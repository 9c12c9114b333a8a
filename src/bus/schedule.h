// SPDX-License-Identifier: Apache-2.0
// Time as an event: what EventBridge's scheduled rules and Scheduler's schedules do when they are due.
//
//     due ──► {jobs of the targets + the next instant} in ONE transaction
//
// so that an instant is never lost and never fires twice, whatever dies. Each row says which instant it
// fires for next. One that passed while no server ran fires late, once; those after it that have passed
// as well are skipped, as anacron and systemd's Persistent= have it.
#pragma once

#include "bus/bus.h"

#define BUS_FIRE_MAX 64 // rules and schedules of one transaction

// The first instant of a rule's expression after its anchor, in ms; 0: none. ERR_INVALID in
// schedule_parse's words.
MUST_CHECK int bus_rule_first(struct str expression, int64_t anchor_ms, int64_t *ret_ms,
                              struct err *err);

struct bus_moment {
    int64_t instant_ms; // 0: never again
    int64_t due_ms;     // as much later as FlexibleTimeWindow allows, by chance
};

// The first moment of a schedule that is made or changed now, by its document: ScheduleExpression,
// ScheduleExpressionTimezone, StartDate, EndDate, FlexibleTimeWindow. A new rate fires at once, or at
// its StartDate; a time of at() that has passed fires at once, too. ERR_INVALID or ERR_NOT_FOUND in the
// words of schedule_parse and zone_open.
MUST_CHECK int bus_schedule_first(struct str document, int64_t created_ms, int64_t now_ms,
                                  struct bus_moment *ret, struct err *err);

// Store thread, in a task: fires what is due by now_ms, at most BUS_FIRE_MAX. Returns how many.
MUST_CHECK int bus_fire(struct db *db, int64_t now_ms, const char *region,
                        struct bus_emitted *emitted, struct err *err);
// When the next is due; 0: never.
MUST_CHECK int bus_fire_next(struct db *db, int64_t *ret_ms, struct err *err);
