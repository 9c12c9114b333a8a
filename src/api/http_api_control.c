// SPDX-License-Identifier: Apache-2.0
// The control plane of HTTP APIs: /v2/apis and what is below it, signed for the service apigateway.
//
//     /v2/apis                     POST CreateApi, GET GetApis
//     /v2/apis/ID                  GET, PATCH, DELETE
//     /v2/apis/ID/cors             DELETE DeleteCorsConfiguration
//     /v2/apis/ID/routes           POST CreateRoute, GET GetRoutes; so integrations, stages, deployments
//     /v2/apis/ID/routes/PART      GET, PATCH, DELETE
//     /v2/tags/ARN                 GET, POST, DELETE: of an API
#include "api/authorize.h"
#include "api/http_api_call.h"
#include "api/http_front.h"
#include "base/check.h"
#include "core/identity.h"
#include "format/hex.h"
#include "format/uri.h"

#define BODY_MAX ((size_t)1024 * 1024)
#define PAGE_MAX 500

// ── replies ──

void http_api_call_unref(struct http_api_call *c)
{
    if (--c->refs > 0) {
        return;
    }
    CHECK(!c->has_turn);
    buf_done(&c->body);
    json_decref(c->input);
    free(c->api_id);
    free(c->part_id);
    free(c);
}

static bool reply_begin(struct http_api_call *c)
{
    CHECK(!c->replied);
    c->replied = true;
    if (c->has_turn) {
        c->has_turn = false;
        lambda_turn_end(&c->api->apis->line);
    }
    return c->req != NULL;
}

void http_api_reply(struct http_api_call *c, int status, const json_t *json)
{
    if (!reply_begin(c)) {
        return;
    }
    if (json) {
        reply_json(c->req, status, json);
    } else {
        reply_empty(c->req, status);
    }
}

void http_api_fail(struct http_api_call *c, const struct err *err)
{
    if (reply_begin(c)) {
        reply_error(c->req, err);
    }
}

// ── finding ──

static int need_api(const struct http_api_call *c, struct http_api **ret, struct err *err)
{
    *ret = map_get(&c->api->apis->by_id, str_of(c->api_id));
    return *ret ? 0
                : err_aws(err, ERR_NOT_FOUND, "NotFoundException",
                          "Invalid API identifier specified " ACCOUNT_ID ":%.100s", c->api_id);
}

static int need_part(const struct http_api_call *c, const struct http_api *api, json_t **ret,
                     struct err *err)
{
    *ret = map_get(&api->parts[c->kind], str_of(c->part_id));
    return *ret ? 0
                : err_aws(err, ERR_NOT_FOUND, "NotFoundException",
                          "Invalid %s identifier specified", http_api_names[c->kind].label);
}

// The document as it is shown, a new reference: an API's has its address, by the host that was asked.
json_t *http_api_shown(const struct http_api_call *c, enum http_api_kind kind, json_t *document)
{
    if (kind != HTTP_API) {
        return json_incref(document);
    }
    json_t *copy = json_copy(document);
    CLEAN_MEM char *domain =
        front_domain(c->req, json_string_value(json_object_get(document, "apiId")), "execute-api",
                     c->api->settings->region);
    CLEAN_MEM char *endpoint = mem_printf("http://%s", domain);
    json_put_str(copy, "apiEndpoint", str_of(endpoint));
    return copy;
}

// ── lists ──

static int id_cmp(const void *left, const void *right)
{
    const char *const *a = left, *const *b = right;
    return strcmp(a[0], b[0]);
}

static int page_param(const struct http_api_call *c, size_t *ret_most, struct buf *ret_token,
                      struct err *err)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(64);
    uint64_t most = PAGE_MAX;
    TRY(uri_query_get(c->req->query, STR("nextToken"), ret_token, err));
    TRY(uri_query_get(c->req->query, STR("maxResults"), &text, err));
    if (text.size && (!str_to_u64(buf_str(&text), &most) || most < 1)) {
        return err_aws(err, ERR_INVALID, "BadRequestException",
                       "maxResults: must be an integer of 1 and more");
    }
    *ret_most = most < PAGE_MAX ? (size_t)most : PAGE_MAX;
    return 0;
}

static json_t *list_item(const struct http_api_call *c, const struct http_api *api, const char *id)
{
    const struct http_api *one = api ? NULL : map_get(&c->api->apis->by_id, str_of(id));
    return api ? json_incref(map_get(&api->parts[c->kind], str_of(id)))
               : http_api_shown(c, HTTP_API, one->document);
}

