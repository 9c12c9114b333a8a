// SPDX-License-Identifier: Apache-2.0
// What `rouse-runner prepare` leaves in a folder: model.ort, which is mapped instead of the model,
// and prepared.json, which says of what machine and engine it is. What does not match is not used.
#pragma once

#include "engine/engine.h"

#define PREPARED_MODEL    "model.ort"
#define PREPARED_FACTS    "prepared.json"
#define PREPARED_QUANTIZE "quantize.json" // the report, where it is of a quantized model

struct prepared {
    char *path;   // of the model
    bool packing; // see struct model_source
};

// Finds the prepared model, if the folder holds one made by this engine on this processor.
bool prepared_find(struct str folder, const struct engine *engine, struct prepared *ret);
void prepared_done(struct prepared *prepared); // survives a zeroed one

// What makes a prepared model fit: "x86_64 avx2 avx512f …". The caller frees it.
char *prepared_cpu(void);
