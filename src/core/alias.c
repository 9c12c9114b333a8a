// SPDX-License-Identifier: Apache-2.0
// The life of a struct alias, and its choice.
#include "core/alias.h"
#include "base/check.h"

#include <stdlib.h>
#include <sys/random.h>

#define ALIAS_STRINGS(X) X(function) X(name) X(version) X(other) X(description) X(revision)

struct alias *alias_new(void)
{
    struct alias *alias = NEW(struct alias);
    alias->refs = 1;
    alias->async = ASYNC_RULES_DEFAULT;
    return alias;
}

struct alias *alias_ref(struct alias *alias)
{
    CHECK(alias->refs > 0);
    alias->refs++;
    return alias;
}

void alias_unref(struct alias *alias)
{
    if (!alias) {
        return;
    }
    CHECK(alias->refs > 0);
    if (--alias->refs > 0) {
        return;
    }
#define X(field) free(alias->field);
    ALIAS_STRINGS(X)
#undef X
    async_rules_done(&alias->async);
    free(alias);
}

void alias_clean(struct alias **alias)
{
    alias_unref(*alias);
    *alias = NULL;
}

struct alias *alias_copy(const struct alias *alias)
{
    struct alias *copy = NEW(struct alias);
    *copy = *alias;
    copy->refs = 1;
#define X(field) copy->field = mem_dup(alias->field);
    ALIAS_STRINGS(X)
#undef X
    copy->async = (struct async_rules){0};
    async_rules_set(&copy->async, &alias->async);
    return copy;
}

const char *alias_pick(const struct alias *alias, double chance)
{
    return alias->other && chance < alias->other_share ? alias->other : alias->version;
}

double alias_chance(void)
{
    uint32_t bits = 0;
    (void)!getrandom(&bits, sizeof bits, GRND_NONBLOCK);
    return (double)bits / 4294967296.0; // 2^32
}

bool alias_leads_to(const struct alias *alias, const char *version)
{
    return strcmp(alias->version, version) == 0 ||
           (alias->other && strcmp(alias->other, version) == 0);
}
