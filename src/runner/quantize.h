// SPDX-License-Identifier: Apache-2.0
// Makes a model smaller and faster by computing with bytes, when that pays here and keeps the answers:
// quantized forms are made, run on samples beside the original, and the best of them is kept.
#pragma once

#include "base/err.h"
#include "engine/engine.h"

#include <jansson.h>
#include <stdbool.h>

struct package;

#define QUANTIZE_MODEL "model.onnx" // what is kept, in the folder of work
#define QUANTIZE_BOUND 0.01

enum quantize_method { QUANTIZE_AUTO, QUANTIZE_DYNAMIC, QUANTIZE_STATIC };
extern const char *const quantize_methods[]; // their names, and NULL

struct quantize_options {
    enum quantize_method method;
    int calibration;     // enum range_method; -1: the best of them
    int weight_bits;     // 7 or 8; 0: what this processor computes exactly
    double bound;        // of the loss (struct score)
    const char *samples; // file or folder, or NULL
    const char *work;    // a folder: everything is written there
    bool progress;       // on standard error
};
#define QUANTIZE_OPTIONS ((struct quantize_options){.calibration = -1, .bound = QUANTIZE_BOUND})

// `package` is of the original, loaded. 1: QUANTIZE_MODEL is there; 0: float stays, the report says why;
// ERR_*: it could not be tried. Fills `report`:
//
//     {"task": "image-classification", "metric": "right answers (labels)", "bound": 0.01,
//      "weight_bits": 7, "samples": {"count": 100, "random": false, "left_out": 0},
//      "original": {"size": 4947819, "ms": 9.1, "top1": 0.57},
//      "candidates": [{"method": "static", "calibration": "entropy", "size": …, "ms": …,
//                      "speedup": 1.9, "loss": 0.01, "top1": 0.56}, {"method": "dynamic", "why": …}],
//      "kept": 0, "reason": null, "quantized": {…}, "float": {…}, "left": [{…}]}
//
// "kept" is the index of a candidate, or null; the last three are of the one that is kept (report.h).
MUST_CHECK int quantize_package(struct package *package, struct engine *engine,
                                const struct quantize_options *options, json_t *report,
                                struct err *err);
