// SPDX-License-Identifier: Apache-2.0
// When the next rule or schedule is due: one alarm for the one that comes first, nothing else. Core
// thread only; what firing means is bus/schedule.h.
#pragma once

#include "base/err.h"

struct dispatch;
struct loop;
struct schedules;
struct store;

MUST_CHECK int schedules_new(struct loop *loop, struct store *store, struct dispatch *dispatch,
                             const char *region, struct schedules **ret, struct err *err);
// After store_close, which may still call back. NULL is fine.
void schedules_free(struct schedules *schedules);

// At start, and whenever rules or schedules have changed. What was missed while no server ran fires.
void schedules_look(struct schedules *schedules);
// Fires nothing more; what comes due stays due. NULL is fine.
void schedules_stop(struct schedules *schedules);
