// SPDX-License-Identifier: Apache-2.0
// Function URLs: CreateFunctionUrlConfig and its family, and the requests that come in by them. They
// live in memory and in the store alike, beside the functions; a change has its function's turn.
#include "api/http_cors.h"
#include "api/http_front.h"
#include "api/lambda.h"
#include "base/clock.h"
#include "core/uuid.h"
#include "format/arn.h"
#include "format/uri.h"
#include "store/function_url.h"

#define LIST_MAX 50
#define CORS_MAX ((size_t)256 * 1024)

struct lambda_url {
    char id[33];
    char *function, *qualifier; // NULL: none
    char *auth, *mode;
    json_t *cors; // NULL: none
    int64_t created_ms, modified_ms;
};

struct lambda_urls {
    struct map by_id;
    struct map by_function; // "name" or "name:qualifier"
};

// ── in memory ──

static void url_free(struct lambda_url *url)
{
    if (url) {
        free(url->function);
        free(url->qualifier);
        free(url->auth);
        free(url->mode);
        json_decref(url->cors);
        free(url);
    }
}

static char *url_key(const char *function, const char *qualifier)
{
    return qualifier ? mem_printf("%s:%s", function, qualifier) : mem_dup(function);
}

static struct lambda_url *url_find(struct lambda *lambda, const char *function,
                                   const char *qualifier)
{
    CLEAN_MEM char *key = url_key(function, qualifier);
    return map_get(&lambda->urls->by_function, str_of(key));
}

static void url_remove(struct lambda *lambda, const char *function, const char *qualifier)
{
    CLEAN_MEM char *key = url_key(function, qualifier);
    struct lambda_url *url = map_remove(&lambda->urls->by_function, str_of(key));
    if (url) {
        map_remove(&lambda->urls->by_id, str_of(url->id));
        url_free(url);
    }
}

static void url_install(struct lambda *lambda, struct lambda_url *url)
{
    CLEAN_MEM char *key = url_key(url->function, url->qualifier);
    url_remove(lambda, url->function, url->qualifier);
    map_put(&lambda->urls->by_function, str_of(key), url);
    map_put(&lambda->urls->by_id, str_of(url->id), url);
}

void lambda_urls_forget(struct lambda *lambda, const char *function, const char *qualifier)
{
    if (qualifier) {
        url_remove(lambda, function, qualifier);
        return;
    }
    for (bool found = true; found;) {
        size_t at = 0;
        struct lambda_url *url = NULL;
        found = false;
        while (!found && (url = map_next(&lambda->urls->by_id, &at))) {
            found = strcmp(url->function, function) == 0;
        }
        if (found) {
            url_remove(lambda, url->function, url->qualifier);
        }
    }
}

static int load_url(void *ctx, const struct function_url *row)
{
    struct lambda_url *url = NEW(struct lambda_url);
    snprintf(url->id, sizeof url->id, STR_FMT, STR_ARG(row->id));
    url->function = str_dup(row->function);
    url->qualifier = row->qualifier.size ? str_dup(row->qualifier) : NULL;
    url->auth = str_dup(row->auth);
    url->mode = str_dup(row->mode);
    url->created_ms = row->created_ms;
    url->modified_ms = row->modified_ms;
    struct err ignored = {0};
    if (row->cors.size && json_parse_object(row->cors, &url->cors, &ignored) < 0) {
        url->cors = NULL;
    }
    url_install(ctx, url);
    return 0;
}

int lambda_urls_start(struct lambda *lambda, struct err *err)
{
    lambda->urls = NEW(struct lambda_urls);
    return function_url_each(store_reader(lambda->api->store), load_url, lambda, err);
}

void lambda_urls_stop(struct lambda *lambda)
{
    size_t at = 0;
    for (struct lambda_url *url; lambda->urls && (url = map_next(&lambda->urls->by_id, &at));) {
        url_free(url);
    }
    if (lambda->urls) {
        map_done(&lambda->urls->by_id);
        map_done(&lambda->urls->by_function);
    }
    free(lambda->urls);
}

// ── a change: the row first, then the memory, then the caller ──

struct url_write {
    struct store_task task;
    struct lambda_call *call; // a reference
    struct lambda_url *url;   // NULL: it goes
    int status;
    json_t *answer;
};

