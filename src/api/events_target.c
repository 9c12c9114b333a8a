// SPDX-License-Identifier: Apache-2.0
// EventBridge: whom rules invoke. Targets are kept as they were given and shown so.
#include "api/events.h"
#include "bus/input.h"
#include "format/arn.h"

#define INPUT_MAX 8192

// Members that mean something of a target here; others belong to kinds of targets that are not served.
static const char *const served[] = {"InputPath",   "InputTransformer", "Id",
                                     "Arn",         "RoleArn",          "Input",
                                     "RetryPolicy", "DeadLetterConfig"};

static int check_arn(struct str arn, struct err *err)
{
    struct arn parsed = {0};
    struct arn_function function = {0};
    if (arn_parse(arn, &parsed, NULL) < 0) {
        return events_invalid(err,
                              "Parameter " STR_FMT
                              " is not valid. Reason: Provided Arn is not in correct format.",
                              STR_ARG(str_head(arn, 256)));
    }
    if (!str_eq(parsed.service, STR("lambda")) || arn_function_parse(arn, &function, NULL) < 0) {
        return events_invalid(err,
                              "Parameter " STR_FMT
                              " is not valid. Reason: only Lambda functions are served here as "
                              "targets.",
                              STR_ARG(str_head(arn, 256)));
    }
    return 0;
}

static int check_input(const json_t *target, struct str id, struct err *err)
{
    const struct rpc_text text = {
        .name = "Input", .member = "targets.member.input", .most = INPUT_MAX};
    struct str input = {0};
    CLEAN_JSON json_t *json = NULL;
    struct err why = {0};
    TRY(rpc_text(target, &text, &input, err));
    if (input.at && json_parse(input, &json, &why) < 0) {
        return events_invalid(err, "JSON syntax error in input for target " STR_FMT " : %s.",
                              STR_ARG(id), why.text);
    }
    return bus_input_check(target, &why) < 0
               ? events_invalid(err, "Target " STR_FMT ": %s.", STR_ARG(id), why.text)
               : 0;
}

static int check_retry(const json_t *target, struct err *err)
{
    const json_t *policy = json_object_get(target, "RetryPolicy");
    int64_t ignored = 0;
    TRY(rpc_int(policy, "MaximumRetryAttempts", "retryPolicy.maximumRetryAttempts", 0, 185,
                &ignored, err));
    TRY(rpc_int(policy, "MaximumEventAgeInSeconds", "retryPolicy.maximumEventAgeInSeconds", 60,
                86400, &ignored, err));
    return 0;
}

static int check_members(const json_t *target, struct str id, struct err *err)
{
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)target, name, value)
    {
        bool known = json_is_null(value);
        for (size_t i = 0; i < ARRAY_SIZE(served); i++) {
            known = known || strcmp(name, served[i]) == 0;
        }
        if (!known) {
            return events_invalid(err, "Parameter %.64s of target " STR_FMT " is not served here.",
                                  name, STR_ARG(id));
        }
    }
    return 0;
}

static int target_read(const json_t *target, struct rule_target *ret, struct err *err)
{
    const struct rpc_text of_id = {.name = "Id",
                                   .member = "targets.member.id",
                                   .least = 1,
                                   .most = 64,
                                   .pattern = "[\\.\\-_A-Za-z0-9]+",
                                   .fits = rpc_name_char,
                                   .needed = true};
    const struct rpc_text of_arn = {
        .name = "Arn", .member = "targets.member.arn", .least = 1, .most = 1600, .needed = true};
    TRY(rpc_text(target, &of_id, &ret->id, err));
    TRY(rpc_text(target, &of_arn, &ret->arn, err));
    TRY(check_arn(ret->arn, err));
    TRY(check_members(target, ret->id, err));
    TRY(check_input(target, ret->id, err));
    return check_retry(target, err);
}

// The list in a member, of 1 to 100.
static int list_of(struct rpc_call *call, const char *name, const char *member, const json_t **ret,
                   struct err *err)
{
    const json_t *list = json_object_get(call->input, name);
    if (!json_is_array(list)) {
        return rpc_violation(err, (struct str){0}, member, "Member must not be null");
    }
    if (json_array_size(list) < 1 || json_array_size(list) > 100) {
        bool few = json_array_size(list) < 1;
        return rpc_violation(err, STR("[…]"), member,
                             "Member must have length %s than or equal to %d",
                             few ? "greater" : "less", few ? 1 : 100);
    }
    *ret = list;
    return 0;
}

struct place { // a rule, from the members Rule and EventBusName
    char *bus;
    struct str rule;
};

static void place_done(struct place *place)
{
    free(place->bus);
}

