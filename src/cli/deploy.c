// SPDX-License-Identifier: Apache-2.0
// rouse deploy: package, buckets, role, functions, notifications, in this order, so that an event never finds
// a function that is not there. The steps are deploy_package.c, deploy_role.c, deploy_function.c,
// deploy_provision.c, deploy_events.c, deploy_schedule.c and deploy_http.c.
#include "cli/deploy.h"
#include "cli/http_api.h"
#include "cli/hooks.h"
#include "config/quantity.h"
#include "format/json.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdarg.h>

#define HISTORY_MAX 20 // deployments that rouse deploy list tells

static const struct option options[] = {
    SERVICE_OPTIONS,
    {"function", 'f', "NAME", "only this function"},
    {"update-config", 'u', NULL, "deploy function: its configuration, not its code"},
    {"package", 'p', "DIR", "take the zips in DIR instead of packaging"},
    {"force", 0, NULL, "upload and configure also what has not changed"},
    {"verbose", 0, NULL, "tell each change"},
    REMOTE_OPTIONS,
};

bool deploy_wants(const struct deploy *deploy, const struct deploy_function *f)
{
    return !deploy->only || strcmp(deploy->only, f->wanted->key) == 0 ||
           strcmp(deploy->only, f->wanted->name) == 0;
}

void deploy_changed(struct deploy *deploy, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    deploy->changes++;
    json_array_append_new(deploy->told, json_string(text));
    if (deploy->verbose) {
        terminal_notice("  %s", text);
    }
}

int deploy_build(struct deploy *deploy, struct err *err)
{
    return hooks_run(deploy->service, HOOK_BEFORE_PACKAGE, err);
}

// What changed and when, for rouse deploy list; the last HISTORY_MAX of them.
static void remember(struct deploy *deploy)
{
    json_t *history = json_object_get(deploy->next, "deployments");
    if (deploy->changes == 0) {
        return;
    }
    if (!json_is_array(history)) {
        history = json_array();
        json_put(deploy->next, "deployments", history);
    }
    while (json_array_size(history) >= HISTORY_MAX) {
        json_array_remove(history, 0);
    }
    json_t *row = json_object();
    json_put_int(row, "timestamp", clock_wall_ms());
    json_put(row, "changes", json_incref(deploy->told));
    json_array_append_new(history, row);
}

static int put_all(struct deploy *deploy, struct err *err)
{
    TRY(deploy_buckets(deploy, err));
    TRY(deploy_role(deploy, err));
    TRY(deploy_layers(deploy, err));
    TRY(deploy_functions(deploy, err));
    TRY(deploy_notifications(deploy, err));
    TRY(deploy_schedules(deploy, err));
    TRY(deploy_http(deploy, err));
    TRY(deploy_provision_end(deploy, err));
    TRY(deploy_prune(deploy, err));
    return deploy_layers_prune(deploy, err);
}

static int put_alone(struct deploy *deploy, struct err *err)
{
    if (deploy->configuration) {
        deploy_layers_known(deploy);
    } else {
        TRY(deploy_layers(deploy, err));
    }
    TRY(deploy_functions(deploy, err));
    return deploy->configuration ? 0 : deploy_layers_prune(deploy, err);
}

int deploy_put(struct deploy *deploy, struct err *err)
{
    if (!deploy->configuration) {
        terminal_status("Packaging");
        TRY(deploy_package(deploy, err));
    }
    TRY(hooks_run(deploy->service, HOOK_BEFORE_DEPLOY, err));
    deploy->next = json_deep_copy(deploy->state);
    json_put_str(deploy->next, "service", str_of(deploy->service->service));
    json_put_str(deploy->next, "stage", str_of(deploy->service->stage));
    json_put_str(deploy->next, "region", str_of(deploy->service->region));
    TRY(deploy->alone ? put_alone(deploy, err) : put_all(deploy, err));
    remember(deploy);
    if (!json_equal(deploy->state, deploy->next)) {
        TRY(project_state_put(&deploy->remote, deploy->service, deploy->next, err));
    }
    TRY(endpoints_fetch(&deploy->remote, deploy->service, &deploy->endpoints, err));
    return hooks_run(deploy->service, HOOK_AFTER_DEPLOY, err);
}

