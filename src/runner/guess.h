// SPDX-License-Identifier: Apache-2.0
// What model.yaml leaves open is read off the graph: the task, the picture's size, layout and type,
// how boxes are coded. Each guess is noted with its reason, for `rouse model inspect` and deploy.
#pragma once

#include "engine/engine.h"
#include "runner/spec.h"

#include <jansson.h>

struct task_ops;

// Notes are strings appended to a JSON array; NULL: not wanted.
const struct task_ops *guess_task(const struct spec *spec, const struct model *model,
                                  json_t *notes);

// Fills spec->input and checks it against the model's one picture input. ERR_INVALID.
MUST_CHECK int guess_input(struct spec *spec, const struct model *model, json_t *notes,
                           struct err *err);

// How the first output codes boxes, for pictures of width x height; DECODE_AUTO: no way known.
enum spec_decode guess_decode(const struct engine_value *output, int width, int height);

// The number of classes of a classifier's output; -1 when the graph does not say.
int64_t guess_classes(const struct engine_value *output);
