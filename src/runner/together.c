// SPDX-License-Identifier: Apache-2.0
// Stacking, cutting, and the one comparison that decides whether to.
#include "runner/together.h"
#include "base/mem.h"
#include "wire/wire.h"

#include <math.h>
#include <stdlib.h>

#define STACK_SIZE_MAX (64u * 1024 * 1024) // of the inputs of one run
#define TOLERANCE      0.02 // of the largest number: int8 scales span the whole batch
#define ALIGNMENT      64

struct group {
    struct together_part *parts[WIRE_JOBS_MAX];
    size_t count;
    int64_t rows;
    size_t size; // bytes of its inputs
};

struct call {
    struct package *package;
    void (*answer)(void *ctx, struct together_part *part);
    void *ctx;
};

static bool open_first(const struct engine_value *values, size_t count)
{
    bool open = count > 0;
    for (size_t i = 0; i < count && open; i++) {
        open = values[i].rank > 0 && values[i].dims[0] < 0;
    }
    return open;
}

bool together_possible(const struct package *package)
{
    const struct model *model = package->model;
    return model && package->stacking != STACKING_REFUTED &&
           open_first(model->inputs, model->input_count) &&
           open_first(model->outputs, model->output_count);
}

// Every input has as many rows as the first, at least one.
static bool stackable(const struct model *model, const struct together_part *part)
{
    const struct tensor *inputs = part->inputs;
    bool ok = true;
    for (size_t i = 0; i < model->input_count && ok; i++) {
        ok = inputs[i].rank > 0 && inputs[i].dims[0] > 0 && inputs[i].dims[0] == inputs[0].dims[0];
    }
    return ok;
}

static bool same_but_rows(const struct tensor *a, const struct tensor *b)
{
    return a->type == b->type && a->rank == b->rank &&
           memcmp(a->dims + 1, b->dims + 1, (a->rank - 1) * sizeof a->dims[0]) == 0;
}

static size_t inputs_size(const struct model *model, const struct together_part *part)
{
    size_t size = 0;
    for (size_t i = 0; i < model->input_count; i++) {
        size += part->inputs[i].size;
    }
    return size;
}

static bool group_takes(const struct group *group, const struct model *model,
                        const struct together_part *part)
{
    bool fits = group->count < ARRAY_SIZE(group->parts) && stackable(model, part) &&
                group->size + inputs_size(model, part) <= STACK_SIZE_MAX;
    for (size_t i = 0; i < model->input_count && fits; i++) {
        fits = same_but_rows(&group->parts[0]->inputs[i], &part->inputs[i]);
    }
    return fits;
}

static void group_add(struct group *group, const struct model *model, struct together_part *part)
{
    group->parts[group->count++] = part;
    group->rows += part->inputs[0].rank ? part->inputs[0].dims[0] : 0;
    group->size += inputs_size(model, part);
}

static int stack(const struct group *group, size_t input, struct tensor *ret, struct err *err)
{
    *ret = group->parts[0]->inputs[input];
    ret->dims[0] = group->rows;
    ret->size = 0;
    for (size_t i = 0; i < group->count; i++) {
        ret->size += group->parts[i]->inputs[input].size;
    }
    char *to = aligned_alloc(ALIGNMENT, (ret->size + ALIGNMENT) / ALIGNMENT * ALIGNMENT);
    ret->data = to;
    if (!to) {
        return err_set(err, ERR_NO_MEMORY, "no memory for a batch of %zu bytes", ret->size);
    }
    for (size_t i = 0; i < group->count; i++) {
        const struct tensor *from = &group->parts[i]->inputs[input];
        memcpy(to, from->data, from->size);
        to += from->size;
    }
    return 0;
}

// Part of the rows of each output; ERR_FUNCTION when they are not as many as went in.
static int cut(const struct group *group, const struct model *model, const struct tensor *outputs,
               struct err *err)
{
    for (size_t o = 0; o < model->output_count; o++) {
        if (outputs[o].rank == 0 || outputs[o].dims[0] != group->rows) {
            return err_set(err, ERR_FUNCTION, "\"%s\" has other rows", model->outputs[o].name);
        }
        size_t row_size = outputs[o].size / (size_t)group->rows;
        char *at = outputs[o].data;
        for (size_t i = 0; i < group->count; i++) {
            struct tensor *part = &group->parts[i]->outputs[o];
            *part = outputs[o];
            part->dims[0] = group->parts[i]->inputs[0].dims[0];
            part->data = at;
            part->size = row_size * (size_t)part->dims[0];
            at += part->size;
        }
    }
    return 0;
}

