// SPDX-License-Identifier: Apache-2.0
// GET /rouse/cache: what is kept in memory so that functions start fast. Level 1 is templates, processes
// with runtimes, tokenizers and labels; level 2 the weights of models, files that are mapped. Processes and
// files are looked at on a pool thread.
#include "api/admin.h"
#include "api/reply.h"
#include "base/clock.h"
#include "base/file.h"
#include "dispatch/dispatch.h"
#include "format/json.h"
#include "format/uri.h"
#include "worker/template.h"
#include "worker/weights.h"

#define ROLLUP_MAX 4096

struct view {
    struct pool_work work;
    struct http_request *req; // NULL once the client has gone
    struct api *api;
    json_t *templates, *models;
    bool prometheus;
};

// ---- what is known without looking

static void note_template(void *ctx, const struct template_view *template)
{
    json_t *row = json_object();
    json_put_str(row, "level", str_of(template->level));
    json_put_str(row, "name", str_of(template->name));
    json_put_int(row, "pid", template->pid);
    json_put_bool(row, "ready", template->ready);
    json_put_int(row, "idleMs", template->idle_us / 1000);
    json_array_append_new(ctx, row);
}

static void note_model(void *ctx, const struct weights_model *model)
{
    struct view *view = ctx;
    char when[CLOCK_TEXT_MAX];
    struct str name = str_of(model->function->name);
    struct dispatch_counts counts = dispatch_counts(view->api->dispatch, name);
    bool template = templates_has(view->api->templates, model->function);
    json_t *row = json_object();
    json_put_str(row, "function", name);
    json_put_str(row, "version", str_of(model->function->version));
    json_put_str(row, "path", str_of(model->path));
    json_put_bool(row, "mapped", template || counts.instances > 0);
    json_put_str(row, "lastUsed", str_of(clock_iso(model->used_ms, when)));
    json_array_append_new(view->models, row);
}

// ---- on a pool thread

// PSS, of which a page that several share counts once; null where the kernel does not say.
static json_t *pss_of(int64_t pid)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(ROLLUP_MAX);
    CLEAN_MEM char *path = mem_printf("/proc/%lld/smaps_rollup", (long long)pid);
    if (pid <= 0 || file_read(path, &text, NULL) < 0) {
        return json_null();
    }
    for (struct str rest = buf_str(&text); rest.at;) {
        struct str line = str_cut(&rest, '\n');
        uint64_t kb = 0;
        if (str_starts(line, STR("Pss:"))) {
            line = str_trim(str_skip(line, strlen("Pss:")));
            return str_to_u64(str_cut(&line, ' '), &kb) ? json_integer((json_int_t)(kb * 1024))
                                                        : json_null();
        }
    }
    return json_null();
}

static void view_run(struct pool_work *work)
{
    struct view *view = CONTAINER_OF(work, struct view, work);
    size_t i = 0;
    json_t *row = NULL;
    json_array_foreach(view->templates, i, row)
    {
        json_put(row, "pss", pss_of(json_integer_value(json_object_get(row, "pid"))));
    }
    json_array_foreach(view->models, i, row)
    {
        uint64_t size = 0, resident = 0;
        weights_measure(json_string_value(json_object_get(row, "path")), WEIGHTS_LOOK, &size,
                        &resident);
        json_put_int(row, "size", (int64_t)size);
        json_put_int(row, "resident", (int64_t)resident);
    }
}

// ---- the answer

static int64_t sum(const json_t *rows, const char *member, const char *where)
{
    int64_t total = 0;
    size_t i = 0;
    json_t *row = NULL;
    json_array_foreach((json_t *)(uintptr_t)rows, i, row)
    {
        bool counts = !where || json_is_true(json_object_get(row, where));
        total += counts ? json_integer_value(json_object_get(row, member)) : 0;
    }
    return total;
}

