// SPDX-License-Identifier: Apache-2.0
// From an event to a job in the outbox. EventBridge tries for a day to hand an event over; here it is
// handed over in the transaction that makes it, and can fail only because nobody is there.
#include "bus/target.h"
#include "bus/input.h"
#include "base/log.h"
#include "format/arn.h"
#include "format/json.h"

#define PAYLOAD_MAX ((size_t)2 * 1024 * 1024)

int bus_deliver(struct db *db, const struct bus_delivery *d, struct bus_emitted *emitted,
                struct err *err)
{
    struct str dead = json_str(json_at(d->target, "DeadLetterConfig.Arn"));
    CLEAN(buf_done) struct buf payload = BUF_INIT(PAYLOAD_MAX);
    struct bus_input input = {
        .target = d->target, .event = d->event, .rule_arn = d->cause, .now_ms = d->now_ms};
    bus_input_write(&payload, &input);
    if (!buf_ok(&payload)) {
        log_warn(STR_FMT ": what it makes of an event is too large", STR_ARG(d->cause));
        return 0;
    }
    int there = bus_invoke(db, d->arn, buf_str(&payload), d->now_ms, emitted, err);
    if (there == 0 && arn_function_parse(dead, &(struct arn_function){0}, NULL) >= 0) {
        there = bus_invoke(db, dead, buf_str(&payload), d->now_ms, emitted, err);
    }
    TRY(there);
    if (!there) {
        log_warn(STR_FMT " invokes a function that is not there: " STR_FMT, STR_ARG(d->cause),
                 STR_ARG(d->arn));
    }
    return 0;
}
