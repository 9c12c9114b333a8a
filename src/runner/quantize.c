// SPDX-License-Identifier: Apache-2.0
// The course of quantizing a model:
//
//     original ─ widen to float32 ─ simplify ─ upgrade ─► base.onnx
//     base ─► dynamic ┐
//     base ─ calibrate ─► static, three ways to cut ranges ─ leave out what hurts ┴─► best
#include "runner/quantize.h"
#include "base/mem.h"
#include "format/json.h"
#include "quantize/dynamic.h"
#include "quantize/float16.h"
#include "quantize/report.h"
#include "quantize/tidy.h"
#include "quantize/upgrade.h"
#include "quantize/weights.h"
#include "runner/calibrate.h"
#include "runner/external.h"
#include "runner/files.h"
#include "runner/package.h"
#include "runner/score.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define CALIBRATE_MAX 64   // samples that ranges are taken from
#define RANDOM_COUNT  4    // samples made up where there are none
#define SAME          1e-3 // how far the base may be from the original
#define PAYS          1.05 // times faster that the quantized model must be
#define NEAR          0.97 // of two about as fast ones the more exact one is better

const char *const quantize_methods[] = {"auto", "dynamic", "static", NULL};

struct quantizing {
    struct package *package;
    struct engine *engine;
    const struct quantize_options *options;
    json_t *report;
    struct samples samples;
    struct map ranges;    // struct range by name
    char *base;           // path
    struct err no_static; // why there can be no static form; code 0: there can
    int most;             // see weight_quantize
    double best_speedup, best_loss;
};

// One quantized form, on its way.
struct candidate {
    json_t *report, *nodes; // its row, and what became of each operator
    struct score score;
    double speedup; // 0: not measured yet
};

