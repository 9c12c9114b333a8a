// SPDX-License-Identifier: Apache-2.0
// EventBridge: rules. One with a schedule fires by itself (bus/schedule.h), one with a pattern when an
// event matches (bus/event.h).
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/Welcome.html
#include "api/events.h"
#include "bus/schedule.h"
#include "core/identity.h"
#include "dispatch/schedules.h"
#include "format/arn.h"

#include <stdarg.h>
#include <stdio.h>

#define STATES "ENABLED, DISABLED, ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"

// ── names ──

int events_invalid(struct err *err, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return err_aws(err, ERR_INVALID, "ValidationException", "%s", text);
}

struct str events_bus_name(struct str name_or_arn)
{
    struct arn arn = {0};
    if (arn_parse(name_or_arn, &arn, NULL) >= 0 && str_starts(arn.resource, STR("event-bus/"))) {
        return str_skip(arn.resource, strlen("event-bus/"));
    }
    return name_or_arn;
}

// The bus of the call's EventBusName, which need not be there.
static int bus_named(struct rpc_call *call, struct str *ret, struct err *err)
{
    struct rpc_text text = {
        .name = "EventBusName", .member = "eventBusName", .least = 1, .most = 1600};
    *ret = STR("default");
    TRY(rpc_text(call->input, &text, ret, err));
    *ret = events_bus_name(*ret);
    return 0;
}

static int is_bus(void *ctx, const struct event_bus *bus)
{
    return str_eq(bus->name, *(const struct str *)ctx);
}

int events_bus(struct rpc_call *call, struct db *db, char **ret, struct err *err)
{
    struct str name;
    TRY(bus_named(call, &name, err));
    int there = event_bus_each(db, name, (struct str){0}, is_bus, &name, err);
    TRY(there);
    if (!there) {
        return events_no_bus(name, err);
    }
    *ret = str_dup(name);
    return 0;
}

int events_no_bus(struct str bus, struct err *err)
{
    return err_aws(err, ERR_NOT_FOUND, "ResourceNotFoundException",
                   "Event bus " STR_FMT " does not exist.", STR_ARG(str_head(bus, 256)));
}

char *events_bus_arn(const struct rpc_call *call, struct str bus)
{
    return mem_printf("arn:aws:events:%s:" ACCOUNT_ID ":event-bus/" STR_FMT,
                      call->api->settings->region, STR_ARG(bus));
}

char *events_rule_arn(const struct rpc_call *call, const char *bus, struct str rule)
{
    bool plain = strcmp(bus, "default") == 0;
    return mem_printf("arn:aws:events:%s:" ACCOUNT_ID ":rule/%s%s" STR_FMT,
                      call->api->settings->region, plain ? "" : bus, plain ? "" : "/",
                      STR_ARG(rule));
}

int events_rule_name(struct rpc_call *call, const char *member, struct str *ret, struct err *err)
{
    struct rpc_text text = {.name = member,
                            .member = strcmp(member, "Name") == 0 ? "name" : "rule",
                            .least = 1,
                            .most = 64,
                            .pattern = "[\\.\\-_A-Za-z0-9]+",
                            .fits = rpc_name_char,
                            .needed = true};
    int rc = rpc_text(call->input, &text, ret, err);
    return rc < 0 ? rc : 0;
}

int events_no_rule(const char *bus, struct str rule, struct err *err)
{
    return err_aws(err, ERR_NOT_FOUND, "ResourceNotFoundException",
                   "Rule " STR_FMT " does not exist on EventBus %s.", STR_ARG(rule), bus);
}

static void rule_ignore(void *ctx, const struct rule_row *rule)
{
    (void)ctx, (void)rule;
}

int events_rule_need(struct rpc_call *call, struct db *db, const char *bus, struct str rule,
                     struct err *err)
{
    (void)call;
    int there = rule_get(db, str_of(bus), rule, rule_ignore, NULL, err);
    return there == 0 ? events_no_rule(bus, rule, err) : there < 0 ? there : 0;
}

// ── one rule ──

static void put_some(json_t *json, const char *name, struct str text)
{
    if (text.size) {
        json_put_str(json, name, text);
    }
}

static void rule_write(json_t *json, const struct rpc_call *call, const struct rule_row *rule)
{
    CLEAN_MEM char *bus = str_dup(rule->bus);
    CLEAN_MEM char *arn = events_rule_arn(call, bus, rule->name);
    json_put_str(json, "Name", rule->name);
    json_put_str(json, "Arn", str_of(arn));
    json_put_str(json, "State", rule->state);
    json_put_str(json, "EventBusName", rule->bus);
    put_some(json, "EventPattern", rule->pattern);
    put_some(json, "ScheduleExpression", rule->expression);
    put_some(json, "Description", rule->description);
    put_some(json, "RoleArn", rule->role);
}

