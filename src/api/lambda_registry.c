// SPDX-License-Identifier: Apache-2.0
// The functions as they are known here: found by name, loaded at start, and changed by one caller at a
// time each (lambda_change.c says how).
#include "api/lambda.h"
#include "base/check.h"
#include "base/file.h"
#include "base/log.h"
#include "core/identity.h"
#include "store/alias.h"
#include "store/provisioned.h"

void lambda_text_set(char **field, const char *value)
{
    char *copy = value ? mem_dup(value) : NULL;
    free(*field);
    *field = copy;
}

char *lambda_arn(const struct lambda *lambda, const char *name, const char *qualifier)
{
    return function_arn(lambda->api->settings->region, name, qualifier);
}

// ── finding ──

struct lambda_function *lambda_find(struct api *api, struct str name)
{
    struct lambda_function *f = map_get(&api->lambda->functions, name);
    return f && f->latest ? f : NULL;
}

int lambda_not_found(const struct lambda_call *call, struct err *err)
{
    CLEAN_MEM char *arn = lambda_arn(call->api->lambda, call->name, call->qualifier);
    return err_aws(err, ERR_NOT_FOUND, "ResourceNotFoundException", "Function not found: %s", arn);
}

int lambda_need(struct lambda_call *call, struct lambda_function **ret, struct err *err)
{
    *ret = lambda_find(call->api, str_of(call->name));
    return *ret ? 0 : lambda_not_found(call, err);
}

struct function *lambda_version_find(const struct lambda_function *f, const char *version)
{
    if (strcmp(version, "$LATEST") == 0) {
        return f->latest;
    }
    for (size_t i = 0; i < f->version_count; i++) {
        if (strcmp(f->versions[i]->version, version) == 0) {
            return f->versions[i];
        }
    }
    return NULL;
}

struct alias *lambda_alias_find(const struct lambda_function *f, const char *name)
{
    for (size_t i = 0; i < f->alias_count; i++) {
        if (strcmp(f->aliases[i]->name, name) == 0) {
            return f->aliases[i];
        }
    }
    return NULL;
}

bool lambda_resolve(const struct lambda_function *f, const char *qualifier, bool pick,
                    struct lambda_target *ret)
{
    const char *version = qualifier ? qualifier : "$LATEST";
    struct lambda_target target = {.alias = lambda_alias_find(f, version)};
    if (target.alias) {
        version = alias_pick(target.alias, pick ? alias_chance() : 1);
    }
    target.version = lambda_version_find(f, version);
    if (target.version) {
        *ret = target;
    }
    return target.version != NULL;
}

int lambda_need_target(struct lambda_call *call, struct lambda_function *f, bool pick,
                       struct lambda_target *ret, struct err *err)
{
    return lambda_resolve(f, call->qualifier, pick, ret) ? 0 : lambda_not_found(call, err);
}

int lambda_need_version(struct lambda_call *call, struct lambda_function *f, struct function **ret,
                        struct err *err)
{
    struct lambda_target target;
    TRY(lambda_need_target(call, f, false, &target, err));
    *ret = target.version;
    return 0;
}

struct lambda_invoke_config *lambda_config_find(const struct lambda_function *f,
                                                struct str qualifier)
{
    for (size_t i = 0; i < f->config_count; i++) {
        if (str_eq(str_of(f->configs[i].qualifier), qualifier)) {
            return &f->configs[i];
        }
    }
    return NULL;
}

// ── entries ──

void lambda_entry_clear(struct lambda_function *f)
{
    function_clean(&f->latest);
    function_clean(&f->update);
    for (size_t i = 0; i < f->version_count; i++) {
        function_unref(f->versions[i]);
    }
    for (size_t i = 0; i < f->alias_count; i++) {
        alias_unref(f->aliases[i]);
    }
    for (size_t i = 0; i < f->config_count; i++) {
        free(f->configs[i].qualifier);
        free(f->configs[i].on_success);
        free(f->configs[i].on_failure);
    }
    lambda_provisions_clear(f);
    lambda_text_set(&f->tags, NULL);
    lambda_text_set(&f->policy, NULL);
    lambda_text_set(&f->update_reason, NULL);
    lambda_text_set(&f->update_code, NULL);
    mem_clean(&f->versions);
    mem_clean(&f->configs);
    mem_clean(&f->aliases);
    f->versions = NULL;
    f->configs = NULL;
    f->aliases = NULL;
    f->version_count = f->config_count = f->alias_count = 0;
    f->last_version = 0;
    f->reserved = -1;
    f->update_status = FUNCTION_UPDATE_SUCCESSFUL;
}

