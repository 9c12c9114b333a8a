// SPDX-License-Identifier: Apache-2.0
// At deploy: the whole package is opened and tried on a black picture or zeros, so that what is
// wrong is said now; then its model, or a quantized form of it, is prepared, and compared on random
// input with what it was made of.
#include "runner/prepare.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "format/json.h"
#include "runner/bench.h"
#include "runner/describe.h"
#include "runner/package.h"
#include "runner/files.h"
#include "runner/inputs.h"
#include "runner/prepared.h"
#include "runner/score.h"
#include "sandbox/jail.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEASURE_US  1000000 // spent on comparing two ways to run
#define RUNS_TO_PAY 50      // so many runs of an instance make up for its longer start
#define REPORT_MAX  (4 * 1024 * 1024)
#define ROUNDED     1e-3 // how far answers may be that were rounded to bytes on the way

struct preparation {
    const struct prepare_request *request;
    const char *out; // folder
    struct package *package;
    const char *path;      // what is prepared: the package's model, or its quantized form
    struct model *model;   // the same, loaded as it is
    json_t *quantized;     // what became of quantizing; NULL: nobody asked for it
    struct engine *engine; // NULL: the task needs none
    struct err engine_err;
    bool prepared, packing;
    struct err why_not;
    int64_t load_before_us, load_after_us[2]; // [packing]
};

// ---- comparing ----

// Sums in another order may round a byte up that was rounded down: then numbers differ by a step.
static int compare_rounded(const char *name, const struct tensor *a, const struct tensor *b,
                           struct err *err)
{
    double distance = 1 - score_cosine(a, b);
    return distance <= ROUNDED ? 0 : err_set(err, ERR_FUNCTION, "\"%s\" is %g off", name, distance);
}

static int compare_one(const char *name, const struct tensor *a, const struct tensor *b,
                       struct err *err)
{
    if (a->size != b->size || a->type != b->type) {
        return err_set(err, ERR_FUNCTION, "\"%s\" has another shape", name);
    }
    bool half = a->type == TENSOR_FLOAT16 || a->type == TENSOR_BFLOAT16;
    double allowed = half ? 1e-2 : 1e-4;
    size_t count = a->size / tensor_type_size(a->type);
    for (size_t i = 0; a->type != TENSOR_STRING && i < count; i++) {
        double x = tensor_get(a, i), y = tensor_get(b, i);
        bool same = (isnan(x) && isnan(y)) || fabs(x - y) <= allowed * fmax(1, fabs(x));
        if (!same) {
            return err_set(err, ERR_FUNCTION, "\"%s\" differs: %g instead of %g", name, y, x);
        }
    }
    return 0;
}

static int compare(const struct preparation *p, struct model *prepared, const struct tensor *inputs,
                   struct err *err)
{
    struct model *original = p->model;
    struct tensor a[ENGINE_VALUES_MAX], b[ENGINE_VALUES_MAX];
    TRY(model_run(original, inputs, a, err));
    TRY(model_run(prepared, inputs, b, err));
    for (size_t i = 0; i < original->output_count; i++) {
        TRY((p->quantized ? compare_rounded : compare_one)(original->outputs[i].name, &a[i], &b[i],
                                                           err));
    }
    return 0;
}

// Packed copies of the weights belong to each instance and take time to make, so they must pay: by
// a tenth of a run, and for the longer start within some runs. For quantized models they do, for most
// others not. Runs alternate, and the fastest of each counts, because the machine is not ours alone.
static int measure_packing(struct preparation *p, struct model *plain, struct model *packed,
                           const struct tensor *inputs, struct err *err)
{
    int64_t best[2] = {INT64_MAX, INT64_MAX};
    struct model *models[2] = {plain, packed};
    struct tensor outputs[ENGINE_VALUES_MAX];
    int64_t until = clock_mono_us() + MEASURE_US;
    for (int i = 0; i < 6 || (i < 200 && clock_mono_us() < until); i++) {
        int64_t began = clock_mono_us();
        TRY(model_run(models[i % 2], inputs, outputs, err));
        int64_t took = clock_mono_us() - began;
        best[i % 2] = took < best[i % 2] ? took : best[i % 2];
    }
    int64_t gain_us = best[0] - best[1], start_us = p->load_after_us[1] - p->load_after_us[0];
    p->packing = gain_us * 10 > best[0] && start_us < gain_us * RUNS_TO_PAY;
    return 0;
}

// ---- preparing ----

static int load_draft(struct preparation *p, const char *draft, bool packing, struct model **ret,
                      struct err *err)
{
    struct model_source source = {.path = p->path, .prepared = draft, .packing = packing};
    int64_t began = clock_mono_us();
    TRY(engine_load(p->engine, &source, ret, err));
    p->load_after_us[packing] = clock_mono_us() - began;
    return 0;
}

