// SPDX-License-Identifier: Apache-2.0
// Packages: which files, and that the same files give the same bytes.
#include "cli/package.h"
#include "base/file.h"
#include "base/mem.h"

#include <ftw.h>
#include <stdarg.h>
#include <setjmp.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>
#include <cmocka.h>

static char home[64];

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st, (void)kind, (void)walk;
    return remove(path);
}

static void put(const char *name, const char *text)
{
    CLEAN_MEM char *path = mem_printf("%s/%s", home, name);
    CLEAN_MEM char *folder = mem_dup(path);
    *strrchr(folder, '/') = 0;
    assert_int_equal(file_make_dir(folder, 0755, NULL), 0);
    assert_int_equal(file_write(path, str_of(text), 0644, NULL), 0);
}

static int setup(void **state)
{
    (void)state;
    snprintf(home, sizeof home, "/tmp/rouse-package-XXXXXX");
    assert_non_null(mkdtemp(home));
    put("model.yaml", "task: tensor\n");
    put("b.txt", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
    put("a/z.txt", "z");
    put("a/y.onnx", "model");
    put(".env", "SECRET=1");
    put(".git/config", "x");
    put(".serverless/old.zip", "x");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return nftw(home, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void expect_names(const char *const *patterns, size_t count, const char *want)
{
    CLEAN(package_list_done) struct package_list list = {0};
    CLEAN(buf_done) struct buf names = BUF_INIT(4096);
    assert_int_equal(package_list(home, patterns, count, &list, NULL), 0);
    for (size_t i = 0; i < list.count; i++) {
        buf_printf(&names, "%s ", list.files[i].name);
    }
    assert_string_equal(buf_text(&names), want);
}

static void test_patterns(void **state)
{
    (void)state;
    expect_names(NULL, 0, ".env a/y.onnx a/z.txt b.txt model.yaml ");
    static const char *const some[] = {"!**", "model.yaml", "a/**"};
    expect_names(some, 3, "a/y.onnx a/z.txt model.yaml ");
    static const char *const order[] = {"!a/**", "a/z.txt", "!.env"};
    expect_names(order, 3, "a/z.txt b.txt model.yaml ");
}

static void test_nothing_left(void **state)
{
    (void)state;
    static const char *const none[] = {"!**"};
    CLEAN(package_list_done) struct package_list list = {0};
    struct err err = {0};
    assert_int_equal(package_list(home, none, 1, &list, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "matches the package patterns"));
    assert_int_equal(package_list("/nowhere/at/all", NULL, 0, &list, NULL), ERR_IO);
}

static void hash_of_package(const char *zip, char hash[45])
{
    static const char *const patterns[] = {"!*.zip"};
    CLEAN(package_list_done) struct package_list list = {0};
    CLEAN_MEM char *path = mem_printf("%s/%s", home, zip);
    uint64_t size = 0;
    assert_int_equal(package_list(home, patterns, 1, &list, NULL), 0);
    assert_int_equal(package_write(home, &list, path, NULL), 0);
    assert_int_equal(package_hash(path, hash, &size, NULL), 0);
    assert_true(size > 100);
}

static void test_deterministic(void **state)
{
    (void)state;
    char first[45], second[45], third[45];
    hash_of_package("one.zip", first);
    CLEAN_MEM char *path = mem_printf("%s/b.txt", home);
    struct utimbuf other = {.actime = 1000000000, .modtime = 1000000000};
    assert_int_equal(utime(path, &other), 0);
    hash_of_package(".serverless/two.zip", second);
    assert_string_equal(first, second);
    put("b.txt", "changed");
    hash_of_package("three.zip", third);
    assert_string_not_equal(first, third);
}

static void test_executable(void **state)
{
    (void)state;
    char first[45], second[45];
    hash_of_package("one.zip", first);
    CLEAN_MEM char *path = mem_printf("%s/b.txt", home);
    assert_int_equal(chmod(path, 0755), 0);
    hash_of_package("two.zip", second);
    assert_string_not_equal(first, second);
}

static void test_bad_places(void **state)
{
    (void)state;
    CLEAN(package_list_done) struct package_list list = {0};
    char hash[45];
    uint64_t size = 0;
    assert_int_equal(package_list(home, NULL, 0, &list, NULL), 0);
    assert_int_equal(package_write(home, &list, "/proc/no/zip.zip", NULL), ERR_IO);
    assert_int_equal(package_hash("/nowhere", hash, &size, NULL), ERR_NOT_FOUND);
    CLEAN_MEM char *gone = mem_printf("%s/b.txt", home);
    CLEAN_MEM char *zip = mem_printf("%s/x.zip", home);
    struct err err = {0};
    assert_int_equal(unlink(gone), 0);
    assert_int_equal(package_write(home, &list, zip, &err), ERR_IO);
    assert_int_not_equal(access(zip, F_OK), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_patterns), TEST(test_nothing_left),
                                       TEST(test_deterministic), TEST(test_executable),
                                       TEST(test_bad_places)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
