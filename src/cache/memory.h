// SPDX-License-Identifier: Apache-2.0
// The result cache of this process: a map, the least recently used goes first, bounded in bytes for
// all functions together and, as they ask, for each. A clean stop writes it to a file; the next
// process reads that when the first one asks.
#pragma once

#include "cache/cache.h"
#include "io/pool.h"

// `path` of the file, copied; NULL: none is read or written, and `pool` is not needed.
struct cache *cache_memory_new(struct loop *loop, struct pool *pool, const char *path,
                               uint64_t bytes_max);
