// SPDX-License-Identifier: Apache-2.0
// The table of aliases of functions. What belongs to an alias (its rows of other tables, waiting jobs)
// is written and deleted with it.
#pragma once

#include "core/alias.h"
#include "store/db.h"

extern const char *const alias_ddl[];

// Within a task: inserts or replaces; deletes, and returns how many waiting jobs went with it. The
// rules of asynchronous invocation are in function_invoke.
MUST_CHECK int alias_put(struct db *db, const struct alias *alias, struct err *err);
MUST_CHECK int alias_delete(struct db *db, struct str function, struct str name, struct err *err);

// All, in the order of functions and names. The struct alias has one reference, which becomes each's.
MUST_CHECK int alias_each(struct db *db, void (*each)(void *ctx, struct alias *alias), void *ctx,
                          struct err *err);
