// SPDX-License-Identifier: Apache-2.0
// A change of a function: first in the store, then in memory, then for the dispatcher.
#include "api/lambda.h"
#include "base/check.h"
#include "base/log.h"
#include "core/uuid.h"
#include "dispatch/dispatch.h"
#include "observe/logs.h"
#include "store/alias.h"
#include "store/provisioned.h"

struct lambda_change *lambda_change_new(struct lambda *lambda, struct lambda_function *f,
                                        const char *name, struct lambda_call *call)
{
    struct lambda_change *change = NEW(struct lambda_change);
    change->lambda = lambda;
    change->call = call ? lambda_call_ref(call) : NULL;
    change->name = mem_dup(name);
    change->reserved = f ? f->reserved : -1;
    change->last_version = f ? f->last_version : 0;
    change->update_status = f ? f->update_status : FUNCTION_UPDATE_SUCCESSFUL;
    if (f) {
        lambda_text_set(&change->tags, f->tags);
        lambda_text_set(&change->policy, f->policy);
        lambda_text_set(&change->update_reason, f->update_reason);
        lambda_text_set(&change->update_code, f->update_code);
    }
    return change;
}

struct lambda_change *lambda_change_begin(struct lambda_call *call, struct lambda_function *f,
                                          int status)
{
    struct lambda_change *change = lambda_change_new(call->api->lambda, f, call->name, call);
    change->status = status;
    change->done = lambda_change_answer;
    return change;
}

static void invoke_config_free(struct lambda_invoke_config *config)
{
    if (config) {
        free(config->qualifier);
        free(config->on_success);
        free(config->on_failure);
        free(config);
    }
}

void lambda_change_free(struct lambda_change *change)
{
    lambda_call_unref(change->call);
    function_unref(change->latest);
    function_unref(change->update);
    function_unref(change->publish);
    for (size_t i = 0; i < change->replace_count; i++) {
        function_unref(change->replace[i]);
    }
    invoke_config_free(change->config);
    alias_unref(change->alias);
    lambda_provision_free(change->provision);
    free(change->provision_drop);
    json_decref(change->answer);
    free(change->replace);
    free(change->name);
    free(change->drop_version);
    free(change->config_drop);
    free(change->alias_drop);
    free(change->tags);
    free(change->policy);
    free(change->update_reason);
    free(change->update_code);
    free(change);
}

// Store thread: reads what the core thread leaves alone until on_done.
static int change_run_head(struct lambda_change *c, struct db *db, struct err *err)
{
    struct function_head head = {
        .name = str_of(c->name),
        .tags = str_of(c->tags),
        .policy = str_of(c->policy),
        .reserved = c->reserved,
        .last_version = c->last_version,
        .update = c->update_status,
        .update_reason = str_of(c->update_reason),
        .update_code = str_of(c->update_code),
    };
    return function_head_put(db, &head, err);
}

static int change_run_config(struct lambda_change *c, struct db *db, struct err *err)
{
    struct function_invoke row = {
        .name = str_of(c->name),
        .qualifier = str_of(c->config->qualifier),
        .retries = c->config->retries,
        .event_age_s = c->config->event_age_s,
        .on_success = str_of(c->config->on_success),
        .on_failure = str_of(c->config->on_failure),
        .modified_ms = c->config->modified_ms,
    };
    return function_invoke_put(db, &row, err);
}

static int change_run(struct store_task *task, struct db *db, struct err *err)
{
    struct lambda_change *c = CONTAINER_OF(task, struct lambda_change, task);
    struct str name = str_of(c->name);
    const char *packages = c->lambda->packages;
    if (c->drop) {
        return function_delete(db, name, err);
    }
    TRY(change_run_head(c, db, err));
    struct function *put[] = {c->latest, c->update, c->publish};
    for (size_t i = 0; i < ARRAY_SIZE(put); i++) {
        if (put[i]) {
            TRY(function_version_put(db, packages, put[i], err));
        }
    }
    for (size_t i = 0; i < c->replace_count; i++) {
        TRY(function_version_put(db, packages, c->replace[i], err));
    }
    if (c->update_drop) {
        TRY(function_version_delete(db, name, STR(FUNCTION_UPDATE_VERSION), err));
    }
    if (c->drop_version) {
        c->dropped = function_version_delete(db, name, str_of(c->drop_version), err);
        TRY(c->dropped);
    }
    if (c->alias) {
        TRY(alias_put(db, c->alias, err));
    }
    if (c->alias_drop) {
        c->dropped = alias_delete(db, name, str_of(c->alias_drop), err);
        TRY(c->dropped);
    }
    if (c->provision) {
        struct provisioned row = {name, str_of(c->provision->qualifier), c->provision->count,
                                  c->provision->modified_ms};
        TRY(provisioned_put(db, &row, err));
    }
    if (c->provision_drop) {
        TRY(provisioned_delete(db, name, str_of(c->provision_drop), err));
    }
    if (c->config) {
        TRY(change_run_config(c, db, err));
    }
    return c->config_drop ? function_invoke_delete(db, name, str_of(c->config_drop), err) : 0;
}

