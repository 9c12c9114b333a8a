// SPDX-License-Identifier: Apache-2.0
// Where a request points: buckets out of hosts, names of buckets and keys, ranges, parts, entity
// tags and conditions.
#include "api/s3.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static void hosts_name_buckets(void **state)
{
    (void)state;
    static const struct {
        const char *host, *bucket;
    } cases[] = {
        {"photos.localhost:4566", "photos"},
        {"photos.localhost", "photos"},
        {"photos.localhost.", "photos"},
        {"a.b.localhost", "a.b"},
        {"photos.s3.localhost", "photos"},
        {"photos.s3.localhost.localstack.cloud:4566", "photos"},
        {"photos.s3.eu-west-1.localhost.localstack.cloud:4566", "photos"},
        {"photos.localhost.localstack.cloud", "photos"},
        {"photos.s3.amazonaws.com", "photos"},
        {"photos.s3.us-east-1.amazonaws.com", "photos"},
        {"photos.s3-us-west-2.amazonaws.com", "photos"},
        {"photos.127.0.0.1.nip.io:4566", "photos"},
        {"photos.127-0-0-1.nip.io", "photos"},
        {"a.b.10.0.0.7.sslip.io", "a.b"},
        {"photos.s3.127.0.0.1.nip.io", "photos"},
        {"photos.s3.example.org", "photos"},
        // path style:
        {"", ""},
        {"localhost", ""},
        {"localhost:4566", ""},
        {"127.0.0.1:4566", ""},
        {"[::1]:4566", ""},
        {"s3.localhost", ""},
        {"s3.localhost.localstack.cloud", ""},
        {"s3.us-east-1.amazonaws.com", ""},
        {"s3-us-west-2.amazonaws.com", ""},
        {"127.0.0.1.nip.io", ""},
        {"127-0-0-1.nip.io", ""},
        {"example.org", ""},
        {"my-host", ""},
        {"notlocalhost", ""},
        {".", ""},
        {":", ""},
        {".localhost", ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEAN_MEM char *seen = str_dup(str_not_null(s3_host_bucket(str_of(cases[i].host))));
        if (strcmp(seen, cases[i].bucket) != 0) {
            fail_msg("%s: %s, not %s", cases[i].host, seen, cases[i].bucket);
        }
    }
}

static void bucket_names(void **state)
{
    (void)state;
    static const char *const good[] = {"abc",   "a-b",       "a.b",      "123",
                                       "1.2.3", "1.2.3.4.5", "256.1.1.1"};
    static const char *const bad[] = {"",          "ab",      "-ab", "ab-", ".ab",
                                      "ab.",       "a..b",    "aBc", "a_b", "1.2.3.4",
                                      "a b",       "xn--abc", "a/b", "a%b", "\xc3\xa9t\xc3\xa9",
                                      "ab-s3alias"};
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_true(s3_bucket_name_ok(str_of(good[i])));
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_false(s3_bucket_name_ok(str_of(bad[i])));
    }
}

static void keys(void **state)
{
    (void)state;
    struct err err = {0};
    char long_key[OBJECT_KEY_MAX + 1];
    memset(long_key, 'x', sizeof long_key);
    assert_int_equal(s3_key_check(str_n(long_key, OBJECT_KEY_MAX), &err), 0);
    assert_int_equal(s3_key_check(str_n(long_key, OBJECT_KEY_MAX + 1), &err), ERR_LIMIT);
    assert_string_equal(err.aws, "KeyTooLongError");
    assert_int_equal(s3_key_check(STR("a\0b"), &err), ERR_INVALID);
    assert_int_equal(s3_key_check(STR("\xff"), &err), ERR_INVALID);
    assert_int_equal(s3_key_check(STR(""), &err), 0);
}

static void assert_range(const char *text, uint64_t size, uint64_t first, uint64_t count)
{
    struct err err = {0};
    struct s3_range range = {0};
    assert_int_equal(s3_range_parse(str_of(text), size, &range, &err), 1);
    assert_int_equal(range.first, first);
    assert_int_equal(range.size, count);
}

static void ranges(void **state)
{
    (void)state;
    assert_range("bytes=0-0", 10, 0, 1);
    assert_range("bytes=2-", 10, 2, 8);
    assert_range("bytes=-3", 10, 7, 3);
    assert_range("bytes=-30", 10, 0, 10);
    assert_range(" bytes= 2 - 4 ", 10, 2, 3);
    assert_range("bytes=9-18446744073709551615", 10, 9, 1);
    assert_range("bytes=0-18446744073709551614", 10, 0, 10);
}

