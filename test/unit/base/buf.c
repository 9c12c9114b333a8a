// SPDX-License-Identifier: Apache-2.0
// Growing bytes: what is added is there, and nothing passes the maximum.
#include "base/buf.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static void test_add(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf buf = BUF_INIT(1000);
    assert_string_equal(buf_text(&buf), "");
    buf_add_text(&buf, "a");
    buf_add_char(&buf, 0);
    buf_add_str(&buf, STR("bc"));
    buf_add_str(&buf, (struct str){0});
    buf_add(&buf, NULL, 0);
    buf_printf(&buf, "%d-%s", 12, "x");
    buf_printf(&buf, "%s", "");
    assert_true(buf_ok(&buf));
    assert_int_equal(buf.size, 8);
    assert_memory_equal(buf.at, "a\0bc12-x", 9); // the NUL that is not counted, too
}

static void test_maximum(void **state)
{
    (void)state;
    for (size_t max = 0; max < 70; max++) {
        CLEAN(buf_done) struct buf buf = BUF_INIT(max);
        for (size_t i = 0; i < max; i++) {
            buf_add_char(&buf, 'x');
        }
        assert_true(buf_ok(&buf));
        assert_int_equal(buf.size, max);
        assert_int_equal(strlen(buf_text(&buf)), max);
        buf_add_char(&buf, 'y');
        assert_false(buf_ok(&buf));
        buf_add(&buf, "", 0); // nothing is added any more
        assert_false(buf_ok(&buf));
        assert_int_equal(buf.size, max);
        buf_clear(&buf);
        assert_true(buf_ok(&buf));
        assert_int_equal(buf.size, 0);
        assert_string_equal(buf_text(&buf), "");
    }
}

static void test_too_much(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf buf = BUF_INIT(10);
    buf_add_text(&buf, "12345");
    assert_null(buf_reserve(&buf, SIZE_MAX));
    assert_false(buf_ok(&buf));
    buf_clear(&buf);
    buf_printf(&buf, "%020d", 1);
    assert_false(buf_ok(&buf));
    assert_int_equal(buf.size, 0);
    buf_clear(&buf);
    assert_non_null(buf_reserve(&buf, 10));
    assert_null(buf_reserve(&buf, 11));
}

static void test_no_maximum(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf buf = BUF_INIT(SIZE_MAX);
    buf_add_text(&buf, "abc");
    assert_true(buf_ok(&buf));
    assert_string_equal(buf_text(&buf), "abc");
}

static void test_reserve(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf buf = BUF_INIT(1000);
    char *to = buf_reserve(&buf, 500);
    memcpy(to, "hello", 5);
    buf_took(&buf, 5);
    buf_add_char(&buf, '!');
    assert_string_equal(buf_text(&buf), "hello!");
}

static void test_steal(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf buf = BUF_INIT(10);
    CLEAN_MEM char *nothing = buf_steal(&buf);
    assert_string_equal(nothing, "");
    buf_add_text(&buf, "abc");
    CLEAN_MEM char *text = buf_steal(&buf);
    assert_string_equal(text, "abc");
    assert_int_equal(buf.size, 0);
    buf_add_text(&buf, "0123456789"); // as good as new
    assert_true(buf_ok(&buf));
    buf_add_text(&buf, "0");
    assert_false(buf_ok(&buf));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),      cmocka_unit_test(test_maximum),
        cmocka_unit_test(test_too_much), cmocka_unit_test(test_no_maximum),
        cmocka_unit_test(test_reserve),  cmocka_unit_test(test_steal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
