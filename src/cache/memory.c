// SPDX-License-Identifier: Apache-2.0
// The embedded result cache. One thread owns it, as it owns the queues that ask it, so it is a plain
// map and two lists: all entries in the order of their last use, and those of each space. What has
// expired goes when it is asked for or when its turn has come; no timer looks for it.
#include "cache/memory.h"
#include "base/check.h"
#include "base/file.h"
#include "base/log.h"
#include "base/map.h"
#include "cache/dump.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#define OVERHEAD   160       // of an entry in the map and in malloc, about
#define SHARE_MAX  4         // an answer larger than this part of the bound is not kept
#define DUMP_EXTRA (1 << 20) // the file is larger than the entries by less than that

struct space {
    char *name;
    struct list entries; // the least recently used first
    uint64_t count, bytes;
};

struct entry {
    struct cache_key key;
    struct space *space;
    struct bytes *answer;
    int64_t expires_ms;
    struct list used, in_space; // memory->used, space->entries
};

enum file_state { FILE_UNREAD, FILE_READING, FILE_READ };

struct memory {
    struct cache base;
    struct loop *loop;
    struct pool *pool;
    char *path; // NULL: no file
    uint64_t bytes_max, bytes;
    struct map entries;  // struct entry by key
    struct map spaces;   // struct space by name; they stay
    struct list used;    // struct entry, the least recently used first
    struct list waiting; // struct cache_lookup, for the file
    struct reading *reading;
    enum file_state file;
    struct cache_stats stats;
};

static struct memory *memory_of(const struct cache *cache)
{
    return CONTAINER_OF(cache, struct memory, base);
}

// ── entries ──

static uint64_t cost_of(const struct bytes *answer)
{
    return sizeof(struct entry) + answer->size + OVERHEAD;
}

static void entry_remove(struct memory *m, struct entry *e)
{
    uint64_t cost = cost_of(e->answer);
    CHECK(map_remove(&m->entries, cache_key_str(&e->key)) == e);
    m->bytes -= cost;
    e->space->bytes -= cost;
    e->space->count--;
    list_remove(&e->used);
    list_remove(&e->in_space);
    bytes_unref(e->answer);
    free(e);
}

static void entry_touch(struct memory *m, struct entry *e)
{
    list_remove(&e->used);
    list_remove(&e->in_space);
    list_push_back(&m->used, &e->used);
    list_push_back(&e->space->entries, &e->in_space);
}

static struct space *space_of(struct memory *m, struct str name)
{
    struct space *space = map_get(&m->spaces, name);
    if (!space) {
        space = NEW(struct space);
        space->name = str_dup(name);
        list_init(&space->entries);
        map_put(&m->spaces, name, space);
    }
    return space;
}

static void bound(struct memory *m, struct space *space, const struct cache_policy *policy)
{
    while ((policy->bytes_max && space->bytes > policy->bytes_max) ||
           (policy->entries_max && space->count > policy->entries_max)) {
        entry_remove(m, LIST_FIRST(&space->entries, struct entry, in_space));
    }
    while (m->bytes > m->bytes_max) {
        entry_remove(m, LIST_FIRST(&m->used, struct entry, used));
    }
}

// Takes the reference to the answer.
static void entry_add(struct memory *m, const struct cache_key *key, struct str space_name,
                      int64_t expires_ms, struct bytes *answer)
{
    struct entry *was = map_get(&m->entries, cache_key_str(key));
    if (was) {
        entry_remove(m, was);
    }
    struct entry *e = NEW(struct entry);
    *e = (struct entry){
        .key = *key, .space = space_of(m, space_name), .answer = answer, .expires_ms = expires_ms};
    list_init(&e->used);
    list_init(&e->in_space);
    entry_touch(m, e);
    map_put(&m->entries, cache_key_str(key), e);
    m->bytes += cost_of(answer);
    e->space->bytes += cost_of(answer);
    e->space->count++;
}

