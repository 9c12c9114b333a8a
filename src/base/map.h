// SPDX-License-Identifier: Apache-2.0
// A hash map from byte strings to pointers. Open addressing, doubled at three quarters full.
// Keys are copied; values are borrowed. A zeroed struct is an empty map.
#pragma once

#include "base/str.h"

struct map_entry {
    char *key; // heap, NUL-terminated; NULL when free
    size_t key_size;
    uint64_t hash;
    void *value;
};

struct map {
    struct map_entry *entries;
    size_t room; // 0 or a power of two
    size_t count;
};

void map_done(struct map *map);                              // frees keys, not values
void *map_get(const struct map *map, struct str key);        // NULL when absent
void *map_put(struct map *map, struct str key, void *value); // the value that was there, or NULL
void *map_remove(struct map *map, struct str key);           // the value that was there, or NULL

// Walks all values in no order. *at starts at 0. NULL when done. The map must not change meanwhile.
void *map_next(const struct map *map, size_t *at);
