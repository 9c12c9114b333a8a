// SPDX-License-Identifier: Apache-2.0
#include "format/json.h"
#include "files.h"

#include <math.h>

static json_t *parsed(const char *text)
{
    struct err err = {0};
    json_t *json = NULL;
    assert_ok(json_parse(str_of(text), &json, &err), err);
    return json;
}

// What is written is what was read.
static void test_round_trips(void **state)
{
    (void)state;
    static const char *const texts[] = {"null",
                                        "true",
                                        "0",
                                        "-9223372036854775808",
                                        "9223372036854775807",
                                        "0.1",
                                        "1.0",
                                        "-0.0",
                                        "1e+300",
                                        "2.5e-08",
                                        "0.30000000000000004",
                                        "\"\"",
                                        "\"a\\\"\\\\\\n\\u0000\\u001F/\"",
                                        "[]",
                                        "{}",
                                        "[[],{},[1,2]]",
                                        "{\"b\":1,\"a\":{\"c\":[null,false]},\"\":\"\"}",
                                        "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        CLEAN_JSON json_t *json = parsed(texts[i]);
        CLEAN(buf_done) struct buf out = BUF_INIT(1000);
        json_write(json, &out);
        assert_buf(&out, texts[i]);
    }
}

static void test_indented(void **state)
{
    (void)state;
    CLEAN_JSON json_t *json = parsed("{\"a\":[1,{}],\"b\":{\"c\":2}}");
    CLEAN(buf_done) struct buf out = BUF_INIT(1000);
    json_write_indented(json, &out);
    assert_buf(&out, "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": {\n    \"c\": 2\n  }\n}");
}

static void test_write_limits(void **state)
{
    (void)state;
    CLEAN_JSON json_t *json = parsed("[1,2,3,4,5]");
    CLEAN(buf_done) struct buf out = BUF_INIT(6);
    json_write(json, &out);
    assert_false(buf_ok(&out));
}

static void test_bad_texts(void **state)
{
    (void)state;
    static const char *const bad[][2] = {{"", "line 1"},
                                         {"{", "line 1"},
                                         {"{\n\"a\":1,\n}", "line 3, column 1"},
                                         {"{'a':1}", "line 1"},
                                         {"[1] x", "end of file"},
                                         {"[01]", "line 1"},
                                         {"\"\xff\"", "byte 0xff"},
                                         {"\"\\ud800\"", "line 1"},
                                         {"NaN", "line 1"},
                                         {"[1e999]", "line 1"},
                                         {"nul", "line 1"},
                                         {"\"\n\"", "newline"},
                                         {"123456789012345678901234567890", "too big"}};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct err err = {0};
        json_t *json = NULL;
        assert_err(json_parse(str_of(bad[i][0]), &json, &err), ERR_INVALID, err, bad[i][1]);
        assert_null(json);
    }
    struct err err = {0};
    json_t *json = NULL;
    assert_err(json_parse((struct str){0}, &json, &err), ERR_INVALID, err, "line");
    assert_err(json_parse_object(STR("[1]"), &json, &err), ERR_INVALID, err, "is an array");
}

static void test_depth(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(buf_done) struct buf text = BUF_INIT(100000);
    buf_add_text(&text, "[\"[[[\\\"[[\",");
    for (int i = 0; i < JSON_DEPTH_MAX_INPUT - 1; i++) {
        buf_add_char(&text, '[');
    }
    for (int i = 0; i < JSON_DEPTH_MAX_INPUT; i++) {
        buf_add_char(&text, ']');
    }
    CLEAN_JSON json_t *json = parsed(buf_text(&text));
    assert_true(json_is_array(json));
    buf_clear(&text);
    for (int i = 0; i < 50000; i++) {
        buf_add_char(&text, '[');
    }
    json_t *deep = NULL;
    assert_err(json_parse(buf_str(&text), &deep, &err), ERR_LIMIT, err, "offset 200");
}

static void test_getters(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN_JSON json_t *json = parsed("{\"s\":\"a\\u0000b\",\"i\":7,\"r\":1.5,\"t\":true,\"n\":null,"
                                     "\"o\":{\"p\":{\"q\":\"deep\"}},\"l\":[1],\"x.y\":\"dot\"}");
    struct str s = {0};
    int64_t i = 3;
    double r = 0;
    bool t = false;
    json_t *sub = NULL;
    assert_int_equal(json_get_str(json, "s", &s, &err), 1);
    assert_int_equal(s.size, 3);
    assert_int_equal(json_get_str(json, "o.p.q", &s, &err), 1);
    assert_str(s, "deep");
    assert_int_equal(json_get_str(json, "x.y", &s, &err), 1);
    assert_str(s, "dot");
    assert_int_equal(json_get_int(json, "i", 1, 10, &i, &err), 1);
    assert_int_equal(i, 7);
    assert_int_equal(json_get_real(json, "r", &r, &err), 1);
    assert_true(r == 1.5);
    assert_int_equal(json_get_real(json, "i", &r, &err), 1);
    assert_true(r == 7);
    assert_int_equal(json_get_bool(json, "t", &t, &err), 1);
    assert_true(t);
    assert_int_equal(json_get_object(json, "o.p", &sub, &err), 1);
    assert_int_equal(json_get_array(json, "l", &sub, &err), 1);
    assert_true(json_at(json, "o.p.q") != NULL);
    assert_null(json_at(json, "o.z.q"));
    assert_null(json_at(json, "s.z"));
    assert_null(json_at(NULL, "s"));
}

