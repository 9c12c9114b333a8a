// SPDX-License-Identifier: Apache-2.0
// What the code of a function's version was seen to import of this machine's libraries, when it was
// loaded for the first time. Goes with the function (store/function.h deletes it).
#pragma once

#include "store/db.h"

extern const char *const library_ddl[];

struct library_list {
    struct str name, version; // of the function
    struct str code;          // what it was learned from: equal text, equal code
    struct str modules;       // names, one a line; "": it imports nothing worth a template
};
MUST_CHECK int library_put(struct db *db, const struct library_list *list, struct err *err);
// What is known for that code; else for that version's code before, or another version's. 1, and
// `each` is called with views that live until it returns; or 0: nothing is known.
MUST_CHECK int library_get(struct db *db, struct str name, struct str version, struct str code,
                           void (*each)(void *ctx, const struct library_list *list), void *ctx,
                           struct err *err);
