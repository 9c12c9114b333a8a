// SPDX-License-Identifier: Apache-2.0
// For the tests of format/: whole files, and the folders of cases.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants those four first.
#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

#include <stdio.h>

#define FILE_SIZE_MAX (64 * 1024 * 1024)

// Appends the file. False when it cannot be opened.
static inline bool file_read(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        return false;
    }
    char piece[4096];
    for (size_t got; (got = fread(piece, 1, sizeof piece, file)) > 0;) {
        buf_add(out, piece, got);
    }
    fclose(file);
    return buf_ok(out);
}

// A file below the folder that an environment variable names. False when there is none.
static inline bool env_read(const char *env, const char *path, struct buf *out)
{
    const char *root = getenv(env);
    CLEAN_MEM char *whole = mem_printf("%s/%s", root ? root : "/nonexistent", path);
    return file_read(whole, out);
}

#define assert_str(s, text)                                                                        \
    do {                                                                                           \
        struct str have_ = (s), want_ = str_of(text);                                              \
        if (!str_eq(have_, want_)) {                                                               \
            fail_msg("\n have \"" STR_FMT "\"\n want \"" STR_FMT "\"", STR_ARG(have_),             \
                     STR_ARG(want_));                                                              \
        }                                                                                          \
    } while (0)

#define assert_buf(buf, text) assert_str(buf_str(buf), text)

// An error of that code whose text holds `part`.
#define assert_err(rc, want, err, part)                                                            \
    do {                                                                                           \
        int rc_ = (rc);                                                                            \
        if (rc_ != (want) || (err).code != rc_ || !strstr((err).text, part)) {                     \
            fail_msg("rc %d, code %d, text \"%s\"; wanted %d and \"%s\"", rc_, (err).code,         \
                     (err).text, (int)(want), part);                                               \
        }                                                                                          \
    } while (0)

#define assert_ok(rc, err)                                                                         \
    do {                                                                                           \
        int rc_ = (rc);                                                                            \
        if (rc_ < 0) {                                                                             \
            fail_msg("rc %d: %s", rc_, (err).text);                                                \
        }                                                                                          \
    } while (0)
