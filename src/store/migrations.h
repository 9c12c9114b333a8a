// SPDX-License-Identifier: Apache-2.0
// The shape of the database, as numbered steps that are only ever added to. A step's statements
// stand in the file of the table that they make, as a NULL-terminated array of strings; the order
// is the list in migrations.c. The number reached is PRAGMA user_version.
#pragma once

#include "store/db.h"

// Brings the database to the newest shape, each step in a transaction of its own. ERR_UNSUPPORTED
// when the database is of a newer program.
MUST_CHECK int migrations_run(struct db *db, struct err *err);
