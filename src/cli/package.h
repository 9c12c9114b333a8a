// SPDX-License-Identifier: Apache-2.0
// The zip of a service or a function. Deterministic: the same files give the same bytes, whenever and
// wherever they are packed (names sorted, times fixed, modes 644 or 755), so that its SHA-256 tells
// whether anything changed.
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct package_file {
    char *name; // relative to the folder, '/' between, heap
    uint64_t size;
    bool executable;
    char *instead; // its content in the zip, heap; NULL: the file's
};

struct package_list {
    struct package_file *files; // sorted by name
    size_t count;
};

#define PACKAGE_FILES_MAX 100000

// Files below dir (links followed) that the patterns leave in: everything at first, then each pattern in
// its order puts in what it matches or, with a leading "!", takes it out. ERR_INVALID when nothing is left.
MUST_CHECK int package_list(const char *dir, const char *const *patterns, size_t pattern_count,
                            struct package_list *ret, struct err *err);
void package_list_done(struct package_list *list);
bool package_has(const struct package_list *list, struct str name);

// Writes the zip to `path` (its folder is made).
MUST_CHECK int package_write(const char *dir, const struct package_list *list, const char *path,
                             struct err *err);

// Of a file: base64 of its SHA-256, as Lambda's CodeSha256, and its size.
MUST_CHECK int package_hash(const char *path, char ret_base64[45], uint64_t *ret_size,
                            struct err *err);