// The parts of the API, or (NULL) the APIs.
static int list_run(struct http_api_call *c, const struct http_api *api, struct err *err)
{
    CLEAN(buf_done) struct buf token = BUF_INIT(256);
    size_t most = 0, count = 0, at = 0;
    TRY(page_param(c, &most, &token, err));
    const struct map *map = api ? &api->parts[c->kind] : &c->api->apis->by_id;
    CLEAN_MEM const char **ids = mem_alloc((map->count + 1) * sizeof *ids);
    for (size_t i = 0; i < map->room; i++) {
        if (map->entries[i].key) {
            ids[count++] = map->entries[i].key;
        }
    }
    qsort(ids, count, sizeof *ids, id_cmp);
    CLEAN_JSON json_t *answer = json_object();
    json_t *items = json_array();
    while (at < count && token.size && strcmp(ids[at], buf_text(&token)) < 0) {
        at++;
    }
    for (; at < count && json_array_size(items) < most; at++) {
        json_array_append_new(items, list_item(c, api, ids[at]));
    }
    if (at < count) {
        json_put_str(answer, "nextToken", str_of(ids[at]));
    }
    json_put(answer, "items", items);
    http_api_reply(c, 200, answer);
    return 0;
}

// ── a call ──

static int method_unknown(const struct http_api_call *c, struct err *err)
{
    return err_aws(err, ERR_INVALID, "MethodNotAllowedException",
                   STR_FMT " is not what can be done here", STR_ARG(str_head(c->req->method, 20)));
}

static int run(struct http_api_call *c, struct err *err)
{
    struct http_api *api = NULL;
    json_t *part = NULL;
    bool get = str_eq(c->req->method, STR("GET")), post = str_eq(c->req->method, STR("POST"));
    bool patch = str_eq(c->req->method, STR("PATCH")),
         delete = str_eq(c->req->method, STR("DELETE"));
    if (!c->api_id) {
        return get    ? list_run(c, NULL, err)
               : post ? http_api_create(c, err)
                      : method_unknown(c, err);
    }
    TRY(need_api(c, &api, err));
    if (c->tags) {
        return get || post || delete ? http_api_tags(c, api, err) : method_unknown(c, err);
    }
    if (c->cors) {
        return delete ? http_api_drop_cors(c, api) : method_unknown(c, err);
    }
    if (c->kind == HTTP_API && get) {
        CLEAN_JSON json_t *answer = http_api_shown(c, HTTP_API, api->document);
        http_api_reply(c, 200, answer);
        return 0;
    }
    if (c->kind == HTTP_API) {
        return patch    ? http_api_update(c, api, err)
               : delete ? http_api_drop(c, api)
                        : method_unknown(c, err);
    }
    if (!c->part_id) {
        return get    ? list_run(c, api, err)
               : post ? http_api_part_create(c, api, err)
                      : method_unknown(c, err);
    }
    TRY(need_part(c, api, &part, err));
    if (get) {
        http_api_reply(c, 200, part);
        return 0;
    }
    return patch    ? http_api_part_update(c, api, part, err)
           : delete ? http_api_part_drop(c, api, err)
                    : method_unknown(c, err);
}

static void on_turn(struct lambda_turn *turn)
{
    struct http_api_call *c = CONTAINER_OF(turn, struct http_api_call, turn);
    struct err err = {0};
    c->has_turn = true;
    int rc = c->req ? run(c, &err) : err_set(&err, ERR_LOST, "the client has gone");
    if (rc < 0) {
        http_api_fail(c, &err);
    }
    http_api_call_unref(c);
}

// The resource as IAM calls it: "arn:aws:apigateway:us-east-1::/apis/ID/routes".
static int may(const struct http_api_call *c, struct err *err)
{
    struct str path = str_skip(c->req->path, strlen("/v2"));
    CLEAN_MEM char *action = mem_printf("apigateway:" STR_FMT, STR_ARG(c->req->method));
    CLEAN_MEM char *resource =
        mem_printf("arn:aws:apigateway:%s::" STR_FMT, c->api->settings->region, STR_ARG(path));
    return authorize(c->api, c->req, &c->auth, AUTH_STYLE_JSON, action, str_of(resource), NULL, 0,
                     err);
}

