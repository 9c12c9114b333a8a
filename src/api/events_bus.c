// SPDX-License-Identifier: Apache-2.0
// EventBridge: buses, and what is put on them.
#include "api/events.h"
#include "base/clock.h"
#include "bus/event.h"
#include "core/uuid.h"
#include "format/pattern.h"

#include <stdio.h>

#define ENTRIES_MAX      10
#define ENTRIES_SIZE_MAX ((size_t)256 * 1024)

// ── buses ──

static int bus_name_read(struct rpc_call *call, struct str *ret, struct err *err)
{
    struct rpc_text text = {
        .name = "Name", .member = "name", .least = 1, .most = 256, .needed = true};
    TRY(rpc_text(call->input, &text, ret, err));
    for (size_t i = 0; i < ret->size; i++) {
        if (!rpc_name_char(ret->at[i]) && ret->at[i] != '/') {
            return rpc_violation(err, *ret, "name",
                                 "Member must satisfy regular expression pattern: "
                                 "[/\\.\\-_A-Za-z0-9]+");
        }
    }
    return 0;
}

int events_create_bus(struct rpc_call *call, struct db *db, struct err *err)
{
    const struct rpc_text of_description = {
        .name = "Description", .member = "description", .most = 512};
    const json_t *tags = json_object_get(call->input, "Tags");
    CLEAN(buf_done) struct buf text = BUF_INIT(64 * 1024);
    struct event_bus bus = {.created_ms = call->now_ms};
    TRY(bus_name_read(call, &bus.name, err));
    TRY(rpc_text(call->input, &of_description, &bus.description, err));
    TRY(rpc_tags_check(tags, err));
    if (json_object_get(call->input, "EventSourceName")) {
        return events_invalid(err, "Partner event buses are not served here.");
    }
    if (tags) {
        json_write(tags, &text);
        bus.tags = buf_str(&text);
    }
    int rc = event_bus_put(db, &bus, err);
    if (rc == ERR_EXISTS) {
        return err_aws(err, ERR_EXISTS, "ResourceAlreadyExistsException",
                       "Event bus " STR_FMT " already exists.", STR_ARG(bus.name));
    }
    CLEAN_MEM char *arn = events_bus_arn(call, bus.name);
    json_put_str(call->output, "EventBusArn", str_of(arn));
    if (bus.description.size) {
        json_put_str(call->output, "Description", bus.description);
    }
    return rc;
}

// A bus that is not there is as good as deleted.
int events_delete_bus(struct rpc_call *call, struct db *db, struct err *err)
{
    struct str name;
    TRY(bus_name_read(call, &name, err));
    if (str_eq(name, STR("default"))) {
        return events_invalid(err, "Cannot delete event bus default.");
    }
    int rc = event_bus_delete(db, name, err);
    return rc < 0 ? rc : 0;
}

static void bus_write(json_t *json, const struct rpc_call *call, const struct event_bus *bus)
{
    CLEAN_MEM char *arn = events_bus_arn(call, bus->name);
    json_put_str(json, "Name", bus->name);
    json_put_str(json, "Arn", str_of(arn));
    if (bus->description.size) {
        json_put_str(json, "Description", bus->description);
    }
    json_put(json, "CreationTime", json_real((double)bus->created_ms / 1000));
    json_put(json, "LastModifiedTime", json_real((double)bus->created_ms / 1000));
}

struct describing {
    struct rpc_call *call;
    struct str name;
};

static int describe_each(void *ctx, const struct event_bus *bus)
{
    struct describing *d = ctx;
    if (!str_eq(bus->name, d->name)) {
        return 0;
    }
    bus_write(d->call->output, d->call, bus);
    return 1;
}

