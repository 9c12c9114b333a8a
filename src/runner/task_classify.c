// SPDX-License-Identifier: Apache-2.0
// task: image-classification. A picture in; the likeliest classes out, most likely first.
#include "base/mem.h"
#include "runner/guess.h"
#include "runner/vision.h"

#include <math.h>

#define CLASSES_MAX 1000000
#define TOP_K       5

struct classify {
    struct vision vision;
    float *scores; // room for score_room
    size_t score_room;
};

static int setup(struct package *package, struct err *err)
{
    struct classify *c = NEW(struct classify);
    package->state = c;
    struct spec *spec = &package->spec;
    spec->top_k = spec->top_k == SPEC_OPEN ? TOP_K : spec->top_k;
    TRY(vision_setup(&c->vision, package, err));
    return vision_check_labels(spec, guess_classes(&package->model->outputs[0]), err);
}

static void done(struct package *package)
{
    struct classify *c = package->state;
    vision_done(&c->vision);
    free(c->scores);
    free(c);
    package->state = NULL;
}

static bool are_shares(const float *scores, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (!(scores[i] >= 0 && scores[i] <= 1.001f)) {
            return false;
        }
        sum += (double)scores[i];
    }
    return fabs(sum - 1) < 0.02; // half floats of a thousand classes round that much
}

static void softmax(float *scores, size_t count)
{
    float most = scores[0];
    for (size_t i = 1; i < count; i++) {
        most = scores[i] > most ? scores[i] : most;
    }
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        scores[i] = expf(scores[i] - most);
        sum += (double)scores[i];
    }
    for (size_t i = 0; i < count; i++) {
        scores[i] = (float)((double)scores[i] / sum);
    }
}

static int read_scores(struct classify *c, const struct spec *spec, const struct tensor *output,
                       size_t *ret_count, struct err *err)
{
    size_t size = tensor_type_size(output->type);
    size_t count = size ? output->size / size : 0;
    if (count < 2 || count > CLASSES_MAX) {
        return err_aws(err, ERR_FUNCTION, TASK_BAD_MODEL,
                       "the model answered with %zu numbers, "
                       "which is no list of classes",
                       count);
    }
    if (count > c->score_room) {
        c->scores = mem_grow(c->scores, count * sizeof(float));
        c->score_room = count;
    }
    tensor_floats(output, 0, count, c->scores);
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(c->scores[i])) {
            return err_aws(err, ERR_FUNCTION, TASK_BAD_MODEL,
                           "the model answered with a number "
                           "that is none (class %zu)",
                           i);
        }
    }
    if (spec->softmax == SOFTMAX_TRUE ||
        (spec->softmax == SOFTMAX_AUTO && !are_shares(c->scores, count))) {
        softmax(c->scores, count);
    }
    *ret_count = count;
    return 0;
}

// The best that is worse than (`score`, `index`), in a total order: the lower index first.
static size_t next_best(const float *scores, size_t count, float score, size_t index)
{
    size_t best = count;
    for (size_t i = 0; i < count; i++) {
        bool after = scores[i] < score || (scores[i] == score && i > index);
        if (after && (best == count || scores[i] > scores[best])) {
            best = i;
        }
    }
    return best;
}

static void write_answer(const struct classify *c, const struct spec *spec, size_t count,
                         struct buf *out)
{
    size_t top = (size_t)spec->top_k < count ? (size_t)spec->top_k : count;
    size_t at = next_best(c->scores, count, INFINITY, 0);
    buf_add_char(out, '{');
    vision_add_class(out, spec, at, (double)c->scores[at]);
    buf_add_text(out, ",\"top\":[");
    for (size_t i = 0; i < top; i++) {
        buf_add_text(out, i ? ",{" : "{");
        vision_add_class(out, spec, at, (double)c->scores[at]);
        buf_add_char(out, '}');
        at = next_best(c->scores, count, c->scores[at], at);
    }
    buf_add_text(out, "]}");
}

static void answer_item(struct package *package, struct item *item,
                        const struct vision_answer *answer)
{
    struct classify *c = package->state;
    size_t classes = 0;
    if (read_scores(c, &package->spec, &answer->outputs[0], &classes, &item->err) == 0) {
        write_answer(c, &package->spec, classes, &item->answer);
    }
}

static void run(struct package *package, struct item *items, size_t count)
{
    struct classify *c = package->state;
    vision_run(&c->vision, package, items, count, answer_item);
}

static int warm(struct package *package, struct err *err)
{
    struct classify *c = package->state;
    struct vision_answer answer;
    size_t classes = 0;
    int rc = vision_black(&c->vision, package, &answer, err);
    if (rc <= 0) {
        return rc;
    }
    TRY(read_scores(c, &package->spec, &answer.outputs[0], &classes, err));
    return vision_check_labels(&package->spec, (int64_t)classes, err);
}

static void shape(const struct package *package, int64_t *dims)
{
    const struct classify *c = package->state;
    vision_shape(&c->vision, dims);
}

static int make_inputs(struct package *package, struct item *item, struct tensor *ret)
{
    struct classify *c = package->state;
    return vision_inputs(&c->vision, item, ret);
}

static double agreement(struct package *package, const struct tensor *inputs,
                        const struct tensor *outputs, const struct tensor *others)
{
    (void)package, (void)inputs;
    return tensor_largest(&outputs[0]) == tensor_largest(&others[0]);
}

const struct task_ops task_classify = {
    .name = "image-classification",
    .needs_model = true,
    .setup = setup,
    .done = done,
    .run = run,
    .warm = warm,
    .shape = shape,
    .inputs = make_inputs,
    .agreement = agreement,
};
