// SPDX-License-Identifier: Apache-2.0
// Policies: what is allowed, what is denied, and documents that are none.
#include "iam/policy.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct row {
    const char *policy, *action, *resource;
    enum policy_answer answer;
};

static const struct policy_value context[] = {
    {{"aws:SourceIp", 12}, {"10.1.2.3", 8}},
    {{"s3:prefix", 9}, {"photos/cats/", 12}},
    {{"aws:username", 12}, {"ada", 3}},
    {{"aws:CurrentTime", 15}, {"2026-06-01T00:00:00Z", 20}},
    {{"s3:max-keys", 11}, {"10", 2}},
};

#define S(effect, action, resource, more)                                                          \
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"" effect "\",\"Action\":" action     \
    ",\"Resource\":" resource more "}]}"
#define COND(text) ",\"Condition\":" text
#define GET        "s3:GetObject"
#define OBJ        "arn:aws:s3:::b/k"
#define ANY(c)     S("Allow", "\"*\"", "\"*\"", COND(c)), GET, OBJ

static const struct row rows[] = {
    {S("Allow", "\"s3:GetObject\"", "\"arn:aws:s3:::b/*\"", ""), GET, OBJ, POLICY_ALLOWS},
    {S("Allow", "\"s3:GetObject\"", "\"arn:aws:s3:::b/*\"", ""), "s3:PutObject", OBJ,
     POLICY_SILENT},
    {S("Allow", "\"s3:GetObject\"", "\"arn:aws:s3:::b/*\"", ""), GET, "arn:aws:s3:::c/k",
     POLICY_SILENT},
    {S("Allow", "\"s3:getobject\"", "\"*\"", ""), GET, OBJ, POLICY_ALLOWS},
    {S("Allow", "\"s3:GetObject\"", "\"arn:aws:s3:::B/*\"", ""), GET, OBJ, POLICY_SILENT},
    {S("Allow", "[\"s3:List*\",\"s3:Get?bject\"]", "\"*\"", ""), GET, OBJ, POLICY_ALLOWS},
    {"{\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"},"
     "{\"Effect\":\"Deny\",\"Action\":\"s3:Get*\",\"Resource\":\"arn:aws:s3:::b/*\"}]}",
     GET, OBJ, POLICY_DENIES},
    {"[{\"Effect\":\"Allow\",\"NotAction\":\"iam:*\",\"Resource\":\"*\"}]", GET, OBJ,
     POLICY_ALLOWS},
    {"[{\"Effect\":\"Allow\",\"NotAction\":\"s3:*\",\"Resource\":\"*\"}]", GET, OBJ, POLICY_SILENT},
    {"{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"NotResource\":\"arn:aws:s3:::b/"
     "*\"}}",
     GET, OBJ, POLICY_SILENT},
    {S("Allow", "\"*\"", "\"arn:aws:s3:::b/${aws:username}/*\"", ""), GET, "arn:aws:s3:::b/ada/k",
     POLICY_ALLOWS},
    {S("Allow", "\"*\"", "\"arn:aws:s3:::b/${aws:nobody}*\"", ""), GET, OBJ, POLICY_SILENT},
    {ANY("{\"IpAddress\":{\"aws:SourceIp\":\"10.0.0.0/8\"}}"), POLICY_ALLOWS},
    {ANY("{\"IpAddress\":{\"aws:SourceIp\":[\"11.0.0.0/8\",\"::1\"]}}"), POLICY_SILENT},
    {ANY("{\"NotIpAddress\":{\"aws:SourceIp\":\"10.1.2.0/24\"}}"), POLICY_SILENT},
    {ANY("{\"StringLike\":{\"s3:prefix\":[\"x/*\",\"photos/*\"]}}"), POLICY_ALLOWS},
    {ANY("{\"StringEquals\":{\"s3:prefix\":\"photos/*\"}}"), POLICY_SILENT},
    {ANY("{\"StringNotEquals\":{\"s3:prefix\":\"photos/cats/\"}}"), POLICY_SILENT},
    {ANY("{\"StringEquals\":{\"s3:delimiter\":\"/\"}}"), POLICY_SILENT},
    {ANY("{\"StringEqualsIfExists\":{\"s3:delimiter\":\"/\"}}"), POLICY_ALLOWS},
    {ANY("{\"Null\":{\"s3:delimiter\":\"true\"}}"), POLICY_ALLOWS},
    {ANY("{\"Null\":{\"s3:prefix\":true}}"), POLICY_SILENT},
    {ANY("{\"NumericLessThanEquals\":{\"s3:max-keys\":10}}"), POLICY_ALLOWS},
    {ANY("{\"NumericLessThan\":{\"s3:max-keys\":\"10\"}}"), POLICY_SILENT},
    {ANY("{\"DateLessThan\":{\"aws:CurrentTime\":\"2026-12-31T00:00:00Z\"}}"), POLICY_ALLOWS},
    {ANY("{\"DateGreaterThan\":{\"aws:CurrentTime\":\"2026-12-31T00:00:00Z\"}}"), POLICY_SILENT},
    {ANY("{\"Bool\":{\"aws:SecureTransport\":\"true\"}}"), POLICY_SILENT},
};

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct policy *policy = NULL;
        struct err err = {0};
        struct policy_question q = {.action = str_of(rows[i].action),
                                    .resource = str_of(rows[i].resource),
                                    .context = context,
                                    .context_count = ARRAY_SIZE(context)};
        if (policy_parse(str_of(rows[i].policy), &policy, &err) < 0) {
            fail_msg("%s: %s", rows[i].policy, err.text);
        }
        if (policy_ask(policy, &q) != rows[i].answer) {
            fail_msg("row %zu: %s", i, rows[i].policy);
        }
        policy_free(policy);
    }
}

