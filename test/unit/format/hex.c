// SPDX-License-Identifier: Apache-2.0
#include "format/hex.h"
#include "files.h"

static void test_write(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf out = BUF_INIT(100);
    hex_add(&out, "\x00\x7f\x80\xff", 4);
    hex_add(&out, "", 0);
    assert_buf(&out, "007f80ff");
}

static void test_overflow(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf out = BUF_INIT(7);
    hex_add(&out, "\x00\x7f\x80\xff", 4);
    assert_false(buf_ok(&out));
    hex_add(&out, "", SIZE_MAX); // not even looked at
    assert_int_equal(out.size, 0);
}

static void test_read(void **state)
{
    (void)state;
    struct err err = {0};
    uint8_t bytes[4];
    assert_ok(hex_decode(STR("007F80fF"), bytes, 4, &err), err);
    assert_memory_equal(bytes, "\x00\x7f\x80\xff", 4);
    assert_ok(hex_decode(STR(""), bytes, 0, &err), err);
}

static void test_read_bad(void **state)
{
    (void)state;
    struct err err = {0};
    uint8_t bytes[4];
    assert_err(hex_decode(STR("007f80"), bytes, 4, &err), ERR_INVALID, err, "expected 8");
    assert_err(hex_decode(STR("007f80ff1"), bytes, 4, &err), ERR_INVALID, err, "got 9");
    assert_err(hex_decode(STR("007g80ff"), bytes, 4, &err), ERR_INVALID, err, "offset 3");
    assert_err(hex_decode(STR("0x7f80ff"), bytes, 4, &err), ERR_INVALID, err, "offset 1");
    assert_err(hex_decode(STR(" 07f80ff"), bytes, 4, &err), ERR_INVALID, err, "offset 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_read_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
