// SPDX-License-Identifier: Apache-2.0
// What is asked about the server itself: health for load balancers and tools (unsigned), and under
// /rouse/ what our own CLI shows (signed like everything else).
#include "api/admin.h"
#include "api/auth.h"
#include "api/lambda.h"
#include "base/clock.h"
#include "base/log.h"
#include "cache/cache.h"
#include "dispatch/dispatch.h"
#include "format/hex.h"
#include "format/uri.h"
#include "worker/devices.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void nothing_end(struct http_request *req)
{
    (void)req;
}

static const struct http_handler answered = {.on_end = nothing_end};

static const struct http_handler *fail(struct http_request *req, const struct err *err)
{
    reply_error(req, err);
    return &answered;
}

static const struct http_handler *reply_text(struct http_request *req, int status, const char *text)
{
    http_reply_header(req, "Content-Type", "text/plain");
    http_reply(req, status, str_of(text));
    return &answered;
}

// ── health ──

static const struct http_handler *health(struct http_request *req)
{
    CLEAN_JSON json_t *json = json_object();
    json_put(json, "services", json_pack("{s:s, s:s}", "s3", "running", "lambda", "running"));
    json_put_str(json, "edition", STR("rouse"));
    json_put_str(json, "version", STR(ROUSE_VERSION));
    reply_json(req, 200, json);
    return &answered;
}

// ── /rouse/info ──

static json_t *counts_json(const struct dispatch_counts *counts)
{
    json_t *json = json_object();
    json_put_int(json, "queued", (int64_t)counts->queued);
    json_put_int(json, "running", (int64_t)counts->running);
    json_put_int(json, "instances", (int64_t)counts->instances);
    json_put_int(json, "templates", (int64_t)counts->templates);
    json_put_int(json, "invocations", (int64_t)counts->invocations);
    json_put_int(json, "errors", (int64_t)counts->errors);
    json_put_int(json, "throttles", (int64_t)counts->throttles);
    json_put_int(json, "coldStarts", (int64_t)counts->cold_starts);
    json_put_int(json, "cached", (int64_t)counts->cached);
    return json;
}

static json_t *cache_json(struct cache *cache)
{
    struct cache_stats stats = {.kind = "none", .state = "off"};
    if (cache) {
        cache->ops->stats(cache, &stats);
    }
    json_t *json = json_object();
    json_put_str(json, "kind", str_of(stats.kind));
    json_put_str(json, "state", str_of(stats.state));
    json_put_int(json, "entries", (int64_t)stats.entries);
    json_put_int(json, "bytes", (int64_t)stats.bytes);
    json_put_int(json, "hits", (int64_t)stats.hits);
    json_put_int(json, "misses", (int64_t)stats.misses);
    json_put_int(json, "late", (int64_t)stats.late);
    return json;
}

static json_t *function_json(struct api *api, const struct lambda_function *f)
{
    static const char *const states[] = {"Pending", "Active", "Failed"};
    struct dispatch_counts counts = dispatch_counts(api->dispatch, str_of(f->name));
    json_t *json = counts_json(&counts);
    json_put_str(json, "name", str_of(f->name));
    json_put_str(json, "runtime", str_of(f->latest->runtime));
    json_put_str(json, "state", str_of(states[f->latest->state]));
    if (f->latest->state_reason) {
        json_put_str(json, "stateReason", str_of(f->latest->state_reason));
    }
    json_t *quantize = lambda_quantize_status(f->latest);
    if (quantize) {
        json_put(json, "quantize", quantize);
    }
    json_put_int(json, "memoryMb", f->latest->memory_mb);
    json_put_int(json, "timeoutS", f->latest->timeout_s);
    json_put_int(json, "codeSize", (int64_t)f->latest->code_size);
    return json;
}

static int by_name(const void *left, const void *right)
{
    const struct lambda_function *const *a = left, *const *b = right;
    return strcmp((*a)->name, (*b)->name);
}

static json_t *functions_json(struct api *api)
{
    json_t *list = json_array();
    struct map *map = &api->lambda->functions;
    CLEAN_MEM struct lambda_function **functions = mem_alloc((map->count + 1) * sizeof *functions);
    size_t at = 0, count = 0;
    for (struct lambda_function *f; (f = map_next(map, &at));) {
        if (f->latest) {
            functions[count++] = f;
        }
    }
    qsort(functions, count, sizeof *functions, by_name);
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, function_json(api, functions[i]));
    }
    return list;
}

