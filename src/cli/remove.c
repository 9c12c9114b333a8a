// SPDX-License-Identifier: Apache-2.0
// rouse remove: takes a deployment away: APIs and notifications first, so that nothing rouses what is going, then
// functions, then the bucket of packages. Buckets with people's objects stay.
#include "cli/deploy.h"
#include "cli/iam_api.h"
#include "cli/lambda_api.h"
#include "cli/s3_api.h"
#include "base/clock.h"
#include "base/mem.h"
#include "format/json.h"

static const struct option options[] = {
    SERVICE_OPTIONS,
    REMOTE_OPTIONS,
};

// What the last deployment says it made, and what the file names, whichever is more.
static void names_of(const struct serverless *service, const json_t *state, json_t *names,
                     json_t *buckets)
{
    const char *key;
    json_t *one;
    size_t i;
    json_object_foreach(json_object_get(state, "functions"), key, one)
    {
        json_array_append(names, json_object_get(one, "name"));
    }
    json_array_foreach(json_object_get(state, "notified"), i, one)
    {
        json_array_append(buckets, one);
    }
    for (i = 0; i < service->function_count; i++) {
        const struct serverless_function *f = &service->functions[i];
        json_array_append_new(names, json_string(f->name));
        for (size_t j = 0; j < f->bucket_count; j++) {
            json_array_append_new(buckets, json_string(f->buckets[j].bucket));
        }
    }
}

// 1 when it was there.
static int delete_function(struct remote *remote, const char *name, struct err *err)
{
    CLEAN_MEM char *path = remote_lambda_path("2015-03-31", name, "");
    CLEAN_JSON json_t *reply = NULL;
    struct err told = {0};
    int rc = remote_lambda_call(remote, "DELETE", path, NULL, &reply, &told);
    if (rc == ERR_NOT_FOUND) {
        return 0;
    }
    return rc < 0 ? err_aws(err, rc, told.aws, "%s", told.text) : 1;
}

struct emptying {
    struct remote *remote;
    const char *bucket;
};

static int delete_entry(void *ctx, const struct s3_entry *entry, struct err *err)
{
    const struct emptying *emptying = ctx;
    CLEAN_MEM char *key = str_dup(entry->key);
    return remote_s3_delete(emptying->remote, emptying->bucket, key, err);
}

// Our own bucket only when nobody named it: it holds packages and the state of this service and stage.
static int delete_state(struct remote *remote, const struct serverless *service, struct err *err)
{
    CLEAN_MEM char *bucket = project_state_bucket(service);
    CLEAN_MEM char *prefix = mem_printf("serverless/%s/%s/", service->service, service->stage);
    struct emptying emptying = {.remote = remote, .bucket = bucket};
    int rc = remote_s3_bucket_find(remote, bucket, err);
    if (rc <= 0) {
        return rc;
    }
    TRY(remote_s3_list(remote, bucket, prefix, NULL, delete_entry, &emptying, err));
    return service->deployment_bucket ? 0 : remote_s3_bucket_delete(remote, bucket, err);
}

static int take_away(const struct serverless *service, struct remote *remote, json_t *ret_removed,
                     struct err *err)
{
    CLEAN_JSON json_t *state = NULL;
    CLEAN_JSON json_t *names = json_array();
    CLEAN_JSON json_t *buckets = json_array();
    size_t i;
    json_t *one;
    TRY(project_state_get(remote, service, &state, err));
    names_of(service, state, names, buckets);
    TRY(schedules_remove(remote, state, err));
    TRY(http_remove(remote, service, err));
    json_array_foreach(buckets, i, one)
    {
        TRY(notifications_remove(remote, json_string_value(one), names, err));
    }
    json_array_foreach(names, i, one)
    {
        if (!json_is_string(one)) {
            continue;
        }
        terminal_glimpse("Removing %s", json_string_value(one));
        int rc = delete_function(remote, json_string_value(one), err);
        TRY(rc);
        if (rc) {
            json_array_append(ret_removed, one);
        }
    }
    TRY(layers_remove(remote, state, err));
    return delete_state(remote, service, err);
}

static int delete_role(const struct serverless *service, struct remote *remote, struct err *err)
{
    CLEAN_MEM char *role = project_role(service);
    CLEAN_MEM char *policy = project_policy(service);
    return remote_iam_role_delete(remote, role, policy, err);
}

static int run(const struct args *args, struct err *err)
{
    int64_t began_us = clock_mono_us();
    CLEAN(serverless_free_clean) struct serverless *service = NULL;
    CLEAN(remote_done) struct remote remote = {0};
    CLEAN_JSON json_t *object = json_object();
    json_t *removed = json_array();
    json_put(object, "removed", removed);
    TRY(project_find(args, &service, err));
    if (!service) {
        return err_set(err, ERR_NOT_FOUND, "there is no serverless.yml in this folder");
    }
    TRY(remote_find(args, service->region, &remote, err));
    terminal_notice("Removing %s from stage %s %s(%s)%s\n", service->service, service->stage,
                    terminal_on(DIM, true), service->region, terminal_off(true));
    TRY(take_away(service, &remote, removed, err));
    TRY(delete_role(service, &remote, err));
    terminal_clear();
    if (args_has(args, "json")) {
        cli_print_json(object);
        return 0;
    }
    printf("%s✔%s Service %s has been successfully removed %s(%llds)%s\n",
           terminal_on(GREEN, false), terminal_off(false), service->service,
           terminal_on(DIM, false), (long long)((clock_mono_us() - began_us + 500000) / 1000000),
           terminal_off(false));
    return 0;
}

const struct verb verb_remove = {
    .name = "remove",
    .usage = "[--stage STAGE] [options]",
    .summary = "take the project's functions and events away",
    .details = "Buckets and what is in them stay, but for the one that held the packages.",
    .options = options,
    .option_count = ARRAY_SIZE(options),
    .run = run,
};
