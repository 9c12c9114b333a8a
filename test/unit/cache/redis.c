// SPDX-License-Identifier: Apache-2.0
// The cache in a Redis, against a server made here that does what it is told to: it answers, refuses,
// hangs, lies and goes. Nobody who asks ever fails or waits for long.
#include "cache/redis.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

static struct loop *loop;
static struct pool *pool;

// ── the server ──

#define KEYS 16

static struct fake {
    struct watch listener, client;
    int port;
    redisReader *reader;
    bool hangs;             // reads nothing, says nothing
    const char *ping, *get; // what these are answered with; NULL: as a Redis does
    const char *set;
    int connections, commands;
    char last[64]; // the words of the command before the last PING, GET or SET
    struct {
        char key[80];
        char *value;
        size_t size;
    } kept[KEYS];
    int count;
} fake;

static void fake_say(const void *at, size_t size)
{
    ssize_t sent = send(fake.client.fd, at, size, MSG_NOSIGNAL);
    assert_true(sent == (ssize_t)size || sent < 0); // whoever asked may be gone
}

static void fake_say_text(const char *text)
{
    fake_say(text, strlen(text));
}

static void fake_get(const redisReply *key)
{
    for (int i = 0; i < fake.count; i++) {
        if (strcmp(fake.kept[i].key, key->str) == 0) {
            char head[32];
            snprintf(head, sizeof head, "$%zu\r\n", fake.kept[i].size);
            fake_say_text(head);
            fake_say(fake.kept[i].value, fake.kept[i].size);
            fake_say_text("\r\n");
            return;
        }
    }
    fake_say_text("$-1\r\n");
}

static void fake_set(const redisReply *key, const redisReply *value)
{
    assert_true(fake.count < KEYS);
    snprintf(fake.kept[fake.count].key, sizeof fake.kept[0].key, "%s", key->str);
    fake.kept[fake.count].value = mem_dup_n(value->str, value->len);
    fake.kept[fake.count++].size = value->len;
    fake_say_text("+OK\r\n");
}

static void fake_answer(const redisReply *command)
{
    const char *verb = command->element[0]->str;
    const char *told = strcmp(verb, "PING") == 0  ? fake.ping
                       : strcmp(verb, "GET") == 0 ? fake.get
                       : strcmp(verb, "SET") == 0 ? fake.set
                                                  : NULL;
    fake.commands++;
    if (told) {
        fake_say_text(told);
    } else if (strcmp(verb, "GET") == 0) {
        fake_get(command->element[1]);
    } else if (strcmp(verb, "SET") == 0) {
        assert_int_equal(command->elements, 5);
        assert_string_equal(command->element[3]->str, "PX");
        assert_string_equal(command->element[4]->str, "60000");
        fake_set(command->element[1], command->element[2]);
    } else if (strcmp(verb, "PING") == 0) {
        fake_say_text("+PONG\r\n");
    } else {
        for (size_t i = 0; i < command->elements; i++) {
            size_t size = strlen(fake.last);
            snprintf(fake.last + size, sizeof fake.last - size, "%s ", command->element[i]->str);
        }
        fake_say_text("+OK\r\n");
    }
}

static void fake_hang_up(void)
{
    if (fake.client.added) {
        loop_unwatch(loop, &fake.client);
        close(fake.client.fd);
        redisReaderFree(fake.reader);
        fake.reader = NULL;
    }
}

static void fake_readable(struct watch *watch, uint32_t events)
{
    (void)events;
    char bytes[65536];
    if (fake.hangs) {
        usleep(200); // the loop would spin
        return;
    }
    ssize_t got = recv(watch->fd, bytes, sizeof bytes, 0);
    if (got <= 0) {
        fake_hang_up();
        return;
    }
    redisReaderFeed(fake.reader, bytes, (size_t)got);
    void *command = NULL;
    while (fake.reader && redisReaderGetReply(fake.reader, &command) == REDIS_OK && command) {
        fake_answer(command);
        freeReplyObject(command);
    }
}

static void fake_accept(struct watch *watch, uint32_t events)
{
    (void)events;
    fake_hang_up();
    fake.connections++;
    fake.reader = redisReaderCreate();
    fake.client = (struct watch){.fd = accept(watch->fd, NULL, NULL), .on_ready = fake_readable};
    int on = 1;
    setsockopt(fake.client.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    assert_int_equal(loop_watch(loop, &fake.client, EPOLLIN, NULL), 0);
}

static void fake_start(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)fake.port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    fake.port = ntohs(address.sin_port);
    fake.listener = (struct watch){.fd = fd, .on_ready = fake_accept};
    assert_int_equal(loop_watch(loop, &fake.listener, EPOLLIN, NULL), 0);
}

static void fake_stop(void)
{
    fake_hang_up();
    if (fake.listener.added) {
        loop_unwatch(loop, &fake.listener);
        close(fake.listener.fd);
    }
}

