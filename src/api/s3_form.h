// SPDX-License-Identifier: Apache-2.0
// A browser's form (multipart/form-data, RFC 7578) as it arrives: the fields are gathered, the
// bytes of the part named "file" are handed on, what follows it is ignored. Memory is bounded.
//
//     PREAMBLE ──delimiter──► HEADERS ──empty line──► FIELD or FILE ──delimiter──► HEADERS …
//                                                        └── after the file ──► SKIP   "--" ──► DONE
#pragma once

#include "base/buf.h"
#include "base/err.h"

#define S3_FORM_FIELDS_SIZE_MAX (20 * 1024) // of all fields together, S3's bound
#define S3_FORM_FIELD_MAX       256
#define S3_FORM_BOUNDARY_MAX    200

enum s3_form_state {
    S3_FORM_PREAMBLE,
    S3_FORM_HEADERS,
    S3_FORM_FIELD,
    S3_FORM_FILE,
    S3_FORM_SKIP,
    S3_FORM_DONE,
};

struct s3_form_field {
    char *name, *value; // heap; the value may hold NULs
    size_t value_size;
};

struct s3_form {
    enum s3_form_state state;
    char delimiter[S3_FORM_BOUNDARY_MAX + 8]; // "\r\n--boundary"
    size_t delimiter_size;
    struct buf window; // bytes that are not understood yet
    struct s3_form_field fields[S3_FORM_FIELD_MAX];
    size_t field_count, fields_size;
    char *name;      // of the present part
    char *file_name; // of the file, "" when the browser gave none; NULL before the file
    bool had_file;
    // The fields are complete and the file begins; then each piece of it.
    int (*on_file)(void *ctx, struct err *err);
    int (*on_data)(void *ctx, struct str data, struct err *err);
    void *ctx;
};

// Takes the boundary from the Content-Type. ERR_INVALID as PreconditionFailed when it is no form.
MUST_CHECK int s3_form_init(struct s3_form *form, struct str content_type, struct err *err);
void s3_form_done(struct s3_form *form); // survives a zeroed one
// ERR_INVALID as MalformedPOSTRequest, ERR_LIMIT, or what a callback returned.
MUST_CHECK int s3_form_feed(struct s3_form *form, struct str piece, struct err *err);
// After the last piece.
MUST_CHECK int s3_form_end(struct s3_form *form, struct err *err);
// The first field of that name (any case); at == NULL when absent.
struct str s3_form_get(const struct s3_form *form, const char *name);
