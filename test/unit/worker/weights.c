// SPDX-License-Identifier: Apache-2.0
// Weights in memory: what is used is read in, what passes the budget is unloaded, the longest unused
// first, and what has to stay, is used again or is gone, is left alone.
#include "worker/weights.h"
#include "base/file.h"
#include "base/mem.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SIZE ((size_t)1 << 20) // of each model

struct fixture {
    char dir[64];
    struct loop *loop;
    struct pool *pool;
    struct weights *weights;
    struct function *functions[3];
    bool refuse;
    char unloaded[64]; // names, in order
};

static int remove_each(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st, (void)kind, (void)walk;
    return remove(path);
}

static int64_t used_ms(void *ctx, const struct function *f)
{
    (void)ctx;
    return f->modified_ms; // as the test wants it
}

static bool unload(void *ctx, const struct function *f)
{
    struct fixture *fixture = ctx;
    size_t size = strlen(fixture->unloaded);
    snprintf(fixture->unloaded + size, sizeof fixture->unloaded - size, "%s ", f->name);
    return !fixture->refuse;
}

static void begin(struct fixture *f, uint64_t bytes_max)
{
    struct weights_options options = {
        .bytes_max = bytes_max, .used_ms = used_ms, .unload = unload, .ctx = f};
    f->weights = weights_new(f->loop, f->pool, &options);
}

static int setup(void **state)
{
    struct fixture *f = NEW(struct fixture);
    struct err err = {0};
    CLEAN_MEM char *bytes = mem_alloc(SIZE);
    snprintf(f->dir, sizeof f->dir, "/tmp/rouse-weights-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(loop_new(LOOP_REAL, &f->loop, &err), 0);
    f->pool = pool_new(f->loop, 2);
    for (size_t i = 0; i < ARRAY_SIZE(f->functions); i++) {
        struct function *one = f->functions[i] = function_new();
        one->name = mem_printf("%zu", i);
        one->runtime = mem_dup("onnx");
        one->prepared = mem_printf("%s/%zu", f->dir, i);
        one->modified_ms = INT64_C(1) << (50 + i); // later than now
        CLEAN_MEM char *path = mem_printf("%s/model.ort", one->prepared);
        assert_int_equal(file_make_dir(one->prepared, 0700, &err), 0);
        assert_int_equal(file_write(path, str_n(bytes, SIZE), 0600, &err), 0);
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    pool_free(f->pool);
    weights_free(f->weights);
    loop_free(f->loop);
    nftw(f->dir, remove_each, 16, FTW_DEPTH | FTW_PHYS);
    for (size_t i = 0; i < ARRAY_SIZE(f->functions); i++) {
        function_unref(f->functions[i]);
    }
    free(f);
    return 0;
}

static void use(struct fixture *f, size_t i)
{
    weights_use(f->weights, f->functions[i]);
}

static void turns(struct fixture *f, int count)
{
    for (int i = 0; i < count; i++) {
        loop_turn(f->loop, 20);
    }
}

static void count_each(void *ctx, const struct weights_model *model)
{
    assert_non_null(model->function);
    ++*(int *)ctx;
}

static int known(const struct fixture *f)
{
    int count = 0;
    weights_each(f->weights, count_each, &count);
    return count;
}

static void measures(void **state)
{
    struct fixture *f = *state;
    uint64_t size = 1, resident = 1;
    CLEAN_MEM char *path = mem_printf("%s/model.ort", f->functions[0]->prepared);
    weights_measure(path, WEIGHTS_READ, &size, &resident);
    assert_int_equal(size, SIZE);
    assert_int_equal(resident, SIZE);
    weights_measure("/tmp/there/is/no/such/model", WEIGHTS_READ, &size, &resident);
    assert_int_equal(size, 0);
    assert_int_equal(resident, 0);
    assert_int_equal(truncate(path, 0), 0);
    weights_measure(path, WEIGHTS_LOOK, &size, &resident);
    assert_int_equal(size, 0);
}

static void without_a_budget_nothing_goes(void **state)
{
    struct fixture *f = *state;
    begin(f, 0);
    for (size_t i = 0; i < 3; i++) {
        use(f, i);
    }
    turns(f, 20);
    assert_int_equal(known(f), 3);
    assert_string_equal(f->unloaded, "");
    weights_use(NULL, f->functions[0]); // nobody minds
}

static void the_longest_unused_goes_first(void **state)
{
    struct fixture *f = *state;
    f->refuse = true; // whatever the file system does
    f->functions[0]->modified_ms = INT64_C(1) << 54;
    begin(f, 2 * SIZE + SIZE / 2);
    for (size_t i = 0; i < 3; i++) {
        use(f, i);
    }
    for (int i = 0; i < 200 && strlen(f->unloaded) < 4; i++) {
        turns(f, 1);
    }
    assert_string_equal(f->unloaded, "1 2 "); // each is asked for once, and the last used never
    turns(f, 30);
    assert_string_equal(f->unloaded, "1 2 ");
}

static void of_those_used_at_once_one_stays(void **state)
{
    struct fixture *f = *state;
    f->refuse = true;
    begin(f, 2 * SIZE + SIZE / 2);
    for (size_t i = 0; i < 3; i++) {
        f->functions[i]->modified_ms = INT64_C(1) << 50;
        use(f, i);
    }
    for (int i = 0; i < 200 && strlen(f->unloaded) < 4; i++) {
        turns(f, 1);
    }
    turns(f, 30);
    assert_int_equal(strlen(f->unloaded), strlen("0 1 "));
}

static void what_is_gone_is_forgotten(void **state)
{
    struct fixture *f = *state;
    CLEAN_MEM char *path = mem_printf("%s/model.ort", f->functions[0]->prepared);
    begin(f, SIZE);
    assert_int_equal(unlink(path), 0);
    use(f, 0);
    for (int i = 0; i < 200 && known(f) > 0; i++) {
        turns(f, 1);
    }
    assert_int_equal(known(f), 0);
    assert_string_equal(f->unloaded, "");
}

static void others_than_models_are_left_alone(void **state)
{
    struct fixture *f = *state;
    begin(f, SIZE);
    free(f->functions[0]->runtime);
    f->functions[0]->runtime = mem_dup("python3.11");
    free(MOVE(f->functions[1]->prepared));
    use(f, 0);
    use(f, 1);
    assert_int_equal(known(f), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(measures),
        TEST(without_a_budget_nothing_goes),
        TEST(the_longest_unused_goes_first),
        TEST(of_those_used_at_once_one_stays),
        TEST(what_is_gone_is_forgotten),
        TEST(others_than_models_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
