// SPDX-License-Identifier: Apache-2.0
// deploy's function URLs and APIs: what serverless.yml wants is compared with what is there, and only
// the difference is changed. One API for all httpApi events and one for all http events; in each, one
// integration a function.
#include "cli/deploy.h"
#include "cli/http_api.h"
#include "cli/lambda_api.h"
#include "format/arn.h"
#include "format/json.h"
#include "base/mem.h"

#define URL_STATEMENT "FunctionURLAllowPublicAccess" // as AWS's own tools call it

static int pass(struct err *err, int rc, const struct err *told)
{
    return rc < 0 ? err_aws(err, rc, told->aws, "%s", told->text) : 0;
}

// ---- permissions

static int allow(struct remote *remote, const char *function, const char *id, const json_t *body,
                 struct err *err)
{
    CLEAN_MEM char *path = remote_lambda_path("2015-03-31", function, "/policy");
    CLEAN_JSON json_t *statement = json_copy((json_t *)(uintptr_t)body);
    CLEAN_JSON json_t *reply = NULL;
    struct err told = {0};
    json_put_str(statement, "StatementId", str_of(id));
    int rc = remote_lambda_call(remote, "POST", path, statement, &reply, &told);
    return rc == ERR_EXISTS ? 0 : pass(err, rc, &told);
}

static int disallow(struct remote *remote, const char *function, const char *id, struct err *err)
{
    CLEAN_MEM char *rest = mem_printf("/policy/%s", id);
    CLEAN_MEM char *path = remote_lambda_path("2015-03-31", function, rest);
    CLEAN_JSON json_t *reply = NULL;
    struct err told = {0};
    int rc = remote_lambda_call(remote, "DELETE", path, NULL, &reply, &told);
    return rc == ERR_NOT_FOUND ? 0 : pass(err, rc, &told);
}

// ---- function URLs

static int url_allow(struct deploy *deploy, const struct deploy_function *f, struct err *err)
{
    CLEAN_JSON json_t *body = json_object();
    json_put_str(body, "Action", STR("lambda:InvokeFunctionUrl"));
    json_put_str(body, "Principal", STR("*"));
    json_put_str(body, "FunctionUrlAuthType", STR("NONE"));
    return f->wanted->url.iam ? disallow(&deploy->remote, f->target, URL_STATEMENT, err)
                              : allow(&deploy->remote, f->target, URL_STATEMENT, body, err);
}

static json_t *url_wanted(const struct deploy_function *f)
{
    const struct serverless_url *url = &f->wanted->url;
    json_t *config = json_object();
    json_put_str(config, "AuthType", url->iam ? STR("AWS_IAM") : STR("NONE"));
    json_put_str(config, "InvokeMode", str_of(url->mode));
    json_put(config, "Cors", url->cors ? json_incref(url->cors) : json_object());
    return config;
}

static bool url_same(const json_t *there, const json_t *wanted)
{
    const json_t *cors = json_object_get(there, "Cors"), *want = json_object_get(wanted, "Cors");
    return json_equal(json_object_get(there, "AuthType"), json_object_get(wanted, "AuthType")) &&
           json_equal(json_object_get(there, "InvokeMode"),
                      json_object_get(wanted, "InvokeMode")) &&
           (cors ? json_equal(cors, want) : json_object_size(want) == 0);
}

static int url_set(struct deploy *deploy, struct deploy_function *f, struct err *err)
{
    CLEAN_MEM char *path = remote_lambda_path("2021-10-31", f->target, "/url");
    CLEAN_JSON json_t *wanted = url_wanted(f);
    CLEAN_JSON json_t *there = NULL;
    CLEAN_JSON json_t *reply = NULL;
    int rc = remote_url_get(&deploy->remote, f->target, &there, err);
    TRY(rc);
    if (rc == 1 && url_same(there, wanted)) {
        return url_allow(deploy, f, err);
    }
    terminal_status("Setting the URL of %s", f->wanted->name);
    deploy_changed(deploy, "set the URL of %s", f->wanted->name);
    if (!rc && json_object_size(json_object_get(wanted, "Cors")) == 0) {
        json_object_del(wanted, "Cors");
    }
    TRY(remote_lambda_call(&deploy->remote, rc ? "PUT" : "POST", path, wanted, &reply, err));
    return url_allow(deploy, f, err);
}

