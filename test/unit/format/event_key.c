// SPDX-License-Identifier: Apache-2.0
// What of an event chooses the answer: two requests that ask the same are the same afterwards, two that
// do not are not.
#include "format/event_key.h"
#include "base/mem.h"
#include "format/json.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static char *stripped(const char *event, const char *vary, enum event_kind kind)
{
    CLEAN_JSON json_t *json = NULL;
    CLEAN_JSON json_t *names = NULL;
    struct err err = {0};
    assert_int_equal(json_parse(str_of(event), &json, &err), 0);
    if (vary) {
        assert_int_equal(json_parse(str_of(vary), &names, &err), 0);
    }
    assert_int_equal(event_key_strip(json, names), kind);
    return json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
}

static void same(const char *a, const char *b, const char *vary, enum event_kind kind, bool wanted)
{
    CLEAN_MEM char *left = stripped(a, vary, kind);
    CLEAN_MEM char *right = stripped(b, vary, kind);
    if ((strcmp(left, right) == 0) != wanted) {
        print_error("%s\n%s\n", left, right);
        fail();
    }
}

// A request of format 2.0 with these headers (JSON members) and this body.
static char *request(const char *id, const char *headers, const char *body)
{
    return mem_printf(
        "{\"version\":\"2.0\",\"rawPath\":\"/p\",\"rawQueryString\":\"a=1\",\"headers\":{%s},"
        "\"requestContext\":{\"apiId\":\"x\",\"http\":{\"method\":\"POST\",\"path\":\"/p\","
        "\"sourceIp\":\"10.0.0.%s\",\"userAgent\":\"a%s\"},\"requestId\":\"%s\",\"stage\":\"dev\","
        "\"time\":\"%s\",\"timeEpoch\":%s},\"body\":\"%s\",\"isBase64Encoded\":false}",
        headers, id, id, id, id, id, body);
}

static void expect(const char *a_headers, const char *a_body, const char *b_headers,
                   const char *b_body, const char *vary, bool wanted)
{
    CLEAN_MEM char *a = request("1", a_headers, a_body);
    CLEAN_MEM char *b = request("2", b_headers, b_body);
    same(a, b, vary, EVENT_HTTP, wanted);
}

static void test_requests_of_different_times_and_clients(void **state)
{
    (void)state;
    expect("", "x", "", "x", NULL, true);
    expect("", "x", "", "y", NULL, false);
    expect("\"user-agent\":\"a\",\"X-Forwarded-For\":\"1\",\"Sec-Fetch-Mode\":\"cors\"", "",
           "\"User-Agent\":\"b\",\"traceparent\":\"2\"", "", NULL, true);
    expect("\"accept\":\"a\"", "", "\"accept\":\"b\"", "", NULL, false);
    expect("\"x-api-key\":\"a\"", "", "", "", NULL, false); // who asks is part of what is asked
    expect("\"authorization\":\"Bearer a\"", "", "\"authorization\":\"Bearer b\"", "", NULL, false);
    expect("\"authorization\":\"AWS4-HMAC-SHA256 a\"", "",
           "\"authorization\":\"AWS4-HMAC-SHA256 b\"", "", NULL, true);
    expect("\"x-secret\":\"a\"", "", "\"x-secret\":\"b\"", "", NULL, false);
    expect("\"dates\":\"a\"", "", "\"dates\":\"b\"", "", NULL, false); // no prefix
}

static void test_vary(void **state)
{
    (void)state;
    expect("\"user-agent\":\"a\"", "", "\"user-agent\":\"b\"", "", "[\"User-Agent\"]", false);
    expect("\"user-agent\":\"a\"", "", "\"user-agent\":\"a\"", "", "[\"User-Agent\"]", true);
    expect("", "", "", "", "[\"/requestContext/http/sourceIp\"]", false);
    expect("", "", "", "", "[\"/requestContext/nothing\", \"/\", \"/a~1b~0\"]", true);
    expect("", "", "", "", "[12, null]", true);
}

static void test_format_1(void **state)
{
    (void)state;
    static const char form[] =
        "{\"version\":\"1.0\",\"path\":\"/p\",\"headers\":{\"Host\":\"h\",\"User-Agent\":\"%s\"},"
        "\"multiValueHeaders\":{\"Host\":[\"h\"],\"User-Agent\":[\"%s\"],\"A\":[\"1\",\"%s\"]},"
        "\"requestContext\":{\"identity\":{\"sourceIp\":\"%s\",\"userAgent\":\"%s\",\"user\":\"u\"}"
        ","
        "\"requestId\":\"%s\",\"extendedRequestId\":\"%s\",\"requestTime\":\"%s\","
        "\"requestTimeEpoch\":%s},\"body\":null}";
    CLEAN_MEM char *a = mem_printf(form, "1", "1", "x", "1", "1", "1", "1", "1", "1");
    CLEAN_MEM char *b = mem_printf(form, "2", "2", "x", "2", "2", "2", "2", "2", "2");
    CLEAN_MEM char *c = mem_printf(form, "2", "2", "y", "2", "2", "2", "2", "2", "2");
    same(a, b, NULL, EVENT_HTTP, true);
    same(a, c, NULL, EVENT_HTTP, false);
}

