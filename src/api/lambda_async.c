// SPDX-License-Identifier: Apache-2.0
// What becomes of asynchronous invocations, for each qualifier they may come by: retries, age and
// destinations.
#include "api/lambda.h"
#include "base/clock.h"
#include "bus/bus.h"
#include "dispatch/dispatch.h"

#define LIST_MAX 50

// ── places to send to ──

static int not_served(struct err *err, struct str arn, const char *what)
{
    return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                   "The %s " STR_FMT " is not one that is served here: give the ARN of a Lambda "
                   "function or of an S3 bucket",
                   what, STR_ARG(str_head(arn, 200)));
}

int lambda_destination_check(struct api *api, struct str text, const char *what, struct err *err)
{
    struct arn arn;
    struct arn_function function;
    struct arn_s3 s3;
    if (arn_s3_parse(text, &s3, NULL) >= 0) {
        return 0;
    }
    if (arn_parse(text, &arn, NULL) < 0 || !str_eq(arn.service, STR("lambda")) ||
        arn_function_parse(text, &function, NULL) < 0) {
        return not_served(err, text, what);
    }
    CLEAN_MEM char *key = bus_function_key(&function);
    bool here = str_eq(function.account, STR(ARN_ACCOUNT)) &&
                str_eq(function.region, str_of(api->settings->region));
    if (!here || !dispatch_knows(api->dispatch, str_of(key))) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "The %s ARN " STR_FMT " is invalid.", what, STR_ARG(str_head(text, 200)));
    }
    return 0;
}

static int read_destination(struct lambda_call *call, const char *path, char **field,
                            struct err *err)
{
    struct str text = {0};
    struct arn_function function;
    int rc = json_get_str(call->input, path, &text, err);
    if (rc <= 0) {
        return rc;
    }
    TRY(text.size ? lambda_destination_check(call->api, text, "destination", err) : 0);
    if (text.size && arn_function_parse(text, &function, NULL) >= 0 &&
        str_eq(function.name, str_of(call->name))) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "You can't specify the function as a destination for itself.");
    }
    free(*field);
    *field = text.size ? str_dup(text) : NULL;
    return 0;
}

// ── what a configuration is ──

static const char *qualifier_of(const struct lambda_call *call)
{
    return call->qualifier ? call->qualifier : "$LATEST";
}

static json_t *config_json(const struct lambda_function *f,
                           const struct lambda_invoke_config *config)
{
    CLEAN_MEM char *arn = lambda_arn(f->lambda, f->name, config->qualifier);
    json_t *json = json_object(), *success = json_object(), *failure = json_object();
    json_put(json, "LastModified", json_real((double)config->modified_ms / 1000));
    json_put_str(json, "FunctionArn", str_of(arn));
    if (config->retries >= 0) {
        json_put_int(json, "MaximumRetryAttempts", config->retries);
    }
    if (config->event_age_s >= 0) {
        json_put_int(json, "MaximumEventAgeInSeconds", config->event_age_s);
    }
    if (config->on_success) {
        json_put_str(success, "Destination", str_of(config->on_success));
    }
    if (config->on_failure) {
        json_put_str(failure, "Destination", str_of(config->on_failure));
    }
    json_put(json, "DestinationConfig",
             json_pack("{s:o, s:o}", "OnSuccess", success, "OnFailure", failure));
    return json;
}

static int config_read(struct lambda_call *call, struct lambda_invoke_config *config,
                       struct err *err)
{
    const json_t *input = call->input;
    int retries = lambda_read_bounded(input, "MaximumRetryAttempts", "maximumRetryAttempts", 0, 2,
                                      &config->retries, err);
    TRY(retries);
    int age = lambda_read_bounded(input, "MaximumEventAgeInSeconds", "maximumEventAgeInSeconds", 60,
                                  21600, &config->event_age_s, err);
    TRY(age);
    if (!retries && !age && !json_is_object(json_object_get(input, "DestinationConfig"))) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "You must specify at least one of error handling or destination setting.");
    }
    TRY(read_destination(call, "DestinationConfig.OnSuccess.Destination", &config->on_success,
                         err));
    return read_destination(call, "DestinationConfig.OnFailure.Destination", &config->on_failure,
                            err);
}

