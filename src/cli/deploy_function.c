// SPDX-License-Identifier: Apache-2.0
// deploy's functions: each is fetched, compared with what serverless.yml wants, and created or changed
// where it differs: code, configuration, asynchronous invocation, concurrency, tags.
#include "cli/deploy.h"
#include "cli/lambda_api.h"
#include "cli/s3_api.h"
#include "base/file.h"
#include "base/mem.h"
#include "format/arn.h"
#include "format/base64.h"
#include "format/json.h"
#include "format/uri.h"

#define INLINE_MAX                                                                                 \
    (16u * 1024 * 1024) // larger packages go by S3, so that nobody holds them as text

// ---- code

int deploy_code(struct deploy *deploy, const char *zip, const char *hash, uint64_t size,
                json_t **ret, struct err *err)
{
    CLEAN_JSON json_t *code = json_object();
    if (size <= INLINE_MAX) {
        CLEAN(buf_done) struct buf bytes = BUF_INIT(INLINE_MAX + 1);
        CLEAN(buf_done) struct buf text = BUF_INIT(BASE64_SIZE(INLINE_MAX) + 1);
        TRY(file_read(zip, &bytes, err));
        base64_add(&text, bytes.at, bytes.size);
        json_put_str(code, "ZipFile", buf_str(&text));
        *ret = MOVE(code);
        return 0;
    }
    CLEAN_MEM char *bucket = project_state_bucket(deploy->service);
    CLEAN(buf_done) struct buf key = BUF_INIT(1024);
    buf_printf(&key, "serverless/%s/%s/", deploy->service->service, deploy->service->stage);
    for (const char *c = hash; *c; c++) {
        buf_add_char(&key, *c == '/' || *c == '+' || *c == '=' ? '-' : *c);
    }
    buf_add_text(&key, ".zip");
    TRY(remote_s3_put_file(&deploy->remote, bucket, buf_text(&key), zip, NULL, err));
    json_put_str(code, "S3Bucket", str_of(bucket));
    json_put_str(code, "S3Key", buf_str(&key));
    *ret = MOVE(code);
    return 0;
}

// ---- configuration

static json_t *quantize_of(const struct serverless_quantize *quantize)
{
    json_t *object = json_object();
    double loss = 0;
    if (quantize->method) {
        json_put_str(object, "Method", str_of(quantize->method));
    }
    if (quantize->calibrate) {
        struct str folder = str_of(quantize->calibrate);
        folder = str_starts(folder, STR("./")) ? str_skip(folder, 2) : folder;
        json_put_str(object, "Calibrate", folder);
    }
    if (quantize->keep_accuracy && str_to_double(str_of(quantize->keep_accuracy), &loss)) {
        json_put(object, "KeepAccuracy", json_real(loss));
    }
    return object;
}

static json_t *configuration_of(const struct deploy *deploy, const struct deploy_function *f)
{
    const struct serverless_function *w = f->wanted;
    json_t *object = json_object();
    CLEAN_MEM char *made = project_role(deploy->service);
    CLEAN_MEM char *role = mem_printf("arn:aws:iam::" ARN_ACCOUNT ":role/%s", made);
    json_put_str(object, "Runtime", str_of(w->runtime));
    json_put_str(object, "Handler", str_of(w->handler));
    json_put_str(object, "Description", str_of(w->description ? w->description : ""));
    json_put_str(object, "Role",
                 str_of(w->role && strncmp(w->role, "arn:", 4) == 0 ? w->role : role));
    json_put_int(object, "MemorySize", w->memory_mb);
    json_put_int(object, "Timeout", w->timeout_s);
    json_t *environment = json_object();
    json_put(environment, "Variables", json_incref(w->environment));
    json_put(object, "Environment", environment);
    json_t *storage = json_object();
    json_put_int(storage, "Size", w->ephemeral_mb);
    json_t *batching = json_object();
    if (w->batch_max > 0) {
        json_put_int(batching, "MaxSize", w->batch_max);
    }
    if (w->batch_delay_ms >= 0) {
        json_put_int(batching, "MaxDelayMs", w->batch_delay_ms);
    }
    json_put(object, "Batching", batching);
    json_put(object, "Quantize", quantize_of(&w->quantize));
    json_put(object, "Cache", json_incref(w->cache));
    json_put_str(object, "Device", w->device_cpu ? STR("cpu") : STR(""));
    json_put_str(object, "Network", w->network_open ? STR("open") : STR(""));
    json_put(object, "EphemeralStorage", storage);
    json_put(object, "Layers", deploy_layer_arns(deploy, w));
    return object;
}