static struct async_rules rules_of(const struct lambda_function *f, const char *qualifier)
{
    const struct lambda_invoke_config *config = lambda_config_find(f, str_of(qualifier));
    struct async_rules rules = ASYNC_RULES_DEFAULT;
    if (config) {
        rules.retries_max = config->retries >= 0 ? (uint32_t)config->retries : FUNCTION_RETRIES;
        rules.event_age_max_s =
            config->event_age_s >= 0 ? (uint32_t)config->event_age_s : FUNCTION_EVENT_AGE_S;
        rules.on_success = config->on_success;
        rules.on_failure = config->on_failure;
    }
    return rules;
}

// What of the function as a whole each version carries for the dispatcher.
static struct function *version_complete(const struct lambda_function *f,
                                         const struct function *version)
{
    struct function *copy = function_copy(version);
    struct async_rules rules = rules_of(f, version->version);
    copy->reserved_concurrency = f->reserved;
    lambda_text_set(&copy->tags, f->tags);
    async_rules_set(&copy->async, &rules);
    lambda_dead_letter_set(copy);
    return copy;
}

static void version_install(struct lambda_function *f, struct function **slot,
                            const struct function *fresh)
{
    struct function *complete = version_complete(f, fresh);
    if (*slot && strcmp((*slot)->revision, complete->revision) != 0) {
        lambda_sweep_suspect_all(f->lambda, *slot);
    }
    function_unref(*slot);
    *slot = complete;
    dispatch_function_set(f->lambda->api->dispatch, complete);
}

static void alias_install(struct lambda_function *f, const struct alias *fresh)
{
    struct alias *complete = alias_copy(fresh);
    struct async_rules rules = rules_of(f, fresh->name);
    size_t at = 0;
    async_rules_set(&complete->async, &rules);
    while (at < f->alias_count && strcmp(f->aliases[at]->name, fresh->name) < 0) {
        at++;
    }
    if (at < f->alias_count && strcmp(f->aliases[at]->name, fresh->name) == 0) {
        alias_unref(f->aliases[at]);
    } else {
        f->aliases = mem_grow(f->aliases, (f->alias_count + 1) * sizeof *f->aliases);
        memmove(&f->aliases[at + 1], &f->aliases[at], (f->alias_count - at) * sizeof *f->aliases);
        f->alias_count++;
    }
    f->aliases[at] = complete;
    dispatch_alias_set(f->lambda->api->dispatch, complete);
}

static void alias_remove(struct lambda_function *f, const char *name)
{
    for (size_t at = 0; at < f->alias_count; at++) {
        if (strcmp(f->aliases[at]->name, name) == 0) {
            CLEAN_MEM char *key = mem_printf("%s:%s", f->name, name);
            dispatch_function_remove(f->lambda->api->dispatch, str_of(key));
            alias_unref(f->aliases[at]);
            f->alias_count--;
            memmove(&f->aliases[at], &f->aliases[at + 1],
                    (f->alias_count - at) * sizeof *f->aliases);
            return;
        }
    }
}

static struct function **version_slot(struct lambda_function *f, const char *version)
{
    for (size_t i = 0; i < f->version_count; i++) {
        if (strcmp(f->versions[i]->version, version) == 0) {
            return &f->versions[i];
        }
    }
    return NULL;
}

static void version_add(struct lambda_function *f, const struct function *fresh)
{
    f->versions = mem_grow(f->versions, (f->version_count + 1) * sizeof(struct function *));
    f->versions[f->version_count++] = NULL;
    version_install(f, &f->versions[f->version_count - 1], fresh);
}

static void version_remove(struct lambda_function *f, const char *version)
{
    struct function **slot = version_slot(f, version);
    if (slot) {
        CLEAN_MEM char *key = mem_printf("%s:%s", f->name, version);
        dispatch_function_remove(f->lambda->api->dispatch, str_of(key));
        lambda_sweep_suspect_all(f->lambda, *slot);
        function_unref(*slot);
        size_t at = (size_t)(slot - f->versions);
        memmove(slot, slot + 1, (f->version_count - at - 1) * sizeof *slot);
        f->version_count--;
    }
}

static void config_remove(struct lambda_function *f, const char *qualifier)
{
    struct lambda_invoke_config *config = lambda_config_find(f, str_of(qualifier));
    if (config) {
        free(config->qualifier);
        free(config->on_success);
        free(config->on_failure);
        size_t at = (size_t)(config - f->configs);
        memmove(config, config + 1, (f->config_count - at - 1) * sizeof *config);
        f->config_count--;
    }
}

void lambda_invoke_config_put(struct lambda_function *f, struct lambda_invoke_config *config)
{
    size_t at = 0;
    config_remove(f, config->qualifier);
    while (at < f->config_count && strcmp(f->configs[at].qualifier, config->qualifier) < 0) {
        at++;
    }
    f->configs = mem_grow(f->configs, (f->config_count + 1) * sizeof *f->configs);
    memmove(&f->configs[at + 1], &f->configs[at], (f->config_count - at) * sizeof *f->configs);
    f->configs[at] = *config; // its texts move, too
    f->config_count++;
    *config = (struct lambda_invoke_config){0};
}