static void test_bad(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"{", "line"},
        {"{}", "needs a Statement"},
        {"[7]", "statement 1 is"},
        {"[{\"Effect\":\"allow\",\"Action\":\"*\",\"Resource\":\"*\"}]", "Allow or Deny"},
        {"[{\"Effect\":\"Allow\",\"Resource\":\"*\"}]", "either Action or NotAction"},
        {"[{\"Effect\":\"Allow\",\"Action\":\"*\",\"NotAction\":\"*\",\"Resource\":\"*\"}]",
         "either"},
        {"[{\"Effect\":\"Allow\",\"Action\":[\"*\",1],\"Resource\":\"*\"}]", "item 2"},
        {"[{\"Effect\":\"Allow\",\"Action\":\"*\"}]", "either Resource"},
        {"[{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\",\"Actions\":\"*\"}]",
         "Actions"},
        {"[{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\",\"Condition\":{\"Like\":{}}}]",
         "Like is no condition operator"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct policy *policy = NULL;
        struct err err = {0};
        assert_true(policy_parse(str_of(bad[i][0]), &policy, &err) < 0);
        if (!strstr(err.text, bad[i][1])) {
            fail_msg("%s: %s", bad[i][0], err.text);
        }
    }
}

#define ROLE "arn:aws:iam::000000000000:role/r"
#define FN   "lambda:InvokeFunction"

// Of the policy of a resource: who is meant.
static void test_principals(void **state)
{
    (void)state;
    static const struct policy_principal nobody = {.kind = "AWS"},
                                         role = {"AWS", {{ROLE, sizeof ROLE - 1}, {"x", 1}}},
                                         api = {"Service", {{"apigateway.amazonaws.com", 24}}};
    static const struct {
        const char *principal;
        const struct policy_principal *who;
        enum policy_answer answer;
    } cases[] = {
        {"\"*\"", &nobody, POLICY_ALLOWS},
        {"\"*\"", &api, POLICY_ALLOWS},
        {"{\"AWS\":\"*\"}", &nobody, POLICY_ALLOWS},
        {"{\"AWS\":\"*\"}", &api, POLICY_SILENT},
        {"{\"AWS\":\"" ROLE "\"}", &role, POLICY_ALLOWS},
        {"{\"AWS\":[\"y\",\"x\"]}", &role, POLICY_ALLOWS},
        {"{\"AWS\":[\"y\"]}", &role, POLICY_SILENT},
        {"{\"AWS\":\"" ROLE "\"}", &nobody, POLICY_SILENT},
        {"{\"AWS\":\"\"}", &nobody, POLICY_SILENT},
        {"{\"Service\":\"apigateway.amazonaws.com\"}", &api, POLICY_ALLOWS},
        {"{\"Service\":\"s3.amazonaws.com\"}", &api, POLICY_SILENT},
        {"{\"Service\":\"" ROLE "\"}", &role, POLICY_SILENT},
        {"{\"Service\":\"s3.amazonaws.com\"}", NULL, POLICY_ALLOWS},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct policy *policy = NULL;
        struct err err = {0};
        struct policy_question q = {
            .action = STR(FN), .resource = STR("f"), .principal = cases[i].who};
        CLEAN_MEM char *text = mem_printf("[{\"Effect\":\"Allow\",\"Principal\":%s,\"Action\":\"" FN
                                          "\",\"Resource\":\"f\"}]",
                                          cases[i].principal);
        assert_int_equal(policy_parse(str_of(text), &policy, &err), 0);
        if (policy_ask(policy, &q) != cases[i].answer) {
            fail_msg("%zu: %s", i, cases[i].principal);
        }
        policy_free(policy);
    }
}

static void test_match_is_linear(void **state)
{
    (void)state;
    char pattern[400], text[2000];
    memset(text, 'a', sizeof text);
    for (size_t i = 0; i < sizeof pattern; i++) {
        pattern[i] = i % 2 ? 'a' : '*';
    }
    pattern[sizeof pattern - 1] = 'b';
    assert_false(policy_match(str_n(pattern, sizeof pattern), str_n(text, sizeof text), false));
    assert_true(policy_match(STR("*a*?"), STR("bab"), false));
    assert_true(policy_match(STR("*"), STR(""), false));
    assert_false(policy_match(STR("?"), STR(""), false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_principals),
        cmocka_unit_test(test_match_is_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
