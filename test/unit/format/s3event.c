// SPDX-License-Identifier: Apache-2.0
#include "format/s3event.h"
#include "files.h"
#include "format/json.h"

static const struct s3event example = {
    .event_name = {"ObjectCreated:Put", 17},
    .region = {"us-east-1", 9},
    .time_ms = INT64_C(1767323045678),
    .principal_id = {"AWS:ROOT", 8},
    .source_ip = {"127.0.0.1", 9},
    .request_id = {"R1", 2},
    .host_id = {"H\"2", 3},
    .configuration_id = {"c", 1},
    .bucket = {"photos", 6},
    .owner_id = {"OWNER", 5},
    .key = {"in/my cat+\xc3\xa4.jpg", 16},
    .size = 5000000000,
    .etag = {"d41d8cd98f00b204e9800998ecf8427e", 32},
    .sequencer = {"000000000000002A", 16},
};

static void test_record(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf out = BUF_INIT(10000);
    s3event_write(&out, &example);
    assert_buf(
        &out, "{\"Records\":[{\"eventVersion\":\"2.1\",\"eventSource\":\"aws:s3\","
              "\"awsRegion\":\"us-east-1\",\"eventTime\":\"2026-01-02T03:04:05.678Z\","
              "\"eventName\":\"ObjectCreated:Put\",\"userIdentity\":{\"principalId\":\"AWS:ROOT\"},"
              "\"requestParameters\":{\"sourceIPAddress\":\"127.0.0.1\"},"
              "\"responseElements\":{\"x-amz-request-id\":\"R1\",\"x-amz-id-2\":\"H\\\"2\"},"
              "\"s3\":{\"s3SchemaVersion\":\"1.0\",\"configurationId\":\"c\","
              "\"bucket\":{\"name\":\"photos\",\"ownerIdentity\":{\"principalId\":\"OWNER\"},"
              "\"arn\":\"arn:aws:s3:::photos\"},"
              "\"object\":{\"key\":\"in/my+cat%2B%C3%A4.jpg\",\"size\":5000000000,"
              "\"eTag\":\"d41d8cd98f00b204e9800998ecf8427e\","
              "\"sequencer\":\"000000000000002A\"}}}]}");
    struct err err = {0};
    CLEAN_JSON json_t *json = NULL;
    assert_ok(json_parse(buf_str(&out), &json, &err), err);
}

static void test_removed_and_version(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf out = BUF_INIT(10000);
    struct s3event e = example;
    e.removed = true;
    e.version_id = STR("v1");
    s3event_write_record(&out, &e);
    struct str text = buf_str(&out);
    assert_true(str_find_str(text, STR("\"size\"")) < 0);
    assert_true(str_find_str(text, STR("\"eTag\"")) < 0);
    assert_true(str_find_str(text, STR("\"versionId\":\"v1\"")) > 0);
    assert_true(str_find_str(text, STR("Records")) < 0);
}

static void test_hostile_key(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(buf_done) struct buf out = BUF_INIT(10000);
    struct s3event e = {.key = STR("\"\xff\n\\"), .bucket = STR("\xff\"")};
    s3event_write(&out, &e);
    CLEAN_JSON json_t *json = NULL;
    assert_ok(json_parse(buf_str(&out), &json, &err), err);
    json_t *record = json_array_get(json_at(json, "Records"), 0);
    assert_str(json_str(json_at(record, "s3.object.key")), "%22%FF%0A%5C");
}

static void test_overflow(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf out = BUF_INIT(100);
    s3event_write(&out, &example);
    assert_false(buf_ok(&out));
}

static void test_sequencer(void **state)
{
    (void)state;
    char a[S3EVENT_SEQUENCER_MAX], b[S3EVENT_SEQUENCER_MAX];
    assert_string_equal(s3event_sequencer(42, a), "000000000000002A");
    assert_true(strcmp(s3event_sequencer(255, a), s3event_sequencer(256, b)) < 0);
    assert_string_equal(s3event_sequencer(UINT64_MAX, a), "FFFFFFFFFFFFFFFF");
}

static void test_types(void **state)
{
    (void)state;
    struct err err = {0};
    static const char *const good[] = {"s3:ObjectCreated:*", "s3:ObjectCreated:Put",
                                       "s3:ObjectRemoved:DeleteMarkerCreated", "s3:ObjectAcl:Put"};
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_ok(s3event_type_check(str_of(good[i]), &err), err);
    }
    static const char *const bad[] = {"",
                                      "s3:",
                                      "s3:*",
                                      "s3:ObjectCreated",
                                      "ObjectCreated:*",
                                      "s3:objectcreated:*",
                                      "s3:ObjectCreated:Get",
                                      "*"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_err(s3event_type_check(str_of(bad[i]), &err), ERR_INVALID, err, "not supported");
        assert_string_equal(err_aws_name(&err), "InvalidArgument");
    }
}

static void test_rules(void **state)
{
    (void)state;
    const struct str types[] = {STR("s3:ObjectCreated:*"), STR("s3:ObjectRemoved:Delete")};
    struct s3event_rule rule = {types, 2, STR("in/"), STR(".jpg")};
    assert_true(s3event_rule_matches(&rule, STR("ObjectCreated:Put"), STR("in/a.jpg")));
    assert_true(s3event_rule_matches(&rule, STR("s3:ObjectRemoved:Delete"), STR("in/.jpg")));
    assert_false(
        s3event_rule_matches(&rule, STR("ObjectRemoved:DeleteMarkerCreated"), STR("in/a.jpg")));
    assert_false(s3event_rule_matches(&rule, STR("ObjectCreated:Put"), STR("in/a.JPG")));
    assert_false(s3event_rule_matches(&rule, STR("ObjectCreated:Put"), STR("out/a.jpg")));
    assert_false(s3event_rule_matches(&rule, STR("ObjectCreated:Put"), STR("")));
    struct s3event_rule all = {types, 1, {0}, {0}};
    assert_true(s3event_rule_matches(&all, STR("ObjectCreated:Copy"), STR("x")));
    struct s3event_rule none = {types, 0, {0}, {0}};
    assert_false(s3event_rule_matches(&none, STR("ObjectCreated:Copy"), STR("x")));
}

static void test_overlap(void **state)
{
    (void)state;
    const struct str created[] = {STR("s3:ObjectCreated:*")};
    const struct str put[] = {STR("s3:ObjectCreated:Put")};
    const struct str removed[] = {STR("s3:ObjectRemoved:*")};
    struct s3event_rule a = {created, 1, STR("in/"), STR(".jpg")};
    struct s3event_rule b = {put, 1, STR("in/x"), {0}};
    assert_true(s3event_rules_overlap(&a, &b));
    assert_true(s3event_rules_overlap(&b, &a));
    b.prefix = STR("out/");
    assert_false(s3event_rules_overlap(&a, &b));
    b.prefix = (struct str){0};
    b.suffix = STR(".png");
    assert_false(s3event_rules_overlap(&a, &b));
    b.suffix = STR("g");
    assert_true(s3event_rules_overlap(&a, &b));
    b.types = removed;
    assert_false(s3event_rules_overlap(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record),      cmocka_unit_test(test_removed_and_version),
        cmocka_unit_test(test_hostile_key), cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_sequencer),   cmocka_unit_test(test_types),
        cmocka_unit_test(test_rules),       cmocka_unit_test(test_overlap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
