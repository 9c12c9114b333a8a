// SPDX-License-Identifier: Apache-2.0
// model.yaml: what a model function does and what goes into its model. Read once into this struct;
// what it leaves open keeps SPEC_OPEN (or NULL, or NAN) until guess.h fills it from the graph.
// Every key is a row of a table in spec.c; docs/model-yaml.md describes them for users.
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "format/yaml.h"
#include "media/preprocess.h"

#include <stdbool.h>

#define SPEC_OPEN       (-1)
#define SPEC_SIDE_MAX   8192 // pixels of a resized picture's side
#define SPEC_TOP_K_MAX  1000
#define SPEC_LENGTH_MAX 1000000 // tokens
#define SPEC_LABELS_MAX 100000
#define SPEC_FILE_MAX   (4 * 1024 * 1024) // of model.yaml, and of a labels file

// Values of word keys; the words are in spec.c, in the same order (also for those of preprocess.h).
enum spec_softmax { SOFTMAX_AUTO, SOFTMAX_TRUE, SOFTMAX_FALSE };
enum spec_pooling { POOLING_MEAN, POOLING_CLS, POOLING_LAST };
enum spec_scores { SCORES_SOFTMAX, SCORES_SIGMOID, SCORES_NONE };
enum spec_decode { DECODE_AUTO, DECODE_YOLOX, DECODE_YOLOV8, DECODE_YOLOV5 };

struct spec_input {
    const struct spec_preset *preset; // NULL: open
    int resize;                       // enum preprocess_mode
    int resize_shorter;               // pixels of the shorter side
    int width, height;                // letterbox and stretch: the size aimed at
    int fill;                         // letterbox: 0…255
    int align;                        // letterbox: enum preprocess_align
    int crop_width, crop_height;      // 0: no crop
    int layout, channels;             // enum preprocess_layout, preprocess_channels
    double scale;                     // NAN: open
    double mean[3], std[3];           // in the model's channel order; mean[0] NAN: open
    int type;                         // enum tensor_type
};

struct spec {
    char *name;             // "model.yaml", for messages
    struct yaml_node *root; // NULL: there is no file
    const char *task;       // one of the task table's names; NULL: open
    char *model;            // file in the package; NULL: the only *.onnx
    char **labels;          // NULL: none
    size_t label_count;
    int top_k;
    int softmax, decode; // enums above
    double threshold, iou;
    struct spec_input input;
    char *tokenizer;     // file in the package; NULL: tokenizer.json or vocab.txt
    int length_max;      // tokens of a text
    int pooling, scores; // enums above
    int normalize;       // embeddings: 1 to length one, 0 as they are
};

struct spec_preset {
    const char *name;
    struct spec_input input; // open what it says nothing about; sizes come from the graph
    const char *text;        // one line for people
};
extern const struct spec_preset spec_presets[];
extern const size_t spec_preset_count;
const struct spec_preset *spec_preset_find(struct str name); // NULL

// All open.
void spec_init(struct spec *spec);
void spec_done(struct spec *spec);

// Reads FOLDER/FILE. ERR_INVALID as "model.yaml:3:5: …"; ERR_NOT_FOUND when it is not there.
MUST_CHECK int spec_read(struct spec *spec, const char *folder, const char *file, struct err *err);

// ERR_INVALID that points at the key in model.yaml if it is there ("model.yaml:3:9: labels: …"),
// else at the file as a whole. `path` as for yaml_path.
int spec_fail(const struct spec *spec, struct err *err, const char *path, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

// The words of a value, for printing.
const char *spec_resize_name(int resize);
const char *spec_layout_name(int layout);
const char *spec_channels_name(int channels);
const char *spec_decode_name(int decode);
