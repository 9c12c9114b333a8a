// SPDX-License-Identifier: Apache-2.0
// The cache's commands to a Redis, and when to leave it alone.
//
//     AWAY ──somebody asks, and the back-off is over──► CONNECTING ──AUTH SELECT PING answered──► UP
//       ▲                                                  │                                     │
//       └── it failed: a longer back-off ◄─────────────────┘  ended, or too often late ◄──────────┘
//
// An answer is kept as  "rouse:" hex of the key → "R1" CRC-64 of the answer | answer.
#include "cache/redis.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cache/redis_link.h"
#include "format/checksum.h"
#include "format/hex.h"

#include <stdio.h>

#define CONNECT_US     1000000 // all of it
#define BACKOFF_US     100000  // after the first failure in a row; doubles
#define BACKOFF_MAX_US (10 * 1000000ll)
#define LATE_MAX       3       // lookups in a row that are late: it hangs
#define REFUSED_US     1000000 // nothing is written for so long after a refusal
#define ANSWER_MAX     (8 * 1024 * 1024)
#define MARK           STR("R1")
#define HEAD_SIZE      10

enum state { AWAY, CONNECTING, UP };
enum what { ASK_GREETING, ASK_GET, ASK_SET };

struct ask { // a command that is under way
    enum what what;
    bool last;                   // of the greeting
    struct cache_lookup *lookup; // NULL: nobody waits for it
    int64_t due_us;
    struct list link; // redis->asks, in the order of the commands
};

struct redis {
    struct cache base;
    struct loop *loop;
    struct pool *pool;
    struct redis_url url;
    enum state state;
    struct redis_link *link;
    struct list asks;
    struct timer due;         // of the first lookup
    struct timer connect_due; // it has taken too long
    int64_t not_before_us;    // no new try before that
    int failures;             // in a row
    int late;                 // lookups in a row
    int64_t refused_until_us; // nothing is written before that
    bool told_away, told_refused;
    struct cache_stats stats;
};

static struct redis *redis_of(const struct cache *cache)
{
    return CONTAINER_OF(cache, struct redis, base);
}

// ── commands ──

static bool command(struct redis *r, struct ask ask, const struct str *words, size_t count)
{
    if (!redis_link_send(r->link, words, count)) {
        return false;
    }
    struct ask *kept = NEW(struct ask);
    *kept = ask;
    list_push_back(&r->asks, &kept->link);
    if (ask.lookup) {
        ask.lookup->ask = kept;
        if (!timer_running(&r->due)) {
            timer_start_at(r->loop, &r->due, ask.due_us);
        }
    }
    return true;
}

static void key_write(const struct cache_key *key, char text[80])
{
    char hex[2 * CACHE_KEY_SIZE + 1];
    hex_write(key->bytes, sizeof key->bytes, hex);
    snprintf(text, 80, "rouse:%s", hex);
}

static void greet(struct redis *r)
{
    char db[16];
    const char *user = r->url.user, *password = r->url.password;
    if (password) {
        struct str auth[] = {STR("AUTH"), str_of(user), str_of(password)};
        struct str bare[] = {STR("AUTH"), str_of(password)}; // also of a Redis before 6
        (void)command(r, (struct ask){.what = ASK_GREETING}, user ? auth : bare, user ? 3 : 2);
    }
    if (r->url.db) {
        snprintf(db, sizeof db, "%d", r->url.db);
        struct str words[] = {STR("SELECT"), str_of(db)};
        (void)command(r, (struct ask){.what = ASK_GREETING}, words, 2);
    }
    struct str ping[] = {STR("PING")};
    (void)command(r, (struct ask){.what = ASK_GREETING, .last = true}, ping, 1);
}

// ── it comes and goes ──

static void found(struct redis *r, struct cache_lookup *lookup, struct bytes *answer)
{
    *(answer ? &r->stats.hits : &r->stats.misses) += 1;
    lookup->ask = NULL;
    lookup->on_found(lookup, answer);
}

// Whoever still waits goes on without it.
static void asks_end(struct redis *r)
{
    timer_stop(r->loop, &r->due);
    while (!list_empty(&r->asks)) {
        struct ask *ask = LIST_FIRST(&r->asks, struct ask, link);
        struct cache_lookup *lookup = ask->lookup;
        list_remove(&ask->link);
        free(ask);
        if (lookup) {
            found(r, lookup, NULL);
        }
    }
}

