// SPDX-License-Identifier: Apache-2.0
// What a job asks, as a digest: of the function, of the event without what is never the same twice,
// and of the objects that it names, which are looked up and not read. docs/cache.md says it to users.
#include "dispatch/internal.h"
#include "format/checksum.h"
#include "format/event_key.h"
#include "format/json.h"
#include "format/uri.h"
#include "store/object.h"
#include "worker/payload.h"

#define TTL_S 86400 // unless said otherwise

// ── parts of a digest: with their sizes, so that no two lists of parts are the same bytes ──

static void part_add(struct checksum *sum, struct str part)
{
    uint64_t size = part.size;
    checksum_add(sum, str_n(&size, sizeof size));
    checksum_add(sum, part);
}

static void json_add(struct checksum *sum, const json_t *json)
{
    CLEAN_MEM char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    part_add(sum, str_of(text));
}

// ── the function ──

// Settings that decide how and where it runs, not what it answers.
static json_t *shaping(const struct function *f)
{
    static const char *const others[] = {"Batching", "Cache",         "DeadLetterConfig",
                                         "Device",   "LoggingConfig", "TracingConfig"};
    json_t *extra = NULL;
    struct err ignored = {0};
    if (!f->extra || json_parse_object(str_of(f->extra), &extra, &ignored) < 0) {
        return json_object();
    }
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        json_object_del(extra, others[i]);
    }
    return extra;
}

// Nothing of this server alone: another one with the same function has the same scope.
static struct cache_key scope_of(const struct function *f)
{
    struct checksum sum;
    struct cache_key scope;
    uint8_t bytes[CHECKSUM_SIZE_MAX];
    CLEAN_JSON json_t *extra = shaping(f);
    const char *parts[] = {"rouse " ROUSE_VERSION,
                           f->name,
                           f->version,
                           f->code_sha256,
                           f->runtime,
                           f->handler,
                           f->role,
                           f->environment};
    checksum_init(&sum, CHECKSUM_SHA256);
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        part_add(&sum, str_of(parts[i]));
    }
    for (size_t i = 0; i < f->layer_count; i++) {
        const char *folder = strrchr(f->layers[i].package, '/'); // named after what it holds
        part_add(&sum, str_of(folder ? folder : f->layers[i].package));
    }
    json_add(&sum, extra);
    const char *prepared = f->prepared ? strrchr(f->prepared, '/') : NULL;
    if (prepared && str_starts(str_of(prepared), STR("/quantized-"))) { // answers a little else
        part_add(&sum, str_of(prepared));
    }
    checksum_end(&sum, bytes);
    memcpy(scope.bytes, bytes, sizeof scope.bytes);
    return scope;
}

void cached_read(struct lane *lane)
{
    struct cached *c = &lane->cached;
    const struct function *f = lane->function;
    struct cache *cache = lane->dispatch->options.cache;
    struct cache_key was = c->scope;
    CLEAN_JSON json_t *extra = NULL;
    json_t *asked = NULL;
    if (f && f->extra && json_parse_object(str_of(f->extra), &extra, NULL) == 0) {
        asked = json_object_get(extra, "Cache");
    }
    json_decref(c->vary);
    c->vary = json_incref(json_object_get(asked, "Vary"));
    c->policy = (struct cache_policy){.space = lane->key};
    c->scope = (struct cache_key){0};
    if (asked && cache) {
        const json_t *ttl = json_object_get(asked, "TtlSeconds");
        c->policy.ttl_ms = (ttl ? json_integer_value(ttl) : TTL_S) * 1000;
        c->policy.bytes_max = (uint64_t)json_integer_value(json_object_get(asked, "MaxBytes"));
        c->policy.entries_max = (uint64_t)json_integer_value(json_object_get(asked, "MaxEntries"));
        c->model = strcmp(f->runtime, "onnx") == 0;
        c->scope = scope_of(f);
    }
    if (cache && memcmp(&was, &c->scope, sizeof was) != 0) {
        cache->ops->drop(cache, str_of(lane->key));
    }
}

// ── the objects of an S3 event ──

