// SPDX-License-Identifier: Apache-2.0
// The table of function URLs, at most one for each function and qualifier.
#pragma once

#include "store/db.h"

#include <stdint.h>

extern const char *const function_url_ddl[];

struct function_url { // views; they live as long as what they were made of, or until `each` returns
    struct str id;    // in the URL
    struct str function, qualifier; // empty: none
    struct str auth, mode;          // "AWS_IAM", "BUFFERED"
    struct str cors;                // JSON object, empty: none
    int64_t created_ms, modified_ms;
};

MUST_CHECK int function_url_put(struct db *db, const struct function_url *url, struct err *err);
MUST_CHECK int function_url_delete(struct db *db, struct str function, struct str qualifier,
                                   struct err *err);
// `each` returns 0 to go on.
MUST_CHECK int function_url_each(struct db *db,
                                 int (*each)(void *ctx, const struct function_url *url), void *ctx,
                                 struct err *err);
