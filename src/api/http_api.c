// SPDX-License-Identifier: Apache-2.0
// HTTP APIs as they are known here: loaded at start, changed after the store was.
#include "api/http_api.h"
#include "base/log.h"
#include "store/http_api.h"

static void api_free(struct http_api *api)
{
    for (int kind = 0; kind < HTTP_API_KINDS; kind++) {
        size_t at = 0;
        for (json_t *part; (part = map_next(&api->parts[kind], &at));) {
            json_decref(part);
        }
        map_done(&api->parts[kind]);
    }
    json_decref(api->document);
    free(api);
}

void http_apis_drop(struct http_apis *apis, const char *id)
{
    struct http_api *api = map_remove(&apis->by_id, str_of(id));
    if (api) {
        api_free(api);
    }
}

void http_apis_set(struct http_apis *apis, const char *api_id, enum http_api_kind kind,
                   const char *id, json_t *document)
{
    struct http_api *api = map_get(&apis->by_id, str_of(api_id));
    if (kind != HTTP_API && !api) {
        json_decref(document);
        return;
    }
    if (!api) {
        api = NEW(struct http_api);
        snprintf(api->id, sizeof api->id, "%s", api_id);
        map_put(&apis->by_id, str_of(api_id), api);
    }
    if (kind == HTTP_API) {
        json_decref(api->document);
        api->document = document;
    } else {
        json_decref(document ? map_put(&api->parts[kind], str_of(id), document)
                             : map_remove(&api->parts[kind], str_of(id)));
    }
}

static int load_row(void *ctx, const struct http_api_row *row)
{
    CLEAN_MEM char *api_id = str_dup(row->api);
    CLEAN_MEM char *id = str_dup(row->id);
    json_t *document = NULL;
    struct err err = {0};
    for (int kind = 0; kind < HTTP_API_KINDS; kind++) {
        if (!str_eq(row->kind, str_of(http_api_names[kind].kind))) {
            continue;
        }
        if (json_parse_object(row->document, &document, &err) < 0) {
            log_error("API %s: its %s %s cannot be read: %s", api_id, http_api_names[kind].kind, id,
                      err.text);
        } else {
            http_apis_set(ctx, api_id, (enum http_api_kind)kind, id, document);
        }
    }
    return 0;
}

int http_apis_start(struct api *api, struct err *err)
{
    api->apis = NEW(struct http_apis);
    lambda_line_init(&api->apis->line, api->loop);
    return http_api_each(store_reader(api->store), load_row, api->apis, err);
}

void http_apis_stop(struct api *api)
{
    struct http_apis *apis = MOVE(api->apis);
    if (!apis) {
        return;
    }
    size_t at = 0;
    for (struct http_api *one; (one = map_next(&apis->by_id, &at));) {
        api_free(one);
    }
    map_done(&apis->by_id);
    timer_stop(api->loop, &apis->line.next);
    free(apis);
}
