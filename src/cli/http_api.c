// SPDX-License-Identifier: Apache-2.0
// Calls of API Gateway's version 2 for deploy, info and remove.
#include "cli/http_api.h"
#include "cli/lambda_api.h"
#include "format/arn.h"
#include "format/json.h"
#include "format/uri.h"
#include "base/mem.h"

#define BODY_MAX (4u * 1024 * 1024)

static int call(struct remote *remote, const char *method, const char *path, const char *query,
                const json_t *body, json_t **ret, struct err *err)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(BODY_MAX);
    if (body) {
        json_write(body, &text);
    }
    struct remote_request request = {.service = "apigateway",
                                     .method = method,
                                     .path = path,
                                     .query = query,
                                     .headers = {{"content-type", "application/json"}},
                                     .body = buf_str(&text)};
    CLEAN(remote_reply_done) struct remote_reply reply = {0};
    TRY(remote_call(remote, &request, &reply, err));
    *ret = NULL;
    return reply.body.size ? json_parse(buf_str(&reply.body), ret, err) : 0;
}

int remote_api_call(struct remote *remote, const char *method, const char *path, const json_t *body,
                    json_t **ret, struct err *err)
{
    return call(remote, method, path, NULL, body, ret, err);
}

int remote_api_list(struct remote *remote, const char *path, json_t **ret, struct err *err)
{
    CLEAN_JSON json_t *items = json_array();
    CLEAN(buf_done) struct buf query = BUF_INIT(4096);
    for (bool more = true; more;) {
        CLEAN_JSON json_t *page = NULL;
        TRY(call(remote, "GET", path, query.size ? buf_text(&query) : NULL, NULL, &page, err));
        json_array_extend(items, json_object_get(page, "items"));
        struct str token = json_str(json_object_get(page, "nextToken"));
        more = token.size > 0;
        buf_clear(&query);
        buf_add_text(&query, "nextToken=");
        uri_encode(&query, token, /* keep_slash */ false);
    }
    *ret = MOVE(items);
    return 0;
}

// ---- the APIs of a service

json_t *remote_api_tags(const struct serverless *service, enum serverless_api_kind kind)
{
    CLEAN_MEM char *stack = project_stack(service);
    json_t *tags = json_object();
    json_put_str(tags, "STAGE", str_of(service->stage));
    json_put_str(tags, "rouse:stack", str_of(stack));
    json_put_str(tags, "rouse:events", kind == SERVERLESS_REST_API ? STR("http") : STR("httpApi"));
    return tags;
}

int remote_api_find(struct remote *remote, const struct serverless *service,
                    enum serverless_api_kind kind, json_t **ret, struct err *err)
{
    CLEAN_JSON json_t *tags = remote_api_tags(service, kind);
    CLEAN_JSON json_t *apis = NULL;
    size_t i = 0;
    json_t *api = NULL;
    *ret = NULL;
    TRY(remote_api_list(remote, "/v2/apis", &apis, err));
    json_array_foreach(apis, i, api)
    {
        if (json_equal(json_object_get(api, "tags"), tags)) {
            *ret = json_incref(api);
            return 1;
        }
    }
    return 0;
}

struct str remote_api_function(const json_t *integration)
{
    struct arn_function function = {0};
    struct str uri = json_str(json_object_get(integration, "integrationUri"));
    if (arn_function_parse(uri, &function, NULL) < 0) {
        return (struct str){0};
    }
    return (struct str){function.name.at, (size_t)(uri.at + uri.size - function.name.at)};
}

int remote_url_get(struct remote *remote, const char *function, json_t **ret, struct err *err)
{
    CLEAN_MEM char *path = remote_lambda_path("2021-10-31", function, "/url");
    struct err told = {0};
    int rc = remote_lambda_call(remote, "GET", path, NULL, ret, &told);
    if (rc == ERR_NOT_FOUND) {
        return 0;
    }
    return rc < 0 ? err_aws(err, rc, told.aws, "%s", told.text) : 1;
}

// ---- what is reachable

static void add_endpoint(json_t *list, const char *function, struct str method, struct str url)
{
    json_t *one = json_object();
    json_put_str(one, "function", str_of(function));
    if (method.size) {
        json_put_str(one, "method", method);
    }
    json_put_str(one, "url", url);
    json_array_append_new(list, one);
}

// "GET /pets" → "GET", ENDPOINT[/STAGE]/pets
static void add_route(json_t *list, const struct serverless *service, const char *function,
                      const struct serverless_route *route, struct str endpoint)
{
    struct str path = str_of(route->key), method = str_cut(&path, ' ');
    bool rest = route->api == SERVERLESS_REST_API;
    CLEAN_MEM char *url = mem_printf(STR_FMT "%s%s" STR_FMT, STR_ARG(endpoint), rest ? "/" : "",
                                     rest ? service->stage : "", STR_ARG(path));
    add_endpoint(list, function, path.at ? method : STR("*"), str_of(url));
}

int endpoints_fetch(struct remote *remote, const struct serverless *service, json_t **ret,
                    struct err *err)
{
    CLEAN_JSON json_t *list = json_array();
    for (int kind = SERVERLESS_API_KINDS - 1; kind >= 0; kind--) { // REST APIs first, as there
        CLEAN_JSON json_t *api = NULL;
        if (!serverless_api_wanted(service, (enum serverless_api_kind)kind)) {
            continue;
        }
        int rc = remote_api_find(remote, service, (enum serverless_api_kind)kind, &api, err);
        TRY(rc);
        for (size_t i = 0; rc == 1 && i < service->function_count; i++) {
            const struct serverless_function *f = &service->functions[i];
            for (size_t j = 0; j < f->route_count; j++) {
                if ((int)f->routes[j].api == kind) {
                    add_route(list, service, f->key, &f->routes[j],
                              json_str(json_object_get(api, "apiEndpoint")));
                }
            }
        }
    }
    for (size_t i = 0; i < service->function_count; i++) {
        const struct serverless_function *f = &service->functions[i];
        CLEAN_JSON json_t *url = NULL;
        CLEAN_MEM char *target = project_target(f, f->provisioned_concurrency > 0);
        int rc = f->url.wanted ? remote_url_get(remote, target, &url, err) : 0;
        TRY(rc);
        if (rc == 1) {
            add_endpoint(list, f->key, (struct str){0},
                         json_str(json_object_get(url, "FunctionUrl")));
        }
    }
    *ret = MOVE(list);
    return 0;
}

void endpoints_print(const json_t *endpoints)
{
    const char *dim = terminal_on(DIM, false), *off = terminal_off(false);
    size_t count = json_array_size(endpoints);
    if (count) {
        printf("%s%s:%s%s", dim, count > 1 ? "endpoints" : "endpoint", off, count > 1 ? "\n" : " ");
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_array_get(endpoints, i);
        struct str method = json_str(json_object_get(one, "method"));
        struct str function = json_str(json_object_get(one, "function"));
        struct str label = method.size ? method : count > 1 ? function : STR("");
        printf("%s" STR_FMT "%s" STR_FMT "\n", count > 1 ? "  " : "", STR_ARG(label),
               method.size  ? " - "
               : label.size ? ": "
                            : "",
               STR_ARG(json_str(json_object_get(one, "url"))));
    }
}