static void write_free(struct url_write *w)
{
    lambda_call_unref(w->call);
    url_free(w->url);
    json_decref(w->answer);
    free(w);
}

static int write_run(struct store_task *task, struct db *db, struct err *err)
{
    struct url_write *w = CONTAINER_OF(task, struct url_write, task);
    if (!w->url) {
        return function_url_delete(db, str_of(w->call->name), str_of(w->call->qualifier), err);
    }
    CLEAN(buf_done) struct buf cors = BUF_INIT(CORS_MAX);
    if (w->url->cors) {
        json_write(w->url->cors, &cors);
    }
    struct function_url row = {
        .id = str_of(w->url->id),
        .function = str_of(w->url->function),
        .qualifier = str_of(w->url->qualifier),
        .auth = str_of(w->url->auth),
        .mode = str_of(w->url->mode),
        .cors = buf_str(&cors),
        .created_ms = w->url->created_ms,
        .modified_ms = w->url->modified_ms,
    };
    return function_url_put(db, &row, err);
}

static void write_done(struct store_task *task)
{
    struct url_write *w = CONTAINER_OF(task, struct url_write, task);
    struct lambda *lambda = w->call->api->lambda;
    if (task->rc < 0) {
        lambda_fail(w->call, &task->err);
    } else if (w->url) {
        url_install(lambda, MOVE(w->url));
        lambda_reply(w->call, w->status, w->answer);
    } else {
        url_remove(lambda, w->call->name, w->call->qualifier);
        lambda_reply_empty(w->call, w->status);
    }
    write_free(w);
}

static void write_submit(struct lambda_call *call, struct lambda_url *url, int status,
                         json_t *answer)
{
    struct url_write *w = NEW(struct url_write);
    *w = (struct url_write){.task = {.run = write_run, .on_done = write_done},
                            .call = lambda_call_ref(call),
                            .url = url,
                            .status = status,
                            .answer = answer};
    store_submit(call->api->store, &w->task);
}

// ── the configuration ──

static void put_time(json_t *object, const char *name, int64_t wall_ms)
{
    char text[CLOCK_TEXT_MAX];
    json_put_str(object, name, str_of(clock_iso(wall_ms, text)));
}

static json_t *url_json(const struct lambda_call *call, const struct lambda_url *url, bool modified)
{
    CLEAN_MEM char *arn = lambda_arn(call->api->lambda, url->function, url->qualifier);
    CLEAN_MEM char *domain =
        front_domain(call->req, url->id, "lambda-url", call->api->settings->region);
    CLEAN_MEM char *location = mem_printf("http://%s/", domain);
    json_t *json = json_object();
    json_put_str(json, "FunctionUrl", str_of(location));
    json_put_str(json, "FunctionArn", str_of(arn));
    json_put_str(json, "AuthType", str_of(url->auth));
    if (url->cors) {
        json_put(json, "Cors", json_incref(url->cors));
    }
    put_time(json, "CreationTime", url->created_ms);
    if (modified) {
        put_time(json, "LastModifiedTime", url->modified_ms);
    }
    json_put_str(json, "InvokeMode", str_of(url->mode));
    return json;
}

static int bad_enum(struct err *err, struct str value, const char *member, const char *set)
{
    return err_aws(err, ERR_INVALID, "ValidationException",
                   "1 validation error detected: Value '" STR_FMT
                   "' at '%s' failed to satisfy constraint: Member must satisfy enum value set: %s",
                   STR_ARG(str_head(value, 40)), member, set);
}

