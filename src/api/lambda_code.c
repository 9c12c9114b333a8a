// SPDX-License-Identifier: Apache-2.0
// CreateFunction and UpdateFunctionCode: code comes in, is unpacked on another thread, and becomes a
// function, which is prepared when it is a model.
#include "api/lambda.h"
#include "base/clock.h"
#include "core/uuid.h"
#include "format/arn.h"
#include "format/base64.h"
#include "runtime/runtime.h"
#include "store/object.h"

// ── where the code is ──

// The bytes of an object: a descriptor, or memory when they are few.
static int code_from_s3(struct lambda_call *call, struct str bucket, struct str key,
                        struct err *err)
{
    struct store *store = call->api->store;
    struct object_content content = {.fd = -1};
    struct err why = {0};
    if (object_open(store_reader(store), store_dir(store), bucket, key, &content, &why) < 0) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Error occurred while GetObject. S3 Error Code: %s. S3 Error Message: %s",
                       err_aws_name(&why), why.text);
    }
    call->package->fd = content.fd;
    content.fd = -1;
    buf_init(&call->package->zip, content.data.size + 1);
    buf_add_str(&call->package->zip, buf_str(&content.data));
    object_content_done(&content);
    return 0;
}

// What is unpacked now stays until the call has ended.
static void packages_hold(struct lambda_call *call)
{
    struct lambda *lambda = call->api->lambda;
    call->package = lambda_package_new(lambda->packages, call->api->settings->code_unpacked_max);
    lambda_sweep_hold(lambda);
}

// The base64 stays in call->input until the pool thread decodes it.
int lambda_code_find(struct lambda_call *call, const json_t *code, struct err *err)
{
    struct str zip = {0}, bucket = {0}, key = {0};
    int has_zip = json_get_str(code, "ZipFile", &zip, err);
    TRY(has_zip);
    int has_bucket = json_get_str(code, "S3Bucket", &bucket, err);
    TRY(has_bucket);
    TRY(json_get_str(code, "S3Key", &key, err));
    call->code = code;
    packages_hold(call);
    if (has_zip && has_bucket) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Please do not provide other FunctionCode parameters when providing a "
                       "ZipFile.");
    }
    if (has_bucket) {
        return code_from_s3(call, bucket, key, err);
    }
    if (!has_zip) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       json_object_get(code, "ImageUri")
                           ? "ImageUri is not served here: give a ZipFile, or S3Bucket and S3Key."
                           : "Please provide a source for function code.");
    }
    return 0;
}

// How many bytes the layers of call->draft leave for its code. Pool thread.
static int layers_room(const struct lambda_call *call, uint64_t *ret, struct err *err)
{
    const struct function *f = call->draft;
    uint64_t most = call->api->settings->code_unpacked_max, layers = 0;
    for (size_t i = 0; i < f->layer_count; i++) {
        uint64_t size = 0;
        TRY(lambda_package_unpacked(f->layers[i].package, &size, err));
        layers += size;
    }
    if (layers > most) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Layers consume more than the available size of %llu bytes",
                       (unsigned long long)most);
    }
    *ret = most - layers;
    return 0;
}

static int code_unpack(struct lambda_call *call, struct err *err)
{
    struct str text = json_str(json_object_get(call->code, "ZipFile"));
    uint64_t size_max = call->api->settings->code_zip_max;
    if (text.at) {
        struct err why = {0};
        if (text.size / 4 * 3 > size_max + 3) {
            return err_aws(err, ERR_LIMIT, "RequestTooLargeException",
                           "Zipped size must be smaller than %llu bytes; larger packages go by S3",
                           (unsigned long long)size_max);
        }
        buf_init(&call->package->zip, text.size);
        if (base64_decode(text, &call->package->zip, &why) < 0) {
            return err_aws(err, ERR_PROTOCOL, "InvalidRequestContentException",
                           "ZipFile is not base64: %s", why.text);
        }
    }
    TRY(call->draft ? layers_room(call, &call->package->unpacked_max, err) : 0);
    return lambda_package_unpack(call->package, err);
}

static int code_complete(struct lambda_call *call, struct err *err)
{
    return lambda_package_complete(call->package, err);
}

