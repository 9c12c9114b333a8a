// SPDX-License-Identifier: Apache-2.0
// Entries of the cache as a file:
//
//     "rouse results 1\n"
//     for each, the least recently used first, numbers big-endian:
//         key 32 | expires, ms since 1970, 8 | size of space 2 | space | size of answer 4 | answer
//     SHA-256 of all before it, 32
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "cache/cache.h"

struct dump_entry { // views
    struct cache_key key;
    int64_t expires_ms;
    struct str space; // at most 64 KiB
    struct str answer;
};

void dump_begin(struct buf *out);
void dump_add(struct buf *out, const struct dump_entry *entry);
void dump_end(struct buf *out);

// Calls `each` for the entries of a whole, undamaged file, or else is ERR_CORRUPT and calls nobody.
MUST_CHECK int dump_read(struct str file, void (*each)(void *ctx, const struct dump_entry *entry),
                         void *ctx, struct err *err);
