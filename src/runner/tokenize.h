// SPDX-License-Identifier: Apache-2.0
// `rouse-runner tokenize FILE`: what a tokenizer makes of texts, for people and for comparing it with
// others. Standard input has a JSON value a line, a text or [text, second text]; standard output
// gets for each a line {"ids": […], "types": […], "offsets": [[from, to], …], "special": […]}, or
// {"error": "…"}.
#pragma once

#include <stddef.h>

int tokenize_main(const char *path, size_t length_max);