static int url_remove(struct deploy *deploy, const char *function, struct err *err)
{
    CLEAN_MEM char *path = remote_lambda_path("2021-10-31", function, "/url");
    CLEAN_JSON json_t *reply = NULL;
    struct err told = {0};
    int rc = remote_lambda_call(&deploy->remote, "DELETE", path, NULL, &reply, &told);
    if (rc == ERR_NOT_FOUND) {
        return 0;
    }
    TRY(pass(err, rc, &told));
    deploy_changed(deploy, "removed the URL of %s", function);
    return disallow(&deploy->remote, function, URL_STATEMENT, err);
}

// Whether what a URL was made for, a function or its alias, is to have one now.
static bool url_stays(const struct deploy *deploy, const char *target)
{
    for (size_t i = 0; i < deploy->count; i++) {
        const struct deploy_function *f = &deploy->functions[i];
        if (f->target && strcmp(f->target, target) == 0) {
            return f->wanted->url.wanted;
        }
    }
    return false;
}

// deploy->state has {"urls": [targets]}: those that a deployment made. Others are left alone.
static int deploy_urls(struct deploy *deploy, struct err *err)
{
    CLEAN_JSON json_t *made = json_array();
    json_t *before = json_object_get(deploy->state, "urls"), *name = NULL;
    size_t at = 0;
    json_array_foreach(before, at, name)
    {
        struct str of = json_str(name);
        const struct serverless_function *f =
            serverless_function(deploy->service, str_cut(&of, ':'));
        bool wanted = json_is_string(name) && url_stays(deploy, json_string_value(name));
        bool looked_at =
            !deploy->only ||
            (f && (strcmp(deploy->only, f->key) == 0 || strcmp(deploy->only, f->name) == 0));
        if (!wanted && looked_at && json_is_string(name)) {
            TRY(url_remove(deploy, json_string_value(name), err));
        } else if (!wanted || !looked_at) {
            json_array_append(made, name);
        }
    }
    for (size_t i = 0; i < deploy->count; i++) {
        struct deploy_function *f = &deploy->functions[i];
        if (f->wanted->url.wanted && deploy_wants(deploy, f)) {
            TRY(url_set(deploy, f, err));
            json_array_append_new(made, json_string(f->target));
        }
    }
    if (json_array_size(made) || before) {
        json_put(deploy->next, "urls", json_incref(made));
    }
    return 0;
}

// ---- an API

struct api_deploy {
    struct deploy *deploy;
    enum serverless_api_kind kind;
    const struct serverless_api *wanted;
    json_t *api, *integrations, *routes; // what is there; references
    char *id, *statement;                // of the permissions for it
};

static void api_done(struct api_deploy *a)
{
    json_decref(a->api);
    json_decref(a->integrations);
    json_decref(a->routes);
    free(a->id);
    free(a->statement);
}

static char *api_path(const struct api_deploy *a, const char *rest)
{
    return mem_printf("/v2/apis/%s%s", a->id, rest);
}

static const char *stage_name(const struct api_deploy *a)
{
    return a->kind == SERVERLESS_REST_API ? a->deploy->service->stage : "$default";
}

static json_t *api_body(const struct api_deploy *a)
{
    json_t *body = json_object();
    json_put_str(body, "name", str_of(a->wanted->name));
    json_put_bool(body, "disableExecuteApiEndpoint", a->wanted->endpoint_off);
    if (a->wanted->cors) {
        json_put(body, "corsConfiguration", json_incref(a->wanted->cors));
    }
    return body;
}

static int api_create(struct api_deploy *a, struct err *err)
{
    CLEAN_JSON json_t *body = api_body(a);
    json_put_str(body, "protocolType", STR("HTTP"));
    json_put(body, "tags", remote_api_tags(a->deploy->service, a->kind));
    terminal_status("Creating API %s", a->wanted->name);
    TRY(remote_api_call(&a->deploy->remote, "POST", "/v2/apis", body, &a->api, err));
    deploy_changed(a->deploy, "created API %s", a->wanted->name);
    return 0;
}

