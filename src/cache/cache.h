// SPDX-License-Identifier: Apache-2.0
// The result cache: answers by a digest of all that they depend on. An entry is a fact that stays
// true, so losing one costs a run and nothing else: whatever fails here is a miss. A table of
// operations, because there are two: memory.h (of this process, the default) and redis.h (shared by
// servers); the simulator has a third. Core thread only; callbacks never come from inside a call.
#pragma once

#include "base/list.h"
#include "core/bytes.h"
#include "io/loop.h"

#define CACHE_KEY_SIZE 32

struct cache_key { // SHA-256
    uint8_t bytes[CACHE_KEY_SIZE];
};

static inline struct str cache_key_str(const struct cache_key *key)
{
    return str_n(key->bytes, sizeof key->bytes);
}

struct cache_policy {   // what a function asks for
    const char *space;  // whose entries count together: the function's key. Borrowed
    int64_t ttl_ms;     // an entry is not served after that; 0: the function asks for no cache
    uint64_t bytes_max; // of its entries in memory, 0: as the server has it
    uint64_t entries_max;
};

enum { CACHE_MISS, CACHE_HIT, CACHE_LATER };

// Caller-owned and zeroed but for the first two, from CACHE_LATER until on_found or forget.
struct cache_lookup {
    struct cache_key key;
    void (*on_found)(struct cache_lookup *lookup, struct bytes *answer); // NULL: it is not there
    void *ask;                                                           // the cache's
    struct list link;                                                    // the cache's
};

struct cache_stats {
    const char *kind;        // "memory", "redis"
    const char *state;       // "ready"; "loading"; "connecting", "away"
    uint64_t entries, bytes; // in memory
    uint64_t hits, misses;   // of the server since its start; not found in time is a miss
    uint64_t late;           // of the misses: because there was no answer in time
};

struct cache {
    const struct cache_ops *ops;
};

struct cache_ops {
    // CACHE_HIT with a new reference in *ret, CACHE_MISS, or CACHE_LATER: on_found will be called.
    int (*get)(struct cache *cache, struct cache_lookup *lookup, struct bytes **ret);
    void (*forget)(struct cache *cache,
                   struct cache_lookup *lookup); // nobody waits for it any more
    void (*put)(struct cache *cache, const struct cache_key *key, const struct cache_policy *policy,
                struct bytes *answer);
    // The entries of a space are of no more use. (Where others share them, they end with their time.)
    void (*drop)(struct cache *cache, struct str space);
    bool (*relieve)(struct cache *cache); // memory is short; false: there is nothing to give up
    void (*stats)(const struct cache *cache, struct cache_stats *ret);
    // The last call; lookups that wait are not answered. `keep`: for the next start.
    void (*close)(struct cache *cache, bool keep);
};
