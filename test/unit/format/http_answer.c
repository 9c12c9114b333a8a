// SPDX-License-Identifier: Apache-2.0
// Answers of functions as responses: each case is a payload and what becomes of it in each format.
//
//     {"payload": "text", "rest": {…}, "api": {…}, "url": {…}}
//
// An object {"status": 200, "headers": [["Name", "value"]], "body": "…"}, or the words of an error. A
// payload that is no string stands for its JSON; "same": what all three must be.
#include "format/http_answer.h"
#include "files.h"
#include "format/json.h"

#include <dirent.h>

static void check_response(const char *where, const struct http_answer *a, const json_t *want)
{
    const json_t *headers = json_object_get(want, "headers");
    if (a->status != json_integer_value(json_object_get(want, "status"))) {
        fail_msg("%s: status %d", where, a->status);
    }
    if (!str_eq(a->body, json_str(json_object_get(want, "body")))) {
        fail_msg("%s: body \"" STR_FMT "\"", where, STR_ARG(a->body));
    }
    if (a->header_count != json_array_size(headers)) {
        fail_msg("%s: %zu headers, want %zu", where, a->header_count, json_array_size(headers));
    }
    for (size_t i = 0; i < a->header_count; i++) {
        const json_t *pair = json_array_get(headers, i);
        assert_string_equal(a->headers[i].name, json_string_value(json_array_get(pair, 0)));
        assert_string_equal(a->headers[i].value, json_string_value(json_array_get(pair, 1)));
    }
}

static void check_format(const char *name, const json_t *test, struct str payload,
                         const char *member, enum http_answer_format format)
{
    struct err err = {0};
    CLEAN(http_answer_done) struct http_answer answer = {0};
    CLEAN_MEM char *where = mem_printf("%s %s", name, member);
    const json_t *want = json_object_get(test, member);
    want = want ? want : json_object_get(test, "same");
    int rc = http_answer_parse(payload, format, &answer, &err);
    if (json_is_string(want)) {
        if (rc != ERR_INVALID || !strstr(err.text, json_string_value(want))) {
            fail_msg("%s: rc %d \"%s\", wanted \"%s\"", where, rc, err.text,
                     json_string_value(want));
        }
        return;
    }
    if (rc < 0) {
        fail_msg("%s: %s", where, err.text);
    }
    check_response(where, &answer, want);
}

static void check_case(const char *dir, const char *name)
{
    struct err err = {0};
    CLEAN_JSON json_t *test = NULL;
    CLEAN(buf_done) struct buf text = BUF_INIT(FILE_SIZE_MAX);
    CLEAN(buf_done) struct buf payload = BUF_INIT(FILE_SIZE_MAX);
    CLEAN_MEM char *path = mem_printf("%s/%s", dir, name);
    assert_true(file_read(path, &text));
    assert_ok(json_parse_object(buf_str(&text), &test, &err), err);
    const json_t *given = json_object_get(test, "payload");
    if (json_is_string(given)) {
        buf_add_str(&payload, json_str(given));
    } else {
        json_write(given, &payload);
    }
    check_format(name, test, buf_str(&payload), "rest", HTTP_ANSWER_REST);
    check_format(name, test, buf_str(&payload), "api", HTTP_ANSWER_API);
    check_format(name, test, buf_str(&payload), "url", HTTP_ANSWER_URL);
}

static void test_cases(void **state)
{
    (void)state;
    const char *cases = getenv("ROUSE_CASES");
    CLEAN_MEM char *root = mem_printf("%s/http_answer", cases ? cases : "test/cases");
    DIR *dir = opendir(root);
    assert_non_null(dir);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (str_ends(str_of(entry->d_name), STR(".json"))) {
            check_case(root, entry->d_name);
            count++;
        }
    }
    closedir(dir);
    assert_true(count >= 25);
}

static void test_too_many_headers(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf text = BUF_INIT(65536);
    CLEAN(http_answer_done) struct http_answer answer = {0};
    struct err err = {0};
    buf_add_text(&text, "{\"statusCode\":200,\"headers\":{\"x\":\"\"");
    for (int i = 0; i < HTTP_ANSWER_HEADERS_MAX; i++) {
        buf_printf(&text, ",\"x%d\":\"\"", i);
    }
    buf_add_text(&text, "}}");
    assert_err(http_answer_parse(buf_str(&text), HTTP_ANSWER_API, &answer, &err), ERR_INVALID, err,
               "more than 128 headers");
}

static void test_large_header(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf text = BUF_INIT(65536);
    CLEAN(http_answer_done) struct http_answer answer = {0};
    struct err err = {0};
    buf_printf(&text, "{\"statusCode\":200,\"headers\":{\"x\":\"%0*d\"}}", HTTP_ANSWER_HEADERS_SIZE,
               0);
    assert_err(http_answer_parse(buf_str(&text), HTTP_ANSWER_REST, &answer, &err), ERR_INVALID, err,
               "or 10240 bytes of them");
}

static void check_prelude(const char *text, int status, const char *headers)
{
    struct err err = {0};
    CLEAN(http_answer_done) struct http_answer answer = {0};
    CLEAN(buf_done) struct buf have = BUF_INIT(4096);
    assert_ok(http_answer_prelude(str_of(text), &answer, &err), err);
    assert_int_equal(answer.status, status);
    for (size_t i = 0; i < answer.header_count; i++) {
        buf_printf(&have, "%s=%s ", answer.headers[i].name, answer.headers[i].value);
    }
    assert_buf(&have, headers);
}

static void test_preludes(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(http_answer_done) struct http_answer answer = {0};
    check_prelude("{}", 200, "Content-Type=application/octet-stream ");
    check_prelude("{\"statusCode\":418,\"headers\":{\"content-type\":\"a/b\",\"X\":1},\"cookies\":["
                  "\"c=d\"],\"body\":\"ignored\"}",
                  418, "content-type=a/b X=1 Set-Cookie=c=d ");
    assert_err(http_answer_prelude(STR("{"), &answer, &err), ERR_INVALID, err, "its prelude");
    assert_err(http_answer_prelude(STR("[]"), &answer, &err), ERR_INVALID, err, "its prelude");
    assert_err(http_answer_prelude(STR("{\"statusCode\":1}"), &answer, &err), ERR_INVALID, err,
               "is 1, not 200 to 599");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_preludes),
        cmocka_unit_test(test_too_many_headers),
        cmocka_unit_test(test_large_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
