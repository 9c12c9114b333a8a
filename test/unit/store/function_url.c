// SPDX-License-Identifier: Apache-2.0
// Function URLs: one for each function and qualifier, gone with their function.
#include "tables.h"
#include "store/function.h"
#include "store/function_url.h"

static int line_add(void *ctx, const struct function_url *url)
{
    buf_printf(ctx, STR_FMT ":" STR_FMT " " STR_FMT " " STR_FMT " " STR_FMT " " STR_FMT " %lld\n",
               STR_ARG(url->function), STR_ARG(url->qualifier), STR_ARG(url->id),
               STR_ARG(url->auth), STR_ARG(url->mode), STR_ARG(url->cors),
               (long long)url->modified_ms);
    return 0;
}

static void check(const char *want)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(4096);
    assert_int_equal(function_url_each(db, line_add, &text, &err), 0);
    assert_string_equal(buf_text(&text), want);
}

static void put(const char *function, struct str qualifier, const char *id, struct str cors)
{
    struct function_url url = {.id = str_of(id),
                               .function = str_of(function),
                               .qualifier = qualifier,
                               .auth = STR("NONE"),
                               .mode = STR("BUFFERED"),
                               .cors = cors,
                               .created_ms = 1,
                               .modified_ms = 2};
    assert_int_equal(function_url_put(db, &url, &err), 0);
}

static void urls_are_kept(void **state)
{
    (void)state;
    check("");
    put("g", STR("live"), "3", STR(""));
    put("f", (struct str){0}, "1", STR("{}"));
    put("f", STR("live"), "2", (struct str){0});
    check("f: 1 NONE BUFFERED {} 2\nf:live 2 NONE BUFFERED  2\ng:live 3 NONE BUFFERED  2\n");
    put("f", (struct str){0}, "1", STR("{\"MaxAge\":1}"));
    check("f: 1 NONE BUFFERED {\"MaxAge\":1} 2\nf:live 2 NONE BUFFERED  2\ng:live 3 NONE BUFFERED "
          " 2\n");
    assert_int_equal(function_url_delete(db, STR("f"), (struct str){0}, &err), 0);
    check("f:live 2 NONE BUFFERED  2\ng:live 3 NONE BUFFERED  2\n");
    assert_int_equal(function_url_delete(db, STR("f"), STR("nobody"), &err), 0);
    assert_int_equal(function_delete(db, STR("f"), &err), 0);
    check("g:live 3 NONE BUFFERED  2\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(urls_are_kept)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
