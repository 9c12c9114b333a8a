// SPDX-License-Identifier: Apache-2.0
// deploy's rules and schedules: what serverless.yml wants is compared with what is there, and only the
// difference is changed. The state says which are ours: {"events": [{"rule" | "schedule": NAME, "bus"}]}.
#include "cli/deploy.h"
#include "cli/lambda_api.h"
#include "base/mem.h"
#include "format/arn.h"
#include "format/json.h"
#include "format/uri.h"

#define BODY_MAX (2u * 1024 * 1024)

// ---- the two services

static int pass(struct err *err, int rc, const struct err *told)
{
    return rc < 0 ? err_aws(err, rc, told->aws, "%s", told->text) : 0;
}

static int send_json(struct remote *remote, struct remote_request *request, const json_t *body,
                     json_t **ret, struct err *err)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(BODY_MAX);
    CLEAN(remote_reply_done) struct remote_reply reply = {0};
    if (body) {
        json_write(body, &text);
    }
    request->body = buf_str(&text);
    TRY(remote_call(remote, request, &reply, err));
    return reply.body.size && ret ? json_parse(buf_str(&reply.body), ret, err) : 0;
}

// An operation of EventBridge; `ret` may be NULL.
static int events_call(struct remote *remote, const char *operation, const json_t *body,
                       json_t **ret, struct err *err)
{
    CLEAN_MEM char *target = mem_printf("AWSEvents.%s", operation);
    struct remote_request request = {
        .service = "events",
        .method = "POST",
        .path = "/",
        .headers = {{"content-type", "application/x-amz-json-1.1"}, {"x-amz-target", target}}};
    return send_json(remote, &request, body, ret, err);
}

static int schedule_call(struct remote *remote, const char *method, const char *name,
                         const json_t *body, json_t **ret, struct err *err)
{
    CLEAN(buf_done) struct buf path = BUF_INIT(1024);
    buf_add_text(&path, "/schedules/");
    uri_encode(&path, str_of(name), false);
    struct remote_request request = {.service = "scheduler",
                                     .method = method,
                                     .path = buf_text(&path),
                                     .headers = {{"content-type", "application/json"}}};
    return send_json(remote, &request, body, ret, err);
}

// EventBridge answers 400 whatever it is: the name tells.
static bool is_missing(int rc, const struct err *err)
{
    return rc == ERR_NOT_FOUND ||
           (rc < 0 && err->aws && strcmp(err->aws, "ResourceNotFoundException") == 0);
}

// Whether each member that is wanted is there so, and of `optional` none that is not wanted.
static bool covers(const json_t *there, const json_t *wanted, const char *const *optional)
{
    const char *name = NULL;
    json_t *value = NULL;
    bool same = true;
    json_object_foreach((json_t *)(uintptr_t)wanted, name, value)
    {
        same = same && json_equal(json_object_get(there, name), value);
    }
    for (; *optional; optional++) {
        same = same && (json_object_get(wanted, *optional) || !json_object_get(there, *optional));
    }
    return same;
}

// ---- rules

static json_t *place_of(const char *member, const char *name, const char *bus)
{
    json_t *place = json_object();
    json_put_str(place, member, str_of(name));
    if (bus) {
        json_put_str(place, "EventBusName", str_of(bus));
    }
    return place;
}

static int need_bus(struct deploy *deploy, const char *bus, struct err *err)
{
    CLEAN_JSON json_t *body = json_object();
    struct err told = {0};
    if (!bus || strncmp(bus, "arn:", 4) == 0) {
        return 0;
    }
    json_put_str(body, "Name", str_of(bus));
    int rc = events_call(&deploy->remote, "DescribeEventBus", body, NULL, &told);
    if (!is_missing(rc, &told)) {
        return pass(err, rc, &told);
    }
    deploy_changed(deploy, "made event bus %s", bus);
    return events_call(&deploy->remote, "CreateEventBus", body, NULL, err);
}

// AWS asks the function's policy whether a rule may invoke it.
static int allow(struct deploy *deploy, const struct deploy_function *f, const char *rule_arn,
                 const char *name, struct err *err)
{
    CLEAN_MEM char *path = remote_lambda_path("2015-03-31", f->target, "/policy");
    CLEAN_MEM char *id = mem_printf("events-%s", name);
    CLEAN_JSON json_t *body = json_object();
    CLEAN_JSON json_t *reply = NULL;
    struct err told = {0};
    for (char *c = id; *c; c++) {
        *c = *c == '.' ? '-' : *c; // a statement's id has no dots
    }
    json_put_str(body, "StatementId", str_of(id));
    json_put_str(body, "Action", STR("lambda:InvokeFunction"));
    json_put_str(body, "Principal", STR("events.amazonaws.com"));
    json_put_str(body, "SourceArn", str_of(rule_arn));
    int rc = remote_lambda_call(&deploy->remote, "POST", path, body, &reply, &told);
    return rc == ERR_EXISTS ? 0 : pass(err, rc, &told);
}

