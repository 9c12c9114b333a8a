// SPDX-License-Identifier: Apache-2.0
// An alias: a name that leads to a version of a function, or to two of them by weight. Immutable once
// made, shared by reference, as a struct function is.
#pragma once

#include "core/function.h"

struct alias {
    int refs;
    char *function, *name;
    char *version;      // "$LATEST" or a number
    char *other;        // a second version; NULL: none
    double other_share; // 0…1: of the invocations that go to it
    char *description;  // or NULL
    char *revision;     // UUID
    struct async_rules async;
};

struct alias *alias_new(void); // one reference, all else zeroed but the rules, which are Lambda's
struct alias *alias_ref(struct alias *alias);
void alias_unref(struct alias *alias); // NULL is fine
void alias_clean(struct alias **alias);
struct alias *alias_copy(const struct alias *alias); // deep, one reference, to be changed

// The version of one invocation; `chance` is 0…1, 1 excluded. Borrowed.
const char *alias_pick(const struct alias *alias, double chance);
double alias_chance(void); // for it, at random
bool alias_leads_to(const struct alias *alias, const char *version);
