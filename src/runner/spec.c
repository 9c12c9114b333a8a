// SPDX-License-Identifier: Apache-2.0
// model.yaml: two tables of keys (the top and `input`), a reader for each kind of value, and errors
// that name line, column and what would be right.
#include "runner/spec.h"
#include "base/check.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/tensor.h"
#include "runner/files.h"
#include "runner/task.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

// ---- words ----

static const char *const softmax_words[] = {"auto", "true", "false", NULL};
static const char *const decode_words[] = {"auto", "yolox", "yolov8", "yolov5", NULL};
static const char *const pooling_words[] = {"mean", "cls", "last", NULL};
static const char *const scores_words[] = {"softmax", "sigmoid", "none", NULL};
static const char *const truth_words[] = {"false", "true", NULL};
static const char *const resize_words[] = {"none", "shorter", "letterbox", "stretch", NULL};
static const char *const align_words[] = {"center", "start", NULL};
static const char *const layout_words[] = {"NCHW", "NHWC", NULL};
static const char *const channel_words[] = {"RGB", "BGR", "GRAY", NULL};

const char *spec_resize_name(int resize)
{
    return resize_words[resize];
}

const char *spec_layout_name(int layout)
{
    return layout_words[layout];
}

const char *spec_channels_name(int channels)
{
    return channel_words[channels];
}

const char *spec_decode_name(int decode)
{
    return decode_words[decode];
}

// ---- readers of one value ----

struct reader {
    const char *file; // for messages
    const char *folder;
    struct spec *spec;
};

static int fail_words(const struct reader *r, const struct yaml_node *node,
                      const char *const *words, struct err *err)
{
    CLEAN(buf_done) struct buf list = BUF_INIT(1024);
    for (size_t i = 0; words[i]; i++) {
        buf_printf(&list, "%s%s", i == 0 ? "" : words[i + 1] ? ", " : " or ", words[i]);
    }
    return yaml_fail(err, node, r->file, STR_FMT ": must be %s", STR_ARG(node->key),
                     buf_text(&list));
}

static int read_word(const struct reader *r, const struct yaml_node *node, const char *const *words,
                     int *ret, struct err *err)
{
    for (size_t i = 0; yaml_is_scalar(node) && words[i]; i++) {
        if (str_eq_nocase(node->text, str_of(words[i]))) {
            *ret = (int)i;
            return 0;
        }
    }
    return fail_words(r, node, words, err);
}

static int read_int(const struct reader *r, const struct yaml_node *node, int least, int most,
                    int *ret, struct err *err)
{
    if (node->kind != YAML_INT || node->integer < least || node->integer > most) {
        return yaml_fail(err, node, r->file, STR_FMT ": must be a whole number from %d to %d",
                         STR_ARG(node->key), least, most);
    }
    *ret = (int)node->integer;
    return 0;
}

static int read_real(const struct reader *r, const struct yaml_node *node, double least,
                     double most, double *ret, struct err *err)
{
    bool number = node->kind == YAML_INT || node->kind == YAML_FLOAT;
    if (!number || !(node->real >= least && node->real <= most)) {
        return yaml_fail(err, node, r->file, STR_FMT ": must be a number from %g to %g",
                         STR_ARG(node->key), least, most);
    }
    *ret = node->real;
    return 0;
}

// A file of the package: relative, and not out of it.
static int read_path(const struct reader *r, const struct yaml_node *node, char **ret,
                     struct err *err)
{
    if (node->kind != YAML_STRING || !files_is_inside(node->text)) {
        return yaml_fail(err, node, r->file,
                         STR_FMT ": must name a file in the package, relative "
                                 "and without \"..\"",
                         STR_ARG(node->key));
    }
    free(*ret);
    *ret = str_dup(node->text);
    return 0;
}

