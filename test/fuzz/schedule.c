// SPDX-License-Identifier: Apache-2.0
// The first line is a schedule expression, what follows a time zone's file. Whatever is understood has
// its instants in order, each of which is one minute of the clock.
#include "base/check.h"
#include "base/mem.h"
#include "format/schedule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const struct schedule *schedule, const struct zone *zone)
{
    int64_t at_s = 1767225600, next_s = 0;
    for (int i = 0; i < 8 && schedule_next(schedule, zone, 1000, at_s, &next_s); i++) {
        CHECK(next_s > at_s);
        int64_t local_s = next_s + zone_at(zone, next_s).offset_s;
        CHECK(schedule->kind != SCHEDULE_CRON || local_s % 60 == 0);
        at_s = next_s;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_n(data, size);
    struct str text = str_cut(&rest, '\n');
    CLEAN(zone_clean) struct zone *zone = NULL;
    struct schedule schedule;
    struct err err = {0};
    if (rest.at && zone_parse(rest, &zone, &err) < 0) {
        CHECK(err.text[0]);
    }
    if (schedule_parse(text, SCHEDULE_OF_SCHEDULER, &schedule, &err) >= 0) {
        walk(&schedule, zone);
    }
    if (schedule_parse(text, SCHEDULE_OF_RULE, &schedule, &err) >= 0) {
        CHECK(schedule.kind != SCHEDULE_AT);
    }
    return 0;
}