static char *record(const char *key, const char *event, const char *time)
{
    return mem_printf(
        "{\"eventVersion\":\"2.1\",\"eventName\":\"%s\",\"eventTime\":\"%s\","
        "\"requestParameters\":{\"sourceIPAddress\":\"%s\"},\"responseElements\":{\"id\":\"%s\"},"
        "\"s3\":{\"bucket\":{\"name\":\"b\"},\"object\":{\"key\":\"%s\",\"size\":%s,\"eTag\":\"%"
        "s\","
        "\"sequencer\":\"%s\"}}}",
        event, time, time, time, key, time, time, time);
}

static void test_uploads(void **state)
{
    (void)state;
    CLEAN_MEM char *one = record("k", "Put", "1");
    CLEAN_MEM char *again = record("k", "Put", "2");
    CLEAN_MEM char *other = record("l", "Put", "1");
    CLEAN_MEM char *copied = record("k", "Copy", "1");
    CLEAN_MEM char *a = mem_printf("{\"Records\":[%s]}", one);
    CLEAN_MEM char *b = mem_printf("{\"Records\":[%s]}", again);
    CLEAN_MEM char *c = mem_printf("{\"Records\":[%s]}", other);
    CLEAN_MEM char *d = mem_printf("{\"Records\":[%s]}", copied);
    CLEAN_MEM char *e = mem_printf("{\"Records\":[%s,%s]}", one, one);
    CLEAN_MEM char *f = mem_printf("{\"Records\":[%s],\"more\":1}", one);
    same(a, b, NULL, EVENT_S3, true);
    same(a, c, NULL, EVENT_S3, false); // what code answers may hold the name
    same(a, d, NULL, EVENT_S3, false);
    same(a, e, NULL, EVENT_S3, false);
    same(a, f, NULL, EVENT_S3, false);
    same(a, b, "[\"/Records/0/eventTime\"]", EVENT_S3, false);
    same(a, b, "[\"/Records/1/eventTime\"]", EVENT_S3, true);
}

static void test_anything_else_stays_as_it_is(void **state)
{
    (void)state;
    static const char *const others[] = {"{}",
                                         "[]",
                                         "[{\"s3\":{}}]",
                                         "{\"Records\":[]}",
                                         "{\"Records\":[{\"s3\":1}]}",
                                         "{\"Records\":{\"s3\":{}}}",
                                         "{\"requestContext\":{\"requestId\":\"1\"}}",
                                         "{\"headers\":{},\"requestContext\":1}",
                                         "{\"headers\":{\"user-agent\":\"a\"}}"};
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        CLEAN_MEM char *text = stripped(others[i], "[\"/requestContext\"]", EVENT_OTHER);
        assert_string_equal(text, others[i]);
    }
}

static void test_answers(void **state)
{
    (void)state;
    static const char *const kept[] = {
        "not JSON",
        "12",
        "\"text\"",
        "{}",
        "{\"a\":1}",
        "{\"statusCode\":200}",
        "{\"statusCode\":\"204\"}",
        "{\"statusCode\":200,\"cookies\":[]}",
        "{\"statusCode\":200,\"headers\":{\"Cache-Control\":\"public, max-age=60\"}}"};
    static const char *const not [] = {
        "{\"statusCode\":199}",
        "{\"statusCode\":301}",
        "{\"statusCode\":404}",
        "{\"statusCode\":500}",
        "{\"statusCode\":\"x\"}",
        "{\"statusCode\":null}",
        "{\"statusCode\":200,\"cookies\":[\"a=b\"]}",
        "{\"statusCode\":200,\"headers\":{\"set-cookie\":\"a=b\"}}",
        "{\"statusCode\":200,\"multiValueHeaders\":{\"Set-Cookie\":[\"a=b\"]}}",
        "{\"statusCode\":200,\"headers\":{\"CACHE-CONTROL\":\"max-age=1 , No-Store\"}}",
        "{\"statusCode\":200,\"headers\":{\"cache-control\":\"private=\\\"x\\\"\"}}"};
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        assert_true(event_key_may_keep(str_of(kept[i])));
    }
    for (size_t i = 0; i < ARRAY_SIZE(not ); i++) {
        assert_false(event_key_may_keep(str_of(not [i])));
    }
}

static void test_what_vary_may_hold(void **state)
{
    (void)state;
    assert_int_equal(event_key_vary_check(STR("Accept-Language"), NULL), 0);
    assert_int_equal(event_key_vary_check(STR("/a/b c/~1"), NULL), 0);
    static const char *const bad[] = {"", "a b", "a:b", "a\n", "/a\n", "ä"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(event_key_vary_check(str_of(bad[i]), NULL), ERR_INVALID);
    }
    char long_name[300];
    memset(long_name, 'a', sizeof long_name);
    assert_int_equal(event_key_vary_check(str_n(long_name, 257), NULL), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_of_different_times_and_clients),
        cmocka_unit_test(test_vary),
        cmocka_unit_test(test_format_1),
        cmocka_unit_test(test_uploads),
        cmocka_unit_test(test_anything_else_stays_as_it_is),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_what_vary_may_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