struct putting {
    struct rpc_call *call;
    struct db *db;
    struct rule_row rule; // as it is to be
    struct err *err;
    int rc;
};

// What an existing rule keeps: its tags, and the beat of a rate that goes on.
static void putting_before(void *ctx, const struct rule_row *before)
{
    struct putting *p = ctx;
    bool on = !str_eq(before->state, STR("DISABLED"));
    p->rule.tags = before->tags;
    if (on && str_eq(before->expression, p->rule.expression)) {
        p->rule.anchor_ms = before->anchor_ms;
        p->rule.due_ms = before->due_ms;
    }
    p->rc = rule_put(p->db, &p->rule, p->err);
}

// Sets when the rule is due first; 0 when it has no schedule or is off.
static int rule_arm(struct rule_row *rule, int64_t now_ms, struct err *err)
{
    struct err why = {0};
    int64_t due_ms = 0;
    if (rule->expression.size && bus_rule_first(rule->expression, now_ms, &due_ms, &why) < 0) {
        return events_invalid(err, "Parameter ScheduleExpression is not valid.");
    }
    bool off = str_eq(rule->state, STR("DISABLED"));
    rule->anchor_ms = now_ms;
    rule->due_ms = off ? 0 : due_ms;
    return 0;
}

static int rule_read(struct rpc_call *call, struct rule_row *rule, struct err *err)
{
    const struct rpc_text texts[] = {
        {.name = "ScheduleExpression", .member = "scheduleExpression", .most = 256},
        {.name = "EventPattern", .member = "eventPattern", .most = 4096},
        {.name = "Description", .member = "description", .most = 512},
        {.name = "RoleArn", .member = "roleArn", .least = 1, .most = 1600},
    };
    struct str *const fields[] = {&rule->expression, &rule->pattern, &rule->description,
                                  &rule->role};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        TRY(rpc_text(call->input, &texts[i], fields[i], err));
        *fields[i] = fields[i]->size ? *fields[i] : (struct str){0}; // "" stands for none
    }
    rule->state = STR("ENABLED");
    TRY(rpc_choice(call->input, "State", "state", STATES, &rule->state, err));
    if (!rule->expression.at && !rule->pattern.at) {
        return events_invalid(err,
                              "Parameter(s) EventPattern or ScheduleExpression must be specified.");
    }
    CLEAN_JSON json_t *pattern = NULL;
    return rule->pattern.at ? events_check_pattern(rule->pattern, &pattern, err) : 0;
}

static int put_rule(struct rpc_call *call, struct db *db, struct err *err)
{
    CLEAN_MEM char *bus = NULL;
    CLEAN(buf_done) struct buf tags = BUF_INIT(64 * 1024);
    struct putting p = {.call = call, .db = db, .err = err};
    const json_t *given = json_object_get(call->input, "Tags");
    TRY(events_rule_name(call, "Name", &p.rule.name, err));
    TRY(events_bus(call, db, &bus, err));
    TRY(rule_read(call, &p.rule, err));
    TRY(rpc_tags_check(given, err));
    if (p.rule.expression.at && strcmp(bus, "default") != 0) {
        return events_invalid(err,
                              "ScheduleExpression is supported only on the default event bus.");
    }
    TRY(rule_arm(&p.rule, call->now_ms, err));
    p.rule.bus = str_of(bus);
    int there = rule_get(db, p.rule.bus, p.rule.name, putting_before, &p, err);
    TRY(there);
    if (!there) {
        if (json_array_size(given)) {
            json_write(given, &tags);
            p.rule.tags = buf_str(&tags);
        }
        p.rc = rule_put(db, &p.rule, err);
    }
    CLEAN_MEM char *arn = events_rule_arn(call, bus, p.rule.name);
    json_put_str(call->output, "RuleArn", str_of(arn));
    return p.rc;
}

static void describe(void *ctx, const struct rule_row *rule)
{
    struct rpc_call *call = ctx;
    rule_write(call->output, call, rule);
    json_put_str(call->output, "CreatedBy", STR(ACCOUNT_ID));
}

static int describe_rule(struct rpc_call *call, struct db *db, struct err *err)
{
    CLEAN_MEM char *bus = NULL;
    struct str name;
    TRY(events_rule_name(call, "Name", &name, err));
    TRY(events_bus(call, db, &bus, err));
    int there = rule_get(db, str_of(bus), name, describe, call, err);
    return there == 0 ? events_no_rule(bus, name, err) : there < 0 ? there : 0;
}