// The store is asked here, on the core thread.
static int code_models(struct lambda_call *call, struct err *err)
{
    if (!call->package->temporary) {
        return call->on_brought(call, err);
    }
    lambda_models_open(call->api, call->package);
    lambda_pool(call, code_complete, call->on_brought);
    return 0;
}

void lambda_code_bring(struct lambda_call *call,
                       int (*done)(struct lambda_call *call, struct err *err))
{
    call->on_brought = done;
    lambda_pool(call, code_unpack, code_models);
}

// ── what the changes have in common ──

static void code_put(struct function *f, const struct lambda_package *package)
{
    lambda_text_set(&f->code_sha256, package->sha256_base64);
    lambda_text_set(&f->package, package->folder);
    lambda_text_set(&f->prepared, NULL);
    lambda_text_set(&f->quantized, NULL);
    f->code_size = package->size;
}

static void function_touch(struct function *f)
{
    lambda_text_set(&f->revision, uuid_new().text);
    f->modified_ms = clock_wall_ms();
}

static bool wants(const struct lambda_call *call, const char *name)
{
    return json_is_true(json_object_get(call->input, name));
}

static void publish_add(struct lambda_change *change, const struct function *from)
{
    change->last_version++;
    change->publish = lambda_version_make(from, change->last_version);
}

// The answer shows the function as it is after the change, so it is made then.
static void change_answer_config(struct lambda_change *change)
{
    struct lambda_call *call = change->call;
    struct lambda_function *f = lambda_find(call->api, str_of(change->name));
    if (change->task.rc < 0 || !f) {
        lambda_fail(call, &change->task.err);
        return;
    }
    CLEAN_JSON json_t *answer =
        change->publish
            ? lambda_config_json(f, change->publish, /* qualified */ true)
            : lambda_config_json(f, f->update ? f->update : f->latest, /* qualified */ false);
    lambda_prepare(f);
    lambda_reply(call, change->status, answer);
}

// A header for whoever deploys: another version of the interpreter serves than was asked for.
static void runtime_notice(const struct lambda_call *call, const struct function *f)
{
    CLEAN(runtime_program_done) struct runtime_program program = {0};
    struct err ignored = {0};
    if (call->req && runtime_find(f->runtime, &program, &ignored) >= 0 && program.notice) {
        http_reply_header(call->req, "X-Rouse-Notice", program.notice);
    }
}

// ── CreateFunction ──

static int create_on_turn(struct lambda_call *call, struct err *err)
{
    if (lambda_find(call->api, str_of(call->name))) {
        return err_aws(err, ERR_EXISTS, "ResourceConflictException", "Function already exist: %s",
                       call->name);
    }
    struct lambda_change *change = lambda_change_new(call->api->lambda, NULL, call->name, call);
    struct function *f = function_ref(call->draft);
    f->state = lambda_needs_preparation(f) ? FUNCTION_PENDING : FUNCTION_ACTIVE;
    code_put(f, call->package);
    function_touch(f);
    change->latest = f;
    json_t *tags = json_object_get(call->input, "Tags");
    if (json_object_size(tags)) {
        CLEAN(buf_done) struct buf text = BUF_INIT(LAMBDA_DOCUMENT_MAX);
        json_write(tags, &text);
        lambda_text_set(&change->tags, buf_text(&text));
    }
    if (wants(call, "Publish")) {
        publish_add(change, f);
    }
    change->status = 201;
    change->done = change_answer_config;
    runtime_notice(call, f);
    lambda_write(change);
    return 0;
}

static int create_unpacked(struct lambda_call *call, struct err *err)
{
    (void)err;
    lambda_take_turn(call, create_on_turn);
    return 0;
}

static int create_name(struct lambda_call *call, struct err *err)
{
    struct str name = {0};
    struct arn_function parsed;
    if (json_get_str(call->input, "FunctionName", &name, err) <= 0) {
        return err_aws(err, ERR_INVALID, "ValidationException",
                       "1 validation error detected: Value null at 'functionName' failed to "
                       "satisfy constraint: Member must not be null");
    }
    TRY(arn_function_parse(name, &parsed, err));
    snprintf(call->name, sizeof call->name, STR_FMT, STR_ARG(parsed.name));
    TRY(lambda_authorize(call, err));
    if (lambda_find(call->api, parsed.name)) {
        return err_aws(err, ERR_EXISTS, "ResourceConflictException", "Function already exist: %s",
                       call->name);
    }
    return 0;
}