// What the request says is put into the url; the rest stays.
static int url_read(const json_t *input, struct lambda_url *url, struct err *err)
{
    struct str auth = {0}, mode = {0};
    json_t *cors = NULL;
    TRY(json_get_str(input, "AuthType", &auth, err));
    TRY(json_get_str(input, "InvokeMode", &mode, err));
    TRY(json_get_object(input, "Cors", &cors, err));
    if (auth.at && !str_eq(auth, STR("NONE")) && !str_eq(auth, STR("AWS_IAM"))) {
        return bad_enum(err, auth, "authType", "[NONE, AWS_IAM]");
    }
    if (mode.at && !str_eq(mode, STR("BUFFERED")) && !str_eq(mode, STR("RESPONSE_STREAM"))) {
        return bad_enum(err, mode, "invokeMode", "[RESPONSE_STREAM, BUFFERED]");
    }
    if (auth.at) {
        free(url->auth);
        url->auth = str_dup(auth);
    }
    if (mode.at) {
        free(url->mode);
        url->mode = str_dup(mode);
    }
    if (cors) {
        struct err why = {0};
        if (http_cors_check(cors, &why) < 0) {
            return err_aws(err, ERR_INVALID, "ValidationException", "Cors.%s", why.text);
        }
        json_decref(url->cors);
        url->cors = json_object_size(cors) ? json_deep_copy(cors) : NULL;
    }
    return 0;
}

// A URL belongs to the function, or to an alias of it: neither to $LATEST by name nor to a version.
static int qualifier_check(const struct lambda_call *call, struct err *err)
{
    uint64_t number = 0;
    if (call->qualifier &&
        (strcmp(call->qualifier, "$LATEST") == 0 || str_to_u64(str_of(call->qualifier), &number))) {
        return err_aws(err, ERR_INVALID, "ValidationException",
                       "1 validation error detected: Value '%s' at 'qualifier' failed to satisfy "
                       "constraint: Member must satisfy regular expression pattern: "
                       "((?!^\\d+$)^[0-9a-zA-Z-_]+$)",
                       call->qualifier);
    }
    return 0;
}

static int need_url(struct lambda_call *call, struct lambda_url **ret, struct err *err)
{
    TRY(qualifier_check(call, err));
    *ret = url_find(call->api->lambda, call->name, call->qualifier);
    return *ret ? 0
                : err_aws(err, ERR_NOT_FOUND, "ResourceNotFoundException",
                          "The resource you requested does not exist.");
}

// ── operations ──

static struct lambda_url *url_new(const struct lambda_call *call)
{
    struct lambda_url *url = NEW(struct lambda_url);
    struct uuid uuid = uuid_new();
    size_t size = 0;
    for (const char *c = uuid.text; *c; c++) { // its 32 digits
        if (*c != '-') {
            url->id[size++] = *c;
        }
    }
    url->function = mem_dup(call->name);
    url->qualifier = mem_dup(call->qualifier);
    url->mode = mem_dup("BUFFERED");
    url->created_ms = url->modified_ms = clock_wall_ms();
    return url;
}

int lambda_create_url(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    TRY(qualifier_check(call, err));
    TRY(lambda_need(call, &f, err));
    struct lambda_target target;
    TRY(lambda_need_target(call, f, /* pick */ false, &target, err));
    if (url_find(call->api->lambda, call->name, call->qualifier)) {
        CLEAN_MEM char *arn = lambda_arn(call->api->lambda, call->name, call->qualifier);
        return err_aws(err, ERR_EXISTS, "ResourceConflictException",
                       "Failed to create function url config for [functionArn = %s]. Error "
                       "message:  FunctionUrlConfig exists for this Lambda function",
                       arn);
    }
    if (!call->req) {
        return err_set(err, ERR_LOST, "the client has gone");
    }
    struct lambda_url *url = url_new(call);
    int rc = url_read(call->input, url, err);
    if (rc >= 0 && !url->auth) {
        rc = err_aws(err, ERR_INVALID, "ValidationException",
                     "1 validation error detected: Value null at 'authType' failed to satisfy "
                     "constraint: Member must not be null");
    }
    if (rc < 0) {
        url_free(url);
        return rc;
    }
    write_submit(call, url, 201, url_json(call, url, /* modified */ false));
    return 0;
}

int lambda_update_url(struct lambda_call *call, struct err *err)
{
    struct lambda_url *before = NULL;
    TRY(need_url(call, &before, err));
    if (!call->req) {
        return err_set(err, ERR_LOST, "the client has gone");
    }
    struct lambda_url *url = NEW(struct lambda_url);
    *url = *before;
    url->function = mem_dup(before->function);
    url->qualifier = mem_dup(before->qualifier);
    url->auth = mem_dup(before->auth);
    url->mode = mem_dup(before->mode);
    url->cors = json_incref(before->cors);
    url->modified_ms = clock_wall_ms();
    int rc = url_read(call->input, url, err);
    if (rc < 0) {
        url_free(url);
        return rc;
    }
    write_submit(call, url, 200, url_json(call, url, /* modified */ true));
    return 0;
}