// The server tells more of each layer than its ARN, and nothing of none.
static bool same_layers(const json_t *there, const json_t *wanted)
{
    bool same = json_array_size(there) == json_array_size(wanted);
    for (size_t i = 0; i < json_array_size(wanted) && same; i++) {
        same =
            json_equal(json_object_get(json_array_get(there, i), "Arn"), json_array_get(wanted, i));
    }
    return same;
}

// Whether every member of `wanted` is in `there`; what the server leaves out when empty counts as empty.
static bool is_there(const json_t *there, const json_t *wanted)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)wanted, name, value)
    {
        const json_t *now = json_object_get(there, name);
        if (json_is_array(value)) {
            if (!json_equal(now, value) && !same_layers(now, value)) {
                return false;
            }
        } else if (json_is_object(value)) {
            if (!is_there(now, value) || json_object_size(now) > json_object_size(value)) {
                return false;
            }
        } else if (now ? !json_equal(now, value)
                       : !(json_is_string(value) && json_string_length(value) == 0)) {
            return false;
        }
    }
    return true;
}

static int create(struct deploy *deploy, struct deploy_function *f, struct err *err)
{
    CLEAN_JSON json_t *body = configuration_of(deploy, f);
    CLEAN_JSON json_t *reply = NULL;
    json_t *code = NULL;
    terminal_status("Creating %s", f->wanted->name);
    TRY(deploy_code(deploy, f->zip, f->hash, f->size, &code, err));
    json_put(body, "Code", code);
    json_put_str(body, "FunctionName", str_of(f->wanted->name));
    json_put_str(body, "PackageType", STR("Zip"));
    if (json_object_size(f->wanted->tags)) {
        json_put(body, "Tags", json_incref(f->wanted->tags));
    }
    TRY(remote_lambda_call(&deploy->remote, "POST", "/2015-03-31/functions", body, &reply, err));
    f->action = DEPLOY_CREATED;
    deploy_changed(deploy, "created function %s", f->wanted->name);
    return remote_lambda_wait(&deploy->remote, f->wanted->name, err);
}

static int update_code(struct deploy *deploy, struct deploy_function *f, struct err *err)
{
    CLEAN_JSON json_t *body = NULL;
    CLEAN_JSON json_t *reply = NULL;
    CLEAN_MEM char *path = remote_lambda_path("2015-03-31", f->wanted->name, "/code");
    terminal_status("Updating the code of %s", f->wanted->name);
    TRY(deploy_code(deploy, f->zip, f->hash, f->size, &body, err));
    TRY(remote_lambda_call(&deploy->remote, "PUT", path, body, &reply, err));
    f->action = DEPLOY_UPDATED;
    deploy_changed(deploy, "updated code of %s", f->wanted->name);
    return remote_lambda_wait(&deploy->remote, f->wanted->name, err);
}

static int update_configuration(struct deploy *deploy, struct deploy_function *f,
                                const json_t *wanted, struct err *err)
{
    CLEAN_JSON json_t *reply = NULL;
    CLEAN_MEM char *path = remote_lambda_path("2015-03-31", f->wanted->name, "/configuration");
    terminal_status("Updating the configuration of %s", f->wanted->name);
    TRY(remote_lambda_call(&deploy->remote, "PUT", path, wanted, &reply, err));
    f->action = DEPLOY_UPDATED;
    deploy_changed(deploy, "updated configuration of %s", f->wanted->name);
    return remote_lambda_wait(&deploy->remote, f->wanted->name, err);
}

// ---- what belongs to a function