static void entry_free(struct lambda_function *f)
{
    prepare_cancel(&f->prepare);
    function_unref(f->preparing);
    lambda_quantize_drop(f);
    timer_stop(f->line.loop, &f->line.next);
    lambda_entry_clear(f);
    free(f->prepare_out);
    free(f->name);
    free(f);
}

// It was deleted, or never made.
static void entry_on_empty(struct lambda_line *line)
{
    struct lambda_function *f = CONTAINER_OF(line, struct lambda_function, line);
    if (!f->latest) {
        map_remove(&f->lambda->functions, str_of(f->name));
        entry_free(f);
    }
}

struct lambda_function *lambda_entry(struct lambda *lambda, const char *name)
{
    struct lambda_function *f = map_get(&lambda->functions, str_of(name));
    if (!f) {
        f = NEW(struct lambda_function);
        f->lambda = lambda;
        f->name = mem_dup(name);
        f->reserved = -1;
        lambda_line_init(&f->line, lambda->api->loop);
        f->line.on_empty = entry_on_empty;
        list_init(&f->prepare_turn.link);
        map_put(&lambda->functions, str_of(name), f);
    }
    return f;
}

// ── turns ──

static void line_next_due(struct timer *timer)
{
    struct lambda_line *line = CONTAINER_OF(timer, struct lambda_line, next);
    struct lambda_turn *turn = LIST_FIRST(&line->waiting, struct lambda_turn, link);
    if (line->busy || !turn) {
        return;
    }
    line->busy = true;
    list_remove(&turn->link);
    turn->on_turn(turn);
}

void lambda_line_init(struct lambda_line *line, struct loop *loop)
{
    *line = (struct lambda_line){.loop = loop, .next.on_due = line_next_due};
    list_init(&line->waiting);
}

void lambda_turn_take(struct lambda_line *line, struct lambda_turn *turn)
{
    list_init(&turn->link);
    list_push_back(&line->waiting, &turn->link);
    if (!line->busy && !timer_running(&line->next)) {
        timer_start(line->loop, &line->next, 0);
    }
}

void lambda_turn_end(struct lambda_line *line)
{
    CHECK(line->busy);
    line->busy = false;
    if (!list_empty(&line->waiting)) {
        timer_start(line->loop, &line->next, 0);
    } else if (line->on_empty) {
        line->on_empty(line);
    }
}

static void call_on_turn(struct lambda_turn *turn)
{
    struct lambda_call *call = CONTAINER_OF(turn, struct lambda_call, turn);
    struct err err = {0};
    if (call->on_turn(call, &err) < 0) {
        lambda_fail(call, &err);
    }
    lambda_call_unref(call);
}

void lambda_take_turn(struct lambda_call *call,
                      int (*on_turn)(struct lambda_call *call, struct err *err))
{
    CHECK(!call->turn_in);
    struct lambda *lambda = call->api->lambda;
    lambda_call_ref(call);
    call->on_turn = on_turn;
    call->turn.on_turn = call_on_turn;
    call->turn_in = call->name[0] ? &lambda_entry(lambda, call->name)->line : &lambda->layer_line;
    lambda_turn_take(call->turn_in, &call->turn);
}

void lambda_end_turn(struct lambda_call *call)
{
    if (call->turn_in) {
        lambda_turn_end(MOVE(call->turn_in));
    }
}

// ── start and end ──

static int load_head(void *ctx, const struct function_head *head)
{
    CLEAN_MEM char *name = str_dup(head->name);
    struct lambda_function *f = lambda_entry(ctx, name);
    f->tags = head->tags.size ? str_dup(head->tags) : NULL;
    f->policy = head->policy.size ? str_dup(head->policy) : NULL;
    f->reserved = head->reserved;
    f->last_version = head->last_version;
    f->update_status = head->update;
    f->update_reason = head->update_reason.size ? str_dup(head->update_reason) : NULL;
    f->update_code = head->update_code.size ? str_dup(head->update_code) : NULL;
    return 0;
}

static int load_version(void *ctx, struct function *version)
{
    struct lambda_function *f = lambda_entry(ctx, version->name);
    if (strcmp(version->version, "$LATEST") == 0) {
        f->latest = version;
    } else if (strcmp(version->version, FUNCTION_UPDATE_VERSION) == 0) {
        f->update = version;
    } else {
        f->versions = mem_grow(f->versions, (f->version_count + 1) * sizeof *f->versions);
        f->versions[f->version_count++] = version;
    }
    return 0;
}

