// SPDX-License-Identifier: Apache-2.0
// Matching an object's event against a bucket's rules, and the outbox rows that come of it: their
// payload is what S3 sends.
#include "bus/bus.h"
#include "format/json.h"
#include "store/alias.h"
#include "store/job.h"
#include "store/notification.h"
#include "../store/tables.h"

#define ARN(name) "arn:aws:lambda:us-east-1:000000000000:function:" name

static struct bus_object_event event_of(const char *name, const char *key)
{
    return (struct bus_object_event){
        .name = name,
        .bucket = STR("photos"),
        .key = str_of(key),
        .size = 5,
        .etag = STR("0123456789abcdef0123456789abcdef"),
        .sequencer = 42,
        .time_ms = 1767323045678,
        .region = "eu-west-1",
        .request_id = STR("REQUEST"),
    };
}

// The functions that the tests name.
static void functions_make(void)
{
    static const char *const names[][2] = {{"all", "$LATEST"},
                                           {"cats", "$LATEST"},
                                           {"versioned", "3"},
                                           {"latest", "$LATEST"},
                                           {"f", "$LATEST"}};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        function_make(names[i][0], names[i][1]);
    }
}

static void configure(const struct notification *list, size_t count)
{
    functions_make();
    assert_int_equal(notification_replace(db, STR("photos"), list, count, false, &err), 0);
}

struct seen {
    int count;
    char *payload;
    int64_t created_ms, due_ms, attempt;
};

static int seen_each(void *ctx, const struct job_row *row)
{
    struct seen *seen = ctx;
    seen->count++;
    free(seen->payload);
    seen->payload = str_dup(row->payload);
    seen->created_ms = row->created_ms;
    seen->due_ms = row->due_ms;
    seen->attempt = row->attempt;
    assert_int_equal(row->request_id.size, 36);
    return 0;
}

static int rows_of(const char *function, struct seen *seen)
{
    *seen = (struct seen){0};
    int given = job_row_each_due(db, str_of(function), INT64_MAX, 100, seen_each, seen, &err);
    assert_int_equal(given, seen->count);
    return given;
}

static int rows(const char *function)
{
    struct seen seen;
    int count = rows_of(function, &seen);
    free(seen.payload);
    return count;
}

static void emit(const char *name, const char *key, int expected)
{
    CLEAN(bus_emitted_done) struct bus_emitted emitted = {0};
    struct bus_object_event event = event_of(name, key);
    assert_int_equal(bus_emit_object(db, &event, &emitted, &err), 0);
    assert_int_equal(emitted.count, expected);
}

static void test_match(void **state)
{
    (void)state;
    bucket_make("photos");
    const struct notification list[] = {
        {STR("all"), STR(ARN("all")), STR("s3:ObjectCreated:*"), {0}, {0}},
        {STR("cats"), STR(ARN("cats")), STR("s3:ObjectCreated:Put,s3:ObjectRemoved:*"), STR("in/"),
         STR(".jpg")},
        {STR("v"), STR(ARN("versioned:3")), STR("s3:ObjectRemoved:Delete"), {0}, {0}},
        {STR("l"), STR(ARN("latest:$LATEST")), STR("s3:ObjectRemoved:Delete"), {0}, {0}},
    };
    configure(list, ARRAY_SIZE(list));
    emit("ObjectCreated:Put", "in/a.jpg", 2);
    emit("ObjectCreated:Put", "out/a.jpg", 1);
    emit("ObjectCreated:Put", "in/a.png", 1);
    emit("ObjectCreated:Copy", "in/b.jpg", 1);
    emit("ObjectRemoved:Delete", "in/a.jpg", 3);
    emit("ObjectRestore:Post", "in/a.jpg", 0);
    assert_int_equal(rows("all"), 4);
    assert_int_equal(rows("cats"), 2);
    assert_int_equal(rows("versioned:3"), 1);
    assert_int_equal(rows("versioned"), 0);
    assert_int_equal(rows("latest"), 1); // $LATEST is what has no qualifier
}

static void test_nobody(void **state)
{
    (void)state;
    emit("ObjectCreated:Put", "a", 0); // no such bucket
    bucket_make("photos");
    emit("ObjectCreated:Put", "a", 0); // no rules
}

static json_t *record_of(const char *function)
{
    struct seen seen;
    json_t *event = NULL;
    assert_int_equal(rows_of(function, &seen), 1);
    assert_int_equal(seen.attempt, 1);
    assert_int_equal(seen.created_ms, 1767323045678);
    assert_int_equal(seen.due_ms, 1767323045678);
    assert_int_equal(json_parse(str_of(seen.payload), &event, &err), 0);
    free(seen.payload);
    json_t *records = json_object_get(event, "Records");
    assert_int_equal(json_array_size(records), 1);
    json_t *record = json_incref(json_array_get(records, 0));
    json_decref(event);
    return record;
}