// One number, or a list of one or three.
static int read_channels(const struct reader *r, const struct yaml_node *node, double ret[3],
                         struct err *err)
{
    if (node->kind == YAML_LIST && (node->count == 1 || node->count == 3)) {
        for (size_t i = 0; i < 3; i++) {
            const struct yaml_node *item = yaml_at(node, node->count == 1 ? 0 : i);
            if (item->kind != YAML_INT && item->kind != YAML_FLOAT) {
                return yaml_fail(err, item, r->file, STR_FMT ": must be numbers",
                                 STR_ARG(node->key));
            }
            ret[i] = item->real;
        }
        return 0;
    }
    if (node->kind == YAML_INT || node->kind == YAML_FLOAT) {
        ret[0] = ret[1] = ret[2] = node->real;
        return 0;
    }
    return yaml_fail(err, node, r->file,
                     STR_FMT ": must be a number, or a list of one number per "
                             "channel (1 or 3), in the order the model wants",
                     STR_ARG(node->key));
}

// ---- tables of keys ----

typedef int key_read(const struct reader *r, const struct yaml_node *node, struct err *err);

struct key {
    const char *name;
    key_read *read;
};

static int fail_unknown(const struct reader *r, const struct yaml_node *node,
                        const struct key *keys, size_t count, struct err *err)
{
    CLEAN(buf_done) struct buf list = BUF_INIT(1024);
    for (size_t i = 0; i < count; i++) {
        buf_printf(&list, "%s%s", i ? ", " : "", keys[i].name);
    }
    return yaml_fail(err, node, r->file, "unknown key \"" STR_FMT "\"; the keys here are %s",
                     STR_ARG(node->key), buf_text(&list));
}

static int read_map(const struct reader *r, const struct yaml_node *map, const struct key *keys,
                    size_t count, struct err *err)
{
    for (const struct yaml_node *node = map->child; node; node = node->next) {
        size_t i = 0;
        while (i < count && !str_eq(node->key, str_of(keys[i].name))) {
            i++;
        }
        if (i == count) {
            struct yaml_node at = *node;
            at.line = node->key_line;
            at.column = node->key_column;
            return fail_unknown(r, &at, keys, count, err);
        }
        TRY(keys[i].read(r, node, err));
    }
    return 0;
}

// ---- input ----

static int key_preset(const struct reader *r, const struct yaml_node *node, struct err *err)
{
    r->spec->input.preset = yaml_is_scalar(node) ? spec_preset_find(node->text) : NULL;
    if (r->spec->input.preset) {
        return 0;
    }
    const char *words[32] = {NULL};
    CHECK(spec_preset_count < ARRAY_SIZE(words));
    for (size_t i = 0; i < spec_preset_count; i++) {
        words[i] = spec_presets[i].name;
    }
    return fail_words(r, node, words, err);
}

#define INPUT_INT(field, least, most)                                                              \
    static int key_##field(const struct reader *r, const struct yaml_node *node, struct err *err)  \
    {                                                                                              \
        return read_int(r, node, least, most, &r->spec->input.field, err);                         \
    }
#define INPUT_WORD(field, words)                                                                   \
    static int key_##field(const struct reader *r, const struct yaml_node *node, struct err *err)  \
    {                                                                                              \
        return read_word(r, node, words, &r->spec->input.field, err);                              \
    }

INPUT_INT(width, 1, SPEC_SIDE_MAX)
INPUT_INT(height, 1, SPEC_SIDE_MAX)
INPUT_INT(fill, 0, 255)
INPUT_WORD(align, align_words)
INPUT_WORD(layout, layout_words)
INPUT_WORD(channels, channel_words)

static int key_mode(const struct reader *r, const struct yaml_node *node, struct err *err)
{
    return read_word(r, node, resize_words, &r->spec->input.resize, err);
}

static int key_shorter(const struct reader *r, const struct yaml_node *node, struct err *err)
{
    return read_int(r, node, 1, SPEC_SIDE_MAX, &r->spec->input.resize_shorter, err);
}

