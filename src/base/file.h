// SPDX-License-Identifier: Apache-2.0
// Small files, whole: configuration, credentials, templates. Not for bodies and models.
#pragma once

#include "base/buf.h"
#include "base/err.h"

// Appends the file's bytes. ERR_NOT_FOUND, ERR_LIMIT when out is full, ERR_IO; all name the path.
MUST_CHECK int file_read(const char *path, struct buf *out, struct err *err);

// Writes beside and renames, so that readers see the old or the new file, never half of one; synced
// before the rename. `mode` as for open.
MUST_CHECK int file_write(const char *path, struct str bytes, unsigned mode, struct err *err);

// mkdir -p. What is there already is fine when it is a folder.
MUST_CHECK int file_make_dir(const char *path, unsigned mode, struct err *err);
// file_make_dir of the folder that the path lies in.
MUST_CHECK int file_make_parent(const char *path, unsigned mode, struct err *err);
