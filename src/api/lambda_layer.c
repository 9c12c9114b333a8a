// SPDX-License-Identifier: Apache-2.0
// Layers: what functions share, published in numbered versions that never change. They live in memory
// and in the store alike, and change one at a time. A function keeps what it needs of the versions it
// was given (lambda_layers_read), so that these may be deleted.
#include "api/authorize.h"
#include "api/lambda.h"
#include "base/check.h"
#include "base/clock.h"
#include "store/layer.h"

#define RUNTIMES_MAX      15
#define ARCHITECTURES_MAX 2
#define LICENSE_MAX       512
#define DESCRIPTION_MAX   256

// ── what there is ──

static void version_free(struct lambda_layer_version *version)
{
    if (version) {
        free(version->description);
        free(version->license);
        free(version->runtimes);
        free(version->architectures);
        free(version->sha256);
        free(version->package);
        free(version->policy);
        free(version->policy_revision);
        free(version);
    }
}

struct lambda_layer_version *lambda_layer_version_copy(const struct lambda_layer_version *version)
{
    struct lambda_layer_version *copy = NEW(struct lambda_layer_version);
    *copy = *version;
    copy->description = mem_dup(version->description);
    copy->license = mem_dup(version->license);
    copy->runtimes = mem_dup(version->runtimes);
    copy->architectures = mem_dup(version->architectures);
    copy->sha256 = mem_dup(version->sha256);
    copy->package = mem_dup(version->package);
    copy->policy = mem_dup(version->policy);
    copy->policy_revision = mem_dup(version->policy_revision);
    return copy;
}

static struct lambda_layer *layer_entry(struct lambda *lambda, struct str name)
{
    struct lambda_layer *layer = map_get(&lambda->layers, name);
    if (!layer) {
        layer = NEW(struct lambda_layer);
        layer->name = str_dup(name);
        map_put(&lambda->layers, name, layer);
    }
    return layer;
}

static struct lambda_layer_version **version_slot(const struct lambda_layer *layer, int64_t number)
{
    for (size_t i = 0; layer && i < layer->count; i++) {
        if (layer->versions[i]->version == number) {
            return &layer->versions[i];
        }
    }
    return NULL;
}

// Takes it over; numbers only rise.
static void version_install(struct lambda_layer *layer, struct lambda_layer_version *version)
{
    struct lambda_layer_version **slot = version_slot(layer, version->version);
    if (!slot) {
        layer->versions = mem_grow(layer->versions, (layer->count + 1) * sizeof(void *));
        slot = &layer->versions[layer->count++];
        *slot = NULL;
    }
    version_free(*slot);
    *slot = version;
}

static void version_remove(struct lambda *lambda, struct lambda_layer *layer, int64_t number)
{
    struct lambda_layer_version **slot = version_slot(layer, number);
    if (slot) {
        struct lambda_layer_version *version = *slot;
        size_t at = (size_t)(slot - layer->versions);
        memmove(slot, slot + 1, (layer->count - at - 1) * sizeof *slot);
        layer->count--;
        lambda_sweep_suspect(lambda, version->package);
        version_free(version);
    }
}

bool lambda_layers_use(const struct lambda *lambda, const char *package)
{
    size_t at = 0;
    for (struct lambda_layer *layer; (layer = map_next(&lambda->layers, &at));) {
        for (size_t i = 0; i < layer->count; i++) {
            if (strcmp(layer->versions[i]->package, package) == 0) {
                return true;
            }
        }
    }
    return false;
}

uint64_t lambda_layers_code_size(const struct lambda *lambda)
{
    uint64_t size = 0;
    size_t at = 0;
    for (struct lambda_layer *layer; (layer = map_next(&lambda->layers, &at));) {
        for (size_t i = 0; i < layer->count; i++) {
            size += layer->versions[i]->code_size;
        }
    }
    return size;
}

static char *text_dup(struct str text)
{
    return text.size ? str_dup(text) : NULL;
}

static void load_version(void *ctx, const struct layer_row *row)
{
    struct lambda_layer_version *version = NEW(struct lambda_layer_version);
    *version = (struct lambda_layer_version){
        .version = row->version,
        .description = text_dup(row->description),
        .license = text_dup(row->license),
        .runtimes = text_dup(row->runtimes),
        .architectures = text_dup(row->architectures),
        .sha256 = str_dup(row->sha256),
        .package = str_dup(row->package),
        .code_size = row->code_size,
        .created_ms = row->created_ms,
        .policy = text_dup(row->policy),
        .policy_revision = text_dup(row->policy_revision),
    };
    version_install(layer_entry(ctx, row->name), version);
}

static void load_last(void *ctx, struct str name, int64_t last)
{
    layer_entry(ctx, name)->last_version = last;
}

