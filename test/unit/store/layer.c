// SPDX-License-Identifier: Apache-2.0
// The tables of layers: versions come back in order, numbers are remembered past their deletion.
#include "store/layer.h"
#include "tables.h"

static int put(const char *name, int64_t version)
{
    struct layer_row row = {.name = str_of(name),
                            .version = version,
                            .license = STR("MIT"),
                            .runtimes = STR("[\"python3.11\"]"),
                            .sha256 = STR("abc="),
                            .package = STR("/data/packages/abc/code"),
                            .code_size = 77,
                            .created_ms = 1700000000123};
    return layer_put(db, "/data/packages", &row, &err);
}

static void see(void *ctx, const struct layer_row *row)
{
    struct buf *seen = ctx;
    buf_printf(seen, STR_FMT ":%lld ", STR_ARG(row->name), (long long)row->version);
    assert_null(row->description.at);
    assert_true(str_eq(row->license, STR("MIT")));
    assert_true(str_eq(row->runtimes, STR("[\"python3.11\"]")));
    assert_true(str_eq(row->package, STR("/elsewhere/packages/abc/code")));
    assert_int_equal(row->code_size, 77);
    assert_int_equal(row->created_ms, 1700000000123);
}

static void see_last(void *ctx, struct str name, int64_t last)
{
    buf_printf(ctx, STR_FMT ":%lld ", STR_ARG(name), (long long)last);
}

static void versions_and_numbers(void **state)
{
    (void)state;
    assert_int_equal(put("b", 1), 0);
    assert_int_equal(put("b", 10), 0);
    assert_int_equal(put("b", 9), 0); // its policy, say, has changed
    assert_int_equal(put("a", 1), 0);
    CLEAN(buf_done) struct buf seen = BUF_INIT(1024);
    assert_int_equal(layer_each(db, "/elsewhere/packages", see, &seen, &err), 0);
    assert_string_equal(buf_text(&seen), "a:1 b:1 b:9 b:10 ");
    assert_int_equal(layer_delete(db, STR("b"), 10, &err), 0);
    assert_int_equal(layer_delete(db, STR("b"), 10, &err), 0);
    assert_int_equal(layer_delete(db, STR("a"), 1, &err), 0);
    buf_clear(&seen);
    assert_int_equal(layer_each(db, "/elsewhere/packages", see, &seen, &err), 0);
    assert_string_equal(buf_text(&seen), "b:1 b:9 ");
    buf_clear(&seen);
    assert_int_equal(layer_last_each(db, see_last, &seen, &err), 0);
    assert_string_equal(buf_text(&seen), "a:1 b:10 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(versions_and_numbers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
