// SPDX-License-Identifier: Apache-2.0
// task: object-detection. A picture in; boxes out, in pixels of the picture as it is seen, most
// certain first. The outputs of the YOLO family are understood.
//
//     yolox   [1, cells, 5+C]      cx cy w h object classes…; centres in cells, sizes as logarithms
//     yolov5  [1, 3*cells, 5+C]    cx cy w h object classes…, in pixels of the input
//     yolov8  [1, 4+C, cells]      cx cy w h classes…, in pixels of the input
#include "base/mem.h"
#include "runner/guess.h"
#include "runner/vision.h"

#include <math.h>

#define THRESHOLD      0.3
#define IOU            0.45
#define CANDIDATES_MAX 30000 // looked at after the threshold, the most certain of them
#define DETECTIONS_MAX 300
#define SAME_IOU       0.5 // two boxes of one class that overlap so much are of one thing

struct box {
    float x1, y1, x2, y2, score;
    uint32_t class_id;
};

struct detect {
    struct vision vision;
    enum spec_decode decode;
    float *numbers; // of the output
    size_t number_room;
    struct box *boxes;
    size_t box_count, box_room;
};

// How the output's numbers lie.
struct grid {
    size_t cells, classes;
    size_t cell_step, field_step; // from one to the next
    bool has_object;
};

static int check_labels(const struct package *package, enum spec_decode decode, int64_t rows,
                        int64_t columns, struct err *err)
{
    int64_t fields = decode == DECODE_YOLOV8 ? rows - 4 : columns - 5;
    return vision_check_labels(&package->spec, fields > 0 ? fields : -1, err);
}

static int setup(struct package *package, struct err *err)
{
    struct detect *d = NEW(struct detect);
    package->state = d;
    struct spec *spec = &package->spec;
    spec->threshold = isnan(spec->threshold) ? THRESHOLD : spec->threshold;
    spec->iou = isnan(spec->iou) ? IOU : spec->iou;
    TRY(vision_setup(&d->vision, package, err));
    const struct engine_value *out = &package->model->outputs[0];
    d->decode = (enum spec_decode)spec->decode;
    if (d->decode == DECODE_AUTO) {
        d->decode = guess_decode(out, spec->input.width, spec->input.height);
        if (d->decode == DECODE_AUTO && out->rank == 3 && out->dims[1] >= 0) {
            char shape[TENSOR_SHAPE_TEXT_MAX];
            return spec_fail(spec, err, "decode",
                             "the output \"%s\" %s is none of a known YOLO "
                             "for pictures of %d x %d; say which it is",
                             out->name, tensor_shape_text(out->dims, out->rank, shape),
                             spec->input.width, spec->input.height);
        }
    }
    if (package->notes && spec->decode == DECODE_AUTO && d->decode != DECODE_AUTO) {
        json_array_append_new(package->notes,
                              json_sprintf("decode: %s", spec_decode_name((int)d->decode)));
    }
    return out->rank == 3 && d->decode != DECODE_AUTO
               ? check_labels(package, d->decode, out->dims[1], out->dims[2], err)
               : 0;
}

static void done(struct package *package)
{
    struct detect *d = package->state;
    vision_done(&d->vision);
    free(d->numbers);
    free(d->boxes);
    free(d);
    package->state = NULL;
}

static int read_grid(struct detect *d, const struct package *package, const struct tensor *out,
                     enum spec_decode *ret_decode, struct grid *ret, struct err *err)
{
    struct engine_value value = {.type = out->type, .rank = out->rank};
    memcpy(value.dims, out->dims, sizeof(value.dims));
    const int64_t *in = d->vision.input.dims;
    bool nchw = d->vision.pre.layout == PREPROCESS_NCHW;
    enum spec_decode decode = d->decode;
    if (decode == DECODE_AUTO) {
        decode = guess_decode(&value, (int)in[nchw ? 3 : 2], (int)in[nchw ? 2 : 1]);
    }
    bool by_field = decode == DECODE_YOLOV8;
    size_t rows = out->rank == 3 ? (size_t)out->dims[1] : 0;
    size_t columns = out->rank == 3 ? (size_t)out->dims[2] : 0;
    size_t fields = by_field ? rows : columns, head = by_field ? 4 : 5;
    if (decode == DECODE_AUTO || out->rank != 3 || out->dims[0] != 1 || fields <= head) {
        char shape[TENSOR_SHAPE_TEXT_MAX];
        return err_aws(err, ERR_FUNCTION, TASK_BAD_MODEL,
                       "the model answered with %s, which is "
                       "no YOLO's; see \"decode\"",
                       tensor_shape_text(out->dims, out->rank, shape));
    }
    (void)package;
    *ret_decode = decode;
    *ret = (struct grid){.cells = by_field ? columns : rows,
                         .classes = fields - head,
                         .cell_step = by_field ? 1 : columns,
                         .field_step = by_field ? columns : 1,
                         .has_object = !by_field};
    return 0;
}

