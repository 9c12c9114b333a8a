// SPDX-License-Identifier: Apache-2.0
// Which of this machine's libraries a function imports: seen when its code is loaded for the first time,
// kept in the store, and good for new code of the function, too, until that has been seen.
#pragma once

#include "base/err.h"
#include "core/function.h"

struct store;

struct libraries {
    char *modules; // heap: names, one a line; NULL: nothing is known that holds for this code
    bool current;  // it was seen of this very code
};

// A list that was seen of other code is not given when the function brings a module of a name that is
// on it: the function's own is the one that it wants.
MUST_CHECK int libraries_find(struct store *store, const struct function *f, struct libraries *ret,
                              struct err *err);
void libraries_done(struct libraries *libraries);

// Takes what a process of the function says, which may be anything: ERR_PROTOCOL. on_kept is called
// when it is in the store.
MUST_CHECK int libraries_keep(struct store *store, struct function *f, struct str modules,
                              void (*on_kept)(void *ctx, struct function *f), void *ctx,
                              struct err *err);
