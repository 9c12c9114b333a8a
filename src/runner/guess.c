// SPDX-License-Identifier: Apache-2.0
// Guesses: from the shapes and types of inputs and outputs to a task and a way to prepare pictures.
#include "runner/guess.h"
#include "base/mem.h"
#include "runner/task.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define SIDE_CLASSIFIER 224 // where neither the graph nor model.yaml says
#define SIDE_DETECTOR   640

static void note(json_t *notes, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void note(json_t *notes, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (notes) {
        json_array_append_new(notes, json_string(text));
    }
}

static bool is_channels(int64_t dim)
{
    return dim == 1 || dim == 3;
}

// One input of [N,C,H,W] or [N,H,W,C] with 1 or 3 channels, of a type pictures come in.
static bool takes_picture(const struct model *model)
{
    if (model->input_count != 1) {
        return false;
    }
    const struct engine_value *in = &model->inputs[0];
    bool type =
        in->type == TENSOR_FLOAT32 || in->type == TENSOR_FLOAT16 || in->type == TENSOR_UINT8;
    return type && in->rank == 4 && (is_channels(in->dims[1]) || is_channels(in->dims[3]));
}

static bool is_float(const struct engine_value *value)
{
    return value->type == TENSOR_FLOAT32 || value->type == TENSOR_FLOAT16;
}

// [N,C], or [N,C,1,1] and [N,1,1,C] as older nets end.
int64_t guess_classes(const struct engine_value *output)
{
    int64_t classes = 1;
    for (size_t i = 1; i < output->rank; i++) {
        if (output->dims[i] != 1 && classes != 1) {
            return -1;
        }
        classes = output->dims[i] != 1 ? output->dims[i] : classes;
    }
    return output->rank >= 2 ? classes : -1;
}

enum spec_decode guess_decode(const struct engine_value *output, int width, int height)
{
    if (output->rank != 3 || !is_float(output)) {
        return DECODE_AUTO;
    }
    int64_t cells = 0;
    for (int stride = 8; stride <= 32; stride *= 2) {
        cells += (int64_t)(width / stride) * (height / stride);
    }
    int64_t rows = output->dims[1], columns = output->dims[2];
    if (columns > 5 && rows == cells) {
        return DECODE_YOLOX;
    }
    if (columns > 5 && rows == 3 * cells) {
        return DECODE_YOLOV5;
    }
    if (rows > 4 && (columns == cells || (columns > 0 && rows < columns))) {
        return DECODE_YOLOV8;
    }
    return DECODE_AUTO;
}

const struct task_ops *guess_task(const struct spec *spec, const struct model *model, json_t *notes)
{
    const struct engine_value *out = &model->outputs[0];
    char shape[TENSOR_SHAPE_TEXT_MAX];
    tensor_shape_text(out->dims, out->rank, shape);
    if (takes_picture(model)) {
        const struct engine_value *in = &model->inputs[0];
        bool nchw = is_channels(in->dims[1]);
        int64_t height = in->dims[nchw ? 2 : 1], width = in->dims[nchw ? 3 : 2];
        int side = spec->input.width > 0 ? spec->input.width : SIDE_DETECTOR;
        if (guess_decode(out, width > 0 ? (int)width : side, height > 0 ? (int)height : side) !=
            DECODE_AUTO) {
            note(notes, "task: object-detection, because a picture goes in and %s comes out",
                 shape);
            return &task_detect;
        }
        if (is_float(out) && (guess_classes(out) > 1 || (out->rank == 2 && out->dims[1] < 0))) {
            note(notes, "task: image-classification, because a picture goes in and %s comes out",
                 shape);
            return &task_classify;
        }
    }
    note(notes, "task: tensor, because the graph has not the shape of a picture's classifier or "
                "detector");
    return &task_tensor;
}

// ---- input ----

static int guess_layout(struct spec *spec, const struct engine_value *in, json_t *notes)
{
    struct spec_input *input = &spec->input;
    if (input->layout == SPEC_OPEN) {
        input->layout = is_channels(in->dims[1]) || !is_channels(in->dims[3]) ? PREPROCESS_NCHW
                                                                              : PREPROCESS_NHWC;
        note(notes, "input.layout: %s", spec_layout_name(input->layout));
    }
    return input->layout == PREPROCESS_NCHW ? 1 : 3; // where the channels are
}

static int guess_type(struct spec *spec, const struct engine_value *in, json_t *notes,
                      struct err *err)
{
    struct spec_input *input = &spec->input;
    if (in->type != TENSOR_FLOAT32 && in->type != TENSOR_FLOAT16 && in->type != TENSOR_UINT8) {
        return err_set(err, ERR_INVALID,
                       "the model's input \"%s\" is %s, which no picture becomes; "
                       "use \"task: tensor\"",
                       in->name, tensor_type_name(in->type));
    }
    if (input->type == SPEC_OPEN) {
        input->type = (int)in->type;
        note(notes, "input.type: %s", tensor_type_name(in->type));
    }
    if (input->type != (int)in->type) {
        return spec_fail(spec, err, "input.type", "the model's input \"%s\" is %s", in->name,
                         tensor_type_name(in->type));
    }
    return 0;
}

static int guess_channels(struct spec *spec, int64_t channels, const struct engine_value *in,
                          json_t *notes, struct err *err)
{
    struct spec_input *input = &spec->input;
    if (channels >= 0 && !is_channels(channels)) {
        char shape[TENSOR_SHAPE_TEXT_MAX];
        return spec_fail(spec, err, "input.layout",
                         "with %s the model's input \"%s\" %s has %lld "
                         "channels, a picture has 1 or 3",
                         spec_layout_name(input->layout), in->name,
                         tensor_shape_text(in->dims, in->rank, shape), (long long)channels);
    }
    if (input->channels == SPEC_OPEN) {
        input->channels = channels == 1 ? PREPROCESS_GRAY : PREPROCESS_RGB;
        note(notes, "input.channels: %s", spec_channels_name(input->channels));
    }
    if (channels >= 0 && (input->channels == PREPROCESS_GRAY) != (channels == 1)) {
        return spec_fail(spec, err, "input.channels",
                         "%s does not fit, the model's input \"%s\" "
                         "has %lld",
                         spec_channels_name(input->channels), in->name, (long long)channels);
    }
    return 0;
}

// The preset gives what model.yaml does not: an open field takes the preset's.
static void take_preset(struct spec_input *input)
{
    const struct spec_input *preset = &input->preset->input;
    // A preset that stretches says nothing about how to crop what model.yaml resizes otherwise.
    bool crop_open = input->resize == PREPROCESS_SHORTER && preset->resize != PREPROCESS_SHORTER;
#define TAKE(field)                                                                                \
    if (input->field == SPEC_OPEN) {                                                               \
        input->field = preset->field;                                                              \
    }
    TAKE(resize)
    if (!crop_open) {
        TAKE(crop_width)
        TAKE(crop_height)
    }
    TAKE(fill)
    TAKE(align)
    TAKE(channels)
#undef TAKE
    input->scale = isnan(input->scale) ? preset->scale : input->scale;
    for (size_t i = 0; i < 3; i++) {
        input->mean[i] = isnan(input->mean[i]) ? preset->mean[i] : input->mean[i];
        input->std[i] = isnan(input->std[i]) ? preset->std[i] : input->std[i];
    }
}

static const char *preset_for(const struct spec *spec, const struct engine_value *in,
                              const struct model *model, int64_t channels, int width, int height)
{
    bool gray = channels == 1 || spec->input.channels == PREPROCESS_GRAY;
    if (spec->task && strcmp(spec->task, task_detect.name) == 0) {
        int decode = spec->decode != DECODE_AUTO
                         ? spec->decode
                         : (int)guess_decode(&model->outputs[0], width, height);
        return decode == DECODE_YOLOX ? "yolox" : "yolo";
    }
    // What was made by Caffe sees pictures as Caffe does.
    bool caffe = str_eq(model->producer, STR("onnx-caffe2"));
    return gray || in->type == TENSOR_UINT8 ? "none" : caffe ? "imagenet-caffe" : "imagenet";
}

// The picture's size: what the graph fixes, else what model.yaml crops or stretches to.
static int guess_side(int64_t graph, int crop, int aimed, int otherwise)
{
    return graph > 0 ? (int)graph : crop > 0 ? crop : aimed > 0 ? aimed : otherwise;
}

static void guess_sizes(struct spec *spec, int width, int height, json_t *notes)
{
    struct spec_input *input = &spec->input;
    if (input->width == SPEC_OPEN) {
        input->width = width;
    }
    if (input->height == SPEC_OPEN) {
        input->height = height;
    }
    if (input->resize == PREPROCESS_SHORTER) {
        bool crops = input->crop_width == SPEC_OPEN || input->crop_height == SPEC_OPEN;
        input->crop_width = input->crop_width == SPEC_OPEN ? width : input->crop_width;
        input->crop_height = input->crop_height == SPEC_OPEN ? height : input->crop_height;
        int shorter = width < height ? width : height;
        if (input->resize_shorter == SPEC_OPEN) {
            // ImageNet's custom: 256 for a crop of 224, and so on in proportion.
            input->resize_shorter = (int)lround(shorter * 256.0 / 224.0);
            note(notes, "input.resize: %d (the shorter side)", input->resize_shorter);
        }
        if (crops) {
            note(notes, "input.crop: %d x %d", input->crop_width, input->crop_height);
        }
        return;
    }
    note(notes, "input.resize: %s to %d x %d", spec_resize_name(input->resize), input->width,
         input->height);
    input->crop_width = input->crop_width == SPEC_OPEN ? 0 : input->crop_width;
    input->crop_height = input->crop_height == SPEC_OPEN ? 0 : input->crop_height;
}

static int check_size(const struct spec *spec, int64_t graph_width, int64_t graph_height,
                      const struct engine_value *in, struct err *err)
{
    const struct spec_input *input = &spec->input;
    bool varies = (input->resize == PREPROCESS_NONE || input->resize == PREPROCESS_SHORTER) &&
                  !input->crop_width;
    if (varies && graph_width < 0 && graph_height < 0) {
        return 0;
    }
    int width = input->crop_width ? input->crop_width : input->width;
    int height = input->crop_height ? input->crop_height : input->height;
    const char *key = input->crop_width ? "input.crop" : "input.resize";
    if (input->resize == PREPROCESS_NONE && !input->crop_width &&
        (graph_width > 0 || graph_height > 0)) {
        return spec_fail(spec, err, "input.resize",
                         "none does not fit, the model's input \"%s\" "
                         "has a fixed size",
                         in->name);
    }
    if (input->resize == PREPROCESS_SHORTER && !input->crop_width &&
        (graph_width > 0 || graph_height > 0)) {
        return spec_fail(spec, err, "input.crop",
                         "is needed: the shorter side alone does not "
                         "make all pictures fit the model's %lld x %lld",
                         (long long)graph_width, (long long)graph_height);
    }
    if ((graph_width > 0 && graph_width != width) || (graph_height > 0 && graph_height != height)) {
        return spec_fail(spec, err, key,
                         "%d x %d does not fit, the model's input \"%s\" is %lld x "
                         "%lld",
                         width, height, in->name, (long long)graph_width, (long long)graph_height);
    }
    return 0;
}

static void guess_rest(struct spec_input *input, bool gray, bool preset_guessed, json_t *notes)
{
    if (gray && preset_guessed && isnan(input->scale) && input->type != TENSOR_UINT8) {
        input->scale = 1 / 255.0;
        note(notes, "input.scale: 1/255, because the model takes fractions of one channel");
    }
    take_preset(input);
    input->fill = input->fill == SPEC_OPEN ? 0 : input->fill;
    input->align = input->align == SPEC_OPEN ? PREPROCESS_CENTER : input->align;
    input->resize = input->resize == SPEC_OPEN ? PREPROCESS_STRETCH : input->resize;
}

int guess_input(struct spec *spec, const struct model *model, json_t *notes, struct err *err)
{
    struct spec_input *input = &spec->input;
    if (model->input_count != 1) {
        return err_set(err, ERR_INVALID,
                       "the model takes %zu inputs, a picture is one; use "
                       "\"task: tensor\"",
                       model->input_count);
    }
    const struct engine_value *in = &model->inputs[0];
    if (in->rank != 4) {
        char shape[TENSOR_SHAPE_TEXT_MAX];
        return err_set(err, ERR_INVALID,
                       "the model's input \"%s\" is %s, a picture has 4 "
                       "dimensions; use \"task: tensor\"",
                       in->name, tensor_shape_text(in->dims, in->rank, shape));
    }
    int channels_at = guess_layout(spec, in, notes);
    int64_t graph_height = in->dims[channels_at == 1 ? 2 : 1];
    int64_t graph_width = in->dims[channels_at == 1 ? 3 : 2];
    TRY(guess_type(spec, in, notes, err));
    bool detects = spec->task && strcmp(spec->task, task_detect.name) == 0;
    int otherwise = detects ? SIDE_DETECTOR : SIDE_CLASSIFIER;
    int width = guess_side(graph_width, input->crop_width, input->width, otherwise);
    int height = guess_side(graph_height, input->crop_height, input->height, otherwise);
    int64_t channels = in->dims[channels_at];
    bool preset_guessed = !input->preset;
    if (preset_guessed) {
        input->preset =
            spec_preset_find(str_of(preset_for(spec, in, model, channels, width, height)));
        bool caffe = strcmp(input->preset->name, "imagenet-caffe") == 0;
        note(notes, "input.preset: %s (%s)%s", input->preset->name, input->preset->text,
             caffe ? ", because onnx-caffe2 made the model" : "");
    }
    guess_rest(input, channels == 1 || input->channels == PREPROCESS_GRAY, preset_guessed, notes);
    TRY(guess_channels(spec, channels, in, notes, err));
    guess_sizes(spec, width, height, notes);
    return check_size(spec, graph_width, graph_height, in, err);
}
