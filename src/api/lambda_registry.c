// SPDX-License-Identifier: Apache-2.0
// The functions as they are known here, and how they change: one at a time each, first in the store,
// then in memory, then for the dispatcher.
#include "api/lambda.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "core/identity.h"
#include "core/uuid.h"
#include "dispatch/dispatch.h"
#include "observe/logs.h"

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

static struct lambda_function *entry_of(struct lambda *lambda, const char *name);

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

int lambda_need_version(struct lambda_call *call, struct lambda_function *f, struct function **ret,
                        struct err *err)
{
    if (!call->qualifier || strcmp(call->qualifier, "$LATEST") == 0) {
        *ret = f->latest;
        return 0;
    }
    for (size_t i = 0; i < f->version_count; i++) {
        if (strcmp(f->versions[i]->version, call->qualifier) == 0) {
            *ret = f->versions[i];
            return 0;
        }
    }
    return lambda_not_found(call, err);
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

static void entry_clear(struct lambda_function *f)
{
    function_clean(&f->latest);
    function_clean(&f->update);
    for (size_t i = 0; i < f->version_count; i++) {
        function_unref(f->versions[i]);
    }
    for (size_t i = 0; i < f->config_count; i++) {
        free(f->configs[i].qualifier);
        free(f->configs[i].on_success);
        free(f->configs[i].on_failure);
    }
    lambda_text_set(&f->tags, NULL);
    lambda_text_set(&f->policy, NULL);
    lambda_text_set(&f->update_reason, NULL);
    lambda_text_set(&f->update_code, NULL);
    mem_clean(&f->versions);
    mem_clean(&f->configs);
    f->versions = NULL;
    f->configs = NULL;
    f->version_count = f->config_count = 0;
    f->last_version = 0;
    f->reserved = -1;
    f->update_status = FUNCTION_UPDATE_SUCCESSFUL;
}

static void entry_free(struct lambda_function *f)
{
    prepare_cancel(&f->prepare);
    function_unref(f->preparing);
    timer_stop(f->lambda->api->loop, &f->next);
    entry_clear(f);
    free(f->prepare_out);
    free(f->name);
    free(f);
}

static void entry_next_due(struct timer *timer)
{
    struct lambda_function *f = CONTAINER_OF(timer, struct lambda_function, next);
    struct lambda_turn *turn = LIST_FIRST(&f->waiting, struct lambda_turn, link);
    if (f->busy || !turn) {
        return;
    }
    f->busy = true;
    list_remove(&turn->link);
    turn->on_turn(turn);
}

static struct lambda_function *entry_of(struct lambda *lambda, const char *name)
{
    struct lambda_function *f = map_get(&lambda->functions, str_of(name));
    if (!f) {
        f = NEW(struct lambda_function);
        f->lambda = lambda;
        f->name = mem_dup(name);
        f->reserved = -1;
        f->next.on_due = entry_next_due;
        list_init(&f->waiting);
        list_init(&f->prepare_turn.link);
        map_put(&lambda->functions, str_of(name), f);
    }
    return f;
}

static void turn_take(struct lambda_function *f, struct lambda_turn *turn)
{
    list_init(&turn->link);
    list_push_back(&f->waiting, &turn->link);
    if (!f->busy && !timer_running(&f->next)) {
        timer_start(f->lambda->api->loop, &f->next, 0);
    }
}

static void turn_end(struct lambda_function *f)
{
    CHECK(f->busy);
    f->busy = false;
    if (!list_empty(&f->waiting)) {
        timer_start(f->lambda->api->loop, &f->next, 0);
    } else if (!f->latest) { // it was deleted, or never made
        map_remove(&f->lambda->functions, str_of(f->name));
        entry_free(f);
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
    CHECK(!call->turn_of && call->name[0]);
    lambda_call_ref(call);
    call->on_turn = on_turn;
    call->turn.on_turn = call_on_turn;
    call->turn_of = entry_of(call->api->lambda, call->name);
    turn_take(call->turn_of, &call->turn);
}

void lambda_end_turn(struct lambda_call *call)
{
    if (call->turn_of) {
        turn_end(MOVE(call->turn_of));
    }
}

// ── a change ──

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
    json_decref(change->answer);
    free(change->replace);
    free(change->name);
    free(change->drop_version);
    free(change->config_drop);
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
        TRY(function_version_delete(db, name, str_of(c->drop_version), err));
    }
    if (c->config) {
        TRY(change_run_config(c, db, err));
    }
    return c->config_drop ? function_invoke_delete(db, name, str_of(c->config_drop), err) : 0;
}

