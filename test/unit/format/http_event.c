// SPDX-License-Identifier: Apache-2.0
// Requests as functions see them: each case is a request and what must stand in its payloads.
//
//     {"request": {…}, "2.0": {…}, "1.0": {…}}       the members that are named, to any depth;
//                                                    "(absent)" where there must be none
//     {…, "exact": true}                             nothing but these
#include "format/http_event.h"
#include "files.h"
#include "format/base64.h"
#include "format/json.h"

#include <dirent.h>

#define PAIRS_MAX 64

struct loaded {
    struct http_event event;
    struct http_event_pair headers[PAIRS_MAX], parameters[PAIRS_MAX];
    struct http_event_caller caller;
    struct buf body;
};

static struct str text_in(const json_t *object, const char *name)
{
    return str_not_null(json_str(json_object_get(object, name)));
}

static void load(const json_t *request, struct loaded *ret)
{
    struct http_event *e = &ret->event;
    *ret = (struct loaded){.body = BUF_INIT(FILE_SIZE_MAX)};
    *e = (struct http_event){
        .method = text_in(request, "method"),
        .raw_path = text_in(request, "rawPath"),
        .path = text_in(request, "path"),
        .query = text_in(request, "query"),
        .source_ip = STR("203.0.113.9"),
        .request_id = STR("4f0c1d2e-0000-4000-8000-000000000001"),
        .time_ms = INT64_C(1583348638390),
        .account = STR("000000000000"),
        .api_id = STR("abcdefghij"),
        .domain = STR("abcdefghij.execute-api.us-east-1.localhost:4566"),
        .stage = text_in(request, "stage"),
        .route_key = text_in(request, "routeKey"),
        .variables = json_object_get(request, "variables"),
        .headers = ret->headers,
        .parameters = ret->parameters,
    };
    json_t *pair = NULL, *value = NULL;
    size_t i = 0;
    const char *name = NULL;
    json_array_foreach(json_object_get(request, "headers"), i, pair)
    {
        ret->headers[e->header_count++] = (struct http_event_pair){
            json_str(json_array_get(pair, 0)), json_str(json_array_get(pair, 1))};
    }
    json_object_foreach(json_object_get(request, "parameters"), name, value)
    {
        ret->parameters[e->parameter_count++] =
            (struct http_event_pair){str_of(name), json_str(value)};
    }
    struct err err = {0};
    struct str base64 = text_in(request, "bodyBase64");
    buf_add_str(&ret->body, text_in(request, "body"));
    assert_ok(base64.size ? base64_decode(base64, &ret->body, &err) : 0, err);
    e->body = buf_str(&ret->body);
    if (json_is_true(json_object_get(request, "signed"))) {
        ret->caller =
            (struct http_event_caller){STR("AKIAEXAMPLE"), STR("000000000000"), STR("000000000000"),
                                       STR("arn:aws:iam::000000000000:root")};
        e->caller = &ret->caller;
    }
}

static void compare(const char *where, const json_t *have, const json_t *want, bool exact)
{
    const char *name = NULL;
    json_t *value = NULL;
    if (!json_is_object(want) || !json_is_object(have)) {
        if (!json_equal(have, want)) {
            CLEAN(buf_done) struct buf a = BUF_INIT(FILE_SIZE_MAX);
            CLEAN(buf_done) struct buf b = BUF_INIT(FILE_SIZE_MAX);
            json_write(have, &a);
            json_write(want, &b);
            fail_msg("%s: have %s, want %s", where, buf_text(&a), buf_text(&b));
        }
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)want, name, value)
    {
        CLEAN_MEM char *below = mem_printf("%s.%s", where, name);
        const json_t *there = json_object_get(have, name);
        if (str_eq(json_str(value), STR("(absent)"))) {
            if (there) {
                fail_msg("%s: is there", below);
            }
        } else if (!there) {
            fail_msg("%s: is not there", below);
        } else {
            compare(below, there, value, exact);
        }
    }
    if (exact && json_object_size(have) != json_object_size(want)) {
        fail_msg("%s: has %zu members, want %zu", where, json_object_size(have),
                 json_object_size(want));
    }
}

static void check_payload(const char *name, const char *version, const struct http_event *event,
                          const json_t *test)
{
    struct err err = {0};
    CLEAN_JSON json_t *have = NULL;
    CLEAN(buf_done) struct buf out = BUF_INIT(FILE_SIZE_MAX);
    (strcmp(version, "2.0") == 0 ? http_event_write_2 : http_event_write_1)(event, &out);
    assert_true(buf_ok(&out));
    assert_ok(json_parse_object(buf_str(&out), &have, &err), err);
    CLEAN_MEM char *where = mem_printf("%s %s", name, version);
    compare(where, have, json_object_get(test, version),
            json_is_true(json_object_get(test, "exact")));
}

static void check_case(const char *dir, const char *name)
{
    struct err err = {0};
    struct loaded loaded;
    CLEAN_JSON json_t *test = NULL;
    CLEAN(buf_done) struct buf text = BUF_INIT(FILE_SIZE_MAX);
    CLEAN_MEM char *path = mem_printf("%s/%s", dir, name);
    assert_true(file_read(path, &text));
    assert_ok(json_parse_object(buf_str(&text), &test, &err), err);
    load(json_object_get(test, "request"), &loaded);
    check_payload(name, "2.0", &loaded.event, test);
    check_payload(name, "1.0", &loaded.event, test);
    buf_done(&loaded.body);
}

static void test_cases(void **state)
{
    (void)state;
    const char *cases = getenv("ROUSE_CASES");
    CLEAN_MEM char *root = mem_printf("%s/http_event", cases ? cases : "test/cases");
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
    assert_true(count >= 10);
}

// Any bytes make valid JSON.
static void test_odd_bytes(void **state)
{
    (void)state;
    struct http_event_pair headers[] = {{str_n("X-\xff\n", 4), str_n("\0\xc3(\"", 4)},
                                        {STR(""), STR("")},
                                        {STR("content-type"), STR("text/plain")}};
    struct http_event event = {.method = STR("G\"T"),
                               .raw_path = str_n("/\xff\\", 3),
                               .query = STR("%ff=%00&=&a%zz&&%c3%28=%c3"),
                               .headers = headers,
                               .header_count = ARRAY_SIZE(headers),
                               .body = str_n("\xff\xfe\0", 3)};
    void (*const writers[])(const struct http_event *, struct buf *) = {http_event_write_1,
                                                                        http_event_write_2};
    for (size_t i = 0; i < ARRAY_SIZE(writers); i++) {
        struct err err = {0};
        CLEAN_JSON json_t *json = NULL;
        CLEAN(buf_done) struct buf out = BUF_INIT(65536);
        writers[i](&event, &out);
        assert_ok(json_parse_object(buf_str(&out), &json, &err), err);
        assert_str(json_str(json_object_get(json, "body")), "//4A");
        assert_true(json_is_true(json_object_get(json, "isBase64Encoded")));
    }
}

static void test_bound(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf out = BUF_INIT(300);
    struct http_event event = {.method = STR("GET"), .raw_path = STR("/"), .body = STR("x")};
    http_event_write_2(&event, &out);
    assert_false(buf_ok(&out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_odd_bytes),
        cmocka_unit_test(test_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
