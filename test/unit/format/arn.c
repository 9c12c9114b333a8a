// SPDX-License-Identifier: Apache-2.0
#include "format/arn.h"
#include "files.h"

static void test_parse(void **state)
{
    (void)state;
    struct err err = {0};
    struct arn arn;
    assert_ok(arn_parse(STR("arn:aws:lambda:us-east-1:000000000000:function:f:live"), &arn, &err),
              err);
    assert_str(arn.partition, "aws");
    assert_str(arn.service, "lambda");
    assert_str(arn.region, "us-east-1");
    assert_str(arn.account, "000000000000");
    assert_str(arn.resource, "function:f:live");
    assert_ok(arn_parse(STR("arn:aws:s3:::bucket/a:b"), &arn, &err), err);
    assert_int_equal(arn.region.size, 0);
    assert_str(arn.resource, "bucket/a:b");
}

static void test_parse_bad(void **state)
{
    (void)state;
    static const char *const bad[][2] = {{"", "begins with"},
                                         {"arn", "no partition"},
                                         {"arm:aws:s3:::b", "begins with"},
                                         {"arn::s3:::b", "no partition"},
                                         {"arn:aws::::b", "no service"},
                                         {"arn:aws:s3:::", "no resource"},
                                         {"arn:aws:s3", "no resource"}};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct err err = {0};
        struct arn arn;
        assert_err(arn_parse(str_of(bad[i][0]), &arn, &err), ERR_INVALID, err, bad[i][1]);
    }
}

static void test_function(void **state)
{
    (void)state;
    static const struct {
        const char *text, *region, *account, *name, *qualifier;
    } good[] = {
        {"f", "", "", "f", ""},
        {"f:live", "", "", "f", "live"},
        {"f:$LATEST", "", "", "f", "$LATEST"},
        {"f:12", "", "", "f", "12"},
        {"function:f", "", "", "f", ""},
        {"000000000000:function:f", "", "000000000000", "f", ""},
        {"000000000000:function:f:1", "", "000000000000", "f", "1"},
        {"us-east-1:000000000000:function:f:1", "us-east-1", "000000000000", "f", "1"},
        {"arn:aws:lambda:us-east-1:000000000000:function:f", "us-east-1", "000000000000", "f", ""},
        {"arn:aws-cn:lambda:cn-north-1:1:function:my_f-2:prod", "cn-north-1", "1", "my_f-2",
         "prod"},
        {"000000000000", "", "", "000000000000", ""},
        {"function", "", "", "function", ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct err err = {0};
        struct arn_function f;
        assert_ok(arn_function_parse(str_of(good[i].text), &f, &err), err);
        assert_str(f.region, good[i].region);
        assert_str(f.account, good[i].account);
        assert_str(f.name, good[i].name);
        assert_str(f.qualifier, good[i].qualifier);
    }
}

static void test_function_bad(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        ":",
        "a b",
        "f:",
        "f:a:b",
        "f:$latest",
        "f/g",
        "arn:aws:s3:::function",
        "arn:aws:lambda:us-east-1:1:layer:f",
        "arn:aws:lambda:us-east-1:1:function",
        "arn:aws:lambda:us-east-1:1:function:",
        "../../etc",
        "0123456789012345678901234567890123456789012345678901234567890123x"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct err err = {0};
        struct arn_function f;
        assert_err(arn_function_parse(str_of(bad[i]), &f, &err), ERR_INVALID, err, "functionName");
        assert_string_equal(err_aws_name(&err), "ValidationException");
    }
}

static void test_s3(void **state)
{
    (void)state;
    struct err err = {0};
    struct arn_s3 s3;
    assert_ok(arn_s3_parse(STR("arn:aws:s3:::b/results/x"), &s3, &err), err);
    assert_str(s3.bucket, "b");
    assert_str(s3.prefix, "results/x");
    assert_ok(arn_s3_parse(STR("arn:aws:s3:::b"), &s3, &err), err);
    assert_int_equal(s3.prefix.size, 0);
    assert_err(arn_s3_parse(STR("arn:aws:sqs:r:1:q"), &s3, &err), ERR_INVALID, err, "bucket");
    assert_err(arn_s3_parse(STR("arn:aws:s3:::/x"), &s3, &err), ERR_INVALID, err, "bucket");
    assert_err(arn_s3_parse(STR("b"), &s3, &err), ERR_INVALID, err, "arn:");
}

