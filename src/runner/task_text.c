// SPDX-License-Identifier: Apache-2.0
// task: text-classification. A text or a pair in; labels with scores out, the best first.
#include "base/mem.h"
#include "format/json.h"
#include "runner/guess.h"
#include "runner/text.h"
#include "runner/vision.h"

#include <math.h>

#define TOP_K 5

static int setup(struct package *package, struct err *err)
{
    struct text_model *text = NEW(struct text_model);
    package->state = text;
    TRY(text_setup(text, package, err));
    package->spec.top_k = package->spec.top_k == SPEC_OPEN ? TOP_K : package->spec.top_k;
    package->spec.scores =
        package->spec.scores == SPEC_OPEN ? SCORES_SOFTMAX : package->spec.scores;
    return vision_check_labels(&package->spec, guess_classes(&package->model->outputs[0]), err);
}

static void to_scores(int how, float *scores, size_t count)
{
    float most = scores[0];
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        most = scores[i] > most ? scores[i] : most;
    }
    for (size_t i = 0; i < count && how != SCORES_NONE; i++) {
        bool softmax = how == SCORES_SOFTMAX && count > 1; // one class alone is a yes or no
        scores[i] = softmax ? expf(scores[i] - most) : 1 / (1 + expf(-scores[i]));
        sum += (double)scores[i];
    }
    for (size_t i = 0; i < count && how == SCORES_SOFTMAX && count > 1; i++) {
        scores[i] = (float)((double)scores[i] / sum);
    }
}

static void add_class(struct buf *out, const struct spec *spec, size_t id, float score)
{
    CLEAN_MEM char *number = mem_printf("LABEL_%zu", id);
    buf_add_text(out, "\"label\":");
    json_quote(out, str_of(id < spec->label_count ? spec->labels[id] : number));
    buf_printf(out, ",\"score\":%.6g,\"class_id\":%zu", (double)score, id);
}

static size_t best_of(const float *scores, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++) {
        best = scores[i] > scores[best] ? i : best;
    }
    return best;
}

static int read(struct package *package, const struct text_model *text, struct text_one *one,
                const struct tensor *outputs, struct err *err)
{
    (void)text;
    size_t element = tensor_type_size(outputs[0].type);
    size_t count = element ? outputs[0].size / element : 0;
    if (count == 0 || outputs[0].rank != 2 || outputs[0].type == TENSOR_STRING) {
        return err_set(err, ERR_FUNCTION, "the model's output \"%s\" is no list of classes",
                       package->model->outputs[0].name);
    }
    CLEAN_MEM float *scores = mem_alloc(count * sizeof(*scores));
    tensor_floats(&outputs[0], 0, count, scores);
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(scores[i])) {
            return err_set(err, ERR_FUNCTION, "the model answered with no number (class %zu)", i);
        }
    }
    to_scores(package->spec.scores, scores, count);
    size_t top = (size_t)package->spec.top_k < count ? (size_t)package->spec.top_k : count;
    size_t best = best_of(scores, count);
    buf_add_char(&one->result, '{');
    add_class(&one->result, &package->spec, best, scores[best]);
    buf_add_text(&one->result, ",\"top\":[");
    for (size_t i = 0; i < top; i++) {
        best = best_of(scores, count);
        buf_add_text(&one->result, i ? ",{" : "{");
        add_class(&one->result, &package->spec, best, scores[best]);
        buf_add_char(&one->result, '}');
        scores[best] = -INFINITY;
    }
    buf_add_text(&one->result, "]}");
    return 0;
}

static void run(struct package *package, struct item *items, size_t count)
{
    text_run(package, items, count, NULL, read);
}

static double agreement(struct package *package, const struct tensor *inputs,
                        const struct tensor *outputs, const struct tensor *others)
{
    (void)package, (void)inputs;
    size_t element = tensor_type_size(outputs[0].type);
    bool alone = outputs[0].size == element; // one class: a yes or a no
    return alone && element ? (tensor_get(&outputs[0], 0) > 0) == (tensor_get(&others[0], 0) > 0)
                            : tensor_largest(&outputs[0]) == tensor_largest(&others[0]);
}

const struct task_ops task_text = {
    .name = "text-classification",
    .needs_model = true,
    .setup = setup,
    .done = text_drop,
    .run = run,
    .warm = task_warm_zeros,
    .inputs = text_inputs,
    .agreement = agreement,
};
