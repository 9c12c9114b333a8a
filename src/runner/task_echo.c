// SPDX-License-Identifier: Apache-2.0
// task: echo. The answer is the payload, through the echo engine: no model, no decoding.
#include "base/mem.h"
#include "engine/engine.h"
#include "runner/package.h"
#include "wire/wire.h"

struct echo {
    struct engine *engine;
    struct model *model;
};

static void echo_done(struct package *package)
{
    struct echo *echo = package->state;
    model_free(echo->model);
    engine_stop(echo->engine);
    free(echo);
    package->state = NULL;
}

static int echo_setup(struct package *package, struct err *err)
{
    struct echo *echo = NEW(struct echo);
    package->state = echo;
    TRY(engine_start("echo", &(struct engine_options){0}, &echo->engine, err));
    return engine_load(echo->engine, &(struct model_source){0}, &echo->model, err);
}

static void echo_run(struct package *package, struct item *items, size_t count)
{
    struct echo *echo = package->state;
    for (size_t i = 0; i < count; i++) {
        struct item *item = &items[i];
        struct tensor in = {.type = TENSOR_UINT8,
                            .rank = 1,
                            .dims = {(int64_t)item->bytes.size},
                            .data = (void *)item->bytes.at,
                            .size = item->bytes.size};
        struct tensor out;
        if (model_run(echo->model, &in, &out, &item->err) == 0) {
            buf_add(&item->answer, out.data, out.size);
        }
    }
}

const struct task_ops task_echo = {
    .name = "echo",
    .wants_payload = true,
    .setup = echo_setup,
    .done = echo_done,
    .run = echo_run,
};