static void away(void *ctx, const char *reason)
{
    struct redis *r = ctx;
    int64_t delay_us = BACKOFF_US << (r->failures < 7 ? r->failures : 7);
    bool was_up = r->state == UP;
    struct redis_link *link = MOVE(r->link); // the reason is in there
    timer_stop(r->loop, &r->connect_due);
    r->state = AWAY;
    r->late = 0;
    r->failures++;
    r->not_before_us =
        loop_now_us(r->loop) + (delay_us < BACKOFF_MAX_US ? delay_us : BACKOFF_MAX_US);
    if (was_up || !r->told_away) {
        log_warn("the result cache at %s:%d is not used until it is found again: %s", r->url.host,
                 r->url.port, reason);
        r->told_away = true;
    } else {
        log_debug("the result cache at %s:%d: %s", r->url.host, r->url.port, reason);
    }
    asks_end(r);
    redis_link_free(link);
}

static void up(struct redis *r)
{
    timer_stop(r->loop, &r->connect_due);
    r->state = UP;
    r->failures = r->late = 0;
    log_info("the result cache at %s:%d is there", r->url.host, r->url.port);
}

static void connect_due(struct timer *timer)
{
    struct redis *r = CONTAINER_OF(timer, struct redis, connect_due);
    redis_link_fail(r->link, "it does not answer");
}

static void on_reply(void *ctx, const redisReply *reply);

static void look_for_it(struct redis *r)
{
    struct redis_link_events events = {r, on_reply, away};
    r->state = CONNECTING;
    r->link = redis_link_new(r->loop, r->pool, &r->url, &events);
    timer_start(r->loop, &r->connect_due, CONNECT_US);
    greet(r);
}

// ── replies ──

static struct bytes *answer_of(const redisReply *reply)
{
    struct str value = str_n(reply->str, reply->type == REDIS_REPLY_STRING ? reply->len : 0);
    if (!str_starts(value, MARK) || value.size < HEAD_SIZE) {
        return NULL;
    }
    uint8_t sum[CHECKSUM_SIZE_MAX];
    struct str answer = str_skip(value, HEAD_SIZE);
    checksum_of(CHECKSUM_CRC64NVME, answer, sum);
    return memcmp(sum, value.at + MARK.size, HEAD_SIZE - MARK.size) == 0 ? bytes_new(answer) : NULL;
}

static void on_get(struct redis *r, struct cache_lookup *lookup, const redisReply *reply)
{
    struct bytes *answer = reply->type == REDIS_REPLY_STRING ? answer_of(reply) : NULL;
    r->late = 0;
    if (reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "WRONGTYPE", 9) != 0) {
        redis_link_fail(r->link, reply->str);
    }
    if (lookup) {
        found(r, lookup, answer);
    }
    bytes_unref(answer);
}

// It is full, read-only, or this user may not write.
static void on_set(struct redis *r, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ERROR) {
        r->told_refused = false;
        return;
    }
    r->refused_until_us = loop_now_us(r->loop) + REFUSED_US;
    if (!r->told_refused) {
        log_warn("the result cache at %s:%d keeps nothing new: %s", r->url.host, r->url.port,
                 reply->str);
        r->told_refused = true;
    }
}

static void on_reply(void *ctx, const redisReply *reply)
{
    struct redis *r = ctx;
    struct ask *ask = LIST_FIRST(&r->asks, struct ask, link);
    if (!ask) {
        redis_link_fail(r->link, "it answers what was not asked");
        return;
    }
    struct ask was = *ask;
    list_remove(&ask->link);
    free(ask);
    if (was.what == ASK_GET) {
        on_get(r, was.lookup, reply);
    } else if (was.what == ASK_SET) {
        on_set(r, reply);
    } else if (reply->type == REDIS_REPLY_ERROR) {
        redis_link_fail(r->link, reply->str);
    } else if (was.last) {
        up(r);
    }
}

// ── those who wait too long ──

