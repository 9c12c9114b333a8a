// SPDX-License-Identifier: Apache-2.0
// Blobs: written once, cloned, copied in part, swept when nobody names them.
#include "tables.h"

#include <fcntl.h>

static struct blob_id blob_make(const char *bytes)
{
    struct blob_id id = blob_id_new();
    CLEAN_FD int fd = blob_create(dir, &id, &err);
    assert_true(fd >= 0);
    assert_int_equal(blob_write(fd, str_of(bytes), &err), 0);
    assert_int_equal(blob_sync(dir, &id, fd, &err), 0);
    return id;
}

static void assert_blob(const struct blob_id *id, const char *bytes)
{
    CLEAN_FD int fd = blob_open(dir, id, &err);
    assert_true(fd >= 0);
    char read_back[256] = "";
    assert_int_equal(pread(fd, read_back, sizeof read_back - 1, 0), (ssize_t)strlen(bytes));
    assert_string_equal(read_back, bytes);
}

static void blob_is_written_and_read(void **state)
{
    (void)state;
    struct blob_id id = blob_make("hello");
    assert_int_equal(strlen(id.text), BLOB_ID_SIZE);
    assert_blob(&id, "hello");
    blob_remove(dir, &id);
    assert_int_equal(blob_open(dir, &id, &err), ERR_CORRUPT);
    blob_remove(dir, &id); // again: nothing happens
}

static void blob_names_are_used_once(void **state)
{
    (void)state;
    struct blob_id id = blob_make("first");
    assert_int_equal(blob_create(dir, &id, &err), ERR_IO);
    assert_blob(&id, "first");
}

static void blob_may_be_read_when_removed(void **state)
{
    (void)state;
    struct blob_id id = blob_make("still here");
    CLEAN_FD int fd = blob_open(dir, &id, &err);
    blob_remove(dir, &id);
    char bytes[16] = "";
    assert_int_equal(read(fd, bytes, sizeof bytes), 10);
    struct blob_id clone = blob_id_new(); // not by a link any more, but by copying
    assert_int_equal(blob_clone(dir, fd, &clone, &err), 0);
    assert_blob(&clone, "still here");
}

static void blob_clone_outlives_the_first(void **state)
{
    (void)state;
    struct blob_id id = blob_make("twice"), clone = blob_id_new();
    CLEAN_FD int fd = blob_open(dir, &id, &err);
    assert_int_equal(blob_clone(dir, fd, &clone, &err), 0);
    blob_remove(dir, &id);
    assert_blob(&clone, "twice");
}

static void blob_copy_takes_a_range(void **state)
{
    (void)state;
    struct blob_id from = blob_make("0123456789"), to = blob_id_new();
    CLEAN_FD int in = blob_open(dir, &from, &err);
    CLEAN_FD int out = blob_create(dir, &to, &err);
    assert_int_equal(blob_copy(out, in, 2, 3, &err), 0);
    assert_int_equal(blob_copy(out, in, 8, 2, &err), 0);
    assert_blob(&to, "23489");
    assert_int_equal(blob_copy(out, in, 8, 3, &err), ERR_CORRUPT); // past the end
}

static int is_kept(void *ctx, const char *id)
{
    return strcmp(id, ctx) == 0;
}

static int is_unknown(void *ctx, const char *id)
{
    (void)ctx, (void)id;
    return ERR_IO;
}

static void sweep_removes_orphans_only(void **state)
{
    (void)state;
    struct blob_id kept = blob_make("kept"), orphan = blob_make("orphan");
    CLEAN_MEM char *foreign = mem_printf("%s/blobs/%.2s/notes.txt", dir, kept.text);
    close(open(foreign, O_CREAT | O_WRONLY, 0600));
    uint64_t removed = 0;
    assert_int_equal(blob_sweep(dir, is_unknown, NULL, &removed, &err), ERR_IO);
    assert_blob(&orphan, "orphan"); // who cannot tell removes nothing
    assert_int_equal(blob_sweep(dir, is_kept, kept.text, &removed, &err), 0);
    assert_int_equal(removed, 1);
    assert_blob(&kept, "kept");
    assert_int_equal(blob_open(dir, &orphan, &err), ERR_CORRUPT);
    assert_int_equal(access(foreign, F_OK), 0);
}

static void sweep_of_nothing_fails_in_words(void **state)
{
    (void)state;
    uint64_t removed = 0;
    assert_int_equal(blob_sweep("/nonexistent", is_kept, NULL, &removed, &err), ERR_IO);
    assert_non_null(strstr(err.text, "/nonexistent/blobs"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(blob_is_written_and_read),        TEST(blob_names_are_used_once),
        TEST(blob_may_be_read_when_removed),   TEST(blob_clone_outlives_the_first),
        TEST(blob_copy_takes_a_range),         TEST(sweep_removes_orphans_only),
        TEST(sweep_of_nothing_fails_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
