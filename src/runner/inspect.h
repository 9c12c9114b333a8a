// SPDX-License-Identifier: Apache-2.0
// `rouse-runner inspect`: what a model file is, what would be guessed of it, and a model.yaml to
// start from, as JSON.
#pragma once

#include <stddef.h>

// The exit status. `labels`: how many there are, 0 when not known.
int inspect_main(const char *path, size_t labels);