int lambda_get_url(struct lambda_call *call, struct err *err)
{
    struct lambda_url *url = NULL;
    TRY(need_url(call, &url, err));
    CLEAN_JSON json_t *answer = url_json(call, url, /* modified */ true);
    lambda_reply(call, 200, answer);
    return 0;
}

int lambda_delete_url(struct lambda_call *call, struct err *err)
{
    struct lambda_url *url = NULL;
    TRY(need_url(call, &url, err));
    write_submit(call, NULL, 204, NULL);
    return 0;
}

static int qualifier_cmp(const void *left, const void *right)
{
    const struct lambda_url *const *a = left, *const *b = right;
    const char *x = (*a)->qualifier, *y = (*b)->qualifier;
    return strcmp(x ? x : "", y ? y : "");
}

struct url_list {
    const struct lambda_call *call;
    struct lambda_url **urls;
};

static void list_mark(void *ctx, size_t i, struct buf *out)
{
    const struct lambda_url *url = ((struct url_list *)ctx)->urls[i];
    buf_add_text(out, url->qualifier ? url->qualifier : "$LATEST");
}

static json_t *list_item(void *ctx, size_t i)
{
    const struct url_list *list = ctx;
    return url_json(list->call, list->urls[i], /* modified */ true);
}

int lambda_list_urls(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    struct lambda *lambda = call->api->lambda;
    TRY(lambda_need(call, &f, err));
    CLEAN_MEM struct lambda_url **urls = NULL;
    size_t count = 0, at = 0;
    for (struct lambda_url *url; (url = map_next(&lambda->urls->by_id, &at));) {
        if (strcmp(url->function, call->name) == 0) {
            urls = mem_grow(urls, (count + 1) * sizeof *urls);
            urls[count++] = url;
        }
    }
    if (count) {
        qsort(urls, count, sizeof *urls, qualifier_cmp);
    }
    struct url_list list = {call, urls};
    struct lambda_listing listing = {.member = "FunctionUrlConfigs",
                                     .count = count,
                                     .items_max = LIST_MAX,
                                     .mark = list_mark,
                                     .item = list_item,
                                     .ctx = &list};
    return lambda_list(call, &listing, err);
}

// ── requests ──

// The path form: "/_aws/lambda-url/ID/the/path".
static struct str path_id(struct str path, struct str *ret_rest)
{
    struct str prefix = STR("/_aws/lambda-url/");
    if (!str_starts(path, prefix)) {
        return (struct str){0};
    }
    struct str rest = str_skip(path, prefix.size), id = str_head(rest, rest.size);
    ptrdiff_t slash = str_find(rest, '/');
    id = slash >= 0 ? str_head(rest, (size_t)slash) : rest;
    *ret_rest = slash >= 0 ? str_skip(rest, (size_t)slash) : STR("/");
    return id;
}

const struct http_handler *lambda_url_route(struct http_request *req, struct api *api)
{
    struct str path = req->path;
    struct str id = front_host_id(req->host, STR("lambda-url"));
    if (!id.at) {
        id = path_id(req->path, &path);
    }
    if (!id.at) {
        return NULL;
    }
    const struct lambda_url *url = map_get(&api->lambda->urls->by_id, id);
    if (!url) {
        return front_unknown(req, FRONT_URL);
    }
    if (url->cors && http_cors_is_preflight(req)) {
        return front_preflight(req, FRONT_URL, url->cors);
    }
    struct front *front = front_new(FRONT_URL);
    front->function = mem_dup(url->function);
    front->qualifier = mem_dup(url->qualifier);
    front->iam = strcmp(url->auth, "AWS_IAM") == 0;
    front->stream = strcmp(url->mode, "RESPONSE_STREAM") == 0;
    front->cors = json_incref(url->cors);
    front->id = mem_dup(url->id);
    front->domain = front_domain(req, url->id, "lambda-url", api->settings->region);
    front->stage = mem_dup("$default");
    front->route_key = mem_dup("$default");
    front->raw_path = str_dup(path);
    return front_serve(req, api, front);
}
