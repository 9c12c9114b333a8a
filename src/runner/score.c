// SPDX-License-Identifier: Apache-2.0
// Judging a quantized model by the samples.
#include "runner/score.h"
#include "base/clock.h"
#include "runner/package.h"

#include <math.h>

#define MEASURE_US    2000000
#define MEASURE_RUNS  200
#define MEASURE_LEAST 6 // of both together, however long they take

double score_cosine(const struct tensor *a, const struct tensor *b)
{
    size_t size = tensor_type_size(a->type);
    if (a->type != b->type || a->size != b->size) {
        return 0;
    }
    if (a->type == TENSOR_STRING) {
        return 1; // texts are not kept
    }
    double both = 0, ours = 0, theirs = 0;
    for (size_t i = 0; i < a->size / size; i++) {
        double x = tensor_get(a, i), y = tensor_get(b, i);
        bool known = isfinite(x) && isfinite(y);
        both += known ? x * y : 0;
        ours += known ? x * x : 0;
        theirs += known ? y * y : 0;
        if (isfinite(x) != isfinite(y)) {
            return 0;
        }
    }
    return ours > 0 && theirs > 0 ? both / sqrt(ours * theirs) : ours == theirs;
}

static double cosine_of_all(const struct sample *sample, const struct tensor *outputs, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += score_cosine(&sample->answers[i], &outputs[i]);
    }
    return count ? sum / (double)count : 1;
}

int score_answers(const struct samples *samples, struct package *package, struct model *model,
                  struct score *ret, struct err *err)
{
    struct tensor outputs[ENGINE_VALUES_MAX];
    const struct task_ops *task = package->task;
    bool classes = task == &task_classify || task == &task_text;
    bool by_label = samples->labelled && classes;
    bool by_task = task->agreement && !samples->random;
    double right = 0, right_before = 0, share = 0, near = 0;
    for (size_t s = 0; s < samples->count; s++) {
        const struct sample *sample = &samples->at[s];
        TRY(model_run(model, sample->inputs, outputs, err));
        right += (int64_t)tensor_largest(&outputs[0]) == sample->label;
        right_before += (int64_t)tensor_largest(&sample->answers[0]) == sample->label;
        share += by_task ? task->agreement(package, sample->inputs, sample->answers, outputs) : 0;
        near += cosine_of_all(sample, outputs, model->output_count);
    }
    double count = (double)samples->count;
    *ret = (struct score){.distance = 1 - near / count,
                          .top1 = by_label ? right / count : -1,
                          .top1_original = by_label ? right_before / count : -1};
    ret->loss = by_label ? ret->top1_original - ret->top1 : 1 - (by_task ? share : near) / count;
    ret->metric = by_label               ? "right answers (labels)"
                  : !by_task             ? "cosine of the outputs"
                  : classes              ? "equal answers (top 1)"
                  : task == &task_tokens ? "equal tokens"
                                         : "equal boxes";
    return 0;
}

int score_speed(const struct samples *samples, struct model *original, struct model *model,
                int64_t *ret_original_us, int64_t *ret_us, struct err *err)
{
    struct tensor outputs[ENGINE_VALUES_MAX];
    struct model *models[2] = {original, model};
    int64_t best[2] = {INT64_MAX, INT64_MAX}, until = clock_mono_us() + MEASURE_US;
    for (int i = 0; i < MEASURE_LEAST || (i < MEASURE_RUNS && clock_mono_us() < until); i++) {
        int64_t began = clock_thread_us();
        TRY(model_run(models[i % 2], samples->at[0].inputs, outputs, err));
        int64_t took = clock_thread_us() - began;
        best[i % 2] = took < best[i % 2] ? took : best[i % 2];
    }
    *ret_original_us = best[0];
    *ret_us = best[1];
    return 0;
}