// What of the function as a whole each version carries for the dispatcher.
static struct function *version_complete(const struct lambda_function *f,
                                         const struct function *version)
{
    struct function *copy = function_copy(version);
    const struct lambda_invoke_config *config = lambda_config_find(f, str_of(version->version));
    copy->reserved_concurrency = f->reserved;
    lambda_text_set(&copy->tags, f->tags);
    copy->retries_max =
        config && config->retries >= 0 ? (uint32_t)config->retries : FUNCTION_RETRIES;
    copy->event_age_max_s =
        config && config->event_age_s >= 0 ? (uint32_t)config->event_age_s : FUNCTION_EVENT_AGE_S;
    lambda_text_set(&copy->on_success, config ? config->on_success : NULL);
    lambda_text_set(&copy->on_failure, config ? config->on_failure : NULL);
    return copy;
}

static void version_install(struct lambda_function *f, struct function **slot,
                            const struct function *fresh)
{
    struct function *complete = version_complete(f, fresh);
    function_unref(*slot);
    *slot = complete;
    dispatch_function_set(f->lambda->api->dispatch, complete);
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

static void config_put(struct lambda_function *f, struct lambda_invoke_config *config)
{
    config_remove(f, config->qualifier);
    f->configs = mem_grow(f->configs, (f->config_count + 1) * sizeof *f->configs);
    f->configs[f->config_count++] = *config; // its texts move, too
    *config = (struct lambda_invoke_config){0};
}

// A reserved concurrency or a destination belongs to versions that did not change themselves.
static void versions_refresh(struct lambda_function *f)
{
    struct function *latest = function_ref(f->latest);
    version_install(f, &f->latest, latest);
    function_unref(latest);
    for (size_t i = 0; i < f->version_count; i++) {
        struct function *version = function_ref(f->versions[i]);
        version_install(f, &f->versions[i], version);
        function_unref(version);
    }
}

static void change_apply_drop(struct lambda_function *f)
{
    struct api *api = f->lambda->api;
    prepare_cancel(&f->prepare);
    function_clean(&f->preparing);
    dispatch_function_remove(api->dispatch, str_of(f->name));
    if (api->observe) {
        logs_remove(api->observe, str_of(f->name));
    }
    entry_clear(f);
}

static void change_apply(struct lambda_change *c)
{
    struct lambda_function *f = entry_of(c->lambda, c->name);
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
        config_put(f, c->config);
    }
    if (c->config_drop) {
        config_remove(f, c->config_drop);
    }
    if (c->latest) {
        version_install(f, &f->latest, c->latest);
    }
    if (c->update || c->update_drop) {
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
        config_remove(f, c->drop_version);
        version_remove(f, c->drop_version);
    }
    if (all && f->latest) {
        versions_refresh(f);
    }
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

// ── preparing ──

bool lambda_needs_preparation(const struct function *f)
{
    return strcmp(f->runtime, "onnx") == 0;
}

static struct function *to_prepare(struct lambda_function *f)
{
    if (f->update) {
        return f->update;
    }
    return f->latest && f->latest->state == FUNCTION_PENDING ? f->latest : NULL;
}

// The same version after its preparation.
static struct function *version_settled(const struct lambda_function *f,
                                        const struct function *from)
{
    struct function *settled = function_copy(from);
    bool ok = f->prepare.rc >= 0;
    settled->state = ok ? FUNCTION_ACTIVE : FUNCTION_FAILED;
    lambda_text_set(&settled->state_reason, ok ? NULL : f->prepare.err.text);
    lambda_text_set(&settled->state_code,
                    ok ? NULL : (f->prepare.rc == ERR_INVALID ? "InvalidModel" : "InternalError"));
    lambda_text_set(&settled->prepared, ok ? f->prepare_out : NULL);
    lambda_text_set(&settled->revision, uuid_new().text);
    return settled;
}

static bool same_code(const struct function *a, const struct function *b)
{
    return strcmp(a->package, b->package) == 0 && strcmp(a->handler, b->handler) == 0;
}

// Published versions that wait for the same preparation.
static void settle_versions(struct lambda_change *c, const struct lambda_function *f,
                            const struct function *prepared)
{
    for (size_t i = 0; i < f->version_count; i++) {
        struct function *version = f->versions[i];
        if (version->state == FUNCTION_PENDING && same_code(version, prepared)) {
            c->replace = mem_grow(c->replace, (c->replace_count + 1) * sizeof *c->replace);
            c->replace[c->replace_count++] = version_settled(f, version);
        }
    }
}

static void prepare_written(struct lambda_change *c)
{
    struct lambda_function *f = entry_of(c->lambda, c->name);
    if (c->task.rc < 0) {
        log_error("function %s: its preparation cannot be recorded: %s", c->name, c->task.err.text);
    }
    turn_end(f);
}

static void prepare_on_turn(struct lambda_turn *turn)
{
    struct lambda_function *f = CONTAINER_OF(turn, struct lambda_function, prepare_turn);
    struct function *prepared = to_prepare(f);
    CLEAN(function_clean) struct function *was = MOVE(f->preparing);
    if (!prepared || !was || !same_code(prepared, was)) { // deleted meanwhile, perhaps made anew
        lambda_prepare(f);
        turn_end(f);
        return;
    }
    bool ok = f->prepare.rc >= 0;
    struct lambda_change *c = lambda_change_new(f->lambda, f, f->name, NULL);
    if (prepared == f->update) {
        c->update_drop = true;
        if (ok) {
            c->latest = version_settled(f, prepared);
            lambda_text_set(&c->latest->version, "$LATEST");
        }
        c->update_status = ok ? FUNCTION_UPDATE_SUCCESSFUL : FUNCTION_UPDATE_FAILED;
        lambda_text_set(&c->update_reason, ok ? NULL : f->prepare.err.text);
        lambda_text_set(&c->update_code, ok ? NULL : "InvalidModel");
    } else {
        c->latest = version_settled(f, prepared);
    }
    settle_versions(c, f, prepared);
    if (ok) {
        log_info("function %s is ready", f->name);
    } else {
        log_warn("function %s: %s", f->name, f->prepare.err.text);
    }
    c->done = prepare_written;
    lambda_write(c);
}

static void prepare_done(struct prepare_task *task)
{
    struct lambda_function *f = CONTAINER_OF(task, struct lambda_function, prepare);
    f->prepare_turn.on_turn = prepare_on_turn;
    turn_take(f, &f->prepare_turn);
}

// "…/packages/<sha>/code" → "…/packages/<sha>/prepared-<handler, as far as a file name can hold it>"
static char *prepared_folder(const struct function *f)
{
    struct str package = str_of(f->package);
    struct str folder = str_head(package, package.size - strlen("code"));
    char handler[65];
    snprintf(handler, sizeof handler, "%s", f->handler);
    for (char *at = handler; *at; at++) {
        if (*at == '/' || (unsigned char)*at < ' ') {
            *at = '_';
        }
    }
    uint64_t sum = checksum_crc(CHECKSUM_CRC32, 0, str_of(f->handler));
    return mem_printf(STR_FMT "prepared-%s-%08llx", STR_ARG(folder), handler,
                      (unsigned long long)sum);
}

void lambda_prepare(struct lambda_function *f)
{
    struct function *version = to_prepare(f);
    if (!version || f->prepare.preparer || !list_empty(&f->prepare_turn.link)) {
        return;
    }
    function_unref(f->preparing);
    free(f->prepare_out);
    f->prepare_out = prepared_folder(version);
    f->preparing = function_ref(version);
    f->prepare = (struct prepare_task){.package = f->preparing->package,
                                       .out = f->prepare_out,
                                       .handler = f->preparing->handler,
                                       .on_done = prepare_done};
    prepare_submit(f->lambda->preparer, &f->prepare);
}

// ── start and end ──

static int load_head(void *ctx, const struct function_head *head)
{
    CLEAN_MEM char *name = str_dup(head->name);
    struct lambda_function *f = entry_of(ctx, name);
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
    struct lambda_function *f = entry_of(ctx, version->name);
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
    struct lambda_function *f = entry_of(ctx, name);
    struct lambda_invoke_config config = {
        .qualifier = str_dup(row->qualifier),
        .retries = row->retries,
        .event_age_s = row->event_age_s,
        .on_success = row->on_success.size ? str_dup(row->on_success) : NULL,
        .on_failure = row->on_failure.size ? str_dup(row->on_failure) : NULL,
        .modified_ms = row->modified_ms,
    };
    config_put(f, &config);
    return 0;
}

static int load_all(struct lambda *lambda, struct err *err)
{
    struct db *db = store_reader(lambda->api->store);
    TRY(function_head_each(db, load_head, lambda, err));
    TRY(function_version_each(db, lambda->packages, load_version, lambda, err));
    return function_invoke_each(db, load_config, lambda, err);
}

static void used_add(struct map *used, const struct function *f)
{
    if (f && f->package) {
        map_put(used, str_of(f->package), used);
    }
}

int lambda_start(struct api *api, struct err *err)
{
    struct lambda *lambda = NEW(struct lambda);
    api->lambda = lambda;
    lambda->api = api;
    list_init(&lambda->refreshing);
    lambda->packages = mem_printf("%s/packages", store_dir(api->store));
    lambda->preparer = preparer_new(api->loop, NULL, LAMBDA_PREPARE_S * INT64_C(1000000));
    TRY(file_make_dir(lambda->packages, 0755, err));
    TRY(load_all(lambda, err));
    struct map used = {0};
    size_t at = 0;
    for (struct lambda_function *f; (f = map_next(&lambda->functions, &at));) {
        if (!f->latest) {
            log_error("function %s has no row of its $LATEST version", f->name);
            continue;
        }
        versions_refresh(f);
        lambda_prepare(f);
        used_add(&used, f->latest);
        used_add(&used, f->update);
        for (size_t i = 0; i < f->version_count; i++) {
            used_add(&used, f->versions[i]);
        }
    }
    lambda_package_sweep(lambda->packages, &used);
    map_done(&used);
    lambda_refresh(lambda);
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
    lambda_refresh_stop(lambda);
    preparer_free(lambda->preparer);
    free(lambda->packages);
    free(lambda);
}