int lambda_layers_load(struct lambda *lambda, struct err *err)
{
    struct db *db = store_reader(lambda->api->store);
    TRY(layer_last_each(db, load_last, lambda, err));
    return layer_each(db, lambda->packages, load_version, lambda, err);
}

void lambda_layers_free(struct lambda *lambda)
{
    size_t at = 0;
    for (struct lambda_layer *layer; (layer = map_next(&lambda->layers, &at));) {
        for (size_t i = 0; i < layer->count; i++) {
            version_free(layer->versions[i]);
        }
        free(layer->versions);
        free(layer->name);
        free(layer);
    }
    map_done(&lambda->layers);
}

// ── naming ──

char *lambda_layer_arn(const struct lambda *lambda, const char *name, int64_t version)
{
    struct buf arn = BUF_INIT(1024);
    arn_add_layer(&arn, str_of(lambda->api->settings->region), STR(ARN_ACCOUNT), str_of(name),
                  version);
    return buf_steal(&arn);
}

int lambda_layer_take(struct lambda_call *call, struct str text, const char *member,
                      struct err *err)
{
    struct arn_layer parsed;
    struct err why = {0};
    if (arn_layer_parse(text, &parsed, &why) < 0) {
        return err_aws(err, ERR_INVALID, "ValidationException",
                       "1 validation error detected: Value '" STR_FMT
                       "' at '%s' failed to satisfy constraint: %s",
                       STR_ARG(str_head(text, 170)), member, why.text);
    }
    bool ours = !parsed.region.at || (str_eq(parsed.region, str_of(call->api->settings->region)) &&
                                      str_eq(parsed.account, STR(ARN_ACCOUNT)));
    if (!ours) {
        return err_aws(err, ERR_DENIED, "AccessDeniedException",
                       "User is not authorized to perform: lambda:%s on resource: " STR_FMT
                       " because no resource-based policy allows it",
                       call->op->action ? call->op->action : call->op->name,
                       STR_ARG(str_head(text, 200)));
    }
    snprintf(call->layer, sizeof call->layer, STR_FMT, STR_ARG(parsed.name));
    call->layer_version = parsed.version;
    return 0;
}

int lambda_layer_need(struct lambda_call *call, struct lambda_layer_version **ret, struct err *err)
{
    if (call->layer_version < 1) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Layer Version Cannot be less than 1");
    }
    const struct lambda_layer *layer = map_get(&call->api->lambda->layers, str_of(call->layer));
    struct lambda_layer_version **slot = version_slot(layer, call->layer_version);
    if (!slot) {
        return err_aws(err, ERR_NOT_FOUND, "ResourceNotFoundException",
                       "The resource you requested does not exist.");
    }
    *ret = *slot;
    return 0;
}

// ── changing ──

struct layer_change {
    struct store_task task;
    struct lambda_call *call; // a reference
    struct lambda_layer_version *version;
    int64_t drop;
    int status;
    json_t *answer;
};

static int change_run(struct store_task *task, struct db *db, struct err *err)
{
    struct layer_change *c = CONTAINER_OF(task, struct layer_change, task);
    const struct lambda_layer_version *version = c->version;
    if (!version) {
        return layer_delete(db, str_of(c->call->layer), c->drop, err);
    }
    struct layer_row row = {
        .name = str_of(c->call->layer),
        .version = version->version,
        .description = str_of(version->description),
        .license = str_of(version->license),
        .runtimes = str_of(version->runtimes),
        .architectures = str_of(version->architectures),
        .sha256 = str_of(version->sha256),
        .package = str_of(version->package),
        .code_size = version->code_size,
        .created_ms = version->created_ms,
        .policy = str_of(version->policy),
        .policy_revision = str_of(version->policy_revision),
    };
    return layer_put(db, c->call->api->lambda->packages, &row, err);
}

static void change_done(struct store_task *task)
{
    struct layer_change *c = CONTAINER_OF(task, struct layer_change, task);
    struct lambda *lambda = c->call->api->lambda;
    struct lambda_layer *layer = layer_entry(lambda, str_of(c->call->layer));
    if (task->rc < 0) {
        version_free(c->version);
        lambda_fail(c->call, &task->err);
    } else {
        if (c->version) {
            version_install(layer, c->version);
        } else {
            version_remove(lambda, layer, c->drop);
        }
        if (c->answer) {
            lambda_reply(c->call, c->status, c->answer);
        } else {
            lambda_reply_empty(c->call, c->status);
        }
    }
    json_decref(c->answer);
    lambda_call_unref(c->call);
    free(c);
}

