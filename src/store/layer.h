// SPDX-License-Identifier: Apache-2.0
// The tables of layers: the versions that there are, and for each layer the last number that was given
// to one, so that a number names one content for ever. Folders are kept relative to DIR/packages.
// Functions keep what they need of their layers themselves: a version may be deleted while in use.
#pragma once

#include "store/db.h"

extern const char *const layer_ddl[];

// Views; they live as long as what they were made of, or until `each` returns. Empty: not given.
struct layer_row {
    struct str name;
    int64_t version; // from 1
    struct str description, license;
    struct str runtimes, architectures; // JSON arrays of strings
    struct str sha256;                  // base64, of the zip
    struct str package;                 // folder of what was in it, absolute
    uint64_t code_size;
    int64_t created_ms;
    struct str policy, policy_revision; // JSON document
};

// Each inserts or replaces, or deletes, within a task.
MUST_CHECK int layer_put(struct db *db, const char *packages, const struct layer_row *layer,
                         struct err *err);
MUST_CHECK int layer_delete(struct db *db, struct str name, int64_t version, struct err *err);

// All rows, in the order of names and versions, and the last number of each layer that there ever was.
MUST_CHECK int layer_each(struct db *db, const char *packages,
                          void (*each)(void *ctx, const struct layer_row *layer), void *ctx,
                          struct err *err);
MUST_CHECK int layer_last_each(struct db *db,
                               void (*each)(void *ctx, struct str name, int64_t last), void *ctx,
                               struct err *err);
