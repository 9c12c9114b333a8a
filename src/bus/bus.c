// SPDX-License-Identifier: Apache-2.0
// Matching: which functions a bucket's configuration names for this event, and one outbox row for
// each. On the journey of an upload: inside the transaction that makes the object.
#include "bus/bus.h"
#include "bus/event.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/identity.h"
#include "core/uuid.h"
#include "format/arn.h"
#include "format/s3event.h"
#include "store/job.h"
#include "store/notification.h"

#define EVENT_TYPES_MAX 32
#define EVENT_JSON_MAX  (64 * 1024)

void bus_emitted_add(struct bus_emitted *emitted, struct str function)
{
    for (size_t i = 0; i < emitted->count; i++) {
        if (str_eq(str_of(emitted->functions[i]), function)) {
            return;
        }
    }
    size_t size = (emitted->count + 1) * sizeof *emitted->functions;
    emitted->functions = mem_grow(emitted->functions, size);
    emitted->functions[emitted->count++] = str_dup(function);
}

void bus_emitted_done(struct bus_emitted *emitted)
{
    for (size_t i = 0; i < emitted->count; i++) {
        free(emitted->functions[i]);
    }
    free(emitted->functions);
    *emitted = (struct bus_emitted){0};
}

char *bus_function_key(const struct arn_function *f)
{
    bool latest = f->qualifier.size == 0 || str_eq(f->qualifier, STR("$LATEST"));
    return latest ? str_dup(f->name)
                  : mem_printf(STR_FMT ":" STR_FMT, STR_ARG(f->name), STR_ARG(f->qualifier));
}

int bus_invoke(struct db *db, struct str arn, struct str payload, int64_t time_ms,
               struct bus_emitted *emitted, struct err *err)
{
    struct arn_function named = {0};
    TRY(arn_function_parse(arn, &named, err));
    CLEAN_MEM char *key = bus_function_key(&named);
    struct uuid request_id = uuid_new();
    struct job_row row = {
        .function = str_of(key),
        .payload = payload,
        .request_id = str_of(request_id.text),
        .created_ms = time_ms,
        .due_ms = time_ms,
        .attempt = 1,
    };
    int64_t id = job_row_add(db, &row, err);
    if (id <= 0) {
        return (int)id;
    }
    bus_emitted_add(emitted, str_of(key));
    return 1;
}

// ── what happens in buckets ──

struct emitting {
    struct db *db;
    const struct bus_object_event *event;
    struct bus_emitted *emitted;
    struct err *err;
};

static bool notification_matches(const struct notification *n, const struct bus_object_event *event)
{
    struct str types[EVENT_TYPES_MAX];
    size_t count = 0;
    for (struct str rest = n->events; rest.at && count < EVENT_TYPES_MAX;) {
        types[count++] = str_cut(&rest, ',');
    }
    struct s3event_rule rule = {
        .types = types, .type_count = count, .prefix = n->prefix, .suffix = n->suffix};
    return s3event_rule_matches(&rule, str_of(event->name), event->key);
}

static void event_write(struct buf *out, const struct bus_object_event *event,
                        const struct notification *n)
{
    char sequencer[S3EVENT_SEQUENCER_MAX];
    struct s3event full = {
        .event_name = str_of(event->name),
        .region = str_of(event->region),
        .time_ms = event->time_ms,
        .principal_id = STR("AWS:" ACCOUNT_ID),
        .source_ip = event->source_ip.size ? event->source_ip : STR("127.0.0.1"),
        .request_id = event->request_id,
        .host_id = event->request_id,
        .configuration_id = n->id,
        .bucket = event->bucket,
        .owner_id = STR(ACCOUNT_ID),
        .key = event->key,
        .removed = str_starts(str_of(event->name), STR("ObjectRemoved:")),
        .size = event->size,
        .etag = event->etag,
        .sequencer = str_of(s3event_sequencer(event->sequencer, sequencer)),
    };
    s3event_write(out, &full);
}

static int emit_each(void *ctx, const struct notification *n)
{
    struct emitting *emitting = ctx;
    if (!notification_matches(n, emitting->event)) {
        return 0;
    }
    CLEAN(buf_done) struct buf payload = BUF_INIT(EVENT_JSON_MAX);
    event_write(&payload, emitting->event, n);
    if (!buf_ok(&payload)) {
        return err_set(emitting->err, ERR_LIMIT, "an event is larger than %d bytes",
                       EVENT_JSON_MAX);
    }
    int there = bus_invoke(emitting->db, n->function, buf_str(&payload), emitting->event->time_ms,
                           emitting->emitted, emitting->err);
    TRY(there);
    if (!there) { // it was deleted, the rule was not
        log_warn("%s of s3://" STR_FMT "/" STR_FMT
                 " is dropped: its bucket names the function " STR_FMT ", which is not there",
                 emitting->event->name, STR_ARG(emitting->event->bucket),
                 STR_ARG(emitting->event->key), STR_ARG(n->function));
    }
    return 0;
}

int bus_emit_object(struct db *db, const struct bus_object_event *event,
                    struct bus_emitted *emitted, struct err *err)
{
    struct emitting emitting = {.db = db, .event = event, .emitted = emitted, .err = err};
    TRY(notification_each(db, event->bucket, emit_each, &emitting, err));
    return bus_emit_object_event(db, event, emitted, err);
}