static int run_stacked(const struct group *group, struct model *model, struct err *err)
{
    struct tensor inputs[ENGINE_VALUES_MAX] = {{0}}, outputs[ENGINE_VALUES_MAX];
    int rc = 0;
    size_t stacked = 0;
    while (stacked < model->input_count && rc == 0) {
        rc = stack(group, stacked, &inputs[stacked], err);
        stacked += rc == 0;
    }
    if (rc == 0) {
        rc = model_run(model, inputs, outputs, err);
    }
    for (size_t i = 0; i < stacked; i++) {
        free(inputs[i].data);
    }
    return rc < 0 ? rc : cut(group, model, outputs, err);
}

static void run_alone(const struct call *call, struct together_part *part)
{
    (void)!model_run(call->package->model, part->inputs, part->outputs, &part->err);
    call->answer(call->ctx, part);
}

static bool near(const struct tensor *a, const struct tensor *b)
{
    size_t element = tensor_type_size(a->type);
    if (!same_but_rows(a, b) || a->size != b->size) {
        return false;
    }
    size_t count = a->size / element;
    if (a->type == TENSOR_STRING) {
        for (size_t i = 0; i < count; i++) {
            if (!str_eq(((struct str *)a->data)[i], ((struct str *)b->data)[i])) {
                return false;
            }
        }
        return true;
    }
    double most = 0, apart = 0;
    for (size_t i = 0; i < count; i++) {
        double x = tensor_get(a, i), y = tensor_get(b, i);
        if (isnan(x) != isnan(y)) {
            return false;
        }
        most = fmax(most, fabs(x));
        apart = fmax(apart, fabs(x - y)); // fmax passes over what is no number
    }
    return apart <= most * TOLERANCE + 1e-6;
}

// What the model gave for one part alone, kept while the others run.
static struct tensor *outputs_copy(const struct model *model, const struct tensor *outputs)
{
    struct tensor *copy = mem_alloc(model->output_count * sizeof *copy);
    for (size_t o = 0; o < model->output_count; o++) {
        copy[o] = outputs[o];
        copy[o].data = mem_dup_n(outputs[o].data, outputs[o].size);
    }
    return copy;
}

static void outputs_free(const struct model *model, struct tensor *outputs)
{
    for (size_t o = 0; o < model->output_count; o++) {
        free(outputs[o].data);
    }
    free(outputs);
}

// The first group: each part alone, which is what is answered, then all together. Strings belong to
// the model until its next run, so a model that answers with some is not judged, nor batched.
static void try_group(const struct call *call, const struct group *group)
{
    struct model *model = call->package->model;
    struct tensor *alone[WIRE_JOBS_MAX] = {NULL};
    bool sound = true;
    for (size_t o = 0; o < model->output_count; o++) {
        sound = sound && model->outputs[o].type != TENSOR_STRING;
    }
    for (size_t i = 0; i < group->count; i++) {
        struct together_part *part = group->parts[i];
        run_alone(call, part);
        sound = sound && part->err.code == 0;
        alone[i] = sound ? outputs_copy(model, part->outputs) : NULL;
    }
    struct err why = {0};
    bool same = sound && run_stacked(group, model, &why) == 0;
    for (size_t i = 0; i < group->count && same; i++) {
        for (size_t o = 0; o < model->output_count && same; o++) {
            same = near(&alone[i][o], &group->parts[i]->outputs[o]);
        }
    }
    if (sound) { // a part that fails by itself says nothing about the model
        call->package->stacking = same ? STACKING_PROVED : STACKING_REFUTED;
    }
    for (size_t i = 0; i < group->count; i++) {
        if (alone[i]) {
            outputs_free(model, alone[i]);
        }
    }
}

static void run_group(const struct call *call, const struct group *group)
{
    struct err why = {0};
    if (group->count > 1 && call->package->stacking == STACKING_UNKNOWN) {
        try_group(call, group);
        return;
    }
    bool together = group->count > 1 && call->package->stacking == STACKING_PROVED &&
                    run_stacked(group, call->package->model, &why) == 0;
    for (size_t i = 0; i < group->count; i++) {
        if (together) {
            call->answer(call->ctx, group->parts[i]);
        } else {
            run_alone(call, group->parts[i]);
        }
    }
}

void together_run(struct package *package, struct together_part **parts, size_t count,
                  void (*answer)(void *ctx, struct together_part *part), void *ctx)
{
    struct call call = {package, answer, ctx};
    const struct model *model = package->model;
    CLEAN_MEM bool *taken = mem_alloc(count * sizeof *taken);
    for (size_t i = 0; i < count; i++) {
        if (taken[i]) {
            continue;
        }
        struct group group = {.count = 0};
        group_add(&group, model, parts[i]);
        bool open = together_possible(package) && stackable(model, parts[i]);
        for (size_t k = i + 1; k < count && open; k++) {
            if (!taken[k] && group_takes(&group, model, parts[k])) {
                group_add(&group, model, parts[k]);
                taken[k] = true;
            }
        }
        run_group(&call, &group);
    }
}
