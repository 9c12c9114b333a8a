// SPDX-License-Identifier: Apache-2.0
// A hash map with linear probing and backward-shift deletion (no tombstones).
#include "base/map.h"
#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>

static struct map_entry *entry_find(const struct map *map, struct str key, uint64_t hash)
{
    for (size_t i = hash & (map->room - 1);; i = (i + 1) & (map->room - 1)) {
        struct map_entry *e = &map->entries[i];
        if (!e->key || (e->hash == hash && str_eq(str_n(e->key, e->key_size), key))) {
            return e;
        }
    }
}

static void map_grow(struct map *map)
{
    struct map old = *map;
    map->room = old.room ? old.room * 2 : 16;
    map->entries = mem_alloc(map->room * sizeof *map->entries);
    for (size_t i = 0; i < old.room; i++) {
        struct map_entry *e = &old.entries[i];
        if (e->key) {
            *entry_find(map, str_n(e->key, e->key_size), e->hash) = *e;
        }
    }
    free(old.entries);
}

void map_done(struct map *map)
{
    for (size_t i = 0; i < map->room; i++) {
        free(map->entries[i].key);
    }
    free(map->entries);
    *map = (struct map){0};
}

void *map_get(const struct map *map, struct str key)
{
    return map->count ? entry_find(map, key, str_hash(key))->value : NULL;
}

void *map_put(struct map *map, struct str key, void *value)
{
    if ((map->count + 1) * 4 > map->room * 3) {
        map_grow(map);
    }
    uint64_t hash = str_hash(key);
    struct map_entry *e = entry_find(map, key, hash);
    void *was = e->value;
    if (!e->key) {
        *e = (struct map_entry){.key = str_dup(key), .key_size = key.size, .hash = hash};
        map->count++;
    }
    e->value = value;
    return was;
}

void *map_remove(struct map *map, struct str key)
{
    if (map->count == 0) {
        return NULL;
    }
    struct map_entry *e = entry_find(map, key, str_hash(key));
    void *was = e->value;
    if (!e->key) {
        return NULL;
    }
    free(e->key);
    size_t mask = map->room - 1;
    size_t hole = (size_t)(e - map->entries);
    for (size_t i = (hole + 1) & mask; map->entries[i].key; i = (i + 1) & mask) {
        size_t home = map->entries[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            map->entries[hole] = map->entries[i];
            hole = i;
        }
    }
    map->entries[hole] = (struct map_entry){0};
    map->count--;
    return was;
}

void *map_next(const struct map *map, size_t *at)
{
    while (*at < map->room) {
        const struct map_entry *e = &map->entries[(*at)++];
        if (e->key) {
            return e->value;
        }
    }
    return NULL;
}
