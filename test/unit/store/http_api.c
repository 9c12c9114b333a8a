// SPDX-License-Identifier: Apache-2.0
// HTTP APIs: documents by API, kind and id.
#include "tables.h"
#include "store/http_api.h"

static int line_add(void *ctx, const struct http_api_row *row)
{
    buf_printf(ctx, STR_FMT "/" STR_FMT "/" STR_FMT "=" STR_FMT " ", STR_ARG(row->api),
               STR_ARG(row->kind), STR_ARG(row->id), STR_ARG(row->document));
    return 0;
}

static void check(const char *want)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(4096);
    assert_int_equal(http_api_each(db, line_add, &text, &err), 0);
    assert_string_equal(buf_text(&text), want);
}

static void put(const char *api, const char *kind, const char *id, const char *document)
{
    struct http_api_row row = {str_of(api), str_of(kind), str_of(id), str_of(document)};
    assert_int_equal(http_api_put(db, &row, &err), 0);
}

static void apis_come_before_their_parts(void **state)
{
    (void)state;
    put("b", "route", "1", "{}");
    put("b", "api", "b", "{}");
    put("a", "route", "1", "{}");
    put("a", "api", "a", "{}");
    put("a", "route", "1", "{\"x\":1}");
    check("a/api/a={} b/api/b={} a/route/1={\"x\":1} b/route/1={} ");
}

static void parts_go_alone_or_with_their_api(void **state)
{
    (void)state;
    put("a", "api", "a", "{}");
    put("a", "route", "1", "{}");
    put("a", "stage", "1", "{}");
    put("b", "api", "b", "{}");
    struct http_api_row route = {STR("a"), STR("route"), STR("1"), {0}}, all = {STR("a")};
    assert_int_equal(http_api_delete(db, &route, &err), 0);
    check("a/api/a={} b/api/b={} a/stage/1={} ");
    assert_int_equal(http_api_delete(db, &all, &err), 0);
    check("b/api/b={} ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(apis_come_before_their_parts),
                                       TEST(parts_go_alone_or_with_their_api)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