// They all wait equally long, so the first to ask is the first to give up. What has come meanwhile is
// read before: it was this thread that had no time then.
static void lookups_due(struct timer *timer)
{
    struct redis *r = CONTAINER_OF(timer, struct redis, due);
    redis_link_look(r->link);
    LIST_EACH(ask, &r->asks, struct ask, link)
    {
        if (ask->lookup && ask->due_us > loop_now_us(r->loop)) {
            timer_start_at(r->loop, timer, ask->due_us);
            break;
        }
        if (ask->lookup) {
            r->stats.late++;
            r->late += r->state == UP;
            found(r, MOVE(ask->lookup), NULL);
        }
    }
    if (r->late >= LATE_MAX) {
        redis_link_fail(r->link, "it does not answer in time");
    }
}

// ── operations ──

static int get(struct cache *cache, struct cache_lookup *lookup, struct bytes **ret)
{
    struct redis *r = redis_of(cache);
    *ret = NULL;
    if (r->state == AWAY && loop_now_us(r->loop) >= r->not_before_us) {
        look_for_it(r);
    }
    char key[80];
    key_write(&lookup->key, key);
    struct str words[] = {STR("GET"), str_of(key)};
    struct ask ask = {.what = ASK_GET,
                      .lookup = lookup,
                      .due_us = clock_mono_us() + REDIS_WAIT_US}; // the turn may be old
    // While it is looked for after a failure nobody waits for what is probably still not there.
    bool hopeful = r->state == UP || (r->state == CONNECTING && r->failures == 0);
    if (!hopeful || !command(r, ask, words, ARRAY_SIZE(words))) {
        r->stats.misses++;
        return CACHE_MISS;
    }
    return CACHE_LATER;
}

static void forget(struct cache *cache, struct cache_lookup *lookup)
{
    (void)cache;
    struct ask *ask = lookup->ask;
    if (ask) {
        ask->lookup = NULL;
        lookup->ask = NULL;
    }
}

static void put(struct cache *cache, const struct cache_key *key, const struct cache_policy *policy,
                struct bytes *answer)
{
    struct redis *r = redis_of(cache);
    if (r->state != UP || answer->size > ANSWER_MAX || loop_now_us(r->loop) < r->refused_until_us) {
        return;
    }
    char name[80], ttl[24];
    uint8_t sum[CHECKSUM_SIZE_MAX];
    CLEAN(buf_done) struct buf value = BUF_INIT(HEAD_SIZE + ANSWER_MAX);
    key_write(key, name);
    snprintf(ttl, sizeof ttl, "%lld", (long long)policy->ttl_ms);
    size_t size = checksum_of(CHECKSUM_CRC64NVME, bytes_str(answer), sum);
    buf_add_str(&value, MARK);
    buf_add(&value, sum, size);
    buf_add_str(&value, bytes_str(answer));
    CHECK(value.size == HEAD_SIZE + answer->size);
    struct str words[] = {STR("SET"), str_of(name), buf_str(&value), STR("PX"), str_of(ttl)};
    (void)command(r, (struct ask){.what = ASK_SET}, words, ARRAY_SIZE(words));
}

static void drop(struct cache *cache, struct str space)
{
    (void)cache, (void)space; // other servers may still ask for them; else their time ends
}

static bool relieve(struct cache *cache)
{
    (void)cache;
    return false;
}

static void stats(const struct cache *cache, struct cache_stats *ret)
{
    static const char *const states[] = {"away", "connecting", "ready"};
    const struct redis *r = redis_of(cache);
    *ret = r->stats;
    ret->kind = "redis";
    ret->state = states[r->state];
}

static void close_(struct cache *cache, bool keep)
{
    struct redis *r = redis_of(cache);
    (void)keep;
    timer_stop(r->loop, &r->due);
    timer_stop(r->loop, &r->connect_due);
    redis_link_free(r->link);
    LIST_EACH(ask, &r->asks, struct ask, link)
    {
        free(ask);
    }
    redis_url_done(&r->url);
    free(r);
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

struct cache *cache_redis_new(struct loop *loop, struct pool *pool, struct redis_url *url)
{
    struct redis *r = NEW(struct redis);
    r->base.ops = &ops;
    r->loop = loop;
    r->pool = pool;
    r->url = *url;
    *url = (struct redis_url){0};
    r->due.on_due = lookups_due;
    r->connect_due.on_due = connect_due;
    list_init(&r->asks);
    look_for_it(r);
    return &r->base;
}
