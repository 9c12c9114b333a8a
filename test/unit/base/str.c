// SPDX-License-Identifier: Apache-2.0
// Views of bytes: comparing, cutting, finding, converting.
#include "base/str.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static void is(struct str s, const char *text)
{
    CLEAN_MEM char *copy = str_dup(s);
    assert_string_equal(copy, text);
    assert_int_equal(s.size, strlen(text));
}

static void test_compare(void **state)
{
    (void)state;
    struct str none = {0};
    assert_true(str_eq(none, STR("")));
    assert_true(str_eq(STR("a\0b"), str_n("a\0b", 3)));
    assert_false(str_eq(STR("a\0b"), STR("a\0c")));
    assert_false(str_eq(STR("ab"), STR("abc")));
    assert_true(str_eq_nocase(STR("Content-MD5"), STR("content-md5")));
    assert_false(str_eq_nocase(STR("a"), STR("ab")));
    assert_true(str_eq_nocase(none, none));
    assert_true(str_cmp(STR("a"), STR("b")) < 0);
    assert_true(str_cmp(STR("ab"), STR("a")) > 0);
    assert_true(str_cmp(STR("\xff"), STR("a")) > 0); // bytes are not signed
    assert_int_equal(str_cmp(none, STR("")), 0);
    assert_true(str_cmp(none, STR("a")) < 0);
}

static void test_parts(void **state)
{
    (void)state;
    assert_true(str_starts(STR("abc"), STR("ab")));
    assert_true(str_starts(STR("abc"), STR("")));
    assert_false(str_starts(STR("a"), STR("ab")));
    assert_true(str_ends(STR("abc"), STR("bc")));
    assert_false(str_ends(STR("c"), STR("bc")));
    is(str_skip(STR("abc"), 1), "bc");
    is(str_skip(STR("abc"), 9), "");
    is(str_head(STR("abc"), 2), "ab");
    is(str_head(STR("abc"), 9), "abc");
    is(str_skip((struct str){0}, 1), "");
    is(str_trim(STR(" \t\r\n a b \v\f")), "a b");
    is(str_trim(STR(" \n ")), "");
    assert_int_equal(str_find(STR("abcb"), 'b'), 1);
    assert_int_equal(str_find(STR("abc"), 'x'), -1);
    assert_int_equal(str_find((struct str){0}, 'x'), -1);
    assert_int_equal(str_find_str(STR("aabab"), STR("bab")), 2);
    assert_int_equal(str_find_str(STR("ab"), STR("abc")), -1);
    assert_int_equal(str_find_str((struct str){0}, STR("a")), -1);
    assert_int_equal(str_find_str(STR("ab"), STR("")), 0);
}

static void test_cut(void **state)
{
    (void)state;
    struct str rest = STR("a,,b,");
    is(str_cut(&rest, ','), "a");
    is(str_cut(&rest, ','), "");
    is(str_cut(&rest, ','), "b");
    assert_non_null(rest.at); // an empty part follows the last comma
    is(str_cut(&rest, ','), "");
    assert_null(rest.at);
    rest = STR("");
    is(str_cut(&rest, ','), "");
    assert_null(rest.at);
}

static void test_u64(void **state)
{
    (void)state;
    uint64_t u = 7;
    assert_true(str_to_u64(STR("0"), &u));
    assert_int_equal(u, 0);
    assert_true(str_to_u64(STR("18446744073709551615"), &u));
    assert_true(u == UINT64_MAX);
    u = 7;
    static const char *const bad[] = {"",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "0x1",
                                      "1.0",
                                      "1e3",
                                      "18446744073709551616",
                                      "99999999999999999999999"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_false(str_to_u64(str_of(bad[i]), &u));
    }
    assert_false(str_to_u64(STR("1\0"), &u));
    assert_int_equal(u, 7);
}

static void test_i64(void **state)
{
    (void)state;
    int64_t i = 7;
    assert_true(str_to_i64(STR("-9223372036854775808"), &i));
    assert_true(i == INT64_MIN);
    assert_true(str_to_i64(STR("9223372036854775807"), &i));
    assert_true(i == INT64_MAX);
    assert_true(str_to_i64(STR("-0"), &i));
    assert_int_equal(i, 0);
    i = 7;
    static const char *const bad[] = {
        "", "-", "--1", "- 1", "9223372036854775808", "-9223372036854775809"};
    for (size_t n = 0; n < ARRAY_SIZE(bad); n++) {
        assert_false(str_to_i64(str_of(bad[n]), &i));
    }
    assert_int_equal(i, 7);
}

static void test_double(void **state)
{
    (void)state;
    double d = 7;
    assert_true(str_to_double(STR("-1.5e3"), &d));
    assert_true(d == -1500);
    assert_true(str_to_double(str_n("0.25xyz", 4), &d)); // no further than the view
    assert_true(d == 0.25);
    d = 7;
    static const char *const bad[] = {"", " 1", "1 ", "nan", "inf", "1e999", "0x10", "1.2.3", "-"};
    for (size_t n = 0; n < ARRAY_SIZE(bad); n++) {
        assert_false(str_to_double(str_of(bad[n]), &d));
    }
    assert_false(str_to_double(STR("1\0x"), &d));
    CLEAN_MEM char *digits = mem_printf("%0100d", 1);
    assert_false(str_to_double(str_of(digits), &d)); // nobody writes numbers that long
    assert_true(d == 7);
}

static void test_pack(void **state)
{
    (void)state;
    char text[] = "alpha";
    struct str a = str_of(text), none = {0}, empty = STR("");
    struct str *const views[] = {&a, &none, &empty};
    CLEAN_MEM char *block = str_pack(views, ARRAY_SIZE(views));
    memset(text, 'x', sizeof text);
    is(a, "alpha");
    assert_true(a.at[a.size] == 0);
    assert_null(none.at);
    assert_non_null(empty.at);
    assert_true(empty.at > block && empty.at[0] == 0);
}

static void test_hash(void **state)
{
    (void)state;
    assert_true(str_hash(STR("a")) == str_hash(STR("a")));
    assert_true(str_hash(STR("a")) != str_hash(STR("b")));
    assert_true(str_hash(STR("a")) != str_hash(STR("a\0")));
    assert_true(str_hash((struct str){0}) == str_hash(STR("")));
    assert_non_null(str_not_null((struct str){0}).at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare), cmocka_unit_test(test_parts), cmocka_unit_test(test_cut),
        cmocka_unit_test(test_u64),     cmocka_unit_test(test_i64),   cmocka_unit_test(test_double),
        cmocka_unit_test(test_pack),    cmocka_unit_test(test_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