static const struct key resize_keys[] = {
    {"mode", key_mode},     {"shorter", key_shorter}, {"width", key_width},
    {"height", key_height}, {"fill", key_fill},       {"align", key_align},
};

static int key_resize(const struct reader *r, const struct yaml_node *node, struct err *err)
{
    struct spec_input *input = &r->spec->input;
    if (node->kind == YAML_MAP) {
        TRY(read_map(r, node, resize_keys, ARRAY_SIZE(resize_keys), err));
        if (input->resize == SPEC_OPEN) {
            input->resize = input->resize_shorter > 0 ? PREPROCESS_SHORTER : PREPROCESS_STRETCH;
        }
        return 0;
    }
    if (node->kind == YAML_INT) {
        input->resize = PREPROCESS_SHORTER;
        return read_int(r, node, 1, SPEC_SIDE_MAX, &input->resize_shorter, err);
    }
    if (yaml_is_scalar(node) && node->kind == YAML_STRING) {
        return read_word(r, node, resize_words, &input->resize, err);
    }
    return yaml_fail(err, node, r->file,
                     "resize: must be the shorter side in pixels, or {mode: "
                     "shorter, letterbox, stretch or none, width: …, height: …, fill: …}");
}

static int key_crop(const struct reader *r, const struct yaml_node *node, struct err *err)
{
    struct spec_input *input = &r->spec->input;
    if (node->kind == YAML_MAP) {
        const struct yaml_node *width = yaml_get(node, "width");
        const struct yaml_node *height = yaml_get(node, "height");
        if (!width || !height || node->count != 2) {
            return yaml_fail(err, node, r->file,
                             "crop: must be a side in pixels, {width: …, "
                             "height: …}, or false");
        }
        TRY(read_int(r, width, 1, SPEC_SIDE_MAX, &input->crop_width, err));
        return read_int(r, height, 1, SPEC_SIDE_MAX, &input->crop_height, err);
    }
    if (node->kind == YAML_BOOL && !node->truth) {
        input->crop_width = input->crop_height = 0;
        return 0;
    }
    TRY(read_int(r, node, 1, SPEC_SIDE_MAX, &input->crop_width, err));
    input->crop_height = input->crop_width;
    return 0;
}

static int key_scale(const struct reader *r, const struct yaml_node *node, struct err *err)
{
    return read_real(r, node, -1e6, 1e6, &r->spec->input.scale, err);
}

static int key_mean(const struct reader *r, const struct yaml_node *node, struct err *err)
{
    return read_channels(r, node, r->spec->input.mean, err);
}

static int key_std(const struct reader *r, const struct yaml_node *node, struct err *err)
{
    TRY(read_channels(r, node, r->spec->input.std, err));
    for (size_t i = 0; i < 3; i++) {
        if (!(fabs(r->spec->input.std[i]) > 1e-12)) {
            return yaml_fail(err, node, r->file, "std: is divided by, must not be 0");
        }
    }
    return 0;
}

static int key_type(const struct reader *r, const struct yaml_node *node, struct err *err)
{
    enum tensor_type type = yaml_is_scalar(node) ? tensor_type_of(node->text) : TENSOR_NONE;
    if (type != TENSOR_FLOAT32 && type != TENSOR_FLOAT16 && type != TENSOR_UINT8) {
        static const char *const words[] = {"float32", "float16", "uint8", NULL};
        return fail_words(r, node, words, err);
    }
    r->spec->input.type = (int)type;
    return 0;
}

static const struct key input_keys[] = {
    {"preset", key_preset}, {"resize", key_resize},     {"crop", key_crop},
    {"layout", key_layout}, {"channels", key_channels}, {"scale", key_scale},
    {"mean", key_mean},     {"std", key_std},           {"type", key_type},
};

