// SPDX-License-Identifier: Apache-2.0
// The lives of jobs, functions and shared bytes; identifiers.
#include "base/mem.h"
#include "core/job.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

// True when the call aborts: what must hold did not.
#define ABORTS(call)                                                                               \
    ({                                                                                             \
        pid_t pid_ = fork();                                                                       \
        if (pid_ == 0) {                                                                           \
            dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);                                      \
            call;                                                                                  \
            _exit(0);                                                                              \
        }                                                                                          \
        int status_ = 0;                                                                           \
        waitpid(pid_, &status_, 0);                                                                \
        WIFSIGNALED(status_) || WEXITSTATUS(status_) != 0;                                         \
    })

static struct function *function_named(const char *name)
{
    struct function *f = function_new();
    f->name = mem_dup(name);
    f->version = mem_dup("$LATEST");
    return f;
}

static void test_job_steps(void **state)
{
    (void)state;
    static const int allowed[3][3] = {
        [JOB_QUEUED] = {[JOB_RUNNING] = 1, [JOB_SETTLED] = 1},
        [JOB_RUNNING] = {[JOB_QUEUED] = 1, [JOB_SETTLED] = 1},
    };
    CLEAN(function_clean) struct function *f = function_named("f");
    for (int from = 0; from < 3; from++) {
        for (int to = 0; to < 3; to++) {
            struct job *job = job_new(f, NULL);
            job->state = from;
            assert_int_equal(ABORTS(job_move(job, (enum job_state)to)), !allowed[from][to]);
            job_free(job);
        }
    }
}

static void test_job_owns(void **state)
{
    (void)state;
    struct function *f = function_named("f");
    struct bytes *payload = bytes_new(STR("{}"));
    struct job *a = job_new(f, payload), *b = job_new(f, NULL);
    assert_int_equal(f->refs, 3);
    assert_int_equal(payload->refs, 2);
    function_unref(f);
    bytes_unref(payload);
    assert_true(b->id > a->id);
    assert_string_not_equal(a->request_id.text, b->request_id.text);
    assert_int_equal(a->attempt, 1);
    assert_int_equal(a->state, JOB_QUEUED);
    assert_null(b->payload);
    struct list queue;
    list_init(&queue);
    list_push_back(&queue, &a->link);
    a->result.payload = bytes_new(STR("1"));
    a->result.log = bytes_new(STR("2"));
    job_free(a); // leaves the list by itself
    assert_true(list_empty(&queue));
    job_free(b);
    job_free(NULL);
}

// ── streams ──

struct reader { // the source's owner, and what it was told
    struct job_source source;
    int wanted;
};

static struct { // what the sink was given
    int begun;
    struct buf pieces;
    bool full;
} sunk = {.pieces = BUF_INIT(64)};

static void reader_wanted(struct job_source *source)
{
    CONTAINER_OF(source, struct reader, source)->wanted++;
}

static void sink_begun(struct job *job, struct str content_type)
{
    assert_true(job->streamed);
    assert_true(str_eq(content_type, STR("text/plain")));
    sunk.begun++;
}

static bool sink_piece(struct job *job, struct str piece)
{
    assert_non_null(job);
    buf_add_str(&sunk.pieces, piece);
    return !sunk.full;
}

static void test_streams(void **state)
{
    (void)state;
    static const struct job_sink sink = {sink_begun, sink_piece};
    struct function *f = function_named("f");
    struct reader reader = {.source.on_wanted = reader_wanted};
    struct job *job = job_new(f, NULL);
    job_stream_want(job); // nothing is under way
    job_stream_end(&reader.source);
    assert_true(ABORTS(job_stream_begin(job, &reader.source, STR("")))); // nobody wants pieces
    job->sink = &sink;
    job_stream_begin(job, &reader.source, STR("text/plain"));
    assert_true(job_stream_put(&reader.source, STR("a")));
    sunk.full = true;
    assert_false(job_stream_put(&reader.source, STR("b")));
    job_stream_want(job);
    assert_int_equal(reader.wanted, 1);
    assert_true(ABORTS(job_stream_begin(job, &reader.source, STR(""))));
    job_free(job); // its source reads on, to nobody
    assert_int_equal(reader.wanted, 2);
    assert_true(job_stream_put(&reader.source, STR("c")));
    assert_int_equal(sunk.begun, 1);
    assert_string_equal(buf_text(&sunk.pieces), "ab");

    job = job_new(f, NULL); // the source goes first
    job->sink = &sink;
    job_stream_begin(job, &reader.source, STR("text/plain"));
    job_stream_end(&reader.source);
    job_stream_want(job);
    job_free(job);
    assert_int_equal(reader.wanted, 2);
    buf_done(&sunk.pieces);
    function_unref(f);
}

static void test_tiers(void **state)
{
    (void)state;
    assert_string_equal(tier_name(TIER_NONE), "");
    assert_string_equal(tier_name(TIER_HOT), "hot");
    assert_string_equal(tier_name(TIER_WARM), "warm");
    assert_string_equal(tier_name(TIER_COOL), "cool");
    assert_string_equal(tier_name(TIER_COLD), "cold");
    assert_string_equal(tier_name((enum tier)99), "");
}