int lambda_create_function(struct lambda_call *call, struct err *err)
{
    json_t *code = NULL;
    TRY(create_name(call, err));
    call->draft = function_new();
    lambda_text_set(&call->draft->name, call->name);
    lambda_text_set(&call->draft->version, "$LATEST");
    TRY(lambda_config_read(call->api, call->input, /* create */ true, call->draft, err));
    TRY(lambda_layers_read(call, call->draft, err));
    TRY(lambda_tags_check(json_object_get(call->input, "Tags"), err));
    TRY(json_get_object(call->input, "Code", &code, err));
    if (!code) {
        return err_aws(err, ERR_INVALID, "ValidationException",
                       "1 validation error detected: Value null at 'code' failed to satisfy "
                       "constraint: Member must not be null");
    }
    TRY(lambda_code_find(call, code, err));
    lambda_code_bring(call, create_unpacked);
    return 0;
}

// ── UpdateFunctionCode and UpdateFunctionConfiguration ──

static int check_idle(const struct lambda_call *call, const struct lambda_function *f,
                      struct err *err)
{
    if (f->latest->state == FUNCTION_PENDING) {
        return err_aws(err, ERR_EXISTS, "ResourceConflictException",
                       "The operation cannot be performed at this time. The function is currently "
                       "in the following state: Pending");
    }
    if (f->update) {
        CLEAN_MEM char *arn = lambda_arn(call->api->lambda, f->name, NULL);
        return err_aws(err, ERR_EXISTS, "ResourceConflictException",
                       "The operation cannot be performed at this time. An update is in progress "
                       "for resource: %s",
                       arn);
    }
    return 0;
}

// `fresh` takes the place of $LATEST: at once, or when its model has been prepared. Meanwhile the
// code before goes on serving, if it could.
static void change_latest(struct lambda_change *change, const struct lambda_function *f,
                          struct function *fresh)
{
    change->update_status = FUNCTION_UPDATE_SUCCESSFUL;
    lambda_text_set(&change->update_reason, NULL);
    lambda_text_set(&change->update_code, NULL);
    bool prepared = fresh->prepared && strcmp(fresh->package, f->latest->package) == 0 &&
                    strcmp(fresh->handler, f->latest->handler) == 0;
    if (!lambda_needs_preparation(fresh) || prepared) {
        fresh->state = FUNCTION_ACTIVE;
        lambda_text_set(&fresh->state_reason, NULL);
        lambda_text_set(&fresh->state_code, NULL);
        change->latest = fresh;
        return;
    }
    lambda_text_set(&fresh->prepared, NULL);
    lambda_text_set(&fresh->quantized, NULL);
    fresh->state = FUNCTION_PENDING;
    if (f->latest->state == FUNCTION_ACTIVE) {
        lambda_text_set(&fresh->version, FUNCTION_UPDATE_VERSION);
        change->update = fresh;
        change->update_status = FUNCTION_UPDATE_IN_PROGRESS;
    } else {
        change->latest = fresh;
    }
}

static int code_on_turn(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    TRY(lambda_need(call, &f, err));
    TRY(check_idle(call, f, err));
    TRY(lambda_check_revision(call->input, f->latest->revision, err));
    CLEAN(function_clean) struct function *fresh = function_copy(f->latest);
    bool same = strcmp(fresh->package, call->package->folder) == 0;
    if (!same) {
        code_put(fresh, call->package);
    }
    function_touch(fresh);
    if (wants(call, "DryRun")) {
        CLEAN_JSON json_t *answer = lambda_config_json(f, fresh, /* qualified */ false);
        lambda_reply(call, 200, answer);
        return 0;
    }
    struct lambda_change *change = lambda_change_new(call->api->lambda, f, call->name, call);
    if (wants(call, "Publish")) {
        publish_add(change, fresh);
    }
    change_latest(change, f, function_ref(fresh));
    if (change->publish) {
        change->publish->state = fresh->state;
        lambda_text_set(&change->publish->prepared, fresh->prepared);
        lambda_text_set(&change->publish->quantized, fresh->quantized);
    }
    change->status = 200;
    change->done = change_answer_config;
    lambda_write(change);
    return 0;
}

static int code_unpacked(struct lambda_call *call, struct err *err)
{
    (void)err;
    lambda_take_turn(call, code_on_turn);
    return 0;
}

