// SPDX-License-Identifier: Apache-2.0
// redis:// and rediss:// taken apart, and what is none.
#include "format/redis_url.h"
#include "base/mem.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static void test_good(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *user, *password;
        int port, db;
        bool tls;
    } rows[] = {
        {"redis://localhost", "localhost", NULL, NULL, 6379, 0, false},
        {"redis://10.1.2.3:7000/3", "10.1.2.3", NULL, NULL, 7000, 3, false},
        {"rediss://cache.example.org/", "cache.example.org", NULL, NULL, 6379, 0, true},
        {"redis://[::1]", "::1", NULL, NULL, 6379, 0, false},
        {"redis://[::1]:6380/1", "::1", NULL, NULL, 6380, 1, false},
        {"redis://secret@h", "h", NULL, "secret", 6379, 0, false},
        {"redis://:secret@h", "h", NULL, "secret", 6379, 0, false},
        {"redis://me:se:cret@h:1", "h", "me", "se:cret", 1, 0, false},
        {"redis://me:a@b@h", "h", "me", "a@b", 6379, 0, false},
        {"redis://m%40e:%2F%3a@h", "h", "m@e", "/:", 6379, 0, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEAN(redis_url_done) struct redis_url url = {0};
        struct err err = {0};
        if (redis_url_parse(str_of(rows[i].text), &url, &err) < 0) {
            fail_msg("%s: %s", rows[i].text, err.text);
        }
        assert_string_equal(url.host, rows[i].host);
        assert_string_equal(url.user ? url.user : "-", rows[i].user ? rows[i].user : "-");
        assert_string_equal(url.password ? url.password : "-",
                            rows[i].password ? rows[i].password : "-");
        assert_int_equal(url.port, rows[i].port);
        assert_int_equal(url.db, rows[i].db);
        assert_int_equal(url.tls, rows[i].tls);
    }
}

static void test_bad(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "redis",
        "redis:/h",
        "http://h",
        "REDIS://h",
        "redis://",
        "redis:///1",
        "redis://:6379",
        "redis://h:",
        "redis://h:0",
        "redis://h:65536",
        "redis://h:6x",
        "redis://h/x",
        "redis://h/-1",
        "redis://h/1/2",
        "redis://h/65536",
        "redis://h?db=1",
        "redis://h#1",
        "redis://@h",
        "redis://me:@h",
        "redis://p%zz-hidden@h",
        "redis://p%00-hidden@h",
        "redis://[::1",
        "redis://[::1]6379",
        "redis://[]",
        "redis://::1",
        "redis://a b",
        "redis://hidden@a/b@c",
        "redis://pass/hidden@h",
        "redis://user:hidden",
        "redis://hidden!",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        CLEAN(redis_url_done) struct redis_url url = {0};
        struct err err = {0};
        if (redis_url_parse(str_of(bad[i]), &url, &err) != ERR_INVALID) {
            fail_msg("%s was taken", bad[i]);
        }
        assert_null(strstr(err.text, "hidden")); // a password is never told
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