static void ranges_that_are_none(void **state)
{
    (void)state;
    static const char *const ignored[] = {
        "",          "bytes=",        "bytes=-", "bytes=5-2", "5-6",
        "bytes=a-b", "bytes=1-2,3-4", "bytes=1", "items=1-2", "bytes=99999999999999999999-"};
    struct err err = {0};
    struct s3_range range = {7, 7};
    for (size_t i = 0; i < ARRAY_SIZE(ignored); i++) {
        assert_int_equal(s3_range_parse(str_of(ignored[i]), 10, &range, &err), 0);
        assert_int_equal(range.size, 7);
    }
    static const char *const refused[] = {"bytes=10-", "bytes=10-20", "bytes=-0"};
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        assert_int_equal(s3_range_parse(str_of(refused[i]), 10, &range, &err), ERR_INVALID);
        assert_string_equal(err.aws, "InvalidRange");
    }
    assert_int_equal(s3_range_parse(STR("bytes=0-"), 0, &range, &err), ERR_INVALID);
    assert_int_equal(s3_range_parse(STR("bytes=-1"), 0, &range, &err), ERR_INVALID);
}

static void parts_follow_each_other(void **state)
{
    (void)state;
    struct str rest = STR("2 10 abc=\n7 5 \nx 1 \n");
    struct s3_part part = {0};
    assert_true(s3_part_next(&rest, &part));
    assert_int_equal(part.number, 2);
    assert_int_equal(part.offset, 0);
    assert_true(str_eq(part.sum, STR("abc=")));
    assert_true(s3_part_next(&rest, &part));
    assert_int_equal(part.offset, 10);
    assert_int_equal(part.size, 5);
    assert_int_equal(part.sum.size, 0);
    assert_false(s3_part_next(&rest, &part)); // malformed
    rest = (struct str){0};
    assert_false(s3_part_next(&rest, &part));
}

static void entity_tags(void **state)
{
    (void)state;
    assert_true(str_eq(s3_etag_trim(STR(" \"abc\" ")), STR("abc")));
    assert_true(str_eq(s3_etag_trim(STR("W/\"abc\"")), STR("abc")));
    assert_true(str_eq(s3_etag_trim(STR("abc")), STR("abc")));
    assert_true(str_eq(s3_etag_trim(STR("\"")), STR("\"")));
    assert_true(s3_etag_listed(STR("\"x\", \"abc\""), STR("abc")));
    assert_true(s3_etag_listed(STR("*"), STR("abc")));
    assert_false(s3_etag_listed(STR("\"x\",\"ab\""), STR("abc")));
    assert_false(s3_etag_listed(STR(""), STR("abc")));
}

static void conditions(void **state)
{
    (void)state;
    struct object object = {.etag = STR("e"), .modified_ms = 784111777500}; // a half second later
    const struct str at = STR("Sun, 06 Nov 1994 08:49:37 GMT");
    const struct str before = STR("Sun, 06 Nov 1994 08:49:36 GMT"), odd = STR("yesterday");
    const struct str other = STR("\"o\""), same = STR("\"e\"");
    const struct {
        struct s3_conditions given;
        enum s3_verdict verdict;
    } cases[] = {
        {{.match = same}, S3_GO_ON},
        {{.match = other}, S3_FAILED},
        {{.match = same, .unmodified_since = before}, S3_GO_ON},
        {{.match = other, .unmodified_since = at}, S3_FAILED},
        {{.unmodified_since = at}, S3_GO_ON},
        {{.unmodified_since = before}, S3_FAILED},
        {{.unmodified_since = odd}, S3_GO_ON},
        {{.none_match = same}, S3_NOT_MODIFIED},
        {{.none_match = other, .modified_since = at}, S3_GO_ON},
        {{.modified_since = at}, S3_NOT_MODIFIED},
        {{.modified_since = before}, S3_GO_ON},
        {{.modified_since = odd}, S3_GO_ON},
        {{.match = same, .none_match = same}, S3_NOT_MODIFIED},
        {{.match = {0}}, S3_GO_ON},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        if (s3_conditions_check(&cases[i].given, &object) != cases[i].verdict) {
            fail_msg("case %zu", i);
        }
    }
}

