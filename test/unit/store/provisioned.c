// SPDX-License-Identifier: Apache-2.0
// The table of provisioned concurrency: kept, replaced, gone with what it is for.
#include "store/provisioned.h"
#include "tables.h"

static void put(const char *function, const char *qualifier, int64_t count)
{
    struct provisioned row = {str_of(function), str_of(qualifier), count, 1700000000123};
    assert_int_equal(provisioned_put(db, &row, &err), 0);
}

static void see(void *ctx, const struct provisioned *row)
{
    buf_printf(ctx, STR_FMT ":" STR_FMT "=%lld ", STR_ARG(row->function), STR_ARG(row->qualifier),
               (long long)row->count);
    assert_int_equal(row->modified_ms, 1700000000123);
}

static void holds(const char *text)
{
    CLEAN(buf_done) struct buf seen = BUF_INIT(1024);
    assert_int_equal(provisioned_each(db, see, &seen, &err), 0);
    assert_string_equal(buf_text(&seen), text);
}

static void kept_and_gone(void **state)
{
    (void)state;
    holds("");
    put("f", "live", 1);
    put("f", "live", 7);
    put("f", "2", 1);
    put("f", "3", 1);
    put("g", "1", 2);
    holds("f:2=1 f:3=1 f:live=7 g:1=2 ");
    assert_int_equal(provisioned_delete(db, STR("f"), STR("2"), &err), 0);
    assert_int_equal(provisioned_delete(db, STR("f"), STR("2"), &err), 0);
    assert_int_equal(function_version_delete(db, STR("f"), STR("3"), &err), 0);
    holds("f:live=7 g:1=2 ");
    assert_int_equal(function_delete(db, STR("f"), &err), 0);
    holds("g:1=2 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(kept_and_gone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