static void test_function_copy(void **state)
{
    (void)state;
    struct function *f = function_named("f");
    f->environment = mem_dup("{\"A\":\"b\"}");
    f->async.on_failure = mem_dup("arn:aws:s3:::b");
    f->timeout_s = 9;
    f->package = mem_dup("/p/abc/code");
    function_layer_add(f, STR("arn:1 of more"), "/p/def/code", 7);
    struct function *copy = function_copy(f);
    assert_true(function_uses(copy, "/p/abc/code"));
    assert_true(function_uses(copy, "/p/def/code"));
    assert_false(function_uses(copy, "/p/de/code"));
    assert_ptr_not_equal(copy->layers[0].arn, f->layers[0].arn);
    assert_int_equal(copy->layers[0].code_size, 7);
    function_layers_clear(copy);
    assert_int_equal(copy->layer_count, 0);
    assert_false(function_uses(copy, "/p/def/code"));
    assert_int_equal(copy->refs, 1);
    assert_string_equal(copy->environment, f->environment);
    assert_ptr_not_equal(copy->environment, f->environment);
    assert_null(copy->prepared);
    assert_int_equal(copy->timeout_s, 9);
    free(copy->name);
    copy->name = mem_dup("g");
    function_unref(function_ref(f));
    function_unref(f);
    assert_string_equal(copy->name, "g");
    assert_string_equal(copy->async.on_failure, "arn:aws:s3:::b");
    function_clean(&copy);
    assert_null(copy);
    function_unref(NULL);
}

static void test_function_defaults(void **state)
{
    (void)state;
    CLEAN(function_clean) struct function *f = function_new();
    assert_int_equal(f->memory_mb, 128);
    assert_int_equal(f->timeout_s, 3);
    assert_int_equal(f->ephemeral_mb, 512);
    assert_int_equal(f->reserved_concurrency, -1);
    assert_int_equal(f->async.retries_max, 2);
    assert_int_equal(f->async.event_age_max_s, 21600);
    assert_null(f->name);
}

static void test_names(void **state)
{
    (void)state;
    CLEAN_MEM char *longest = mem_printf("%064d", 0);
    CLEAN_MEM char *longer = mem_printf("%065d", 0);
    assert_true(function_name_ok(STR("a")));
    assert_true(function_name_ok(STR("My-function_2")));
    assert_true(function_name_ok(str_of(longest)));
    static const char *const bad[] = {"", "a b", "a.b", "a/b", "a:1", "..", "\xc3\xa4", "a\n"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_false(function_name_ok(str_of(bad[i])));
    }
    assert_false(function_name_ok(STR("a\0b")));
    assert_false(function_name_ok((struct str){0}));
    assert_false(function_name_ok(str_of(longer)));
    CLEAN_MEM char *arn = function_arn("eu-west-1", "f", NULL);
    assert_string_equal(arn, "arn:aws:lambda:eu-west-1:000000000000:function:f");
    CLEAN_MEM char *qualified = function_arn("eu-west-1", "f", "3");
    assert_string_equal(qualified, "arn:aws:lambda:eu-west-1:000000000000:function:f:3");
}

static void test_bytes(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf buf = BUF_INIT(10);
    buf_add_str(&buf, STR("a\0b"));
    struct bytes *b = bytes_take(&buf);
    assert_int_equal(buf.size, 0);
    assert_int_equal(b->size, 3);
    assert_memory_equal(b->at, "a\0b", 4);
    assert_ptr_equal(bytes_ref(b), b);
    bytes_unref(b);
    assert_int_equal(bytes_str(b).size, 3);
    bytes_unref(b);
    bytes_unref(NULL);
    assert_int_equal(bytes_str(NULL).size, 0);
    struct bytes *none = bytes_new((struct str){0});
    assert_string_equal(none->at, "");
    bytes_unref(none);
    struct bytes dead = {.refs = 0};
    assert_true(ABORTS(bytes_ref(&dead)));
    assert_true(ABORTS(bytes_unref(&dead)));
}

static void test_uuid(void **state)
{
    (void)state;
    struct uuid last = {0};
    for (int i = 0; i < 1000; i++) {
        struct uuid id = uuid_new();
        assert_int_equal(strlen(id.text), UUID_SIZE);
        assert_int_equal(strspn(id.text, "0123456789abcdef-"), UUID_SIZE);
        assert_true(id.text[8] == '-' && id.text[13] == '-' && id.text[18] == '-' &&
                    id.text[23] == '-');
        assert_true(id.text[14] == '4' && strchr("89ab", id.text[19]));
        assert_string_not_equal(id.text, last.text);
        last = id;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_steps),     cmocka_unit_test(test_job_owns),
        cmocka_unit_test(test_streams),       cmocka_unit_test(test_tiers),
        cmocka_unit_test(test_function_copy), cmocka_unit_test(test_function_defaults),
        cmocka_unit_test(test_names),         cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_uuid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