static void headers_that_are_kept(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf lines = BUF_INIT(1000);
    size_t user_size = 0;
    s3_meta_add(&lines, STR("content-type"), STR(" a/b "), &user_size);
    s3_meta_add(&lines, STR("Content-Encoding"), STR("aws-chunked, gzip"), &user_size);
    s3_meta_add(&lines, STR("content-encoding"), STR("aws-chunked"), &user_size);
    s3_meta_add(&lines, STR("X-Amz-Meta-Ab"), STR("1"), &user_size);
    s3_meta_add(&lines, STR("Authorization"), STR("secret"), &user_size);
    s3_meta_add(&lines, STR("Cache-Control"), STR("a\nX-Evil: 1"), &user_size);
    assert_string_equal(buf_text(&lines),
                        "Content-Type: a/b\nContent-Encoding: gzip\nx-amz-meta-ab: 1\n");
    assert_int_equal(user_size, 3);
}

static void tags(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(buf_done) struct buf out = BUF_INIT(10000);
    assert_int_equal(s3_tags_from_query(STR("a=1&b+c=d%2Fe&f"), 10, &out, &err), 0);
    assert_string_equal(buf_text(&out), "a=1&b%20c=d%2Fe&f=");
    assert_int_equal(s3_tags_count(buf_str(&out)), 3);
    buf_clear(&out);
    assert_int_equal(s3_tags_from_xml(STR("<Tagging><TagSet><Tag><Key>a&amp;</Key><Value>=</Value>"
                                          "</Tag></TagSet></Tagging>"),
                                      10, &out, &err),
                     0);
    assert_string_equal(buf_text(&out), "a%26=%3D");
}

static void tags_that_are_none(void **state)
{
    (void)state;
    struct err err = {0};
    static const char *const queries[] = {"a=1&a=2", "=1",    "a=1&b=2&c=3",
                                          "aws:x=1", "%ff=1", "a=%"};
    for (size_t i = 0; i < ARRAY_SIZE(queries); i++) {
        CLEAN(buf_done) struct buf out = BUF_INIT(10000);
        assert_int_equal(s3_tags_from_query(str_of(queries[i]), 2, &out, &err), ERR_INVALID);
    }
    static const char *const documents[] = {
        "",
        "<Tagging/>",
        "<TagSet/>",
        "<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>",
        "<Tagging><TagSet><Tag><Value>a</Value></Tag></TagSet></Tagging>",
        "<Other><TagSet></TagSet></Other>"};
    for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
        CLEAN(buf_done) struct buf out = BUF_INIT(10000);
        assert_true(s3_tags_from_xml(str_of(documents[i]), 2, &out, &err) < 0);
    }
}

static void codes_have_their_status(void **state)
{
    (void)state;
    static const struct {
        int code;
        const char *aws;
        const char *name;
        int status;
    } cases[] = {
        {ERR_NOT_FOUND, "NoSuchKey", "NoSuchKey", 404},
        {ERR_INVALID, "InvalidRange", "InvalidRange", 416},
        {ERR_INVALID, "PreconditionFailed", "PreconditionFailed", 412},
        {ERR_INVALID, NULL, "InvalidArgument", 400},
        {ERR_IO, NULL, "InternalError", 500},
        {ERR_CORRUPT, "SomethingElse", "InternalError", 500},
        {ERR_UNSUPPORTED, NULL, "NotImplemented", 501},
        {ERR_DENIED, NULL, "AccessDenied", 403},
        {ERR_BUSY, NULL, "SlowDown", 503},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct err err = {.code = cases[i].code, .aws = cases[i].aws};
        assert_string_equal(s3_error_code(&err), cases[i].name);
        assert_int_equal(s3_error_status(&err), cases[i].status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_name_buckets),
        cmocka_unit_test(bucket_names),
        cmocka_unit_test(keys),
        cmocka_unit_test(ranges),
        cmocka_unit_test(ranges_that_are_none),
        cmocka_unit_test(parts_follow_each_other),
        cmocka_unit_test(entity_tags),
        cmocka_unit_test(conditions),
        cmocka_unit_test(headers_that_are_kept),
        cmocka_unit_test(tags),
        cmocka_unit_test(tags_that_are_none),
        cmocka_unit_test(codes_have_their_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
