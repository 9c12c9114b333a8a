// SPDX-License-Identifier: Apache-2.0
// Durations, sizes, truth values, addresses and guesses at misspelt words.
#include "config/quantity.h"
#include "base/mem.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static void test_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
        const char *shortest;
    } cases[] = {
        {"0", 0, "0"},           {"60s", 60000, "1m"},     {"5m", 300000, "5m"},
        {"500ms", 500, "500ms"}, {"1.5s", 1500, "1500ms"}, {"2h", 7200000, "2h"},
        {"90", 90000, "90s"},    {"7d", 604800000, "7d"},  {"10 s", 10000, "10s"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int64_t ms = -1;
        assert_int_equal(duration_parse(str_of(cases[i].text), &ms, NULL), 0);
        assert_int_equal(ms, cases[i].ms);
        CLEAN(buf_done) struct buf out = BUF_INIT(64);
        duration_add(&out, ms);
        assert_string_equal(buf_text(&out), cases[i].shortest);
    }
}

static void test_bad_durations(void **state)
{
    (void)state;
    static const char *const cases[] = {"",          "s",   "-1s", "5x", "1.2.3s",
                                        "5 minutes", "1e3", ".",   "m5"};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int64_t ms = -7;
        struct err err = {0};
        assert_int_equal(duration_parse(str_of(cases[i]), &ms, &err), ERR_INVALID);
        assert_int_equal(ms, -7);
        assert_non_null(strstr(err.text, "not a duration"));
    }
    int64_t ms = 0;
    assert_int_equal(duration_parse(STR("999999999999999999999d"), &ms, NULL), ERR_LIMIT);
}

static void test_since(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"10m", 1000000000000 - 600000},         {"2026-01-02T03:04:05", 1767323045000},
        {"2026-01-02T03:04:05Z", 1767323045000}, {"2026-01-02T03:04:05.678Z", 1767323045000},
        {"2026-01-02 03:04:05", 1767323045000},  {"2026-01-02", 1767312000000},
        {"1767323045000", 1767323045000},        {"1970-01-01", 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int64_t ms = -1;
        assert_int_equal(since_parse(str_of(cases[i].text), 1000000000000, &ms, NULL), 0);
        assert_int_equal(ms, cases[i].ms);
    }
    static const char *const bad[] = {"",           "yesterday", "2026-13-02", "2026-01-02T",
                                      "10 minutes", "-5m"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        int64_t ms = -1;
        struct err err = {0};
        assert_int_equal(since_parse(str_of(bad[i]), 0, &ms, &err), ERR_INVALID);
        assert_int_equal(ms, -1);
    }
}

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
        const char *shortest;
    } cases[] = {
        {"300", 300, "300B"},
        {"64KiB", 65536, "64KiB"},
        {"6MiB", 6291456, "6MiB"},
        {"1GB", 1000000000, "1000000000B"},
        {"1.5KiB", 1536, "1536B"},
        {"10GiB", 10737418240, "10GiB"},
        {"5kB", 5000, "5000B"},
        {"2TiB", 2199023255552, "2TiB"},
        {"0", 0, "0"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t bytes = 1;
        assert_int_equal(size_parse(str_of(cases[i].text), &bytes, NULL), 0);
        assert_int_equal(bytes, cases[i].bytes);
        CLEAN(buf_done) struct buf out = BUF_INIT(64);
        size_add(&out, bytes);
        assert_string_equal(buf_text(&out), cases[i].shortest);
    }
    static const char *const bad[] = {"", "MiB", "-5", "5M", "5 apples", "1..2GB"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        uint64_t bytes = 1;
        assert_int_equal(size_parse(str_of(bad[i]), &bytes, NULL), ERR_INVALID);
    }
}

static void test_human_sizes(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {{0, "0 B"},       {999, "999 B"},      {1234, "1.2 kB"},     {132456, "132 kB"},
                 {999600, "1 MB"}, {12345678, "12 MB"}, {9960000000, "10 GB"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEAN(buf_done) struct buf out = BUF_INIT(64);
        size_add_human(&out, cases[i].bytes);
        assert_string_equal(buf_text(&out), cases[i].text);
    }
}

static void test_bools(void **state)
{
    (void)state;
    bool truth = false;
    assert_int_equal(bool_parse(STR("Yes"), &truth, NULL), 0);
    assert_true(truth);
    assert_int_equal(bool_parse(STR("off"), &truth, NULL), 0);
    assert_false(truth);
    assert_int_equal(bool_parse(STR("maybe"), &truth, NULL), ERR_INVALID);
    assert_int_equal(bool_parse(STR(""), &truth, NULL), ERR_INVALID);
}

static void test_addresses(void **state)
{
    (void)state;
    static const char *const good[] = {"127.0.0.1:4566", "[::1]:0", ":80", "localhost:65535"};
    static const char *const bad[] = {"",   "4566",    "127.0.0.1", "::1:80", "a b:80",
                                      "x:", "x:70000", "x:8x",      "[]:1:2"};
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_int_equal(address_parse(str_of(good[i]), NULL), 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(address_parse(str_of(bad[i]), NULL), ERR_INVALID);
    }
}

static void test_nearest_word(void **state)
{
    (void)state;
    static const char *const words[] = {"handler", "events", "timeout", "memorySize",
                                        "description"};
    static const struct {
        const char *word, *meant; // NULL: nothing is near
    } cases[] = {
        {"handlr", "handler"},
        {"evnets", "events"},
        {"TIMEOUT", "timeout"},
        {"memorysize", "memorySize"},
        {"mem", "memorySize"},
        {"desc", "description"},
        {"banana", NULL},
        {"x", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *got = nearest_word(str_of(cases[i].word), words, ARRAY_SIZE(words));
        if (cases[i].meant) {
            assert_non_null(got);
            assert_string_equal(got, cases[i].meant);
        } else {
            assert_null(got);
        }
    }
    char longer[200];
    memset(longer, 'e', sizeof longer);
    assert_null(nearest_word(str_n(longer, sizeof longer), words, ARRAY_SIZE(words)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations),   cmocka_unit_test(test_bad_durations),
        cmocka_unit_test(test_since),       cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_human_sizes), cmocka_unit_test(test_bools),
        cmocka_unit_test(test_addresses),   cmocka_unit_test(test_nearest_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
