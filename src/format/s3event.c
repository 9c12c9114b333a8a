// SPDX-License-Identifier: Apache-2.0
// S3's event records, written as AWS writes them, and the rules that choose among them. An uploaded
// object becomes here what a function will read.
#include "format/s3event.h"
#include "base/clock.h"
#include "format/arn.h"
#include "format/json.h"
#include "format/uri.h"

#include <stdio.h>

#define KEY_MAX 1024 // bytes of a key; encoded, three times that

static void add_field(struct buf *out, const char *before, struct str value)
{
    buf_add_text(out, before);
    json_quote(out, value);
}

static void add_object(struct buf *out, const struct s3event *e)
{
    CLEAN(buf_done) struct buf key = BUF_INIT(3 * KEY_MAX);
    uri_encode_key(&key, str_head(e->key, KEY_MAX));
    add_field(out, ",\"object\":{\"key\":", buf_str(&key));
    if (!e->removed) {
        buf_printf(out, ",\"size\":%llu", (unsigned long long)e->size);
        add_field(out, ",\"eTag\":", e->etag);
    }
    if (e->version_id.size) {
        add_field(out, ",\"versionId\":", e->version_id);
    }
    add_field(out, ",\"sequencer\":", e->sequencer);
    buf_add_char(out, '}');
}

void s3event_write_record(struct buf *out, const struct s3event *e)
{
    char time[CLOCK_TEXT_MAX];
    CLEAN(buf_done) struct buf arn = BUF_INIT(256);
    arn_add_s3(&arn, e->bucket, (struct str){0});
    add_field(out,
              "{\"eventVersion\":\"2.1\",\"eventSource\":\"aws:s3\",\"awsRegion\":", e->region);
    add_field(out, ",\"eventTime\":", str_of(clock_iso(e->time_ms, time)));
    add_field(out, ",\"eventName\":", e->event_name);
    add_field(out, ",\"userIdentity\":{\"principalId\":", e->principal_id);
    add_field(out, "},\"requestParameters\":{\"sourceIPAddress\":", e->source_ip);
    add_field(out, "},\"responseElements\":{\"x-amz-request-id\":", e->request_id);
    add_field(out, ",\"x-amz-id-2\":", e->host_id);
    add_field(out,
              "},\"s3\":{\"s3SchemaVersion\":\"1.0\",\"configurationId\":", e->configuration_id);
    add_field(out, ",\"bucket\":{\"name\":", e->bucket);
    add_field(out, ",\"ownerIdentity\":{\"principalId\":", e->owner_id);
    add_field(out, "},\"arn\":", buf_str(&arn));
    buf_add_char(out, '}');
    add_object(out, e);
    buf_add_text(out, "}}");
}

void s3event_write(struct buf *out, const struct s3event *event)
{
    buf_add_text(out, "{\"Records\":[");
    s3event_write_record(out, event);
    buf_add_text(out, "]}");
}

const char *s3event_sequencer(uint64_t number, char text[S3EVENT_SEQUENCER_MAX])
{
    snprintf(text, S3EVENT_SEQUENCER_MAX, "%016llX", (unsigned long long)number);
    return text;
}

static const char *const known_types[] = {
    "TestEvent",
    "ObjectCreated:*",
    "ObjectCreated:Put",
    "ObjectCreated:Post",
    "ObjectCreated:Copy",
    "ObjectCreated:CompleteMultipartUpload",
    "ObjectRemoved:*",
    "ObjectRemoved:Delete",
    "ObjectRemoved:DeleteMarkerCreated",
    "ObjectRestore:*",
    "ObjectRestore:Post",
    "ObjectRestore:Completed",
    "ObjectRestore:Delete",
    "ReducedRedundancyLostObject",
    "Replication:*",
    "Replication:OperationFailedReplication",
    "Replication:OperationMissedThreshold",
    "Replication:OperationReplicatedAfterThreshold",
    "Replication:OperationNotTracked",
    "LifecycleExpiration:*",
    "LifecycleExpiration:Delete",
    "LifecycleExpiration:DeleteMarkerCreated",
    "LifecycleTransition",
    "IntelligentTiering",
    "ObjectTagging:*",
    "ObjectTagging:Put",
    "ObjectTagging:Delete",
    "ObjectAcl:Put",
};

static struct str without_s3(struct str type)
{
    return str_starts(type, STR("s3:")) ? str_skip(type, 3) : type;
}

int s3event_type_check(struct str type, struct err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(known_types) && str_starts(type, STR("s3:")); i++) {
        if (str_eq(str_skip(type, 3), str_of(known_types[i]))) {
            return 0;
        }
    }
    return err_aws(err, ERR_INVALID, "InvalidArgument",
                   "The event \"" STR_FMT "\" is not supported for notifications",
                   STR_ARG(str_head(type, 80)));
}

bool s3event_type_matches(struct str type, struct str name)
{
    type = without_s3(type);
    name = without_s3(name);
    if (str_ends(type, STR("*"))) {
        return str_starts(name, str_head(type, type.size - 1));
    }
    return str_eq(type, name);
}

bool s3event_rule_matches(const struct s3event_rule *rule, struct str event_name, struct str key)
{
    if (!str_starts(key, rule->prefix) || !str_ends(key, rule->suffix)) {
        return false;
    }
    for (size_t i = 0; i < rule->type_count; i++) {
        if (s3event_type_matches(rule->types[i], event_name)) {
            return true;
        }
    }
    return false;
}

// One key can have both prefixes only when one begins with the other; suffixes likewise.
bool s3event_rules_overlap(const struct s3event_rule *a, const struct s3event_rule *b)
{
    bool prefix = str_starts(a->prefix, b->prefix) || str_starts(b->prefix, a->prefix);
    bool suffix = str_ends(a->suffix, b->suffix) || str_ends(b->suffix, a->suffix);
    for (size_t i = 0; prefix && suffix && i < a->type_count; i++) {
        for (size_t k = 0; k < b->type_count; k++) {
            if (s3event_type_matches(a->types[i], b->types[k]) ||
                s3event_type_matches(b->types[k], a->types[i])) {
                return true;
            }
        }
    }
    return false;
}
