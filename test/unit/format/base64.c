// SPDX-License-Identifier: Apache-2.0
#include "format/base64.h"
#include "files.h"

static void test_rfc_vectors(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    struct err err = {0};
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        CLEAN(buf_done) struct buf out = BUF_INIT(100);
        base64_add(&out, pairs[i][0], strlen(pairs[i][0]));
        assert_buf(&out, pairs[i][1]);
        buf_clear(&out);
        assert_ok(base64_decode(str_of(pairs[i][1]), &out, &err), err);
        assert_buf(&out, pairs[i][0]);
    }
}

static void test_all_bytes(void **state)
{
    (void)state;
    struct err err = {0};
    uint8_t bytes[256], again[256];
    for (int i = 0; i < 256; i++) {
        bytes[i] = (uint8_t)i;
    }
    for (size_t size = 250; size <= 256; size++) {
        char text[BASE64_SIZE(256) + 1];
        base64_write(bytes, size, text);
        assert_int_equal(strlen(text), BASE64_SIZE(size));
        assert_ok(base64_decode_exact(str_of(text), again, size, &err), err);
        assert_memory_equal(bytes, again, size);
    }
}

static void test_bad(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"Zg=", "multiple of 4"}, {"Zg", "multiple of 4"},    {"Zh==", "offset 1"},
        {"Zm9=", "offset 2"},     {"Z===", "offset 1"},       {"====", "offset 0"},
        {"Zm 9", "offset 2"},     {"Zm-_", "offset 2"},       {"Zg==Zg==", "offset 2"},
        {"Zm9v\n", "multiple"},   {"Zm9vZm9\xff", "offset 7"}};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct err err = {0};
        CLEAN(buf_done) struct buf out = BUF_INIT(100);
        buf_add_text(&out, "before");
        assert_err(base64_decode(str_of(bad[i][0]), &out, &err), ERR_INVALID, err, bad[i][1]);
        assert_buf(&out, "before");
    }
}

static void test_limits(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(buf_done) struct buf out = BUF_INIT(5);
    assert_err(base64_decode(STR("Zm9vYmFy"), &out, &err), ERR_LIMIT, err, "5 bytes");
    assert_true(buf_ok(&out));
    uint8_t four[4];
    assert_err(base64_decode_exact(STR("Zm9v"), four, 4, &err), ERR_INVALID, err, "3 bytes");
    assert_ok(base64_decode_exact(STR("AAAAAA=="), four, 4, &err), err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc_vectors),
        cmocka_unit_test(test_all_bytes),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
