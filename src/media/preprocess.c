// SPDX-License-Identifier: Apache-2.0
// Makes a model's input of a picture: plans what goes where, then makes the tensor row by row, each
// resized, normalised, and written in the model's layout and type. The runner's tasks come here.
#include "media/preprocess.h"

#include "base/check.h"
#include "base/mem.h"
#include "media/half.h"
#include "media/resize.h"

#include <math.h>

// ITU-R BT.601, as Pillow's convert("L") has it.
static const float luma[3] = {0.299f, 0.587f, 0.114f};

static int channels_of(const struct preprocess *pre)
{
    return pre->channels == PREPROCESS_GRAY ? 1 : 3;
}

// ---- planning ----

static bool is_side(int side)
{
    return side >= 1 && side <= PREPROCESS_SIDE_MAX;
}

static int check_numbers(const struct preprocess *pre, struct err *err)
{
    if (pre->fill < 0 || pre->fill > 255) {
        return err_set(err, ERR_INVALID, "fill: %d is not in 0…255", pre->fill);
    }
    if (!isfinite(pre->scale)) {
        return err_set(err, ERR_INVALID, "scale: must be a number");
    }
    for (int k = 0; k < channels_of(pre); k++) {
        if (!isfinite(pre->mean[k])) {
            return err_set(err, ERR_INVALID, "mean: must be numbers");
        }
        if (!isfinite(pre->std[k]) || pre->std[k] == 0) {
            return err_set(err, ERR_INVALID, "std: must be numbers other than 0");
        }
    }
    return 0;
}

int preprocess_check(const struct preprocess *pre, struct err *err)
{
    bool box = pre->mode == PREPROCESS_LETTERBOX || pre->mode == PREPROCESS_STRETCH;
    bool crop = pre->crop_width != 0 || pre->crop_height != 0;
    if (pre->mode == PREPROCESS_SHORTER && !is_side(pre->shorter)) {
        return err_set(err, ERR_INVALID, "shorter: %d is not in 1…%d", pre->shorter,
                       PREPROCESS_SIDE_MAX);
    }
    if (box && (!is_side(pre->width) || !is_side(pre->height))) {
        return err_set(err, ERR_INVALID, "size: %d x %d is not in 1…%d", pre->width, pre->height,
                       PREPROCESS_SIDE_MAX);
    }
    if (crop && (!is_side(pre->crop_width) || !is_side(pre->crop_height))) {
        return err_set(err, ERR_INVALID, "crop: %d x %d is not in 1…%d", pre->crop_width,
                       pre->crop_height, PREPROCESS_SIDE_MAX);
    }
    if (crop && pre->mode == PREPROCESS_LETTERBOX) {
        return err_set(err, ERR_INVALID, "crop: a letterbox shows all of the picture");
    }
    return check_numbers(pre, err);
}

void preprocess_want(const struct preprocess *pre, struct image_want *ret)
{
    int larger = pre->width > pre->height ? pre->width : pre->height;
    *ret = (struct image_want){
        .shorter = pre->mode == PREPROCESS_SHORTER   ? pre->shorter
                   : pre->mode == PREPROCESS_STRETCH ? larger
                                                     : 0,
        .longer = pre->mode == PREPROCESS_LETTERBOX ? larger : 0,
        .gray = pre->channels == PREPROCESS_GRAY,
    };
}

struct resized { // the picture's size before it is cropped or boxed
    int64_t width, height;
};

static int64_t at_least_one(double side)
{
    return side < 1 ? 1 : (int64_t)side;
}

static struct resized resized_of(const struct preprocess *pre, int width, int height)
{
    switch (pre->mode) {
    case PREPROCESS_SHORTER: {
        int64_t side = pre->shorter;
        return width <= height ? (struct resized){side, side * height / width}
                               : (struct resized){side * width / height, side};
    }
    case PREPROCESS_LETTERBOX: {
        double across = (double)pre->width / width, down = (double)pre->height / height;
        double scale = across < down ? across : down;
        // YOLOX cuts fractions off, Ultralytics rounds.
        double half = pre->align == PREPROCESS_START ? 0 : 0.5;
        int64_t to_width = at_least_one(width * scale + half);
        int64_t to_height = at_least_one(height * scale + half);
        return (struct resized){to_width < pre->width ? to_width : pre->width,
                                to_height < pre->height ? to_height : pre->height};
    }
    case PREPROCESS_STRETCH: return (struct resized){pre->width, pre->height};
    case PREPROCESS_NONE: break;
    }
    return (struct resized){width, height};
}

// Where a picture's side begins in the middle of a tensor's; less than 0 when it is cut.
static int64_t centered(int64_t picture, int64_t tensor)
{
    if (picture < tensor) {
        return (tensor - picture) / 2;
    }
    return -(int64_t)nearbyint((double)(picture - tensor) / 2); // torchvision: ties to even
}