// A reserved concurrency or a destination belongs to versions that did not change themselves.
void lambda_versions_tell(struct lambda_function *f)
{
    struct function *latest = function_ref(f->latest);
    version_install(f, &f->latest, latest);
    function_unref(latest);
    for (size_t i = 0; i < f->version_count; i++) {
        struct function *version = function_ref(f->versions[i]);
        version_install(f, &f->versions[i], version);
        function_unref(version);
    }
    for (size_t i = 0; i < f->alias_count; i++) {
        struct alias *alias = alias_ref(f->aliases[i]);
        alias_install(f, alias);
        alias_unref(alias);
    }
    lambda_provision_tell(f);
}

static void change_apply_drop(struct lambda_function *f)
{
    struct api *api = f->lambda->api;
    prepare_cancel(&f->prepare);
    function_clean(&f->preparing);
    lambda_quantize_drop(f);
    lambda_sweep_suspect_all(f->lambda, f->latest);
    lambda_sweep_suspect_all(f->lambda, f->update);
    for (size_t i = 0; i < f->version_count; i++) {
        lambda_sweep_suspect_all(f->lambda, f->versions[i]);
    }
    lambda_urls_forget(f->lambda, f->name, NULL);
    dispatch_function_remove(api->dispatch, str_of(f->name));
    if (api->observe) {
        logs_remove(api->observe, str_of(f->name));
    }
    lambda_entry_clear(f);
}

static void change_apply(struct lambda_change *c)
{
    struct lambda_function *f = lambda_entry(c->lambda, c->name);
    if (c->drop) {
        change_apply_drop(f);
        return;
    }
    bool all = f->reserved != c->reserved || c->config || c->config_drop;
    f->reserved = c->reserved;
    f->last_version = c->last_version;
    f->update_status = c->update_status;
    lambda_text_set(&f->tags, c->tags);
    lambda_text_set(&f->policy, c->policy);
    lambda_text_set(&f->update_reason, c->update_reason);
    lambda_text_set(&f->update_code, c->update_code);
    if (c->config) {
        lambda_invoke_config_put(f, c->config);
    }
    if (c->config_drop) {
        config_remove(f, c->config_drop);
    }
    if (c->latest) {
        version_install(f, &f->latest, c->latest);
    }
    if (c->update || c->update_drop) {
        lambda_sweep_suspect_all(f->lambda, f->update);
        function_unref(f->update);
        f->update = c->update ? function_ref(c->update) : NULL;
    }
    if (c->publish) {
        version_add(f, c->publish);
    }
    for (size_t i = 0; i < c->replace_count; i++) {
        struct function **slot = version_slot(f, c->replace[i]->version);
        if (slot) {
            version_install(f, slot, c->replace[i]);
        }
    }
    if (c->drop_version) {
        lambda_provision_remove(f, c->drop_version);
        config_remove(f, c->drop_version);
        version_remove(f, c->drop_version);
    }
    if (c->alias) {
        alias_install(f, c->alias);
    }
    if (c->alias_drop) {
        lambda_urls_forget(f->lambda, f->name, c->alias_drop);
        lambda_provision_remove(f, c->alias_drop);
        config_remove(f, c->alias_drop);
        alias_remove(f, c->alias_drop);
    }
    if (c->provision) {
        lambda_provision_put(f, c->provision);
    }
    if (c->provision_drop) {
        lambda_provision_remove(f, c->provision_drop);
    }
    if (c->provision || c->provision_drop || c->alias || c->alias_drop) {
        lambda_provision_tell(f);
    }
    if (c->dropped) {
        log_warn("%d events that waited for %s:%s are dropped with it", c->dropped, c->name,
                 c->drop_version ? c->drop_version : c->alias_drop);
    }
    if (all && f->latest) {
        lambda_versions_tell(f);
    }
    lambda_quantize(f);
}

static void change_done(struct store_task *task)
{
    struct lambda_change *c = CONTAINER_OF(task, struct lambda_change, task);
    if (task->rc >= 0) {
        change_apply(c);
    }
    c->done(c);
    lambda_change_free(c);
}

void lambda_write(struct lambda_change *change)
{
    CHECK(change->done);
    change->task.run = change_run;
    change->task.on_done = change_done;
    store_submit(change->lambda->api->store, &change->task);
}

void lambda_change_answer(struct lambda_change *change)
{
    if (change->task.rc < 0) {
        lambda_fail(change->call, &change->task.err);
    } else if (change->answer) {
        lambda_reply(change->call, change->status, change->answer);
    } else {
        lambda_reply_empty(change->call, change->status);
    }
}

struct function *lambda_version_make(const struct function *from, int64_t number)
{
    struct function *version = function_copy(from);
    free(version->version);
    version->version = mem_printf("%lld", (long long)number);
    lambda_text_set(&version->revision, uuid_new().text);
    return version;
}