static int set_target(struct deploy *deploy, const struct deploy_function *f,
                      const struct serverless_event *e, struct err *err)
{
    CLEAN_JSON json_t *place = place_of("Rule", e->name, e->bus);
    CLEAN_JSON json_t *there = NULL;
    CLEAN_JSON json_t *target = json_deep_copy(e->target);
    json_put_str(target, "Id", STR("function"));
    json_put_str(target, "Arn", str_of(f->target_arn));
    TRY(events_call(&deploy->remote, "ListTargetsByRule", place, &there, err));
    const json_t *list = json_object_get(there, "Targets");
    if (json_array_size(list) == 1 && json_equal(json_array_get(list, 0), target)) {
        return 0;
    }
    deploy_changed(deploy, "set the target of rule %s", e->name);
    json_put(place, "Targets", json_pack("[O]", target));
    return events_call(&deploy->remote, "PutTargets", place, NULL, err);
}

static int set_rule(struct deploy *deploy, const struct deploy_function *f,
                    const struct serverless_event *e, struct err *err)
{
    static const char *const optional[] = {"Description", "EventPattern", "ScheduleExpression",
                                           NULL};
    CLEAN_JSON json_t *body = place_of("Name", e->name, e->bus);
    CLEAN_JSON json_t *there = NULL;
    CLEAN_JSON json_t *reply = NULL;
    struct err told = {0};
    TRY(need_bus(deploy, e->bus, err));
    int rc = events_call(&deploy->remote, "DescribeRule", body, &there, &told);
    TRY(is_missing(rc, &told) ? 0 : pass(err, rc, &told));
    CLEAN_MEM char *arn = str_dup(json_str(json_object_get(there, "Arn")));
    if (rc < 0 || !covers(there, e->what, optional)) {
        terminal_status("Setting rule %s", e->name);
        deploy_changed(deploy, "set rule %s", e->name);
        json_object_update(body, e->what);
        TRY(events_call(&deploy->remote, "PutRule", body, &reply, err));
        free(arn);
        arn = str_dup(json_str(json_object_get(reply, "RuleArn")));
    }
    TRY(allow(deploy, f, arn, e->name, err));
    return set_target(deploy, f, e, err);
}

static int remove_rule(struct remote *remote, const char *name, const char *bus, struct err *err)
{
    CLEAN_JSON json_t *of_targets = place_of("Rule", name, bus);
    CLEAN_JSON json_t *of_rule = place_of("Name", name, bus);
    CLEAN_JSON json_t *there = NULL;
    CLEAN_JSON json_t *ids = json_array();
    struct err told = {0};
    size_t i = 0;
    json_t *target = NULL;
    int rc = events_call(remote, "ListTargetsByRule", of_targets, &there, &told);
    if (is_missing(rc, &told)) {
        return 0;
    }
    TRY(pass(err, rc, &told));
    json_array_foreach(json_object_get(there, "Targets"), i, target)
    {
        json_array_append(ids, json_object_get(target, "Id"));
    }
    if (json_array_size(ids)) {
        json_put(of_targets, "Ids", json_incref(ids));
        TRY(events_call(remote, "RemoveTargets", of_targets, NULL, err));
    }
    return events_call(remote, "DeleteRule", of_rule, NULL, err);
}

// ---- schedules

// The role that Scheduler invokes with: the function's own.
static char *role_of(const struct deploy *deploy, const struct serverless_function *f)
{
    CLEAN_MEM char *name = project_role(deploy->service);
    bool arn = f->role && strncmp(f->role, "arn:", 4) == 0;
    return arn ? mem_dup(f->role)
               : mem_printf("arn:aws:iam::" ARN_ACCOUNT ":role/%s", f->role ? f->role : name);
}

