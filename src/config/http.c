// SPDX-License-Identifier: Apache-2.0
// HTTP events and function URLs of serverless.yml.
#include "config/http.h"
#include "config/reading.h"
#include "config/serverless.h"
#include "format/http_route.h"
#include "format/json.h"
#include "base/mem.h"

#define TEXT_MAX 4096

static const char *const url_headers[] = {"Content-Type", "X-Amz-Date", "Authorization",
                                          "X-Api-Key", "X-Amz-Security-Token"};
static const char *const api_headers[] = {
    "Content-Type",         "X-Amz-Date",       "Authorization",  "X-Api-Key",
    "X-Amz-Security-Token", "X-Amz-User-Agent", "X-Amzn-Trace-Id"};

static json_t *texts_of(const char *const *texts, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, json_string(texts[i]));
    }
    return list;
}

static bool has(const json_t *list, struct str text)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (str_eq(json_str(json_array_get(list, i)), text)) {
            return true;
        }
    }
    return false;
}

static void add(json_t *list, struct str text)
{
    if (text.size && !has(list, text)) {
        json_array_append_new(list, json_from_str(text));
    }
}

// To the warning of what is not honoured: "functions.a.events[0].http.authorizer (line 9)", once for all
// that end alike.
static void note(struct serverless *service, const struct tree_node *node, const char *ending)
{
    CLEAN_MEM char *named = mem_printf("].%s (", ending);
    if (service->ignored && strstr(service->ignored, named)) {
        return;
    }
    CLEAN(buf_done) struct buf path = BUF_INIT(TEXT_MAX);
    tree_path(node, &path);
    char *before = service->ignored;
    service->ignored =
        mem_printf("%s%s%s (line %d)", before ? before : "", before ? ", " : "", buf_text(&path),
                   node->yaml.key_line ? node->yaml.key_line : node->yaml.line);
    free(before);
}

// ---- CORS

static bool is_on(const struct tree_node *node)
{
    return node && node->yaml.kind != YAML_NULL && strcmp(read_text(node, "true"), "false") != 0;
}

// The list below `key`. Without it `fallback`, which is taken over; null: none at all.
static void put_list(json_t *cors, const char *name, const struct tree_node *node, const char *key,
                     json_t *fallback)
{
    const struct tree_node *list = tree_get(node, key);
    if (!list && fallback) {
        json_put(cors, name, fallback);
        return;
    }
    json_decref(fallback);
    if (read_count(list)) {
        json_put(cors, name, read_texts(list));
    }
}

static void put_rest(json_t *cors, const struct tree_node *node, const char *credentials,
                     const char *age)
{
    int64_t seconds = read_number_in(node, "maxAge", -1);
    if (read_truth_in(node, "allowCredentials", false)) {
        json_put_bool(cors, credentials, true);
    }
    if (seconds >= 0) {
        json_put_int(cors, age, seconds);
    }
}

// Of a function URL, in Lambda's words.
static json_t *url_cors(const struct tree_node *node)
{
    if (!is_on(node)) {
        return NULL;
    }
    json_t *cors = json_object();
    put_list(cors, "AllowOrigins", node, "allowedOrigins", json_pack("[s]", "*"));
    put_list(cors, "AllowHeaders", node, "allowedHeaders",
             texts_of(url_headers, ARRAY_SIZE(url_headers)));
    put_list(cors, "AllowMethods", node, "allowedMethods", json_pack("[s]", "*"));
    put_list(cors, "ExposeHeaders", node, "exposedResponseHeaders", NULL);
    put_rest(cors, node, "AllowCredentials", "MaxAge");
    return cors;
}

// Of an http event; each method of its path is allowed with the others.
static json_t *event_cors(const struct tree_node *node)
{
    if (!is_on(node)) {
        return NULL;
    }
    json_t *cors = json_object();
    json_t *origins = read_texts(tree_get(node, "origins"));
    struct str rest = str_of(read_text_in(node, "origin", NULL));
    while (rest.at) { // "https://a,https://b"
        add(origins, str_trim(str_cut(&rest, ',')));
    }
    if (json_array_size(origins) == 0) {
        json_array_append_new(origins, json_string("*"));
    }
    json_put(cors, "allowOrigins", origins);
    put_list(cors, "allowHeaders", node, "headers", texts_of(api_headers, ARRAY_SIZE(api_headers)));
    put_list(cors, "allowMethods", node, "methods", NULL);
    put_rest(cors, node, "allowCredentials", "maxAge");
    return cors;
}

