// SPDX-License-Identifier: Apache-2.0
// Thin helpers around jansson: parsing with bounds and exact errors, getters that name the field,
// compact writing.
//
//     CLEAN_JSON json_t *root = NULL;
//     TRY(json_parse(body, &root, err));
//     struct str name;
//     TRY(json_need_str(root, "FunctionName", &name, err));
//     int64_t timeout_s = 3;
//     TRY(json_get_int(root, "Timeout", 1, 900, &timeout_s, err));   // absent or null: stays 3
//
// Getters: 1 when the field is there, 0 (with *ret untouched) when it is absent or null; ERR_INVALID
// in words such as "Timeout: must be an integer, is a string". A name may be a path ("Code.ZipFile");
// an intermediate object that is absent makes the field absent. json_need_* is ERR_INVALID when
// absent. What is returned is borrowed from the tree.
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

#include <jansson.h>

#define JSON_DEPTH_MAX_INPUT 200 // jansson itself stops at 2048

void json_clean(json_t **json); // json_decref, takes NULL
#define CLEAN_JSON CLEAN(json_clean)

// Any JSON value, UTF-8, nothing after it. ERR_INVALID with line and column; ERR_LIMIT when nested
// deeper than JSON_DEPTH_MAX_INPUT. Duplicate keys: the last wins.
MUST_CHECK int json_parse(struct str text, json_t **ret, struct err *err);
// As above, and it must be an object.
MUST_CHECK int json_parse_object(struct str text, json_t **ret, struct err *err);

MUST_CHECK int json_get_str(const json_t *obj, const char *name, struct str *ret, struct err *err);
MUST_CHECK int json_get_int(const json_t *obj, const char *name, int64_t least, int64_t most,
                            int64_t *ret, struct err *err);
MUST_CHECK int json_get_real(const json_t *obj, const char *name, double *ret, struct err *err);
MUST_CHECK int json_get_bool(const json_t *obj, const char *name, bool *ret, struct err *err);
MUST_CHECK int json_get_object(const json_t *obj, const char *name, json_t **ret, struct err *err);
MUST_CHECK int json_get_array(const json_t *obj, const char *name, json_t **ret, struct err *err);
MUST_CHECK int json_need_str(const json_t *obj, const char *name, struct str *ret, struct err *err);
MUST_CHECK int json_need_int(const json_t *obj, const char *name, int64_t least, int64_t most,
                             int64_t *ret, struct err *err);
MUST_CHECK int json_need_object(const json_t *obj, const char *name, json_t **ret, struct err *err);
MUST_CHECK int json_need_array(const json_t *obj, const char *name, json_t **ret, struct err *err);

// The value at a path, or NULL; obj may be NULL.
json_t *json_at(const json_t *obj, const char *path);
const char *json_kind_name(const json_t *json); // "a string", "an object", "null", …
struct str json_str(const json_t *json);        // of a string; else empty with at == NULL

// New string value; bytes that are not UTF-8 become U+FFFD. Never NULL.
json_t *json_from_str(struct str text);
// Sets obj[name], taking over `value` (as json_object_set_new); CHECKs that it worked.
void json_put(json_t *obj, const char *name, json_t *value);
void json_put_str(json_t *obj, const char *name, struct str text);
void json_put_int(json_t *obj, const char *name, int64_t value);
void json_put_bool(json_t *obj, const char *name, bool value);

// Appends the compact text, keys in their order. Overflow is the buf's.
void json_write(const json_t *json, struct buf *out);
void json_write_indented(const json_t *json, struct buf *out); // two spaces, for people

// Appends "…" with quotes, escaped; bytes that are not UTF-8 become U+FFFD.
void json_quote(struct buf *out, struct str text);
