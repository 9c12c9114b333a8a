// SPDX-License-Identifier: Apache-2.0
// Paths to one value.
#include "format/json_path.h"
#include "files.h"

static const char document[] =
    "{\"a\":{\"b\":[1,[2,3],{\"c d\":\"x\"}],\"é\":null},\"e.f\":true,\"0\":\"zero\"}";

static void test_get(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"$.a.b[0]", "1"},
        {"$.a.b[1][1]", "3"},
        {"$.a.b[2]['c d']", "\"x\""},
        {"$.a.b[2][\"c d\"]", "\"x\""},
        {"$['e.f']", "true"},
        {"$.0", "\"zero\""},
        {"$.a.é", "null"},
        {"$.a.b[3]", NULL},
        {"$.a.c", NULL},
        {"$.a.b.c", NULL},
        {"$[0]", NULL},
        {"$.a.b[0].c", NULL},
        {"$.e.f", NULL},
    };
    CLEAN_JSON json_t *json = NULL;
    struct err err = {0};
    assert_ok(json_parse_object(str_of(document), &json, &err), err);
    assert_ptr_equal(json_path_get(json, STR("$")), json);
    assert_null(json_path_get(NULL, STR("$.a")));
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEAN(buf_done) struct buf out = BUF_INIT(1000);
        assert_ok(json_path_check(str_of(cases[i][0]), &err), err);
        const json_t *found = json_path_get(json, str_of(cases[i][0]));
        if (found) {
            json_write(found, &out);
        }
        assert_str(buf_str(&out), cases[i][1]);
    }
}

static void test_bad(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",     "a",       ".a",    "$a",     "$.",    "$..a",           "$.a.",
        "$[",   "$[]",     "$[-1]", "$[1",    "$['a]", "$['']",          "$[']",
        "$[a]", "$['a'][", "$[*]",  "$[1:2]", "$ .a",  "$[99999999999]",
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct err err = {0};
        assert_err(json_path_check(str_of(cases[i]), &err), ERR_INVALID, err, "is not a path");
        assert_null(json_path_get(NULL, str_of(cases[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_get), cmocka_unit_test(test_bad)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