static int set_schedule(struct deploy *deploy, const struct deploy_function *f,
                        const struct serverless_event *e, struct err *err)
{
    static const char *const of_schedule[] = {"Description", "StartDate", "EndDate", NULL};
    static const char *const of_target[] = {"Input", "DeadLetterConfig", NULL};
    CLEAN_JSON json_t *there = NULL;
    CLEAN_JSON json_t *target = json_deep_copy(e->target);
    CLEAN_JSON json_t *body = json_deep_copy(e->what);
    CLEAN_MEM char *role = role_of(deploy, f->wanted);
    struct err told = {0};
    json_put_str(target, "Arn", str_of(f->target_arn));
    json_put_str(target, "RoleArn", str_of(role));
    int rc = schedule_call(&deploy->remote, "GET", e->name, NULL, &there, &told);
    TRY(is_missing(rc, &told) ? 0 : pass(err, rc, &told));
    if (rc >= 0 && covers(there, e->what, of_schedule) &&
        covers(json_object_get(there, "Target"), target, of_target)) {
        return 0;
    }
    terminal_status("Setting schedule %s", e->name);
    deploy_changed(deploy, "set schedule %s", e->name);
    json_put(body, "Target", json_incref(target));
    return schedule_call(&deploy->remote, rc < 0 ? "POST" : "PUT", e->name, body, NULL, err);
}

static int remove_schedule(struct remote *remote, const char *name, struct err *err)
{
    struct err told = {0};
    int rc = schedule_call(remote, "DELETE", name, NULL, NULL, &told);
    return is_missing(rc, &told) ? 0 : pass(err, rc, &told);
}

// ---- both

static json_t *entry_of(const struct deploy_function *f, const struct serverless_event *e)
{
    json_t *entry = json_object();
    json_put_str(entry, e->scheduler ? "schedule" : "rule", str_of(e->name));
    json_put_str(entry, "function", str_of(f->wanted->key));
    if (e->bus) {
        json_put_str(entry, "bus", str_of(e->bus));
    }
    return entry;
}

static int remove_entry(struct remote *remote, const json_t *entry, struct err *err)
{
    const char *rule = json_string_value(json_object_get(entry, "rule"));
    const char *schedule = json_string_value(json_object_get(entry, "schedule"));
    const char *bus = json_string_value(json_object_get(entry, "bus"));
    TRY(rule ? remove_rule(remote, rule, bus, err) : 0);
    return schedule ? remove_schedule(remote, schedule, err) : 0;
}

static bool is_named(const json_t *list, const json_t *entry)
{
    static const char *const names[] = {"rule", "schedule", "bus"};
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        bool same = true;
        for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
            const json_t *a = json_object_get(one, names[n]), *b = json_object_get(entry, names[n]);
            same = same && (a ? json_equal(a, b) : !b);
        }
        if (same) {
            return true;
        }
    }
    return false;
}

static bool looked_at(const struct deploy *deploy, const json_t *entry)
{
    const char *key = json_string_value(json_object_get(entry, "function"));
    const struct serverless_function *f =
        key ? serverless_function(deploy->service, str_of(key)) : NULL;
    return !deploy->only ||
           (f && (strcmp(deploy->only, f->key) == 0 || strcmp(deploy->only, f->name) == 0));
}

int deploy_schedules(struct deploy *deploy, struct err *err)
{
    CLEAN_JSON json_t *made = json_array();
    json_t *before = json_object_get(deploy->state, "events"), *entry = NULL;
    size_t at = 0;
    for (size_t i = 0; i < deploy->count; i++) {
        const struct deploy_function *f = &deploy->functions[i];
        for (size_t j = 0; j < f->wanted->event_count && deploy_wants(deploy, f); j++) {
            const struct serverless_event *e = &f->wanted->events[j];
            TRY(e->scheduler ? set_schedule(deploy, f, e, err) : set_rule(deploy, f, e, err));
            json_array_append_new(made, entry_of(f, e));
        }
    }
    json_array_foreach(before, at, entry)
    {
        if (!looked_at(deploy, entry)) {
            json_array_append(made, entry);
        } else if (!is_named(made, entry)) {
            TRY(remove_entry(&deploy->remote, entry, err));
            deploy_changed(deploy, "removed an event of function %s",
                           json_string_value(json_object_get(entry, "function")));
        }
    }
    if (json_array_size(made) || before) {
        json_put(deploy->next, "events", json_incref(made));
    }
    return 0;
}

int schedules_remove(struct remote *remote, const json_t *state, struct err *err)
{
    const json_t *entries = json_object_get(state, "events");
    for (size_t i = 0; i < json_array_size(entries); i++) {
        TRY(remove_entry(remote, json_array_get(entries, i), err));
    }
    return 0;
}
