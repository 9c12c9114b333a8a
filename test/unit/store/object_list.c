// SPDX-License-Identifier: Apache-2.0
// Listings: order, prefixes, roll-ups, pages that join without a gap or a double, and a comparison
// with a plain walk over all keys.
#include "tables.h"

static struct buf seen = BUF_INIT(1 << 20);

static void object_seen(void *ctx, const struct object *object)
{
    buf_printf(ctx, STR_FMT " ", STR_ARG(object->key));
}

static void prefix_seen(void *ctx, struct str prefix)
{
    buf_printf(ctx, "[" STR_FMT "] ", STR_ARG(prefix));
}

static const char *list(const char *prefix, const char *delimiter, const char *after, int max)
{
    struct object_list list = {
        STR("b"), str_of(prefix), str_of(delimiter), str_of(after),
        max,      object_seen,    prefix_seen,       &seen,
    };
    CLEAN(buf_done) struct buf last = BUF_INIT(2000);
    buf_clear(&seen);
    int rc = object_list(db, &list, &last, &err);
    assert_true(rc >= 0);
    assert_int_equal(rc == 1, last.size > 0);
    if (rc == 1) {
        buf_printf(&seen, "... %s", buf_text(&last));
    }
    return buf_text(&seen);
}

static void some_make(void)
{
    bucket_make("b");
    const char *const keys[] = {"z",          "a/1", "a/2",  "a/b/3",           "a", "a-0", "b/",
                                "\xc3\xa9/x", "Z",   "b//c", "\xf0\x9f\x90\xb1"};
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        object_make("b", keys[i]);
    }
    bucket_make("c"); // neighbours must not show
    object_make("c", "a/other");
}

static void keys_come_in_byte_order(void **state)
{
    (void)state;
    some_make();
    assert_string_equal(list("", "", "", 100), "Z a a-0 a/1 a/2 a/b/3 b/ b//c z \xc3\xa9/x "
                                               "\xf0\x9f\x90\xb1 ");
    assert_string_equal(list("a/", "", "", 100), "a/1 a/2 a/b/3 ");
    assert_string_equal(list("nothing", "", "", 100), "");
    assert_string_equal(list("", "", "a/2", 2), "a/b/3 b/ ... b/");
    assert_string_equal(list("a/", "", "z", 2), "");
    assert_string_equal(list("", "", "", 0), "");
}

static void keys_are_rolled_up(void **state)
{
    (void)state;
    some_make();
    assert_string_equal(list("", "/", "", 100),
                        "Z a a-0 [a/] [b/] z [\xc3\xa9/] \xf0\x9f\x90\xb1 ");
    assert_string_equal(list("a/", "/", "", 100), "a/1 a/2 [a/b/] ");
    assert_string_equal(list("b/", "/", "", 100), "b/ [b//] ");
    assert_string_equal(list("", "a/", "", 100),
                        "Z a a-0 [a/] b/ b//c z \xc3\xa9/x \xf0\x9f\x90\xb1 ");
    assert_string_equal(list("", "/", "a/", 2), "[b/] z ... z");      // after all of a/
    assert_string_equal(list("", "/", "a/1", 2), "[a/] [b/] ... b/"); // in the middle of it
}

static void bucket_must_be_there(void **state)
{
    (void)state;
    struct object_list list = {.bucket = STR("b"), .max = 5};
    struct buf last = BUF_INIT(10);
    assert_int_equal(object_list(db, &list, &last, &err), ERR_NOT_FOUND);
}

// Page by page: the same as all at once.
static void pages_assert(const char *prefix, const char *delimiter, int max)
{
    CLEAN_MEM char *whole = mem_dup(list(prefix, delimiter, "", 100000));
    CLEAN(buf_done) struct buf joined = BUF_INIT(1 << 20);
    CLEAN_MEM char *after = mem_dup("");
    for (;;) {
        const char *page = list(prefix, delimiter, after, max);
        const char *more = strstr(page, "... ");
        buf_add(&joined, page, more ? (size_t)(more - page) : strlen(page));
        if (!more) {
            break;
        }
        free(after);
        after = mem_dup(more + 4);
    }
    assert_string_equal(buf_text(&joined), whole);
}

static void pages_join(void **state)
{
    (void)state;
    bucket_make("b");
    assert_int_equal(db_exec(db, "BEGIN", &err), 0);
    unsigned random = 7;
    for (int i = 0; i < 600; i++) {
        char key[16];
        size_t size = 1 + i % 7;
        for (size_t j = 0; j < size; j++) {
            random = random * 1103515245 + 12345;
            key[j] = "ab/0"[(random >> 16) % 4];
        }
        key[size] = 0;
        object_make("b", key);
    }
    assert_int_equal(db_exec(db, "COMMIT", &err), 0);
    const char *const prefixes[] = {"", "a", "a/", "/", "b/a", "//"};
    const char *const delimiters[] = {"", "/", "b", "a/"};
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(delimiters); j++) {
            pages_assert(prefixes[i], delimiters[j], 1);
            pages_assert(prefixes[i], delimiters[j], 7);
        }
    }
}

static int seen_done(void **state)
{
    (void)state;
    buf_done(&seen);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_come_in_byte_order),
        TEST(keys_are_rolled_up),
        TEST(bucket_must_be_there),
        TEST(pages_join),
    };
    return cmocka_run_group_tests(tests, NULL, seen_done);
}
