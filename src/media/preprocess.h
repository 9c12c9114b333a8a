// SPDX-License-Identifier: Apache-2.0
// From pixels to a model's input in one pass: resize, crop or letterbox, normalise, and write in
// the wanted layout and type. Resizing filters as Pillow's BILINEAR does (an antialiased triangle),
// to within one step of 255; sizes and offsets are rounded as torchvision (Resize, CenterCrop), YOLOX
// and Ultralytics (letterbox at the start, in the centre) round them.
//
//     struct image_want want;
//     preprocess_want(&pre, &want);
//     TRY(image_decode(bytes, &want, &image, err));
//     TRY(preprocess_run(&pre, &image, tensor, tensor_size, &info, err));
#pragma once

#include "media/image.h"

#define PREPROCESS_SIDE_MAX 16384 // of a tensor

enum preprocess_mode {
    PREPROCESS_NONE,      // the picture's own size
    PREPROCESS_SHORTER,   // its shorter side becomes `shorter`
    PREPROCESS_LETTERBOX, // as large as fits into width x height; the rest is `fill`
    PREPROCESS_STRETCH,   // width x height
};
enum preprocess_align { PREPROCESS_CENTER, PREPROCESS_START }; // of a letterbox
enum preprocess_layout { PREPROCESS_NCHW, PREPROCESS_NHWC };
enum preprocess_channels { PREPROCESS_RGB, PREPROCESS_BGR, PREPROCESS_GRAY };
enum preprocess_type { PREPROCESS_F32, PREPROCESS_F16, PREPROCESS_U8 };

struct preprocess {
    enum preprocess_mode mode;
    int shorter;
    int width, height;           // letterbox and stretch
    int crop_width, crop_height; // centred, after resizing; 0: no crop. Beyond the picture: `fill`
    int fill;                    // 0…255
    enum preprocess_align align;
    enum preprocess_layout layout;
    enum preprocess_channels channels;
    enum preprocess_type type;
    // (value * scale - mean) / std, value 0…255; mean and std in the tensor's channel order.
    // As uint8 the result is rounded and held to 0…255.
    double scale;
    double mean[3], std[3];
};

// What became of the picture: for undoing it, tensor x = picture x * scale_x + offset_x (pixels of
// the unscaled, turned picture; from its left edge, not from its first pixel's centre).
struct preprocess_info {
    int width, height; // of the tensor
    int channels;      // of the tensor
    double scale_x, scale_y;
    double offset_x, offset_y;         // of a letterbox (>= 0) or a crop (<= 0)
    int picture_width, picture_height; // unscaled, turned
};

// Null when it makes sense, else ERR_INVALID naming the field. preprocess_run expects it to have
// been checked.
MUST_CHECK int preprocess_check(const struct preprocess *pre, struct err *err);

// How large a picture has to be decoded for it.
void preprocess_want(const struct preprocess *pre, struct image_want *ret);

// What a picture of full_width x full_height becomes. ERR_INVALID when a side passes
// PREPROCESS_SIDE_MAX (only without a crop: a picture of 1 x 10000).
MUST_CHECK int preprocess_plan(const struct preprocess *pre, int full_width, int full_height,
                               struct preprocess_info *ret, struct err *err);
size_t preprocess_size(const struct preprocess *pre, const struct preprocess_info *info); // bytes

// Writes one picture's tensor, of exactly out_size bytes (ERR_INVALID otherwise: the picture does
// not make what the model takes). `ret` may be NULL. Safe to call from several threads at once.
MUST_CHECK int preprocess_run(const struct preprocess *pre, const struct image *image, void *out,
                              size_t out_size, struct preprocess_info *ret, struct err *err);