static int try_draft(struct preparation *p, const char *draft, const struct tensor *inputs,
                     struct err *err)
{
    CLEAN(model_clean) struct model *plain = NULL, *packed = NULL;
    TRY(load_draft(p, draft, false, &plain, err));
    TRY(load_draft(p, draft, true, &packed, err));
    TRY(compare(p, plain, inputs, err));
    TRY(compare(p, packed, inputs, err));
    return measure_packing(p, plain, packed, inputs, err);
}

static int check_draft(struct preparation *p, const char *draft, struct err *err)
{
    struct tensor inputs[ENGINE_VALUES_MAX] = {{0}};
    int rc = inputs_make(p->package, (struct inputs_shape){1, 1}, inputs, err);
    rc = rc < 0 ? rc : try_draft(p, draft, inputs, err);
    inputs_done(inputs, p->package->model->input_count);
    return rc < 0 ? err_prefix(err, "the prepared model is not as good as the original") : 0;
}

static int prepare_model(struct preparation *p, struct err *err)
{
    CLEAN_MEM char *draft = mem_printf("%s/" PREPARED_MODEL ".draft", p->out);
    CLEAN_MEM char *final = mem_printf("%s/" PREPARED_MODEL, p->out);
    int rc = engine_prepare(p->engine, p->path, draft, err);
    rc = rc < 0 ? rc : check_draft(p, draft, err);
    if (rc == 0 && rename(draft, final) < 0) {
        rc = err_errno(err, ERR_IO, errno, "cannot rename %s", draft);
    }
    if (rc < 0) {
        unlink(draft);
        return rc;
    }
    return 0;
}

static int open_original(struct preparation *p, const struct package_source *source,
                         struct err *err)
{
    TRY(p->request->model
            ? package_of_model(p->request->package, p->request->yaml, &p->package, err)
            : package_read(source, &p->package, err));
    struct package *package = p->package;
    package->notes = json_array();
    if (package->model_path && !p->engine) {
        return err_set(err, ERR_UNAVAILABLE, "%s", p->engine_err.text);
    }
    if (package->model_path) {
        TRY(package_check_file(package->model_path, err));
    }
    int64_t began = clock_mono_us();
    TRY(package_load(package, p->engine, NULL, 1, err));
    p->load_before_us = clock_mono_us() - began;
    p->path = package->model_path;
    p->model = package->model;
    int rc = package_warm(package, err);
    return rc < 0 && !strstr(err->text, ": ")
               ? err_prefix(err, "the model fails on %s",
                            package->task->shape ? "a black picture" : "zeros")
               : rc;
}

// ---- reporting ----

static json_t *report_of(const struct preparation *p)
{
    json_t *report = json_object();
    json_put_bool(report, "ok", true);
    json_put_str(report, "task", str_of(p->package->task->name));
    json_put(report, "inputs", describe_values(p->package->model, true));
    json_put(report, "outputs", describe_values(p->package->model, false));
    json_put(report, "guessed", json_incref(p->package->notes));
    json_put_bool(report, "prepared", p->prepared);
    bool known = !p->prepared && p->why_not.code;
    json_put(report, "reason", known ? json_from_str(str_of(p->why_not.text)) : json_null());
    if (p->quantized) {
        json_put(report, "quantized", json_incref(p->quantized));
    }
    return report;
}

static int write_json(const struct preparation *p, const char *name, const json_t *json,
                      struct err *err)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(REPORT_MAX);
    json_write_indented(json, &text);
    buf_add_char(&text, '\n');
    CLEAN_MEM char *path = mem_printf("%s/%s", p->out, name);
    return file_write(path, buf_str(&text), 0644, err);
}

static int write_facts(const struct preparation *p, struct err *err)
{
    CLEAN_JSON json_t *facts = report_of(p);
    CLEAN_MEM char *cpu = prepared_cpu();
    json_put_bool(facts, "ok", p->prepared);
    json_put_str(facts, "engine", str_of(p->engine ? p->engine->ops->version(p->engine) : "none"));
    json_put_str(facts, "cpu", str_of(cpu));
    json_put(facts, "load_ms_before", json_real((double)p->load_before_us / 1e3));
    json_put(facts, "load_ms_after", json_real((double)p->load_after_us[p->packing] / 1e3));
    json_put_bool(facts, "packing", p->packing);
    return write_json(p, PREPARED_FACTS, facts, err);
}

static int prepare(struct preparation *p, const struct package_source *source, struct err *err)
{
    TRY(open_original(p, source, err));
    p->prepared = p->package->model_path && prepare_model(p, &p->why_not) == 0;
    if (!p->package->model_path) {
        err_set(&p->why_not, ERR_UNSUPPORTED, "the task needs no model");
    }
    return write_facts(p, err);
}

// ---- quantizing first ----