static int setup(void **state)
{
    (void)state;
    log_setup(LOG_DEBUG, false); // what is said of it is read from it
    fake = (struct fake){0};
    assert_int_equal(loop_new(LOOP_REAL, &loop, NULL), 0);
    pool = pool_new(loop, 1);
    fake_start();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_stop();
    for (int i = 0; i < fake.count; i++) {
        free(fake.kept[i].value);
    }
    pool_free(pool);
    loop_free(loop);
    return 0;
}

// ── those who ask ──

struct asked {
    struct cache_lookup lookup;
    bool told;
    char answer[64]; // "": none
};

static void on_found(struct cache_lookup *lookup, struct bytes *answer)
{
    struct asked *asked = CONTAINER_OF(lookup, struct asked, lookup);
    assert_false(asked->told);
    asked->told = true;
    snprintf(asked->answer, sizeof asked->answer, STR_FMT, STR_ARG(bytes_str(answer)));
}

static struct cache_key key_of(int number)
{
    struct cache_key key = {{(uint8_t)number, 1, 2, 3}};
    return key;
}

static void begin(struct cache *cache, int number, struct asked *asked)
{
    struct bytes *answer = NULL;
    *asked = (struct asked){.lookup = {.key = key_of(number), .on_found = on_found}};
    list_init(&asked->lookup.link);
    int rc = cache->ops->get(cache, &asked->lookup, &answer);
    assert_true(rc == CACHE_MISS || rc == CACHE_LATER);
    assert_false(asked->told); // never from inside the call
    asked->told = rc == CACHE_MISS;
}

static const char *get(struct cache *cache, int number)
{
    static struct asked asked;
    begin(cache, number, &asked);
    while (!asked.told) {
        loop_turn(loop, 100);
    }
    return asked.answer;
}

static void put(struct cache *cache, int number, const char *text)
{
    struct cache_key key = key_of(number);
    struct cache_policy policy = {.space = "f", .ttl_ms = 60000};
    struct bytes *answer = bytes_new(str_of(text));
    cache->ops->put(cache, &key, &policy, answer);
    bytes_unref(answer);
}

static const char *state_of(struct cache *cache)
{
    struct cache_stats stats;
    cache->ops->stats(cache, &stats);
    return stats.state;
}

// Asks until it is in this state: nothing else makes it look for the server.
static void until(struct cache *cache, const char *state)
{
    for (int i = 0; strcmp(state_of(cache), state) != 0; i++) {
        assert_true(i < 2000);
        (void)get(cache, 99);
        loop_turn(loop, 5);
    }
}

static struct cache *open_url(const char *form)
{
    struct redis_url url = {0};
    struct err err = {0};
    CLEAN_MEM char *text = mem_printf("redis://%s127.0.0.1:%d%s", form[0] == '/' ? "" : form,
                                      fake.port, form[0] == '/' ? form : "");
    assert_int_equal(redis_url_parse(str_of(text), &url, &err), 0);
    return cache_redis_new(loop, pool, &url);
}

static void close_it(struct cache *cache)
{
    cache->ops->close(cache, true);
}

// ── tests ──

static void test_put_and_found(void **state)
{
    (void)state;
    struct cache *cache = open_url("");
    assert_string_equal(get(cache, 1), ""); // waits for the connection, too
    until(cache, "ready");
    put(cache, 1, "one");
    put(cache, 2, "two");
    assert_string_equal(get(cache, 2), "two");
    assert_string_equal(get(cache, 1), "one");
    assert_string_equal(get(cache, 3), "");
    struct asked many[100];
    for (int i = 0; i < 100; i++) { // of one turn
        begin(cache, i % 4, &many[i]);
    }
    while (!many[99].told) {
        loop_turn(loop, 100);
    }
    for (int i = 0; i < 100; i++) {
        assert_true(many[i].told);
        assert_string_equal(many[i].answer, i % 4 == 1 ? "one" : i % 4 == 2 ? "two" : "");
    }
    assert_int_equal(fake.connections, 1);
    assert_string_equal(fake.last, "");
    close_it(cache);
}

static void test_who_and_which_database(void **state)
{
    (void)state;
    struct cache *cache = open_url("u%40:p%3Aw@");
    until(cache, "ready");
    assert_string_equal(fake.last, "AUTH u@ p:w ");
    close_it(cache);
    fake.last[0] = 0;
    cache = open_url("secret@");
    until(cache, "ready");
    assert_string_equal(fake.last, "AUTH secret ");
    close_it(cache);
    fake.last[0] = 0;
    cache = open_url("/5");
    until(cache, "ready");
    assert_string_equal(fake.last, "SELECT 5 ");
    close_it(cache);
}

static void test_a_wrong_password_is_a_miss(void **state)
{
    (void)state;
    fake.ping = "-NOAUTH Authentication required.\r\n";
    struct cache *cache = open_url("");
    assert_string_equal(get(cache, 1), "");
    until(cache, "away");
    int connections = fake.connections;
    for (int i = 0; i < 100; i++) { // it is not tried again at once
        assert_string_equal(get(cache, 1), "");
    }
    assert_int_equal(fake.connections, connections);
    fake.ping = NULL;
    until(cache, "ready");
    close_it(cache);
}