static int place_read(struct rpc_call *call, struct db *db, struct place *ret, struct err *err)
{
    TRY(events_rule_name(call, "Rule", &ret->rule, err));
    TRY(events_bus(call, db, &ret->bus, err));
    return events_rule_need(call, db, ret->bus, ret->rule, err);
}

static void no_failures(struct rpc_call *call)
{
    json_put_int(call->output, "FailedEntryCount", 0);
    json_put(call->output, "FailedEntries", json_array());
}

int events_put_targets(struct rpc_call *call, struct db *db, struct err *err)
{
    CLEAN(place_done) struct place place = {0};
    const json_t *targets = NULL;
    size_t i = 0;
    json_t *target = NULL;
    TRY(place_read(call, db, &place, err));
    TRY(list_of(call, "Targets", "targets", &targets, err));
    json_array_foreach((json_t *)(uintptr_t)targets, i, target)
    {
        struct rule_target row = {.bus = str_of(place.bus), .rule = place.rule};
        CLEAN(buf_done) struct buf document = BUF_INIT(RPC_BODY_MAX);
        TRY(target_read(target, &row, err));
        json_write(target, &document);
        row.document = buf_str(&document);
        TRY(rule_target_put(db, &row, err));
    }
    int count = rule_target_count(db, str_of(place.bus), place.rule, err);
    TRY(count);
    if (count > EVENTS_TARGETS_MAX) {
        return err_aws(err, ERR_LIMIT, "LimitExceededException",
                       "The requested resource exceeds the maximum number allowed.");
    }
    no_failures(call);
    return 0;
}

int events_remove_targets(struct rpc_call *call, struct db *db, struct err *err)
{
    CLEAN(place_done) struct place place = {0};
    const json_t *ids = NULL;
    size_t i = 0;
    json_t *id = NULL;
    TRY(place_read(call, db, &place, err));
    TRY(list_of(call, "Ids", "ids", &ids, err));
    no_failures(call);
    json_t *failed = json_object_get(call->output, "FailedEntries");
    json_array_foreach((json_t *)(uintptr_t)ids, i, id)
    {
        if (!json_is_string(id)) {
            return err_aws(err, ERR_INVALID, "SerializationException", "Ids: must be strings");
        }
        int there = rule_target_delete(db, str_of(place.bus), place.rule, json_str(id), err);
        TRY(there);
        if (!there) {
            CLEAN_MEM char *text =
                mem_printf("Rule '" STR_FMT "' does not have a target with the Id "
                           "'%.64s'.",
                           STR_ARG(place.rule), json_string_value(id));
            json_t *entry = json_object();
            json_put(entry, "TargetId", json_incref(id));
            json_put_str(entry, "ErrorCode", STR("ResourceNotFoundException"));
            json_put_str(entry, "ErrorMessage", str_of(text));
            json_array_append_new(failed, entry);
        }
    }
    json_put_int(call->output, "FailedEntryCount", (int64_t)json_array_size(failed));
    return 0;
}

struct listing {
    struct rpc_page page;
    struct err *err;
};

static void listing_done(struct listing *l)
{
    rpc_page_done(&l->page);
}

static int target_each(void *ctx, const struct rule_target *target)
{
    struct listing *l = ctx;
    json_t *json = NULL;
    TRY(json_parse_object(target->document, &json, l->err));
    return rpc_page_add(&l->page, json, target->id);
}

int events_list_targets(struct rpc_call *call, struct db *db, struct err *err)
{
    CLEAN(place_done) struct place place = {0};
    CLEAN(listing_done) struct listing l = {.err = err};
    TRY(place_read(call, db, &place, err));
    TRY(rpc_page_begin(call, "Limit", "Targets", &l.page, err));
    TRY(rule_target_each(db, str_of(place.bus), place.rule, buf_str(&l.page.after), target_each, &l,
                         err));
    rpc_page_end(call, &l.page);
    return 0;
}

static int name_each(void *ctx, const struct rule_target *target)
{
    struct listing *l = ctx;
    return rpc_page_add(&l->page, json_from_str(target->rule), target->rule);
}

int events_list_rule_names(struct rpc_call *call, struct db *db, struct err *err)
{
    CLEAN_MEM char *bus = NULL;
    CLEAN(listing_done) struct listing l = {.err = err};
    const struct rpc_text text = {
        .name = "TargetArn", .member = "targetArn", .least = 1, .most = 1600, .needed = true};
    struct str arn;
    TRY(rpc_text(call->input, &text, &arn, err));
    TRY(events_bus(call, db, &bus, err));
    TRY(rpc_page_begin(call, "Limit", "RuleNames", &l.page, err));
    TRY(rule_target_each_arn(db, str_of(bus), arn, buf_str(&l.page.after), name_each, &l, err));
    rpc_page_end(call, &l.page);
    return 0;
}