static int key_input(const struct reader *r, const struct yaml_node *node, struct err *err)
{
    if (node->kind != YAML_MAP) {
        return yaml_fail(err, node, r->file, "input: must be a map, is %s",
                         yaml_kind_name(node->kind));
    }
    return read_map(r, node, input_keys, ARRAY_SIZE(input_keys), err);
}

// ---- the top ----

static int key_task(const struct reader *r, const struct yaml_node *node, struct err *err)
{
    const struct task_ops *task = yaml_is_scalar(node) ? task_find(node->text) : NULL;
    if (!task) {
        return yaml_fail(err, node, r->file, "task: must be %s", task_names());
    }
    r->spec->task = task->name;
    return 0;
}

static int key_model(const struct reader *r, const struct yaml_node *node, struct err *err)
{
    return read_path(r, node, &r->spec->model, err);
}

static int add_label(struct spec *spec, struct str label)
{
    if (spec->label_count == SPEC_LABELS_MAX) {
        return -1;
    }
    spec->labels = mem_grow(spec->labels, (spec->label_count + 1) * sizeof(*spec->labels));
    spec->labels[spec->label_count++] = str_dup(label);
    return 0;
}

static int add_labels_of_file(const struct reader *r, const struct yaml_node *node, struct err *err)
{
    CLEAN_MEM char *file = NULL;
    TRY(read_path(r, node, &file, err));
    CLEAN_MEM char *path = mem_printf("%s/%s", r->folder, file);
    CLEAN(buf_done) struct buf text = BUF_INIT(SPEC_FILE_MAX);
    struct err why = {0};
    if (file_read(path, &text, &why) < 0) {
        return yaml_fail(err, node, r->file, "labels: %s", why.text);
    }
    struct str rest = buf_str(&text);
    while (rest.size) {
        struct str line = str_trim(str_cut(&rest, '\n'));
        if ((line.size || rest.size) && add_label(r->spec, line) < 0) {
            return yaml_fail(err, node, r->file, "labels: more than %d", SPEC_LABELS_MAX);
        }
    }
    while (r->spec->label_count && !*r->spec->labels[r->spec->label_count - 1]) {
        free(r->spec->labels[--r->spec->label_count]); // empty lines at the end
    }
    if (r->spec->label_count == 0) {
        return yaml_fail(err, node, r->file, "labels: %s is empty", file);
    }
    return 0;
}

static int key_labels(const struct reader *r, const struct yaml_node *node, struct err *err)
{
    if (node->kind != YAML_LIST) {
        return add_labels_of_file(r, node, err);
    }
    for (const struct yaml_node *item = node->child; item; item = item->next) {
        if (!yaml_is_scalar(item) || add_label(r->spec, item->text) < 0) {
            return yaml_fail(err, item, r->file,
                             "labels: must be a file, or a list of at most %d "
                             "names",
                             SPEC_LABELS_MAX);
        }
    }
    return 0;
}

static int key_top_k(const struct reader *r, const struct yaml_node *node, struct err *err)
{
    return read_int(r, node, 1, SPEC_TOP_K_MAX, &r->spec->top_k, err);
}

static int key_softmax(const struct reader *r, const struct yaml_node *node, struct err *err)
{
    return read_word(r, node, softmax_words, &r->spec->softmax, err);
}

static int key_threshold(const struct reader *r, const struct yaml_node *node, struct err *err)
{
    return read_real(r, node, 0, 1, &r->spec->threshold, err);
}

static int key_iou(const struct reader *r, const struct yaml_node *node, struct err *err)
{
    return read_real(r, node, 0, 1, &r->spec->iou, err);
}

static int key_decode(const struct reader *r, const struct yaml_node *node, struct err *err)
{
    return read_word(r, node, decode_words, &r->spec->decode, err);
}

static int key_tokenizer(const struct reader *r, const struct yaml_node *node, struct err *err)
{
    return read_path(r, node, &r->spec->tokenizer, err);
}

static int key_length_max(const struct reader *r, const struct yaml_node *node, struct err *err)
{
    return read_int(r, node, 4, SPEC_LENGTH_MAX, &r->spec->length_max, err);
}

