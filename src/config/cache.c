// SPDX-License-Identifier: Apache-2.0
// `cache: {ttl: 1h, maxEntries: 1000, maxBytes: 16MiB, vary: [accept-language]}` becomes what the API of
// Lambda here takes.
#include "config/cache.h"
#include "config/quantity.h"
#include "config/reading.h"
#include "format/event_key.h"
#include "format/json.h"

#define TTL       "1d"
#define TTL_MAX_S (365 * 86400)
#define BYTES_MAX UINT32_MAX
#define VARY_MAX  20

static int read_ttl(const struct tree_node *node, json_t *cache, struct err *err)
{
    const char *text = read_text(node, TTL);
    struct err why = {0};
    int64_t ms = 0;
    if (duration_parse(str_of(text), &ms, &why) < 0) {
        return tree_fail(err, node, "cache.ttl: %s", why.text);
    }
    if (ms < 1000 || ms / 1000 > TTL_MAX_S) {
        return tree_fail(err, node, "cache.ttl: %s is not between 1s and 365d", text);
    }
    json_put_int(cache, "TtlSeconds", ms / 1000);
    return 0;
}

static int read_bytes(const struct tree_node *node, json_t *cache, struct err *err)
{
    const char *text = read_text(node, NULL);
    struct err why = {0};
    uint64_t bytes = 0;
    if (!text) {
        return 0;
    }
    if (size_parse(str_of(text), &bytes, &why) < 0) {
        return tree_fail(err, node, "cache.maxBytes: %s", why.text);
    }
    if (bytes < 1 || bytes > BYTES_MAX) {
        return tree_fail(err, node, "cache.maxBytes: %s is not between 1 and 4GiB", text);
    }
    json_put_int(cache, "MaxBytes", (int64_t)bytes);
    return 0;
}

static int read_vary(const struct tree_node *node, json_t *cache, struct err *err)
{
    if (!node) {
        return 0;
    }
    json_t *vary = json_array();
    json_put(cache, "Vary", vary);
    for (const struct tree_node *n = read_first(node); n; n = read_next(node, n)) {
        const char *text = read_text(n, "");
        struct err why = {0};
        if (event_key_vary_check(str_of(text), &why) < 0) {
            return tree_fail(err, n, "cache.vary: %s", why.text);
        }
        json_array_append_new(vary, json_string(text));
    }
    return json_array_size(vary) <= VARY_MAX
               ? 0
               : tree_fail(err, node, "cache.vary: more than %d names", VARY_MAX);
}

int cache_read_function(const struct tree_node *node, struct serverless_function *ret,
                        struct err *err)
{
    const struct tree_node *cache = tree_get(node, "cache");
    ret->cache = json_object();
    if (!cache || cache->yaml.kind == YAML_NULL) {
        return 0;
    }
    int64_t entries = read_number_in(cache, "maxEntries", 0);
    if (entries > 0) {
        json_put_int(ret->cache, "MaxEntries", entries);
    }
    TRY(read_ttl(tree_get(cache, "ttl"), ret->cache, err));
    TRY(read_bytes(tree_get(cache, "maxBytes"), ret->cache, err));
    return read_vary(tree_get(cache, "vary"), ret->cache, err);
}
