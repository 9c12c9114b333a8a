// SPDX-License-Identifier: Apache-2.0
// The table of provisioned concurrency: how many instances a version or an alias is to have.
#pragma once

#include "store/db.h"

#include <stdint.h>

extern const char *const provisioned_ddl[];

struct provisioned { // views
    struct str function, qualifier;
    int64_t count;
    int64_t modified_ms;
};

MUST_CHECK int provisioned_put(struct db *db, const struct provisioned *row, struct err *err);
MUST_CHECK int provisioned_delete(struct db *db, struct str function, struct str qualifier,
                                  struct err *err);
MUST_CHECK int provisioned_each(struct db *db,
                                void (*each)(void *ctx, const struct provisioned *row), void *ctx,
                                struct err *err);