static int yolox_cells(const struct preprocess_info *info)
{
    int cells = 0;
    for (int stride = 8; stride <= 32; stride *= 2) {
        cells += (info->width / stride) * (info->height / stride);
    }
    return cells;
}

// Where a YOLOX cell is: cells are numbered row by row, stride 8 first, then 16, then 32.
static void place_yolox(const struct preprocess_info *info, size_t cell, float *cx, float *cy,
                        float *w, float *h)
{
    size_t at = cell;
    for (int stride = 8; stride <= 32; stride *= 2) {
        size_t across = (size_t)(info->width / stride), down = (size_t)(info->height / stride);
        if (at < across * down) {
            *cx = (*cx + (float)(at % across)) * (float)stride;
            *cy = (*cy + (float)(at / across)) * (float)stride;
            *w = expf(*w) * (float)stride;
            *h = expf(*h) * (float)stride;
            return;
        }
        at -= across * down;
    }
}

static void add_box(struct detect *d, struct box box)
{
    if (d->box_count == d->box_room) {
        d->box_room = d->box_room ? d->box_room * 2 : 256;
        d->boxes = mem_grow(d->boxes, d->box_room * sizeof(*d->boxes));
    }
    d->boxes[d->box_count++] = box;
}

static float held(double value, int most)
{
    return (float)fmin(fmax(value, 0), most);
}

static void read_cell(struct detect *d, const struct grid *grid, enum spec_decode decode,
                      const struct preprocess_info *info, size_t cell, double threshold)
{
    const float *at = d->numbers + cell * grid->cell_step;
    size_t step = grid->field_step;
    float object = grid->has_object ? at[4 * step] : 1;
    if (!((double)object >= threshold)) {
        return; // no class makes up for it
    }
    const float *scores = at + (grid->has_object ? 5 : 4) * step;
    size_t best = 0;
    for (size_t i = 1; i < grid->classes; i++) {
        best = scores[i * step] > scores[best * step] ? i : best;
    }
    float score = object * scores[best * step];
    if (!((double)score >= threshold)) {
        return;
    }
    float cx = at[0], cy = at[step], w = at[2 * step], h = at[3 * step];
    if (decode == DECODE_YOLOX) {
        place_yolox(info, cell, &cx, &cy, &w, &h);
    }
    if (!isfinite(cx) || !isfinite(cy) || !isfinite(w) || !isfinite(h)) {
        return;
    }
    double half_w = (double)w / 2, half_h = (double)h / 2;
    struct box box = {
        .x1 = held(((double)cx - half_w - info->offset_x) / info->scale_x, info->picture_width),
        .y1 = held(((double)cy - half_h - info->offset_y) / info->scale_y, info->picture_height),
        .x2 = held(((double)cx + half_w - info->offset_x) / info->scale_x, info->picture_width),
        .y2 = held(((double)cy + half_h - info->offset_y) / info->scale_y, info->picture_height),
        .score = score < 1 ? score : 1,
        .class_id = (uint32_t)best};
    if (box.x2 > box.x1 && box.y2 > box.y1) {
        add_box(d, box);
    }
}

static int more_certain(const void *a, const void *b)
{
    const struct box *x = a, *y = b;
    return x->score > y->score ? -1 : x->score < y->score ? 1 : 0;
}

static float overlap(const struct box *a, const struct box *b)
{
    float w = fminf(a->x2, b->x2) - fmaxf(a->x1, b->x1);
    float h = fminf(a->y2, b->y2) - fmaxf(a->y1, b->y1);
    if (w <= 0 || h <= 0) {
        return 0;
    }
    float both = w * h;
    return both / ((a->x2 - a->x1) * (a->y2 - a->y1) + (b->x2 - b->x1) * (b->y2 - b->y1) - both);
}

// Keeps, of boxes of one class that overlap, the most certain one.
static void suppress(struct detect *d, double iou)
{
    qsort(d->boxes, d->box_count, sizeof(*d->boxes), more_certain);
    size_t count = d->box_count < CANDIDATES_MAX ? d->box_count : CANDIDATES_MAX, kept = 0;
    for (size_t i = 0; i < count && kept < DETECTIONS_MAX; i++) {
        bool stays = true;
        for (size_t k = 0; k < kept && stays; k++) {
            stays = d->boxes[k].class_id != d->boxes[i].class_id ||
                    (double)overlap(&d->boxes[k], &d->boxes[i]) <= iou;
        }
        if (stays) {
            d->boxes[kept++] = d->boxes[i];
        }
    }
    d->box_count = kept;
}

