// SPDX-License-Identifier: Apache-2.0
// The engine that answers with what it was given: the floor of every measurement, and what tests
// run where there is no other.
#include "engine/engine.h"
#include "base/mem.h"

struct echo_model {
    struct model model;
    struct engine_value input, output;
};

static int echo_start(const struct engine_options *options, struct engine **ret, struct err *err)
{
    (void)options;
    (void)err;
    struct engine *engine = NEW(struct engine);
    engine->ops = &engine_echo;
    *ret = engine;
    return 0;
}

static void echo_stop(struct engine *engine)
{
    free(engine);
}

static const char *echo_version(const struct engine *engine)
{
    (void)engine;
    return "echo " ROUSE_VERSION;
}

static int echo_load(struct engine *engine, const struct model_source *source, struct model **ret,
                     struct err *err)
{
    (void)source;
    (void)err;
    struct echo_model *echo = NEW(struct echo_model);
    echo->input = (struct engine_value){mem_dup("payload"), TENSOR_UINT8, 1, {-1}};
    echo->output = (struct engine_value){mem_dup("payload"), TENSOR_UINT8, 1, {-1}};
    echo->model = (struct model){engine->ops, &echo->input, &echo->output, 1, 1};
    *ret = &echo->model;
    return 0;
}

static void echo_free(struct model *model)
{
    struct echo_model *echo = CONTAINER_OF(model, struct echo_model, model);
    engine_value_done(&echo->input);
    engine_value_done(&echo->output);
    free(echo);
}

static int echo_run(struct model *model, const struct tensor *inputs, struct tensor *outputs,
                    struct err *err)
{
    (void)model;
    (void)err;
    outputs[0] = inputs[0];
    return 0;
}

const struct engine_ops engine_echo = {
    .name = "echo",
    .start = echo_start,
    .stop = echo_stop,
    .version = echo_version,
    .load = echo_load,
    .free = echo_free,
    .run = echo_run,
};