// A rule that is not there is as good as deleted.
static int delete_rule(struct rpc_call *call, struct db *db, struct err *err)
{
    CLEAN_MEM char *bus = NULL;
    struct str name;
    TRY(events_rule_name(call, "Name", &name, err));
    TRY(events_bus(call, db, &bus, err));
    int targets = rule_target_count(db, str_of(bus), name, err);
    TRY(targets);
    if (targets > 0) {
        return events_invalid(err, "Rule can't be deleted since it has targets.");
    }
    int rc = rule_delete(db, str_of(bus), name, err);
    return rc < 0 ? rc : 0;
}

static void state_change(void *ctx, const struct rule_row *before)
{
    struct putting *p = ctx;
    struct rule_row rule = *before;
    rule.state = p->rule.state;
    if (str_eq(rule.state, before->state)) {
        return;
    }
    p->rc = rule_arm(&rule, p->call->now_ms, p->err);
    p->rc = p->rc < 0 ? p->rc : rule_put(p->db, &rule, p->err);
}

static int state_set(struct rpc_call *call, struct db *db, struct str state, struct err *err)
{
    CLEAN_MEM char *bus = NULL;
    struct putting p = {.call = call, .db = db, .rule.state = state, .err = err};
    TRY(events_rule_name(call, "Name", &p.rule.name, err));
    TRY(events_bus(call, db, &bus, err));
    int there = rule_get(db, str_of(bus), p.rule.name, state_change, &p, err);
    TRY(there);
    return there ? p.rc : events_no_rule(bus, p.rule.name, err);
}

static int enable_rule(struct rpc_call *call, struct db *db, struct err *err)
{
    return state_set(call, db, STR("ENABLED"), err);
}

static int disable_rule(struct rpc_call *call, struct db *db, struct err *err)
{
    return state_set(call, db, STR("DISABLED"), err);
}

// ── many rules ──

struct listing {
    struct rpc_call *call;
    struct rpc_page page;
};

static int list_each(void *ctx, const struct rule_row *rule)
{
    struct listing *l = ctx;
    json_t *json = json_object();
    rule_write(json, l->call, rule);
    return rpc_page_add(&l->page, json, rule->name);
}

static void listing_done(struct listing *l)
{
    rpc_page_done(&l->page);
}

static int list_rules(struct rpc_call *call, struct db *db, struct err *err)
{
    CLEAN_MEM char *bus = NULL;
    CLEAN(listing_done) struct listing l = {.call = call};
    struct rpc_text text = {.name = "NamePrefix",
                            .member = "namePrefix",
                            .least = 1,
                            .most = 64,
                            .pattern = "[\\.\\-_A-Za-z0-9]+",
                            .fits = rpc_name_char};
    struct str prefix = {0};
    TRY(rpc_text(call->input, &text, &prefix, err));
    TRY(events_bus(call, db, &bus, err));
    TRY(rpc_page_begin(call, "Limit", "Rules", &l.page, err));
    TRY(rule_each(db, str_of(bus), prefix, buf_str(&l.page.after), list_each, &l, err));
    rpc_page_end(call, &l.page);
    return 0;
}

// ── tags of rules ──

struct tagging {
    struct db *db;
    const json_t *more, *keys;
    json_t *tags; // what they are, a reference
    struct err *err;
    int rc;
};

static void tagging_done(struct tagging *t)
{
    json_decref(t->tags);
}

static void tags_set(void *ctx, const struct rule_row *before)
{
    struct tagging *t = ctx;
    CLEAN(buf_done) struct buf text = BUF_INIT(64 * 1024);
    CLEAN_JSON json_t *was = NULL;
    if (before->tags.size) {
        t->rc = json_parse(before->tags, &was, t->err);
    }
    t->tags = rpc_tags_merge(was, t->more, t->keys);
    t->rc = t->rc < 0 ? t->rc : rpc_tags_check(t->tags, t->err);
    if (t->rc < 0 || (!t->more && !t->keys)) {
        return;
    }
    struct rule_row rule = *before;
    json_write(t->tags, &text);
    rule.tags = buf_str(&text);
    t->rc = rule_put(t->db, &rule, t->err);
}

// "arn:aws:events:…:rule/[BUS/]NAME" in ResourceARN.
static int tags_of(struct rpc_call *call, struct tagging *t, struct err *err)
{
    struct rpc_text text = {
        .name = "ResourceARN", .member = "resourceARN", .least = 1, .most = 1600, .needed = true};
    struct str resource, bus = STR("default");
    struct arn arn = {0};
    TRY(rpc_text(call->input, &text, &resource, err));
    if (arn_parse(resource, &arn, NULL) < 0 || !str_starts(arn.resource, STR("rule/"))) {
        return events_invalid(err,
                              "Parameter ResourceARN is not valid. Reason: it is the ARN of no "
                              "rule.");
    }
    struct str name = str_skip(arn.resource, strlen("rule/"));
    if (str_find(name, '/') >= 0) {
        bus = str_cut(&name, '/');
    }
    int there = rule_get(t->db, bus, name, tags_set, t, err);
    TRY(there);
    CLEAN_MEM char *bus_text = str_dup(bus);
    return there ? t->rc : events_no_rule(bus_text, name, err);
}

