// SPDX-License-Identifier: Apache-2.0
// Files that the program carries: the templates of rouse create. tools/embed.py writes the rows from
// cli/templates/.
#pragma once

#include <stddef.h>

struct embedded_file {
    const char *name; // "onnx-image-classifier/serverless.yml"
    const char *text;
};
extern const struct embedded_file embedded_files[];
extern const size_t embedded_count;
