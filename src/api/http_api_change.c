// SPDX-License-Identifier: Apache-2.0
// What changes HTTP APIs: the row first, then the memory, then the caller.
#include "api/authorize.h"
#include "api/http_api_call.h"
#include "base/check.h"
#include "core/identity.h"
#include "core/uuid.h"
#include "format/uri.h"
#include "store/http_api.h"

#define DOCUMENT_MAX ((size_t)1024 * 1024)
#define WRITES_MAX   4 // CreateApi with a target makes an API, an integration, a route and a stage

// Rows to be written in one transaction, then memory changed alike, then the reply given.
struct http_api_write {
    struct store_task task;
    struct http_api_call *call; // a reference
    char api[11];
    bool drop; // the API with all its parts
    struct {
        enum http_api_kind kind;
        char *id;
        json_t *document; // NULL: it goes
    } items[WRITES_MAX];
    size_t count;
    int status;
    json_t *answer; // NULL: an empty reply
};

// ── changes ──

static struct http_api_write *write_new(struct http_api_call *c, const char *api, int status)
{
    struct http_api_write *w = NEW(struct http_api_write);
    c->refs++;
    w->call = c;
    w->status = status;
    snprintf(w->api, sizeof w->api, "%s", api);
    return w;
}

// Takes the document over.
static void write_add(struct http_api_write *w, enum http_api_kind kind, const char *id,
                      json_t *document)
{
    CHECK(w->count < WRITES_MAX);
    w->items[w->count].kind = kind;
    w->items[w->count].id = mem_dup(id);
    w->items[w->count++].document = document;
}

static void write_free(struct http_api_write *w)
{
    for (size_t i = 0; i < w->count; i++) {
        free(w->items[i].id);
        json_decref(w->items[i].document);
    }
    json_decref(w->answer);
    http_api_call_unref(w->call);
    free(w);
}

static int write_run(struct store_task *task, struct db *db, struct err *err)
{
    struct http_api_write *w = CONTAINER_OF(task, struct http_api_write, task);
    CLEAN(buf_done) struct buf text = BUF_INIT(DOCUMENT_MAX);
    if (w->drop) {
        return http_api_delete(db, &(struct http_api_row){.api = str_of(w->api)}, err);
    }
    for (size_t i = 0; i < w->count; i++) {
        struct http_api_row row = {.api = str_of(w->api),
                                   .kind = str_of(http_api_names[w->items[i].kind].kind),
                                   .id = str_of(w->items[i].id)};
        buf_clear(&text);
        if (w->items[i].document) {
            json_write(w->items[i].document, &text);
            row.document = buf_str(&text);
        }
        TRY(buf_ok(&text) ? 0 : err_set(err, ERR_LIMIT, "the document is too large"));
        TRY(w->items[i].document ? http_api_put(db, &row, err) : http_api_delete(db, &row, err));
    }
    return 0;
}

static void write_done(struct store_task *task)
{
    struct http_api_write *w = CONTAINER_OF(task, struct http_api_write, task);
    struct http_apis *apis = w->call->api->apis;
    if (task->rc < 0) {
        http_api_fail(w->call, &task->err);
        write_free(w);
        return;
    }
    if (w->drop) {
        http_apis_drop(apis, w->api);
    }
    for (size_t i = 0; i < w->count; i++) {
        http_apis_set(apis, w->api, w->items[i].kind, w->items[i].id, MOVE(w->items[i].document));
    }
    http_api_reply(w->call, w->status, w->answer);
    write_free(w);
}

static void write_submit(struct http_api_write *w)
{
    w->task.run = write_run;
    w->task.on_done = write_done;
    store_submit(w->call->api->store, &w->task);
}

// ── what a change needs ──

// Digits of a random number: no longer than an id may be, and not in use.
static void id_new(const struct map *used, size_t size, char *ret)
{
    do {
        struct uuid uuid = uuid_new();
        size_t at = 0;
        for (const char *c = uuid.text; *c && at < size; c++) {
            if (*c != '-') {
                ret[at++] = *c;
            }
        }
        ret[at] = 0;
    } while (map_get(used, str_of(ret)));
}

// Whoever gives an API a role has to be allowed to pass that role on.
static int may_pass(const struct http_api_call *c, const json_t *document, struct err *err)
{
    struct str role = json_str(json_object_get(document, "credentialsArn"));
    return role.at ? authorize(c->api, c->req, &c->auth, AUTH_STYLE_JSON, "iam:PassRole", role,
                               NULL, 0, err)
                   : 0;
}