// False when there is no such object: then what the function does is not known.
static bool object_add(struct checksum *sum, const struct lane *lane, const json_t *record,
                       uint64_t *newest)
{
    CLEAN(buf_done) struct buf key = BUF_INIT(4 * OBJECT_KEY_MAX);
    CLEAN(object_done) struct object object = {0};
    struct str bucket = json_str(json_at(record, "s3.bucket.name"));
    uri_decode_lenient(json_str(json_at(record, "s3.object.key")), URI_QUERY, &key);
    struct err ignored = {0};
    if (object_get(store_reader(lane->dispatch->store), bucket, buf_str(&key),
                   /* with data */ false, &object, &ignored) != 1) {
        return false;
    }
    part_add(sum, object.etag); // MD5, or of a multipart upload that of the parts' and their number
    part_add(sum, str_n(&object.size, sizeof object.size));
    part_add(sum, object.sum_name);
    part_add(sum, object.sum);
    if (!lane->cached.model) { // code may look at these
        part_add(sum, object.headers);
    }
    *newest = object.sequencer > *newest ? object.sequencer : *newest;
    return true;
}

static bool objects_add(struct checksum *sum, const struct lane *lane, const json_t *records,
                        struct question *ret)
{
    bool all = json_array_size(records) > 0;
    for (size_t i = 0; i < json_array_size(records) && all; i++) {
        all = object_add(sum, lane, json_array_get(records, i), &ret->sequencer);
    }
    return all;
}

// ── the event ──

// A model sees the objects of an S3 event, and neither their names nor anything else of it.
static bool model_event_add(struct checksum *sum, const struct lane *lane, struct str payload,
                            struct question *ret)
{
    CLEAN_JSON json_t *event = NULL;
    const json_t *records = payload_s3_records(payload, &event);
    if (records) {
        return objects_add(sum, lane, records, ret);
    }
    part_add(sum, payload);
    return true;
}

static bool may_be_known(struct str payload)
{
    bool http = str_find_str(payload, STR("\"requestContext\"")) >= 0;
    return http || (str_find_str(payload, STR("\"Records\"")) >= 0 &&
                    str_find_str(payload, STR("\"s3\"")) >= 0);
}

static bool event_add(struct checksum *sum, const struct lane *lane, struct str payload,
                      struct question *ret)
{
    CLEAN_JSON json_t *event = NULL;
    struct err ignored = {0};
    if (!may_be_known(payload) || json_parse_object(payload, &event, &ignored) < 0) {
        part_add(sum, payload);
        return true;
    }
    enum event_kind kind = event_key_strip(event, lane->cached.vary);
    if (kind == EVENT_OTHER) {
        part_add(sum, payload);
        return true;
    }
    json_add(sum, event);
    ret->http = kind == EVENT_HTTP;
    return kind != EVENT_S3 || objects_add(sum, lane, json_object_get(event, "Records"), ret);
}

// Code sees, beside the event, what the caller says of itself and by which name it called.
static void context_add(struct checksum *sum, const struct job *job)
{
    CLEAN_JSON json_t *context = NULL;
    struct err ignored = {0};
    if (job->context && json_parse_object(str_of(job->context), &context, &ignored) == 0) {
        json_object_del(context, "trace");
        json_add(sum, context);
    }
}

bool question_of(const struct lane *lane, const struct job *job, struct question *ret)
{
    CLEAN(checksum_done) struct checksum sum;
    uint8_t bytes[CHECKSUM_SIZE_MAX];
    struct str payload = bytes_str(job->payload);
    *ret = (struct question){0};
    checksum_init(&sum, CHECKSUM_SHA256);
    part_add(&sum, cache_key_str(&lane->cached.scope));
    if (lane->cached.model) {
        if (!model_event_add(&sum, lane, payload, ret)) {
            return false;
        }
    } else {
        if (!event_add(&sum, lane, payload, ret)) {
            return false;
        }
        context_add(&sum, job);
    }
    checksum_end(&sum, bytes);
    memcpy(ret->key.bytes, bytes, sizeof ret->key.bytes);
    return true;
}
