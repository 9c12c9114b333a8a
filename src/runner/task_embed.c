// SPDX-License-Identifier: Apache-2.0
// task: embedding. A text in; one vector out: the model's own, or its tokens' vectors made one.
#include "base/mem.h"
#include "format/base64.h"
#include "runner/text.h"

#include <math.h>

struct embed {
    struct text_model text; // first: the shared functions know only this
    size_t output;          // which of the model's
};

// A vector of the whole text where the model gives one, else those of the tokens.
static int choose_output(struct embed *embed, const struct model *model, struct err *err)
{
    static const size_t ranks[] = {2, 3};
    for (size_t r = 0; r < ARRAY_SIZE(ranks); r++) {
        for (size_t i = 0; i < model->output_count; i++) {
            bool pooler = strcmp(model->outputs[i].name, "pooler_output") == 0; // trained for else
            if (model->outputs[i].rank == ranks[r] && !pooler) {
                embed->output = i;
                return 0;
            }
        }
    }
    return err_set(err, ERR_INVALID,
                   "none of the model's outputs is [batch, size] or [batch, tokens, size]");
}

static int setup(struct package *package, struct err *err)
{
    struct embed *embed = NEW(struct embed);
    struct spec *spec = &package->spec;
    package->state = embed;
    TRY(text_setup(&embed->text, package, err));
    spec->pooling = spec->pooling == SPEC_OPEN ? POOLING_MEAN : spec->pooling;
    spec->normalize = spec->normalize == SPEC_OPEN ? 1 : spec->normalize;
    return choose_output(embed, package->model, err);
}

static void pool(int pooling, const struct text_one *one, const struct tensor *output, size_t size,
                 float *vector)
{
    size_t count = one->tokens.count ? one->tokens.count : 1, first = one->before, end;
    first = pooling == POOLING_LAST ? first + count - 1 : first;
    end = pooling == POOLING_MEAN ? first + count : first + 1;
    CLEAN_MEM float *token = mem_alloc(size * sizeof(*token));
    for (size_t i = first; i < end; i++) {
        tensor_floats(output, i * size, size, token);
        for (size_t k = 0; k < size; k++) {
            vector[k] += token[k] / (float)(end - first);
        }
    }
}

static int finish(float *vector, size_t size, bool normalize, struct err *err)
{
    double sum = 0;
    for (size_t i = 0; i < size; i++) {
        sum += (double)vector[i] * (double)vector[i];
    }
    if (!isfinite(sum)) {
        return err_set(err, ERR_FUNCTION, "the model answered with no number");
    }
    for (size_t i = 0; i < size && normalize && sum > 0; i++) {
        vector[i] = (float)((double)vector[i] / sqrt(sum));
    }
    return 0;
}

static void put_vector(const float *vector, size_t size, struct text_one *one)
{
    if (one->base64) { // little-endian, as every machine that we run on
        buf_add_char(&one->result, '"');
        base64_add(&one->result, vector, size * sizeof(*vector));
        buf_add_char(&one->result, '"');
        return;
    }
    for (size_t i = 0; i < size; i++) {
        buf_printf(&one->result, "%c%.9g", i ? ',' : '[', (double)vector[i]);
    }
    buf_add_char(&one->result, ']');
}

static int read(struct package *package, const struct text_model *text, struct text_one *one,
                const struct tensor *outputs, struct err *err)
{
    const struct embed *embed = CONTAINER_OF(text, const struct embed, text);
    const struct tensor *output = &outputs[embed->output];
    size_t rank = output->rank, size = rank ? (size_t)output->dims[rank - 1] : 0;
    bool tokens = rank == 3 && (size_t)output->dims[1] == one->padded;
    if (size == 0 || output->type == TENSOR_STRING || (rank != 2 && !tokens)) {
        return err_set(err, ERR_FUNCTION, "the model's output \"%s\" is no vector",
                       package->model->outputs[embed->output].name);
    }
    CLEAN_MEM float *vector = mem_alloc(size * sizeof(*vector));
    if (tokens) {
        pool(package->spec.pooling, one, output, size, vector);
    } else {
        tensor_floats(output, 0, size, vector);
    }
    TRY(finish(vector, size, package->spec.normalize != 0, err));
    put_vector(vector, size, one);
    return 0;
}

static void run(struct package *package, struct item *items, size_t count)
{
    text_run(package, items, count, "embedding", read);
}

const struct task_ops task_embed = {
    .name = "embedding",
    .needs_model = true,
    .setup = setup,
    .done = text_drop,
    .run = run,
    .warm = task_warm_zeros,
    .inputs = text_inputs,
};
