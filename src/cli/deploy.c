// SPDX-License-Identifier: Apache-2.0
// rouse deploy: package, buckets, role, functions, notifications, in this order, so that an event never finds
// a function that is not there. The steps are deploy_package.c, deploy_role.c,
// deploy_function.c, deploy_events.c and deploy_http.c.
#include "cli/deploy.h"
#include "cli/http_api.h"
#include "cli/hooks.h"
#include "config/quantity.h"
#include "format/json.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdarg.h>

static const struct option options[] = {
    SERVICE_OPTIONS,
    {"function", 'f', "NAME", "only this function"},
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
    if (deploy->verbose) {
        terminal_notice("  %s", text);
    }
}

int deploy_build(struct deploy *deploy, struct err *err)
{
    return hooks_run(deploy->service, HOOK_BEFORE_PACKAGE, err);
}

int deploy_put(struct deploy *deploy, struct err *err)
{
    terminal_status("Packaging");
    TRY(deploy_package(deploy, err));
    TRY(hooks_run(deploy->service, HOOK_BEFORE_DEPLOY, err));
    deploy->next = json_deep_copy(deploy->state);
    json_put_str(deploy->next, "service", str_of(deploy->service->service));
    json_put_str(deploy->next, "stage", str_of(deploy->service->stage));
    json_put_str(deploy->next, "region", str_of(deploy->service->region));
    TRY(deploy_buckets(deploy, err));
    TRY(deploy_role(deploy, err));
    TRY(deploy_layers(deploy, err));
    TRY(deploy_functions(deploy, err));
    TRY(deploy_notifications(deploy, err));
    TRY(deploy_http(deploy, err));
    TRY(deploy_prune(deploy, err));
    TRY(deploy_layers_prune(deploy, err));
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
    }
    free(deploy->functions);
    for (size_t i = 0; i < deploy->layer_count; i++) {
        free(deploy->layers[i].zip);
        free(deploy->layers[i].arn);
        free(deploy->layers[i].old);
    }
    free(deploy->layers);
    json_decref(deploy->state);
    json_decref(deploy->next);
    json_decref(deploy->endpoints);
    remote_done(&deploy->remote);
}

int deploy_begin(const struct args *args, const struct serverless *service, struct deploy *ret,
                 struct err *err)
{
    *ret = (struct deploy){.args = args,
                           .service = service,
                           .count = service->function_count,
                           .layer_count = service->layer_count,
                           .only = args_get(args, "function"),
                           .force = args_has(args, "force"),
                           .verbose = args_has(args, "verbose")};
    ret->functions = mem_alloc((ret->count + 1) * sizeof *ret->functions);
    for (size_t i = 0; i < ret->count; i++) {
        ret->functions[i].wanted = &service->functions[i];
    }
    ret->layers = mem_alloc((ret->layer_count + 1) * sizeof *ret->layers);
    for (size_t i = 0; i < ret->layer_count; i++) {
        ret->layers[i].wanted = &service->layers[i];
    }
    const struct serverless_function *only = NULL;
    TRY(ret->only ? project_function(args, service, &only, err) : 0);
    TRY(remote_find(args, service->region, &ret->remote, err));
    return project_state_get(&ret->remote, service, &ret->state, err);
}

void deploy_announce(const struct serverless *service)
{
    terminal_notice("Deploying %s to stage %s %s(%s)%s\n", service->service, service->stage,
                    terminal_on(DIM, true), service->region, terminal_off(true));
}

static int run(const struct args *args, struct err *err)
{
    int64_t began_us = clock_mono_us();
    CLEAN(serverless_free_clean) struct serverless *service = NULL;
    CLEAN(deploy_done) struct deploy deploy = {0};
    TRY(project_load(args, &service, err));
    hooks_warn(service);
    deploy_announce(service);
    TRY(deploy_begin(args, service, &deploy, err));
    TRY(deploy_build(&deploy, err));
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
    .usage = "[--stage STAGE] [--function NAME] [options]",
    .summary = "package the project of this folder and put it on the server",
    .details =
        "Reads serverless.yml. Creates what is not there, changes what differs, deletes functions "
        "that an earlier\ndeployment made and the file no longer has. Buckets are made, never "
        "deleted.",
    .options = options,
    .option_count = ARRAY_SIZE(options),
    .run = run,
};
