// SPDX-License-Identifier: Apache-2.0
// Looks at a model file without an engine: the facts in it, what a deploy would guess, and a
// model.yaml that says the same in words to be changed.
#include "runner/inspect.h"
#include "base/mem.h"
#include "format/json.h"
#include "format/onnx.h"
#include "runner/describe.h"
#include "runner/files.h"
#include "runner/guess.h"
#include "runner/task.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define OPERATORS_MAX 12 // named in the report

// ---- facts as JSON ----

static json_t *values_json(const struct onnx_value *values, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        if (values[i].is_initializer) {
            continue;
        }
        json_t *shape = json_array();
        for (size_t d = 0; d < values[i].rank; d++) {
            const struct onnx_dim *dim = &values[i].dims[d];
            json_array_append_new(shape, dim->symbol.size ? json_from_str(dim->symbol)
                                                          : json_integer(dim->value));
        }
        json_t *one = json_object();
        json_put_str(one, "name", values[i].name);
        json_put_str(one, "type", str_of(onnx_type_name(values[i].type)));
        json_put(one, "shape", values[i].has_shape ? shape : json_null());
        if (!values[i].has_shape) {
            json_decref(shape);
        }
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *operators_json(const struct onnx_facts *facts)
{
    json_t *list = json_object();
    for (size_t i = 0; i < facts->op_count && i < OPERATORS_MAX; i++) {
        CLEAN_MEM char *name = str_dup(facts->ops[i].type);
        json_put_int(list, name, (int64_t)facts->ops[i].count);
    }
    return list;
}

static json_t *entries_json(const struct onnx_facts *facts)
{
    json_t *list = json_object();
    for (size_t i = 0; i < facts->metadata_count; i++) {
        CLEAN_MEM char *key = str_dup(facts->metadata[i].key);
        json_put_str(list, key, facts->metadata[i].value);
    }
    return list;
}

static json_t *external_json(const struct onnx_facts *facts)
{
    json_t *list = json_array();
    for (size_t i = 0; i < facts->external_count; i++) {
        json_array_append_new(list, json_from_str(facts->external[i]));
    }
    return list;
}

static void put_facts(json_t *report, const struct onnx_facts *facts, size_t file_size)
{
    json_put_int(report, "size", (int64_t)file_size);
    json_put_int(report, "ir", facts->ir_version);
    json_t *opsets = json_object();
    for (size_t i = 0; i < facts->opset_count; i++) {
        CLEAN_MEM char *domain = str_dup(facts->opsets[i].domain);
        json_put_int(opsets, *domain ? domain : "ai.onnx", facts->opsets[i].version);
    }
    json_put(report, "opset", opsets);
    CLEAN_MEM char *producer =
        mem_printf(STR_FMT "%s" STR_FMT, STR_ARG(facts->producer),
                   facts->producer_version.size ? " " : "", STR_ARG(facts->producer_version));
    json_put_str(report, "producer", str_of(producer));
    json_put_str(report, "graph", facts->graph_name);
    json_put_int(report, "nodes", (int64_t)facts->node_count);
    json_put(report, "operators", operators_json(facts));
    json_put_int(report, "weights", (int64_t)facts->initializer_count);
    json_put_int(report, "weight_bytes",
                 (int64_t)(facts->initializer_bytes + facts->external_bytes));
    json_put(report, "external", external_json(facts));
    json_put(report, "metadata", entries_json(facts));
    json_put(report, "inputs", values_json(facts->inputs, facts->input_count));
    json_put(report, "outputs", values_json(facts->outputs, facts->output_count));
}

// ---- guesses, from the facts as if they were a loaded model ----

// NULL, or why the runner could not take such a value.
static const char *take_values(const struct onnx_value *values, size_t count,
                               struct engine_value *ret, size_t *ret_count)
{
    const char *problem = NULL;
    for (size_t i = 0; i < count; i++) {
        if (values[i].is_initializer) {
            continue;
        }
        if (*ret_count == ENGINE_VALUES_MAX || values[i].rank > TENSOR_RANK_MAX) {
            return "it has more inputs, outputs or dimensions than are supported";
        }
        struct engine_value *value = &ret[(*ret_count)++];
        *value = (struct engine_value){.name = str_dup(values[i].name),
                                       .type = (enum tensor_type)values[i].type,
                                       .rank = values[i].rank};
        for (size_t d = 0; d < value->rank; d++) {
            value->dims[d] = values[i].dims[d].value;
        }
        if (tensor_type_size(value->type) == 0) {
            problem = "it takes or gives something that is no tensor of a supported type";
        }
    }
    return problem;
}

static const char *take_model(const struct onnx_facts *facts, struct model *model)
{
    const char *problem =
        take_values(facts->inputs, facts->input_count, model->inputs, &model->input_count);
    const char *other =
        take_values(facts->outputs, facts->output_count, model->outputs, &model->output_count);
    return problem ? problem : other ? other : model->output_count ? NULL : "it has no output";
}

// ---- the YAML ----

static void add_line(struct buf *out, const char *text, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void add_line(struct buf *out, const char *text, const char *fmt, ...)
{
    char note[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(note, sizeof(note), fmt, args);
    va_end(args);
    if (*note) {
        buf_printf(out, "%-27s # %s\n", text, note);
    } else {
        buf_printf(out, "%s\n", text);
    }
}

#define LINE(note, ...)                                                                            \
    do {                                                                                           \
        CLEAN_MEM char *line_ = mem_printf(__VA_ARGS__);                                           \
        add_line(out, line_, "%s", note);                                                          \
    } while (0)

static void write_triple(struct buf *out, const char *key, const double *values, bool gray)
{
    buf_printf(out, gray ? "  %s: [%.6g]\n" : "  %s: [%.6g, %.6g, %.6g]\n", key, values[0],
               values[1], values[2]);
}

static void write_input(struct buf *out, const struct spec *spec, const struct engine_value *in)
{
    const struct spec_input *input = &spec->input;
    char shape[TENSOR_SHAPE_TEXT_MAX];
    tensor_shape_text(in->dims, in->rank, shape);
    buf_add_char(out, '\n');
    add_line(out, "input:", "\"%s\": %s%s", in->name, tensor_type_name(in->type), shape);
    LINE(input->preset->text, "  preset: %s", input->preset->name);
    if (input->resize == PREPROCESS_SHORTER) {
        LINE("the shorter side becomes that long", "  resize: %d", input->resize_shorter);
    } else if (input->resize == PREPROCESS_STRETCH) {
        LINE("whatever its shape was", "  resize: {mode: stretch, width: %d, height: %d}",
             input->width, input->height);
    } else if (input->resize == PREPROCESS_LETTERBOX) {
        LINE("", "  resize: {mode: %s, width: %d, height: %d, fill: %d, align: %s}",
             spec_resize_name(input->resize), input->width, input->height, input->fill,
             input->align == PREPROCESS_START ? "start" : "center");
    }
    if (input->crop_width && input->crop_width == input->crop_height) {
        LINE("out of the middle", "  crop: %d", input->crop_width);
    } else if (input->crop_width) {
        LINE("out of the middle", "  crop: {width: %d, height: %d}", input->crop_width,
             input->crop_height);
    }
    LINE("", "  layout: %s", spec_layout_name(input->layout));
    LINE("the order of the model's channels", "  channels: %s",
         spec_channels_name(input->channels));
    LINE("(value 0…255 * scale - mean) / std", "  scale: %.9g", input->scale);
    bool gray = input->channels == PREPROCESS_GRAY;
    write_triple(out, "mean", input->mean, gray);
    write_triple(out, "std", input->std, gray);
    LINE("", "  type: %s", tensor_type_name((enum tensor_type)input->type));
}

static void write_yaml(struct buf *out, const struct spec *spec, const char *file, size_t labels,
                       int64_t classes, const struct model *model)
{
    buf_printf(out, "# What goes into %s and what comes out.\n", file);
    LINE(task_names(), "task: %s", spec->task);
    LINE("", "model: %s", file);
    bool classify = strcmp(spec->task, task_classify.name) == 0;
    bool detect = strcmp(spec->task, task_detect.name) == 0;
    if (classify || detect) {
        CLEAN_MEM char *count =
            classes > 0 ? mem_printf("one name per line, %lld of them", (long long)classes)
                        : mem_dup("one name per line");
        add_line(out, labels ? "labels: labels.txt" : "# labels: labels.txt", "%s", count);
    }
    if (classify) {
        LINE("classes in the answer", "topK: 5");
        LINE("auto: unless the outputs are shares of 1 already", "softmax: auto");
    }
    if (detect) {
        LINE("how the output codes boxes: yolox, yolov8 or yolov5", "decode: %s",
             spec_decode_name(spec->decode));
        LINE("least confidence of a box", "threshold: 0.3");
        LINE("boxes of a class that overlap more are one", "iou: 0.45");
    }
    if (classify || detect) {
        write_input(out, spec, &model->inputs[0]);
    }
}

// ---- all together ----

static int64_t count_classes(const struct spec *spec, const struct model *model)
{
    const struct engine_value *out = &model->outputs[0];
    if (strcmp(spec->task, task_classify.name) == 0) {
        return guess_classes(out);
    }
    bool fields_first = spec->decode == DECODE_YOLOV8;
    int64_t fields = out->rank == 3 ? out->dims[fields_first ? 1 : 2] : -1;
    return fields < 0 ? -1 : fields - (fields_first ? 4 : 5);
}

static int guess_all(struct spec *spec, const struct model *model, const char *file, size_t labels,
                     json_t *report, struct err *err)
{
    json_t *notes = json_array();
    json_put(report, "guessed", notes);
    const struct task_ops *task = guess_task(spec, model, notes);
    spec->task = task->name;
    json_put_str(report, "task", str_of(task->name));
    int64_t classes = -1;
    if (task != &task_tensor) {
        TRY(guess_input(spec, model, notes, err));
        if (task == &task_detect) {
            spec->decode =
                (int)guess_decode(&model->outputs[0], spec->input.width, spec->input.height);
        }
        classes = count_classes(spec, model);
        json_put(report, "classes", classes > 0 ? json_integer(classes) : json_null());
    }
    if (labels && classes > 0 && (int64_t)labels != classes) {
        json_array_append_new(notes, json_sprintf("labels: there are %d, but the model knows %d "
                                                  "classes",
                                                  (int)labels, (int)classes));
    }
    CLEAN(buf_done) struct buf yaml = BUF_INIT(64 * 1024);
    write_yaml(&yaml, spec, file, labels, classes, model);
    json_put_str(report, "yaml", buf_str(&yaml));
    return 0;
}

static int report_model(const struct onnx_facts *facts, const char *file, size_t labels,
                        json_t *report, struct err *err)
{
    struct engine_value inputs[ENGINE_VALUES_MAX], outputs[ENGINE_VALUES_MAX];
    struct model model = {.inputs = inputs, .outputs = outputs, .producer = facts->producer};
    const char *problem = take_model(facts, &model);
    struct spec spec;
    spec_init(&spec);
    int rc = 0;
    if (problem) {
        json_put_str(report, "problem", str_of(problem));
    } else {
        rc = guess_all(&spec, &model, file, labels, report, err);
    }
    spec_done(&spec);
    for (size_t i = 0; i < model.input_count; i++) {
        engine_value_done(&inputs[i]);
    }
    for (size_t i = 0; i < model.output_count; i++) {
        engine_value_done(&outputs[i]);
    }
    return rc;
}

static int inspect(const char *path, size_t labels, json_t *report, struct err *err)
{
    const char *slash = strrchr(path, '/');
    const char *file = slash ? slash + 1 : path;
    CLEAN(files_unmap) struct str map = {0};
    TRY(files_map(path, &map, err));
    CLEAN(onnx_facts_done) struct onnx_facts facts = {0};
    int rc = onnx_inspect(map, &facts, err);
    if (rc < 0) {
        return err_prefix(err, "%s", file);
    }
    json_put_bool(report, "ok", true);
    json_put_str(report, "file", str_of(file));
    put_facts(report, &facts, map.size);
    return report_model(&facts, file, labels, report, err);
}

int inspect_main(const char *path, size_t labels)
{
    CLEAN_JSON json_t *report = json_object();
    struct err err = {0};
    int rc = inspect(path, labels, report, &err);
    if (rc < 0) {
        json_object_clear(report);
        json_put_bool(report, "ok", false);
        json_put_str(report, "error", str_of(err.text));
    }
    describe_print(report);
    return rc < 0 ? 1 : 0;
}
