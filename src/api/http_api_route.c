// SPDX-License-Identifier: Apache-2.0
// Requests that come in by an HTTP API: which stage, which route, which function. By the name
// ID.execute-api.REGION.HOST, or by a path:
//
//     /_aws/execute-api/ID/STAGE/pets/7
//     /restapis/ID/STAGE/_user_request_/pets/7
#include "api/http_api.h"
#include "api/http_cors.h"
#include "api/http_front.h"
#include "core/identity.h"
#include "format/uri.h"

#define PATH_MAX_BYTES (64 * 1024)

// ── which API ──

static bool id_ok(struct str id)
{
    bool fine = id.size == 10;
    for (size_t i = 0; i < id.size; i++) {
        fine =
            fine && ((id.at[i] >= 'a' && id.at[i] <= 'z') || (id.at[i] >= '0' && id.at[i] <= '9'));
    }
    return fine;
}

// The id, and in *ret the path with the stage before it; at == NULL when the path is no such.
static struct str by_path(struct str path, struct buf *ret)
{
    struct str rest = path, prefix = STR("/_aws/execute-api/");
    if (str_starts(path, prefix)) {
        rest = str_skip(path, prefix.size);
        struct str id = str_cut(&rest, '/');
        buf_add_char(ret, '/');
        buf_add_str(ret, rest);
        return id;
    }
    prefix = STR("/restapis/");
    if (!str_starts(path, prefix)) {
        return (struct str){0};
    }
    rest = str_skip(path, prefix.size);
    struct str id = str_cut(&rest, '/'), stage = str_cut(&rest, '/');
    if (!id_ok(id) || !str_eq(str_cut(&rest, '/'), STR("_user_request_"))) {
        return (struct str){0};
    }
    buf_printf(ret, "/" STR_FMT "/" STR_FMT, STR_ARG(stage), STR_ARG(rest));
    return id;
}

// ── which stage ──

// The first segment names it, or it is $default. *path goes on after it.
static json_t *stage_find(const struct http_api *api, struct str *path, struct str *ret_name)
{
    const struct map *stages = &api->parts[HTTP_API_STAGE];
    struct str rest = str_skip(*path, 1), name = str_cut(&rest, '/');
    json_t *stage = map_get(stages, name);
    if (stage) {
        *ret_name = name;
        *path = rest.at ? (struct str){rest.at - 1, rest.size + 1} : STR("/");
        return stage;
    }
    *ret_name = STR(HTTP_API_STAGE_DEFAULT);
    return map_get(stages, *ret_name);
}

// ── which route ──

static json_t *route_find(const struct http_api *api, struct str method, struct str path)
{
    size_t at = 0;
    struct http_route_fit fit;
    json_t *best = NULL;
    for (json_t *route; (route = map_next(&api->parts[HTTP_API_ROUTE], &at));) {
        struct str key = json_str(json_object_get(route, "routeKey"));
        if (http_route_fits(key, method, path, &fit) &&
            (!best || http_route_cmp(key, json_str(json_object_get(best, "routeKey"))) > 0)) {
            best = route;
        }
    }
    return best;
}

static json_t *integration_of(const struct http_api *api, const json_t *route)
{
    struct str target = json_str(json_object_get(route, "target"));
    return target.at ? map_get(&api->parts[HTTP_API_INTEGRATION],
                               str_skip(target, strlen("integrations/")))
                     : NULL;
}

// ── the request ──

struct found {
    const struct http_api *api;
    const json_t *route, *integration, *stage;
    struct str stage_name, path; // decoded
};

// "arn:aws:execute-api:us-east-1:000000000000:ID/STAGE/GET/pets/7"; the path of $default is that alone.
static char *execute_arn(const struct http_request *req, const char *region, const struct found *f,
                         struct str path)
{
    bool whole = path.size && path.at[0] == '/';
    return mem_printf("arn:aws:execute-api:%s:" ACCOUNT_ID ":%s/" STR_FMT "/" STR_FMT STR_FMT,
                      region, f->api->id, STR_ARG(f->stage_name), whole ? (int)req->method.size : 0,
                      req->method.at, STR_ARG(path));
}