static int tag_resource(struct rpc_call *call, struct db *db, struct err *err)
{
    CLEAN(tagging_done)
    struct tagging t = {.db = db, .more = json_object_get(call->input, "Tags"), .err = err};
    TRY(rpc_tags_check(t.more, err));
    return t.more ? tags_of(call, &t, err)
                  : rpc_violation(err, (struct str){0}, "tags", "Member must not be null");
}

static int untag_resource(struct rpc_call *call, struct db *db, struct err *err)
{
    CLEAN(tagging_done)
    struct tagging t = {.db = db, .keys = json_object_get(call->input, "TagKeys"), .err = err};
    return t.keys ? tags_of(call, &t, err)
                  : rpc_violation(err, (struct str){0}, "tagKeys", "Member must not be null");
}

static int list_tags(struct rpc_call *call, struct db *db, struct err *err)
{
    CLEAN(tagging_done) struct tagging t = {.db = db, .err = err};
    TRY(tags_of(call, &t, err));
    json_put(call->output, "Tags", MOVE(t.tags));
    return 0;
}

// ── the service ──

static const struct rpc_op ops[] = {
    {.name = "PutRule", .run = put_rule},
    {.name = "DescribeRule", .run = describe_rule},
    {.name = "DeleteRule", .run = delete_rule},
    {.name = "EnableRule", .run = enable_rule},
    {.name = "DisableRule", .run = disable_rule},
    {.name = "ListRules", .run = list_rules},
    {.name = "PutTargets", .run = events_put_targets},
    {.name = "RemoveTargets", .run = events_remove_targets},
    {.name = "ListTargetsByRule", .run = events_list_targets},
    {.name = "ListRuleNamesByTarget", .run = events_list_rule_names},
    {.name = "PutEvents", .run = events_put_events},
    {.name = "TestEventPattern", .run = events_test_pattern},
    {.name = "CreateEventBus", .run = events_create_bus},
    {.name = "DeleteEventBus", .run = events_delete_bus},
    {.name = "DescribeEventBus", .run = events_describe_bus},
    {.name = "ListEventBuses", .run = events_list_buses},
    {.name = "TagResource", .run = tag_resource},
    {.name = "UntagResource", .run = untag_resource},
    {.name = "ListTagsForResource", .run = list_tags},
};

// The ARN of what the call is about. Heap.
static int resource_of(struct rpc_call *call, char **ret, struct err *err)
{
    struct str name = json_str(json_object_get(call->input, "Name")), bus;
    struct str rule = json_str(json_object_get(call->input, "Rule"));
    struct str tagged = json_str(json_object_get(call->input, "ResourceARN"));
    TRY(bus_named(call, &bus, err));
    CLEAN_MEM char *bus_text = str_dup(bus);
    if (str_ends(str_of(call->op->name), STR("EventBus"))) {
        *ret = events_bus_arn(call, name.size ? events_bus_name(name) : STR("default"));
    } else if (name.size || rule.size) {
        *ret = events_rule_arn(call, bus_text, name.size ? name : rule);
    } else {
        *ret = tagged.size ? str_dup(tagged) : mem_dup("*");
    }
    return 0;
}

static int may(struct rpc_call *call, struct err *err)
{
    CLEAN_MEM char *arn = NULL;
    struct str role = json_str(json_object_get(call->input, "RoleArn"));
    size_t i = 0;
    json_t *target = NULL;
    if (call->op->run == events_put_events) {
        return events_put_events_may(call, err);
    }
    TRY(resource_of(call, &arn, err));
    TRY(rpc_authorize(call, call->op->name, str_of(arn), err));
    TRY(role.size ? rpc_pass_role(call, role, err) : 0);
    json_array_foreach(json_object_get(call->input, "Targets"), i, target)
    {
        role = json_str(json_object_get(target, "RoleArn"));
        TRY(role.size ? rpc_pass_role(call, role, err) : 0);
    }
    return 0;
}

static void after(struct rpc_call *call)
{
    if (call->op->run != events_put_events) {
        schedules_look(call->api->schedules);
    }
}

const struct http_handler *events_route(struct http_request *req, struct api *api)
{
    static const struct rpc_service service = {.name = "events",
                                               .target = "AWSEvents",
                                               .internal_error = "InternalException",
                                               .ops = ops,
                                               .op_count = ARRAY_SIZE(ops),
                                               .may = may,
                                               .after = after};
    return rpc_route(req, api, &service);
}
