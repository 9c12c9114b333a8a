// SPDX-License-Identifier: Apache-2.0
// From an event to a job in the outbox. EventBridge tries for a day to hand an event over; here it is
// handed over in the transaction that makes it, and can fail only because nobody is there.
#include "bus/target.h"
#include "base/log.h"
#include "format/arn.h"
#include "format/json.h"

static struct str text_at(const json_t *target, const char *path)
{
    return json_str(json_at(target, path));
}

int bus_deliver(struct db *db, const struct bus_delivery *d, struct bus_emitted *emitted,
                struct err *err)
{
    struct str input = text_at(d->target, "Input"),
               dead = text_at(d->target, "DeadLetterConfig.Arn");
    struct str payload = input.at ? input : d->event;
    int there = bus_invoke(db, d->arn, payload, d->now_ms, emitted, err);
    if (there == 0 && arn_function_parse(dead, &(struct arn_function){0}, NULL) >= 0) {
        there = bus_invoke(db, dead, payload, d->now_ms, emitted, err);
    }
    TRY(there);
    if (!there) {
        log_warn(STR_FMT " invokes a function that is not there: " STR_FMT, STR_ARG(d->cause),
                 STR_ARG(d->arn));
    }
    return 0;
}