static struct front *front_of(struct http_request *req, struct api *api, const struct found *f)
{
    bool rest =
        str_eq(json_str(json_object_get(f->integration, "payloadFormatVersion")), STR("1.0"));
    bool named = !str_eq(f->stage_name, STR(HTTP_API_STAGE_DEFAULT));
    struct front *front = front_new(rest ? FRONT_REST : FRONT_API);
    struct arn_function function = {0};
    struct str key = json_str(json_object_get(f->route, "routeKey")), route_path = key;
    (void)!arn_function_parse(
        http_api_function(json_str(json_object_get(f->integration, "integrationUri"))), &function,
        NULL);
    front->function = str_dup(function.name);
    front->qualifier = function.qualifier.size ? str_dup(function.qualifier) : NULL;
    front->iam = str_eq(json_str(json_object_get(f->route, "authorizationType")), STR("AWS_IAM"));
    (void)str_cut(&route_path, ' ');
    front->source = execute_arn(req, api->settings->region, f, route_path.at ? route_path : key);
    front->resource = execute_arn(req, api->settings->region, f, f->path);
    front->credentials =
        mem_dup(json_string_value(json_object_get(f->integration, "credentialsArn")));
    front->timeout_ms = json_integer_value(json_object_get(f->integration, "timeoutInMillis"));
    front->cors = json_incref(json_object_get(f->api->document, "corsConfiguration"));
    front->variables = json_incref(json_object_get(f->stage, "stageVariables"));
    front->id = mem_dup(f->api->id);
    front->domain = front_domain(req, f->api->id, "execute-api", api->settings->region);
    front->stage = str_dup(f->stage_name);
    front->route_key = str_dup(key);
    front->path = str_dup(f->path);
    front->raw_path =
        named ? mem_printf("/" STR_FMT STR_FMT, STR_ARG(f->stage_name), STR_ARG(f->path))
              : str_dup(f->path);
    front->decoded = str_dup(f->path);
    (void)http_route_fits(str_of(front->route_key), req->method, str_of(front->decoded),
                          &front->fit);
    return front;
}

static const struct http_handler *serve(struct http_request *req, struct api *api,
                                        const struct http_api *http_api, struct str raw)
{
    const json_t *cors = json_object_get(http_api->document, "corsConfiguration");
    CLEAN(buf_done) struct buf decoded = BUF_INIT(PATH_MAX_BYTES);
    struct found f = {.api = http_api};
    uri_decode_lenient(raw, URI_PATH, &decoded);
    f.path = buf_str(&decoded);
    f.stage = stage_find(http_api, &f.path, &f.stage_name);
    if (!f.stage ||
        json_is_true(json_object_get(http_api->document, "disableExecuteApiEndpoint"))) {
        return front_no_route(req, NULL);
    }
    if (cors && http_cors_is_preflight(req)) {
        return front_preflight(req, FRONT_API, cors);
    }
    f.route = route_find(http_api, req->method, f.path);
    f.integration = f.route ? integration_of(http_api, f.route) : NULL;
    return f.integration ? front_serve(req, api, front_of(req, api, &f))
                         : front_no_route(req, cors);
}

const struct http_handler *http_api_route(struct http_request *req, struct api *api)
{
    CLEAN(buf_done) struct buf path = BUF_INIT(PATH_MAX_BYTES);
    struct str id = front_host_id(req->host, STR("execute-api"));
    if (id.at) {
        buf_add_str(&path, req->path);
    } else {
        id = by_path(req->path, &path);
    }
    if (!id.at) {
        return NULL;
    }
    const struct http_api *http_api = map_get(&api->apis->by_id, id);
    return http_api ? serve(req, api, http_api, buf_str(&path)) : front_unknown(req, FRONT_API);
}