static void add_method(json_t *methods, const char *key)
{
    static const char *const all[] = {"OPTIONS", "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"};
    struct str rest = str_of(key), method = str_cut(&rest, ' ');
    bool any = !rest.at || str_eq(method, STR("ANY"));
    add(methods, STR("OPTIONS"));
    for (size_t i = 0; any && i < ARRAY_SIZE(all); i++) {
        add(methods, str_of(all[i]));
    }
    if (!any) {
        add(methods, method);
    }
}

static json_t *methods_of(const struct serverless *service, enum serverless_api_kind api)
{
    json_t *methods = json_array();
    for (size_t i = 0; i < service->function_count; i++) {
        const struct serverless_function *f = &service->functions[i];
        for (size_t j = 0; j < f->route_count; j++) {
            const struct serverless_route *route = &f->routes[j];
            if (route->api == api && (api == SERVERLESS_HTTP_API || route->cors)) {
                add_method(methods, route->key);
            }
        }
    }
    return methods;
}

static json_t *http_api_cors(const struct serverless *service, const struct tree_node *node)
{
    if (!is_on(node)) {
        return NULL;
    }
    json_t *cors = json_object();
    put_list(cors, "allowOrigins", node, "allowedOrigins", json_pack("[s]", "*"));
    put_list(cors, "allowHeaders", node, "allowedHeaders",
             texts_of(api_headers, ARRAY_SIZE(api_headers)));
    put_list(cors, "allowMethods", node, "allowedMethods",
             methods_of(service, SERVERLESS_HTTP_API));
    put_list(cors, "exposeHeaders", node, "exposedResponseHeaders", NULL);
    put_rest(cors, node, "allowCredentials", "maxAge");
    return cors;
}

static void merge_list(json_t *into, const json_t *from, const char *name)
{
    const json_t *list = json_object_get(from, name);
    json_t *target = json_object_get(into, name);
    for (size_t i = 0; i < json_array_size(list); i++) {
        add(target, json_str(json_array_get(list, i)));
    }
}

// An API has one configuration: what the events with `cors` ask for, together; credentials only when all
// of them do.
static json_t *rest_api_cors(const struct serverless *service)
{
    json_t *cors = json_object();
    int64_t age = -1;
    bool any = false, credentials = true;
    json_put(cors, "allowOrigins", json_array());
    json_put(cors, "allowHeaders", json_array());
    json_put(cors, "allowMethods", methods_of(service, SERVERLESS_REST_API));
    for (size_t i = 0; i < service->function_count; i++) {
        const struct serverless_function *f = &service->functions[i];
        for (size_t j = 0; j < f->route_count; j++) {
            const json_t *one = f->routes[j].cors;
            const json_t *seconds = json_object_get(one, "maxAge");
            any = any || one;
            merge_list(cors, one, "allowOrigins");
            merge_list(cors, one, "allowHeaders");
            merge_list(cors, one, "allowMethods");
            credentials =
                credentials && (!one || json_is_true(json_object_get(one, "allowCredentials")));
            age = json_integer_value(seconds) > age && seconds ? json_integer_value(seconds) : age;
        }
    }
    if (any && credentials) {
        json_put_bool(cors, "allowCredentials", true);
    }
    if (age >= 0) {
        json_put_int(cors, "maxAge", age);
    }
    if (!any) {
        json_decref(cors);
        return NULL;
    }
    return cors;
}

// ---- events

static bool is_word(const char *text, const char *word)
{
    return text && strcasecmp(text, word) == 0;
}

// True when the route is to be signed: because it says so, or because what it says is not honoured.
// (What a map says beside the type the schema has named.)
static bool read_authorizer(struct serverless *service, const struct tree_node *node,
                            const char *kind)
{
    const char *type = read_text(node, read_text_in(node, "type", NULL));
    if (!node || node->yaml.kind == YAML_NULL) {
        return false;
    }
    if (!is_word(type, "aws_iam") && (node->yaml.kind != YAML_MAP || node->yaml.count == 1)) {
        CLEAN_MEM char *ending = mem_printf("%s.authorizer", kind);
        note(service, node, ending);
    }
    return true;
}

// "get", "users/{id}" → "GET /users/{id}". Heap.
static char *key_of(struct str method, struct str path)
{
    CLEAN_MEM char *upper = str_dup(method);
    for (char *c = upper; *c; c++) {
        *c = *c >= 'a' && *c <= 'z' ? (char)(*c - ('a' - 'A')) : *c;
    }
    bool any = strcmp(upper, "*") == 0;
    if (any && str_eq(path, STR("*"))) {
        return mem_dup("$default");
    }
    return mem_printf("%s %s" STR_FMT, any ? "ANY" : upper, str_starts(path, STR("/")) ? "" : "/",
                      STR_ARG(path));
}

