// SPDX-License-Identifier: Apache-2.0
// An event is built once, matched against the rules of its bus, and handed to the targets of those that
// want it. Where nobody listens nothing is built.
#include "bus/event.h"
#include "bus/target.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/identity.h"
#include "core/uuid.h"
#include "format/json.h"
#include "format/pattern.h"
#include "format/s3event.h"
#include "store/rule.h"

#define EVENT_MAX ((size_t)1024 * 1024)

json_t *bus_event_json(const struct bus_event *e)
{
    char when[CLOCK_TEXT_MAX];
    clock_iso(e->time_ms, when);
    memcpy(when + 19, "Z", 2); // without milliseconds
    json_t *json = json_object();
    json_put_str(json, "version", STR("0"));
    json_put_str(json, "id", e->id);
    json_put_str(json, "detail-type", e->detail_type);
    json_put_str(json, "source", e->source);
    json_put_str(json, "account", STR(ACCOUNT_ID));
    json_put_str(json, "time", str_of(when));
    json_put_str(json, "region", str_of(e->region));
    json_put(json, "resources",
             e->resources ? json_incref((json_t *)(uintptr_t)e->resources) : json_array());
    json_put(json, "detail", json_incref((json_t *)(uintptr_t)e->detail));
    return json;
}

struct emitting {
    struct db *db;
    const struct bus_event *event;
    const json_t *json;
    struct str text;
    int64_t now_ms;
    struct str cause; // ARN of the rule
    struct bus_emitted *emitted;
    struct err *err;
};

static int target_each(void *ctx, const struct rule_target *target)
{
    struct emitting *e = ctx;
    CLEAN_JSON json_t *document = NULL;
    if (json_parse_object(target->document, &document, NULL) < 0) {
        log_error(STR_FMT ": its target " STR_FMT " is damaged", STR_ARG(e->cause),
                  STR_ARG(target->id));
        return 0;
    }
    struct bus_delivery delivery = {.arn = target->arn,
                                    .target = document,
                                    .event = e->text,
                                    .cause = e->cause,
                                    .now_ms = e->now_ms};
    return bus_deliver(e->db, &delivery, e->emitted, e->err);
}

static int rule_match(void *ctx, const struct rule_row *rule)
{
    struct emitting *e = ctx;
    CLEAN_JSON json_t *pattern = NULL;
    if (pattern_parse(rule->pattern, &pattern, NULL) < 0 || !pattern_matches(pattern, e->json)) {
        return 0;
    }
    bool plain = str_eq(rule->bus, STR("default"));
    CLEAN_MEM char *arn = mem_printf("arn:aws:events:%s:" ACCOUNT_ID ":rule/" STR_FMT "%s" STR_FMT,
                                     e->event->region, plain ? 0 : (int)rule->bus.size,
                                     rule->bus.at, plain ? "" : "/", STR_ARG(rule->name));
    e->cause = str_of(arn);
    return rule_target_each(e->db, rule->bus, rule->name, (struct str){0}, target_each, e, e->err);
}

int bus_emit_event(struct db *db, const struct bus_event *event, int64_t now_ms,
                   struct bus_emitted *emitted, struct err *err)
{
    CLEAN_JSON json_t *json = bus_event_json(event);
    CLEAN(buf_done) struct buf text = BUF_INIT(EVENT_MAX);
    json_write(json, &text);
    if (!buf_ok(&text)) {
        return err_set(err, ERR_LIMIT, "an event is larger than %zu bytes", EVENT_MAX);
    }
    struct emitting emitting = {.db = db,
                                .event = event,
                                .json = json,
                                .text = buf_str(&text),
                                .now_ms = now_ms,
                                .emitted = emitted,
                                .err = err};
    return rule_each_pattern(db, event->bus, rule_match, &emitting, err);
}

// ── S3's ──
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html

static const char *reason_of(struct str name)
{
    static const char *const reasons[][2] = {
        {"ObjectCreated:Put", "PutObject"},
        {"ObjectCreated:Post", "POST Object"},
        {"ObjectCreated:Copy", "CopyObject"},
        {"ObjectCreated:CompleteMultipartUpload", "CompleteMultipartUpload"},
        {"ObjectRemoved:Delete", "DeleteObject"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
        if (str_eq(name, str_of(reasons[i][0]))) {
            return reasons[i][1];
        }
    }
    return NULL;
}

static json_t *detail_of(const struct bus_object_event *e, const char *reason, bool removed)
{
    char sequencer[S3EVENT_SEQUENCER_MAX];
    json_t *detail = json_object(), *bucket = json_object(), *object = json_object();
    json_put_str(detail, "version", STR("0"));
    json_put(detail, "bucket", bucket);
    json_put(detail, "object", object);
    json_put_str(bucket, "name", e->bucket);
    json_put_str(object, "key", e->key);
    if (!removed) {
        json_put_int(object, "size", (int64_t)e->size);
        json_put_str(object, "etag", e->etag);
    }
    json_put_str(object, "sequencer", str_of(s3event_sequencer(e->sequencer, sequencer)));
    json_put_str(detail, "request-id", e->request_id);
    json_put_str(detail, "requester", STR(ACCOUNT_ID));
    json_put_str(detail, "source-ip-address", e->source_ip.size ? e->source_ip : STR("127.0.0.1"));
    json_put_str(detail, "reason", str_of(reason));
    if (removed) {
        json_put_str(detail, "deletion-type", STR("Permanently Deleted"));
    }
    return detail;
}

int bus_emit_object_event(struct db *db, const struct bus_object_event *e,
                          struct bus_emitted *emitted, struct err *err)
{
    const char *reason = reason_of(str_of(e->name));
    int heard = reason ? rule_hears_bucket(db, e->bucket, err) : 0;
    if (heard <= 0) {
        return heard;
    }
    bool removed = str_starts(str_of(e->name), STR("ObjectRemoved:"));
    struct uuid id = uuid_new();
    CLEAN_JSON json_t *detail = detail_of(e, reason, removed);
    CLEAN_MEM char *arn = mem_printf("arn:aws:s3:::" STR_FMT, STR_ARG(e->bucket));
    CLEAN_JSON json_t *resources = json_pack("[s]", arn);
    struct bus_event event = {
        .bus = STR("default"),
        .id = str_of(id.text),
        .detail_type = removed ? STR("Object Deleted") : STR("Object Created"),
        .source = STR("aws.s3"),
        .time_ms = e->time_ms,
        .region = e->region,
        .resources = resources,
        .detail = detail,
    };
    return bus_emit_event(db, &event, e->time_ms, emitted, err);
}
