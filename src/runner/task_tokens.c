// SPDX-License-Identifier: Apache-2.0
// task: token-classification. A text in; entities out: neighbouring tokens of one kind, with the
// part of the text that they are, in characters.
#include "base/mem.h"
#include "format/json.h"
#include "format/utf8.h"
#include "runner/text.h"

#include <math.h>

struct entity {
    struct str kind; // without B- or I-
    double sum;      // of its tokens' scores
    size_t count;    // of its tokens
    uint32_t from, to;
};

static int setup(struct package *package, struct err *err)
{
    struct text_model *text = NEW(struct text_model);
    package->state = text;
    TRY(text_setup(text, package, err));
    const struct engine_value *out = &package->model->outputs[0];
    int64_t classes = out->rank == 3 ? out->dims[2] : -1;
    size_t labels = package->spec.label_count;
    if (out->rank != 3) {
        return err_set(err, ERR_INVALID,
                       "the model's output \"%s\" is not [batch, tokens, classes]", out->name);
    }
    if (labels == 0) {
        return spec_fail(&package->spec, err, "labels",
                         "are needed: a file, a list, or id2label in config.json");
    }
    return classes >= 0 && (size_t)classes != labels
               ? spec_fail(&package->spec, err, "labels", "there are %zu, but the model knows %lld",
                           labels, (long long)classes)
               : 0;
}

// The likeliest class of a token, and how likely.
static size_t best_of(float *scores, size_t count, double *ret_score)
{
    size_t best = 0;
    double sum = 0;
    for (size_t i = 1; i < count; i++) {
        best = scores[i] > scores[best] ? i : best;
    }
    for (size_t i = 0; i < count; i++) {
        sum += exp((double)scores[i] - (double)scores[best]);
    }
    *ret_score = 1 / sum;
    return best;
}

// The part of the text between two characters.
static struct str slice(struct str text, uint32_t from, uint32_t to)
{
    struct str rest = text;
    for (uint32_t i = 0; i < from && rest.size; i++) {
        rest = str_skip(rest, utf8_next(rest));
    }
    const char *begin = rest.at;
    for (uint32_t i = from; i < to && rest.size; i++) {
        rest = str_skip(rest, utf8_next(rest));
    }
    return str_n(begin, (size_t)(rest.at - begin));
}

static void put_entity(const struct entity *entity, struct str text, struct buf *out)
{
    if (entity->count == 0) {
        return;
    }
    buf_add_text(out, out->at[out->size - 1] == '[' ? "{" : ",{");
    buf_add_text(out, "\"entity_group\":");
    json_quote(out, entity->kind);
    buf_printf(out, ",\"score\":%.6g,\"word\":", entity->sum / (double)entity->count);
    json_quote(out, slice(text, entity->from, entity->to));
    buf_printf(out, ",\"start\":%u,\"end\":%u}", entity->from, entity->to);
}

// A token goes with the one before it when they are of one kind and it is not said to begin anew.
static void take_token(struct entity *entity, struct str label, double score,
                       const struct token *token, struct text_one *one)
{
    bool tagged = label.size > 2 && label.at[1] == '-';
    struct str kind = tagged ? str_skip(label, 2) : label;
    bool none = str_eq(label, STR("O"));
    bool begins = none || (tagged && label.at[0] == 'B') || !str_eq(kind, entity->kind);
    if (begins) {
        put_entity(entity, one->text, &one->result);
        *entity = (struct entity){.kind = kind, .from = token->from};
    }
    if (!none) {
        entity->sum += score;
        entity->count++;
        entity->to = token->to;
    }
}

static int read(struct package *package, const struct text_model *text, struct text_one *one,
                const struct tensor *outputs, struct err *err)
{
    (void)text;
    const struct spec *spec = &package->spec;
    size_t classes = outputs[0].rank == 3 ? (size_t)outputs[0].dims[2] : 0;
    if (classes != spec->label_count || (size_t)outputs[0].dims[1] != one->padded) {
        return err_set(err, ERR_FUNCTION, "the model answered with %zu classes of %lld tokens",
                       classes, (long long)outputs[0].dims[1]);
    }
    CLEAN_MEM float *scores = mem_alloc(classes * sizeof(*scores));
    struct entity entity = {0};
    buf_add_text(&one->result, "{\"entities\":[");
    for (size_t i = 0; i < one->tokens.count; i++) {
        const struct token *token = &one->tokens.at[i];
        if (token->special || token->sequence) {
            continue;
        }
        double score = 0;
        tensor_floats(&outputs[0], (one->before + i) * classes, classes, scores);
        size_t best = best_of(scores, classes, &score);
        if (!isfinite(score)) {
            return err_set(err, ERR_FUNCTION, "the model answered with no number (token %zu)", i);
        }
        take_token(&entity, str_of(spec->labels[best]), score, token, one);
    }
    put_entity(&entity, one->text, &one->result);
    buf_add_text(&one->result, "]}");
    return 0;
}

static void run(struct package *package, struct item *items, size_t count)
{
    text_run(package, items, count, NULL, read);
}

// The share of tokens that are of the same class.
static double agreement(struct package *package, const struct tensor *inputs,
                        const struct tensor *outputs, const struct tensor *others)
{
    size_t tokens = outputs[0].rank == 3 ? (size_t)outputs[0].dims[1] : 0;
    size_t classes = package->spec.label_count, same = 0;
    (void)inputs;
    if (tokens * classes * tensor_type_size(outputs[0].type) != outputs[0].size || tokens == 0) {
        return 0;
    }
    CLEAN_MEM float *ours = mem_alloc(classes * sizeof(*ours));
    CLEAN_MEM float *theirs = mem_alloc(classes * sizeof(*theirs));
    for (size_t i = 0; i < tokens; i++) {
        double score = 0;
        tensor_floats(&outputs[0], i * classes, classes, ours);
        tensor_floats(&others[0], i * classes, classes, theirs);
        same += best_of(ours, classes, &score) == best_of(theirs, classes, &score);
    }
    return (double)same / (double)tokens;
}

const struct task_ops task_tokens = {
    .name = "token-classification",
    .needs_model = true,
    .setup = setup,
    .done = text_drop,
    .run = run,
    .warm = task_warm_zeros,
    .inputs = text_inputs,
    .agreement = agreement,
};
