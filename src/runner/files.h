// SPDX-License-Identifier: Apache-2.0
// Files of a package.
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>

// A relative path that stays inside its folder.
bool files_is_inside(struct str path);

// A mapping of a whole file for reading; munmap is the caller's. An empty file is ERR_INVALID.
MUST_CHECK int files_map(const char *path, struct str *ret, struct err *err);
void files_unmap(struct str *map);

// The name of the only file in the folder that ends so. ERR_NOT_FOUND; ERR_INVALID: several.
MUST_CHECK int files_only(const char *folder, const char *suffix, char **ret, struct err *err);

// The folder that a path's file lies in: "." without a slash, empty for NULL. A view of the path.
struct str files_folder(const char *path);