static struct bytes *find(struct memory *m, const struct cache_key *key)
{
    struct entry *e = map_get(&m->entries, cache_key_str(key));
    if (e && e->expires_ms <= loop_wall_ms(m->loop)) {
        entry_remove(m, e);
        e = NULL;
    }
    *(e ? &m->stats.hits : &m->stats.misses) += 1;
    if (!e) {
        return NULL;
    }
    entry_touch(m, e);
    return bytes_ref(e->answer);
}

// ── the file ──

struct reading {
    struct pool_work work;
    struct memory *memory; // NULL: closed meanwhile
    char *path;
    size_t size_max;
    struct list entries; // struct read_entry
    struct err err;
};

struct read_entry {
    struct cache_key key;
    int64_t expires_ms;
    char *space;
    struct bytes *answer;
    struct list link;
};

static void read_each(void *ctx, const struct dump_entry *entry)
{
    struct reading *reading = ctx;
    struct read_entry *e = NEW(struct read_entry);
    *e = (struct read_entry){.key = entry->key,
                             .expires_ms = entry->expires_ms,
                             .space = str_dup(entry->space),
                             .answer = bytes_new(entry->answer)};
    list_push_back(&reading->entries, &e->link);
}

static void reading_run(struct pool_work *work)
{
    struct reading *reading = CONTAINER_OF(work, struct reading, work);
    CLEAN(buf_done) struct buf file = BUF_INIT(reading->size_max);
    if (file_read(reading->path, &file, &reading->err) >= 0) {
        (void)!dump_read(buf_str(&file), read_each, reading, &reading->err);
    }
}

// What was asked for meanwhile is there already, and newer.
static void reading_take(struct memory *m, struct reading *reading)
{
    int64_t now_ms = loop_wall_ms(m->loop);
    LIST_EACH(e, &reading->entries, struct read_entry, link)
    {
        if (e->expires_ms > now_ms && !map_get(&m->entries, cache_key_str(&e->key))) {
            entry_add(m, &e->key, str_of(e->space), e->expires_ms, bytes_ref(e->answer));
        }
    }
    bound(m, NULL, &(struct cache_policy){0});
}

static void reading_free(struct reading *reading)
{
    LIST_EACH(e, &reading->entries, struct read_entry, link)
    {
        bytes_unref(e->answer);
        free(e->space);
        free(e);
    }
    free(reading->path);
    free(reading);
}

static void reading_done(struct pool_work *work)
{
    struct reading *reading = CONTAINER_OF(work, struct reading, work);
    struct memory *m = reading->memory;
    if (reading->err.code < 0 && reading->err.code != ERR_NOT_FOUND) {
        log_warn("%s is not used, answers are computed again: %s", reading->path,
                 reading->err.text);
    }
    m->reading = NULL;
    m->file = FILE_READ;
    reading_take(m, reading);
    reading_free(reading);
    while (!list_empty(&m->waiting)) {
        struct cache_lookup *lookup = LIST_FIRST(&m->waiting, struct cache_lookup, link);
        list_remove(&lookup->link);
        struct bytes *answer = find(m, &lookup->key);
        lookup->on_found(lookup, answer);
        bytes_unref(answer);
    }
}

static void reading_start(struct memory *m)
{
    struct reading *reading = NEW(struct reading);
    *reading = (struct reading){.work = {.run = reading_run, .on_done = reading_done},
                                .memory = m,
                                .path = mem_dup(m->path),
                                .size_max = m->bytes_max + DUMP_EXTRA};
    list_init(&reading->entries);
    m->reading = reading;
    m->file = FILE_READING;
    pool_submit(m->pool, &reading->work);
}

static void file_keep(struct memory *m)
{
    CLEAN(buf_done) struct buf out = BUF_INIT(m->bytes_max + DUMP_EXTRA);
    struct err err = {0};
    if (m->entries.count == 0) {
        unlink(m->path);
        return;
    }
    dump_begin(&out);
    LIST_EACH(e, &m->used, struct entry, used)
    {
        dump_add(&out, &(struct dump_entry){.key = e->key,
                                            .expires_ms = e->expires_ms,
                                            .space = str_of(e->space->name),
                                            .answer = bytes_str(e->answer)});
    }
    dump_end(&out);
    if (!buf_ok(&out) || file_write(m->path, buf_str(&out), 0600, &err) < 0) {
        log_warn("the results are not kept: %s", err.code < 0 ? err.text : "they are too many");
    }
}

