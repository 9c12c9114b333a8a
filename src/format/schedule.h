// SPDX-License-Identifier: Apache-2.0
// Schedule expressions of EventBridge: when something is to happen, again and again or once.
//
//     rate(5 minutes)            every five minutes from its anchor on
//     cron(0 12 ? * MON-FRI *)   format/cron.h, in the schedule's time zone
//     at(2026-11-20T13:00:00)    once, in the schedule's time zone (Scheduler only)
//
// When clocks are put forward, a cron time that is left out is skipped; when they are put back, one
// that comes twice counts the first time. (An at time that is left out comes as much later.)
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
#pragma once

#include "format/cron.h"
#include "format/zone.h"

#define SCHEDULE_TEXT_MAX 256

enum schedule_kind { SCHEDULE_RATE, SCHEDULE_CRON, SCHEDULE_AT };

// Rules know no at(), and want rate(1 minute) but rate(2 minutes); Scheduler takes either.
enum schedule_dialect { SCHEDULE_OF_RULE, SCHEDULE_OF_SCHEDULER };

struct schedule {
    enum schedule_kind kind;
    int64_t rate_s;
    int64_t at_s; // local, as cron.h has it
    struct cron cron;
};

// ERR_INVALID with what is wrong, in words for whoever wrote it.
MUST_CHECK int schedule_parse(struct str text, enum schedule_dialect dialect, struct schedule *ret,
                              struct err *err);

// The first instant after `after_s`; false when there is none. Instants are seconds since 1970, UTC.
// `zone` NULL: UTC. `anchor_s`: the first instant of a rate.
bool schedule_next(const struct schedule *schedule, const struct zone *zone, int64_t anchor_s,
                   int64_t after_s, int64_t *ret_s);