// ── operations ──

static int no_config(const struct lambda_call *call, struct err *err)
{
    CLEAN_MEM char *arn = lambda_arn(call->api->lambda, call->name, qualifier_of(call));
    return err_aws(err, ERR_NOT_FOUND, "ResourceNotFoundException",
                   "The function %s doesn't have an EventInvokeConfig", arn);
}

static int need_qualified(struct lambda_call *call, struct lambda_function **ret, struct err *err)
{
    struct lambda_target target;
    *ret = lambda_find(call->api, str_of(call->name));
    return *ret && lambda_resolve(*ret, call->qualifier, /* pick */ false, &target)
               ? 0
               : err_aws(err, ERR_NOT_FOUND, "ResourceNotFoundException",
                         "The function doesn't exist.");
}

static int need_config(struct lambda_call *call, struct lambda_function **ret_f,
                       const struct lambda_invoke_config **ret, struct err *err)
{
    *ret_f = lambda_find(call->api, str_of(call->name));
    *ret = *ret_f ? lambda_config_find(*ret_f, str_of(qualifier_of(call))) : NULL;
    return *ret ? 0 : no_config(call, err);
}

// `before`: what stays where the request says nothing; NULL: nothing does.
static int config_write(struct lambda_call *call, struct lambda_function *f,
                        const struct lambda_invoke_config *before, struct err *err)
{
    struct lambda_change *change = lambda_change_begin(call, f, 200);
    struct lambda_invoke_config *config = NEW(struct lambda_invoke_config);
    change->config = config;
    config->qualifier = mem_dup(qualifier_of(call));
    config->retries = before ? before->retries : -1;
    config->event_age_s = before ? before->event_age_s : -1;
    config->on_success = mem_dup(before ? before->on_success : NULL);
    config->on_failure = mem_dup(before ? before->on_failure : NULL);
    config->modified_ms = clock_wall_ms();
    int rc = config_read(call, config, err);
    if (rc < 0) {
        lambda_change_free(change);
        return rc;
    }
    change->answer = config_json(f, config);
    lambda_write(change);
    return 0;
}

int lambda_put_invoke_config(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    TRY(need_qualified(call, &f, err));
    return config_write(call, f, NULL, err);
}

int lambda_update_invoke_config(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    const struct lambda_invoke_config *before = NULL;
    TRY(need_qualified(call, &f, err));
    TRY(need_config(call, &f, &before, err));
    return config_write(call, f, before, err);
}

int lambda_get_invoke_config(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    const struct lambda_invoke_config *config = NULL;
    TRY(need_config(call, &f, &config, err));
    CLEAN_JSON json_t *answer = config_json(f, config);
    lambda_reply(call, 200, answer);
    return 0;
}

int lambda_delete_invoke_config(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    const struct lambda_invoke_config *config = NULL;
    TRY(need_config(call, &f, &config, err));
    struct lambda_change *change = lambda_change_begin(call, f, 204);
    change->config_drop = mem_dup(qualifier_of(call));
    lambda_write(change);
    return 0;
}

static void listed_mark(void *ctx, size_t i, struct buf *out)
{
    const struct lambda_function *f = ctx;
    buf_add_text(out, f->configs[i].qualifier);
}

static json_t *listed_json(void *ctx, size_t i)
{
    const struct lambda_function *f = ctx;
    return config_json(f, &f->configs[i]);
}

int lambda_list_invoke_configs(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    TRY(need_qualified(call, &f, err));
    const struct lambda_listing list = {.member = "FunctionEventInvokeConfigs",
                                        .count = f->config_count,
                                        .items_max = LIST_MAX,
                                        .mark = listed_mark,
                                        .item = listed_json,
                                        .ctx = f};
    return lambda_list(call, &list, err);
}
