// SPDX-License-Identifier: Apache-2.0
// Every key of serverless.yml in one table: where it may stand, what it may be, and whether Rouse
// honours it. A key that is not in the table is an error with the nearest key that is; one that is in it
// but not honoured is remembered for one warning. Sources: the schema of Serverless Framework 3.40
// plus `runtime: onnx` and `stages` (version 4).
#pragma once

#include "config/tree.h"

enum schema_kind {
    S = 1,   // string; numbers and truth values are taken as written
    I = 2,   // whole number, also in a string
    N = 4,   // number
    B = 8,   // true or false
    L = 16,  // list; where S is not allowed, one value stands for a list of one
    M = 32,  // map with the keys of the table only ("*": any key)
    O = 64,  // map with any keys
    C = 128, // a CloudFormation function such as {"Ref": …}
    ANY = 512
};
enum { NO, YES };

struct schema_row {
    const char *path;    // "functions.*.events[].s3.bucket"
    int kinds;           // of enum schema_kind
    int honoured;        // YES, or NO for this key and all below it
    int least, most;     // of numbers, when not both 0; most 0: no upper bound
    const char *choices; // "a|b" or NULL
    const char *like;    // keys below are those of that row
};

#define RUNTIMES                                                                                   \
    "onnx|python3.7|python3.8|python3.9|python3.10|python3.11|python3.12|python3.13|python3.14|"   \
    "nodejs14.x|nodejs16.x|nodejs18.x|nodejs20.x|nodejs22.x|nodejs24.x|provided|provided.al2|"     \
    "provided.al2023|java8|java8.al2|java11|java17|java21|java25|dotnet6|dotnet8|go1.x|ruby2.7|"   \
    "ruby3.2|ruby3.3|ruby3.4"

extern const struct schema_row schema_service[];
extern const size_t schema_service_count;
extern const struct schema_row schema_function[];
extern const size_t schema_function_count;

// What was found besides errors; heap texts, one a key, "functions.a.vpc (line 12)".
struct schema_notes {
    struct buf ignored; // valid but not honoured, comma-separated
    struct buf unknown; // unknown keys, one a line, where configValidationMode says warn
    size_t ignored_count;
};

enum schema_mode { SCHEMA_ERROR, SCHEMA_WARN, SCHEMA_OFF }; // configValidationMode

// Checks the tree below root. *notes is to be zeroed before and released by schema_notes_done.
MUST_CHECK int schema_check(struct tree_node *root, enum schema_mode mode,
                            struct schema_notes *notes, struct err *err);
void schema_notes_done(struct schema_notes *notes);

bool schema_is_intrinsic(const struct tree_node *node); // {"Ref": …}, {"Fn::…": …}
