// SPDX-License-Identifier: Apache-2.0
// deploy's provisionedConcurrency: a version is published, the alias "provisioned" leads to it and has so
// many instances; what rouses the function then goes to the alias (deploy_function.target).
#include "cli/deploy.h"
#include "cli/lambda_api.h"
#include "base/mem.h"
#include "format/json.h"

static int pass(struct err *err, int rc, const struct err *told)
{
    return rc < 0 ? err_aws(err, rc, told->aws, "%s", told->text) : 0;
}

static json_t *row_of(const json_t *state, const struct deploy_function *f)
{
    return json_object_get(json_object_get(state, "functions"), f->wanted->key);
}

bool deploy_provisioned(const struct deploy *deploy, const struct deploy_function *f)
{
    return json_is_true(json_object_get(row_of(deploy->state, f), "provisioned"));
}

// The server answers with the last version when neither code nor configuration has changed since.
static int publish(struct deploy *deploy, struct deploy_function *f, json_t **ret, struct err *err)
{
    CLEAN_MEM char *path = remote_lambda_path("2015-03-31", f->wanted->name, "/versions");
    CLEAN_JSON json_t *body = json_object();
    return remote_lambda_call(&deploy->remote, "POST", path, body, ret, err);
}

// What is made is in the state before: a deployment that is cut off afterwards leaves nothing unknown.
static int make_alias(struct deploy *deploy, const char *function, const json_t *body,
                      struct err *err)
{
    CLEAN_MEM char *path = remote_lambda_path("2015-03-31", function, "/aliases");
    CLEAN_JSON json_t *reply = NULL;
    TRY(project_state_put(&deploy->remote, deploy->service, deploy->next, err));
    return remote_lambda_call(&deploy->remote, "POST", path, body, &reply, err);
}

static int lead(struct deploy *deploy, struct deploy_function *f, struct err *err)
{
    CLEAN_MEM char *path =
        remote_lambda_path("2015-03-31", f->wanted->name, "/aliases/" PROVISIONED_ALIAS);
    CLEAN_JSON json_t *version = NULL;
    CLEAN_JSON json_t *there = NULL;
    CLEAN_JSON json_t *reply = NULL;
    CLEAN_JSON json_t *body = json_object();
    struct err told = {0};
    TRY(publish(deploy, f, &version, err));
    struct str number = json_str(json_object_get(version, "Version"));
    int rc = remote_lambda_call(&deploy->remote, "GET", path, NULL, &there, &told);
    TRY(rc == ERR_NOT_FOUND ? 0 : pass(err, rc, &told));
    if (rc >= 0 && str_eq(json_str(json_object_get(there, "FunctionVersion")), number)) {
        return 0;
    }
    f->action = f->action == DEPLOY_SAME ? DEPLOY_UPDATED : f->action;
    deploy_changed(deploy, "set alias %s to version " STR_FMT, f->target, STR_ARG(number));
    json_put_str(body, "FunctionVersion", number);
    if (rc >= 0) {
        return remote_lambda_call(&deploy->remote, "PUT", path, body, &reply, err);
    }
    json_put_str(body, "Name", STR(PROVISIONED_ALIAS));
    return make_alias(deploy, f->wanted->name, body, err);
}

static int put_count(struct deploy *deploy, struct deploy_function *f, const char *target,
                     struct err *err)
{
    CLEAN_MEM char *path = remote_lambda_path("2019-09-30", target, "/provisioned-concurrency");
    CLEAN_JSON json_t *body = json_object();
    CLEAN_JSON json_t *reply = NULL;
    int64_t count = f->wanted->provisioned_concurrency;
    f->action = f->action == DEPLOY_SAME ? DEPLOY_UPDATED : f->action;
    deploy_changed(deploy, "%s the provisioned concurrency of %s", count ? "set" : "removed",
                   f->wanted->name);
    if (count == 0) {
        return remote_lambda_call(&deploy->remote, "DELETE", path, NULL, &reply, err);
    }
    json_put_int(body, "ProvisionedConcurrentExecutions", count);
    return remote_lambda_call(&deploy->remote, "PUT", path, body, &reply, err);
}

static int64_t count_of(const json_t *config)
{
    return json_integer_value(json_object_get(config, "RequestedProvisionedConcurrentExecutions"));
}

int deploy_provision(struct deploy *deploy, struct deploy_function *f, struct err *err)
{
    CLEAN_JSON json_t *there = NULL;
    if (!f->provisioned) {
        return 0;
    }
    TRY(lead(deploy, f, err));
    TRY(remote_lambda_provisioned(&deploy->remote, f->target, &there, err));
    bool failed = str_eq(json_str(json_object_get(there, "Status")), STR("FAILED"));
    if (failed || count_of(there) != f->wanted->provisioned_concurrency) {
        TRY(put_count(deploy, f, f->target, err));
    }
    terminal_glimpse("Starting instances of %s", f->target);
    return remote_lambda_wait_provisioned(&deploy->remote, f->target, err) < 0
               ? err_prefix(err, "provisionedConcurrency")
               : 0;
}

int deploy_provision_lower(struct deploy *deploy, struct deploy_function *f, struct err *err)
{
    CLEAN_MEM char *target = project_target(f->wanted, /* provisioned */ true);
    CLEAN_JSON json_t *there = NULL;
    if (deploy->alone || !deploy_provisioned(deploy, f)) {
        return 0;
    }
    TRY(remote_lambda_provisioned(&deploy->remote, target, &there, err));
    return count_of(there) > f->wanted->provisioned_concurrency ? put_count(deploy, f, target, err)
                                                                : 0;
}

int deploy_provision_end(struct deploy *deploy, struct err *err)
{
    for (size_t i = 0; i < deploy->count; i++) {
        struct deploy_function *f = &deploy->functions[i];
        if (!deploy_wants(deploy, f) || f->provisioned || !deploy_provisioned(deploy, f)) {
            continue;
        }
        CLEAN_MEM char *path =
            remote_lambda_path("2015-03-31", f->wanted->name, "/aliases/" PROVISIONED_ALIAS);
        CLEAN_JSON json_t *reply = NULL;
        deploy_changed(deploy, "removed alias %s:" PROVISIONED_ALIAS, f->wanted->name);
        TRY(remote_lambda_call(&deploy->remote, "DELETE", path, NULL, &reply, err));
        json_object_del(row_of(deploy->next, f), "provisioned");
    }
    return 0;
}
