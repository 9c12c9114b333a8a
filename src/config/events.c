// SPDX-License-Identifier: Apache-2.0
// schedule and eventBridge events of serverless.yml. A schedule with a list of rates is as many events.
#include "config/events.h"
#include "config/reading.h"
#include "config/schema.h"
#include "config/serverless.h"
#include "format/json.h"
#include "format/pattern.h"
#include "format/schedule.h"
#include "base/mem.h"

#include <stdio.h>

#define NAME_MAX_ 64

struct reading {
    struct serverless *service;
    struct serverless_function *f;
    size_t room, schedules, rules; // how many of each there were: they count in names
};

static struct serverless_event *event_new(struct reading *r)
{
    struct serverless_function *f = r->f;
    if (f->event_count == r->room) {
        struct serverless_event *before = f->events;
        r->room = 2 * r->room + 8;
        f->events = tree_alloc(r->service->tree, r->room * sizeof *f->events);
        if (f->event_count) {
            memcpy(f->events, before, f->event_count * sizeof *before);
        }
    }
    struct serverless_event *event = &f->events[f->event_count++];
    *event = (struct serverless_event){.what = json_object(), .target = json_object()};
    return event;
}

// The name given, else one made of the function's; shortened by what tells it from others alike.
static const char *name_of(struct reading *r, const struct tree_node *map, const char *kind,
                           size_t number, size_t of_list)
{
    const char *given = read_text_in(map, "name", NULL);
    CLEAN_MEM char *name = given && of_list <= 1 ? mem_dup(given)
                           : given               ? mem_printf("%s-%zu", given, of_list)
                                   : mem_printf("%s-%s-%zu", r->f->name, kind, number);
    if (strlen(name) > NAME_MAX_) {
        uint32_t sum = 2166136261u; // FNV-1a
        for (const char *c = name; *c; c++) {
            sum = (sum ^ (unsigned char)*c) * 16777619u;
        }
        snprintf(name + NAME_MAX_ - 9, 10, "-%08x", sum);
    }
    return tree_text(r->service->tree, str_of(name));
}

// ---- what both have

static void put_text(json_t *object, const char *name, const char *text)
{
    if (text) {
        json_put_str(object, name, str_of(text));
    }
}

// A map is its JSON; a text that is no JSON stands for itself.
static void put_input(json_t *target, const struct tree_node *input)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(256 * 1024);
    CLEAN_JSON json_t *json = NULL;
    if (!input || input->yaml.kind == YAML_NULL) {
        return;
    }
    if (yaml_is_scalar(&input->yaml) && json_parse(input->yaml.text, &json, NULL) >= 0) {
        buf_add_str(&text, input->yaml.text);
    } else if (yaml_is_scalar(&input->yaml)) {
        json_quote(&text, input->yaml.text);
    } else {
        json = yaml_to_json(&input->yaml);
        json_write(json, &text);
    }
    json_put_str(target, "Input", buf_str(&text));
}

static void put_transformer(json_t *target, const struct tree_node *node)
{
    const struct tree_node *paths = tree_get(node, "inputPathsMap");
    if (!node || node->yaml.kind != YAML_MAP) {
        return;
    }
    json_t *transformer = json_object();
    if (paths && paths->yaml.kind == YAML_MAP) {
        json_put(transformer, "InputPathsMap", yaml_to_json(&paths->yaml));
    }
    put_text(transformer, "InputTemplate", read_text_in(node, "inputTemplate", ""));
    json_put(target, "InputTransformer", transformer);
}

static int read_input(const struct tree_node *map, json_t *target, struct err *err)
{
    static const char *const names[] = {"input", "inputPath", "inputTransformer"};
    const struct tree_node *given = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const struct tree_node *one = tree_get(map, names[i]);
        if (one && given) {
            return tree_fail_key(err, one, "only one of input, inputPath and inputTransformer");
        }
        given = one ? one : given;
    }
    put_input(target, tree_get(map, "input"));
    put_text(target, "InputPath", read_text_in(map, "inputPath", NULL));
    put_transformer(target, tree_get(map, "inputTransformer"));
    return 0;
}

