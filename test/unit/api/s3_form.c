// SPDX-License-Identifier: Apache-2.0
// Browser forms, cut into pieces of every size, and the policies that they carry.
#include "api/s3_form.h"
#include "api/s3_policy.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#define PART(name) "\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n"

struct seen {
    struct buf data;
    int files;
    int fail;
};

static int on_file(void *ctx, struct err *err)
{
    struct seen *seen = ctx;
    seen->files++;
    return seen->fail ? err_set(err, seen->fail, "no") : 0;
}

static int on_data(void *ctx, struct str data, struct err *err)
{
    (void)err;
    struct seen *seen = ctx;
    buf_add_str(&seen->data, data);
    return 0;
}

static int parse(struct s3_form *form, struct str body, size_t piece, struct seen *seen,
                 struct err *err)
{
    buf_init(&seen->data, 1 << 20);
    TRY(s3_form_init(form, STR("multipart/form-data; charset=x; boundary=\"b;1\""), err));
    form->on_file = on_file;
    form->on_data = on_data;
    form->ctx = seen;
    while (body.size) {
        TRY(s3_form_feed(form, str_head(body, piece), err));
        body = str_skip(body, piece);
    }
    return s3_form_end(form, err);
}

static const struct str good = STR(
    "--b;1" PART("key") "a/${filename}\r\n--b;1\r\ncontent-disposition:form-data;name=\"e\"\r\n"
                        "Content-Type: text/plain\r\n\r\n\r\n--b;1" PART(
                            "quoted\\\"; x=\\\"") "v\0w\r\n"
                                                  "--b;1\r\nContent-Disposition: form-data; "
                                                  "name=\"file\"; filename=\"C:\\\\a; b.jpg\"\r\n"
                                                  "Content-Type: image/jpeg\r\n\r\n"
                                                  "data\r\n--b;\r\n--b\0\r\n\r\n--b;1" PART(
                                                      "late") "ignored\r\n--b;1--\r\nepilogue");

static void form_is_read_in_pieces_of_any_size(void **state)
{
    (void)state;
    for (size_t piece = 1; piece <= good.size; piece++) {
        CLEAN(s3_form_done) struct s3_form form = {0};
        struct seen seen = {0};
        struct err err = {0};
        assert_int_equal(parse(&form, good, piece, &seen, &err), 0);
        assert_int_equal(form.field_count, 3);
        assert_true(str_eq(s3_form_get(&form, "KEY"), STR("a/${filename}")));
        assert_true(str_eq(s3_form_get(&form, "e"), STR("")));
        assert_true(str_eq(s3_form_get(&form, "quoted\\\"; x=\\\""), STR("v\0w")));
        assert_null(s3_form_get(&form, "late").at);
        assert_int_equal(seen.files, 1);
        assert_string_equal(form.file_name, "C:\\\\a; b.jpg");
        assert_true(str_eq(buf_str(&seen.data), STR("data\r\n--b;\r\n--b\0\r\n")));
        buf_done(&seen.data);
    }
}

static void forms_that_are_cut_off(void **state)
{
    (void)state;
    size_t whole = good.size - strlen("\r\nepilogue");
    for (size_t size = 0; size < whole; size++) {
        CLEAN(s3_form_done) struct s3_form form = {0};
        struct seen seen = {0};
        struct err err = {0};
        assert_int_equal(parse(&form, str_head(good, size), 7, &seen, &err), ERR_INVALID);
        assert_string_equal(err.aws, "MalformedPOSTRequest");
        buf_done(&seen.data);
    }
}

static void forms_that_are_none(void **state)
{
    (void)state;
    static const struct {
        const char *body, *aws;
    } cases[] = {
        {"--b;1\r\n\r\nno disposition\r\n--b;1--", "MalformedPOSTRequest"},
        {"--b;1\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b;1--", "MalformedPOSTRequest"},
        {"--b;1x", "MalformedPOSTRequest"},
        {"--b;1" PART("key") "x\r\n--b;1--", "InvalidArgument"},
        {"--b;1--", "InvalidArgument"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEAN(s3_form_done) struct s3_form form = {0};
        struct seen seen = {0};
        struct err err = {0};
        assert_int_equal(parse(&form, str_of(cases[i].body), 100, &seen, &err), ERR_INVALID);
        assert_string_equal(err.aws, cases[i].aws);
        buf_done(&seen.data);
    }
    static const char *const types[] = {
        "", "text/plain", "multipart/form-data",
        "multipart/form-data; boundary=", "multipart/mixed; boundary=x"};
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        struct s3_form form;
        struct err err = {0};
        assert_int_equal(s3_form_init(&form, str_of(types[i]), &err), ERR_INVALID);
    }
}