static int check_twice(const struct serverless *service, const struct tree_node *event,
                       const struct serverless_function *own, const struct serverless_route *route,
                       struct err *err)
{
    for (const struct serverless_function *f = service->functions; f <= own; f++) {
        for (size_t i = 0; i < f->route_count; i++) {
            if (f->routes[i].api == route->api && strcmp(f->routes[i].key, route->key) == 0) {
                return tree_fail(err, event,
                                 "functions.%s: \"%s\" is a route of functions.%s already",
                                 own->key, route->key, f->key);
            }
        }
    }
    return 0;
}

static int read_key(struct serverless *service, const struct tree_node *event, const char *kind,
                    struct serverless_route *ret, struct err *err)
{
    struct str method = {0}, path = {0};
    struct err why = {0};
    if (event->yaml.kind == YAML_MAP) {
        const char *given = read_text_in(event, "path", NULL);
        bool all = is_word(given, "*") && ret->api == SERVERLESS_HTTP_API;
        const char *verb = read_text_in(event, "method", all ? "*" : NULL);
        if (!given || !verb) {
            return tree_fail_key(err, event, "%s: \"%s\" is missing", kind,
                                 given ? "method" : "path");
        }
        method = str_of(verb);
        path = str_of(given);
    } else {
        path = str_trim(str_of(read_text(event, "")));
        bool all = str_eq(path, STR("*")) && ret->api == SERVERLESS_HTTP_API;
        method = all ? path : str_cut(&path, ' ');
        if (!path.at) {
            return tree_fail(err, event, "%s: \"" STR_FMT "\" is not \"METHOD PATH\"", kind,
                             STR_ARG(str_head(method, 100)));
        }
        path = str_trim(path);
    }
    CLEAN_MEM char *key = key_of(method, path);
    ret->key = tree_text(service->tree, str_of(key));
    if (http_route_check(str_of(key), &why) < 0) {
        return tree_fail(err, event, "%s: %s", kind, why.text);
    }
    return 0;
}

static int read_route(struct serverless *service, const struct tree_node *event, const char *kind,
                      struct serverless_route *ret, struct err *err)
{
    const struct tree_node *private = tree_get(event, "private");
    TRY(read_key(service, event, kind, ret, err));
    ret->iam = read_authorizer(service, tree_get(event, "authorizer"), kind);
    if (ret->api == SERVERLESS_REST_API) {
        ret->cors = event_cors(tree_get(event, "cors"));
        if (read_truth_in(event, "private", false)) {
            note(service, private, "http.private");
            ret->iam = true;
        }
    }
    return 0;
}

static int read_routes(struct serverless *service, const struct tree_node *node,
                       const char *payload, struct serverless_function *ret, struct err *err)
{
    static const char *const kinds[] = {
        [SERVERLESS_HTTP_API] = "httpApi", [SERVERLESS_REST_API] = "http"};
    const struct tree_node *events = tree_get(node, "events");
    ret->routes = tree_alloc(service->tree, (read_count(events) + 1) * 2 * sizeof *ret->routes);
    for (const struct tree_node *n = tree_child(events); n; n = tree_next(n)) {
        for (int api = 0; api < SERVERLESS_API_KINDS; api++) {
            const struct tree_node *event = tree_get(n, kinds[api]);
            if (!event || event->yaml.kind == YAML_NULL) {
                continue;
            }
            struct serverless_route *route = &ret->routes[ret->route_count];
            *route = (struct serverless_route){.api = (enum serverless_api_kind)api};
            route->payload = api == SERVERLESS_REST_API ? "1.0" : payload;
            int rc = read_route(service, event, kinds[api], route, err);
            rc = rc < 0 ? rc : check_twice(service, event, ret, route, err);
            ret->route_count++; // its CORS is to be released in any case
            TRY(rc);
        }
    }
    return 0;
}

// ---- the function, the service