void lambda_layer_write(struct lambda_call *call, struct lambda_layer_version *version,
                        int64_t drop, int status, json_t *answer)
{
    struct layer_change *c = NEW(struct layer_change);
    *c = (struct layer_change){.task = {.run = change_run, .on_done = change_done},
                               .call = lambda_call_ref(call),
                               .version = version,
                               .drop = drop,
                               .status = status,
                               .answer = answer};
    store_submit(call->api->store, &c->task);
}

// ── PublishLayerVersion ──

static int bad_member(struct err *err, struct str value, const char *member, const char *words)
{
    return err_aws(err, ERR_INVALID, "ValidationException",
                   "1 validation error detected: Value '" STR_FMT
                   "' at '%s' failed to satisfy constraint: %s",
                   STR_ARG(str_head(value, 100)), member, words);
}

static int text_read(const json_t *input, const char *name, const char *member, size_t size_max,
                     char **ret, struct err *err)
{
    struct str text = {0};
    TRY(json_get_str(input, name, &text, err));
    if (text.size > size_max) {
        char words[80];
        snprintf(words, sizeof words, "Member must have length less than or equal to %zu",
                 size_max);
        return bad_member(err, text, member, words);
    }
    *ret = text_dup(text);
    return 0;
}

static bool runtime_ok(struct str name)
{
    for (size_t i = 0; i < name.size; i++) {
        char c = name.at[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-')) {
            return false;
        }
    }
    return name.size > 0 && name.size <= 64;
}

static bool architecture_ok(struct str name)
{
    return str_eq(name, STR("x86_64")) || str_eq(name, STR("arm64"));
}

static int names_read(const json_t *input, const char *name, const char *member, size_t count_max,
                      bool (*ok)(struct str name), char **ret, struct err *err)
{
    json_t *list = NULL, *item = NULL;
    size_t i = 0;
    TRY(json_get_array(input, name, &list, err));
    json_array_foreach(list, i, item)
    {
        if (!ok(json_str(item))) {
            return bad_member(err, json_str(item), member,
                              "Member must satisfy constraint: [Member must satisfy enum value "
                              "set, Member must not be null]");
        }
    }
    if (json_array_size(list) > count_max) {
        return bad_member(err, STR("[…]"), member, "Member has too many elements");
    }
    if (json_array_size(list)) {
        CLEAN(buf_done) struct buf text = BUF_INIT(4096);
        json_write(list, &text);
        *ret = buf_steal(&text);
    }
    return 0;
}

static void version_clean(struct lambda_layer_version **version)
{
    version_free(*version);
}

static int publish_on_turn(struct lambda_call *call, struct err *err)
{
    struct lambda_layer *layer = layer_entry(call->api->lambda, str_of(call->layer));
    CLEAN(version_clean) struct lambda_layer_version *version = NEW(struct lambda_layer_version);
    const json_t *input = call->input;
    TRY(text_read(input, "Description", "description", DESCRIPTION_MAX, &version->description,
                  err));
    TRY(text_read(input, "LicenseInfo", "licenseInfo", LICENSE_MAX, &version->license, err));
    TRY(names_read(input, "CompatibleRuntimes", "compatibleRuntimes", RUNTIMES_MAX, runtime_ok,
                   &version->runtimes, err));
    TRY(names_read(input, "CompatibleArchitectures", "compatibleArchitectures", ARCHITECTURES_MAX,
                   architecture_ok, &version->architectures, err));
    version->sha256 = mem_dup(call->package->sha256_base64);
    version->package = mem_dup(call->package->folder);
    version->code_size = call->package->size;
    version->created_ms = clock_wall_ms();
    version->version = layer->last_version + 1;
    json_t *answer = lambda_layer_json(call, layer, version, err);
    if (!answer) {
        return err->code;
    }
    layer->last_version++;
    lambda_layer_write(call, MOVE(version), 0, 201, answer);
    return 0;
}

static int publish_unpacked(struct lambda_call *call, struct err *err)
{
    (void)err;
    lambda_take_turn(call, publish_on_turn);
    return 0;
}

int lambda_publish_layer(struct lambda_call *call, struct err *err)
{
    json_t *content = NULL;
    TRY(json_get_object(call->input, "Content", &content, err));
    if (!content) {
        return err_aws(err, ERR_INVALID, "ValidationException",
                       "1 validation error detected: Value null at 'content' failed to satisfy "
                       "constraint: Member must not be null");
    }
    TRY(lambda_code_find(call, content, err));
    lambda_code_bring(call, publish_unpacked);
    return 0;
}

// ── GetLayerVersion, GetLayerVersionByArn, DeleteLayerVersion ──

