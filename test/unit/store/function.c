// SPDX-License-Identifier: Apache-2.0
// The tables of functions: what is written is read again, in order, and deleted altogether.
#include "store/function.h"
#include "store/job.h"
#include "tables.h"

static struct function *version_make(const char *name, const char *version)
{
    struct function *f = function_new();
    f->name = mem_dup(name);
    f->version = mem_dup(version);
    f->runtime = mem_dup("onnx");
    f->package = mem_dup("/data/packages/abc/code");
    f->environment = mem_dup("{\"A\":\"b\"}");
    function_layer_add(f, STR("arn:aws:lambda:r:1:layer:one:1"), "/data/packages/def/code", 7);
    function_layer_add(f, STR("arn:aws:lambda:r:1:layer:two:2"), "/data/packages/ghi/code", 8);
    f->code_size = 123;
    f->memory_mb = 512;
    f->state = FUNCTION_FAILED;
    f->quantized = mem_dup("{\"State\":\"Float\"}");
    f->state_reason = mem_dup("no model");
    f->modified_ms = 1700000000123;
    return f;
}

static void put(const char *name, const char *version)
{
    struct function *f = version_make(name, version);
    assert_int_equal(function_version_put(db, "/data/packages", f, &err), 0);
    function_unref(f);
}

struct seen {
    char text[512];
    struct function *last;
};

static int see(void *ctx, struct function *f)
{
    struct seen *seen = ctx;
    size_t size = strlen(seen->text);
    snprintf(seen->text + size, sizeof seen->text - size, "%s:%s ", f->name, f->version);
    function_unref(seen->last);
    seen->last = f;
    return 0;
}

static void versions_come_back_in_order(void **state)
{
    (void)state;
    put("b", "10");
    put("b", "9");
    put("b", "$LATEST");
    put("a", "$LATEST");
    struct seen seen = {0};
    assert_int_equal(function_version_each(db, "/elsewhere/packages", see, &seen, &err), 0);
    assert_string_equal(seen.text, "a:$LATEST b:$LATEST b:9 b:10 ");
    const struct function *f = seen.last;
    assert_string_equal(f->runtime, "onnx");
    assert_string_equal(f->environment, "{\"A\":\"b\"}");
    assert_string_equal(f->state_reason, "no model");
    assert_string_equal(f->package,
                        "/elsewhere/packages/abc/code"); // a data directory may be moved
    assert_int_equal(f->layer_count, 2);
    assert_string_equal(f->layers[0].arn, "arn:aws:lambda:r:1:layer:one:1");
    assert_string_equal(f->layers[1].package, "/elsewhere/packages/ghi/code");
    assert_int_equal(f->layers[1].code_size, 8);
    assert_null(f->prepared);
    assert_string_equal(f->quantized, "{\"State\":\"Float\"}");
    assert_null(f->handler);
    assert_int_equal(f->code_size, 123);
    assert_int_equal(f->memory_mb, 512);
    assert_int_equal(f->state, FUNCTION_FAILED);
    assert_int_equal(f->modified_ms, 1700000000123);
    function_unref(seen.last);
}

static int see_head(void *ctx, const struct function_head *head)
{
    struct function_head *to = ctx;
    assert_true(str_eq(head->name, STR("a")));
    assert_true(str_eq(head->tags, STR("{\"k\":\"v\"}")));
    assert_true(str_eq(head->update_reason, STR("why")));
    assert_null(head->policy.at);
    to->reserved = head->reserved;
    to->last_version = head->last_version;
    to->update = head->update;
    return 0;
}

static void heads_are_replaced(void **state)
{
    (void)state;
    struct function_head head = {.name = STR("a"), .reserved = -1};
    assert_int_equal(function_head_put(db, &head, &err), 0);
    head.tags = STR("{\"k\":\"v\"}");
    head.reserved = 0;
    head.last_version = 7;
    head.update = FUNCTION_UPDATE_FAILED;
    head.update_reason = STR("why");
    assert_int_equal(function_head_put(db, &head, &err), 0);
    struct function_head seen = {0};
    assert_int_equal(function_head_each(db, see_head, &seen, &err), 0);
    assert_int_equal(seen.reserved, 0);
    assert_int_equal(seen.last_version, 7);
    assert_int_equal(seen.update, FUNCTION_UPDATE_FAILED);
}

static int count_invoke(void *ctx, const struct function_invoke *config)
{
    *(int *)ctx += 1;
    assert_true(str_eq(config->on_failure, STR("arn:aws:s3:::b")));
    assert_null(config->on_success.at);
    return 0;
}

static void deletion_takes_everything(void **state)
{
    (void)state;
    struct function_head head = {.name = STR("a"), .reserved = -1};
    assert_int_equal(function_head_put(db, &head, &err), 0);
    put("a", "$LATEST");
    put("a", "1");
    put("ab", "$LATEST");
    struct function_invoke config = {
        .name = STR("a"), .qualifier = STR("1"), .on_failure = STR("arn:aws:s3:::b")};
    assert_int_equal(function_invoke_put(db, &config, &err), 0);
    config.qualifier = STR("$LATEST");
    assert_int_equal(function_invoke_put(db, &config, &err), 0);
    static const char *const owners[] = {"a", "a:1", "ab", "ab:1"};
    for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
        struct job_row row = {.function = str_of(owners[i]),
                              .payload = STR("{}"),
                              .request_id = STR("id"),
                              .attempt = 1};
        assert_true(job_row_insert(db, &row, &err) > 0);
    }
    int configs = 0;
    assert_int_equal(function_known(db, STR("a:1"), &err), 1);
    assert_int_equal(function_version_delete(db, STR("a"), STR("1"), &err), 1); // its job, too
    assert_int_equal(function_known(db, STR("a:1"), &err), 0);
    assert_int_equal(function_known(db, STR("a"), &err), 1);
    assert_int_equal(function_invoke_each(db, count_invoke, &configs, &err), 0);
    assert_int_equal(configs, 1); // the version's went with it

    assert_int_equal(function_delete(db, STR("a"), &err), 0);
    struct seen seen = {0};
    assert_int_equal(function_version_each(db, "/p", see, &seen, &err), 0);
    assert_string_equal(seen.text, "ab:$LATEST ");
    function_unref(seen.last);
    configs = 0;
    assert_int_equal(function_invoke_each(db, count_invoke, &configs, &err), 0);
    assert_int_equal(configs, 0);
    uint64_t jobs = 0;
    assert_int_equal(job_row_count(db, &jobs, &err), 0);
    assert_int_equal(jobs, 2);
    assert_int_equal(function_delete(db, STR("nothing"), &err), 0);
    assert_int_equal(function_known(db, STR("a"), &err), 0);
    assert_int_equal(function_known(db, STR(""), &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(versions_come_back_in_order),
        TEST(heads_are_replaced),
        TEST(deletion_takes_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
