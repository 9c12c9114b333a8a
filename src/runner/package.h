// SPDX-License-Identifier: Apache-2.0
// A model function's package, opened: model.yaml read and checked, the model loaded, its task set
// up. Lives as long as its process; what it holds is shared with the processes forked from here.
#pragma once

#include "engine/engine.h"
#include "runner/prepared.h"
#include "runner/spec.h"
#include "runner/task.h"

#include <jansson.h>

#define PACKAGE_HANDLER "model.yaml" // unless the function says otherwise

struct package_source {  // borrowed
    struct str function; // name
    struct str folder;   // of the unpacked package
    struct str prepared; // folder of the prepared model, or empty
    struct str handler;  // file in the package, or empty
    int threads;
};

// Whether requests that share a run of the model get the answers that they would get alone.
enum stacking { STACKING_UNKNOWN, STACKING_PROVED, STACKING_REFUTED };

struct package {
    char *function, *folder;
    struct spec spec;
    const struct task_ops *task;
    char *model_path;       // NULL: the task needs none
    char *producer;         // of the model, where that decides something; else NULL
    bool prepared;          // the prepared model is the one in use
    struct engine *engine;  // borrowed
    struct model *model;    // NULL: the task needs none
    enum stacking stacking; // see together.h
    void *state;            // the task's own
    json_t *notes;          // what was guessed, strings; NULL: nobody asked
};

// `engine` may be NULL, with the reason in engine_err; then only tasks without a model open.
MUST_CHECK int package_open(const struct package_source *source, struct engine *engine,
                            const struct err *engine_err, struct package **ret, struct err *err);
void package_free(struct package *package); // takes NULL
MUST_CHECK int package_warm(struct package *package, struct err *err);

// Reads model.yaml only, finds the model file. For package_open, and for those who ask before.
MUST_CHECK int package_read(const struct package_source *source, struct package **ret,
                            struct err *err);
// The same for a model file that is in no package. `yaml` NULL: a model.yaml beside it is read, if there
// is one and it is about this file.
MUST_CHECK int package_of_model(const char *model, const char *yaml, struct package **ret,
                                struct err *err);
// Whether the file can be an ONNX model. Asked before an engine sees it, since the answer says where in
// the file what is wrong.
MUST_CHECK int package_check_file(const char *path, struct err *err);
// Loads the model of one that was read: prepared, or the original when that is NULL.
MUST_CHECK int package_load(struct package *package, struct engine *engine,
                            const struct prepared *prepared, int threads, struct err *err);
