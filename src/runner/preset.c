// SPDX-License-Identifier: Apache-2.0
// Presets of `input`: how families of models were trained to see pictures.
#include "base/mem.h"
#include "runner/spec.h"

#include <math.h>

// What a preset says nothing about; sizes always come from the graph or from model.yaml.
#define OPEN_SIZES                                                                                 \
    .resize_shorter = SPEC_OPEN, .width = SPEC_OPEN, .height = SPEC_OPEN, .layout = SPEC_OPEN,     \
    .type = SPEC_OPEN
#define TRIPLE(x) {x, x, x}

const struct spec_preset spec_presets[] = {
    {"imagenet",
     {.resize = PREPROCESS_SHORTER,
      .crop_width = SPEC_OPEN,
      .crop_height = SPEC_OPEN,
      .channels = PREPROCESS_RGB,
      .scale = 1 / 255.0,
      .mean = {0.485, 0.456, 0.406},
      .std = {0.229, 0.224, 0.225},
      OPEN_SIZES},
     "shorter side, centre crop, RGB, 0…1, the mean and deviation of ImageNet (torchvision, timm)"},
    {"imagenet-caffe",
     {.resize = PREPROCESS_SHORTER,
      .crop_width = SPEC_OPEN,
      .crop_height = SPEC_OPEN,
      .channels = PREPROCESS_BGR,
      .scale = 1,
      .mean = {104, 117, 123},
      .std = TRIPLE(1),
      OPEN_SIZES},
     "shorter side, centre crop, BGR, 0…255 minus ImageNet's mean (Caffe, SqueezeNet)"},
    {"imagenet-inception",
     {.resize = PREPROCESS_SHORTER,
      .crop_width = SPEC_OPEN,
      .crop_height = SPEC_OPEN,
      .channels = PREPROCESS_RGB,
      .scale = 1 / 255.0,
      .mean = TRIPLE(0.5),
      .std = TRIPLE(0.5),
      OPEN_SIZES},
     "shorter side, centre crop, RGB, -1…1 (TensorFlow's Inception, MobileNet, ViT)"},
    {"yolox",
     {.resize = PREPROCESS_LETTERBOX,
      .fill = 114,
      .align = PREPROCESS_START,
      .channels = PREPROCESS_BGR,
      .scale = 1,
      .mean = TRIPLE(0),
      .std = TRIPLE(1),
      OPEN_SIZES},
     "letterbox at the top left, BGR, 0…255 (YOLOX)"},
    {"yolo",
     {.resize = PREPROCESS_LETTERBOX,
      .fill = 114,
      .align = PREPROCESS_CENTER,
      .channels = PREPROCESS_RGB,
      .scale = 1 / 255.0,
      .mean = TRIPLE(0),
      .std = TRIPLE(1),
      OPEN_SIZES},
     "letterbox in the middle, RGB, 0…1 (YOLOv5, YOLOv8 and kin)"},
    {"none",
     {.resize = PREPROCESS_STRETCH,
      .channels = SPEC_OPEN,
      .scale = 1,
      .mean = TRIPLE(0),
      .std = TRIPLE(1),
      OPEN_SIZES},
     "stretched to the model's size, 0…255"},
};
const size_t spec_preset_count = ARRAY_SIZE(spec_presets);

const struct spec_preset *spec_preset_find(struct str name)
{
    for (size_t i = 0; i < spec_preset_count; i++) {
        if (str_eq(name, str_of(spec_presets[i].name))) {
            return &spec_presets[i];
        }
    }
    return NULL;
}