static void fields_are_bounded(void **state)
{
    (void)state;
    for (int many = 0; many < 3; many++) {
        CLEAN(buf_done) struct buf body = BUF_INIT(1 << 20);
        for (int i = 0; i < 300 && many; i++) {
            buf_printf(&body, "--b;1\r\nContent-Disposition: form-data; name=\"f%d\"\r\n%s\r\n", i,
                       many == 2 ? "" : "\r\nv");
        }
        if (!many) {
            buf_add_text(&body, "--b;1" PART("key"));
            memset(buf_reserve(&body, 40000), 'x', 40000);
            buf_took(&body, 40000);
        }
        CLEAN(s3_form_done) struct s3_form form = {0};
        struct seen seen = {0};
        struct err err = {0};
        assert_true(parse(&form, buf_str(&body), 1000, &seen, &err) < 0);
        assert_true(form.field_count <= S3_FORM_FIELD_MAX);
        buf_done(&seen.data);
    }
}

static void a_refusal_ends_it(void **state)
{
    (void)state;
    CLEAN(s3_form_done) struct s3_form form = {0};
    struct seen seen = {.fail = ERR_DENIED};
    struct err err = {0};
    assert_int_equal(parse(&form, good, 10, &seen, &err), ERR_DENIED);
    assert_int_equal(seen.data.size, 0);
}

// A form with fields but without parsing.
static int policy(const char *document, struct s3_policy_bounds *bounds, struct err *err)
{
    struct s3_form form = {
        .fields = {{(char *)"Key", (char *)"user/x.jpg", 10},
                   {(char *)"x-ignore-this", (char *)"1", 1},
                   {(char *)"Policy", (char *)"abc", 3}},
        .field_count = 3,
    };
    return s3_policy_check(str_of(document), &form, STR("photos"), 1700000000000, bounds, err);
}

#define LIVE "\"expiration\": \"2040-01-01T00:00:00.000Z\", "

static void policies_that_hold(void **state)
{
    (void)state;
    struct s3_policy_bounds bounds = {0};
    struct err err = {0};
    assert_int_equal(policy("{" LIVE "\"conditions\": [{\"bucket\": \"photos\"}, "
                            "[\"starts-with\", \"$key\", \"user/\"], "
                            "[\"content-length-range\", 3, 5]]}",
                            &bounds, &err),
                     0);
    assert_int_equal(bounds.least, 3);
    assert_int_equal(bounds.most, 5);
    assert_int_equal(
        policy("{" LIVE "\"conditions\": [[\"eq\", \"$KEY\", \"user/x.jpg\"]]}", &bounds, &err), 0);
    assert_int_equal(bounds.most, UINT64_MAX);
}

static void policies_that_do_not(void **state)
{
    (void)state;
    static const struct {
        const char *document;
        int code;
    } cases[] = {
        {"", ERR_INVALID},
        {"[]", ERR_INVALID},
        {"{" LIVE "\"conditions\": {}}", ERR_INVALID},
        {"{\"conditions\": []}", ERR_INVALID},
        {"{\"expiration\": \"soon\", \"conditions\": []}", ERR_INVALID},
        {"{\"expiration\": 5, \"conditions\": []}", ERR_INVALID},
        {"{" LIVE "\"conditions\": [5]}", ERR_INVALID},
        {"{" LIVE "\"conditions\": [[\"eq\", \"$key\"]]}", ERR_INVALID},
        {"{" LIVE "\"conditions\": [[\"like\", \"$key\", \"x\"]]}", ERR_INVALID},
        {"{" LIVE "\"conditions\": [[\"eq\", \"key\", \"user/x.jpg\"]]}", ERR_INVALID},
        {"{" LIVE "\"conditions\": [[\"content-length-range\", -1, 5]]}", ERR_INVALID},
        {"{" LIVE "\"conditions\": [[\"content-length-range\", \"1\", \"5\"]]}", ERR_INVALID},
        {"{" LIVE "\"conditions\": [{\"key\": 5}]}", ERR_INVALID},
        {"{\"expiration\": \"2001-01-01T00:00:00Z\", \"conditions\": [[\"starts-with\", \"$key\", "
         "\"\"]]}",
         ERR_DENIED},
        {"{" LIVE "\"conditions\": []}", ERR_DENIED}, // key is not mentioned
        {"{" LIVE "\"conditions\": [{\"key\": \"other\"}]}", ERR_DENIED},
        {"{" LIVE "\"conditions\": [[\"starts-with\", \"$key\", \"admin/\"]]}", ERR_DENIED},
        {"{" LIVE "\"conditions\": [[\"starts-with\", \"$key\", \"\"], {\"acl\": \"public\"}]}",
         ERR_DENIED},
        {"{" LIVE "\"conditions\": [[\"starts-with\", \"$key\", \"\"], {\"bucket\": \"other\"}]}",
         ERR_DENIED},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct s3_policy_bounds bounds = {7, 7};
        struct err err = {0};
        if (policy(cases[i].document, &bounds, &err) != cases[i].code) {
            fail_msg("%s: %s", cases[i].document, err.text);
        }
        assert_int_equal(bounds.most, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(form_is_read_in_pieces_of_any_size),
        cmocka_unit_test(forms_that_are_cut_off),
        cmocka_unit_test(forms_that_are_none),
        cmocka_unit_test(fields_are_bounded),
        cmocka_unit_test(a_refusal_ends_it),
        cmocka_unit_test(policies_that_hold),
        cmocka_unit_test(policies_that_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