static int check_expression(const struct tree_node *node, const char *text, bool scheduler,
                            struct err *err)
{
    struct schedule schedule;
    struct err why = {0};
    return schedule_parse(str_of(text), scheduler ? SCHEDULE_OF_SCHEDULER : SCHEDULE_OF_RULE,
                          &schedule, &why) < 0
               ? tree_fail(err, node, "%s", why.text)
               : 0;
}

// ---- schedule

static int check_method(const struct tree_node *map, bool scheduler, struct err *err)
{
    static const char *const of_bus[] = {"inputPath", "inputTransformer"};
    const struct tree_node *zone = tree_get(map, "timezone");
    if (zone && !scheduler) {
        return tree_fail_key(err, zone, "timezone wants \"method: scheduler\"");
    }
    for (size_t i = 0; i < ARRAY_SIZE(of_bus) && scheduler; i++) {
        const struct tree_node *one = tree_get(map, of_bus[i]);
        if (one) {
            return tree_fail_key(err, one, "%s is not for \"method: scheduler\"", of_bus[i]);
        }
    }
    return 0;
}

static int read_rate(struct reading *r, const struct tree_node *map, const struct tree_node *rate,
                     size_t of_list, struct err *err)
{
    const char *text = read_text(rate, NULL);
    bool scheduler = strcmp(read_text_in(map, "method", "eventBus"), "scheduler") == 0;
    if (!text) {
        return 0; // only CloudFormation knows it
    }
    TRY(check_expression(rate, text, scheduler, err));
    TRY(check_method(map, scheduler, err));
    struct serverless_event *event = event_new(r);
    event->scheduler = scheduler;
    event->name = name_of(r, map, "schedule", ++r->schedules, of_list);
    put_text(event->what, "ScheduleExpression", text);
    put_text(event->what, "State", read_truth_in(map, "enabled", true) ? "ENABLED" : "DISABLED");
    put_text(event->what, "Description", read_text_in(map, "description", NULL));
    if (scheduler) {
        put_text(event->what, "ScheduleExpressionTimezone", read_text_in(map, "timezone", "UTC"));
        json_put(event->what, "FlexibleTimeWindow", json_pack("{s:s}", "Mode", "OFF"));
    }
    return read_input(map, event->target, err);
}

static int read_schedule(struct reading *r, const struct tree_node *node, struct err *err)
{
    if (node->yaml.kind != YAML_MAP) {
        return read_rate(r, NULL, node, 1, err);
    }
    const struct tree_node *rates = tree_get(node, "rate");
    if (!rates) {
        return tree_fail_key(err, node, "schedule: \"rate\" is missing");
    }
    size_t number = 0;
    for (const struct tree_node *n = read_first(rates); n; n = read_next(rates, n)) {
        TRY(read_rate(r, node, n, ++number, err));
    }
    return 0;
}

// ---- eventBridge

static int read_pattern(const struct tree_node *node, json_t *what, struct err *err)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(64 * 1024);
    CLEAN_JSON json_t *json = yaml_to_json(&node->yaml);
    CLEAN_JSON json_t *pattern = NULL;
    struct err why = {0};
    json_write(json, &text);
    if (pattern_parse(buf_str(&text), &pattern, &why) < 0) {
        return tree_fail(err, node, "pattern: %s", why.text);
    }
    json_put_str(what, "EventPattern", buf_str(&text));
    return 0;
}

static void put_retry(json_t *target, const struct tree_node *node)
{
    int64_t age_s = read_number_in(node, "maximumEventAge", -1);
    int64_t attempts = read_number_in(node, "maximumRetryAttempts", -1);
    json_t *policy = json_object();
    if (attempts >= 0) {
        json_put_int(policy, "MaximumRetryAttempts", attempts);
    }
    if (age_s >= 0) {
        json_put_int(policy, "MaximumEventAgeInSeconds", age_s);
    }
    if (json_object_size(policy)) {
        json_put(target, "RetryPolicy", policy);
    } else {
        json_decref(policy);
    }
}

