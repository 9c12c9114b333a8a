// SPDX-License-Identifier: Apache-2.0
// Routes: test/cases/http_route/routes.json names routes and which of them takes what; bad.json keys
// that are none.
#include "format/http_route.h"
#include "files.h"
#include "format/json.h"

static json_t *cases(const char *path)
{
    struct err err = {0};
    json_t *json = NULL;
    CLEAN(buf_done) struct buf text = BUF_INIT(FILE_SIZE_MAX);
    assert_true(env_read("ROUSE_CASES", path, &text));
    assert_ok(json_parse(buf_str(&text), &json, &err), err);
    return json;
}

// The key of the best route, and its parameters as an object.
static struct str best_of(const json_t *routes, struct str method, struct str path,
                          json_t *ret_parameters)
{
    struct str best = {0};
    struct http_route_fit fit;
    for (size_t i = 0; i < json_array_size(routes); i++) {
        struct str key = json_str(json_array_get(routes, i));
        if (http_route_fits(key, method, path, &fit) &&
            (!best.at || http_route_cmp(key, best) > 0)) {
            best = key;
        }
    }
    if (best.at && http_route_fits(best, method, path, &fit)) {
        for (size_t i = 0; i < fit.parameter_count; i++) {
            CLEAN_MEM char *name = str_dup(fit.parameters[i].name);
            json_put_str(ret_parameters, name, fit.parameters[i].value);
        }
    }
    return best;
}

static void check_request(const json_t *routes, const json_t *request)
{
    CLEAN_JSON json_t *parameters = json_object();
    CLEAN_JSON json_t *none = json_object();
    struct str method = json_str(json_array_get(request, 0));
    struct str path = json_str(json_array_get(request, 1));
    const json_t *want = json_array_get(request, 2), *values = json_array_get(request, 3);
    struct str best = best_of(routes, method, path, parameters);
    if (!str_eq(best, json_str(want)) || !json_equal(parameters, values ? values : none)) {
        CLEAN(buf_done) struct buf text = BUF_INIT(4096);
        json_write(parameters, &text);
        fail_msg(STR_FMT " " STR_FMT " goes to \"" STR_FMT "\" with %s", STR_ARG(method),
                 STR_ARG(path), STR_ARG(best), buf_text(&text));
    }
}

static void test_routes(void **state)
{
    (void)state;
    CLEAN_JSON json_t *apis = cases("http_route/routes.json");
    size_t i = 0, j = 0;
    json_t *api = NULL, *item = NULL;
    assert_true(json_array_size(apis) > 3);
    json_array_foreach(apis, i, api)
    {
        const json_t *routes = json_object_get(api, "routes");
        json_array_foreach((json_t *)(uintptr_t)routes, j, item)
        {
            struct err err = {0};
            assert_ok(http_route_check(json_str(item), &err), err);
        }
        json_array_foreach(json_object_get(api, "requests"), j, item)
        {
            check_request(routes, item);
        }
    }
}

static void test_bad_keys(void **state)
{
    (void)state;
    CLEAN_JSON json_t *keys = cases("http_route/bad.json");
    const char *key = NULL;
    json_t *words = NULL;
    assert_true(json_object_size(keys) > 8);
    json_object_foreach(keys, key, words)
    {
        struct err err = {0};
        assert_err(http_route_check(str_of(key), &err), ERR_INVALID, err, json_string_value(words));
    }
}

static void test_bounds(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(buf_done) struct buf key = BUF_INIT(4096);
    buf_add_text(&key, "GET ");
    for (int i = 0; i <= HTTP_ROUTE_PARAMETERS_MAX; i++) {
        buf_printf(&key, "/{p%d}", i);
    }
    assert_err(http_route_check(buf_str(&key), &err), ERR_INVALID, err, "more than 32 parameters");
    buf_printf(&key, "/%0600d", 0);
    assert_err(http_route_check(buf_str(&key), &err), ERR_INVALID, err, "longer than 512");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_bad_keys),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
