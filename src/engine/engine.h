// SPDX-License-Identifier: Apache-2.0
// Engines: what computes a model. A const table each, found by name. Runner processes only; one
// thread. An engine is started once in a template, before any fork, and must survive the fork.
//
//     engine_start("onnx", &options, &engine, err)   library and environment
//     engine_load(engine, &source, &model, err)      a model: its inputs and outputs are known
//     model_run(model, inputs, outputs, err)         as often as one likes
//     model_free, engine_stop
#pragma once

#include "engine/tensor.h"

#define ENGINE_VALUES_MAX 64 // inputs, and outputs, of a model that we run

struct engine_options {
    const char *library; // path to try first, or NULL
};

struct engine_value { // an input or an output
    char *name;       // heap, the model's
    enum tensor_type type;
    size_t rank;
    int64_t dims[TENSOR_RANK_MAX]; // -1: not fixed
};

struct model_source {
    const char *path;     // the model file
    const char *prepared; // the same, prepared by engine_prepare on this machine; or NULL
    bool packing; // of a prepared one: let the engine make its own, packed copies of weights
    int threads;  // 0 and 1: one
};

struct engine {
    const struct engine_ops *ops;
};

#define ENGINE_PROVIDERS_MAX     24
#define ENGINE_PROVIDER_NAME_MAX 64

struct engine_providers { // what an engine can compute with, by its own names
    char names[ENGINE_PROVIDERS_MAX][ENGINE_PROVIDER_NAME_MAX];
    size_t count;
};

struct model {
    const struct engine_ops *ops;
    struct engine_value *inputs, *outputs;
    size_t input_count, output_count;
    // What made the file, in its own words; borrowed, empty where nobody has looked.
    struct str producer;
    // Give the memory of a run back after it. For templates: what they keep dirty is copied page by
    // page in every child, where fresh memory would do.
    bool lean;
};

struct engine_ops {
    const char *name;
    int (*start)(const struct engine_options *options, struct engine **ret, struct err *err);
    void (*stop)(struct engine *engine);
    const char *(*version)(const struct engine *engine); // "onnxruntime 1.30.0"
    int (*load)(struct engine *engine, const struct model_source *source, struct model **ret,
                struct err *err);
    void (*free)(struct model *model);
    int (*run)(struct model *model, const struct tensor *inputs, struct tensor *outputs,
               struct err *err);
    // Writes `to`, which engine_load then maps. NULL: the engine has nothing to prepare.
    int (*prepare)(struct engine *engine, const char *path, const char *to, struct err *err);
    // Writes `to`, a model of the same format. NULL: it cannot.
    int (*simplify)(struct engine *engine, const char *path, const char *to, struct err *err);
    // Those that were built into its library, whether or not this machine has what they need.
    int (*providers)(const struct engine *engine, struct engine_providers *ret, struct err *err);
};

// ERR_UNAVAILABLE when its library is not there; ERR_NOT_FOUND for an unknown name.
MUST_CHECK int engine_start(const char *name, const struct engine_options *options,
                            struct engine **ret, struct err *err);
void engine_stop(struct engine *engine); // takes NULL

// ERR_INVALID when the model is not one, or needs what the engine lacks.
MUST_CHECK int engine_load(struct engine *engine, const struct model_source *source,
                           struct model **ret, struct err *err);
void model_free(struct model *model); // takes NULL
void model_clean(struct model **model);

// One tensor for every input, in the model's order (a model may have none); fills one for every
// output. Their data belongs to the model until its next run. ERR_INVALID: the inputs do not fit;
// ERR_FUNCTION: it failed.
MUST_CHECK int model_run(struct model *model, const struct tensor *inputs, struct tensor *outputs,
                         struct err *err);

// Whether these inputs fit, as model_run does.
MUST_CHECK int model_check(const struct model *model, const struct tensor *inputs, struct err *err);

MUST_CHECK int engine_prepare(struct engine *engine, const char *path, const char *to,
                              struct err *err);

// The same model in one file, with constants computed and with what standard operators there are
// merged (a normalization into the convolution before it, …). Answers differ by rounding only.
MUST_CHECK int engine_simplify(struct engine *engine, const char *path, const char *to,
                               struct err *err);

void engine_value_done(struct engine_value *value);

extern const struct engine_ops engine_echo;
extern const struct engine_ops engine_onnx;
