// SPDX-License-Identifier: Apache-2.0
// Whole small files: read up to a limit, replaced in one step, folders made on the way.
#include "base/file.h"
#include "base/mem.h"

#include <sys/stat.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/rouse-file-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    const char *const names[] = {"a", "d/e/f", "d/e", "d", ""};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CLEAN_MEM char *path = mem_printf("%s/%s", dir, names[i]);
        remove(path);
    }
    return access(dir, F_OK) < 0 ? 0 : -1; // nothing else was left there
}

static void test_write_read(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN_MEM char *path = mem_printf("%s/a", dir);
    assert_int_equal(file_write(path, STR("one"), 0600, &err), 0);
    assert_int_equal(file_write(path, STR("two\0!"), 0600, &err), 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    CLEAN(buf_done) struct buf out = BUF_INIT(100);
    buf_add_text(&out, "> ");
    assert_int_equal(file_read(path, &out, &err), 0);
    assert_int_equal(out.size, 7);
    assert_memory_equal(out.at, "> two\0!", 7);
}

static void test_failures(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN_MEM char *path = mem_printf("%s/a", dir);
    CLEAN(buf_done) struct buf out = BUF_INIT(3);
    assert_int_equal(file_read(path, &out, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(file_read(dir, &out, &err), ERR_IO);
    assert_int_equal(file_write(path, STR("four"), 0600, &err), 0);
    assert_int_equal(file_read(path, &out, &err), ERR_LIMIT);
    assert_non_null(strstr(err.text, path));
    CLEAN_MEM char *nowhere = mem_printf("%s/b/c", dir);
    assert_int_equal(file_write(nowhere, STR("x"), 0600, &err), ERR_IO);
    assert_non_null(strstr(err.text, nowhere));
}

static void test_dirs(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN_MEM char *path = mem_printf("%s/d/e/f", dir);
    assert_int_equal(file_make_dir(path, 0700, &err), 0);
    assert_int_equal(file_make_dir(path, 0700, &err), 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    CLEAN_MEM char *file = mem_printf("%s/a", dir);
    CLEAN_MEM char *below = mem_printf("%s/a/b", dir);
    assert_int_equal(file_write(file, STR("x"), 0600, &err), 0);
    assert_true(file_make_dir(below, 0700, &err) < 0);
    assert_true(file_make_dir(file, 0700, &err) < 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_write_read),
        TEST(test_failures),
        TEST(test_dirs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
