// SPDX-License-Identifier: Apache-2.0
// The embedded result cache: what stays and what goes, when, and what a restart finds.
#include "cache/memory.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "cache/dump.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

static struct loop *loop;

static int setup_simulated(void **state)
{
    (void)state;
    log_setup((enum log_level)(LOG_ERROR + 1), false);
    return loop_new(LOOP_SIMULATED, &loop, NULL);
}

static int setup_real(void **state)
{
    (void)state;
    log_setup((enum log_level)(LOG_ERROR + 1), false);
    return loop_new(LOOP_REAL, &loop, NULL);
}

static int teardown(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

static struct cache_key key_of(unsigned number)
{
    struct cache_key key = {{(uint8_t)number, (uint8_t)(number >> 8), 7}};
    return key;
}

static void put(struct cache *cache, const struct cache_policy *policy, unsigned number,
                size_t size)
{
    struct cache_key key = key_of(number);
    CLEAN_MEM char *text = mem_alloc(size + 1);
    memset(text, 'a' + (int)(number % 26), size);
    struct bytes *answer = bytes_new(str_n(text, size));
    cache->ops->put(cache, &key, policy, answer);
    bytes_unref(answer);
}

// The size of the answer; -1: none.
static int size_of(struct cache *cache, unsigned number)
{
    struct cache_lookup lookup = {.key = key_of(number)};
    struct bytes *answer = NULL;
    list_init(&lookup.link);
    int rc = cache->ops->get(cache, &lookup, &answer);
    assert_true(rc == CACHE_HIT || rc == CACHE_MISS);
    assert_true((rc == CACHE_HIT) == (answer != NULL));
    int size = answer ? (int)answer->size : -1;
    assert_true(size <= 0 || answer->at[0] == 'a' + (char)(number % 26));
    bytes_unref(answer);
    return size;
}

static struct cache_stats stats_of(struct cache *cache)
{
    struct cache_stats stats;
    cache->ops->stats(cache, &stats);
    return stats;
}

static void nothing_due(struct timer *timer)
{
    (void)timer;
}

static void pass_ms(int64_t ms)
{
    struct timer timer = {.on_due = nothing_due};
    timer_start(loop, &timer, ms * 1000);
    loop_run(loop);
}

static const struct cache_policy plain = {.space = "f", .ttl_ms = 60000};

static void test_found_until_its_time_is_over(void **state)
{
    (void)state;
    struct cache *cache = cache_memory_new(loop, NULL, NULL, 1 << 20);
    assert_int_equal(size_of(cache, 1), -1);
    put(cache, &plain, 1, 100);
    put(cache, &plain, 2, 0);
    assert_int_equal(size_of(cache, 1), 100);
    assert_int_equal(size_of(cache, 2), 0);
    pass_ms(59999);
    assert_int_equal(size_of(cache, 1), 100);
    pass_ms(1);
    assert_int_equal(size_of(cache, 1), -1);
    assert_int_equal(stats_of(cache).hits, 3);
    assert_int_equal(stats_of(cache).misses, 2);
    assert_int_equal(stats_of(cache).entries, 1); // the other has not been asked for
    put(cache, &plain, 1, 10);
    put(cache, &plain, 1, 20); // the later one counts, and once
    assert_int_equal(size_of(cache, 1), 20);
    assert_int_equal(stats_of(cache).entries, 2);
    cache->ops->close(cache, false);
}

static void test_the_longest_unused_goes(void **state)
{
    (void)state;
    struct cache *cache = cache_memory_new(loop, NULL, NULL, 100000);
    for (unsigned i = 0; i < 50; i++) {
        put(cache, &plain, i, 5000);
        assert_int_equal(size_of(cache, 0), 5000); // this one is always in use
    }
    struct cache_stats stats = stats_of(cache);
    assert_true(stats.bytes <= 100000 && stats.entries > 10 && stats.entries < 20);
    assert_int_equal(size_of(cache, 1), -1);
    assert_int_equal(size_of(cache, 49), 5000);
    put(cache, &plain, 99, 60000); // too large a part
    assert_int_equal(size_of(cache, 99), -1);
    assert_int_equal(stats_of(cache).entries, stats.entries);
    cache->ops->close(cache, false);
}

static void test_bounds_of_a_function(void **state)
{
    (void)state;
    struct cache *cache = cache_memory_new(loop, NULL, NULL, 1 << 20);
    struct cache_policy few = {.space = "few", .ttl_ms = 1000, .entries_max = 3};
    struct cache_policy small = {.space = "small", .ttl_ms = 1000, .bytes_max = 3000};
    put(cache, &plain, 500, 10);
    for (unsigned i = 0; i < 10; i++) {
        put(cache, &few, i, 10);
        put(cache, &small, 100 + i, 1000);
    }
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(size_of(cache, i), i >= 7 ? 10 : -1);
        assert_int_equal(size_of(cache, 100 + i), i >= 8 ? 1000 : -1);
    }
    put(cache, &small, 200, 4000); // larger than all of it
    assert_int_equal(size_of(cache, 200), -1);
    assert_int_equal(size_of(cache, 109), 1000);
    assert_int_equal(size_of(cache, 500), 10); // another function's
    cache->ops->drop(cache, STR("few"));
    cache->ops->drop(cache, STR("nobody"));
    assert_int_equal(size_of(cache, 9), -1);
    assert_int_equal(size_of(cache, 109), 1000);
    cache->ops->close(cache, false);
}

