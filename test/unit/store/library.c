// SPDX-License-Identifier: Apache-2.0
// Lists of libraries: the best that is known is given, and what belongs to a function goes with it.
#include "store/function.h"
#include "store/library.h"
#include "tables.h"

static void learn(const char *version, const char *code, const char *modules)
{
    struct library_list list = {.name = STR("f"),
                                .version = str_of(version),
                                .code = str_of(code),
                                .modules = str_of(modules)};
    assert_int_equal(library_put(db, &list, &err), 0);
}

static void see(void *ctx, const struct library_list *list)
{
    buf_printf(ctx, STR_FMT " of " STR_FMT, STR_ARG(list->modules), STR_ARG(list->version));
}

static char *known(const char *version, const char *code)
{
    CLEAN(buf_done) struct buf seen = BUF_INIT(256);
    int rc = library_get(db, STR("f"), str_of(version), str_of(code), see, &seen, &err);
    assert_int_equal(rc, seen.size > 0);
    return mem_dup(buf_text(&seen));
}

static void assert_known(const char *version, const char *code, const char *expected)
{
    CLEAN_MEM char *list = known(version, code);
    assert_string_equal(list, expected);
}

static void the_same_code_comes_before_the_same_version(void **state)
{
    (void)state;
    assert_known("$LATEST", "c1", "");
    learn("$LATEST", "c1", "numpy");
    assert_known("$LATEST", "c1", "numpy of $LATEST");
    assert_known("1", "c1", "numpy of $LATEST"); // published: the same code
    learn("1", "c1", "numpy");
    learn("$LATEST", "c2", "torch\nnumpy");
    assert_known("$LATEST", "c2", "torch\nnumpy of $LATEST");
    assert_known("$LATEST", "c3", "torch\nnumpy of $LATEST");
    assert_known("2", "c1", "numpy of 1");
    learn("$LATEST", "c3", "");
    assert_known("$LATEST", "c3", " of $LATEST");
}

static void lists_go_with_their_function(void **state)
{
    (void)state;
    learn("1", "c1", "numpy");
    learn("2", "c2", "torch");
    assert_int_equal(function_version_delete(db, STR("f"), STR("2"), &err), 0);
    assert_known("2", "c2", "numpy of 1");
    assert_int_equal(function_delete(db, STR("f"), &err), 0);
    assert_known("1", "c1", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(the_same_code_comes_before_the_same_version),
                                       TEST(lists_go_with_their_function)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