static int api_update(struct api_deploy *a, struct err *err)
{
    CLEAN_JSON json_t *body = api_body(a);
    CLEAN_JSON json_t *reply = NULL;
    CLEAN_MEM char *path = api_path(a, "");
    CLEAN_MEM char *cors_path = api_path(a, "/cors");
    const char *member = NULL;
    json_t *value = NULL;
    bool same = true;
    json_object_foreach(body, member, value)
    {
        same = same && json_equal(json_object_get(a->api, member), value);
    }
    if (!same) {
        deploy_changed(a->deploy, "changed API %s", a->wanted->name);
        TRY(remote_api_call(&a->deploy->remote, "PATCH", path, body, &reply, err));
    }
    if (!a->wanted->cors && json_object_get(a->api, "corsConfiguration")) {
        CLEAN_JSON json_t *nothing = NULL;
        deploy_changed(a->deploy, "removed CORS from API %s", a->wanted->name);
        TRY(remote_api_call(&a->deploy->remote, "DELETE", cors_path, NULL, &nothing, err));
    }
    return 0;
}

static int api_stage(struct api_deploy *a, struct err *err)
{
    CLEAN_MEM char *path = api_path(a, "/stages");
    CLEAN_JSON json_t *stages = NULL;
    CLEAN_JSON json_t *body = json_object();
    CLEAN_JSON json_t *reply = NULL;
    size_t i = 0;
    json_t *stage = NULL;
    TRY(remote_api_list(&a->deploy->remote, path, &stages, err));
    json_array_foreach(stages, i, stage)
    {
        if (str_eq(json_str(json_object_get(stage, "stageName")), str_of(stage_name(a)))) {
            return 0;
        }
    }
    json_put_str(body, "stageName", str_of(stage_name(a)));
    json_put_bool(body, "autoDeploy", true);
    deploy_changed(a->deploy, "created stage %s", stage_name(a));
    return remote_api_call(&a->deploy->remote, "POST", path, body, &reply, err);
}

// The API's id, and what it has; it is made when it is not there and `make` says so. 1: it is there.
static int api_open(struct api_deploy *a, bool make, struct err *err)
{
    struct remote *remote = &a->deploy->remote;
    int there = remote_api_find(remote, a->deploy->service, a->kind, &a->api, err);
    TRY(there);
    if (!there && !make) {
        return 0;
    }
    TRY(there ? 0 : api_create(a, err));
    a->id = str_dup(json_str(json_object_get(a->api, "apiId")));
    a->statement = mem_printf("api-%s", a->id);
    CLEAN_MEM char *integrations = api_path(a, "/integrations");
    CLEAN_MEM char *routes = api_path(a, "/routes");
    TRY(there && make ? api_update(a, err) : 0);
    TRY(make ? api_stage(a, err) : 0);
    TRY(remote_api_list(remote, integrations, &a->integrations, err));
    TRY(remote_api_list(remote, routes, &a->routes, err));
    return 1;
}

// ---- its integrations and routes

static const json_t *find(const json_t *list, const char *member, struct str value)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        if (str_eq(json_str(json_object_get(item, member)), value)) {
            return item;
        }
    }
    return NULL;
}

// "integrations/ID" of the function's. Heap.
static int integration_of(struct api_deploy *a, const struct deploy_function *f,
                          const char *payload, char **ret, struct err *err)
{
    struct remote *remote = &a->deploy->remote;
    CLEAN_MEM char *path = api_path(a, "/integrations");
    size_t i = 0;
    json_t *there = NULL, *made = NULL;
    json_array_foreach(a->integrations, i, there)
    {
        if (str_eq(json_str(json_object_get(there, "integrationUri")), str_of(f->target_arn)) &&
            str_eq(json_str(json_object_get(there, "payloadFormatVersion")), str_of(payload))) {
            *ret = mem_printf("integrations/%s",
                              json_string_value(json_object_get(there, "integrationId")));
            return 0;
        }
    }
    CLEAN_JSON json_t *body = json_object();
    json_put_str(body, "integrationType", STR("AWS_PROXY"));
    json_put_str(body, "integrationUri", str_of(f->target_arn));
    json_put_str(body, "payloadFormatVersion", str_of(payload));
    TRY(remote_api_call(remote, "POST", path, body, &made, err));
    json_array_append_new(a->integrations, made);
    *ret = mem_printf("integrations/%s", json_string_value(json_object_get(made, "integrationId")));
    return 0;
}