static void place(const struct preprocess *pre, const struct resized *to,
                  struct preprocess_info *info)
{
    if (pre->mode == PREPROCESS_LETTERBOX) {
        info->width = pre->width;
        info->height = pre->height;
        bool center = pre->align == PREPROCESS_CENTER;
        info->offset_x = center ? (double)((pre->width - to->width) / 2) : 0;
        info->offset_y = center ? (double)((pre->height - to->height) / 2) : 0;
    } else if (pre->crop_width > 0) {
        info->width = pre->crop_width;
        info->height = pre->crop_height;
        info->offset_x = (double)centered(to->width, pre->crop_width);
        info->offset_y = (double)centered(to->height, pre->crop_height);
    } else {
        info->width = (int)to->width;
        info->height = (int)to->height;
    }
}

int preprocess_plan(const struct preprocess *pre, int full_width, int full_height,
                    struct preprocess_info *ret, struct err *err)
{
    CHECK(full_width > 0 && full_height > 0);
    struct resized to = resized_of(pre, full_width, full_height);
    bool crop = pre->crop_width > 0;
    if (!crop && (to.width > PREPROCESS_SIDE_MAX || to.height > PREPROCESS_SIDE_MAX)) {
        return err_set(
            err, ERR_INVALID,
            "a picture of %d x %d pixels would become one of %lld x %lld; the limit of a "
            "side is %d",
            full_width, full_height, (long long)to.width, (long long)to.height,
            PREPROCESS_SIDE_MAX);
    }
    struct preprocess_info info = {
        .channels = channels_of(pre),
        .scale_x = (double)to.width / full_width,
        .scale_y = (double)to.height / full_height,
        .picture_width = full_width,
        .picture_height = full_height,
    };
    place(pre, &to, &info);
    *ret = info;
    return 0;
}

static size_t type_size(enum preprocess_type type)
{
    return type == PREPROCESS_F32 ? 4 : type == PREPROCESS_F16 ? 2 : 1;
}

size_t preprocess_size(const struct preprocess *pre, const struct preprocess_info *info)
{
    return (size_t)info->width * (size_t)info->height * (size_t)info->channels *
           type_size(pre->type);
}

// ---- one picture on its way ----

struct work {
    const struct preprocess *pre;
    const struct image *image;
    struct preprocess_info info;
    int left, top;             // where the picture begins in the tensor
    struct taps across, down;  // for the columns and rows of the tensor that show it
    float factor[3], shift[3]; // of the tensor's channels: value * factor + shift
    float *sums;               // a row of the image, resized downwards only
    float *colors;             // [3][width] a row resized both ways
    float *lines;              // [channels][width] a row of the tensor
    float *mixed;              // [width][channels] the same
    uint8_t *out;
};

static void work_done(struct work *work)
{
    taps_done(&work->across);
    taps_done(&work->down);
    free(work->sums);
    free(work->colors);
    free(work->lines);
    free(work->mixed);
}

// One side: the part of the tensor from *ret_start on that shows the picture, and of what it is made.
static void work_side(struct taps *taps, double offset, double resized, int tensor, double start,
                      double length, int input, int *ret_start)
{
    int64_t begin = (int64_t)offset, output = (int64_t)nearbyint(resized);
    int64_t end = begin + output < tensor ? begin + output : tensor;
    *ret_start = begin > 0 ? (int)begin : 0;
    struct taps_ask ask = {
        .start = start,
        .length = length,
        .input = input,
        .output = output,
        .from = *ret_start - begin,
        .count = (int)(end - *ret_start),
    };
    taps_init(taps, &ask);
}

static void work_start(struct work *work)
{
    const struct preprocess_info *info = &work->info;
    const struct image *image = work->image;
    work_side(&work->across, info->offset_x, info->scale_x * info->picture_width, info->width,
              image->box.x, image->box.width, image->width, &work->left);
    work_side(&work->down, info->offset_y, info->scale_y * info->picture_height, info->height,
              image->box.y, image->box.height, image->height, &work->top);
    for (int k = 0; k < info->channels; k++) {
        work->factor[k] = (float)(work->pre->scale / work->pre->std[k]);
        work->shift[k] = (float)(-work->pre->mean[k] / work->pre->std[k]);
    }
    size_t width = (size_t)info->width, channels = (size_t)info->channels;
    work->sums = mem_alloc(((size_t)image->width * (size_t)image->channels + 1) * sizeof(float));
    work->colors = mem_alloc(3 * width * sizeof(float));
    work->lines = mem_alloc(channels * width * sizeof(float));
    work->mixed = mem_alloc(channels * width * sizeof(float));
}