static void say(const struct quantizing *q, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(const struct quantizing *q, const char *fmt, ...)
{
    if (q->options->progress) {
        va_list args;
        va_start(args, fmt);
        fputs("quantize: ", stderr);
        vfprintf(stderr, fmt, args);
        fputc('\n', stderr);
        va_end(args);
    }
}

static char *work_path(const struct quantizing *q, const char *name)
{
    return mem_printf("%s/%s", q->options->work, name);
}

static int64_t file_size(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

static int read_file(const char *path, struct graph *ret, struct err *err)
{
    CLEAN(files_unmap) struct str file = {0};
    TRY(files_map(path, &file, err));
    return graph_read(file, ret, err);
}

// ---- the base ----

// The original as one file of float32 with nothing in it that need not be.
static int write_plain(struct quantizing *q, const char *to, struct err *err)
{
    CLEAN(graph_done) struct graph graph = {0};
    TRY(read_file(q->package->model_path, &graph, err));
    TRY(external_take_in(&graph, q->package->folder, err));
    if (float16_is_in(&graph)) {
        TRY(float16_widen(&graph, err));
    }
    tidy(&graph);
    return graph_write(&graph, to, err);
}

static int write_base(struct quantizing *q, struct err *err)
{
    CLEAN_MEM char *plain = work_path(q, "plain.onnx");
    CLEAN(graph_done) struct graph graph = {0};
    int rc = write_plain(q, plain, err);
    rc = rc < 0 ? rc : engine_simplify(q->engine, plain, q->base, err);
    unlink(plain);
    TRY(rc);
    TRY(read_file(q->base, &graph, err));
    tidy(&graph);
    if (upgrade(&graph, &q->no_static) < 0) { // half upgraded, perhaps
        graph_done(&graph);
        TRY(read_file(q->base, &graph, err));
        tidy(&graph);
    }
    return graph_write(&graph, q->base, err);
}

static int load(const struct quantizing *q, const char *path, struct model **ret, struct err *err)
{
    const struct model *original = q->package->model;
    TRY(engine_load(q->engine, &(struct model_source){.path = path}, ret, err));
    bool same = (*ret)->input_count == original->input_count &&
                (*ret)->output_count == original->output_count;
    for (size_t i = 0; same && i < original->input_count; i++) {
        same = strcmp((*ret)->inputs[i].name, original->inputs[i].name) == 0;
    }
    for (size_t i = 0; same && i < original->output_count; i++) {
        same = strcmp((*ret)->outputs[i].name, original->outputs[i].name) == 0;
    }
    return same ? 0 : err_set(err, ERR_UNSUPPORTED, "its inputs or outputs have become others");
}

static int check_base(struct quantizing *q, struct err *err)
{
    CLEAN(model_clean) struct model *base = NULL;
    struct samples first = q->samples;
    struct score score;
    first.count = 1;
    first.random = true; // compare numbers, not answers
    first.labelled = false;
    int rc = load(q, q->base, &base, err);
    rc = rc < 0 ? rc : score_answers(&first, q->package, base, &score, err);
    if (rc == 0 && !(score.loss <= SAME)) {
        rc = err_set(err, ERR_UNSUPPORTED, "its answers have become others (by %g)", score.loss);
    }
    return rc < 0 ? err_prefix(err, "the model cannot be brought into a form to quantize") : 0;
}

// ---- samples ----

static int make_up_samples(struct quantizing *q, struct err *err)
{
    CLEAN(graph_done) struct graph graph = {0};
    CLEAN(wiring_done) struct wiring wiring = {0};
    const struct model *model = q->package->model;
    int64_t rows[ENGINE_VALUES_MAX] = {0};
    TRY(read_file(q->base, &graph, err));
    TRY(wiring_init(&wiring, &graph, err));
    for (size_t i = 0; i < model->input_count; i++) {
        rows[i] = tidy_rows(&wiring, model->inputs[i].name);
    }
    return samples_random(&q->samples, model, rows, RANDOM_COUNT, err);
}

static int find_samples(struct quantizing *q, struct err *err)
{
    const char *path = q->options->samples;
    TRY(path ? samples_read(&q->samples, q->package, path, err) : make_up_samples(q, err));
    TRY(samples_answer(&q->samples, q->package->model, err));
    json_t *facts = json_object();
    json_put_int(facts, "count", (int64_t)q->samples.count);
    json_put_bool(facts, "random", q->samples.random);
    json_put_bool(facts, "labelled", q->samples.labelled);
    json_put_int(facts, "left_out", (int64_t)q->samples.left_out);
    json_put(facts, "why", q->samples.why ? json_from_str(str_of(q->samples.why)) : json_null());
    json_put(q->report, "samples", facts);
    return 0;
}

// ---- candidates ----

static void candidate_done(struct candidate *c)
{
    json_decref(c->nodes);
    json_decref(c->report);
}

// The row stays in the report; one that came to nothing says why.
static void add_row(struct quantizing *q, const struct candidate *c, const struct err *why)
{
    if (why) {
        json_put_str(c->report, "why", str_of(why->text));
    }
    json_array_append(json_object_get(q->report, "candidates"), c->report);
}

static struct candidate candidate_new(const char *method)
{
    struct candidate c = {.report = json_object(), .nodes = report_new()};
    json_put_str(c.report, "method", str_of(method));
    return c;
}

static void put_score(struct quantizing *q, const struct candidate *c)
{
    const struct score *score = &c->score;
    json_put_str(q->report, "metric", str_of(score->metric));
    json_put(c->report, "loss", json_real(score->loss));
    json_put(c->report, "distance", json_real(score->distance));
    if (score->top1 >= 0) {
        json_put(c->report, "top1", json_real(score->top1));
        json_put(json_object_get(q->report, "original"), "top1", json_real(score->top1_original));
    }
}

static int judge_answers(struct quantizing *q, struct candidate *c, const char *path,
                         struct err *err)
{
    CLEAN(model_clean) struct model *model = NULL;
    TRY(load(q, path, &model, err));
    return score_answers(&q->samples, q->package, model, &c->score, err);
}

static int measure(struct quantizing *q, struct candidate *c, const char *path, struct err *err)
{
    CLEAN(model_clean) struct model *model = NULL;
    int64_t original_us = 0, us = 0;
    TRY(load(q, path, &model, err));
    TRY(score_speed(&q->samples, q->package->model, model, &original_us, &us, err));
    c->speedup = (double)original_us / (double)(us > 0 ? us : 1);
    json_put_int(c->report, "size", file_size(path));
    json_put(c->report, "ms", json_real((double)us / 1e3));
    json_put(c->report, "original_ms", json_real((double)original_us / 1e3));
    json_put(c->report, "speedup", json_real(c->speedup));
    put_score(q, c);
    say(q, "%s: %.2f times as fast, loss %.4f",
        json_string_value(json_object_get(c->report, "method")), c->speedup, c->score.loss);
    return 0;
}

static bool pays(const struct quantizing *q, const struct candidate *c)
{
    return q->options->method != QUANTIZE_AUTO || c->speedup >= PAYS;
}

// Keeps what was measured if it is the best so far. It is the next row of the report.
static int compete(struct quantizing *q, struct candidate *c, const char *path, struct err *err)
{
    bool faster = c->speedup * NEAR > q->best_speedup;
    bool as_fast = c->speedup > q->best_speedup * NEAR;
    bool better = faster || (as_fast && c->score.loss < q->best_loss);
    if (c->score.loss > q->options->bound || !pays(q, c) || !better) {
        return 0;
    }
    CLEAN_MEM char *kept = work_path(q, QUANTIZE_MODEL);
    if (rename(path, kept) < 0) {
        return err_errno(err, ERR_IO, errno, "cannot write %s", kept);
    }
    q->best_speedup = c->speedup;
    q->best_loss = c->score.loss;
    size_t row = json_array_size(json_object_get(q->report, "candidates"));
    json_put_int(q->report, "kept", (int64_t)row);
    json_object_update(q->report, c->nodes);
    return 0;
}

// ---- dynamic ----

static int make_dynamic(struct quantizing *q, struct candidate *c, const char *path,
                        struct err *err)
{
    CLEAN(graph_done) struct graph graph = {0};
    TRY(read_file(q->base, &graph, err));
    TRY(dynamic_quantize(&graph, q->most, c->nodes, err));
    TRY(graph_write(&graph, path, err));
    TRY(judge_answers(q, c, path, err));
    TRY(measure(q, c, path, err));
    return compete(q, c, path, err);
}

static void try_dynamic(struct quantizing *q)
{
    CLEAN(candidate_done) struct candidate c = candidate_new("dynamic");
    CLEAN_MEM char *path = work_path(q, "dynamic.onnx");
    struct err why = {0};
    say(q, "dynamic");
    int rc = make_dynamic(q, &c, path, &why);
    add_row(q, &c, rc < 0 ? &why : NULL);
    unlink(path);
}

// ---- static ----

struct trial { // of the static form
    enum range_method method;
    struct map keep; // nodes that stay float
    double loss;
};

static struct static_options options_of(const struct quantizing *q, const struct trial *trial)
{
    return (struct static_options){
        .most = q->most, .method = trial->method, .ranges = &q->ranges, .keep = &trial->keep};
}

// Writes the form and judges its answers.
static int try_static(struct quantizing *q, const struct trial *trial, struct candidate *c,
                      const char *path, struct err *err)
{
    CLEAN(graph_done) struct graph graph = {0};
    struct static_options options = options_of(q, trial);
    TRY(read_file(q->base, &graph, err));
    TRY(static_quantize(&graph, &options, c->nodes, err));
    TRY(graph_write(&graph, path, err));
    TRY(judge_answers(q, c, path, err));
    say(q, "static, ranges by %s, %zu nodes left out: loss %.4f, distance %.5f",
        range_method_name(trial->method), trial->keep.count, c->score.loss, c->score.distance);
    return 0;
}

static bool is_better(const struct score *a, const struct score *b)
{
    return a->loss != b->loss ? a->loss < b->loss : a->distance < b->distance;
}

// The way to cut ranges whose answers are best.
static int choose_method(struct quantizing *q, struct trial *trial, const char *path,
                         struct err *err)
{
    if (q->options->calibration >= 0) {
        trial->method = (enum range_method)q->options->calibration;
        return 0;
    }
    struct score least = {.loss = INFINITY};
    for (int method = 0; method < RANGE_METHODS; method++) {
        CLEAN(candidate_done) struct candidate c = candidate_new("static");
        struct trial one = {.method = (enum range_method)method};
        TRY(try_static(q, &one, &c, path, err));
        if (is_better(&c.score, &least)) {
            least = c.score;
            trial->method = one.method;
        }
    }
    return 0;
}

static struct calibrate calibrate_of(const struct quantizing *q)
{
    return (struct calibrate){.engine = q->engine,
                              .model = q->base,
                              .work = q->options->work,
                              .samples = &q->samples,
                              .samples_max = CALIBRATE_MAX};
}

// Leaves out what rounding hurts most: one node, two, four, … until the answers are good enough or half
// of it is float again. The last one that was tried is in `c` and at `path`.
static int leave_out_worst(struct quantizing *q, struct trial *trial, struct candidate *c,
                           const char *path, struct err *err)
{
    struct hurt *hurts = NULL;
    size_t count = 0;
    struct calibrate calibrate = calibrate_of(q);
    struct static_options options = options_of(q, trial);
    int rc = calibrate_hurts(&calibrate, &options, &hurts, &count, err);
    for (size_t left = 1; rc == 0 && c->score.loss > q->options->bound && left <= count / 2;
         left *= 2) {
        for (size_t i = 0; i < left; i++) {
            map_put(&trial->keep, str_of(hurts[i].name), trial);
        }
        struct candidate next = candidate_new("static");
        rc = try_static(q, trial, &next, path, err);
        candidate_done(c);
        *c = next;
    }
    hurts_free(hurts, count);
    return rc;
}

static int find_static(struct quantizing *q, struct trial *trial, struct candidate *c,
                       const char *path, struct err *err)
{
    struct calibrate calibrate = calibrate_of(q);
    say(q, "calibrating with %zu samples",
        q->samples.count < CALIBRATE_MAX ? q->samples.count : CALIBRATE_MAX);
    TRY(calibrate_ranges(&calibrate, q->package->model, &q->ranges, err));
    TRY(choose_method(q, trial, path, err));
    TRY(try_static(q, trial, c, path, err));
    TRY(measure(q, c, path, err));
    if (c->score.loss > q->options->bound && pays(q, c)) { // what is left out only makes it slower
        TRY(leave_out_worst(q, trial, c, path, err));
        TRY(measure(q, c, path, err));
    }
    json_put_str(c->report, "calibration", str_of(range_method_name(trial->method)));
    json_put_int(c->report, "left_out", (int64_t)trial->keep.count);
    return compete(q, c, path, err);
}

static void try_statics(struct quantizing *q)
{
    CLEAN(candidate_done) struct candidate c = candidate_new("static");
    CLEAN_MEM char *path = work_path(q, "static.onnx");
    struct trial trial = {.method = RANGE_MINMAX};
    struct err why = q->no_static;
    int rc = why.code;
    if (rc == 0 && q->samples.random) {
        rc = err_set(&why, ERR_INVALID, "it needs samples to calibrate with (--calibrate)");
    }
    if (rc == 0) {
        rc = find_static(q, &trial, &c, path, &why);
    }
    add_row(q, &c, rc < 0 ? &why : NULL);
    map_done(&trial.keep);
    unlink(path);
}

// ---- all ----

static void put_original(struct quantizing *q)
{
    json_t *original = json_object();
    json_put_int(original, "size", file_size(q->package->model_path));
    json_put(q->report, "original", original);
    json_put_str(q->report, "task", str_of(q->package->task->name));
    json_put(q->report, "bound", json_real(q->options->bound));
    json_put_int(q->report, "weight_bits", q->most == 127 ? 8 : 7);
    json_put(q->report, "candidates", json_array());
    json_put(q->report, "kept", json_null());
    json_put(q->report, "reason", json_null());
}

// Why float stays: of the candidates, what the last one says.
static void put_reason(struct quantizing *q)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(4096);
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(q->report, "candidates"), i, row)
    {
        struct str why = json_str(json_object_get(row, "why"));
        double loss = json_real_value(json_object_get(row, "loss"));
        buf_printf(&text, "%s%s: ", i ? "; " : "",
                   json_string_value(json_object_get(row, "method")));
        if (why.size) {
            buf_add_str(&text, why);
        } else if (loss > q->options->bound) {
            buf_printf(&text, "its loss of %.4g passes the bound of %g", loss, q->options->bound);
        } else {
            buf_printf(&text, "%.2f times as fast, which does not pay",
                       json_real_value(json_object_get(row, "speedup")));
        }
    }
    json_put_str(q->report, "reason", buf_str(&text));
}