int http_read_function(struct serverless *service, const struct tree_node *provider,
                       const struct tree_node *node, struct serverless_function *ret,
                       struct err *err)
{
    const struct tree_node *url = tree_get(node, "url");
    const char *payload = read_text_in(tree_get(provider, "httpApi"), "payload", "2.0");
    payload = read_text_in(tree_get(node, "httpApi"), "payload", payload);
    payload = strcmp(payload, "1.0") == 0 ? "1.0" : "2.0";
    ret->url.wanted = is_on(url);
    if (ret->url.wanted) {
        ret->url.iam = is_word(read_text_in(url, "authorizer", NULL), "aws_iam");
        ret->url.mode = read_text_in(url, "invokeMode", "BUFFERED");
        ret->url.cors = url_cors(tree_get(url, "cors"));
    }
    return read_routes(service, node, payload, ret, err);
}

static const char *api_name(struct serverless *service, const struct tree_node *settings,
                            const char *given)
{
    bool service_first = read_truth_in(settings, "shouldStartNameWithService", false);
    CLEAN_MEM char *name = mem_printf("%s-%s", service_first ? service->service : service->stage,
                                      service_first ? service->stage : service->service);
    return given ? given : tree_text(service->tree, str_of(name));
}

void http_read_apis(struct serverless *service, const struct tree_node *provider)
{
    const struct tree_node *http = tree_get(provider, "httpApi");
    const struct tree_node *rest = tree_get(provider, "apiGateway");
    struct serverless_api *apis = service->apis;
    apis[SERVERLESS_HTTP_API] = (struct serverless_api){
        .name = api_name(service, http, read_text_in(http, "name", NULL)),
        .endpoint_off = read_truth_in(http, "disableDefaultEndpoint", false),
        .cors = http_api_cors(service, tree_get(http, "cors")),
    };
    apis[SERVERLESS_REST_API] = (struct serverless_api){
        .name = api_name(service, rest, read_text_in(provider, "apiName", NULL)),
        .endpoint_off = read_truth_in(rest, "disableDefaultEndpoint", false),
        .cors = rest_api_cors(service),
    };
}

bool serverless_api_wanted(const struct serverless *service, enum serverless_api_kind api)
{
    for (size_t i = 0; i < service->function_count; i++) {
        const struct serverless_function *f = &service->functions[i];
        for (size_t j = 0; j < f->route_count; j++) {
            if (f->routes[j].api == api) {
                return true;
            }
        }
    }
    return false;
}

void http_free(struct serverless *service)
{
    for (int i = 0; i < SERVERLESS_API_KINDS; i++) {
        json_decref(service->apis[i].cors);
    }
    for (size_t i = 0; i < service->function_count; i++) {
        struct serverless_function *f = &service->functions[i];
        json_decref(f->url.cors);
        for (size_t j = 0; j < f->route_count; j++) {
            json_decref(f->routes[j].cors);
        }
    }
}

// ---- as JSON

static void put_some(json_t *object, const char *name, json_t *value)
{
    if (value) {
        json_put(object, name, json_incref(value));
    }
}

void http_function_to_json(const struct serverless_function *f, json_t *object)
{
    json_t *routes = json_array();
    for (size_t i = 0; i < f->route_count; i++) {
        const struct serverless_route *route = &f->routes[i];
        json_t *one = json_object();
        json_put_str(one, "key", str_of(route->key));
        json_put_str(one, "payload", str_of(route->payload));
        json_put_str(one, "api", route->api == SERVERLESS_HTTP_API ? STR("httpApi") : STR("http"));
        if (route->iam) {
            json_put_str(one, "authorizer", STR("aws_iam"));
        }
        json_array_append_new(routes, one);
    }
    if (f->route_count) {
        json_put(object, "routes", json_incref(routes));
    }
    json_decref(routes);
    if (f->url.wanted) {
        json_t *url = json_object();
        json_put_str(url, "authorizer", f->url.iam ? STR("aws_iam") : STR("none"));
        json_put_str(url, "invokeMode", str_of(f->url.mode));
        put_some(url, "cors", f->url.cors);
        json_put(object, "url", url);
    }
}

void http_to_json(const struct serverless *service, json_t *object)
{
    static const char *const names[] = {
        [SERVERLESS_HTTP_API] = "httpApi", [SERVERLESS_REST_API] = "restApi"};
    for (int i = 0; i < SERVERLESS_API_KINDS; i++) {
        const struct serverless_api *api = &service->apis[i];
        if (!serverless_api_wanted(service, (enum serverless_api_kind)i)) {
            continue;
        }
        json_t *one = json_object();
        json_put_str(one, "name", str_of(api->name));
        if (api->endpoint_off) {
            json_put_bool(one, "disableDefaultEndpoint", true);
        }
        put_some(one, "cors", api->cors);
        json_put(object, names[i], one);
    }
}
