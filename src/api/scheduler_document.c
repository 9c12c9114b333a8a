// SPDX-License-Identifier: Apache-2.0
// EventBridge Scheduler: what a schedule may be. It is kept as a document of its members, with the
// defaults filled in as GetSchedule shows them.
#include "api/scheduler.h"
#include "format/arn.h"
#include "format/schedule.h"

#define INPUT_MAX        ((size_t)256 * 1024)
#define START_EARLIEST_S (5 * 60)

// ── when ──

static int read_expression(const struct rpc_call *call, struct schedule *ret, json_t *out,
                           struct err *err)
{
    const struct rpc_text text = {.name = "ScheduleExpression",
                                  .member = "scheduleExpression",
                                  .least = 1,
                                  .most = 256,
                                  .needed = true};
    struct str expression;
    TRY(rpc_text(call->input, &text, &expression, err));
    if (schedule_parse(expression, SCHEDULE_OF_SCHEDULER, ret, NULL) < 0) {
        return scheduler_invalid(err, "Invalid Schedule Expression " STR_FMT ".",
                                 STR_ARG(expression));
    }
    json_put_str(out, "ScheduleExpression", expression);
    return 0;
}

static int read_zone(const struct rpc_call *call, json_t *out, struct err *err)
{
    const struct rpc_text text = {.name = "ScheduleExpressionTimezone",
                                  .member = "scheduleExpressionTimezone",
                                  .least = 1,
                                  .most = 50};
    struct str name = STR("UTC");
    struct err why = {0};
    CLEAN(zone_clean) struct zone *zone = NULL;
    TRY(rpc_text(call->input, &text, &name, err));
    if (zone_open(name, &zone, &why) < 0) {
        return scheduler_invalid(err, "Invalid ScheduleExpressionTimezone " STR_FMT ": %s.",
                                 STR_ARG(name), why.text);
    }
    json_put_str(out, "ScheduleExpressionTimezone", name);
    return 0;
}

// A time in seconds since 1970. 1 when it is there.
static int read_date(const struct rpc_call *call, const char *name, int64_t *ret_s, json_t *out,
                     struct err *err)
{
    json_t *date = json_object_get(call->input, name);
    double value = json_number_value(date);
    if (!date || json_is_null(date)) {
        return 0;
    }
    if (!json_is_number(date) || !(value >= 0 && value < 1e11)) {
        return err_aws(err, ERR_INVALID, "SerializationException",
                       "%s: must be a number of seconds since 1970", name);
    }
    *ret_s = (int64_t)value;
    json_put(out, name, json_incref(date));
    return 1;
}

static int read_dates(const struct rpc_call *call, const struct schedule *schedule, json_t *out,
                      struct err *err)
{
    int64_t start_s = 0, end_s = INT64_MAX;
    int started = read_date(call, "StartDate", &start_s, out, err);
    TRY(started);
    TRY(read_date(call, "EndDate", &end_s, out, err));
    if (schedule->kind == SCHEDULE_AT) {
        return 0; // they do not count
    }
    if (started && start_s < call->now_ms / 1000 - START_EARLIEST_S) {
        return scheduler_invalid(err,
                                 "The StartDate you specify cannot be earlier than 5 minutes ago.");
    }
    if (end_s < start_s) {
        return scheduler_invalid(err, "The StartDate you specify must come before the EndDate.");
    }
    return 0;
}

static int read_window(const struct rpc_call *call, json_t *out, struct err *err)
{
    json_t *window = json_object_get(call->input, "FlexibleTimeWindow");
    struct str mode = {0};
    int64_t minutes = 0;
    if (!json_is_object(window)) {
        return rpc_violation(err, (struct str){0}, "flexibleTimeWindow", "Member must not be null");
    }
    int rc = rpc_choice(window, "Mode", "flexibleTimeWindow.mode", "OFF, FLEXIBLE", &mode, err);
    TRY(rc);
    if (rc == 0) {
        return rpc_violation(err, (struct str){0}, "flexibleTimeWindow.mode",
                             "Member must not be null");
    }
    TRY(rpc_int(window, "MaximumWindowInMinutes", "flexibleTimeWindow.maximumWindowInMinutes", 1,
                1440, &minutes, err));
    if ((minutes > 0) != str_eq(mode, STR("FLEXIBLE"))) {
        return scheduler_invalid(err, minutes ? "MaximumWindowInMinutes belongs to a "
                                                "FlexibleTimeWindow of Mode FLEXIBLE."
                                              : "MaximumWindowInMinutes must be specified with a "
                                                "FlexibleTimeWindow of Mode FLEXIBLE.");
    }
    json_t *kept = json_object();
    json_put_str(kept, "Mode", mode);
    if (minutes) {
        json_put_int(kept, "MaximumWindowInMinutes", minutes);
    }
    json_put(out, "FlexibleTimeWindow", kept);
    return 0;
}

// ── whom ──

static const char *const served[] = {"Arn", "RoleArn", "Input", "RetryPolicy", "DeadLetterConfig"};

static int check_members(const json_t *target, struct err *err)
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
            return scheduler_invalid(err, "Target.%.64s is not served here.", name);
        }
    }
    return 0;
}