static void has(const json_t *record, const char *path, const char *text)
{
    assert_str_equal(json_str(json_at(record, path)), text);
}

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
static void test_payload(void **state)
{
    (void)state;
    bucket_make("photos");
    struct notification all = {STR("my rule"), STR(ARN("f")), STR("s3:ObjectCreated:*"), {0}, {0}};
    configure(&all, 1);
    emit("ObjectCreated:Put", "in/a cat+1.jpg", 1);
    CLEAN_JSON json_t *record = record_of("f");
    has(record, "eventVersion", "2.1");
    has(record, "eventSource", "aws:s3");
    has(record, "awsRegion", "eu-west-1");
    has(record, "eventTime", "2026-01-02T03:04:05.678Z");
    has(record, "eventName", "ObjectCreated:Put");
    has(record, "userIdentity.principalId", "AWS:000000000000");
    has(record, "requestParameters.sourceIPAddress", "127.0.0.1");
    has(record, "responseElements.x-amz-request-id", "REQUEST");
    has(record, "s3.s3SchemaVersion", "1.0");
    has(record, "s3.configurationId", "my rule");
    has(record, "s3.bucket.name", "photos");
    has(record, "s3.bucket.arn", "arn:aws:s3:::photos");
    has(record, "s3.bucket.ownerIdentity.principalId", "000000000000");
    has(record, "s3.object.key", "in/a+cat%2B1.jpg");
    has(record, "s3.object.eTag", "0123456789abcdef0123456789abcdef");
    has(record, "s3.object.sequencer", "000000000000002A");
    assert_int_equal(json_integer_value(json_at(record, "s3.object.size")), 5);
    assert_null(json_at(record, "s3.object.versionId"));
}

static void test_payload_removed(void **state)
{
    (void)state;
    bucket_make("photos");
    struct notification all = {STR("r"), STR(ARN("f")), STR("s3:ObjectRemoved:*"), {0}, {0}};
    configure(&all, 1);
    emit("ObjectRemoved:Delete", "k", 1);
    CLEAN_JSON json_t *record = record_of("f");
    has(record, "eventName", "ObjectRemoved:Delete");
    has(record, "s3.object.key", "k");
    assert_null(json_at(record, "s3.object.size"));
    assert_null(json_at(record, "s3.object.eTag"));
}

static void test_longest_key(void **state)
{
    (void)state;
    bucket_make("photos");
    struct notification all = {STR("r"), STR(ARN("f")), STR("s3:ObjectCreated:*"), {0}, {0}};
    configure(&all, 1);
    CLEAN_MEM char *key = mem_alloc(OBJECT_KEY_MAX + 1);
    memset(key, '\x01', OBJECT_KEY_MAX); // three bytes each when encoded
    emit("ObjectCreated:Put", key, 1);
    CLEAN_JSON json_t *record = record_of("f");
    assert_int_equal(json_str(json_at(record, "s3.object.key")).size, 3 * OBJECT_KEY_MAX);
}

// A function that is told twice has two jobs and is woken once.
static void test_twice(void **state)
{
    (void)state;
    bucket_make("photos");
    const struct notification list[] = {
        {STR("one"), STR(ARN("f")), STR("s3:ObjectCreated:*"), {0}, {0}},
        {STR("two"), STR(ARN("f")), STR("s3:ObjectCreated:Put"), {0}, {0}},
    };
    configure(list, ARRAY_SIZE(list));
    emit("ObjectCreated:Put", "k", 1);
    assert_int_equal(rows("f"), 2);
}

static void test_bad_arn(void **state)
{
    (void)state;
    bucket_make("photos");
    struct notification bad = {STR("r"), STR("arn:aws:sns:x"), STR("s3:ObjectCreated:*"), {0}, {0}};
    configure(&bad, 1);
    CLEAN(bus_emitted_done) struct bus_emitted emitted = {0};
    struct bus_object_event event = event_of("ObjectCreated:Put", "k");
    assert_int_equal(bus_emit_object(db, &event, &emitted, &err), ERR_INVALID);
    assert_int_equal(emitted.count, 0);
}

// Rules outlive what they name.
static void test_not_there(void **state)
{
    (void)state;
    bucket_make("photos");
    const struct notification list[] = {
        {STR("a"), STR(ARN("gone")), STR("s3:ObjectCreated:*"), {0}, {0}},
        {STR("b"), STR(ARN("f:1")), STR("s3:ObjectCreated:*"), {0}, {0}},
        {STR("c"), STR(ARN("f:live")), STR("s3:ObjectCreated:*"), {0}, {0}},
        {STR("d"), STR(ARN("versioned")), STR("s3:ObjectCreated:*"), {0}, {0}},
        {STR("e"), STR(ARN("f")), STR("s3:ObjectCreated:*"), {0}, {0}},
    };
    configure(list, ARRAY_SIZE(list));
    emit("ObjectCreated:Put", "k", 1);
    uint64_t count = 0;
    assert_int_equal(job_row_count(db, &count, &err), 0);
    assert_int_equal(count, 1);
    CLEAN(alias_clean) struct alias *alias = alias_new();
    alias->function = mem_dup("f");
    alias->name = mem_dup("live");
    alias->version = mem_dup("$LATEST");
    alias->revision = mem_dup("r");
    assert_int_equal(alias_put(db, alias, &err), 0);
    emit("ObjectCreated:Put", "k", 2);
    assert_int_equal(rows("f:live"), 1);
    assert_int_equal(alias_delete(db, STR("f"), STR("live"), &err), 1);
    assert_int_equal(rows("f:live"), 0);
    assert_int_equal(rows("f"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_match),       TEST(test_nobody), TEST(test_payload), TEST(test_payload_removed),
        TEST(test_longest_key), TEST(test_twice),  TEST(test_bad_arn), TEST(test_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