static void print_json(const struct deploy *deploy)
{
    static const char *const words[] = {"unchanged", "created", "updated"};
    CLEAN_JSON json_t *object = json_object();
    json_put_str(object, "service", str_of(deploy->service->service));
    json_put_str(object, "stage", str_of(deploy->service->stage));
    json_put_str(object, "region", str_of(deploy->service->region));
    json_put_bool(object, "changed", deploy->changes > 0);
    json_t *functions = json_object();
    for (size_t i = 0; i < deploy->count; i++) {
        const struct deploy_function *f = &deploy->functions[i];
        if (!deploy_wants(deploy, f)) {
            continue;
        }
        json_t *row = json_object();
        json_put_str(row, "name", str_of(f->wanted->name));
        json_put_str(row, "arn", str_of(f->arn));
        json_put_int(row, "codeSize", (int64_t)f->size);
        json_put_str(row, "action", str_of(words[f->action]));
        json_put(functions, f->wanted->key, row);
    }
    json_put(object, "functions", functions);
    json_put(object, "endpoints", json_incref(deploy->endpoints));
    if (deploy->service->ignored) {
        json_put_str(object, "ignored", str_of(deploy->service->ignored));
    }
    cli_print_json(object);
}

void deploy_print(const struct deploy *deploy, int64_t seconds)
{
    CLEAN_MEM char *stack = project_stack(deploy->service);
    const char *on = terminal_on(GREEN, false), *off = terminal_off(false);
    const char *dim = terminal_on(DIM, false);
    if (deploy->changes == 0) {
        printf("%s✔%s No changes to deploy. Deployment skipped. %s(%llds)%s\n", on, off, dim,
               (long long)seconds, off);
        return;
    }
    printf("%s✔%s Service deployed to stack %s %s(%llds)%s\n\n", on, off, stack, dim,
           (long long)seconds, off);
    endpoints_print(deploy->endpoints);
    printf("%sfunctions:%s\n", dim, off);
    for (size_t i = 0; i < deploy->count; i++) {
        const struct deploy_function *f = &deploy->functions[i];
        CLEAN(buf_done) struct buf size = BUF_INIT(64);
        size_add_human(&size, f->size);
        if (deploy_wants(deploy, f)) {
            printf("  %s: %s %s(%s)%s\n", f->wanted->key, f->wanted->name, dim, buf_text(&size),
                   off);
        }
    }
}

void deploy_done(struct deploy *deploy)
{
    for (size_t i = 0; i < deploy->count; i++) {
        free(deploy->functions[i].zip);
        free(deploy->functions[i].arn);
        free(deploy->functions[i].target);
        free(deploy->functions[i].target_arn);
        free(deploy->functions[i].dead_letter);
    }
    free(deploy->functions);
    for (size_t i = 0; i < deploy->layer_count; i++) {
        free(deploy->layers[i].zip);
        free(deploy->layers[i].arn);
        free(deploy->layers[i].old);
    }
    free(deploy->layers);
    json_decref(deploy->state);
    json_decref(deploy->told);
    json_decref(deploy->next);
    json_decref(deploy->endpoints);
    remote_done(&deploy->remote);
}

int deploy_prepare(const struct args *args, const struct serverless *service, struct deploy *ret,
                   struct err *err)
{
    *ret = (struct deploy){.args = args,
                           .service = service,
                           .count = service->function_count,
                           .layer_count = service->layer_count,
                           .only = args_get(args, "function"),
                           .force = args_has(args, "force"),
                           .verbose = args_has(args, "verbose"),
                           .told = json_array()};
    ret->functions = mem_alloc((ret->count + 1) * sizeof *ret->functions);
    for (size_t i = 0; i < ret->count; i++) {
        ret->functions[i].wanted = &service->functions[i];
    }
    ret->layers = mem_alloc((ret->layer_count + 1) * sizeof *ret->layers);
    for (size_t i = 0; i < ret->layer_count; i++) {
        ret->layers[i].wanted = &service->layers[i];
    }
    const struct serverless_function *only = NULL;
    return ret->only ? project_function(args, service, &only, err) : 0;
}