// Sets every line to `fill`, normalised.
static void fill_lines(const struct work *work)
{
    for (int k = 0; k < work->info.channels; k++) {
        float value = (float)work->pre->fill * work->factor[k] + work->shift[k];
        for (int x = 0; x < work->info.width; x++) {
            work->lines[k * work->info.width + x] = value;
        }
    }
}

static void resize_to_colors(const struct work *work, int y)
{
    const struct image *image = work->image;
    const struct taps *across = &work->across, *down = &work->down;
    size_t channels = (size_t)image->channels;
    size_t from = (size_t)across->first[0];
    size_t to = (size_t)(across->first[across->count - 1] + across->most);
    resize_rows(image->pixels + (size_t)down->first[y] * image->stride + from * channels,
                image->stride, down->weights + (size_t)y * (size_t)down->most, down->most,
                (to - from) * channels, work->sums);
    int width = work->info.width;
    float *const colors[3] = {work->colors, work->colors + width, work->colors + 2 * width};
    resize_row(work->sums, image->channels, across, colors);
}

static void gray_of_colors(const struct work *work)
{
    int width = work->info.width;
    float *red = work->colors;
    const float *green = red + width, *blue = green + width;
    for (int x = 0; x < work->across.count; x++) {
        red[x] = luma[0] * red[x] + luma[1] * green[x] + luma[2] * blue[x];
    }
}

// The picture's part of the lines.
static void normalize_to_lines(const struct work *work)
{
    for (int k = 0; k < work->info.channels; k++) {
        int color = work->image->channels == 1 || work->info.channels == 1 ? 0
                    : work->pre->channels == PREPROCESS_BGR                ? 2 - k
                                                                           : k;
        const float *from = work->colors + color * work->info.width;
        float *to = work->lines + k * work->info.width + work->left;
        float factor = work->factor[k], shift = work->shift[k];
        for (int x = 0; x < work->across.count; x++) {
            to[x] = from[x] * factor + shift;
        }
    }
}

static void write_numbers(const float *from, size_t count, enum preprocess_type type, void *to)
{
    if (type == PREPROCESS_F32) {
        memcpy(to, from, count * sizeof(float));
        return;
    }
    if (type == PREPROCESS_F16) {
        half_of_floats(from, count, to);
        return;
    }
    uint8_t *bytes = to;
    for (size_t i = 0; i < count; i++) {
        float value = from[i] + 0.5f;
        bytes[i] = value >= 255 ? 255 : value >= 0 ? (uint8_t)value : 0;
    }
}

static void write_lines(const struct work *work, int y)
{
    size_t width = (size_t)work->info.width, height = (size_t)work->info.height;
    size_t channels = (size_t)work->info.channels, size = type_size(work->pre->type);
    if (work->pre->layout == PREPROCESS_NCHW) {
        for (size_t k = 0; k < channels; k++) {
            uint8_t *to = work->out + (k * height + (size_t)y) * width * size;
            write_numbers(work->lines + k * width, width, work->pre->type, to);
        }
        return;
    }
    for (size_t k = 0; k < channels; k++) {
        for (size_t x = 0; x < width; x++) {
            work->mixed[x * channels + k] = work->lines[k * width + x];
        }
    }
    write_numbers(work->mixed, width * channels, work->pre->type,
                  work->out + (size_t)y * width * channels * size);
}

static void work_run(const struct work *work)
{
    int bottom = work->top + work->down.count;
    fill_lines(work);
    for (int y = 0; y < work->top; y++) {
        write_lines(work, y);
    }
    for (int y = work->top; y < bottom; y++) {
        resize_to_colors(work, y - work->top);
        if (work->info.channels == 1 && work->image->channels == 3) {
            gray_of_colors(work);
        }
        normalize_to_lines(work);
        write_lines(work, y);
    }
    fill_lines(work);
    for (int y = bottom; y < work->info.height; y++) {
        write_lines(work, y);
    }
}

int preprocess_run(const struct preprocess *pre, const struct image *image, void *out,
                   size_t out_size, struct preprocess_info *ret, struct err *err)
{
    CLEAN(work_done) struct work work = {.pre = pre, .image = image, .out = out};
    TRY(preprocess_plan(pre, image->full_width, image->full_height, &work.info, err));
    if (preprocess_size(pre, &work.info) != out_size) {
        return err_set(
            err, ERR_INVALID,
            "a picture of %d x %d pixels becomes a tensor of %d x %d x %d, %zu bytes; the "
            "model takes %zu",
            image->full_width, image->full_height, work.info.width, work.info.height,
            work.info.channels, preprocess_size(pre, &work.info), out_size);
    }
    work_start(&work);
    work_run(&work);
    if (ret) {
        *ret = work.info;
    }
    return 0;
}
