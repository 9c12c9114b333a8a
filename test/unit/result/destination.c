// SPDX-License-Identifier: Apache-2.0
// Lambda's invocation record, and where it goes: an outbox row of another function, or an object
// whose event may rouse the next one.
#include "result/destination.h"
#include "format/json.h"
#include "store/job.h"
#include "store/notification.h"
#include "../store/tables.h"

#define ARN(name) "arn:aws:lambda:us-east-1:000000000000:function:" name
#define NOW_MS    1767323045678

static struct job *job_of(const char *payload)
{
    struct function *f = function_new();
    f->name = mem_dup("f");
    f->version = mem_dup("$LATEST");
    struct bytes *bytes = payload ? bytes_new(str_of(payload)) : NULL;
    struct job *job = job_new(f, bytes);
    bytes_unref(bytes);
    function_unref(f);
    job->attempt = 3;
    return job;
}

static json_t *record_of(const struct job *job, const char *condition)
{
    CLEAN(destination_done) struct destination d = {0};
    json_t *record = NULL;
    destination_init(&d, ARN("g"), "us-east-1", job, condition, NOW_MS);
    assert_string_equal(d.arn, ARN("g"));
    assert_string_equal(d.request_id, job->request_id.text);
    assert_int_equal(d.time_ms, NOW_MS);
    assert_int_equal(json_parse(str_of(d.record), &record, &err), 0);
    return record;
}

static void has(const json_t *record, const char *path, const char *text)
{
    assert_str_equal(json_str(json_at(record, path)), text);
}

// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
static void test_success(void **state)
{
    (void)state;
    struct job *job = job_of("{\"a\":[1,\"\\u00e4\"]}");
    job->result.payload = bytes_new(STR("[true]"));
    job->result.tier = TIER_WARM;
    CLEAN_JSON json_t *record = record_of(job, "Success");
    has(record, "version", "1.0");
    has(record, "timestamp", "2026-01-02T03:04:05.678Z");
    has(record, "requestContext.requestId", job->request_id.text);
    has(record, "requestContext.functionArn", ARN("f:$LATEST"));
    has(record, "requestContext.condition", "Success");
    assert_int_equal(json_integer_value(json_at(record, "requestContext.approximateInvokeCount")),
                     3);
    assert_int_equal(json_array_size(json_at(record, "requestPayload.a")), 2);
    assert_int_equal(json_integer_value(json_at(record, "responseContext.statusCode")), 200);
    has(record, "responseContext.executedVersion", "$LATEST");
    assert_null(json_at(record, "responseContext.functionError"));
    assert_true(json_is_true(json_array_get(json_at(record, "responsePayload"), 0)));
    has(record, "rouse.tier", "warm");
    job_free(job);
}

static void test_failure(void **state)
{
    (void)state;
    struct job *job = job_of(NULL);
    job->result.status = JOB_FUNCTION_ERROR;
    job->result.payload = bytes_new(STR("{\"errorType\":\"E\",\"errorMessage\":\"m\"}"));
    CLEAN_JSON json_t *record = record_of(job, "RetriesExhausted");
    has(record, "requestContext.condition", "RetriesExhausted");
    has(record, "responseContext.functionError", "Unhandled");
    has(record, "responsePayload.errorType", "E");
    assert_true(json_is_null(json_at(record, "requestPayload")));
    job_free(job);
}

static void test_never_ran(void **state)
{
    (void)state;
    struct job *job = job_of("{}");
    job->attempt = 1;
    job->result.status = JOB_REFUSED;
    CLEAN_JSON json_t *record = record_of(job, "EventAgeExceeded");
    assert_int_equal(json_integer_value(json_at(record, "requestContext.approximateInvokeCount")),
                     0);
    assert_null(json_at(record, "responseContext"));
    assert_null(json_at(record, "responsePayload"));
    job_free(job);
}

// What is not JSON stands in the record as a string.
static void test_not_json(void **state)
{
    (void)state;
    static const char *const texts[] = {"plain", "{\"a\":", "\x01\"\\", "{} {}"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct job *job = job_of(texts[i]);
        job->result.payload = bytes_new(str_of(texts[i]));
        CLEAN_JSON json_t *record = record_of(job, "Success");
        has(record, "requestPayload", texts[i]);
        has(record, "responsePayload", texts[i]);
        job_free(job);
    }
}

static int deliver(const char *arn, const struct job *job, struct bus_emitted *emitted)
{
    CLEAN(destination_done) struct destination d = {0};
    destination_init(&d, arn, "us-east-1", job, "Success", NOW_MS);
    return destination_deliver(db, &d, emitted, &err);
}

static int row_each(void *ctx, const struct job_row *row)
{
    json_t **ret = ctx;
    assert_int_equal(row->due_ms, NOW_MS);
    assert_int_equal(row->attempt, 1);
    assert_int_equal(json_parse(row->payload, ret, &err), 0);
    return 0;
}

static void test_to_function(void **state)
{
    (void)state;
    struct job *job = job_of("{}");
    CLEAN(bus_emitted_done) struct bus_emitted emitted = {0};
    function_make("g", "$LATEST");
    function_make("g", "2");
    assert_int_equal(deliver(ARN("g"), job, &emitted), 0);
    assert_int_equal(deliver(ARN("g:2"), job, &emitted), 0);
    assert_int_equal(deliver(ARN("g:$LATEST"), job, &emitted), 0);
    assert_int_equal(emitted.count, 2);
    assert_string_equal(emitted.functions[0], "g");
    assert_string_equal(emitted.functions[1], "g:2");
    CLEAN_JSON json_t *record = NULL;
    assert_int_equal(job_row_each_due(db, STR("g:2"), NOW_MS, 10, row_each, &record, &err), 1);
    has(record, "requestContext.requestId", job->request_id.text);
    job_free(job);
}