static void test_memory_is_given_up(void **state)
{
    (void)state;
    struct cache *cache = cache_memory_new(loop, NULL, NULL, 1 << 20);
    assert_false(cache->ops->relieve(cache));
    for (unsigned i = 0; i < 9; i++) {
        put(cache, &plain, i, 100);
    }
    assert_true(cache->ops->relieve(cache));
    assert_int_equal(stats_of(cache).entries, 4);
    assert_int_equal(size_of(cache, 4), -1);
    assert_int_equal(size_of(cache, 5), 100);
    while (cache->ops->relieve(cache)) {
    }
    assert_int_equal(stats_of(cache).entries, 0);
    assert_int_equal(stats_of(cache).bytes, 0);
    cache->ops->close(cache, false);
}

// ── a restart ──

static char path[64];
static struct pool *pool;

struct waiting {
    struct cache_lookup lookup;
    int size; // -2: not told yet
};

static void on_found(struct cache_lookup *lookup, struct bytes *answer)
{
    CONTAINER_OF(lookup, struct waiting, lookup)->size = answer ? (int)answer->size : -1;
}

static struct cache *open_at(uint64_t bytes_max)
{
    pool = pool_new(loop, 2);
    return cache_memory_new(loop, pool, path, bytes_max);
}

static void close_at(struct cache *cache, bool keep)
{
    pool_free(pool);
    cache->ops->close(cache, keep);
}

// The first one to ask waits for the file.
static int size_later(struct cache *cache, unsigned number)
{
    struct waiting waiting = {.lookup = {.key = key_of(number), .on_found = on_found}, .size = -2};
    struct bytes *answer = NULL;
    list_init(&waiting.lookup.link);
    assert_int_equal(cache->ops->get(cache, &waiting.lookup, &answer), CACHE_LATER);
    assert_int_equal(waiting.size, -2);
    assert_string_equal(stats_of(cache).state, "loading");
    while (waiting.size == -2) {
        loop_turn(loop, 1000);
    }
    return waiting.size;
}

