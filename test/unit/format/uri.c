// SPDX-License-Identifier: Apache-2.0
#include "format/uri.h"
#include "files.h"

// The next line with two or more words that is not a comment. False at the end.
static bool next_case(struct str *rest, struct str *ret_first, struct str *ret_line)
{
    while (rest->at) {
        struct str line = str_trim(str_cut(rest, '\n'));
        if (line.size && line.at[0] != '#') {
            *ret_first = str_cut(&line, ' ');
            *ret_line = str_trim(line);
            return true;
        }
    }
    return false;
}

static void test_decode_cases(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf file = BUF_INIT(FILE_SIZE_MAX);
    assert_true(env_read("ROUSE_CASES", "uri/decode.txt", &file));
    struct str rest = buf_str(&file), form_name, line;
    size_t count = 0;
    for (; next_case(&rest, &form_name, &line); count++) {
        enum uri_form form = str_eq(form_name, STR("path")) ? URI_PATH : URI_QUERY;
        struct str input = str_cut(&line, ' '), want = str_trim(line);
        CLEAN(buf_done) struct buf out = BUF_INIT(1000);
        CLEAN(buf_done) struct buf shown = BUF_INIT(1000);
        struct err err = {0};
        int rc = uri_decode(input, form, &out, &err);
        if (want.at[0] == '!') {
            CLEAN_MEM char *part = mem_printf("offset " STR_FMT, STR_ARG(str_skip(want, 1)));
            assert_err(rc, ERR_INVALID, err, part);
            assert_int_equal(out.size, 0);
            continue;
        }
        assert_ok(rc, err);
        uri_encode(&shown, buf_str(&out), /* keep_slash */ false);
        CLEAN_MEM char *text = str_dup(want);
        assert_buf(&shown, text);
    }
    assert_true(count > 10);
}

static void unescape(struct str text, struct buf *out)
{
    while (text.size) {
        if (str_starts(text, STR("\\x"))) {
            char digits[5] = "0x";
            memcpy(digits + 2, text.at + 2, 2);
            buf_add_char(out, (char)strtol(digits, NULL, 16));
            text = str_skip(text, 4);
        } else {
            buf_add_char(out, text.at[0]);
            text = str_skip(text, 1);
        }
    }
}

static void test_key_cases(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf file = BUF_INIT(FILE_SIZE_MAX);
    assert_true(env_read("ROUSE_CASES", "uri/key.txt", &file));
    struct str rest = buf_str(&file);
    size_t count = 0;
    while (rest.at) {
        struct str line = str_cut(&rest, '\n');
        if (line.size == 0 || line.at[0] == '#') {
            continue;
        }
        struct str want = line;
        while (str_find(want, ' ') >= 0) {
            (void)str_cut(&want, ' ');
        }
        CLEAN(buf_done) struct buf key = BUF_INIT(1000);
        CLEAN(buf_done) struct buf out = BUF_INIT(1000);
        CLEAN(buf_done) struct buf back = BUF_INIT(1000);
        unescape(str_trim(str_head(line, line.size - want.size)), &key);
        uri_encode_key(&out, buf_str(&key));
        CLEAN_MEM char *text = str_dup(want);
        assert_buf(&out, text);
        struct err err = {0};
        assert_ok(uri_decode(buf_str(&out), URI_QUERY, &back, &err), err);
        assert_true(str_eq(buf_str(&back), buf_str(&key)));
        count++;
    }
    assert_true(count > 5);
}

static void test_lenient(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf out = BUF_INIT(100);
    uri_decode_lenient(STR("100%+%41%4"), URI_QUERY, &out);
    assert_buf(&out, "100% A%4");
}

static void test_encode_slash(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf out = BUF_INIT(100);
    uri_encode(&out, STR("/a b/~c*"), /* keep_slash */ true);
    assert_buf(&out, "/a%20b/~c%2A");
}

static void test_query_next(void **state)
{
    (void)state;
    struct str rest = STR("&a=1&&b&c==2&=x&"), name, value;
    assert_true(uri_query_next(&rest, &name, &value));
    assert_str(name, "a");
    assert_str(value, "1");
    assert_true(uri_query_next(&rest, &name, &value));
    assert_str(name, "b");
    assert_null(value.at);
    assert_true(uri_query_next(&rest, &name, &value));
    assert_str(name, "c");
    assert_str(value, "=2");
    assert_true(uri_query_next(&rest, &name, &value));
    assert_str(name, "");
    assert_str(value, "x");
    assert_false(uri_query_next(&rest, &name, &value));
    assert_false(uri_query_next(&rest, &name, &value));
}

static void test_query_get(void **state)
{
    (void)state;
    struct err err = {0};
    struct str query = STR("list-type=2&pre%66ix=a%2Fb+c&bad=%zz&prefix=second&acl&ac=1");
    CLEAN(buf_done) struct buf out = BUF_INIT(100);
    assert_int_equal(uri_query_get(query, STR("prefix"), &out, &err), 1);
    assert_buf(&out, "a/b c");
    assert_int_equal(uri_query_get(query, STR("acl"), &out, &err), 1);
    assert_buf(&out, "a/b c");
    assert_int_equal(uri_query_get(query, STR("absent"), &out, &err), 0);
    assert_int_equal(uri_query_get(query, STR("list"), &out, &err), 0);
    assert_err(uri_query_get(query, STR("bad"), &out, &err), ERR_INVALID, err, "bad: ");
    assert_buf(&out, "a/b c");
    assert_true(uri_query_find(query, STR("acl"), NULL));
    assert_false(uri_query_find(query, STR("Acl"), NULL));
    assert_false(uri_query_find((struct str){0}, STR(""), NULL));
}

static void test_split(void **state)
{
    (void)state;
    struct str path, query;
    uri_split(STR("/a?b?c"), &path, &query);
    assert_str(path, "/a");
    assert_str(query, "b?c");
    uri_split(STR("/a"), &path, &query);
    assert_str(path, "/a");
    assert_int_equal(query.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode_cases), cmocka_unit_test(test_key_cases),
        cmocka_unit_test(test_lenient),      cmocka_unit_test(test_encode_slash),
        cmocka_unit_test(test_query_next),   cmocka_unit_test(test_query_get),
        cmocka_unit_test(test_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
