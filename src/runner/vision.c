// SPDX-License-Identifier: Apache-2.0
// Pictures on their way into a model: found in the item, decoded at a useful scale, prepared right
// into the input tensor.
#include "runner/vision.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "format/base64.h"
#include "format/json.h"
#include "runner/guess.h"
#include "runner/together.h"

#include <stdlib.h>

#define IMAGE_BYTES_MAX (64 * 1024 * 1024) // of a picture in JSON

static enum preprocess_type type_of(int tensor_type)
{
    return tensor_type == TENSOR_FLOAT16 ? PREPROCESS_F16
           : tensor_type == TENSOR_UINT8 ? PREPROCESS_U8
                                         : PREPROCESS_F32;
}

int vision_setup(struct vision *vision, struct package *package, struct err *err)
{
    TRY(guess_input(&package->spec, package->model, package->notes, err));
    const struct spec_input *input = &package->spec.input;
    struct preprocess *pre = &vision->pre;
    *pre = (struct preprocess){.mode = (enum preprocess_mode)input->resize,
                               .shorter = input->resize_shorter,
                               .width = input->width,
                               .height = input->height,
                               .crop_width = input->crop_width,
                               .crop_height = input->crop_height,
                               .fill = input->fill,
                               .align = (enum preprocess_align)input->align,
                               .layout = (enum preprocess_layout)input->layout,
                               .channels = (enum preprocess_channels)input->channels,
                               .type = type_of(input->type),
                               .scale = input->scale};
    memcpy(pre->mean, input->mean, sizeof(pre->mean));
    memcpy(pre->std, input->std, sizeof(pre->std));
    vision->varies =
        !pre->crop_width && (pre->mode == PREPROCESS_NONE || pre->mode == PREPROCESS_SHORTER);
    int rc = preprocess_check(pre, err);
    return rc < 0 ? err_prefix(err, "%s: input",
                               package->spec.name ? package->spec.name : PACKAGE_HANDLER)
                  : 0;
}

void vision_done(struct vision *vision)
{
    free(vision->input.data);
    vision->input = (struct tensor){0};
}

// The input tensor for a picture of this size; the buffer grows when it must.
static int shape_input(struct vision *vision, const struct preprocess_info *info, struct err *err)
{
    size_t size = preprocess_size(&vision->pre, info);
    if (size > vision->room) {
        void *data = size <= TENSOR_SIZE_MAX ? aligned_alloc(64, (size + 63) / 64 * 64) : NULL;
        if (!data) {
            return err_set(err, ERR_LIMIT, "a picture would become a tensor of %zu bytes", size);
        }
        free(vision->input.data);
        vision->input.data = data;
        vision->room = size;
    }
    bool nchw = vision->pre.layout == PREPROCESS_NCHW;
    struct tensor *input = &vision->input;
    input->type = vision->pre.type == PREPROCESS_F16  ? TENSOR_FLOAT16
                  : vision->pre.type == PREPROCESS_U8 ? TENSOR_UINT8
                                                      : TENSOR_FLOAT32;
    input->rank = 4;
    input->size = size;
    input->dims[0] = 1;
    input->dims[nchw ? 1 : 3] = info->channels;
    input->dims[nchw ? 2 : 1] = info->height;
    input->dims[nchw ? 3 : 2] = info->width;
    return 0;
}

// The picture in {"image": base64}; `room` then holds it.
static int find_in_json(struct str bytes, struct buf *room, struct str *ret, struct err *err)
{
    CLEAN_JSON json_t *root = NULL;
    struct str text;
    int rc = json_parse_object(bytes, &root, err);
    if (rc < 0) {
        err->aws = TASK_BAD_REQUEST;
        return rc;
    }
    rc = json_need_str(root, "image", &text, err);
    if (rc < 0 && json_object_get(root, "Records")) {
        return err_aws(err, ERR_INVALID, TASK_BAD_REQUEST, "the event's records name no objects");
    }
    if (rc < 0) {
        err->aws = TASK_BAD_REQUEST;
        return rc;
    }
    rc = base64_decode(text, room, err);
    if (rc < 0) {
        err->aws = TASK_BAD_REQUEST;
        return err_prefix(err, "image");
    }
    *ret = buf_str(room);
    return 0;
}

static bool looks_like_json(struct str bytes)
{
    struct str text = str_trim(str_head(bytes, 64));
    return text.size && text.at[0] == '{';
}

static int decode(struct vision *vision, struct str bytes, struct preprocess_info *info,
                  struct err *err)
{
    CLEAN(buf_done) struct buf room = BUF_INIT(IMAGE_BYTES_MAX);
    if (bytes.size == 0) {
        return err_aws(err, ERR_INVALID, TASK_BAD_IMAGE, "it is empty (0 bytes)");
    }
    if (!image_format(bytes) && looks_like_json(bytes)) {
        TRY(find_in_json(bytes, &room, &bytes, err));
    }
    struct image_want want;
    preprocess_want(&vision->pre, &want);
    CLEAN(image_done) struct image image = {0};
    int rc = image_decode(bytes, &want, &image, err);
    if (rc == 0) {
        rc = preprocess_plan(&vision->pre, image.full_width, image.full_height, info, err);
    }
    if (rc == 0) {
        rc = shape_input(vision, info, err);
    }
    if (rc == 0) {
        rc =
            preprocess_run(&vision->pre, &image, vision->input.data, vision->input.size, info, err);
    }
    if (rc < 0) {
        err->aws = TASK_BAD_IMAGE;
    }
    return rc;
}

