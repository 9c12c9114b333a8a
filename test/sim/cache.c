// SPDX-License-Identifier: Apache-2.0
// The simulated result cache: it answers at once or later, forgets what it likes, and goes away.
#include "world.h"

struct sim_entry {
    struct bytes *answer;
    int64_t expires_us;
};

struct sim_wait {
    struct sim_cache *cache;
    struct cache_lookup *lookup; // NULL: forgotten
    struct timer timer;
    struct list link;
};

static struct sim_cache *cache_of(const struct cache *cache)
{
    return CONTAINER_OF(cache, struct sim_cache, base);
}

static struct bytes *find(struct sim_cache *c, const struct cache_key *key)
{
    struct sim_entry *entry = map_get(&c->entries, cache_key_str(key));
    bool lost = world_chance(c->world, 100);
    return entry && !lost && entry->expires_us > loop_now_us(c->world->loop)
               ? bytes_ref(entry->answer)
               : NULL;
}

static void wait_free(struct sim_wait *wait)
{
    timer_stop(wait->cache->world->loop, &wait->timer);
    list_remove(&wait->link);
    free(wait);
}

static void wait_due(struct timer *timer)
{
    struct sim_wait *wait = CONTAINER_OF(timer, struct sim_wait, timer);
    struct cache_lookup *lookup = wait->lookup;
    struct bytes *answer = lookup ? find(wait->cache, &lookup->key) : NULL;
    wait_free(wait);
    if (lookup) {
        lookup->ask = NULL;
        lookup->on_found(lookup, answer);
    }
    bytes_unref(answer);
}

static int get(struct cache *cache, struct cache_lookup *lookup, struct bytes **ret)
{
    struct sim_cache *c = cache_of(cache);
    if (world_chance(c->world, 500)) {
        *ret = find(c, &lookup->key);
        return *ret ? CACHE_HIT : CACHE_MISS;
    }
    struct sim_wait *wait = NEW(struct sim_wait);
    *wait = (struct sim_wait){.cache = c, .lookup = lookup, .timer.on_due = wait_due};
    lookup->ask = wait;
    list_push_back(&c->waits, &wait->link);
    timer_start(c->world->loop, &wait->timer, world_between(c->world, 0, 5000));
    return CACHE_LATER;
}

static void forget(struct cache *cache, struct cache_lookup *lookup)
{
    (void)cache;
    struct sim_wait *wait = lookup->ask;
    HOLDS(wait && wait->lookup == lookup, "a lookup is forgotten that does not wait");
    wait->lookup = NULL;
}

static void entry_free(struct sim_entry *entry)
{
    if (entry) {
        bytes_unref(entry->answer);
        free(entry);
    }
}

static void put(struct cache *cache, const struct cache_key *key, const struct cache_policy *policy,
                struct bytes *answer)
{
    struct sim_cache *c = cache_of(cache);
    struct sim_entry *entry = NEW(struct sim_entry);
    entry->answer = bytes_ref(answer);
    entry->expires_us = loop_now_us(c->world->loop) + policy->ttl_ms * 1000;
    HOLDS(policy->ttl_ms > 0, "%s asks for no cache", policy->space);
    entry_free(map_put(&c->entries, cache_key_str(key), entry));
}

static void drop(struct cache *cache, struct str space)
{
    (void)cache, (void)space; // what is not asked for is not missed
}

static bool relieve(struct cache *cache)
{
    return world_chance(cache_of(cache)->world, 500);
}

static const struct cache_ops ops = {
    .get = get, .forget = forget, .put = put, .drop = drop, .relieve = relieve};

void sim_cache_init(struct sim_cache *c, struct world *w)
{
    *c = (struct sim_cache){.base.ops = &ops, .world = w};
    list_init(&c->waits);
}

// The entries stay: others know them, too.
void sim_cache_down(struct sim_cache *c)
{
    LIST_EACH(wait, &c->waits, struct sim_wait, link)
    {
        HOLDS(!wait->lookup, "nobody has forgotten a lookup");
        wait_free(wait);
    }
}

void sim_cache_done(struct sim_cache *c)
{
    size_t at = 0;
    for (struct sim_entry *entry; (entry = map_next(&c->entries, &at));) {
        entry_free(entry);
    }
    map_done(&c->entries);
}
