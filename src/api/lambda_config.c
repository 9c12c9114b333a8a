// SPDX-License-Identifier: Apache-2.0
// What a function's configuration is: from the JSON of a request, checked with Lambda's constraints
// and words, and back to the JSON of an answer.
#include "api/lambda.h"
#include "base/clock.h"
#include "core/identity.h"
#include "format/event_key.h"
#include "runtime/runtime.h"

#define ROLE_PATTERN                                                                               \
    "Member must satisfy regular expression pattern: "                                             \
    "arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+"

#if defined(__aarch64__)
#define ARCHITECTURE "arm64"
#else
#define ARCHITECTURE "x86_64"
#endif

#define VARY_MAX 20

// Members that are kept and shown as they were given.
static const char *const kept[] = {
    "Architectures", "DeadLetterConfig", "FileSystemConfigs", "ImageConfig", "KMSKeyArn",
    "LoggingConfig", "SnapStart",        "TracingConfig",     "VpcConfig",
    "Cache", // ours: {"TtlSeconds", "MaxEntries", "MaxBytes", "Vary": [names of headers, JSON pointers]}
    "Batching", // ours: {"MaxSize": 1…64, "MaxDelayMs": 0…10000} of a model function
    "Quantize", // ours: {"Method": auto|dynamic|static, "Calibrate": folder, "KeepAccuracy": 0…1}
    "Device",   // ours: "cpu"; "auto", which is the default, is not shown
    "Network",  // ours: "open" is the host's; "closed", which is the default, is not shown
};

// ── checks ──

static int constraint(struct err *err, struct str value, const char *member, const char *text)
{
    return err_aws(err, ERR_INVALID, "ValidationException",
                   "1 validation error detected: Value '" STR_FMT
                   "' at '%s' failed to satisfy constraint: %s",
                   STR_ARG(str_head(value, 100)), member, text);
}

// A getter's words about a wrong type, under the name that Lambda gives them.
static int wrong_type(struct err *err)
{
    err->aws = "InvalidRequestContentException";
    return err->code;
}

static int read_text(const json_t *input, const char *name, const char *member, size_t size_max,
                     char **field, struct err *err)
{
    struct str value = {0};
    int rc = json_get_str(input, name, &value, err);
    if (rc < 0) {
        return wrong_type(err);
    }
    if (rc == 0) {
        return 0;
    }
    if (value.size > size_max) {
        char text[96];
        snprintf(text, sizeof text, "Member must have length less than or equal to %zu", size_max);
        return constraint(err, value, member, text);
    }
    free(*field);
    *field = str_dup(value);
    return 0;
}

static int read_number(const json_t *input, const char *name, const char *member, int64_t least,
                       int64_t most, uint32_t *field, struct err *err)
{
    int64_t value = 0;
    int rc = json_get_int(input, name, INT64_MIN, INT64_MAX, &value, err);
    if (rc < 0) {
        return wrong_type(err);
    }
    if (rc == 0) {
        return 0;
    }
    if (value < least || value > most) {
        char shown[32], text[96];
        snprintf(shown, sizeof shown, "%lld", (long long)value);
        snprintf(text, sizeof text, "Member must have value %s than or equal to %lld",
                 value < least ? "greater" : "less", (long long)(value < least ? least : most));
        return constraint(err, str_of(shown), member, text);
    }
    *field = (uint32_t)value;
    return 0;
}

static bool role_ok(struct str role)
{
    ptrdiff_t at = str_find_str(role, STR(":iam::"));
    struct str rest = at > 0 ? str_skip(role, (size_t)at + 6) : (struct str){0};
    return str_starts(role, STR("arn:aws")) && rest.size > 18 &&
           str_starts(str_skip(rest, 12), STR(":role"));
}

static int read_role(const json_t *input, bool create, struct function *f, struct err *err)
{
    TRY(read_text(input, "Role", "role", 512, &f->role, err));
    if (!f->role && create) { // nobody here assumes it, so it may be left out
        f->role = mem_dup("arn:aws:iam::" ACCOUNT_ID ":role/rouse");
    }
    return role_ok(str_of(f->role)) ? 0 : constraint(err, str_of(f->role), "role", ROLE_PATTERN);
}