static int route_check(const struct http_api *api, const char *own_id, const json_t *route,
                       struct err *err)
{
    struct str key = json_str(json_object_get(route, "routeKey"));
    struct str target = json_str(json_object_get(route, "target"));
    size_t at = 0;
    for (json_t *other; (other = map_next(&api->parts[HTTP_API_ROUTE], &at));) {
        const char *id = json_string_value(json_object_get(other, "routeId"));
        if (str_eq(json_str(json_object_get(other, "routeKey")), key) &&
            (!own_id || strcmp(id, own_id) != 0)) {
            return err_aws(err, ERR_EXISTS, "ConflictException",
                           "Route with key " STR_FMT " already exists for this API", STR_ARG(key));
        }
    }
    target = str_skip(target, target.at ? strlen("integrations/") : 0);
    if (target.at && !map_get(&api->parts[HTTP_API_INTEGRATION], target)) {
        return err_aws(err, ERR_NOT_FOUND, "NotFoundException",
                       "Invalid Integration identifier specified");
    }
    return 0;
}

// What of other documents of the API has to be right.
static int part_check(const struct http_api_call *c, const struct http_api *api,
                      const json_t *document, struct err *err)
{
    if (c->kind == HTTP_API_INTEGRATION) {
        return may_pass(c, document, err);
    }
    return c->kind == HTTP_API_ROUTE ? route_check(api, c->part_id, document, err) : 0;
}

static int document_of(const struct http_api_call *c, const json_t *before, json_t **ret,
                       struct err *err)
{
    return http_api_document(c->kind, c->input, before, ret, err);
}

// ── CreateApi ──

// "target": a function that is to take whatever comes.
static int quick_create(struct http_api_call *c, struct http_api_write *w, struct err *err)
{
    CLEAN_JSON json_t *integration_input = json_object();
    CLEAN_JSON json_t *route_input = json_object();
    CLEAN_JSON json_t *stage_input = json_object();
    json_t *integration = NULL, *route = NULL, *stage = NULL;
    const struct map none = {0};
    char id[8];
    const json_t *key = json_object_get(c->input, "routeKey");
    const json_t *role = json_object_get(c->input, "credentialsArn");
    json_put_str(integration_input, "integrationType", STR("AWS_PROXY"));
    json_put_str(integration_input, "payloadFormatVersion", STR("2.0"));
    json_object_set(integration_input, "integrationUri", json_object_get(c->input, "target"));
    if (role) {
        json_put(integration_input, "credentialsArn", json_incref((json_t *)(uintptr_t)role));
    }
    TRY(http_api_document(HTTP_API_INTEGRATION, integration_input, NULL, &integration, err));
    id_new(&none, 7, id);
    json_put_str(integration, "integrationId", str_of(id));
    json_put_bool(integration, "apiGatewayManaged", true);
    write_add(w, HTTP_API_INTEGRATION, id, integration);
    TRY(may_pass(c, integration, err));

    CLEAN_MEM char *target = mem_printf("integrations/%s", id);
    json_put_str(route_input, "target", str_of(target));
    json_put(route_input, "routeKey",
             key ? json_incref((json_t *)(uintptr_t)key) : json_string("$default"));
    TRY(http_api_document(HTTP_API_ROUTE, route_input, NULL, &route, err));
    id_new(&none, 7, id);
    json_put_str(route, "routeId", str_of(id));
    json_put_bool(route, "apiGatewayManaged", true);
    write_add(w, HTTP_API_ROUTE, id, route);

    json_put_str(stage_input, "stageName", STR(HTTP_API_STAGE_DEFAULT));
    json_put_bool(stage_input, "autoDeploy", true);
    TRY(http_api_document(HTTP_API_STAGE, stage_input, NULL, &stage, err));
    json_put_bool(stage, "apiGatewayManaged", true);
    write_add(w, HTTP_API_STAGE, HTTP_API_STAGE_DEFAULT, stage);
    return 0;
}

int http_api_create(struct http_api_call *c, struct err *err)
{
    json_t *document = NULL;
    char id[11];
    TRY(document_of(c, NULL, &document, err));
    id_new(&c->api->apis->by_id, 10, id);
    json_put_str(document, "apiId", str_of(id));
    struct http_api_write *w = write_new(c, id, 201);
    w->answer = http_api_shown(c, HTTP_API, document);
    write_add(w, HTTP_API, id, document);
    int rc = json_object_get(c->input, "target") ? quick_create(c, w, err) : 0;
    if (rc < 0) {
        write_free(w);
        return rc;
    }
    write_submit(w);
    return 0;
}

static int api_change(struct http_api_call *c, struct http_api *api, json_t *document)
{
    struct http_api_write *w = write_new(c, api->id, 200);
    w->answer = http_api_shown(c, HTTP_API, document);
    write_add(w, HTTP_API, api->id, document);
    write_submit(w);
    return 0;
}

int http_api_drop(struct http_api_call *c, struct http_api *api)
{
    struct http_api_write *w = write_new(c, api->id, 204);
    w->drop = true;
    write_submit(w);
    return 0;
}

int http_api_update(struct http_api_call *c, struct http_api *api, struct err *err)
{
    json_t *document = NULL;
    if (json_object_get(c->input, "target") || json_object_get(c->input, "routeKey")) {
        return err_aws(err, ERR_INVALID, "BadRequestException",
                       "target and routeKey of an API are not changed here: change its route");
    }
    TRY(document_of(c, api->document, &document, err));
    return api_change(c, api, document);
}