static int load_config(void *ctx, const struct function_invoke *row)
{
    CLEAN_MEM char *name = str_dup(row->name);
    struct lambda_function *f = lambda_entry(ctx, name);
    struct lambda_invoke_config config = {
        .qualifier = str_dup(row->qualifier),
        .retries = row->retries,
        .event_age_s = row->event_age_s,
        .on_success = row->on_success.size ? str_dup(row->on_success) : NULL,
        .on_failure = row->on_failure.size ? str_dup(row->on_failure) : NULL,
        .modified_ms = row->modified_ms,
    };
    lambda_invoke_config_put(f, &config);
    return 0;
}

static void load_alias(void *ctx, struct alias *alias)
{
    struct lambda_function *f = lambda_entry(ctx, alias->function);
    f->aliases = mem_grow(f->aliases, (f->alias_count + 1) * sizeof *f->aliases);
    f->aliases[f->alias_count++] = alias;
}

static void load_provision(void *ctx, const struct provisioned *row)
{
    CLEAN_MEM char *name = str_dup(row->function);
    struct lambda_provision provision = {str_dup(row->qualifier), row->count, row->modified_ms};
    lambda_provision_put(lambda_entry(ctx, name), &provision);
}

static int load_all(struct lambda *lambda, struct err *err)
{
    struct db *db = store_reader(lambda->api->store);
    TRY(function_head_each(db, load_head, lambda, err));
    TRY(function_version_each(db, lambda->packages, load_version, lambda, err));
    TRY(alias_each(db, load_alias, lambda, err));
    TRY(provisioned_each(db, load_provision, lambda, err));
    return function_invoke_each(db, load_config, lambda, err);
}

static void used_add(struct map *used, const struct function *f)
{
    if (f && f->package) {
        map_put(used, str_of(f->package), used);
    }
    for (size_t i = 0; f && i < f->layer_count; i++) {
        map_put(used, str_of(f->layers[i].package), used);
    }
}

static void used_add_layers(struct map *used, const struct lambda *lambda)
{
    size_t at = 0;
    for (struct lambda_layer *layer; (layer = map_next(&lambda->layers, &at));) {
        for (size_t i = 0; i < layer->count; i++) {
            map_put(used, str_of(layer->versions[i]->package), used);
        }
    }
}

int lambda_start(struct api *api, struct err *err)
{
    struct lambda *lambda = NEW(struct lambda);
    api->lambda = lambda;
    lambda->api = api;
    list_init(&lambda->refreshing);
    list_init(&lambda->quantizing);
    lambda_line_init(&lambda->layer_line, api->loop);
    lambda->packages = mem_printf("%s/packages", store_dir(api->store));
    lambda->preparer = preparer_new(api->loop, NULL, LAMBDA_PREPARE_S * INT64_C(1000000));
    lambda->quantizer = preparer_new(api->loop, NULL, LAMBDA_QUANTIZE_S * INT64_C(1000000));
    TRY(file_make_dir(lambda->packages, 0755, err));
    TRY(load_all(lambda, err));
    TRY(lambda_layers_load(lambda, err));
    TRY(lambda_urls_start(lambda, err));
    lambda_sweep_start(lambda);
    struct map used = {0};
    size_t at = 0;
    for (struct lambda_function *f; (f = map_next(&lambda->functions, &at));) {
        if (!f->latest) {
            log_error("function %s has no row of its $LATEST version", f->name);
            continue;
        }
        lambda_versions_tell(f);
        lambda_prepare(f);
        used_add(&used, f->latest);
        used_add(&used, f->update);
        for (size_t i = 0; i < f->version_count; i++) {
            used_add(&used, f->versions[i]);
        }
    }
    used_add_layers(&used, lambda);
    lambda_package_sweep(lambda->packages, &used);
    map_done(&used);
    lambda_refresh(lambda);
    at = 0;
    for (struct lambda_function *f; (f = map_next(&lambda->functions, &at));) {
        lambda_quantize(f);
    }
    return 0;
}

void lambda_stop(struct api *api)
{
    struct lambda *lambda = MOVE(api->lambda);
    auth_stop(api); // nobody asks after this
    if (!lambda) {
        return;
    }
    size_t at = 0;
    for (struct lambda_function *f; (f = map_next(&lambda->functions, &at));) {
        entry_free(f);
    }
    map_done(&lambda->functions);
    timer_stop(api->loop, &lambda->layer_line.next);
    lambda_layers_free(lambda);
    lambda_urls_stop(lambda);
    lambda_sweep_stop(lambda);
    lambda_refresh_stop(lambda);
    preparer_free(lambda->preparer);
    preparer_free(lambda->quantizer);
    free(lambda->packages);
    free(lambda);
}
