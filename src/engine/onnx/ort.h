// SPDX-License-Identifier: Apache-2.0
// Inside engine/onnx: the library, found and opened, and its environment.
#pragma once

#include "engine/engine.h"
#include "engine/onnx/ort_abi.h"

struct ort {
    struct engine engine;
    struct ort_api api;
    struct ort_env *env;
    struct ort_memory_info *memory;  // "plain CPU memory", for input tensors
    struct ort_allocator *allocator; // the library's own, for names
    char version[64];                // "onnxruntime 1.30.0"
};

// Opens the library and its environment, and warms it by a tiny model. One thread after it.
MUST_CHECK int ort_open(const char *library, struct ort **ret, struct err *err);
void ort_close(struct ort *ort);

// Translates and releases a status. 0 when it is NULL; else err_set(err, code, "what: why").
MUST_CHECK int ort_check(const struct ort *ort, ort_rc rc, int code, const char *what,
                         struct err *err);

// The execution providers that the library was built with.
MUST_CHECK int ort_providers(const struct ort *ort, struct engine_providers *ret, struct err *err);

// The options every session of ours has: one thread (or `threads`), no spinning, errors only.
MUST_CHECK int ort_options(const struct ort *ort, int threads, struct ort_session_options **ret,
                           struct err *err);

// The table's loading half, in session.c.
int ort_load(struct engine *engine, const struct model_source *source, struct model **ret,
             struct err *err);
void ort_unload(struct model *model);
int ort_run(struct model *model, const struct tensor *inputs, struct tensor *outputs,
            struct err *err);
int ort_prepare(struct engine *engine, const char *path, const char *to, struct err *err);
int ort_simplify(struct engine *engine, const char *path, const char *to, struct err *err);