static json_t *document(struct view *view)
{
    json_t *json = json_object(), *level1 = json_object(), *level2 = json_object();
    json_put_int(level1, "budget", templates_budget(view->api->templates));
    json_put_int(level1, "pss", sum(view->templates, "pss", NULL));
    json_put(level1, "templates", json_incref(view->templates));
    json_put_int(level2, "budget", (int64_t)weights_budget(view->api->weights));
    json_put_int(level2, "size", sum(view->models, "size", NULL));
    json_put_int(level2, "mapped", sum(view->models, "size", "mapped"));
    json_put_int(level2, "resident", sum(view->models, "resident", NULL));
    json_put_int(level2, "dropped", (int64_t)weights_dropped(view->api->weights));
    json_put(level2, "models", json_incref(view->models));
    json_put(json, "level1", level1);
    json_put(json, "level2", level2);
    return json;
}

static void add_metric(struct buf *out, const json_t *document, const char *name, const char *type,
                       const char *help, const char *path)
{
    buf_printf(out, "# HELP rouse_cache_%s %s\n# TYPE rouse_cache_%s %s\nrouse_cache_%s %lld\n",
               name, help, name, type, name,
               (long long)json_integer_value(json_at(document, path)));
}

static void reply_metrics(struct view *view, const json_t *json)
{
    struct buf out = BUF_INIT(64 * 1024);
    int64_t count = (int64_t)json_array_size(view->templates);
    buf_printf(&out,
               "# HELP rouse_cache_templates Template processes.\n# TYPE rouse_cache_templates "
               "gauge\nrouse_cache_templates %lld\n",
               (long long)count);
    add_metric(&out, json, "templates_budget", "gauge", "Templates of functions at most.",
               "level1.budget");
    add_metric(&out, json, "templates_pss_bytes", "gauge", "Memory of templates.", "level1.pss");
    add_metric(&out, json, "weights_bytes", "gauge", "Prepared models that were used.",
               "level2.size");
    add_metric(&out, json, "weights_mapped_bytes", "gauge", "Of these, mapped by a process.",
               "level2.mapped");
    add_metric(&out, json, "weights_resident_bytes", "gauge", "Of these, in memory.",
               "level2.resident");
    add_metric(&out, json, "weights_budget_bytes", "gauge", "In memory at most; 0: no bound.",
               "level2.budget");
    add_metric(&out, json, "weights_dropped_total", "counter", "Models that were dropped.",
               "level2.dropped");
    http_reply_header(view->req, "Content-Type", "text/plain; version=0.0.4");
    http_reply_buf(view->req, 200, &out);
}

static void view_done(struct pool_work *work)
{
    struct view *view = CONTAINER_OF(work, struct view, work);
    if (view->req) {
        CLEAN_JSON json_t *json = document(view);
        view->req->data = NULL;
        if (view->prometheus) {
            reply_metrics(view, json);
        } else {
            reply_json(view->req, 200, json);
        }
    }
    json_decref(view->templates);
    json_decref(view->models);
    free(view);
}

static void view_end(struct http_request *req)
{
    struct view *view = req->data;
    view->templates = json_array();
    view->models = json_array();
    view->work.run = view_run;
    view->work.on_done = view_done;
    templates_each(view->api->templates, note_template, view->templates);
    weights_each(view->api->weights, note_model, view);
    pool_submit(view->api->pool, &view->work);
}

static void view_closed(struct http_request *req)
{
    struct view *view = req->data;
    if (view) {
        view->req = NULL;
    }
}

const struct http_handler *admin_cache(struct http_request *req, struct api *api)
{
    static const struct http_handler handler = {.on_end = view_end, .on_closed = view_closed};
    struct view *view = NEW(struct view);
    struct str format = {0};
    (void)uri_query_find(req->query, STR("format"), &format);
    view->req = req;
    view->api = api;
    view->prometheus = str_eq(format, STR("prometheus"));
    req->data = view;
    return &handler;
}
