// SPDX-License-Identifier: Apache-2.0
#include "format/utf8.h"
#include "files.h"

static void test_good(void **state)
{
    (void)state;
    assert_int_equal(utf8_next(STR("a")), 1);
    assert_int_equal(utf8_next(STR("\xc2\x80")), 2);
    assert_int_equal(utf8_next(STR("\xe0\xa0\x80")), 3);
    assert_int_equal(utf8_next(STR("\xed\x9f\xbf")), 3);
    assert_int_equal(utf8_next(STR("\xf0\x90\x80\x80")), 4);
    assert_int_equal(utf8_next(STR("\xf4\x8f\xbf\xbf")), 4);
    assert_true(utf8_ok(STR("gr\xc3\xbc\xc3\x9f \xe2\x82\xac")));
    assert_true(utf8_ok((struct str){0}));
    assert_int_equal(utf8_next(str_n("", 1)), 1); // NUL is a character
}

static void test_bad(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",         "\xc0\x80",         "\xc1\xbf",         "\xc3",
        "\xe0\x9f\xbf", "\xed\xa0\x80",     "\xe2\x82",         "\xe2\x28\xa1",
        "\xff",         "\xf0\x8f\xbf\xbf", "\xf5\x80\x80\x80", "\xf4\x90\x80\x80",
        "\xf0\x90\x80"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(utf8_next(str_of(bad[i])), 0);
        assert_false(utf8_ok(str_of(bad[i])));
    }
    assert_int_equal(utf8_next((struct str){0}), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_bad)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