static void path_make(void)
{
    snprintf(path, sizeof path, "/tmp/rouse-results-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    unlink(path);
}

static void test_a_clean_restart(void **state)
{
    (void)state;
    path_make();
    struct cache *cache = open_at(1 << 20);
    assert_int_equal(size_later(cache, 1), -1); // there is no file
    struct cache_policy brief = {.space = "f", .ttl_ms = 1};
    for (unsigned i = 1; i < 20; i++) {
        put(cache, &plain, i, i * 10);
    }
    put(cache, &brief, 100, 5);
    close_at(cache, true);
    usleep(5000);
    cache = open_at(1 << 20);
    assert_int_equal(size_later(cache, 19), 190);
    assert_int_equal(size_of(cache, 100), -1); // its time is over
    for (unsigned i = 1; i < 20; i++) {
        assert_int_equal(size_of(cache, i), (int)i * 10);
    }
    close_at(cache, false); // killed: the file before it is as good as it was
    cache = open_at(1 << 20);
    close_at(cache, true); // nobody asked: nothing is read, nothing is lost
    cache = open_at(3000); // a smaller bound: the file is read whole, what was used last stays
    assert_int_equal(size_later(cache, 1), -1);
    assert_int_equal(size_of(cache, 19), 190);
    while (cache->ops->relieve(cache)) {
    }
    close_at(cache, true); // nothing is left
    assert_int_equal(access(path, F_OK), -1);
}

static void test_forgotten_while_it_loads(void **state)
{
    (void)state;
    path_make();
    struct cache *cache = open_at(1 << 20);
    struct waiting gone = {.lookup = {.key = key_of(1), .on_found = on_found}, .size = -2};
    struct bytes *answer = NULL;
    list_init(&gone.lookup.link);
    assert_int_equal(cache->ops->get(cache, &gone.lookup, &answer), CACHE_LATER);
    cache->ops->forget(cache, &gone.lookup);
    put(cache, &plain, 2, 50); // what comes meanwhile is kept
    assert_int_equal(size_later(cache, 2), 50);
    assert_int_equal(gone.size, -2);
    close_at(cache, false);
    cache = open_at(1 << 20); // and closed while it loads
    list_init(&gone.lookup.link);
    assert_int_equal(cache->ops->get(cache, &gone.lookup, &answer), CACHE_LATER);
    cache->ops->forget(cache, &gone.lookup);
    close_at(cache, true);
    loop_free(loop); // as when a server ends: what the pool had to tell is told nobody
    assert_int_equal(loop_new(LOOP_REAL, &loop, NULL), 0);
}

static void count_entry(void *ctx, const struct dump_entry *entry)
{
    (void)entry;
    ++*(int *)ctx;
}

static void dump_some(struct buf *out)
{
    dump_begin(out);
    for (unsigned i = 0; i < 3; i++) {
        struct dump_entry entry = {.key = key_of(i),
                                   .expires_ms = INT64_MAX,
                                   .space = STR("name"),
                                   .answer = str_head(STR("an answer"), 4 * i)};
        dump_add(out, &entry);
    }
    dump_end(out);
}

static void test_every_damage_is_seen(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf file = BUF_INIT(4096);
    struct err err = {0};
    int seen = 0;
    dump_some(&file);
    assert_int_equal(dump_read(buf_str(&file), count_entry, &seen, &err), 0);
    assert_int_equal(seen, 3);
    for (size_t i = 0; i < file.size; i++) {
        assert_int_equal(dump_read(str_head(buf_str(&file), i), count_entry, &seen, &err),
                         ERR_CORRUPT);
        file.at[i] = (char)(file.at[i] ^ 0x10);
        assert_int_equal(dump_read(buf_str(&file), count_entry, &seen, &err), ERR_CORRUPT);
        file.at[i] = (char)(file.at[i] ^ 0x10);
    }
    assert_int_equal(seen, 3);
}

// Its checksum is right, but it lies about sizes.
static void test_a_lying_file(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf file = BUF_INIT(4096);
    struct err err = {0};
    int seen = 0;
    dump_begin(&file);
    buf_add(&file, key_of(1).bytes, CACHE_KEY_SIZE);
    buf_add(&file, "\0\0\0\0\0\0\0\1\0\1x\xff\xff\xff\xff", 15);
    dump_end(&file);
    assert_int_equal(dump_read(buf_str(&file), count_entry, &seen, &err), ERR_CORRUPT);
    assert_int_equal(seen, 0);
    assert_non_null(strstr(err.text, "within an entry"));
}

static void test_a_damaged_file_is_left_alone(void **state)
{
    (void)state;
    path_make();
    CLEAN(buf_done) struct buf file = BUF_INIT(4096);
    dump_some(&file);
    file.at[40] ^= 1;
    assert_int_equal(file_write(path, buf_str(&file), 0600, NULL), 0);
    struct cache *cache = open_at(1 << 20);
    assert_int_equal(size_later(cache, 1), -1);
    put(cache, &plain, 1, 30);
    close_at(cache, true);
    cache = open_at(1 << 20);
    assert_int_equal(size_later(cache, 1), 30);
    close_at(cache, false);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest simulated[] = {
        cmocka_unit_test(test_found_until_its_time_is_over),
        cmocka_unit_test(test_the_longest_unused_goes),
        cmocka_unit_test(test_bounds_of_a_function),
        cmocka_unit_test(test_memory_is_given_up),
        cmocka_unit_test(test_every_damage_is_seen),
        cmocka_unit_test(test_a_lying_file),
    };
    const struct CMUnitTest real[] = {
        cmocka_unit_test(test_a_clean_restart),
        cmocka_unit_test(test_forgotten_while_it_loads),
        cmocka_unit_test(test_a_damaged_file_is_left_alone),
    };
    int failed = cmocka_run_group_tests_name("memory", simulated, setup_simulated, teardown);
    return failed + cmocka_run_group_tests_name("file", real, setup_real, teardown);
}