static int set_concurrency(struct deploy *deploy, struct deploy_function *f, const json_t *there,
                           struct err *err)
{
    CLEAN_MEM char *path = remote_lambda_path("2017-10-31", f->wanted->name, "/concurrency");
    CLEAN_JSON json_t *reply = NULL;
    const json_t *now = json_at(there, "Concurrency.ReservedConcurrentExecutions");
    int64_t wanted = f->wanted->reserved_concurrency;
    if ((now ? json_integer_value(now) : -1) == wanted) {
        return 0;
    }
    f->action = f->action == DEPLOY_SAME ? DEPLOY_UPDATED : f->action;
    if (wanted < 0) {
        deploy_changed(deploy, "removed the reserved concurrency of %s", f->wanted->name);
        return remote_lambda_call(&deploy->remote, "DELETE", path, NULL, &reply, err);
    }
    CLEAN_JSON json_t *body = json_object();
    json_put_int(body, "ReservedConcurrentExecutions", wanted);
    deploy_changed(deploy, "set the reserved concurrency of %s", f->wanted->name);
    return remote_lambda_call(&deploy->remote, "PUT", path, body, &reply, err);
}

// As an ARN: names of functions are those of this account and region. NULL becomes "".
static void add_target(struct buf *out, const char *target, const struct deploy_function *f)
{
    struct arn own;
    if (!target || strncmp(target, "arn:", 4) == 0 || arn_parse(str_of(f->arn), &own, NULL) < 0) {
        buf_add_text(out, target ? target : "");
    } else {
        arn_add_function(out, own.region, own.account, str_of(target), (struct str){0});
    }
}

static void put_destination(json_t *config, const char *kind, const char *target,
                            const struct deploy_function *f)
{
    CLEAN(buf_done) struct buf arn = BUF_INIT(2048);
    add_target(&arn, target, f);
    if (arn.size) {
        json_put(config, kind, json_pack("{s:s}", "Destination", buf_text(&arn)));
    }
}

static json_t *event_config_of(const struct deploy_function *f)
{
    const struct serverless_function *w = f->wanted;
    json_t *object = json_object();
    if (w->retries_max >= 0) {
        json_put_int(object, "MaximumRetryAttempts", w->retries_max);
    }
    if (w->event_age_max_s >= 0) {
        json_put_int(object, "MaximumEventAgeInSeconds", w->event_age_max_s);
    }
    if (w->on_success || w->on_failure) {
        json_t *config = json_object();
        put_destination(config, "OnSuccess", w->on_success, f);
        put_destination(config, "OnFailure", w->on_failure, f);
        json_put(object, "DestinationConfig", config);
    }
    return object;
}

// Both ways: nothing is missing, and nothing is there that is no longer wanted.
static bool same_event_config(const json_t *there, const json_t *wanted)
{
    static const char *const members[] = {"MaximumRetryAttempts", "MaximumEventAgeInSeconds",
                                          "DestinationConfig.OnSuccess.Destination",
                                          "DestinationConfig.OnFailure.Destination"};
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        const json_t *a = json_at(there, members[i]), *b = json_at(wanted, members[i]);
        bool missing_a = !a || json_is_null(a), missing_b = !b || json_is_null(b);
        if (missing_a != missing_b || (!missing_a && !json_equal(a, b))) {
            return false;
        }
    }
    return true;
}

// `target`: the function or its alias.
static int put_event_config(struct deploy *deploy, struct deploy_function *f, const char *target,
                            const json_t *wanted, struct err *err)
{
    CLEAN_MEM char *path = remote_lambda_path("2019-09-25", target, "/event-invoke-config");
    CLEAN_JSON json_t *there = NULL;
    CLEAN_JSON json_t *reply = NULL;
    struct err told = {0};
    int rc = remote_lambda_call(&deploy->remote, "GET", path, NULL, &there, &told);
    if (rc < 0 && rc != ERR_NOT_FOUND) {
        return err_aws(err, rc, told.aws, "%s", told.text);
    }
    if (same_event_config(there, wanted)) {
        return 0;
    }
    bool none = json_object_size(wanted) == 0;
    f->action = f->action == DEPLOY_SAME ? DEPLOY_UPDATED : f->action;
    deploy_changed(deploy, "set how %s takes events", target);
    return remote_lambda_call(&deploy->remote, none ? "DELETE" : "PUT", path, none ? NULL : wanted,
                              &reply, err);
}