static int read_runtime(const json_t *input, bool create, struct function *f, struct err *err)
{
    struct runtime_program program = {0};
    struct err why = {0};
    struct str type = {0};
    if (json_get_str(input, "PackageType", &type, err) < 0) {
        return wrong_type(err);
    }
    if (type.size && !str_eq(type, STR("Zip"))) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "PackageType " STR_FMT " is not served here: only Zip is",
                       STR_ARG(str_head(type, 20)));
    }
    TRY(read_text(input, "Runtime", "runtime", 128, &f->runtime, err));
    TRY(read_text(input, "Handler", "handler", 128, &f->handler, err));
    if (!f->runtime && create) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Runtime is mandatory for functions created with deployment packages.");
    }
    int rc = runtime_find(f->runtime, &program, &why);
    runtime_program_done(&program);
    if (rc < 0) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Value %.40s at 'runtime' failed to satisfy constraint: %s", f->runtime,
                       why.text);
    }
    bool model = lambda_needs_preparation(f);
    if ((!f->handler || !*f->handler) && !model) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Handler is mandatory for functions created with deployment packages.");
    }
    if (!f->handler || !*f->handler) {
        lambda_text_set(&f->handler, "model.yaml");
    }
    for (const char *at = f->handler; *at; at++) {
        if ((unsigned char)*at <= ' ') {
            return constraint(err, str_of(f->handler), "handler",
                              "Member must satisfy regular expression pattern: [^\\s]+");
        }
    }
    return 0;
}

static bool variable_ok(const char *name)
{
    bool letter = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z');
    for (const char *at = name; *at; at++) {
        bool digit = *at >= '0' && *at <= '9';
        if (!digit && *at != '_' && !(*at >= 'a' && *at <= 'z') && !(*at >= 'A' && *at <= 'Z')) {
            return false;
        }
    }
    return letter && name[1];
}

static bool variable_reserved(const char *name)
{
    static const char *const reserved[] = {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
    };
    for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
        if (strcmp(name, reserved[i]) == 0) {
            return true;
        }
    }
    return false;
}

static int read_environment(const json_t *input, struct function *f, struct err *err)
{
    json_t *variables = NULL;
    if (!json_object_get(input, "Environment")) {
        return 0;
    }
    if (json_get_object(input, "Environment.Variables", &variables, err) < 0) {
        return wrong_type(err);
    }
    const char *name = NULL;
    json_t *value = NULL;
    size_t size = 0;
    json_object_foreach(variables, name, value)
    {
        if (!json_is_string(value)) {
            return err_aws(err, ERR_PROTOCOL, "InvalidRequestContentException",
                           "Environment.Variables.%.100s: must be a string, is %s", name,
                           json_kind_name(value));
        }
        if (variable_reserved(name)) {
            return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                           "Lambda was unable to configure your environment variables because the "
                           "environment variables you have provided contains reserved keys that "
                           "are currently not supported for modification. Reserved keys used in "
                           "this request: %.100s",
                           name);
        }
        if (!variable_ok(name)) {
            return constraint(err, str_of(name), "environment.variables",
                              "Map keys must satisfy constraint: [Member must satisfy regular "
                              "expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]");
        }
        size += strlen(name) + json_string_length(value);
    }
    if (size > LAMBDA_ENV_MAX) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Lambda was unable to configure your environment variables because the "
                       "environment variables you have provided exceeded the 4KB limit.");
    }
    CLEAN(buf_done) struct buf text = BUF_INIT(4 * LAMBDA_ENV_MAX + 64 * 1024);
    if (variables) {
        json_write(variables, &text);
    }
    lambda_text_set(&f->environment, json_object_size(variables) ? buf_text(&text) : NULL);
    return 0;
}

static int read_architectures(const json_t *input, struct err *err)
{
    json_t *list = NULL;
    if (json_get_array(input, "Architectures", &list, err) < 0) {
        return wrong_type(err);
    }
    struct str first = json_str(json_array_get(list, 0));
    if (list && (json_array_size(list) != 1 ||
                 !(str_eq(first, STR("x86_64")) || str_eq(first, STR("arm64"))))) {
        return constraint(err, first, "architectures",
                          "Member must satisfy constraint: [Member must satisfy enum value set: "
                          "[x86_64, arm64]], and there must be one");
    }
    return 0;
}

static int read_network(const json_t *input, struct err *err)
{
    struct str network = {0};
    if (json_get_str(input, "Network", &network, err) < 0) {
        return wrong_type(err);
    }
    if (network.size && !str_eq(network, STR("open")) && !str_eq(network, STR("closed"))) {
        return constraint(err, network, "network",
                          "Member must satisfy enum value set: [closed, open]");
    }
    return 0;
}