static void test_it_goes_and_comes_back(void **state)
{
    (void)state;
    struct cache *cache = open_url("");
    until(cache, "ready");
    put(cache, 1, "one");
    assert_string_equal(get(cache, 1), "one");
    fake_stop();
    until(cache, "away");
    for (int i = 0; i < 50; i++) {
        assert_string_equal(get(cache, 1), "");
    }
    put(cache, 2, "lost");
    fake_start();
    until(cache, "ready");
    assert_string_equal(get(cache, 1), "one");
    assert_string_equal(get(cache, 2), "");
    close_it(cache);
}

static void test_it_is_not_there_at_the_start(void **state)
{
    (void)state;
    fake_stop();
    struct cache *cache = open_url("");
    assert_string_equal(get(cache, 1), "");
    until(cache, "away");
    fake_start();
    until(cache, "ready");
    close_it(cache);
}

static void test_nobody_waits_for_one_that_hangs(void **state)
{
    (void)state;
    struct cache *cache = open_url("");
    until(cache, "ready");
    put(cache, 1, "one");
    assert_string_equal(get(cache, 1), "one");
    fake.hangs = true;
    struct asked some[3];
    for (int i = 0; i < 3; i++) {
        begin(cache, 1, &some[i]);
    }
    for (int i = 0; i < 3; i++) {
        while (!some[i].told) {
            loop_turn(loop, 100);
        }
        assert_string_equal(some[i].answer, "");
    }
    until(cache, "away");
    struct cache_stats stats;
    cache->ops->stats(cache, &stats);
    assert_true(stats.late >= 3);
    struct asked next;
    begin(cache, 1, &next);
    assert_true(next.told); // and the next not at all
    fake.hangs = false;
    until(cache, "ready");
    assert_string_equal(get(cache, 1), "one");
    close_it(cache);
}

// The answer of one that gave up is not given to the next.
static void test_a_late_answer_finds_nobody(void **state)
{
    (void)state;
    struct cache *cache = open_url("");
    until(cache, "ready");
    put(cache, 1, "one");
    put(cache, 2, "two");
    assert_string_equal(get(cache, 1), "one");
    fake.hangs = true;
    assert_string_equal(get(cache, 1), "");
    struct asked forgotten;
    begin(cache, 1, &forgotten);
    cache->ops->forget(cache, &forgotten.lookup);
    fake.hangs = false;
    assert_string_equal(get(cache, 2), "two");
    assert_false(forgotten.told);
    assert_int_equal(fake.connections, 1);
    close_it(cache);
}

static void test_a_full_one_still_answers(void **state)
{
    (void)state;
    struct cache *cache = open_url("");
    until(cache, "ready");
    put(cache, 1, "one");
    assert_string_equal(get(cache, 1), "one");
    fake.set = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    put(cache, 2, "two");
    assert_string_equal(get(cache, 2), "");
    int commands = fake.commands;
    put(cache, 3, "three"); // not even tried, for a while
    assert_string_equal(get(cache, 1), "one");
    assert_int_equal(fake.commands, commands + 1);
    assert_string_equal(state_of(cache), "ready");
    close_it(cache);
}

static void test_what_is_no_answer_is_a_miss(void **state)
{
    (void)state;
    static const char *const odd[] = {
        "+OK\r\n",
        ":12\r\n",
        "*1\r\n$1\r\nx\r\n",
        "$0\r\n\r\n",
        "$2\r\nR1\r\n",
        "$11\r\nR1aaaaaaaax\r\n",
        "$9\r\nsomething\r\n",
        "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
    };
    struct cache *cache = open_url("");
    until(cache, "ready");
    for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
        fake.get = odd[i];
        assert_string_equal(get(cache, 1), "");
        assert_string_equal(state_of(cache), "ready");
    }
    static const char *const bad[] = {"?\r\n",
                                      "-LOADING Redis is loading the dataset in memory\r\n",
                                      "$-1\r\n$-1\r\n", "*-5\r\n"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        fake.get = bad[i];
        assert_string_equal(get(cache, 1), "");
        until(cache, "away");
        fake.get = NULL;
        until(cache, "ready");
    }
    close_it(cache);
}

static void test_a_name_that_nobody_has(void **state)
{
    (void)state;
    struct redis_url url = {0};
    assert_int_equal(redis_url_parse(STR("redis://no-such-host.invalid"), &url, NULL), 0);
    struct cache *cache = cache_redis_new(loop, pool, &url);
    assert_string_equal(get(cache, 1), "");
    until(cache, "away");
    close_it(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_put_and_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_and_which_database, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_wrong_password_is_a_miss, setup, teardown),
        cmocka_unit_test_setup_teardown(test_it_goes_and_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_it_is_not_there_at_the_start, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_waits_for_one_that_hangs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_late_answer_finds_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_full_one_still_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_no_answer_is_a_miss, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_name_that_nobody_has, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