static int control_begin(struct http_api_call *c, struct err *err)
{
    uint8_t hash[CHECKSUM_SIZE_MAX];
    char hex[2 * CHECKSUM_SIZE_MAX + 1] = "";
    struct err why = {0};
    if (auth_wants_hash(&c->auth)) {
        sigv4_sha256(buf_str(&c->body), hash);
        hex_write(hash, 32, hex);
    }
    TRY(auth_body(c->api, c->req, AUTH_STYLE_JSON, &c->auth, hex, err));
    TRY(may(c, err));
    if (!buf_ok(&c->body)) {
        return err_aws(err, ERR_LIMIT, "RequestEntityTooLargeException",
                       "the request is too large");
    }
    if (c->body.size && json_parse_object(buf_str(&c->body), &c->input, &why) < 0) {
        return err_aws(err, ERR_INVALID, "BadRequestException", "Invalid request body: %s",
                       why.text);
    }
    if (str_eq(c->req->method, STR("GET"))) {
        return run(c, err);
    }
    c->refs++;
    c->turn.on_turn = on_turn;
    lambda_turn_take(&c->api->apis->line, &c->turn);
    return 0;
}

static void on_body(struct http_request *req, struct str piece)
{
    buf_add_str(&((struct http_api_call *)req->data)->body, piece);
}

static void on_end(struct http_request *req)
{
    struct http_api_call *c = req->data;
    struct err err = {0};
    if (control_begin(c, &err) < 0) {
        http_api_fail(c, &err);
    }
}

static void on_closed(struct http_request *req)
{
    struct http_api_call *c = req->data;
    c->req = NULL;
    http_api_call_unref(c);
}

// ── which call ──

static char *decoded(struct str segment)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(4096);
    uri_decode_lenient(segment, URI_PATH, &text);
    return mem_dup(buf_text(&text));
}

// "arn:aws:apigateway:us-east-1::/apis/ID" → "ID"
static int tags_take(struct http_api_call *c, struct str segment, struct err *err)
{
    CLEAN_MEM char *arn = decoded(segment);
    ptrdiff_t at = str_find_str(str_of(arn), STR("::/apis/"));
    c->tags = true;
    if (at < 0) {
        return err_aws(err, ERR_INVALID, "BadRequestException",
                       "Invalid ARN specified in the request");
    }
    c->api_id = mem_dup(arn + at + strlen("::/apis/"));
    return 0;
}

static int path_take(struct http_api_call *c, struct err *err)
{
    struct str rest = str_skip(c->req->path, strlen("/v2/")), first = str_cut(&rest, '/');
    if (str_eq(first, STR("tags")) && rest.at) {
        return tags_take(c, rest, err);
    }
    struct str parts[3] = {{0}};
    bool known = str_eq(first, STR("apis"));
    for (size_t i = 0; i < ARRAY_SIZE(parts) && rest.at; i++) {
        parts[i] = str_cut(&rest, '/');
    }
    c->api_id = parts[0].size ? decoded(parts[0]) : NULL;
    c->part_id = parts[2].size ? decoded(parts[2]) : NULL;
    c->cors = str_eq(parts[1], STR("cors"));
    for (int i = HTTP_API_INTEGRATION; i < HTTP_API_KINDS; i++) {
        if (str_eq(parts[1], str_of(http_api_names[i].collection))) {
            c->kind = (enum http_api_kind)i;
        }
    }
    known = known && !rest.at && (!parts[1].size || c->cors || c->kind != HTTP_API);
    return known ? 0
                 : err_aws(err, ERR_UNSUPPORTED, "NotImplemented",
                           "API Gateway has no operation at " STR_FMT
                           ", or it is not served here: HTTP APIs with integrations, routes, "
                           "stages and deployments are",
                           STR_ARG(str_head(c->req->path, 200)));
}

const struct http_handler *http_api_control_route(struct http_request *req, struct api *api)
{
    static const struct http_handler handler = {on_body, on_end, on_closed};
    struct http_api_call *c = NEW(struct http_api_call);
    struct err err = {0};
    c->req = req;
    c->api = api;
    c->refs = 1;
    buf_init(&c->body, BODY_MAX);
    req->data = c;
    int rc = auth_headers(api, req, AUTH_STYLE_JSON, &c->auth, &err);
    rc = rc < 0 ? rc : path_take(c, &err);
    if (rc < 0) {
        http_api_fail(c, &err);
    }
    return &handler;
}
