// SPDX-License-Identifier: Apache-2.0
// The table of aliases, and the choice that an alias makes.
#include "store/alias.h"
#include "store/job.h"
#include "tables.h"

static struct alias *make(const char *name, const char *version, const char *other, double share)
{
    struct alias *alias = alias_new();
    alias->function = mem_dup("f");
    alias->name = mem_dup(name);
    alias->version = mem_dup(version);
    alias->other = mem_dup(other);
    alias->other_share = share;
    alias->revision = mem_dup("r");
    return alias;
}

static void put(const char *name, const char *version, const char *other, double share)
{
    CLEAN(alias_clean) struct alias *alias = make(name, version, other, share);
    assert_int_equal(alias_put(db, alias, &err), 0);
}

static void see(void *ctx, struct alias *alias)
{
    buf_printf(ctx, "%s=%s,%s,%g ", alias->name, alias->version, alias->other ? alias->other : "",
               alias->other_share);
    assert_int_equal(alias->async.retries_max, 2);
    assert_null(alias->description);
    alias_unref(alias);
}

static void kept(void **state)
{
    (void)state;
    put("prod", "3", "4", 0.25);
    put("dev", "$LATEST", NULL, 0);
    put("dev", "5", NULL, 0);
    CLEAN(buf_done) struct buf seen = BUF_INIT(1024);
    assert_int_equal(alias_each(db, see, &seen, &err), 0);
    assert_string_equal(buf_text(&seen), "dev=5,,0 prod=3,4,0.25 ");
    assert_int_equal(function_known(db, STR("f:prod"), &err), 1);
    assert_int_equal(function_known(db, STR("f:none"), &err), 0);
    assert_int_equal(function_known(db, STR("f"), &err), 0);
    struct job_row row = {
        .function = STR("f:prod"), .payload = STR("{}"), .request_id = STR("id"), .attempt = 1};
    assert_true(job_row_add(db, &row, &err) > 0);
    row.function = STR("f:none");
    assert_int_equal(job_row_add(db, &row, &err), 0);
    assert_int_equal(alias_delete(db, STR("f"), STR("prod"), &err), 1); // with its job
    assert_int_equal(alias_delete(db, STR("f"), STR("prod"), &err), 0);
    assert_int_equal(function_delete(db, STR("f"), &err), 0);
    buf_clear(&seen);
    assert_int_equal(alias_each(db, see, &seen, &err), 0);
    assert_int_equal(seen.size, 0);
}

static void chosen(void **state)
{
    (void)state;
    CLEAN(alias_clean) struct alias *alias = make("a", "1", "2", 0.25);
    assert_string_equal(alias_pick(alias, 0), "2");
    assert_string_equal(alias_pick(alias, 0.2499), "2");
    assert_string_equal(alias_pick(alias, 0.25), "1");
    assert_string_equal(alias_pick(alias, 0.9999), "1");
    assert_true(alias_leads_to(alias, "1") && alias_leads_to(alias, "2"));
    assert_false(alias_leads_to(alias, "3"));
    alias->other_share = 0;
    assert_string_equal(alias_pick(alias, 0), "1");
    alias->other_share = 1;
    assert_string_equal(alias_pick(alias, 0.9999), "2");
    CLEAN(alias_clean) struct alias *plain = make("a", "$LATEST", NULL, 0);
    assert_string_equal(alias_pick(plain, 0), "$LATEST");
    for (int i = 0; i < 1000; i++) {
        double chance = alias_chance();
        assert_true(chance >= 0 && chance < 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(kept), TEST(chosen)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