// An alias has its own; then the function itself has none.
static int set_event_config(struct deploy *deploy, struct deploy_function *f, struct err *err)
{
    CLEAN_JSON json_t *wanted = event_config_of(f);
    CLEAN_JSON json_t *none = json_object();
    TRY(f->provisioned ? put_event_config(deploy, f, f->wanted->name, none, err) : 0);
    return put_event_config(deploy, f, f->target, wanted, err);
}

static int set_dead_letter(struct deploy *deploy, struct deploy_function *f, struct err *err)
{
    CLEAN(buf_done) struct buf arn = BUF_INIT(2048);
    add_target(&arn, f->wanted->on_error, f);
    if (strcmp(buf_text(&arn), f->dead_letter) == 0) {
        return 0;
    }
    CLEAN_JSON json_t *body =
        json_pack("{s:{s:s}}", "DeadLetterConfig", "TargetArn", buf_text(&arn));
    return update_configuration(deploy, f, body, err);
}

static int set_tags(struct deploy *deploy, struct deploy_function *f, const json_t *there,
                    struct err *err)
{
    const json_t *now = json_object_get(there, "Tags");
    const json_t *wanted = f->wanted->tags;
    CLEAN(buf_done) struct buf path = BUF_INIT(4096);
    buf_add_text(&path, "/2017-03-31/tags/");
    uri_encode(&path, str_of(f->arn), false);
    if (!is_there(now, wanted)) {
        CLEAN_JSON json_t *body = json_object();
        CLEAN_JSON json_t *reply = NULL;
        json_put(body, "Tags", json_incref((json_t *)(uintptr_t)wanted));
        deploy_changed(deploy, "tagged %s", f->wanted->name);
        TRY(remote_lambda_call(&deploy->remote, "POST", buf_text(&path), body, &reply, err));
    }
    CLEAN(buf_done) struct buf gone = BUF_INIT(16 * 1024);
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)now, name, value)
    {
        if (!json_object_get(wanted, name)) {
            buf_printf(&gone, "%stagKeys=", gone.size ? "&" : "");
            uri_encode(&gone, str_of(name), false);
        }
    }
    if (gone.size == 0) {
        return 0;
    }
    CLEAN(remote_reply_done) struct remote_reply reply = {0};
    struct remote_request request = {
        .service = "lambda", .method = "DELETE", .path = buf_text(&path), .query = buf_text(&gone)};
    deploy_changed(deploy, "untagged %s", f->wanted->name);
    return remote_call(&deploy->remote, &request, &reply, err);
}

// ---- one function

static int change(struct deploy *deploy, struct deploy_function *f, const json_t *there,
                  struct err *err)
{
    CLEAN_JSON json_t *wanted = configuration_of(deploy, f);
    const json_t *now = json_object_get(there, "Configuration");
    bool failed = str_eq(json_str(json_object_get(now, "State")), STR("Failed"));
    bool same_code = str_eq(json_str(json_object_get(now, "CodeSha256")), str_of(f->hash));
    // Configuration first: code that needs a new handler or more memory then finds it.
    if (deploy->force || !is_there(now, wanted)) {
        TRY(update_configuration(deploy, f, wanted, err));
    }
    if (!deploy->configuration && (deploy->force || failed || !same_code)) {
        TRY(update_code(deploy, f, err));
    }
    return 0;
}

static void remember(struct deploy *deploy, const struct deploy_function *f)
{
    json_t *functions = json_object_get(deploy->next, "functions");
    if (!functions) {
        functions = json_object();
        json_put(deploy->next, "functions", functions);
    }
    json_t *row = json_object();
    json_put_str(row, "name", str_of(f->wanted->name));
    json_put_str(row, "codeSha256", str_of(f->hash));
    json_put_int(row, "codeSize", (int64_t)f->size);
    if (f->provisioned || deploy_provisioned(deploy, f)) {
        json_put_bool(row, "provisioned", true);
    }
    json_put(functions, f->wanted->key, row);
}