// Instances compute on the processor only, so that is what can be asked for.
static int read_device(const json_t *input, const struct function *f, struct err *err)
{
    struct str device = {0};
    if (json_get_str(input, "Device", &device, err) < 0) {
        return wrong_type(err);
    }
    if (device.size == 0 || str_eq(device, STR("auto"))) {
        return 0;
    }
    if (!str_eq(device, STR("cpu"))) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Device " STR_FMT " cannot be used: models run on the cpu, so there are "
                       "auto and cpu",
                       STR_ARG(str_head(device, 40)));
    }
    if (!lambda_needs_preparation(f)) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Device is for functions of the runtime onnx");
    }
    return 0;
}

static int read_dead_letter(struct api *api, const json_t *input, const struct function *f,
                            struct err *err)
{
    struct str target = {0};
    struct arn_function function;
    if (json_get_str(input, "DeadLetterConfig.TargetArn", &target, err) < 0) {
        return wrong_type(err);
    }
    if (arn_function_parse(target, &function, NULL) >= 0 &&
        str_eq(function.name, str_of(f->name))) { // its events would never end
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "You can't specify the function as a dead-letter target for itself.");
    }
    return target.size ? lambda_destination_check(api, target, "dead-letter target", err) : 0;
}

void lambda_dead_letter_set(struct function *version)
{
    CLEAN_JSON json_t *extra = NULL;
    struct str target = {0};
    if (version->extra && json_parse_object(str_of(version->extra), &extra, NULL) == 0) {
        target = json_str(json_at(extra, "DeadLetterConfig.TargetArn"));
    }
    free(version->dead_letter);
    version->dead_letter = target.size ? str_dup(target) : NULL;
}

static int read_batching(const json_t *input, struct err *err)
{
    static const struct {
        const char *path, *member;
        int64_t least, most;
    } rows[] = {{"Batching.MaxSize", "batching.maxSize", 1, 64},
                {"Batching.MaxDelayMs", "batching.maxDelayMs", 0, 10000}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint32_t value = 0;
        TRY(read_number(input, rows[i].path, rows[i].member, rows[i].least, rows[i].most, &value,
                        err));
    }
    return 0;
}

static int read_vary(const json_t *input, struct err *err)
{
    json_t *vary = NULL;
    if (json_get_array(input, "Cache.Vary", &vary, err) < 0) {
        return wrong_type(err);
    }
    if (json_array_size(vary) > VARY_MAX) {
        return constraint(err, STR("…"), "cache.vary",
                          "Member must have length less than or equal to 20");
    }
    for (size_t i = 0; i < json_array_size(vary); i++) {
        struct str text = json_str(json_array_get(vary, i));
        struct err why = {0};
        if (event_key_vary_check(text, &why) < 0) {
            return constraint(
                err, text, "cache.vary",
                "Member must be the name of a header, or a JSON pointer, which begins "
                "with /");
        }
    }
    return 0;
}

static int read_cache(const json_t *input, struct err *err)
{
    static const struct {
        const char *name, *path, *member;
        int64_t most;
    } rows[] = {{"TtlSeconds", "Cache.TtlSeconds", "cache.ttlSeconds", 365 * 86400},
                {"MaxEntries", "Cache.MaxEntries", "cache.maxEntries", INT32_MAX},
                {"MaxBytes", "Cache.MaxBytes", "cache.maxBytes", UINT32_MAX}};
    json_t *cache = NULL;
    if (json_get_object(input, "Cache", &cache, err) < 0) {
        return wrong_type(err);
    }
    size_t known = json_object_get(cache, "Vary") != NULL;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint32_t value = 0;
        TRY(read_number(input, rows[i].path, rows[i].member, 1, rows[i].most, &value, err));
        known += json_object_get(cache, rows[i].name) != NULL;
    }
    if (known < json_object_size(cache)) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Cache has a member that is not known here: there are TtlSeconds, "
                       "MaxEntries, MaxBytes and Vary");
    }
    return read_vary(input, err);
}