int events_describe_bus(struct rpc_call *call, struct db *db, struct err *err)
{
    const struct rpc_text text = {.name = "Name", .member = "name", .least = 1, .most = 1600};
    struct describing d = {.call = call, .name = STR("default")};
    TRY(rpc_text(call->input, &text, &d.name, err));
    d.name = events_bus_name(d.name);
    int there = event_bus_each(db, d.name, (struct str){0}, describe_each, &d, err);
    return there == 0 ? events_no_bus(d.name, err) : there < 0 ? there : 0;
}

struct listing {
    struct rpc_call *call;
    struct rpc_page page;
};

static void listing_done(struct listing *l)
{
    rpc_page_done(&l->page);
}

static int list_each(void *ctx, const struct event_bus *bus)
{
    struct listing *l = ctx;
    json_t *json = json_object();
    bus_write(json, l->call, bus);
    return rpc_page_add(&l->page, json, bus->name);
}

int events_list_buses(struct rpc_call *call, struct db *db, struct err *err)
{
    CLEAN(listing_done) struct listing l = {.call = call};
    const struct rpc_text text = {
        .name = "NamePrefix", .member = "namePrefix", .least = 1, .most = 256};
    struct str prefix = {0};
    TRY(rpc_text(call->input, &text, &prefix, err));
    TRY(rpc_page_begin(call, "Limit", "EventBuses", &l.page, err));
    TRY(event_bus_each(db, prefix, buf_str(&l.page.after), list_each, &l, err));
    rpc_page_end(call, &l.page);
    return 0;
}

// ── events ──

static size_t entry_size(const json_t *entry)
{
    static const char *const names[] = {"Source", "DetailType", "Detail"};
    const json_t *resources = json_object_get(entry, "Resources");
    size_t size = json_object_get(entry, "Time") ? 14 : 0; // as AWS counts
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        size += json_str(json_object_get(entry, names[i])).size;
    }
    for (size_t i = 0; i < json_array_size(resources); i++) {
        size += json_str(json_array_get(resources, i)).size;
    }
    return size;
}

static int check_entries(const json_t *entries, struct err *err)
{
    size_t count = json_array_size(entries), size = 0;
    if (!json_is_array(entries)) {
        return rpc_violation(err, (struct str){0}, "entries", "Member must not be null");
    }
    if (count < 1 || count > ENTRIES_MAX) {
        return rpc_violation(err, STR("[…]"), "entries",
                             "Member must have length %s than or equal to %d",
                             count ? "less" : "greater", count ? ENTRIES_MAX : 1);
    }
    for (size_t i = 0; i < count; i++) {
        size += entry_size(json_array_get(entries, i));
    }
    return size <= ENTRIES_SIZE_MAX
               ? 0
               : events_invalid(err, "Total size of the entries in the request is over the limit.");
}

// What is wrong with an entry, as a result of its own: the code and words, or NULL.
static const char *entry_fault(const json_t *entry, json_t **ret_detail, char *words, size_t room)
{
    static const char *const needed[] = {"Source", "DetailType", "Detail"};
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        if (json_str(json_object_get(entry, needed[i])).size == 0) {
            snprintf(words, room, "Parameter %s is not valid. Reason: %s is a required argument.",
                     needed[i], needed[i]);
            return "InvalidArgument";
        }
    }
    if (str_starts(json_str(json_object_get(entry, "Source")), STR("aws."))) {
        snprintf(words, room, "Not authorized for the source.");
        return "NotAuthorizedForSourceException";
    }
    if (json_parse_object(json_str(json_object_get(entry, "Detail")), ret_detail, NULL) < 0) {
        snprintf(words, room, "Detail is malformed.");
        return "MalformedDetail";
    }
    return NULL;
}

