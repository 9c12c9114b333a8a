// SPDX-License-Identifier: Apache-2.0
// Names of function URLs and of APIs on this endpoint: made from the host that was asked, and known
// again.
#include "api/http_front.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static void names_follow_the_host(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"127.0.0.1:4566", "abc.lambda-url.us-east-1.localhost:4566"},
        {"localhost:4566", "abc.lambda-url.us-east-1.localhost:4566"},
        {"localhost", "abc.lambda-url.us-east-1.localhost"},
        {"192.168.1.5:80", "abc.lambda-url.us-east-1.localhost:80"},
        {"[::1]:4566", "abc.lambda-url.us-east-1.localhost:4566"},
        {"[::1]", "abc.lambda-url.us-east-1.localhost"},
        {"", "abc.lambda-url.us-east-1.localhost"},
        {"rouse.example:80", "abc.lambda-url.us-east-1.rouse.example:80"},
        {"localhost.localstack.cloud:4566",
         "abc.lambda-url.us-east-1.localhost.localstack.cloud:4566"},
        {"xyz.lambda-url.eu-west-1.rouse.example:80", "abc.lambda-url.us-east-1.rouse.example:80"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct http_request req = {.host = str_of(cases[i][0])};
        CLEAN_MEM char *name = front_domain(&req, "abc", "lambda-url", "us-east-1");
        assert_string_equal(name, cases[i][1]);
        struct str id = front_host_id(str_of(name), STR("lambda-url"));
        assert_true(str_eq(id, STR("abc")));
    }
}

static void hosts_that_are_no_names(void **state)
{
    (void)state;
    static const char *const hosts[] = {
        "",
        "localhost:4566",
        "lambda-url.us-east-1.localhost",
        "127.0.0.1",
        "a-b.lambda-url.x.y",
        "abc.lambda-urls.us-east-1.localhost",
        ".lambda-url",
        "ABC.lambda-url.x.y.z",
        "abc.s3.lambda-url.localhost",
        "[::1]:4566",
    };
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
        assert_null(front_host_id(str_of(hosts[i]), STR("lambda-url")).at);
    }
    assert_null(front_host_id(STR("abc.execute-api.x"), STR("lambda-url")).at);
    assert_true(str_eq(front_host_id(STR("abc.execute-api.x"), STR("execute-api")), STR("abc")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_follow_the_host),
        cmocka_unit_test(hosts_that_are_no_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