static int read_kept(struct api *api, const json_t *input, struct function *f, struct err *err)
{
    TRY(read_architectures(input, err));
    TRY(read_dead_letter(api, input, f, err));
    TRY(read_network(input, err));
    TRY(read_device(input, f, err));
    TRY(read_batching(input, err));
    TRY(lambda_quantize_check(input, f, err));
    TRY(read_cache(input, err));
    CLEAN_JSON json_t *extra = NULL;
    struct err ignored = {0};
    if (!f->extra || json_parse_object(str_of(f->extra), &extra, &ignored) < 0) {
        extra = json_object();
    }
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        json_t *value = json_object_get(input, kept[i]);
        if (value && !json_is_null(value)) {
            json_object_set(extra, kept[i], value);
        }
    }
    if (!str_eq(json_str(json_object_get(extra, "Network")), STR("open"))) {
        json_object_del(extra, "Network");
    }
    if (!str_eq(json_str(json_object_get(extra, "Device")), STR("cpu"))) {
        json_object_del(extra, "Device");
    }
    static const char *const empty[] = {"Batching", "Cache",
                                        "Quantize"}; // as if they were not there
    for (size_t i = 0; i < ARRAY_SIZE(empty); i++) {
        if (json_object_size(json_object_get(extra, empty[i])) == 0) {
            json_object_del(extra, empty[i]);
        }
    }
    if (json_str(json_at(extra, "DeadLetterConfig.TargetArn")).size == 0) {
        json_object_del(extra, "DeadLetterConfig");
    }
    CLEAN(buf_done) struct buf text = BUF_INIT(LAMBDA_DOCUMENT_MAX);
    json_write(extra, &text);
    lambda_text_set(&f->extra, json_object_size(extra) ? buf_text(&text) : NULL);
    return 0;
}

int lambda_config_read(struct api *api, const json_t *input, bool create, struct function *f,
                       struct err *err)
{
    TRY(read_text(input, "Description", "description", 256, &f->description, err));
    TRY(read_role(input, create, f, err));
    TRY(read_number(input, "MemorySize", "memorySize", 128, 10240, &f->memory_mb, err));
    TRY(read_number(input, "Timeout", "timeout", 1, 900, &f->timeout_s, err));
    TRY(read_number(input, "EphemeralStorage.Size", "ephemeralStorage.size", 512, 10240,
                    &f->ephemeral_mb, err));
    TRY(read_runtime(input, create, f, err));
    TRY(read_environment(input, f, err));
    return read_kept(api, input, f, err);
}

int lambda_check_revision(const json_t *input, const char *revision, struct err *err)
{
    struct str wanted = {0};
    if (json_get_str(input, "RevisionId", &wanted, err) < 0) {
        return wrong_type(err);
    }
    if (wanted.size == 0 || str_eq(wanted, str_of(revision))) {
        return 0;
    }
    return err_aws(err, ERR_INVALID, "PreconditionFailedException",
                   "The Revision Id provided does not match the latest Revision Id. Call the "
                   "GetFunction/GetAlias API to retrieve the latest Revision Id");
}

// ── answers ──

static void put_state(json_t *json, const struct lambda_function *f, const struct function *version)
{
    static const char *const states[] = {"Pending", "Active", "Failed"};
    bool latest = strcmp(version->version, "$LATEST") == 0;
    bool pending = version->state == FUNCTION_PENDING;
    json_put_str(json, "State", str_of(states[version->state]));
    if (pending) {
        json_put_str(json, "StateReason", STR("The function is being created."));
        json_put_str(json, "StateReasonCode", STR("Creating"));
    } else if (version->state == FUNCTION_FAILED) {
        json_put_str(json, "StateReason", str_of(version->state_reason));
        json_put_str(json, "StateReasonCode", str_of(version->state_code));
    }
    int update = pending  ? FUNCTION_UPDATE_IN_PROGRESS
                 : latest ? f->update_status
                          : FUNCTION_UPDATE_SUCCESSFUL;
    static const char *const updates[] = {"Successful", "InProgress", "Failed"};
    bool failed = version->state == FUNCTION_FAILED;
    json_put_str(json, "LastUpdateStatus",
                 str_of(updates[failed ? FUNCTION_UPDATE_FAILED : update]));
    if (update == FUNCTION_UPDATE_IN_PROGRESS) {
        json_put_str(json, "LastUpdateStatusReason",
                     pending ? STR("The function is being created.")
                             : STR("The function's code is being prepared."));
        json_put_str(json, "LastUpdateStatusReasonCode",
                     pending ? STR("Creating") : STR("Updating"));
    } else if (failed || update == FUNCTION_UPDATE_FAILED) {
        json_put_str(json, "LastUpdateStatusReason",
                     str_of(failed ? version->state_reason : f->update_reason));
        json_put_str(json, "LastUpdateStatusReasonCode",
                     str_of(failed ? version->state_code : f->update_code));
    }
}