// ── operations ──

static int get(struct cache *cache, struct cache_lookup *lookup, struct bytes **ret)
{
    struct memory *m = memory_of(cache);
    if (m->file == FILE_UNREAD) {
        reading_start(m);
    }
    if (m->file == FILE_READING) {
        list_push_back(&m->waiting, &lookup->link);
        return CACHE_LATER;
    }
    *ret = find(m, &lookup->key);
    return *ret ? CACHE_HIT : CACHE_MISS;
}

static void forget(struct cache *cache, struct cache_lookup *lookup)
{
    (void)cache;
    list_remove(&lookup->link);
}

static void put(struct cache *cache, const struct cache_key *key, const struct cache_policy *policy,
                struct bytes *answer)
{
    struct memory *m = memory_of(cache);
    uint64_t most = policy->bytes_max ? policy->bytes_max : m->bytes_max / SHARE_MAX;
    if (cost_of(answer) > most || cost_of(answer) > m->bytes_max) {
        return;
    }
    entry_add(m, key, str_of(policy->space), loop_wall_ms(m->loop) + policy->ttl_ms,
              bytes_ref(answer));
    bound(m, space_of(m, str_of(policy->space)), policy);
}

static void drop(struct cache *cache, struct str name)
{
    struct memory *m = memory_of(cache);
    struct space *space = map_get(&m->spaces, name);
    while (space && !list_empty(&space->entries)) {
        entry_remove(m, LIST_FIRST(&space->entries, struct entry, in_space));
    }
}

// Half of it goes, the least recently used first, and the memory goes back to the machine.
static bool relieve(struct cache *cache)
{
    struct memory *m = memory_of(cache);
    size_t until = m->entries.count / 2;
    if (m->entries.count == 0) {
        return false;
    }
    while (m->entries.count > until) {
        entry_remove(m, LIST_FIRST(&m->used, struct entry, used));
    }
    malloc_trim(0);
    return true;
}

static void stats(const struct cache *cache, struct cache_stats *ret)
{
    const struct memory *m = memory_of(cache);
    *ret = m->stats;
    ret->kind = "memory";
    ret->state = m->file == FILE_READING ? "loading" : "ready";
    ret->entries = m->entries.count;
    ret->bytes = m->bytes;
}

static void close_(struct cache *cache, bool keep)
{
    struct memory *m = memory_of(cache);
    if (keep && m->path && m->file == FILE_READ) { // a file that was not needed is kept as it is
        file_keep(m);
    }
    if (m->reading) { // the pool is gone, and it has told nobody
        reading_free(m->reading);
    }
    while (!list_empty(&m->used)) {
        entry_remove(m, LIST_FIRST(&m->used, struct entry, used));
    }
    size_t at = 0;
    for (struct space *space; (space = map_next(&m->spaces, &at));) {
        free(space->name);
        free(space);
    }
    map_done(&m->entries);
    map_done(&m->spaces);
    free(m->path);
    free(m);
}

static const struct cache_ops ops = {
    .get = get,
    .forget = forget,
    .put = put,
    .drop = drop,
    .relieve = relieve,
    .stats = stats,
    .close = close_,
};

struct cache *cache_memory_new(struct loop *loop, struct pool *pool, const char *path,
                               uint64_t bytes_max)
{
    struct memory *m = NEW(struct memory);
    m->base.ops = &ops;
    m->loop = loop;
    m->pool = pool;
    m->path = mem_dup(path);
    m->bytes_max = bytes_max;
    m->file = path ? FILE_UNREAD : FILE_READ;
    list_init(&m->used);
    list_init(&m->waiting);
    return &m->base;
}