static int key_pooling(const struct reader *r, const struct yaml_node *node, struct err *err)
{
    return read_word(r, node, pooling_words, &r->spec->pooling, err);
}

static int key_scores(const struct reader *r, const struct yaml_node *node, struct err *err)
{
    return read_word(r, node, scores_words, &r->spec->scores, err);
}

static int key_normalize(const struct reader *r, const struct yaml_node *node, struct err *err)
{
    return read_word(r, node, truth_words, &r->spec->normalize, err);
}

static const struct key top_keys[] = {
    {"task", key_task},
    {"model", key_model},
    {"labels", key_labels},
    {"topK", key_top_k},
    {"softmax", key_softmax},
    {"decode", key_decode},
    {"iou", key_iou},
    {"threshold", key_threshold},
    {"input", key_input},
    {"tokenizer", key_tokenizer},
    {"maxLength", key_length_max},
    {"scores", key_scores},
    {"pooling", key_pooling},
    {"normalize", key_normalize},
};

// ---- entry points ----

void spec_init(struct spec *spec)
{
    *spec = (struct spec){.top_k = SPEC_OPEN,
                          .softmax = SOFTMAX_AUTO,
                          .decode = DECODE_AUTO,
                          .threshold = NAN,
                          .iou = NAN,
                          .length_max = SPEC_OPEN,
                          .pooling = SPEC_OPEN,
                          .scores = SPEC_OPEN,
                          .normalize = SPEC_OPEN};
    spec->input = (struct spec_input){.resize = SPEC_OPEN,
                                      .resize_shorter = SPEC_OPEN,
                                      .width = SPEC_OPEN,
                                      .height = SPEC_OPEN,
                                      .fill = SPEC_OPEN,
                                      .align = SPEC_OPEN,
                                      .crop_width = SPEC_OPEN,
                                      .crop_height = SPEC_OPEN,
                                      .layout = SPEC_OPEN,
                                      .channels = SPEC_OPEN,
                                      .scale = NAN,
                                      .mean = {NAN, NAN, NAN},
                                      .std = {NAN, NAN, NAN},
                                      .type = SPEC_OPEN};
}

void spec_done(struct spec *spec)
{
    free(spec->name);
    yaml_node_free(spec->root);
    free(spec->model);
    free(spec->tokenizer);
    for (size_t i = 0; i < spec->label_count; i++) {
        free(spec->labels[i]);
    }
    free(spec->labels);
    spec_init(spec);
}

int spec_read(struct spec *spec, const char *folder, const char *file, struct err *err)
{
    CLEAN_MEM char *path = mem_printf("%s/%s", folder, file);
    CLEAN(buf_done) struct buf text = BUF_INIT(SPEC_FILE_MAX);
    free(spec->name);
    spec->name = mem_dup(file);
    int rc = file_read(path, &text, err);
    if (rc < 0) {
        return err_prefix(err, "%s", file);
    }
    TRY(yaml_parse(buf_str(&text), file, &spec->root, err));
    struct reader reader = {.file = spec->name, .folder = folder, .spec = spec};
    if (spec->root->kind == YAML_NULL) {
        return 0; // an empty file: all is guessed
    }
    if (spec->root->kind != YAML_MAP) {
        return yaml_fail(err, spec->root, file, "must be a map of keys, is %s",
                         yaml_kind_name(spec->root->kind));
    }
    return read_map(&reader, spec->root, top_keys, ARRAY_SIZE(top_keys), err);
}

int spec_fail(const struct spec *spec, struct err *err, const char *path, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    const struct yaml_node *node = yaml_path(spec->root, path);
    const char *name = spec->name ? spec->name : "model.yaml";
    if (node) {
        return yaml_fail(err, node, name, "%s: %s", path, text);
    }
    return err_set(err, ERR_INVALID, "%s: %s: %s", name, path, text);
}
