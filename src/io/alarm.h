// SPDX-License-Identifier: Apache-2.0
// A time of day to be woken at. Unlike a timer it follows the wall clock: it comes when its time does
// also after the machine has slept, and whenever the clock is set, so that whoever waits looks again.
#pragma once

#include "io/loop.h"

// Caller-owned; zeroed before alarm_init.
struct alarm {
    void (*on_due)(struct alarm *alarm); // the time has come, or the clock was set: set it again
    struct loop *loop;
    struct watch watch; // of a timerfd
    struct timer timer; // instead, in a simulated loop
};

MUST_CHECK int alarm_init(struct alarm *alarm, struct loop *loop, struct err *err);
void alarm_done(struct alarm *alarm); // survives a zeroed one
// Instead of what was set before; milliseconds since 1970; 0: never.
void alarm_set(struct alarm *alarm, int64_t wall_ms);