static void put_layers(json_t *json, const struct function *version)
{
    json_t *shown = json_array();
    for (size_t i = 0; i < version->layer_count; i++) {
        const struct function_layer *layer = &version->layers[i];
        json_array_append_new(shown, json_pack("{s:s, s:I}", "Arn", layer->arn, "CodeSize",
                                               (json_int_t)layer->code_size));
    }
    if (version->layer_count) {
        json_put(json, "Layers", shown);
    } else {
        json_decref(shown);
    }
}

static void put_kept(json_t *json, const struct function *version)
{
    CLEAN_JSON json_t *extra = NULL;
    struct err ignored = {0};
    if (version->extra && json_parse_object(str_of(version->extra), &extra, &ignored) == 0) {
        json_object_update(json, extra);
    }
    if (!json_object_get(json, "Architectures")) {
        json_put(json, "Architectures", json_pack("[s]", ARCHITECTURE));
    }
    if (!json_object_get(json, "TracingConfig")) {
        json_put(json, "TracingConfig", json_pack("{s:s}", "Mode", "PassThrough"));
    }
    if (!json_object_get(json, "LoggingConfig")) {
        CLEAN_MEM char *group = mem_printf("/aws/lambda/%s", version->name);
        json_put(json, "LoggingConfig",
                 json_pack("{s:s, s:s}", "LogFormat", "Text", "LogGroup", group));
    }
    json_put(json, "SnapStart",
             json_pack("{s:s, s:s}", "ApplyOn", "None", "OptimizationStatus", "Off"));
}

// An SDK that does not know the member finds the reason where a state has its own.
static void put_quantized(json_t *json, const struct function *version)
{
    json_t *status = lambda_quantize_status(version);
    struct str reason = json_str(json_object_get(status, "Reason"));
    if (reason.size && version->state == FUNCTION_ACTIVE) {
        CLEAN_MEM char *text = mem_printf("Quantize: " STR_FMT, STR_ARG(reason));
        json_put_str(json, "StateReason", str_of(text));
    }
    if (status) {
        json_put(json, "QuantizeStatus", status);
    }
}

void lambda_put_time(json_t *json, const char *name, int64_t wall_ms)
{
    char text[CLOCK_TEXT_MAX];
    clock_iso(wall_ms, text);
    char shown[CLOCK_TEXT_MAX + 8];
    snprintf(shown, sizeof shown, "%.23s+0000", text);
    json_put_str(json, name, str_of(shown));
}

json_t *lambda_config_json(const struct lambda_function *f, const struct function *version,
                           bool qualified)
{
    bool update = strcmp(version->version, FUNCTION_UPDATE_VERSION) == 0;
    const char *shown_version = update ? "$LATEST" : version->version;
    CLEAN_MEM char *arn = lambda_arn(f->lambda, version->name, qualified ? shown_version : NULL);
    json_t *json = json_object();
    json_put_str(json, "FunctionName", str_of(version->name));
    json_put_str(json, "FunctionArn", str_of(arn));
    json_put_str(json, "Runtime", str_of(version->runtime));
    json_put_str(json, "Role", str_of(version->role));
    json_put_str(json, "Handler", str_of(version->handler));
    json_put_int(json, "CodeSize", (int64_t)version->code_size);
    json_put_str(json, "Description", str_of(version->description ? version->description : ""));
    json_put_int(json, "Timeout", version->timeout_s);
    json_put_int(json, "MemorySize", version->memory_mb);
    lambda_put_time(json, "LastModified", version->modified_ms);
    json_put_str(json, "CodeSha256", str_of(version->code_sha256));
    json_put_str(json, "Version", str_of(shown_version));
    json_put_str(json, "RevisionId", str_of(version->revision));
    json_put_str(json, "PackageType", STR("Zip"));
    json_put(json, "EphemeralStorage", json_pack("{s:i}", "Size", (int)version->ephemeral_mb));
    json_t *variables = NULL;
    struct err ignored = {0};
    if (version->environment &&
        json_parse_object(str_of(version->environment), &variables, &ignored) == 0) {
        json_put(json, "Environment", json_pack("{s:o}", "Variables", variables));
    }
    put_kept(json, version);
    put_layers(json, version);
    put_state(json, f, update && f->latest ? f->latest : version);
    put_quantized(json, version);
    return json;
}
