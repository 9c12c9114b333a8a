// SPDX-License-Identifier: Apache-2.0
// Preparing models, with scripts in the place of rouse-runner: what it reports, and what becomes of it
// when it does not.
#include "worker/prepare.h"
#include "base/file.h"
#include "base/mem.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char dir[64];
    char *script;
    struct loop *loop;
    struct preparer *preparer;
    struct err err;
    int done;
};

struct task {
    struct prepare_task prepare;
    struct fixture *f;
    int order; // in which it was done; 0: not yet
    char report[256];
};

static int remove_each(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st, (void)kind, (void)walk;
    return remove(path);
}

static int setup(void **state)
{
    struct fixture *f = NEW(struct fixture);
    snprintf(f->dir, sizeof f->dir, "/tmp/rouse-prepare-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->script = mem_printf("%s/runner", f->dir);
    assert_int_equal(loop_new(LOOP_REAL, &f->loop, &f->err), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    preparer_free(f->preparer);
    loop_free(f->loop);
    nftw(f->dir, remove_each, 16, FTW_DEPTH | FTW_PHYS);
    free(f->script);
    free(f);
    return 0;
}

static void begin(struct fixture *f, const char *script, int64_t limit_us)
{
    CLEAN_MEM char *text = mem_printf("#!/bin/sh\n%s\n", script);
    assert_int_equal(file_write(f->script, str_of(text), 0700, &f->err), 0);
    f->preparer = preparer_new(f->loop, f->script, limit_us);
}

static void task_done(struct prepare_task *prepare)
{
    struct task *task = CONTAINER_OF(prepare, struct task, prepare);
    assert_int_equal(task->order, 0);
    task->order = ++task->f->done;
    snprintf(task->report, sizeof task->report, "%s", buf_text(&prepare->report));
}

static void submit(struct fixture *f, struct task *task, const char *package)
{
    *task = (struct task){.f = f};
    task->prepare = (struct prepare_task){
        .package = package, .out = "/out", .handler = "model.yaml", .on_done = task_done};
    prepare_submit(f->preparer, &task->prepare);
    assert_int_equal(task->order, 0);
}

static void run_until(struct fixture *f, int done)
{
    for (int i = 0; i < 10000 && f->done < done; i++) {
        loop_turn(f->loop, 10);
    }
    assert_int_equal(f->done, done);
}

static struct task run_one(struct fixture *f, const char *script, int64_t limit_us)
{
    struct task task;
    begin(f, script, limit_us);
    submit(f, &task, "/package");
    run_until(f, 1);
    return task;
}

#define MINUTE_US INT64_C(60000000)

static void reports(void **state)
{
    struct fixture *f = *state;
    struct task task = run_one(
        f, "echo noise; echo \"{\\\"ok\\\": true, \\\"args\\\": \\\"$*\\\"}\"; echo", MINUTE_US);
    assert_int_equal(task.prepare.rc, 0);
    assert_string_equal(task.report,
                        "{\"ok\": true, \"args\": \"prepare /package /out --handler model.yaml\"}");
}

static void passes_options_on(void **state)
{
    struct fixture *f = *state;
    struct task task = {.f = f};
    begin(f, "echo \"{\\\"ok\\\": true, \\\"args\\\": \\\"$*\\\"}\"", MINUTE_US);
    task.prepare = (struct prepare_task){.package = "/package",
                                         .out = "/out",
                                         .handler = "m.yaml",
                                         .options = {"--quantize", "auto"},
                                         .on_done = task_done};
    prepare_submit(f->preparer, &task.prepare);
    run_until(f, 1);
    assert_string_equal(
        task.report,
        "{\"ok\": true, \"args\": \"prepare /package /out --handler m.yaml --quantize auto\"}");
}

static void fails_in_the_runners_words(void **state)
{
    struct fixture *f = *state;
    struct task task =
        run_one(f, "echo '{\"ok\": false, \"error\": \"no such model\"}'; exit 1", MINUTE_US);
    assert_int_equal(task.prepare.rc, ERR_INVALID);
    assert_string_equal(task.prepare.err.text, "no such model");
}

static void crashes(void **state)
{
    struct fixture *f = *state;
    struct task task = run_one(f, "kill -SEGV $$", MINUTE_US);
    assert_int_equal(task.prepare.rc, ERR_INVALID);
    assert_non_null(strstr(task.prepare.err.text, "signal 11"));
}

static void says_nothing(void **state)
{
    struct fixture *f = *state;
    struct task task = run_one(f, "exit 3", MINUTE_US);
    assert_int_equal(task.prepare.rc, ERR_LOST);
    assert_non_null(strstr(task.prepare.err.text, "status 3"));
}

static void says_too_much(void **state)
{
    struct fixture *f = *state;
    struct task task = run_one(f, "head -c 1000000 /dev/zero | tr '\\0' x", MINUTE_US);
    assert_int_equal(task.prepare.rc, ERR_LOST);
}

static void takes_too_long(void **state)
{
    struct fixture *f = *state;
    struct task task = run_one(f, "exec sleep 1000", 50000);
    assert_int_equal(task.prepare.rc, ERR_INVALID);
    assert_non_null(strstr(task.prepare.err.text, "took longer"));
}

static void cannot_be_started(void **state)
{
    struct fixture *f = *state;
    struct task one, two;
    f->preparer = preparer_new(f->loop, "/nonexistent/rouse-runner", MINUTE_US);
    submit(f, &one, "/a");
    submit(f, &two, "/b");
    run_until(f, 2);
    assert_int_equal(one.prepare.rc, ERR_IO);
    assert_int_equal(two.prepare.rc, ERR_IO);
}

static void goes_one_by_one(void **state)
{
    struct fixture *f = *state;
    struct task tasks[3];
    CLEAN_MEM char *script = mem_printf("mkdir %s/busy || exit 9; sleep 0.02; rmdir %s/busy; "
                                        "echo '{\"ok\": true}'",
                                        f->dir, f->dir);
    begin(f, script, MINUTE_US);
    for (int i = 0; i < 3; i++) {
        submit(f, &tasks[i], "/package");
    }
    run_until(f, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tasks[i].prepare.rc, 0);
        assert_int_equal(tasks[i].order, i + 1);
    }
}

static void cancels(void **state)
{
    struct fixture *f = *state;
    struct task running, waiting, last;
    CLEAN_MEM char *script = mem_printf(
        "[ $2 = /slow ] && touch %s/began && exec sleep 1000; echo '{\"ok\": true}'", f->dir);
    CLEAN_MEM char *began = mem_printf("%s/began", f->dir);
    begin(f, script, MINUTE_US);
    submit(f, &running, "/slow");
    submit(f, &waiting, "/slow");
    submit(f, &last, "/package");
    for (int i = 0; i < 10000 && access(began, F_OK) < 0; i++) {
        loop_turn(f->loop, 10);
    }
    prepare_cancel(&waiting.prepare);
    prepare_cancel(&running.prepare);
    prepare_cancel(&running.prepare); // harmless
    run_until(f, 1);
    assert_int_equal(running.order + waiting.order, 0);
    assert_int_equal(last.order, 1);
    assert_int_equal(last.prepare.rc, 0);
}

static void ends_while_one_runs(void **state)
{
    struct fixture *f = *state;
    struct task task;
    begin(f, "exec sleep 1000", MINUTE_US);
    submit(f, &task, "/package");
    for (int i = 0; i < 10; i++) {
        loop_turn(f->loop, 5);
    }
    preparer_free(f->preparer);
    f->preparer = NULL;
    assert_int_equal(task.order, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reports),        TEST(passes_options_on),   TEST(fails_in_the_runners_words),
        TEST(crashes),        TEST(says_nothing),        TEST(says_too_much),
        TEST(takes_too_long), TEST(cannot_be_started),   TEST(goes_one_by_one),
        TEST(cancels),        TEST(ends_while_one_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