// What of the whole report is told: of the form that was kept, or of none.
static json_t *quantized_facts(const json_t *report, bool kept)
{
    static const char *const members[] = {"method", "speedup", "loss", "size", "calibration"};
    const json_t *row = json_array_get(json_object_get(report, "candidates"),
                                       (size_t)json_integer_value(json_object_get(report, "kept")));
    json_t *facts = json_object();
    json_put_bool(facts, "kept", kept);
    for (size_t i = 0; kept && i < ARRAY_SIZE(members); i++) {
        json_object_set(facts, members[i], json_object_get(row, members[i]));
    }
    json_object_set(facts, "metric", json_object_get(report, "metric"));
    json_object_set(facts, "reason", json_object_get(report, "reason"));
    json_object_set(facts, "samples", json_at(report, "samples.count"));
    json_object_set(facts, "made_up", json_at(report, "samples.random"));
    json_object_set(facts, "original_size", json_at(report, "original.size"));
    return facts;
}

static int find_samples(const struct preparation *p, const char *samples, char **ret,
                        struct err *err)
{
    if (!samples) {
        return 0;
    }
    if (!files_is_inside(str_of(samples))) {
        return err_set(err, ERR_INVALID, "the samples \"%s\" are not in the package", samples);
    }
    *ret = mem_printf("%s/%s", p->package->folder, samples);
    return access(*ret, R_OK) == 0
               ? 0
               : err_set(err, ERR_NOT_FOUND, "there are no samples \"%s\" in the package", samples);
}

static int prepare_made(struct preparation *p, struct err *err)
{
    CLEAN(model_clean) struct model *model = NULL;
    TRY(engine_load(p->engine, &(struct model_source){.path = p->path}, &model, err));
    p->model = model;
    int rc = prepare_model(p, err);
    p->model = NULL;
    return rc;
}

static int prepare_quantized(struct preparation *p, const struct package_source *source,
                             const struct quantize_options *asked, struct err *err)
{
    CLEAN_JSON json_t *report = json_object();
    CLEAN_MEM char *samples = NULL;
    CLEAN_MEM char *made = mem_printf("%s/" QUANTIZE_MODEL, p->out);
    struct quantize_options options = *asked;
    TRY(open_original(p, source, err));
    TRY(find_samples(p, asked->samples, &samples, err));
    options.samples = samples;
    options.work = p->out;
    int kept = quantize_package(p->package, p->engine, &options, report, err);
    TRY(kept);
    TRY(write_json(p, PREPARED_QUANTIZE, report, err));
    p->quantized = quantized_facts(report, kept > 0);
    if (!kept) {
        return 0;
    }
    p->path = made;
    int rc = prepare_made(p, err);
    unlink(made); // its prepared form is what runs
    TRY(rc);
    p->prepared = true;
    return write_facts(p, err);
}

// The package is somebody's: it is opened behind walls. What makes them, and the engine's library,
// come first.
static int enter(struct preparation *p, const struct package_source *source, struct err *err)
{
    if (engine_start("onnx", &(struct engine_options){0}, &p->engine, &p->engine_err) < 0) {
        p->engine = NULL; // a task without a model does without
    }
    TRY(file_make_dir(p->out, 0755, err));
    bool model = p->request->model; // a file, not a folder: what lies beside it may belong to it
    struct jail jail = {.readable = {model ? files_folder(p->request->package) : source->folder,
                                     files_folder(p->request->yaml)},
                        .readable_count = 2,
                        .writable = str_of(p->out),
                        .file_size_max = UINT64_MAX};
    struct jail_report report;
    jail_prepare(JAIL_MODEL);
    return jail_enter(&jail, &report, err);
}

static int64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

// What people ask of a model file: what preparing brings, and how fast it is.
static void report_more(const struct preparation *p, json_t *report)
{
    CLEAN_MEM char *path = mem_printf("%s/" PREPARED_MODEL, p->out);
    struct model_source source = {.path = p->path};
    json_put_str(report, "engine", str_of(p->engine->ops->version(p->engine)));
    json_put_int(report, "size", size_of(p->path));
    json_put(report, "load_ms_before", json_real((double)p->load_before_us / 1e3));
    if (p->prepared) {
        json_put_int(report, "prepared_size", size_of(path));
        json_put(report, "load_ms_after", json_real((double)p->load_after_us[p->packing] / 1e3));
        json_put_bool(report, "packing", p->packing);
        source.prepared = path;
        source.packing = p->packing;
    }
    if (p->request->bench) {
        json_put(report, "bench", bench_run(p->package, &source, p->request->bench));
    }
}

int prepare_main(const struct prepare_request *request)
{
    struct preparation p = {.request = request, .out = request->out};
    struct package_source source = {.folder = str_of(request->package),
                                    .handler = str_of(request->handler)};
    struct err err = {0};
    int rc = enter(&p, &source, &err);
    if (rc == 0) {
        rc = request->quantize ? prepare_quantized(&p, &source, &request->options, &err)
                               : prepare(&p, &source, &err);
    }
    CLEAN_JSON json_t *report = rc == 0 ? report_of(&p) : json_object();
    if (rc == 0 && request->model) {
        report_more(&p, report);
    }
    if (rc < 0) {
        json_put_bool(report, "ok", false);
        json_put_str(report, "error", str_of(err.text));
    }
    describe_print(report);
    json_decref(p.quantized);
    package_free(p.package);
    engine_stop(p.engine);
    return rc < 0 ? 1 : 0;
}