static int find_boxes(struct detect *d, const struct package *package, const struct tensor *out,
                      const struct preprocess_info *info, double threshold, struct err *err)
{
    enum spec_decode decode = DECODE_AUTO;
    struct grid grid = {0};
    TRY(read_grid(d, package, out, &decode, &grid, err));
    if (decode == DECODE_YOLOX && grid.cells != (size_t)yolox_cells(info)) {
        return err_aws(err, ERR_FUNCTION, TASK_BAD_MODEL,
                       "the model answered with %zu cells, "
                       "YOLOX has %d for a picture of %d x %d",
                       grid.cells, yolox_cells(info), info->width, info->height);
    }
    size_t count = out->size / tensor_type_size(out->type);
    if (count > d->number_room) {
        d->numbers = mem_grow(d->numbers, count * sizeof(float));
        d->number_room = count;
    }
    tensor_floats(out, 0, count, d->numbers);
    d->box_count = 0;
    for (size_t cell = 0; cell < grid.cells; cell++) {
        read_cell(d, &grid, decode, info, cell, threshold);
    }
    suppress(d, package->spec.iou);
    return 0;
}

static void write_answer(const struct detect *d, const struct spec *spec,
                         const struct preprocess_info *info, struct buf *out)
{
    buf_add_text(out, "{\"detections\":[");
    for (size_t i = 0; i < d->box_count; i++) {
        const struct box *box = &d->boxes[i];
        buf_add_text(out, i ? ",{" : "{");
        vision_add_class(out, spec, box->class_id, (double)box->score);
        buf_printf(out, ",\"box\":[%.2f,%.2f,%.2f,%.2f]}", (double)box->x1, (double)box->y1,
                   (double)box->x2, (double)box->y2);
    }
    buf_printf(out, "],\"image\":{\"width\":%d,\"height\":%d}}", info->picture_width,
               info->picture_height);
}

static void answer_item(struct package *package, struct item *item,
                        const struct vision_answer *answer)
{
    struct detect *d = package->state;
    if (find_boxes(d, package, &answer->outputs[0], &answer->info, package->spec.threshold,
                   &item->err) == 0) {
        write_answer(d, &package->spec, &answer->info, &item->answer);
    }
}

static void run(struct package *package, struct item *items, size_t count)
{
    struct detect *d = package->state;
    vision_run(&d->vision, package, items, count, answer_item);
}

static int warm(struct package *package, struct err *err)
{
    struct detect *d = package->state;
    struct vision_answer answer;
    int rc = vision_black(&d->vision, package, &answer, err);
    if (rc <= 0) {
        return rc;
    }
    const struct tensor *out = &answer.outputs[0];
    TRY(find_boxes(d, package, out, &answer.info, package->spec.threshold, err));
    return d->decode == DECODE_AUTO
               ? 0
               : check_labels(package, d->decode, out->dims[1], out->dims[2], err);
}

static void shape(const struct package *package, int64_t *dims)
{
    const struct detect *d = package->state;
    vision_shape(&d->vision, dims);
}

static int make_inputs(struct package *package, struct item *item, struct tensor *ret)
{
    struct detect *d = package->state;
    return vision_inputs(&d->vision, item, ret);
}

static bool is_among(const struct box *box, const struct box *others, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (others[i].class_id == box->class_id && (double)overlap(box, &others[i]) >= SAME_IOU) {
            return true;
        }
    }
    return false;
}

// How many of the boxes of `a` that are certain enough `b` has too, half as certain perhaps: what is
// at the threshold and passes it only here or there is the same answer.
static size_t seen_too(struct package *package, const struct preprocess_info *info,
                       const struct tensor *a, const struct tensor *b, size_t *ret_boxes)
{
    struct detect *d = package->state;
    double threshold = package->spec.threshold;
    bool fine = find_boxes(d, package, a, info, threshold, NULL) == 0;
    size_t count = fine ? d->box_count : 0, found = 0;
    *ret_boxes = count;
    CLEAN_MEM struct box *boxes = MOVE(d->boxes);
    d->box_room = 0;
    fine = find_boxes(d, package, b, info, threshold / 2, NULL) == 0;
    for (size_t i = 0; fine && i < count; i++) {
        found += is_among(&boxes[i], d->boxes, d->box_count);
    }
    return found;
}

// In pixels of the input, as a picture of that size would be.
static double agreement(struct package *package, const struct tensor *inputs,
                        const struct tensor *outputs, const struct tensor *others)
{
    struct detect *d = package->state;
    bool nchw = d->vision.pre.layout == PREPROCESS_NCHW;
    int width = (int)inputs[0].dims[nchw ? 3 : 2], height = (int)inputs[0].dims[nchw ? 2 : 1];
    struct preprocess_info info = {.width = width,
                                   .height = height,
                                   .scale_x = 1,
                                   .scale_y = 1,
                                   .picture_width = width,
                                   .picture_height = height};
    size_t ours = 0, theirs = 0;
    size_t found = seen_too(package, &info, &outputs[0], &others[0], &ours);
    found += seen_too(package, &info, &others[0], &outputs[0], &theirs);
    return ours + theirs ? (double)found / (double)(ours + theirs) : 1;
}

const struct task_ops task_detect = {
    .name = "object-detection",
    .needs_model = true,
    .setup = setup,
    .done = done,
    .run = run,
    .warm = warm,
    .shape = shape,
    .inputs = make_inputs,
    .agreement = agreement,
};