static int check_arn(struct str arn, struct err *err)
{
    struct arn parsed = {0};
    struct arn_function function = {0};
    bool lambda = arn_parse(arn, &parsed, NULL) >= 0 && str_eq(parsed.service, STR("lambda")) &&
                  arn_function_parse(arn, &function, NULL) >= 0;
    return lambda
               ? 0
               : scheduler_invalid(err,
                                   "Provided Arn " STR_FMT " is not valid: only Lambda functions "
                                   "are served here as targets.",
                                   STR_ARG(str_head(arn, 256)));
}

// GetSchedule shows the policy that counts, asked for or not.
static int read_retry(const json_t *target, json_t *out, struct err *err)
{
    const json_t *given = json_object_get(target, "RetryPolicy");
    int64_t attempts = 185, age_s = 86400;
    TRY(rpc_int(given, "MaximumRetryAttempts", "target.retryPolicy.maximumRetryAttempts", 0, 185,
                &attempts, err));
    TRY(rpc_int(given, "MaximumEventAgeInSeconds", "target.retryPolicy.maximumEventAgeInSeconds",
                60, 86400, &age_s, err));
    json_t *policy = json_object();
    json_put_int(policy, "MaximumEventAgeInSeconds", age_s);
    json_put_int(policy, "MaximumRetryAttempts", attempts);
    json_put(out, "RetryPolicy", policy);
    return 0;
}

static int read_input(const json_t *target, json_t *out, struct err *err)
{
    const struct rpc_text text = {
        .name = "Input", .member = "target.input", .least = 1, .most = INPUT_MAX};
    struct str input = {0};
    CLEAN_JSON json_t *json = NULL;
    int rc = rpc_text(target, &text, &input, err);
    if (rc <= 0) {
        return rc;
    }
    if (json_parse(input, &json, NULL) < 0) {
        return scheduler_invalid(err,
                                 "Target.Input must be well-formed JSON for a Lambda function.");
    }
    json_put_str(out, "Input", input);
    return 0;
}

static int read_target(const struct rpc_call *call, json_t *out, struct err *err)
{
    const json_t *target = json_object_get(call->input, "Target");
    const struct rpc_text of_arn = {
        .name = "Arn", .member = "target.arn", .least = 1, .most = 1600, .needed = true};
    const struct rpc_text of_role = {
        .name = "RoleArn", .member = "target.roleArn", .least = 1, .most = 1600, .needed = true};
    struct str arn, role;
    if (!json_is_object(target)) {
        return rpc_violation(err, (struct str){0}, "target", "Member must not be null");
    }
    TRY(rpc_text(target, &of_arn, &arn, err));
    TRY(rpc_text(target, &of_role, &role, err));
    if (!str_starts(role, STR("arn:aws:iam::")) || str_find_str(role, STR(":role/")) < 0) {
        return rpc_violation(err, role, "target.roleArn",
                             "Member must satisfy regular expression pattern: "
                             "^arn:aws[a-z-]*:iam::\\d{12}:role\\/[\\w+=,.@\\/-]+$");
    }
    TRY(check_arn(arn, err));
    TRY(check_members(target, err));
    json_t *kept = json_object();
    json_put(out, "Target", kept);
    json_put_str(kept, "Arn", arn);
    json_put_str(kept, "RoleArn", role);
    TRY(read_input(target, kept, err));
    json_t *dead = json_object_get(target, "DeadLetterConfig");
    if (json_is_object(dead)) {
        json_put(kept, "DeadLetterConfig", json_incref(dead));
    }
    return read_retry(target, kept, err);
}

// ── all of it ──

static int read_texts(const struct rpc_call *call, struct str *ret_state, json_t *out,
                      struct err *err)
{
    const struct rpc_text texts[] = {
        {.name = "Description", .member = "description", .most = 512},
        {.name = "KmsKeyArn", .member = "kmsKeyArn", .least = 1, .most = 2048},
        {.name = "ClientToken", .member = "clientToken", .least = 1, .most = 64},
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct str value = {0};
        int rc = rpc_text(call->input, &texts[i], &value, err);
        TRY(rc);
        if (rc == 1) {
            json_put_str(out, texts[i].name, value);
        }
    }
    struct str after = STR("NONE");
    *ret_state = STR("ENABLED");
    TRY(rpc_choice(call->input, "State", "state", "ENABLED, DISABLED", ret_state, err));
    TRY(rpc_choice(call->input, "ActionAfterCompletion", "actionAfterCompletion", "NONE, DELETE",
                   &after, err));
    json_put_str(out, "ActionAfterCompletion", after);
    return 0;
}

int scheduler_document(const struct rpc_call *call, struct str *ret_state, struct buf *out,
                       struct err *err)
{
    CLEAN_JSON json_t *document = json_object();
    struct schedule schedule;
    TRY(read_expression(call, &schedule, document, err));
    TRY(read_zone(call, document, err));
    TRY(read_dates(call, &schedule, document, err));
    TRY(read_window(call, document, err));
    TRY(read_target(call, document, err));
    TRY(read_texts(call, ret_state, document, err));
    json_write(document, out);
    return 0;
}