static int quantize(struct quantizing *q, struct err *err)
{
    put_original(q);
    TRY(write_base(q, err));
    TRY(find_samples(q, err));
    TRY(check_base(q, err));
    if (q->options->method != QUANTIZE_STATIC) {
        try_dynamic(q);
    }
    if (q->options->method != QUANTIZE_DYNAMIC) {
        try_statics(q);
    }
    bool kept = !json_is_null(json_object_get(q->report, "kept"));
    if (!kept) {
        put_reason(q);
    }
    return kept;
}

int quantize_package(struct package *package, struct engine *engine,
                     const struct quantize_options *options, json_t *report, struct err *err)
{
    struct quantizing q = {.package = package,
                           .engine = engine,
                           .options = options,
                           .report = report,
                           .best_loss = INFINITY,
                           .most = options->weight_bits == 8   ? 127
                                   : options->weight_bits == 7 ? 64
                                                               : weight_most_here()};
    if (!package->model || !package->task->inputs) {
        return err_set(err, ERR_INVALID, "the task %s has no model to quantize",
                       package->task->name);
    }
    q.base = work_path(&q, "base.onnx");
    int rc = quantize(&q, err);
    unlink(q.base);
    free(q.base);
    samples_done(&q.samples);
    calibrate_ranges_done(&q.ranges);
    return rc;
}