int deploy_begin(const struct args *args, const struct serverless *service, struct deploy *ret,
                 struct err *err)
{
    TRY(deploy_prepare(args, service, ret, err));
    ret->zips = args_get(args, "package");
    ret->packed = ret->zips != NULL;
    ret->configuration = args_has(args, "update-config");
    TRY(remote_find(args, service->region, &ret->remote, err));
    return project_state_get(&ret->remote, service, &ret->state, err);
}

void deploy_announce(const struct serverless *service)
{
    terminal_notice("Deploying %s to stage %s %s(%s)%s\n", service->service, service->stage,
                    terminal_on(DIM, true), service->region, terminal_off(true));
}

// What follows "rouse deploy": nothing, "function" or "list [functions]". *ret_list: the latter.
static int check_words(const struct args *args, bool *ret_list, struct err *err)
{
    static const char *const words[] = {"function", "list"};
    const char *word = args->rest_count ? args->rest[0] : NULL;
    *ret_list = word && strcmp(word, "list") == 0;
    if (word && !*ret_list && strcmp(word, "function") != 0) {
        const char *meant = nearest_word(str_of(word), words, ARRAY_SIZE(words));
        return err_set(err, ERR_INVALID, "there is no \"rouse deploy %s\"%s%s%s", word,
                       meant ? ", did you mean \"rouse deploy " : "", meant ? meant : "",
                       meant ? "\"?" : "; there are rouse deploy function and rouse deploy list");
    }
    if (args->rest_count > 1 && (!*ret_list || strcmp(args->rest[1], "functions") != 0)) {
        return err_set(err, ERR_INVALID, "one too many, %s: rouse deploy %s%s", args->rest[1], word,
                       *ret_list ? " [functions]" : " -f NAME");
    }
    if (word && !*ret_list && !args_has(args, "function")) {
        return err_set(err, ERR_INVALID, "-f NAME is missing: which function?");
    }
    if (args_has(args, "update-config") && (!word || *ret_list)) {
        return err_set(err, ERR_INVALID, "--update-config is of rouse deploy function");
    }
    return 0;
}

static int run(const struct args *args, struct err *err)
{
    int64_t began_us = clock_mono_us();
    CLEAN(serverless_free_clean) struct serverless *service = NULL;
    CLEAN(deploy_done) struct deploy deploy = {0};
    bool list = false;
    TRY(check_words(args, &list, err));
    if (list) {
        return deploy_list(args, err);
    }
    TRY(project_load(args, &service, err));
    hooks_warn(service);
    deploy_announce(service);
    TRY(deploy_begin(args, service, &deploy, err));
    deploy.alone = args->rest_count > 0;
    TRY(deploy.configuration ? 0 : deploy_build(&deploy, err));
    TRY(deploy_put(&deploy, err));
    terminal_clear();
    if (args_has(args, "json")) {
        print_json(&deploy);
    } else {
        deploy_print(&deploy, (clock_mono_us() - began_us + 500000) / 1000000);
    }
    return 0;
}

const struct verb verb_deploy = {
    .name = "deploy",
    .usage = "[function -f NAME | list [functions]] [--stage STAGE] [options]",
    .summary = "package the project of this folder and put it on the server",
    .details =
        "Reads serverless.yml. Creates what is not there, changes what differs, deletes functions "
        "that an earlier\ndeployment made and the file no longer has. Buckets are made, never "
        "deleted.\n\nrouse deploy function updates the code and configuration of one function "
        "that is there, and nothing beside\nthem; rouse deploy list tells what the last "
        "deployments changed, rouse deploy list functions which versions\nfunctions have.",
    .words = "function list",
    .options = options,
    .option_count = ARRAY_SIZE(options),
    .most = 2,
    .run = run,
};
