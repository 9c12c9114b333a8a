// SPDX-License-Identifier: Apache-2.0
// Calibration: the float model is given further outputs, some at a time, and run on the samples.
#include "runner/calibrate.h"
#include "base/mem.h"
#include "runner/files.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

// A model made of the float one, loaded; its file is gone again.
static int load_changed(const struct calibrate *c, const struct graph *graph, struct model **ret,
                        struct err *err)
{
    CLEAN_MEM char *path = mem_printf("%s/inside.onnx", c->work);
    TRY(graph_write(graph, path, err));
    struct model_source source = {.path = path};
    int rc = engine_load(c->engine, &source, ret, err);
    unlink(path);
    return rc;
}

static size_t used_samples(const struct calibrate *c)
{
    return c->samples->count < c->samples_max ? c->samples->count : c->samples_max;
}

static const struct sample *nth_sample(const struct calibrate *c, size_t n)
{
    return &c->samples->at[n * c->samples->count / used_samples(c)];
}

// ---- ranges ----

struct watch_list { // values looked at in one go
    const char **names;
    size_t count;
};

typedef void look_fn(struct range *range, const float *values, size_t count);

static void look_at(struct map *ranges, const char *name, const struct tensor *tensor,
                    look_fn *look)
{
    if (tensor->type == TENSOR_FLOAT32) {
        struct range *range = map_get(ranges, str_of(name));
        look(range, tensor->data, tensor->size / sizeof(float));
    }
}

static int look_once(const struct calibrate *c, struct model *model, struct map *ranges,
                     look_fn *look, struct err *err)
{
    struct tensor outputs[ENGINE_VALUES_MAX];
    for (size_t n = 0; n < used_samples(c); n++) {
        TRY(model_run(model, nth_sample(c, n)->inputs, outputs, err));
        for (size_t i = 0; i < model->output_count; i++) {
            look_at(ranges, model->outputs[i].name, &outputs[i], look);
        }
    }
    return 0;
}

static int look_inside(const struct calibrate *c, struct str file, const struct watch_list *list,
                       struct map *ranges, struct err *err)
{
    CLEAN(graph_done) struct graph graph = {0};
    CLEAN(model_clean) struct model *model = NULL;
    TRY(graph_read(file, &graph, err));
    graph.model->graph->n_output = 0;
    for (size_t i = 0; i < list->count; i++) {
        graph_add_output(&graph, list->names[i]);
    }
    TRY(load_changed(c, &graph, &model, err));
    TRY(look_once(c, model, ranges, range_bound, err));
    return look_once(c, model, ranges, range_count, err);
}

// Values that are inputs or outputs are seen without looking inside.
static bool look_outside(const struct calibrate *c, const struct model *model, const char *name,
                         struct map *ranges)
{
    look_fn *const looks[] = {range_bound, range_count};
    bool found = false;
    for (size_t l = 0; l < ARRAY_SIZE(looks); l++) {
        for (size_t n = 0; n < used_samples(c); n++) {
            const struct sample *sample = nth_sample(c, n);
            for (size_t i = 0; i < model->input_count; i++) {
                if (strcmp(model->inputs[i].name, name) == 0) {
                    look_at(ranges, name, &sample->inputs[i], looks[l]);
                    found = true;
                }
            }
            for (size_t i = 0; i < model->output_count; i++) {
                if (strcmp(model->outputs[i].name, name) == 0) {
                    look_at(ranges, name, &sample->answers[i], looks[l]);
                    found = true;
                }
            }
        }
    }
    return found;
}

static int look_at_all(const struct calibrate *c, struct str file, const struct graph *graph,
                       const struct model *model, struct map *ranges, struct err *err)
{
    CLEAN_MEM const char **names = NULL;
    size_t count = 0, inside = 0;
    TRY(static_values(graph, &names, &count, err));
    for (size_t i = 0; i < count; i++) {
        struct range *range = NEW(struct range);
        *range = (struct range)RANGE_INIT;
        map_put(ranges, str_of(names[i]), range);
        if (!look_outside(c, model, names[i], ranges)) {
            names[inside++] = names[i];
        }
    }
    for (size_t i = 0; i < inside; i += ENGINE_VALUES_MAX) {
        size_t rest = inside - i;
        struct watch_list list = {names + i, rest < ENGINE_VALUES_MAX ? rest : ENGINE_VALUES_MAX};
        TRY(look_inside(c, file, &list, ranges, err));
    }
    return 0;
}

int calibrate_ranges(const struct calibrate *c, const struct model *model, struct map *ret,
                     struct err *err)
{
    CLEAN(files_unmap) struct str file = {0};
    CLEAN(graph_done) struct graph graph = {0};
    TRY(files_map(c->model, &file, err));
    TRY(graph_read(file, &graph, err));
    return look_at_all(c, file, &graph, model, ret, err);
}

void calibrate_ranges_done(struct map *ranges)
{
    size_t at = 0;
    for (struct range *range; (range = map_next(ranges, &at));) {
        range_done(range);
        free(range);
    }
    map_done(ranges);
}

// ---- hurts ----

static int run_probes(const struct calibrate *c, struct model *model, struct hurt *hurts,
                      struct err *err)
{
    struct tensor outputs[ENGINE_VALUES_MAX];
    for (size_t n = 0; n < used_samples(c); n++) {
        TRY(model_run(model, nth_sample(c, n)->inputs, outputs, err));
        for (size_t i = 0; i < model->output_count; i++) {
            double share = tensor_get(&outputs[i], 0);
            hurts[i].share += isfinite(share) ? share / (double)used_samples(c) : 0;
        }
    }
    return 0;
}

static int probe(const struct calibrate *c, const struct static_options *options, struct str file,
                 size_t *from, struct hurt **hurts, size_t *count, struct err *err)
{
    CLEAN(graph_done) struct graph graph = {0};
    CLEAN(model_clean) struct model *model = NULL;
    struct probe_list list;
    TRY(graph_read(file, &graph, err));
    TRY(static_probe(&graph, options, from, &list, err));
    *hurts = mem_grow(*hurts, (*count + list.count) * sizeof **hurts);
    for (size_t i = 0; i < list.count; i++) {
        (*hurts)[*count + i] = (struct hurt){.name = mem_dup(list.names[i])};
    }
    *count += list.count;
    TRY(load_changed(c, &graph, &model, err));
    return run_probes(c, model, *hurts + *count - list.count, err);
}

static int worse_first(const void *a, const void *b)
{
    const struct hurt *x = a, *y = b;
    return x->share > y->share ? -1 : x->share < y->share;
}

int calibrate_hurts(const struct calibrate *c, const struct static_options *options,
                    struct hurt **ret, size_t *ret_count, struct err *err)
{
    CLEAN(files_unmap) struct str file = {0};
    TRY(files_map(c->model, &file, err));
    size_t from = 0;
    do {
        TRY(probe(c, options, file, &from, ret, ret_count, err));
    } while (from);
    if (*ret_count) {
        qsort(*ret, *ret_count, sizeof **ret, worse_first);
    }
    return 0;
}

void hurts_free(struct hurt *hurts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(hurts[i].name);
    }
    free(hurts);
}
