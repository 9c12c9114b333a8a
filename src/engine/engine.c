// SPDX-License-Identifier: Apache-2.0
// The table of engines, and what is checked for all of them: that inputs fit before they are run.
#include "engine/engine.h"
#include "base/check.h"
#include "base/mem.h"

#include <stdio.h>

static const struct engine_ops *const engines[] = {&engine_onnx, &engine_echo};

int engine_start(const char *name, const struct engine_options *options, struct engine **ret,
                 struct err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(engines); i++) {
        if (strcmp(engines[i]->name, name) == 0) {
            return engines[i]->start(options, ret, err);
        }
    }
    return err_set(err, ERR_NOT_FOUND, "there is no engine \"%s\"", name);
}

void engine_stop(struct engine *engine)
{
    if (engine) {
        engine->ops->stop(engine);
    }
}

int engine_load(struct engine *engine, const struct model_source *source, struct model **ret,
                struct err *err)
{
    struct model *model = NULL;
    TRY(engine->ops->load(engine, source, &model, err));
    CHECK(model->ops == engine->ops);
    *ret = model;
    return 0;
}

void model_free(struct model *model)
{
    if (model) {
        model->ops->free(model);
    }
}

void model_clean(struct model **model)
{
    model_free(*model);
    *model = NULL;
}

static int check_input(const struct engine_value *want, const struct tensor *got, struct err *err)
{
    char want_text[TENSOR_SHAPE_TEXT_MAX], got_text[TENSOR_SHAPE_TEXT_MAX];
    bool fits = want->rank == got->rank;
    for (size_t i = 0; fits && i < want->rank; i++) {
        fits = want->dims[i] < 0 || want->dims[i] == got->dims[i];
    }
    if (!fits || want->type != got->type) {
        return err_set(
            err, ERR_INVALID, "input \"%s\" is %s%s, must be %s%s", want->name,
            tensor_type_name(got->type), tensor_shape_text(got->dims, got->rank, got_text),
            tensor_type_name(want->type), tensor_shape_text(want->dims, want->rank, want_text));
    }
    int64_t elements = tensor_elements(got->dims, got->rank);
    if (elements < 0 || (size_t)elements * tensor_type_size(got->type) != got->size) {
        return err_set(err, ERR_INVALID, "input \"%s\" has %zu bytes, which is not %s%s",
                       want->name, got->size, tensor_type_name(got->type),
                       tensor_shape_text(got->dims, got->rank, got_text));
    }
    return 0;
}

int model_check(const struct model *model, const struct tensor *inputs, struct err *err)
{
    for (size_t i = 0; i < model->input_count; i++) {
        TRY(check_input(&model->inputs[i], &inputs[i], err));
    }
    return 0;
}

int model_run(struct model *model, const struct tensor *inputs, struct tensor *outputs,
              struct err *err)
{
    TRY(model_check(model, inputs, err));
    return model->ops->run(model, inputs, outputs, err);
}

int engine_prepare(struct engine *engine, const char *path, const char *to, struct err *err)
{
    if (!engine->ops->prepare) {
        return err_set(err, ERR_UNSUPPORTED, "the engine \"%s\" prepares nothing",
                       engine->ops->name);
    }
    return engine->ops->prepare(engine, path, to, err);
}

int engine_simplify(struct engine *engine, const char *path, const char *to, struct err *err)
{
    if (!engine->ops->simplify) {
        return err_set(err, ERR_UNSUPPORTED, "the engine \"%s\" simplifies nothing",
                       engine->ops->name);
    }
    return engine->ops->simplify(engine, path, to, err);
}

void engine_value_done(struct engine_value *value)
{
    free(value->name);
    *value = (struct engine_value){0};
}