int lambda_update_code(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    TRY(lambda_need(call, &f, err));
    TRY(check_idle(call, f, err));
    call->draft = function_copy(f->latest); // for its layers
    TRY(lambda_code_find(call, call->input, err));
    lambda_code_bring(call, code_unpacked);
    return 0;
}

static int configuration_fits(struct lambda_call *call, struct err *err)
{
    uint64_t most = call->api->settings->code_unpacked_max, room = 0, code = 0;
    TRY(layers_room(call, &room, err));
    TRY(lambda_package_unpacked(call->draft->package, &code, err));
    if (code > room) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Function code combined with layers exceeds the maximum allowed size of "
                       "%llu bytes. The actual size is %llu bytes.",
                       (unsigned long long)most, (unsigned long long)(most - room + code));
    }
    return 0;
}

static int configuration_write(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    TRY(lambda_need(call, &f, err));
    struct lambda_change *change = lambda_change_new(call->api->lambda, f, call->name, call);
    change_latest(change, f, function_ref(call->draft));
    change->status = 200;
    change->done = change_answer_config;
    runtime_notice(call, call->draft);
    lambda_write(change);
    return 0;
}

int lambda_update_configuration(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    TRY(lambda_need(call, &f, err));
    TRY(check_idle(call, f, err));
    TRY(lambda_check_revision(call->input, f->latest->revision, err));
    CLEAN(function_clean) struct function *fresh = function_copy(f->latest);
    TRY(lambda_config_read(call->api, call->input, /* create */ false, fresh, err));
    TRY(lambda_layers_read(call, fresh, err));
    lambda_quantize_compare(fresh, f->latest);
    function_touch(fresh);
    call->draft = MOVE(fresh);
    if (!json_object_get(call->input, "Layers")) {
        return configuration_write(call, err);
    }
    packages_hold(call);
    lambda_pool(call, configuration_fits, configuration_write);
    return 0;
}

// ── PublishVersion ──

static bool text_same(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool layers_same(const struct function *a, const struct function *b)
{
    bool same = a->layer_count == b->layer_count;
    for (size_t i = 0; same && i < a->layer_count; i++) {
        same = strcmp(a->layers[i].arn, b->layers[i].arn) == 0;
    }
    return same;
}

// Nothing has changed since: Lambda then answers with the version that is there.
static bool is_published(const struct function *latest, const struct function *version,
                         const char *description)
{
    return text_same(latest->code_sha256, version->code_sha256) &&
           text_same(latest->handler, version->handler) &&
           text_same(latest->runtime, version->runtime) && text_same(latest->role, version->role) &&
           text_same(description, version->description) &&
           text_same(latest->environment, version->environment) &&
           text_same(latest->extra, version->extra) && layers_same(latest, version) &&
           latest->memory_mb == version->memory_mb && latest->timeout_s == version->timeout_s &&
           latest->ephemeral_mb == version->ephemeral_mb;
}

int lambda_publish_version(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    TRY(lambda_need(call, &f, err));
    TRY(check_idle(call, f, err));
    TRY(lambda_check_revision(call->input, f->latest->revision, err));
    struct str sha = {0}, text = {0};
    TRY(json_get_str(call->input, "CodeSha256", &sha, err));
    TRY(json_get_str(call->input, "Description", &text, err));
    if (sha.size && !str_eq(sha, str_of(f->latest->code_sha256))) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "CodeSHA256 (" STR_FMT ") is different from current CodeSHA256 in $LATEST "
                       "(%s). Please try again with the CodeSHA256 in $LATEST.",
                       STR_ARG(str_head(sha, 64)), f->latest->code_sha256);
    }
    CLEAN_MEM char *description = text.at ? str_dup(text) : mem_dup(f->latest->description);
    const struct function *last = f->version_count ? f->versions[f->version_count - 1] : NULL;
    if (last && is_published(f->latest, last, description)) {
        CLEAN_JSON json_t *answer = lambda_config_json(f, last, /* qualified */ true);
        lambda_reply(call, 201, answer);
        return 0;
    }
    struct lambda_change *change = lambda_change_new(call->api->lambda, f, call->name, call);
    publish_add(change, f->latest);
    lambda_text_set(&change->publish->description, description);
    change->status = 201;
    change->done = change_answer_config;
    lambda_write(change);
    return 0;
}
