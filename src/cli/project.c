// SPDX-License-Identifier: Apache-2.0
// Finds and loads the project of this folder for deploy, info, invoke, logs and remove.
#include "cli/project.h"
#include "cli/s3_api.h"
#include "config/quantity.h"
#include "format/json.h"
#include "base/mem.h"

#include <unistd.h>

#define PARAMS_MAX     64
#define NAMES_MAX      256 // that are looked at for a suggestion
#define ROLE_SIZE_MAX  64
#define STATE_SIZE_MAX (4 * 1024 * 1024)
#define BUCKET_SUFFIX  "-serverlessdeploymentbucket"

static int load(const struct args *args, struct serverless **ret, struct err *err)
{
    const char *params[PARAMS_MAX];
    struct serverless_options options = {.path = args_get(args, "config"),
                                         .stage = args_get(args, "stage"),
                                         .region = args_get(args, "region"),
                                         .params = params};
    for (const char *param; options.param_count < PARAMS_MAX &&
                            (param = args_at(args, "param", options.param_count));) {
        if (!strchr(param, '=')) {
            return err_set(err, ERR_INVALID, "--param %s: is not of the form KEY=VALUE", param);
        }
        params[options.param_count++] = param;
    }
    return serverless_load(&options, ret, err);
}

void project_warn(const struct serverless *service)
{
    if (service->unknown) {
        terminal_warning("%s", service->unknown);
    }
    if (service->ignored) {
        terminal_warning("valid but not honoured yet: %s", service->ignored);
    }
}

int project_load(const struct args *args, struct serverless **ret, struct err *err)
{
    TRY(load(args, ret, err));
    project_warn(*ret);
    return 0;
}

int project_find(const struct args *args, struct serverless **ret, struct err *err)
{
    bool there = args_has(args, "config") || access("serverless.yml", F_OK) == 0 ||
                 access("serverless.yaml", F_OK) == 0 || access("serverless.json", F_OK) == 0;
    *ret = NULL;
    return there ? load(args, ret, err) : 0;
}

int project_function(const struct args *args, const struct serverless *service,
                     const struct serverless_function **ret, struct err *err)
{
    const char *wanted = args_get(args, "function");
    const char *names[NAMES_MAX];
    size_t count = 0;
    if (!wanted) {
        return err_set(err, ERR_INVALID, "-f NAME is missing: which function?");
    }
    *ret = serverless_function(service, str_of(wanted));
    for (; count < service->function_count && count < NAMES_MAX; count++) {
        names[count] = service->functions[count].key;
    }
    const char *meant = *ret ? NULL : nearest_word(str_of(wanted), names, count);
    return *ret ? 0
                : err_set(err, ERR_NOT_FOUND, "%s has no function \"%s\"%s%s%s", service->path,
                          wanted, meant ? ", did you mean \"" : "", meant ? meant : "",
                          meant ? "\"?" : "");
}

int project_function_name(const struct args *args, char **ret_name, char **ret_region,
                          struct err *err)
{
    const char *wanted = args_get(args, "function");
    CLEAN(serverless_free_clean) struct serverless *service = NULL;
    if (!wanted) {
        return err_set(err, ERR_INVALID, "-f NAME is missing: which function?");
    }
    TRY(project_find(args, &service, err));
    const struct serverless_function *f =
        service ? serverless_function(service, str_of(wanted)) : NULL;
    const char *region = args_get(args, "region");
    *ret_name = mem_dup(f ? f->name : wanted);
    *ret_region = mem_dup(service ? service->region : region);
    return 0;
}

char *project_stack(const struct serverless *service)
{
    return mem_printf("%s-%s", service->service, service->stage);
}

char *project_role(const struct serverless *service)
{
    CLEAN_MEM char *name =
        mem_printf("%s-%s-%s-lambdaRole", service->service, service->stage, service->region);
    return mem_dup_n(name, strnlen(name, ROLE_SIZE_MAX));
}

char *project_policy(const struct serverless *service)
{
    return mem_printf("%s-%s-lambda", service->service, service->stage);
}

char *project_state_bucket(const struct serverless *service)
{
    if (service->deployment_bucket) {
        return mem_dup(service->deployment_bucket);
    }
    CLEAN_MEM char *stack = project_stack(service);
    size_t room = 63 - (sizeof BUCKET_SUFFIX - 1); // a bucket's name has 63 characters at most
    char *name = mem_printf("%.*s" BUCKET_SUFFIX, (int)room, stack);
    for (char *c = name; *c; c++) {
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + ('a' - 'A')) : *c;
    }
    return name;
}

char *project_target(const struct serverless_function *f, bool provisioned)
{
    return provisioned ? mem_printf("%s:" PROVISIONED_ALIAS, f->name) : mem_dup(f->name);
}

char *project_state_key(const struct serverless *service)
{
    return mem_printf("serverless/%s/%s/rouse-state.json", service->service, service->stage);
}

int project_state_get(struct remote *remote, const struct serverless *service, json_t **ret,
                      struct err *err)
{
    CLEAN_MEM char *bucket = project_state_bucket(service);
    CLEAN_MEM char *key = project_state_key(service);
    CLEAN(buf_done) struct buf text = BUF_INIT(STATE_SIZE_MAX);
    int rc = remote_s3_get(remote, bucket, key, &text, err);
    if (rc <= 0) {
        *ret = rc == 0 ? json_object() : NULL;
        return rc;
    }
    rc = json_parse_object(buf_str(&text), ret, err);
    return rc < 0 ? err_prefix(err, "s3://%s/%s", bucket, key) : 0;
}

int project_state_put(struct remote *remote, const struct serverless *service, const json_t *state,
                      struct err *err)
{
    CLEAN_MEM char *bucket = project_state_bucket(service);
    CLEAN_MEM char *key = project_state_key(service);
    CLEAN(buf_done) struct buf text = BUF_INIT(STATE_SIZE_MAX);
    json_write_indented(state, &text);
    return remote_s3_put(remote, bucket, key, buf_str(&text), err);
}
