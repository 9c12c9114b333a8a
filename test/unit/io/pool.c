// SPDX-License-Identifier: Apache-2.0
// The pool: work runs elsewhere and ends here, as many at once as there are threads, and closing
// waits for what was submitted.
#include "io/pool.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static struct loop *loop;

static int setup(void **state)
{
    (void)state;
    return loop_new(LOOP_REAL, &loop, NULL);
}

static int teardown(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

struct task {
    struct pool_work work;
    atomic_bool ran;
    bool done;
};

static pthread_t home;
static atomic_int ran;
static int done;

static void run(struct pool_work *work)
{
    struct task *task = CONTAINER_OF(work, struct task, work);
    if (pthread_equal(pthread_self(), home)) {
        abort();
    }
    task->ran = true;
    ran++;
}

static void on_done(struct pool_work *work)
{
    struct task *task = CONTAINER_OF(work, struct task, work);
    assert_true(pthread_equal(pthread_self(), home));
    assert_true(task->ran && !task->done);
    task->done = true;
    done++;
}

static void test_many(void **state)
{
    (void)state;
    static struct task tasks[1000];
    home = pthread_self();
    ran = done = 0;
    struct pool *pool = pool_new(loop, 3);
    for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
        tasks[i] = (struct task){.work = {.run = run, .on_done = on_done}};
        pool_submit(pool, &tasks[i].work);
    }
    while (done < 1000) {
        loop_turn(loop, 1000);
    }
    assert_int_equal(ran, 1000);
    pool_free(pool);
}

static atomic_int inside;

// Returns when all three are inside: they must run at the same time.
static void meet(struct pool_work *work)
{
    inside++;
    while (inside < 3) {
        usleep(100);
    }
    run(work);
}

static void test_at_once(void **state)
{
    (void)state;
    struct task tasks[3] = {0};
    home = pthread_self();
    done = 0;
    inside = 0;
    struct pool *pool = pool_new(loop, 3);
    struct task first = {.work = {.run = run, .on_done = on_done}};
    pool_submit(pool, &first.work); // leaves one thread that waits
    while (done < 1) {
        loop_turn(loop, 1000);
    }
    for (int i = 0; i < 3; i++) {
        tasks[i].work = (struct pool_work){.run = meet, .on_done = on_done};
        pool_submit(pool, &tasks[i].work);
    }
    while (done < 4) {
        loop_turn(loop, 1000);
    }
    pool_free(pool);
}

static void test_close_waits(void **state)
{
    (void)state;
    static struct task tasks[100];
    home = pthread_self();
    ran = 0;
    struct pool *pool = pool_new(loop, 2);
    for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
        tasks[i] = (struct task){.work = {.run = run, .on_done = on_done}};
        pool_submit(pool, &tasks[i].work);
    }
    pool_free(pool);
    assert_int_equal(ran, 100);
}

static void test_unused(void **state)
{
    (void)state;
    pool_free(pool_new(loop, 1));
    pool_free(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_many),
        TEST(test_at_once),
        TEST(test_close_waits),
        TEST(test_unused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