typedef void answer_fn(struct package *package, struct item *item,
                       const struct vision_answer *answer);

struct part { // of a run of several
    struct together_part together;
    struct item *item;
    struct tensor input;
    struct vision_answer answer;
};

struct call {
    struct package *package;
    answer_fn *answer;
};

static int decode_item(struct vision *vision, struct item *item, struct preprocess_info *info)
{
    int64_t began = clock_mono_us();
    int rc = decode(vision, item->bytes, info, &item->err);
    item->decode_us = (uint64_t)(clock_mono_us() - began);
    return rc;
}

static void run_one(struct vision *vision, const struct call *call, struct item *item)
{
    struct vision_answer answer;
    if (decode_item(vision, item, &answer.info) < 0) {
        return;
    }
    if (model_run(call->package->model, &vision->input, answer.outputs, &item->err) < 0) {
        item->err.aws = TASK_BAD_MODEL;
    } else {
        call->answer(call->package, item, &answer);
    }
}

static void part_done(void *ctx, struct together_part *together)
{
    const struct call *call = ctx;
    struct part *part = CONTAINER_OF(together, struct part, together);
    if (together->err.code < 0) {
        part->item->err = together->err;
        part->item->err.aws = TASK_BAD_MODEL;
    } else {
        call->answer(call->package, part->item, &part->answer);
    }
}

// Decodes what can be decoded; how many that are.
static size_t parts_decode(struct vision *vision, struct item *items, size_t count,
                           struct part *parts, struct together_part **together)
{
    size_t ready = 0;
    for (size_t i = 0; i < count; i++) {
        struct part *part = &parts[ready];
        if (decode_item(vision, &items[i], &part->answer.info) < 0) {
            continue;
        }
        part->item = &items[i];
        part->input = vision->input; // its buffer goes along, the next picture gets a new one
        vision->input.data = NULL;
        vision->room = 0;
        part->together =
            (struct together_part){.inputs = &part->input, .outputs = part->answer.outputs};
        together[ready++] = &part->together;
    }
    return ready;
}

void vision_run(struct vision *vision, struct package *package, struct item *items, size_t count,
                answer_fn *answer)
{
    struct call call = {package, answer};
    if (count < 2 || !together_possible(package)) {
        for (size_t i = 0; i < count; i++) {
            run_one(vision, &call, &items[i]);
        }
        return;
    }
    CLEAN_MEM struct part *parts = mem_alloc(count * sizeof *parts);
    CLEAN_MEM struct together_part **together = mem_alloc(count * sizeof(struct together_part *));
    size_t ready = parts_decode(vision, items, count, parts, together);
    together_run(package, together, ready, part_done, &call);
    for (size_t i = 0; i < ready; i++) {
        free(parts[i].input.data);
    }
}

int vision_inputs(struct vision *vision, struct item *item, struct tensor *ret)
{
    struct preprocess_info info;
    TRY(decode(vision, item->bytes, &info, &item->err));
    *ret = vision->input;
    ret->data = mem_alloc(ret->size);
    memcpy(ret->data, vision->input.data, ret->size);
    return 0;
}

int vision_black(struct vision *vision, struct package *package, struct vision_answer *ret,
                 struct err *err)
{
    if (vision->varies) {
        return 0;
    }
    const struct preprocess *pre = &vision->pre;
    int width = pre->crop_width ? pre->crop_width : pre->width;
    int height = pre->crop_height ? pre->crop_height : pre->height;
    TRY(preprocess_plan(pre, width, height, &ret->info, err));
    TRY(shape_input(vision, &ret->info, err));
    memset(vision->input.data, 0, vision->input.size);
    int rc = model_run(package->model, &vision->input, ret->outputs, err);
    free(vision->input.data); // children of a template are better off with fresh memory
    vision->input.data = NULL;
    vision->room = 0;
    return rc < 0 ? rc : 1;
}

void vision_shape(const struct vision *vision, int64_t *dims)
{
    if (vision->input.rank) {
        memcpy(dims, vision->input.dims, vision->input.rank * sizeof(*dims));
    }
}

int vision_check_labels(const struct spec *spec, int64_t classes, struct err *err)
{
    if (classes >= 0 && spec->label_count && (size_t)classes != spec->label_count) {
        return spec_fail(spec, err, "labels", "there are %zu, but the model knows %lld classes",
                         spec->label_count, (long long)classes);
    }
    return 0;
}

void vision_add_class(struct buf *out, const struct spec *spec, size_t class_id, double confidence)
{
    buf_printf(out, "\"class_id\":%zu,", class_id);
    if (class_id < spec->label_count) {
        buf_add_text(out, "\"label\":");
        json_quote(out, str_of(spec->labels[class_id]));
        buf_add_char(out, ',');
    }
    buf_printf(out, "\"confidence\":%.6g", confidence);
}
