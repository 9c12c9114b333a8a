// SPDX-License-Identifier: Apache-2.0
// The tables of functions: what a function is whatever the version, its versions ("$LATEST", "1", …;
// UPDATE_VERSION holds new code while it is prepared), and what asynchronous invocation of each
// version does. Nothing is decided here: who writes knows what is there, on the core thread.
//
// Folders are kept relative to DIR/packages, so that a data directory may be moved.
#pragma once

#include "core/function.h"
#include "store/db.h"

#include <stdint.h>

extern const char *const function_ddl[], *const function_layers_ddl[],
                                             *const function_quantized_ddl[];

#define FUNCTION_UPDATE_VERSION "$UPDATE"

enum function_update {
    FUNCTION_UPDATE_SUCCESSFUL,
    FUNCTION_UPDATE_IN_PROGRESS,
    FUNCTION_UPDATE_FAILED
};

// Views; they live as long as what they were made of, or until `each` returns.
struct function_head {
    struct str name;
    struct str tags;   // JSON object, empty: none
    struct str policy; // JSON object: qualifier → policy document; empty: none
    int64_t reserved;  // concurrency, -1: none
    int64_t last_version;
    int update; // enum function_update, of "$LATEST"
    struct str update_reason, update_code;
};

struct function_invoke { // what PutFunctionEventInvokeConfig set
    struct str name, qualifier;
    int64_t retries, event_age_s;      // -1: not set
    struct str on_success, on_failure; // ARNs, empty: none
    int64_t modified_ms;
};

// Each inserts or replaces one row, within a task.
MUST_CHECK int function_head_put(struct db *db, const struct function_head *head, struct err *err);
// `packages`: the folder that f->package and f->prepared are below.
MUST_CHECK int function_version_put(struct db *db, const char *packages, const struct function *f,
                                    struct err *err);
MUST_CHECK int function_invoke_put(struct db *db, const struct function_invoke *config,
                                   struct err *err);

// Returns how many waiting jobs went with it.
MUST_CHECK int function_version_delete(struct db *db, struct str name, struct str version,
                                       struct err *err);
// What belongs to a version or an alias that goes: its rows here and the jobs that wait for it, whose
// number is returned.
MUST_CHECK int function_qualifier_forget(struct db *db, struct str name, struct str qualifier,
                                         struct err *err);
// 1 when there is such a function, version or alias, 0 when not. `key`: "name" or "name:qualifier".
MUST_CHECK int function_known(struct db *db, struct str key, struct err *err);
MUST_CHECK int function_invoke_delete(struct db *db, struct str name, struct str qualifier,
                                      struct err *err);
// Everything of that name, waiting jobs included.
MUST_CHECK int function_delete(struct db *db, struct str name, struct err *err);

// All rows, in the order of names and version numbers. `each` returns 0 to go on. A version's struct
// function has one reference, which becomes each's.
MUST_CHECK int function_head_each(struct db *db,
                                  int (*each)(void *ctx, const struct function_head *head),
                                  void *ctx, struct err *err);
MUST_CHECK int function_version_each(struct db *db, const char *packages,
                                     int (*each)(void *ctx, struct function *f), void *ctx,
                                     struct err *err);
MUST_CHECK int function_invoke_each(struct db *db,
                                    int (*each)(void *ctx, const struct function_invoke *config),
                                    void *ctx, struct err *err);