static int route_set(struct api_deploy *a, const struct serverless_route *route, const char *target,
                     struct err *err)
{
    CLEAN_JSON json_t *body = json_object();
    CLEAN_JSON json_t *reply = NULL;
    const json_t *there = find(a->routes, "routeKey", str_of(route->key));
    json_put_str(body, "routeKey", str_of(route->key));
    json_put_str(body, "target", str_of(target));
    json_put_str(body, "authorizationType", route->iam ? STR("AWS_IAM") : STR("NONE"));
    if (there && json_equal(json_object_get(there, "target"), json_object_get(body, "target")) &&
        json_equal(json_object_get(there, "authorizationType"),
                   json_object_get(body, "authorizationType"))) {
        return 0;
    }
    CLEAN_MEM char *rest =
        there ? mem_printf("/routes/%s", json_string_value(json_object_get(there, "routeId")))
              : mem_dup("/routes");
    CLEAN_MEM char *path = api_path(a, rest);
    terminal_status("Setting route %s", route->key);
    deploy_changed(a->deploy, "set route %s", route->key);
    return remote_api_call(&a->deploy->remote, there ? "PATCH" : "POST", path, body, &reply, err);
}

static int api_allow(struct api_deploy *a, const struct deploy_function *f, struct err *err)
{
    CLEAN_JSON json_t *body = json_object();
    CLEAN_MEM char *source = mem_printf("arn:aws:execute-api:%s:" ARN_ACCOUNT ":%s/*",
                                        a->deploy->service->region, a->id);
    json_put_str(body, "Action", STR("lambda:InvokeFunction"));
    json_put_str(body, "Principal", STR("apigateway.amazonaws.com"));
    json_put_str(body, "SourceArn", str_of(source));
    return allow(&a->deploy->remote, f->target, a->statement, body, err);
}

static int function_routes(struct api_deploy *a, const struct deploy_function *f, struct err *err)
{
    bool any = false;
    for (size_t i = 0; i < f->wanted->route_count; i++) {
        const struct serverless_route *route = &f->wanted->routes[i];
        CLEAN_MEM char *target = NULL;
        if (route->api == a->kind) {
            TRY(any ? 0 : api_allow(a, f, err));
            TRY(integration_of(a, f, route->payload, &target, err));
            TRY(route_set(a, route, target, err));
            any = true;
        }
    }
    return 0;
}

static bool route_wanted(const struct api_deploy *a, struct str key)
{
    for (size_t i = 0; i < a->deploy->count; i++) {
        const struct serverless_function *f = a->deploy->functions[i].wanted;
        for (size_t j = 0; j < f->route_count; j++) {
            if (f->routes[j].api == a->kind && str_eq(str_of(f->routes[j].key), key)) {
                return true;
            }
        }
    }
    return false;
}

static int delete_part(struct api_deploy *a, const char *collection, const json_t *id,
                       struct err *err)
{
    CLEAN_MEM char *rest = mem_printf("/%s/%s", collection, json_string_value(id));
    CLEAN_MEM char *path = api_path(a, rest);
    CLEAN_JSON json_t *reply = NULL;
    struct err told = {0};
    int rc = remote_api_call(&a->deploy->remote, "DELETE", path, NULL, &reply, &told);
    return rc == ERR_NOT_FOUND ? 0 : pass(err, rc, &told);
}

