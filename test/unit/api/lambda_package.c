// SPDX-License-Identifier: Apache-2.0
// Deployment packages: what is unpacked, what is refused, and that nothing is left of the latter.
#include "api/lambda.h"
#include "base/file.h"
#include "store/blob.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include <cmocka.h>

struct fixture {
    char dir[64];
    char *packages, *zip;
    struct err err;
};

static int remove_each(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st, (void)kind, (void)walk;
    return remove(path);
}

static int setup(void **state)
{
    struct fixture *f = NEW(struct fixture);
    snprintf(f->dir, sizeof f->dir, "/tmp/rouse-package-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->packages = mem_printf("%s/packages", f->dir);
    f->zip = mem_printf("%s/test.zip", f->dir);
    assert_int_equal(mkdir(f->packages, 0755), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    nftw(f->dir, remove_each, 16, FTW_DEPTH | FTW_PHYS);
    free(f->packages);
    free(f->zip);
    free(f);
    return 0;
}

struct file {
    const char *name, *content;
    unsigned mode; // 0: as a zip from elsewhere
};

static void zip_make(struct fixture *f, const struct file *files, size_t count)
{
    unlink(f->zip);
    zip_t *zip = zip_open(f->zip, ZIP_CREATE | ZIP_TRUNCATE, NULL);
    assert_non_null(zip);
    for (size_t i = 0; i < count; i++) {
        zip_source_t *source =
            zip_source_buffer(zip, files[i].content, strlen(files[i].content), 0);
        zip_int64_t at = zip_file_add(zip, files[i].name, source, ZIP_FL_ENC_GUESS);
        assert_true(at >= 0);
        if (files[i].mode) {
            zip_file_set_external_attributes(zip, (zip_uint64_t)at, 0, ZIP_OPSYS_UNIX,
                                             files[i].mode << 16);
        }
    }
    assert_int_equal(zip_close(zip), 0);
}

static struct lambda_package *package_of(struct fixture *f, uint64_t unpacked_max)
{
    struct lambda_package *package = lambda_package_new(f->packages, unpacked_max);
    buf_init(&package->zip, 1024 * 1024);
    assert_int_equal(file_read(f->zip, &package->zip, &f->err), 0);
    return package;
}

static int count_in(const char *path)
{
    int count = 0;
    DIR *dir = opendir(path);
    for (struct dirent *entry; (entry = readdir(dir));) {
        count += entry->d_name[0] != '.';
    }
    closedir(dir);
    return count;
}

static void assert_content(const char *folder, const char *name, const char *content)
{
    CLEAN_MEM char *path = mem_printf("%s/%s", folder, name);
    CLEAN(buf_done) struct buf text = BUF_INIT(4096);
    struct err err = {0};
    assert_int_equal(file_read(path, &text, &err), 0);
    assert_string_equal(buf_text(&text), content);
}

static void unpacks_once(void **state)
{
    struct fixture *f = *state;
    static const struct file files[] = {
        {"model.yaml", "task: echo", 0},
        {"deep/er/labels.txt", "a\nb\n", 0100600},
        {"bin/run", "#!/bin/sh", 0100755},
    };
    zip_make(f, files, 3);
    struct lambda_package *package = package_of(f, 1000);
    size_t size = package->zip.size;
    assert_int_equal(lambda_package_unpack(package, &f->err), 0);
    assert_int_equal(package->size, size);
    assert_int_equal(strlen(package->sha256_hex), 64);
    assert_content(package->folder, "model.yaml", "task: echo");
    assert_content(package->folder, "deep/er/labels.txt", "a\nb\n");
    struct stat st;
    CLEAN_MEM char *run = mem_printf("%s/bin/run", package->folder);
    assert_int_equal(stat(run, &st), 0);
    assert_int_equal(st.st_mode & 0111, 0111);
    CLEAN_MEM char *labels = mem_printf("%s/deep/er/labels.txt", package->folder);
    assert_int_equal(stat(labels, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644); // everybody may read
    assert_int_equal(count_in(f->packages), 1);

    // The same from a file: it is there already.
    struct lambda_package *again = lambda_package_new(f->packages, 1000);
    again->fd = open(f->zip, O_RDONLY | O_CLOEXEC);
    assert_int_equal(lambda_package_unpack(again, &f->err), 0);
    assert_string_equal(again->folder, package->folder);
    assert_string_equal(again->sha256_base64, package->sha256_base64);
    assert_int_equal(again->size, size);
    assert_int_equal(count_in(f->packages), 1);
    lambda_package_free(again);
    lambda_package_free(package);
}

static void refuses(struct fixture *f, const char *words)
{
    struct lambda_package *package = package_of(f, 100000);
    f->err = (struct err){0};
    assert_int_equal(lambda_package_unpack(package, &f->err), ERR_INVALID);
    assert_string_equal(err_aws_name(&f->err), "InvalidParameterValueException");
    if (!strstr(f->err.text, words)) {
        fail_msg("\"%s\" is not in \"%s\"", words, f->err.text);
    }
    assert_int_equal(count_in(f->packages), 0);
    lambda_package_free(package);
}

static void refuses_what_leads_out(void **state)
{
    static const struct file files[] = {
        {"../x", "evil", 0}, {"a/../../x", "evil", 0}, {"/x", "evil", 0}, {"a//b", "evil", 0},
        {"./x", "evil", 0},  {"a/./x", "evil", 0},     {"..", "evil", 0},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        const struct file both[] = {{"good", "x", 0}, files[i]};
        zip_make(f, both, 2);
        refuses(f, "leads out");
    }
    zip_make(f, &(struct file){"a\\..\\x", "evil", 0}, 1);
    refuses(f, "backslash");
    zip_make(f, &(struct file){"a\nb", "evil", 0}, 1);
    refuses(f, "control character");
    zip_make(f, &(struct file){"link", "/etc/passwd", S_IFLNK | 0777}, 1);
    refuses(f, "neither a file nor a folder");
    zip_make(f, &(struct file){"disk", "", S_IFBLK | 0777}, 1);
    refuses(f, "neither a file nor a folder");
    const struct file folder_and_file[] = {{"a", "x", 0}, {"a/b", "y", 0}};
    zip_make(f, folder_and_file, 2);
    refuses(f, "is in no folder");
}

static void refuses_what_is_no_zip(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(file_write(f->zip, STR("this is no zip"), 0600, &f->err), 0);
    refuses(f, "Could not unzip");
    assert_int_equal(file_write(f->zip, STR(""), 0600, &f->err), 0);
    refuses(f, "unzip");
    static const struct file files[] = {{"model.yaml", "task: echo", 0}};
    zip_make(f, files, 1);
    assert_int_equal(truncate(f->zip, 60), 0);
    refuses(f, "Could not unzip");
}

static void refuses_what_is_too_large(void **state)
{
    struct fixture *f = *state;
    static const struct file files[] = {{"a", "0123456789", 0}, {"b", "0123456789", 0}};
    zip_make(f, files, 2);
    struct lambda_package *package = package_of(f, 19);
    assert_int_equal(lambda_package_unpack(package, &f->err), ERR_INVALID);
    assert_non_null(strstr(f->err.text, "Unzipped size must be smaller than 19 bytes"));
    assert_int_equal(count_in(f->packages), 0);
    lambda_package_free(package);
    package = package_of(f, 20);
    assert_int_equal(lambda_package_unpack(package, &f->err), 0);
    lambda_package_free(package);
}

static void sweeps_what_nobody_uses(void **state)
{
    struct fixture *f = *state;
    static const struct file one[] = {{"a", "1", 0}}, two[] = {{"a", "2", 0}};
    zip_make(f, one, 1);
    struct lambda_package *kept = package_of(f, 100);
    assert_int_equal(lambda_package_unpack(kept, &f->err), 0);
    zip_make(f, two, 1);
    struct lambda_package *lost = package_of(f, 100);
    assert_int_equal(lambda_package_unpack(lost, &f->err), 0);
    CLEAN_MEM char *half = mem_printf("%s/new-of-a-crash/code", f->packages);
    assert_int_equal(file_make_dir(half, 0755, &f->err), 0);
    assert_int_equal(count_in(f->packages), 3);
    struct map used = {0};
    map_put(&used, str_of(kept->folder), f);
    lambda_package_sweep(f->packages, &used);
    assert_int_equal(count_in(f->packages), 1);
    assert_content(kept->folder, "a", "1");
    map_done(&used);
    lambda_package_free(kept);
    lambda_package_free(lost);
}

#define ABC  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // SHA-256 of "abc"
#define NONE "0000000000000000000000000000000000000000000000000000000000000000"

// What the core thread does where a store is; "" is what it has not.
static int complete(struct lambda_package *package, const char *content, struct err *err)
{
    struct object_content *found = &package->models[0].content;
    assert_int_equal(package->model_count, 1);
    found->size = strlen(content);
    buf_init(&found->data, 100);
    buf_add_text(&found->data, content);
    return lambda_package_complete(package, err);
}

static void puts_models_in_their_places(void **state)
{
    struct fixture *f = *state;
    static const struct file files[] = {{"net/model.onnx", "rouse-model sha256:" ABC " 3\n", 0},
                                        {"model.yaml", "model: net/model.onnx", 0}};
    zip_make(f, files, 2);
    static const char *const wrong[][2] = {
        {"", "not in the store"}, {"abd", "damaged"}, {"abcd", "damaged"}};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct lambda_package *package = package_of(f, 1000);
        assert_int_equal(lambda_package_unpack(package, &f->err), 0);
        assert_int_equal(complete(package, wrong[i][0], &f->err), ERR_INVALID);
        assert_non_null(strstr(f->err.text, wrong[i][1]));
        assert_int_equal(count_in(f->packages), 0);
        lambda_package_free(package);
    }
    struct lambda_package *package = package_of(f, 1000);
    assert_int_equal(lambda_package_unpack(package, &f->err), 0);
    assert_int_equal(complete(package, "abc", &f->err), 0);
    assert_content(package->folder, "net/model.onnx", "abc");
    assert_content(package->folder, "../models", ABC "\n");
    lambda_package_free(package);
    package = package_of(f, 1000);
    assert_int_equal(lambda_package_unpack(package, &f->err), 0); // it is there already
    assert_null(package->temporary);
    lambda_package_free(package);
}

static void knows_a_reference(void **state)
{
    (void)state;
    struct lambda_model model = {0};
    assert_true(
        lambda_model_refers(STR("rouse-model sha256:" ABC " 18446744073709551615\n"), &model));
    assert_string_equal(model.digest, ABC);
    assert_true(model.size == UINT64_MAX);
    assert_false(
        lambda_model_refers(STR("rouse-model sha256:" ABC " 18446744073709551616\n"), &model));
    assert_false(lambda_model_refers(STR("rouse-model sha256:" ABC " 3"), &model));
    assert_false(lambda_model_refers(STR("rouse-model sha256:" ABC "\n"), &model));
    assert_false(lambda_model_refers(STR("rouse-model sha256:" ABC NONE " 3\n"), &model));
    assert_false(lambda_model_refers(STR("rouse-model sha256: 3\n"), &model));
    assert_false(lambda_model_refers(STR("rouse-model sha512:" NONE " 3\n"), &model));
    assert_false(lambda_model_refers(STR(""), &model));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(unpacks_once),
        TEST(refuses_what_leads_out),
        TEST(refuses_what_is_no_zip),
        TEST(refuses_what_is_too_large),
        TEST(sweeps_what_nobody_uses),
        TEST(puts_models_in_their_places),
        TEST(knows_a_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