static void test_add(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf out = BUF_INIT(1000);
    arn_add_function(&out, STR("us-east-1"), STR(ARN_ACCOUNT), STR("f"), (struct str){0});
    assert_buf(&out, "arn:aws:lambda:us-east-1:000000000000:function:f");
    buf_clear(&out);
    arn_add_function(&out, STR("us-east-1"), STR(ARN_ACCOUNT), STR("f"), STR("live"));
    assert_buf(&out, "arn:aws:lambda:us-east-1:000000000000:function:f:live");
    buf_clear(&out);
    arn_add_s3(&out, STR("b"), STR("p/"));
    assert_buf(&out, "arn:aws:s3:::b/p/");
    buf_clear(&out);
    arn_add_sqs(&out, STR("r"), STR("1"), STR("q"));
    assert_buf(&out, "arn:aws:sqs:r:1:q");
}

static void test_layer(void **state)
{
    (void)state;
    static const struct {
        const char *text, *region, *account, *name;
        int64_t version;
    } good[] = {
        {"l", "", "", "l", -1},
        {"arn:aws:lambda:us-east-1:000000000000:layer:my_l-2", "us-east-1", "000000000000",
         "my_l-2", -1},
        {"arn:aws:lambda:us-east-1:000000000000:layer:l:12", "us-east-1", "000000000000", "l", 12},
        {"arn:aws-cn:lambda:cn-north-1:123456789012:layer:l:0", "cn-north-1", "123456789012", "l",
         0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct err err = {0};
        struct arn_layer layer;
        assert_ok(arn_layer_parse(str_of(good[i].text), &layer, &err), err);
        assert_str(layer.region, good[i].region);
        assert_str(layer.account, good[i].account);
        assert_str(layer.name, good[i].name);
        assert_int_equal(layer.version, good[i].version);
        CLEAN(buf_done) struct buf out = BUF_INIT(1024);
        arn_add_layer(&out, layer.region, layer.account, layer.name, layer.version);
        if (str_starts(str_of(good[i].text), STR("arn:aws:"))) {
            assert_string_equal(buf_text(&out), good[i].text);
        }
    }
}

static void test_layer_bad(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"", "a layer's name"},
        {"a b", "a layer's name"},
        {"a:1", "a layer's name"},
        {"arn:aws:lambda:us-east-1:000000000000:function:f", "not the ARN of a layer"},
        {"arn:aws:s3:us-east-1:000000000000:layer:l:1", "not the ARN of a layer"},
        {"arn:aws:lambda:us-east-1::layer:l:1", "not the ARN of a layer"},
        {"arn:aws:lambda:us-east-1:000000000000:layer", "a layer's name"},
        {"arn:aws:lambda:us-east-1:000000000000:layer:l:", "version's number"},
        {"arn:aws:lambda:us-east-1:000000000000:layer:l:x", "version's number"},
        {"arn:aws:lambda:us-east-1:000000000000:layer:l:1:2", "version's number"},
        {"arn:aws:lambda:us-east-1:000000000000:layer:l:-1", "version's number"}};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct err err = {0};
        struct arn_layer layer;
        assert_err(arn_layer_parse(str_of(bad[i][0]), &layer, &err), ERR_INVALID, err, bad[i][1]);
    }
    char longest[ARN_LAYER_NAME_MAX + 2];
    memset(longest, 'x', sizeof longest);
    struct err err = {0};
    struct arn_layer layer;
    assert_ok(arn_layer_parse(str_n(longest, ARN_LAYER_NAME_MAX), &layer, &err), err);
    assert_err(arn_layer_parse(str_n(longest, ARN_LAYER_NAME_MAX + 1), &layer, &err), ERR_INVALID,
               err, "140");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),    cmocka_unit_test(test_parse_bad),
        cmocka_unit_test(test_function), cmocka_unit_test(test_function_bad),
        cmocka_unit_test(test_s3),       cmocka_unit_test(test_add),
        cmocka_unit_test(test_layer),    cmocka_unit_test(test_layer_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