static int drop_routes(struct api_deploy *a, struct err *err)
{
    size_t i = 0;
    json_t *route = NULL;
    json_array_foreach(a->routes, i, route)
    {
        struct str key = json_str(json_object_get(route, "routeKey"));
        if (!route_wanted(a, key)) {
            TRY(delete_part(a, "routes", json_object_get(route, "routeId"), err));
            deploy_changed(a->deploy, "removed route " STR_FMT, STR_ARG(key));
        }
    }
    return 0;
}

// Integrations that no route needs any more, and the permissions of functions that have none left.
static int drop_integrations(struct api_deploy *a, struct err *err)
{
    CLEAN_MEM char *path = api_path(a, "/routes");
    CLEAN_JSON json_t *routes = NULL;
    size_t i = 0;
    json_t *one = NULL;
    CLEAN_JSON json_t *kept = json_object();
    TRY(remote_api_list(&a->deploy->remote, path, &routes, err));
    for (int turn = 0; turn < 2; turn++) { // first who keeps one is found out
        json_array_foreach(a->integrations, i, one)
        {
            const json_t *id = json_object_get(one, "integrationId");
            CLEAN_MEM char *target = mem_printf("integrations/%s", json_string_value(id));
            CLEAN_MEM char *function = str_dup(remote_api_function(one));
            bool needed = find(routes, "target", str_of(target));
            if (needed) {
                json_put_bool(kept, function, true);
            } else if (turn == 1) {
                TRY(delete_part(a, "integrations", id, err));
                TRY(json_object_get(kept, function)
                        ? 0
                        : disallow(&a->deploy->remote, function, a->statement, err));
            }
        }
    }
    return 0;
}

static int api_delete(struct api_deploy *a, struct err *err)
{
    CLEAN_MEM char *path = api_path(a, "");
    CLEAN_JSON json_t *reply = NULL;
    size_t i = 0;
    json_t *one = NULL;
    TRY(remote_api_call(&a->deploy->remote, "DELETE", path, NULL, &reply, err));
    json_array_foreach(a->integrations, i, one)
    {
        CLEAN_MEM char *function = str_dup(remote_api_function(one));
        TRY(disallow(&a->deploy->remote, function, a->statement, err));
    }
    return 0;
}

static int deploy_api(struct deploy *deploy, enum serverless_api_kind kind, struct err *err)
{
    bool wanted = serverless_api_wanted(deploy->service, kind);
    CLEAN(api_done)
    struct api_deploy a = {.deploy = deploy, .kind = kind, .wanted = &deploy->service->apis[kind]};
    int there = api_open(&a, wanted, err);
    if (there <= 0) {
        return there;
    }
    if (!wanted && !deploy->only) {
        deploy_changed(deploy, "removed API " STR_FMT,
                       STR_ARG(json_str(json_object_get(a.api, "name"))));
        return api_delete(&a, err);
    }
    for (size_t i = 0; i < deploy->count; i++) {
        if (deploy_wants(deploy, &deploy->functions[i])) {
            TRY(function_routes(&a, &deploy->functions[i], err));
        }
    }
    if (deploy->only) {
        return 0;
    }
    TRY(drop_routes(&a, err));
    return drop_integrations(&a, err);
}

int deploy_http(struct deploy *deploy, struct err *err)
{
    TRY(deploy_urls(deploy, err));
    for (int kind = 0; kind < SERVERLESS_API_KINDS; kind++) {
        TRY(deploy_api(deploy, (enum serverless_api_kind)kind, err));
    }
    return 0;
}

int http_remove(struct remote *remote, const struct serverless *service, struct err *err)
{
    for (int kind = 0; kind < SERVERLESS_API_KINDS; kind++) {
        CLEAN_JSON json_t *api = NULL;
        CLEAN_JSON json_t *reply = NULL;
        int there = remote_api_find(remote, service, (enum serverless_api_kind)kind, &api, err);
        TRY(there);
        if (there) {
            CLEAN_MEM char *path =
                mem_printf("/v2/apis/%s", json_string_value(json_object_get(api, "apiId")));
            TRY(remote_api_call(remote, "DELETE", path, NULL, &reply, err));
        }
    }
    return 0;
}