static int read_event_bridge(struct reading *r, const struct tree_node *node, struct err *err)
{
    const struct tree_node *schedule = tree_get(node, "schedule"),
                           *bus = tree_get(node, "eventBus");
    const struct tree_node *pattern = tree_get(node, "pattern");
    const char *expression = read_text(schedule, NULL);
    r->rules++;
    if (!expression && (!pattern || pattern->yaml.kind != YAML_MAP)) {
        return tree_fail_key(err, node, "eventBridge: \"schedule\" or \"pattern\" is missing");
    }
    if (bus && schema_is_intrinsic(bus)) {
        return 0; // a bus that only CloudFormation knows; the warning names it
    }
    struct serverless_event *event = event_new(r);
    event->name = name_of(r, node, "rule", r->rules, 1);
    event->bus = read_text(bus, NULL);
    if (event->bus && strcmp(event->bus, "default") == 0) {
        event->bus = NULL;
    }
    if (expression) {
        TRY(check_expression(schedule, expression, /* scheduler */ false, err));
        if (event->bus) {
            return tree_fail(err, schedule, "a schedule wants the default event bus");
        }
        put_text(event->what, "ScheduleExpression", expression);
    }
    if (pattern && pattern->yaml.kind == YAML_MAP) {
        TRY(read_pattern(pattern, event->what, err));
    }
    put_text(event->what, "State", read_truth_in(node, "enabled", true) ? "ENABLED" : "DISABLED");
    put_text(event->what, "Description", read_text_in(node, "description", NULL));
    put_retry(event->target, tree_get(node, "retryPolicy"));
    const char *dead = read_text_in(node, "deadLetterQueueArn", NULL);
    if (dead) {
        json_put(event->target, "DeadLetterConfig", json_pack("{s:s}", "Arn", dead));
    }
    return read_input(node, event->target, err);
}

// ---- all

static bool is_there(const struct tree_node *node)
{
    return node && node->yaml.kind != YAML_NULL;
}

int events_read_function(struct serverless *service, const struct tree_node *node,
                         struct serverless_function *ret, struct err *err)
{
    struct reading r = {.service = service, .f = ret};
    const struct tree_node *events = tree_get(node, "events");
    for (const struct tree_node *n = tree_child(events); n; n = tree_next(n)) {
        const struct tree_node *schedule = tree_get(n, "schedule");
        const struct tree_node *bridge = tree_get(n, "eventBridge");
        TRY(is_there(schedule) ? read_schedule(&r, schedule, err) : 0);
        TRY(is_there(bridge) ? read_event_bridge(&r, bridge, err) : 0);
    }
    return 0;
}

void events_free(struct serverless *service)
{
    for (size_t i = 0; i < service->function_count; i++) {
        struct serverless_function *f = &service->functions[i];
        for (size_t j = 0; j < f->event_count; j++) {
            json_decref(f->events[j].what);
            json_decref(f->events[j].target);
        }
    }
}

void events_function_to_json(const struct serverless_function *f, json_t *object)
{
    json_t *list = json_array();
    for (size_t i = 0; i < f->event_count; i++) {
        const struct serverless_event *event = &f->events[i];
        json_t *one = json_object();
        put_text(one, event->scheduler ? "schedule" : "rule", event->name);
        put_text(one, "bus", event->bus);
        json_put(one, "what", json_incref(event->what));
        if (json_object_size(event->target)) {
            json_put(one, "target", json_incref(event->target));
        }
        json_array_append_new(list, one);
    }
    if (json_array_size(list)) {
        json_put(object, "events", list);
    } else {
        json_decref(list);
    }
}