int http_api_drop_cors(struct http_api_call *c, struct http_api *api)
{
    json_t *document = json_deep_copy(api->document);
    json_object_del(document, "corsConfiguration");
    struct http_api_write *w = write_new(c, api->id, 204);
    write_add(w, HTTP_API, api->id, document);
    write_submit(w);
    return 0;
}

// ── tags ──

int http_api_tags(struct http_api_call *c, struct http_api *api, struct err *err)
{
    const json_t *now = json_object_get(api->document, "tags");
    CLEAN_JSON json_t *tags = json_deep_copy(now);
    CLEAN_JSON json_t *input = json_object();
    if (str_eq(c->req->method, STR("GET"))) {
        json_put(input, "tags", json_incref(tags));
        http_api_reply(c, 200, input);
        return 0;
    }
    if (str_eq(c->req->method, STR("POST"))) {
        json_object_update(tags, json_object_get(c->input, "tags"));
    }
    CLEAN(buf_done) struct buf key = BUF_INIT(4096);
    struct str rest = c->req->query, name, value;
    while (str_eq(c->req->method, STR("DELETE")) && uri_query_next(&rest, &name, &value)) {
        buf_clear(&key);
        uri_decode_lenient(value, URI_QUERY, &key);
        json_object_del(tags, buf_text(&key));
    }
    json_t *document = NULL;
    json_put(input, "tags", json_incref(tags));
    TRY(http_api_document(HTTP_API, input, api->document, &document, err));
    bool post = str_eq(c->req->method, STR("POST"));
    struct http_api_write *w = write_new(c, api->id, post ? 201 : 204);
    w->answer = post ? json_object() : NULL;
    write_add(w, HTTP_API, api->id, document);
    write_submit(w);
    return 0;
}

// ── parts ──

int http_api_part_create(struct http_api_call *c, struct http_api *api, struct err *err)
{
    const struct http_api_names *names = &http_api_names[c->kind];
    struct map *used = &api->parts[c->kind];
    CLEAN_JSON json_t *document = NULL;
    char id[130];
    TRY(document_of(c, NULL, &document, err));
    TRY(part_check(c, api, document, err));
    if (c->kind == HTTP_API_STAGE) {
        snprintf(id, sizeof id, "%s", json_string_value(json_object_get(document, names->id)));
    } else {
        id_new(used, 7, id);
        json_put_str(document, names->id, str_of(id));
    }
    if (map_get(used, str_of(id))) {
        return err_aws(err, ERR_EXISTS, "ConflictException", "%s already exists", names->label);
    }
    struct http_api_write *w = write_new(c, api->id, 201);
    w->answer = json_incref(document);
    struct str stage_name = json_str(json_object_get(c->input, "stageName"));
    json_t *stage = c->kind == HTTP_API_DEPLOYMENT && stage_name.at
                        ? map_get(&api->parts[HTTP_API_STAGE], stage_name)
                        : NULL;
    if (stage) { // it shows the deployment from now on
        json_t *copy = json_deep_copy(stage);
        CLEAN_MEM char *name = str_dup(stage_name);
        json_put_str(copy, "deploymentId", str_of(id));
        write_add(w, HTTP_API_STAGE, name, copy);
    }
    write_add(w, c->kind, id, MOVE(document));
    write_submit(w);
    return 0;
}

int http_api_part_update(struct http_api_call *c, struct http_api *api, json_t *before,
                         struct err *err)
{
    const char *id_member = http_api_names[c->kind].id;
    CLEAN_JSON json_t *document = NULL;
    TRY(document_of(c, before, &document, err));
    json_object_set(document, id_member, json_object_get(before, id_member));
    TRY(part_check(c, api, document, err));
    struct http_api_write *w = write_new(c, api->id, 200);
    w->answer = json_incref(document);
    write_add(w, c->kind, c->part_id, MOVE(document));
    write_submit(w);
    return 0;
}

int http_api_part_drop(struct http_api_call *c, struct http_api *api, struct err *err)
{
    size_t at = 0;
    CLEAN_MEM char *target = mem_printf("integrations/%s", c->part_id);
    for (json_t *route;
         c->kind == HTTP_API_INTEGRATION && (route = map_next(&api->parts[HTTP_API_ROUTE], &at));) {
        if (str_eq(json_str(json_object_get(route, "target")), str_of(target))) {
            struct str id = json_str(json_object_get(route, "routeId"));
            return err_aws(err, ERR_EXISTS, "ConflictException",
                           "Cannot delete Integration '%s' as it's referenced by Route '" STR_FMT
                           "'",
                           c->part_id, STR_ARG(id));
        }
    }
    struct http_api_write *w = write_new(c, api->id, 204);
    write_add(w, c->kind, c->part_id, NULL);
    write_submit(w);
    return 0;
}