static void test_absent(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN_JSON json_t *json = parsed("{\"n\":null,\"o\":{}}");
    int64_t i = 3;
    static const char *const names[] = {"a", "n", "n.a", "o.a", "a.b.c"};
    for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
        assert_int_equal(json_get_int(json, names[k], 1, 10, &i, &err), 0);
        assert_err(json_need_int(json, names[k], 1, 10, &i, &err), ERR_INVALID, err, "is required");
        assert_true(str_starts(str_of(err.text), str_of(names[k])));
    }
    assert_int_equal(i, 3);
    assert_int_equal(json_get_int(NULL, "a", 1, 10, &i, &err), 0);
}

static void test_wrong_kinds(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN_JSON json_t *json =
        parsed("{\"s\":\"7\",\"i\":70,\"r\":1.5,\"t\":true,\"o\":{\"l\":[1]}}");
    struct str s = STR("before");
    int64_t i = 3;
    double r = 2;
    bool t = false;
    json_t *sub = NULL;
    assert_err(json_get_str(json, "i", &s, &err), ERR_INVALID, err,
               "i: must be a string, is an integer");
    assert_err(json_get_int(json, "s", 1, 10, &i, &err), ERR_INVALID, err,
               "s: must be an integer, is a string");
    assert_err(json_get_int(json, "r", 1, 10, &i, &err), ERR_INVALID, err, "with a fraction");
    assert_err(json_get_int(json, "i", 1, 10, &i, &err), ERR_INVALID, err,
               "i: must be from 1 to 10, is 70");
    assert_err(json_get_real(json, "t", &r, &err), ERR_INVALID, err, "a number, is a boolean");
    assert_err(json_get_bool(json, "o.l", &t, &err), ERR_INVALID, err,
               "o.l: must be true or false, is an array");
    assert_err(json_get_object(json, "o.l", &sub, &err), ERR_INVALID, err, "an object");
    assert_err(json_get_array(json, "o", &sub, &err), ERR_INVALID, err, "an array, is an object");
    assert_err(json_get_str(json, "s.z", &s, &err), ERR_INVALID, err,
               "s: must be an object, is a string");
    assert_err(json_get_str(json, "o.l.z.y", &s, &err), ERR_INVALID, err,
               "o.l: must be an object, is an array");
    assert_err(json_need_str(json_at(json, "i"), "z", &s, &err), ERR_INVALID, err,
               "must be an object");
    assert_str(s, "before");
    assert_int_equal(i, 3);
    assert_null(sub);
}

static void test_quote(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf out = BUF_INIT(1000);
    json_quote(&out, STR("a\"\\\b\f\n\r\t\x01\x7f/\xff\xc3\xa4\xed\xa0\x80"));
    assert_buf(&out, "\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\x7f/"
                     "\xef\xbf\xbd\xc3\xa4"
                     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    buf_clear(&out);
    json_quote(&out, (struct str){0});
    assert_buf(&out, "\"\"");
}

static void test_put(void **state)
{
    (void)state;
    CLEAN_JSON json_t *json = json_object();
    json_put_str(json, "s", STR("a\xff"));
    json_put_str(json, "e", (struct str){0});
    json_put_int(json, "i", -1);
    json_put_bool(json, "b", true);
    json_put(json, "r", json_real(0.25));
    CLEAN(buf_done) struct buf out = BUF_INIT(1000);
    json_write(json, &out);
    assert_buf(&out, "{\"s\":\"a\xef\xbf\xbd\",\"e\":\"\",\"i\":-1,\"b\":true,\"r\":0.25}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),  cmocka_unit_test(test_indented),
        cmocka_unit_test(test_write_limits), cmocka_unit_test(test_bad_texts),
        cmocka_unit_test(test_depth),        cmocka_unit_test(test_getters),
        cmocka_unit_test(test_absent),       cmocka_unit_test(test_wrong_kinds),
        cmocka_unit_test(test_quote),        cmocka_unit_test(test_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