int lambda_get_layer(struct lambda_call *call, struct err *err)
{
    struct lambda_layer_version *version = NULL;
    TRY(lambda_layer_need(call, &version, err));
    const struct lambda_layer *layer = map_get(&call->api->lambda->layers, str_of(call->layer));
    CLEAN_JSON json_t *answer = lambda_layer_json(call, layer, version, err);
    if (!answer) {
        return err->code;
    }
    lambda_reply(call, 200, answer);
    return 0;
}

int lambda_get_layer_by_arn(struct lambda_call *call, struct err *err)
{
    CLEAN(buf_done) struct buf arn = BUF_INIT(4096);
    (void)lambda_param(call, "Arn", &arn);
    TRY(lambda_layer_take(call, buf_str(&arn), "arn", err));
    if (call->layer_version < 0) {
        return bad_member(err, buf_str(&arn), "arn",
                          "Member must be the ARN of a layer version: "
                          "arn:aws:lambda:REGION:ACCOUNT:layer:NAME:VERSION");
    }
    TRY(lambda_authorize(call, err));
    return lambda_get_layer(call, err);
}

// One that is not there is deleted already.
int lambda_delete_layer(struct lambda_call *call, struct err *err)
{
    if (call->layer_version < 1) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Layer Version Cannot be less than 1");
    }
    lambda_layer_write(call, NULL, call->layer_version, 204, NULL);
    return 0;
}

// ── the layers of a function ──

static int layer_may(struct lambda_call *call, const char *arn, struct err *err)
{
    if (!call->auth.role[0]) {
        return 0;
    }
    if (!call->req) {
        return err_set(err, ERR_LOST, "the client has gone");
    }
    return authorize(call->api, call->req, &call->auth, AUTH_STYLE_JSON, "lambda:GetLayerVersion",
                     str_of(arn), NULL, 0, err);
}

static int layer_parse(struct lambda_call *call, struct str arn, struct arn_layer *ret,
                       struct err *err)
{
    struct err why = {0};
    const char *region = call->api->settings->region;
    if (arn_layer_parse(arn, ret, &why) < 0 || ret->version < 0 || !ret->region.at) {
        return bad_member(err, arn, "layers",
                          "Member must satisfy constraint: [Member must satisfy regular expression "
                          "pattern: arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\\d{12}:layer:"
                          "[a-zA-Z0-9-_]+:[0-9]+]");
    }
    if (!str_eq(ret->account, STR(ARN_ACCOUNT))) {
        return err_aws(
            err, ERR_DENIED, "AccessDeniedException",
            "User is not authorized to perform: lambda:GetLayerVersion on resource: " STR_FMT
            " because no resource-based policy allows the "
            "lambda:GetLayerVersion action: layers of other accounts are not reachable "
            "here",
            STR_ARG(str_head(arn, 200)));
    }
    if (!str_eq(ret->region, str_of(region))) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Layers are not in the same region as the function. Layers are expected to "
                       "be in region %s.",
                       region);
    }
    return 0;
}

// Two versions of one layer are no two layers.
static int layer_twice(const struct function *f, struct str arn, struct str name, struct err *err)
{
    for (size_t i = 0; i < f->layer_count; i++) {
        struct arn_layer other;
        TRY(arn_layer_parse(str_of(f->layers[i].arn), &other, err));
        if (str_eq(other.name, name)) {
            return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                           "Two different versions of the same layer are not allowed to be "
                           "referenced in the same function. %s and " STR_FMT
                           " are versions of the same layer.",
                           f->layers[i].arn, STR_ARG(arn));
        }
    }
    return 0;
}

static int layer_add(struct lambda_call *call, struct str arn, struct function *f, struct err *err)
{
    struct arn_layer parsed;
    TRY(layer_parse(call, arn, &parsed, err));
    const struct lambda_layer *layer = map_get(&call->api->lambda->layers, parsed.name);
    struct lambda_layer_version **slot = version_slot(layer, parsed.version);
    CLEAN_MEM char *text = str_dup(arn);
    TRY(layer_may(call, text, err));
    if (!slot) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Layer version %s does not exist.", text);
    }
    TRY(layer_twice(f, arn, parsed.name, err));
    function_layer_add(f, arn, (*slot)->package, (*slot)->code_size);
    return 0;
}

int lambda_layers_read(struct lambda_call *call, struct function *f, struct err *err)
{
    json_t *list = NULL, *item = NULL;
    size_t i = 0;
    if (json_get_array(call->input, "Layers", &list, err) <= 0) {
        return err->code;
    }
    if (json_array_size(list) > FUNCTION_LAYERS_MAX) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Cannot reference more than %d layers.", FUNCTION_LAYERS_MAX);
    }
    function_layers_clear(f);
    json_array_foreach(list, i, item)
    {
        TRY(layer_add(call, json_str(item), f, err));
    }
    return 0;
}
