// SPDX-License-Identifier: Apache-2.0
// The store's promises: group commit, a failing task undoes only itself, nothing acknowledged is
// missing after reopening, one server a directory.
#include "store/store.h"
#include "base/mem.h"
#include "store/job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

struct insert {
    struct store_task task;
    const char *function;
    bool fail;
    int64_t id;
    int *done;
};

static int insert_run(struct store_task *task, struct db *db, struct err *err)
{
    struct insert *insert = CONTAINER_OF(task, struct insert, task);
    struct job_row row = {.function = str_of(insert->function),
                          .payload = STR("{}"),
                          .request_id = STR("r"),
                          .attempt = 1};
    insert->id = job_row_insert(db, &row, err);
    if (insert->fail) {
        return err_set(err, ERR_INVALID, "as asked");
    }
    return insert->id < 0 ? (int)insert->id : 0;
}

static void insert_done(struct store_task *task)
{
    (*CONTAINER_OF(task, struct insert, task)->done)++;
}

static char *dir_new(void)
{
    char *dir = mem_dup("/tmp/rouse-store-XXXXXX");
    assert_non_null(mkdtemp(dir));
    return dir;
}

static void dir_remove(char *dir)
{
    const char *const names[] = {"lock", "rouse.db", "rouse.db-wal", "rouse.db-shm", "blobs"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CLEAN_MEM char *path = mem_printf("%s/%s", dir, names[i]);
        if (unlink(path) < 0) {
            rmdir(path);
        }
    }
    rmdir(dir);
    free(dir);
}

static uint64_t count_rows(struct store *store)
{
    uint64_t count = 0;
    struct err err = {0};
    assert_int_equal(job_row_count(store_reader(store), &count, &err), 0);
    return count;
}

static void test_group(void **state)
{
    (void)state;
    struct loop *loop = NULL;
    struct store *store = NULL;
    struct err err = {0};
    char *dir = dir_new();
    assert_int_equal(loop_new(LOOP_REAL, &loop, &err), 0);
    assert_int_equal(store_open(loop, dir, &store, &err), 0);
    static struct insert inserts[1000];
    int done = 0;
    for (size_t i = 0; i < ARRAY_SIZE(inserts); i++) {
        inserts[i] = (struct insert){.task = {.run = insert_run, .on_done = insert_done},
                                     .function = "f",
                                     .fail = i % 10 == 3,
                                     .done = &done};
        store_submit(store, &inserts[i].task);
    }
    while (done < (int)ARRAY_SIZE(inserts)) {
        loop_turn(loop, -1);
    }
    assert_int_equal(count_rows(store), 900);
    for (size_t i = 0; i < ARRAY_SIZE(inserts); i++) {
        assert_int_equal(inserts[i].task.rc, i % 10 == 3 ? ERR_INVALID : 0);
    }
    struct store_stats stats = store_stats(store);
    assert_int_equal(stats.tasks, 1000);
    assert_true(stats.commits < 1000); // they shared commits

    struct store *second = NULL;
    assert_int_equal(store_open(loop, dir, &second, &err), ERR_EXISTS);
    assert_non_null(strstr(err.text, "in use by another rouse server (pid "));

    store_close(store);
    assert_int_equal(store_open(loop, dir, &store, &err), 0);
    assert_int_equal(count_rows(store), 900);
    store_close(store);
    loop_free(loop);
    dir_remove(dir);
}

static void test_close_commits(void **state)
{
    (void)state;
    struct loop *loop = NULL;
    struct store *store = NULL;
    struct err err = {0};
    char *dir = dir_new();
    assert_int_equal(loop_new(LOOP_REAL, &loop, &err), 0);
    assert_int_equal(store_open(loop, dir, &store, &err), 0);
    int done = 0;
    struct insert insert = {
        .task = {.run = insert_run, .on_done = insert_done}, .function = "f", .done = &done};
    store_submit(store, &insert.task);
    store_close(store);
    assert_int_equal(done, 1);
    assert_int_equal(insert.task.rc, 0);
    assert_int_equal(store_open(loop, dir, &store, &err), 0);
    assert_int_equal(count_rows(store), 1);
    store_close(store);
    loop_free(loop);
    dir_remove(dir);
}

static int take_row(void *ctx, const struct job_row *row)
{
    int64_t *ids = ctx;
    ids[++ids[0]] = row->id;
    return 0;
}

static void test_due(void **state)
{
    (void)state;
    struct db *db = NULL;
    struct err err = {0};
    assert_int_equal(db_open(":memory:", true, &db, &err), 0);
    for (const char *const *sql = job_ddl; *sql; sql++) {
        assert_int_equal(db_exec(db, *sql, &err), 0);
    }
    const int64_t due[] = {30, 10, 20, 99};
    for (size_t i = 0; i < ARRAY_SIZE(due); i++) {
        struct job_row row = {.function = STR("f"),
                              .payload = STR(""),
                              .request_id = STR("r"),
                              .due_ms = due[i],
                              .attempt = 1};
        assert_int_equal(job_row_insert(db, &row, &err), i + 1);
    }
    int64_t ids[8] = {0};
    assert_int_equal(job_row_each_due(db, STR("f"), 50, 10, take_row, ids, &err), 3);
    assert_int_equal(ids[1], 2);
    assert_int_equal(ids[2], 3);
    assert_int_equal(ids[3], 1);
    int64_t next = 0;
    assert_int_equal(job_row_next_due(db, STR("f"), 50, &next, &err), 0);
    assert_int_equal(next, 99);
    assert_int_equal(job_row_retry(db, 2, 2, 200, &err), 0);
    ids[0] = 0;
    assert_int_equal(job_row_each_due(db, STR("f"), 50, 10, take_row, ids, &err), 2);
    assert_int_equal(job_row_each_due(db, STR("g"), 50, 10, take_row, ids, &err), 0);
    db_close(db);
}

static void test_bad_dir(void **state)
{
    (void)state;
    struct loop *loop = NULL;
    struct store *store = NULL;
    struct err err = {0};
    assert_int_equal(loop_new(LOOP_REAL, &loop, &err), 0);
    assert_int_equal(store_open(loop, "/dev/null/x", &store, &err), ERR_IO);
    assert_non_null(strstr(err.text, "/dev/null"));
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_group),
        cmocka_unit_test(test_close_commits),
        cmocka_unit_test(test_due),
        cmocka_unit_test(test_bad_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