static void test_to_bucket(void **state)
{
    (void)state;
    bucket_make("results");
    function_make("next", "$LATEST");
    const struct notification rule = {
        STR("r"), STR(ARN("next")), STR("s3:ObjectCreated:*"), STR("ok/"), {0}};
    assert_int_equal(notification_replace(db, STR("results"), &rule, 1, false, &err), 0);
    struct job *job = job_of("{}");
    CLEAN(bus_emitted_done) struct bus_emitted emitted = {0};
    assert_int_equal(deliver("arn:aws:s3:::results/ok/", job, &emitted), 0);
    assert_int_equal(emitted.count, 1); // its own event
    assert_string_equal(emitted.functions[0], "next");
    CLEAN_MEM char *key = mem_printf("ok/%s.json", job->request_id.text);
    struct object object = {0};
    assert_int_equal(object_get(db, STR("results"), str_of(key), true, &object, &err), 1);
    CLEAN_JSON json_t *record = NULL;
    assert_int_equal(json_parse(object.data, &record, &err), 0);
    has(record, "requestContext.requestId", job->request_id.text);
    assert_int_equal(object.etag.size, 32);
    assert_str_equal(object_header(&object, "content-type"), "application/json");
    object_done(&object);
    // A second time, as after a crash: replaced, not doubled.
    assert_int_equal(deliver("arn:aws:s3:::results/ok/", job, &emitted), 0);
    assert_int_equal(deliver("arn:aws:s3:::results", job, &emitted), 0);
    assert_int_equal(emitted.count, 1);
    CLEAN_MEM char *bare = mem_printf("%s.json", job->request_id.text);
    assert_int_equal(object_get(db, STR("results"), str_of(bare), false, &object, &err), 1);
    object_done(&object);
    job_free(job);
}

static void test_dead_letter(void **state)
{
    (void)state;
    bucket_make("dead");
    struct job *job = job_of("{\"a\": 1}");
    job->result.status = JOB_FUNCTION_ERROR;
    job->result.payload = bytes_new(STR("{\"errorMessage\":\"one\\nx-amz-meta-b: \u00e4\"}"));
    CLEAN(destination_done) struct destination d = {0};
    CLEAN(bus_emitted_done) struct bus_emitted emitted = {0};
    dead_letter_init(&d, "arn:aws:s3:::dead/x-", "us-east-1", job, NOW_MS);
    assert_int_equal(destination_deliver(db, &d, &emitted, &err), 0);
    CLEAN_MEM char *key = mem_printf("x-%s.event.json", job->request_id.text);
    struct object object = {0};
    assert_int_equal(object_get(db, STR("dead"), str_of(key), true, &object, &err), 1);
    assert_str_equal(object.data, "{\"a\": 1}"); // the event, byte by byte
    assert_str_equal(object_header(&object, "x-amz-meta-requestid"), job->request_id.text);
    assert_str_equal(object_header(&object, "x-amz-meta-errorcode"), "200");
    assert_str_equal(object_header(&object, "x-amz-meta-errormessage"), "one?x-amz-meta-b: ??");
    assert_null(object_header(&object, "x-amz-meta-b").at); // one line stays one
    object_done(&object);
    job_free(job);
}

// One that never ran, and one whose event is empty.
static void test_dead_letter_of_nothing(void **state)
{
    (void)state;
    function_make("g", "$LATEST");
    struct job *job = job_of(NULL);
    job->result.status = JOB_REFUSED;
    CLEAN(destination_done) struct destination d = {0};
    CLEAN(bus_emitted_done) struct bus_emitted emitted = {0};
    dead_letter_init(&d, ARN("g"), "us-east-1", job, NOW_MS);
    assert_non_null(strstr(d.headers, "x-amz-meta-errorcode: 429\n"));
    assert_int_equal(destination_deliver(db, &d, &emitted, &err), 0);
    assert_int_equal(emitted.count, 1);
    job_free(job);
}

// A destination that is not there does not keep the job from ending.
static void test_nowhere(void **state)
{
    (void)state;
    struct job *job = job_of("{}");
    CLEAN(bus_emitted_done) struct bus_emitted emitted = {0};
    assert_int_equal(deliver("arn:aws:s3:::missing/x/", job, &emitted), 0);
    assert_int_equal(deliver("arn:aws:sns:us-east-1:000000000000:topic", job, &emitted), 0);
    assert_int_equal(deliver("nonsense ", job, &emitted), 0);
    assert_int_equal(deliver(ARN("gone"), job, &emitted), 0);
    assert_int_equal(emitted.count, 0);
    struct destination none = {0};
    assert_int_equal(destination_deliver(db, &none, &emitted, &err), 0);
    destination_done(&none);
    uint64_t count = 1;
    assert_int_equal(job_row_count(db, &count, &err), 0);
    assert_int_equal(count, 0);
    job_free(job);
}

// But one that fails does: the end is tried again.
static void test_fails(void **state)
{
    (void)state;
    struct job *job = job_of("{}");
    CLEAN(bus_emitted_done) struct bus_emitted emitted = {0};
    function_make("g", "$LATEST");
    assert_int_equal(db_exec(db, "DROP TABLE job", &err), 0);
    assert_true(deliver(ARN("g"), job, &emitted) < 0);
    assert_true(err.text[0] != 0);
    assert_int_equal(emitted.count, 0);
    job_free(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_success),     TEST(test_failure),
        TEST(test_never_ran),   TEST(test_not_json),
        TEST(test_to_function), TEST(test_to_bucket),
        TEST(test_nowhere),     TEST(test_fails),
        TEST(test_dead_letter), TEST(test_dead_letter_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