static const struct http_handler *info(struct http_request *req, struct api *api)
{
    struct dispatch_counts totals = dispatch_totals(api->dispatch);
    struct store_stats stats = store_stats(api->store);
    struct err ignored = {0};
    CLEAN_JSON json_t *json = counts_json(&totals);
    json_put_str(json, "version", STR(ROUSE_VERSION));
    json_put_str(json, "region", str_of(api->settings->region));
    json_put_int(json, "uptimeMs", clock_wall_ms() - api->started_ms);
    json_put_int(json, "pid", getpid());
    json_put_bool(json, "draining", api->draining);
    json_put(json, "store",
             json_pack("{s:s, s:I, s:I, s:I}", "dir", store_dir(api->store), "commits",
                       (json_int_t)stats.commits, "tasks", (json_int_t)stats.tasks, "fsyncUs",
                       (json_int_t)stats.fsync_us));
    json_put(json, "cache", cache_json(api->cache));
    json_t *walls = NULL;
    if (json_parse_object(str_of(api->settings->walls(api->settings->ctx)), &walls, &ignored) ==
        0) {
        json_put(json, "walls", walls);
    }
    json_t *devices = NULL;
    struct str known = device_table_known(api->devices);
    if (known.size && json_parse_object(known, &devices, &ignored) == 0) {
        json_put(json, "devices", json_incref(json_object_get(devices, "devices")));
        json_decref(devices);
    }
    json_put(json, "functions", functions_json(api));
    reply_json(req, 200, json);
    return &answered;
}

// ── /rouse/devices: looked for when it is first asked for ──

struct devices_call {
    struct http_request *req;
    struct device_ask ask;
};

static void devices_known(struct device_ask *ask, struct str json)
{
    struct devices_call *call = CONTAINER_OF(ask, struct devices_call, ask);
    http_reply_header(call->req, "Content-Type", "application/json");
    http_reply(call->req, 200, json);
}

static void devices_closed(struct http_request *req)
{
    struct devices_call *call = req->data;
    device_table_cancel(&call->ask);
    free(call);
}

static void devices_ask(struct http_request *req)
{
    struct devices_call *call = req->data;
    const struct api *api = req->ctx;
    device_table_ask(api->devices, &call->ask);
}

static const struct http_handler *devices(struct http_request *req)
{
    static const struct http_handler handler = {.on_end = devices_ask, .on_closed = devices_closed};
    struct devices_call *call = NEW(struct devices_call);
    call->req = req;
    call->ask.on_known = devices_known;
    list_init(&call->ask.link);
    req->data = call;
    return &handler;
}

// ── /rouse/code/SHA256.zip: what GetFunction's Code.Location names ──

static const struct http_handler *code(struct http_request *req, struct api *api, struct str name)
{
    struct err err = {0};
    uint8_t sha[32];
    struct stat st;
    int fd = -1;
    if (str_ends(name, STR(".zip")) &&
        hex_decode(str_head(name, name.size - 4), sha, 32, &err) >= 0) {
        CLEAN_MEM char *path = mem_printf("%s/" STR_FMT "/code.zip", api->lambda->packages,
                                          STR_ARG(str_head(name, 64)));
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    }
    if (fd < 0 || fstat(fd, &st) < 0) {
        fd_clean(&fd);
        (void)!err_set(&err, ERR_NOT_FOUND, "There is no such package.");
        return fail(req, &err);
    }
    http_reply_header(req, "Content-Type", "application/zip");
    http_reply_file(req, 200, fd, 0, (uint64_t)st.st_size);
    return &answered;
}

// ── entry point ──

static const struct http_handler *signed_route(struct http_request *req, struct api *api)
{
    struct auth auth;
    struct err err = {0};
    struct str path = str_skip(req->path, strlen("/rouse/"));
    if (auth_headers(api, req, AUTH_STYLE_JSON, &auth, &err) < 0) {
        return fail(req, &err);
    }
    if (auth.role[0]) { // a function's credentials
        (void)!err_set(&err, ERR_DENIED, "Only the root may look at the server itself.");
        return fail(req, &err);
    }
    if (!str_eq(req->method, STR("GET")) || req->body_size > 0) {
        (void)!err_aws(&err, ERR_INVALID, "MethodNotAllowedException", "only GET is served here");
        return fail(req, &err);
    }
    if (str_eq(path, STR("info"))) {
        return info(req, api);
    }
    if (str_eq(path, STR("devices"))) {
        return devices(req);
    }
    if (str_eq(path, STR("logs")) || str_starts(path, STR("logs/"))) {
        const struct http_handler *handler = NULL;
        struct str function = str_skip(path, strlen("logs/"));
        return admin_logs(req, api, function, &handler, &err) < 0 ? fail(req, &err) : handler;
    }
    if (str_eq(path, STR("cache"))) {
        return admin_cache(req, api);
    }
    if (str_eq(path, STR("models"))) {
        CLEAN_JSON json_t *json = json_object();
        json_put(json, "used", lambda_models_used(api->lambda));
        reply_json(req, 200, json);
        return &answered;
    }
    if (str_starts(path, STR("code/"))) {
        return code(req, api, str_skip(path, strlen("code/")));
    }
    (void)!err_set(&err, ERR_NOT_FOUND, "There is nothing at " STR_FMT,
                   STR_ARG(str_head(req->path, 200)));
    return fail(req, &err);
}

const struct http_handler *admin_route(struct http_request *req, struct api *api)
{
    if (str_eq(req->path, STR("/_localstack/health"))) {
        return health(req);
    }
    if (str_eq(req->path, STR("/healthz"))) {
        return reply_text(req, 200, "ok\n");
    }
    if (str_eq(req->path, STR("/readyz"))) {
        return api->draining ? reply_text(req, 503, "draining\n") : reply_text(req, 200, "ok\n");
    }
    return str_starts(req->path, STR("/rouse/")) ? signed_route(req, api) : NULL;
}