static int entry_put(struct rpc_call *call, struct db *db, const json_t *entry,
                     const json_t *detail, struct uuid id, struct err *err)
{
    const json_t *time = json_object_get(entry, "Time");
    struct str bus = json_str(json_object_get(entry, "EventBusName"));
    struct bus_event event = {
        .bus = bus.size ? events_bus_name(bus) : STR("default"),
        .id = str_of(id.text),
        .detail_type = json_str(json_object_get(entry, "DetailType")),
        .source = json_str(json_object_get(entry, "Source")),
        .time_ms = json_is_number(time) ? (int64_t)(json_number_value(time) * 1000) : call->now_ms,
        .region = call->api->settings->region,
        .resources = json_object_get(entry, "Resources"),
        .detail = detail,
    };
    if (event.time_ms < 0 || event.time_ms > INT64_C(253402300799000)) {
        event.time_ms = call->now_ms;
    }
    return bus_emit_event(db, &event, call->now_ms, &call->emitted, err);
}

// Entries fail by themselves; those on a bus that is not there are taken and nobody hears them.
int events_put_events(struct rpc_call *call, struct db *db, struct err *err)
{
    const json_t *entries = json_object_get(call->input, "Entries");
    json_t *results = json_array(), *entry = NULL;
    size_t i = 0, failed = 0;
    json_put(call->output, "Entries", results);
    TRY(check_entries(entries, err));
    json_array_foreach((json_t *)(uintptr_t)entries, i, entry)
    {
        char words[128] = "";
        CLEAN_JSON json_t *detail = NULL;
        const char *fault = entry_fault(entry, &detail, words, sizeof words);
        json_t *result = json_object();
        json_array_append_new(results, result);
        if (fault) {
            json_put_str(result, "ErrorCode", str_of(fault));
            json_put_str(result, "ErrorMessage", str_of(words));
            failed++;
            continue;
        }
        struct uuid id = uuid_new();
        json_put_str(result, "EventId", str_of(id.text));
        TRY(entry_put(call, db, entry, detail, id, err));
    }
    json_put_int(call->output, "FailedEntryCount", (int64_t)failed);
    return 0;
}

int events_put_events_may(struct rpc_call *call, struct err *err)
{
    const json_t *entries = json_object_get(call->input, "Entries");
    for (size_t i = 0; i < json_array_size(entries); i++) {
        struct str bus = json_str(json_object_get(json_array_get(entries, i), "EventBusName"));
        CLEAN_MEM char *arn =
            events_bus_arn(call, bus.size ? events_bus_name(bus) : STR("default"));
        TRY(rpc_authorize(call, "PutEvents", str_of(arn), err));
    }
    return 0;
}

// ── patterns ──

int events_check_pattern(struct str text, json_t **ret, struct err *err)
{
    struct err why = {0};
    return pattern_parse(text, ret, &why) < 0
               ? err_aws(err, ERR_INVALID, "InvalidEventPatternException",
                         "Event pattern is not valid. Reason: %s", why.text)
               : 0;
}

int events_test_pattern(struct rpc_call *call, struct db *db, struct err *err)
{
    (void)db;
    static const char *const needed[] = {"id",     "account",   "source",     "time",
                                         "region", "resources", "detail-type"};
    const struct rpc_text of_pattern = {
        .name = "EventPattern", .member = "eventPattern", .most = 4096, .needed = true};
    const struct rpc_text of_event = {
        .name = "Event", .member = "event", .most = ENTRIES_SIZE_MAX, .needed = true};
    struct str pattern_text, event_text;
    CLEAN_JSON json_t *pattern = NULL;
    CLEAN_JSON json_t *event = NULL;
    TRY(rpc_text(call->input, &of_pattern, &pattern_text, err));
    TRY(rpc_text(call->input, &of_event, &event_text, err));
    TRY(events_check_pattern(pattern_text, &pattern, err));
    if (json_parse_object(event_text, &event, NULL) < 0) {
        return events_invalid(err, "Parameter Event is not valid.");
    }
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        if (!json_object_get(event, needed[i])) {
            return events_invalid(
                err, "Parameter Event is not valid. Reason: %s is a required argument.", needed[i]);
        }
    }
    json_put_bool(call->output, "Result", pattern_matches(pattern, event));
    return 0;
}