// The alias is left as it is where only the function is deployed.
static void aim(const struct deploy *deploy, struct deploy_function *f)
{
    f->provisioned =
        deploy->alone ? deploy_provisioned(deploy, f) : f->wanted->provisioned_concurrency > 0;
    f->target = project_target(f->wanted, f->provisioned);
    f->target_arn = mem_printf("%s%s", f->arn, f->provisioned ? ":" PROVISIONED_ALIAS : "");
}

// A name that changed leaves a function behind; the old one goes with deploy_prune.
static int deploy_one(struct deploy *deploy, struct deploy_function *f, struct err *err)
{
    CLEAN_JSON json_t *there = NULL;
    terminal_glimpse("Looking at %s", f->wanted->name);
    int rc = remote_lambda_get(&deploy->remote, f->wanted->name, &there, err);
    TRY(rc);
    if (rc == 0 && deploy->alone) {
        return err_set(err, ERR_NOT_FOUND, "%s is not deployed yet; rouse deploy does that",
                       f->wanted->name);
    }
    TRY(rc ? change(deploy, f, there, err) : create(deploy, f, err));
    if (!there) {
        TRY(remote_lambda_get(&deploy->remote, f->wanted->name, &there, err));
    }
    f->arn = str_dup(json_str(json_at(there, "Configuration.FunctionArn")));
    f->dead_letter = str_dup(json_str(json_at(there, "Configuration.DeadLetterConfig.TargetArn")));
    aim(deploy, f);
    TRY(deploy_provision_lower(deploy, f, err));
    TRY(set_concurrency(deploy, f, there, err));
    TRY(set_tags(deploy, f, there, err));
    if (!deploy->configuration) {
        remember(deploy, f);
    }
    return 0;
}

// A version holds its dead-letter target, so that is set before one is published.
static int set_up_events(struct deploy *deploy, struct deploy_function *f, struct err *err)
{
    TRY(set_dead_letter(deploy, f, err));
    TRY(deploy->alone ? 0 : deploy_provision(deploy, f, err));
    return set_event_config(deploy, f, err);
}

int deploy_functions(struct deploy *deploy, struct err *err)
{
    for (size_t i = 0; i < deploy->count; i++) {
        struct deploy_function *f = &deploy->functions[i];
        if (deploy_wants(deploy, f) && deploy_one(deploy, f, err) < 0) {
            return err_prefix(err, "functions.%s", f->wanted->key);
        }
    }
    // Now every function that may be a destination is there.
    for (size_t i = 0; i < deploy->count; i++) {
        struct deploy_function *f = &deploy->functions[i];
        if (deploy_wants(deploy, f) && set_up_events(deploy, f, err) < 0) {
            return err_prefix(err, "functions.%s", f->wanted->key);
        }
    }
    return 0;
}

static bool is_wanted(const struct deploy *deploy, struct str name)
{
    for (size_t i = 0; i < deploy->count; i++) {
        if (str_eq(name, str_of(deploy->functions[i].wanted->name))) {
            return true;
        }
    }
    return false;
}

int deploy_prune(struct deploy *deploy, struct err *err)
{
    json_t *next = json_object_get(deploy->next, "functions");
    const char *key;
    json_t *row;
    if (deploy->only) {
        return 0;
    }
    json_object_foreach(json_object_get(deploy->state, "functions"), key, row)
    {
        struct str name = json_str(json_object_get(row, "name"));
        if (!serverless_function(deploy->service, str_of(key))) {
            json_object_del(next, key);
        }
        if (name.size == 0 || is_wanted(deploy, name)) {
            continue;
        }
        CLEAN_MEM char *text = str_dup(name);
        CLEAN_MEM char *path = remote_lambda_path("2015-03-31", text, "");
        CLEAN_JSON json_t *reply = NULL;
        struct err told = {0};
        terminal_status("Removing %s", text);
        int rc = remote_lambda_call(&deploy->remote, "DELETE", path, NULL, &reply, &told);
        if (rc < 0 && rc != ERR_NOT_FOUND) {
            return err_aws(err, rc, told.aws, "%s", told.text);
        }
        deploy_changed(deploy, "deleted function %s", text);
    }
    return 0;
}
