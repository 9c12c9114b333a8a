// SPDX-License-Identifier: Apache-2.0
// The files that text models come with, beside the graph: the tokenizer, and what config.json,
// tokenizer_config.json and 1_Pooling/config.json say.
#pragma once

#include "runner/spec.h"
#include "text/tokenizer.h"

// Reads a tokenizer.json, or a vocab.txt (any name that ends so), with the tokenizer_config.json
// beside it if there is one. Errors begin with the file's name.
MUST_CHECK int text_tokenizer(const char *path, struct tokenizer **ret, struct err *err);

// The package's: `file` of it, or, when that is NULL, tokenizer.json or vocab.txt.
MUST_CHECK int text_open(const char *folder, const char *file, struct tokenizer **ret,
                         struct err *err);

// What the other files say and model.yaml does not: labels (id2label), several of them at once
// (problem_type), how token vectors become one (1_Pooling), and the length that the model was made
// for, 0 when none says it.
MUST_CHECK int text_config(const char *folder, struct spec *spec, size_t *ret_length_max,
                           struct err *err);
