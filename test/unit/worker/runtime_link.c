// SPDX-License-Identifier: Apache-2.0
// One instance's end of the Runtime and Extensions APIs: who may say what, when, and who hears of it.
#include "worker/runtime_link.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/eventfd.h>

#include <cmocka.h>

struct waiter {
    struct runtime_waiter base;
    int events;
    enum runtime_event_kind kind;
    const struct job *job;
    char reason[16];
};

struct fixture {
    struct loop *loop;
    struct function *function;
    struct runtime_link *link;
    struct runtime_api api;
    struct waiter runtime, other; // `next` of the runtime
    int ready, answers;
    struct job *answered;
    char failed[64];
    struct err err;
};

static void on_event(struct runtime_waiter *waiter, const struct runtime_event *event)
{
    struct waiter *w = CONTAINER_OF(waiter, struct waiter, base);
    w->events++;
    w->kind = event->kind;
    w->job = event->job;
    snprintf(w->reason, sizeof w->reason, STR_FMT, STR_ARG(event->reason));
}

static void on_ready(void *ctx)
{
    ((struct fixture *)ctx)->ready++;
}

static void on_waiting(void *ctx)
{
    (void)ctx;
}

static void on_init_failed(void *ctx, const char *type, struct bytes *document)
{
    struct fixture *f = ctx;
    snprintf(f->failed, sizeof f->failed, "%s", type);
    bytes_unref(document);
}

static void on_answered(void *ctx, struct job *job)
{
    struct fixture *f = ctx;
    f->answers++;
    f->answered = job;
}

static void on_extension_failed(void *ctx, const char *type)
{
    struct fixture *f = ctx;
    snprintf(f->failed, sizeof f->failed, "%s", type);
}

static void link_make(struct fixture *f, size_t concurrency, size_t extensions)
{
    static const struct str names[] = {{"first", 5}, {"second", 6}};
    struct runtime_link_events events = {
        f, on_ready, on_waiting, on_init_failed, on_answered, on_extension_failed};
    runtime_link_free(f->link);
    f->link = runtime_link_new(f->loop, f->function, concurrency, &events, &f->api);
    f->runtime = f->other = (struct waiter){.base.on_event = on_event};
    f->ready = f->answers = 0;
    int fd = eventfd(0, EFD_CLOEXEC); // for a socket to which nobody connects
    assert_int_equal(runtime_link_listen(f->link, fd, names, extensions, &f->err), 0);
}

static int setup(void **state)
{
    struct fixture *f = NEW(struct fixture);
    assert_int_equal(loop_new(LOOP_REAL, &f->loop, &f->err), 0);
    f->function = function_new();
    f->function->name = mem_dup("f");
    link_make(f, 1, 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    runtime_link_free(f->link);
    function_unref(f->function);
    loop_free(f->loop);
    free(f);
    return 0;
}

static int next(struct fixture *f, struct waiter *w)
{
    f->err = (struct err){0};
    return runtime_link_next(f->link, &w->base, &f->err);
}

static int answer(struct fixture *f, const struct job *job)
{
    struct buf payload = BUF_INIT(16);
    buf_add_text(&payload, "1");
    f->err = (struct err){0};
    int rc = runtime_link_answer(f->link, str_of(job->request_id.text), &payload, &f->err);
    buf_done(&payload);
    return rc;
}

// ── one at a time ──

static void an_event_waits_for_who_asks(void **state)
{
    struct fixture *f = *state;
    struct job *job = job_new(f->function, NULL);
    assert_int_equal(answer(f, job), ERR_DENIED); // there is nothing to answer to
    assert_string_equal(err_aws_name(&f->err), "InvalidStateTransition");
    assert_int_equal(next(f, &f->runtime), 0);
    assert_int_equal(f->ready, 1);
    assert_int_equal(next(f, &f->other), 0); // gave up waiting the first time
    runtime_link_give(f->link, job);
    assert_int_equal(f->runtime.events, 0);
    assert_ptr_equal(f->other.job, job);
    assert_true(job->begun);
    assert_int_equal(next(f, &f->runtime), ERR_DENIED); // before it has answered
    assert_non_null(strstr(f->err.text, "from Running to Ready"));
    struct job *stranger = job_new(f->function, NULL);
    assert_int_equal(answer(f, stranger), ERR_INVALID);
    assert_string_equal(err_aws_name(&f->err), "InvalidRequestID");
    assert_int_equal(answer(f, job), 0);
    assert_ptr_equal(f->answered, job);
    assert_int_equal(answer(f, job), ERR_DENIED); // once
    assert_int_equal(next(f, &f->runtime), 0);
    job_free(stranger);
    job_free(job);
}

static void a_job_that_nobody_has_asked_for_has_not_begun(void **state)
{
    struct fixture *f = *state;
    struct job *a = job_new(f->function, NULL), *b = job_new(f->function, NULL);
    assert_int_equal(next(f, &f->runtime), 0);
    runtime_link_give(f->link, a);
    assert_int_equal(answer(f, a), 0);
    runtime_link_give(f->link, b);
    assert_false(b->begun);
    assert_int_equal(next(f, &f->runtime), 0);
    assert_true(b->begun);
    job_free(a);
    job_free(b);
}

static void who_cannot_start_says_so_once(void **state)
{
    struct fixture *f = *state;
    struct buf document = BUF_INIT(16);
    assert_int_equal(runtime_link_init_fail(f->link, STR("Runtime.No"), &document, &f->err), 0);
    assert_string_equal(f->failed, "Runtime.No");
    assert_int_equal(runtime_link_init_fail(f->link, STR("Runtime.No"), &document, &f->err),
                     ERR_DENIED);
    assert_int_equal(next(f, &f->runtime), ERR_DENIED);
}

// ── several at once ──

static void several_events_go_out_in_order(void **state)
{
    struct fixture *f = *state;
    struct job *jobs[3];
    link_make(f, 3, 0);
    assert_int_equal(next(f, &f->runtime), 0);
    assert_int_equal(f->ready, 1);
    for (int i = 0; i < 3; i++) {
        jobs[i] = job_new(f->function, NULL);
        runtime_link_give(f->link, jobs[i]);
    }
    assert_ptr_equal(f->runtime.job, jobs[0]);
    assert_int_equal(next(f, &f->runtime), 0); // although the first is not answered
    assert_int_equal(next(f, &f->other), 0);
    assert_ptr_equal(f->runtime.job, jobs[1]);
    assert_ptr_equal(f->other.job, jobs[2]);
    assert_int_equal(answer(f, jobs[1]), 0); // in any order
    assert_ptr_equal(f->answered, jobs[1]);
    assert_int_equal(answer(f, jobs[1]), ERR_INVALID);
    assert_int_equal(answer(f, jobs[2]), 0);
    assert_int_equal(answer(f, jobs[0]), 0);
    assert_int_equal(f->answers, 3);
    for (int i = 0; i < 3; i++) {
        job_free(jobs[i]);
    }
}

static void what_is_said_of_a_job_taken_back_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct job *slow = job_new(f->function, NULL), *quick = job_new(f->function, NULL);
    link_make(f, 2, 0);
    assert_int_equal(next(f, &f->runtime), 0);
    assert_int_equal(next(f, &f->other), 0);
    runtime_link_give(f->link, slow);
    runtime_link_give(f->link, quick);
    runtime_link_take_back(f->link, slow);
    assert_int_equal(answer(f, slow), 0);
    assert_int_equal(f->answers, 0);
    assert_int_equal(answer(f, quick), 0);
    assert_ptr_equal(f->answered, quick);
    job_free(slow);
    job_free(quick);
}

// ── extensions ──

static struct uuid registered(struct fixture *f, const char *name, int events)
{
    struct uuid id;
    assert_int_equal(runtime_link_register(f->link, str_of(name), events, &id, &f->err), 0);
    return id;
}

static void extension_next(struct fixture *f, const struct uuid *id, struct waiter *w)
{
    w->base.on_event = on_event;
    assert_int_equal(runtime_link_extension_next(f->link, str_of(id->text), &w->base, &f->err), 0);
}

static void all_hear_of_an_event_together(void **state)
{
    struct fixture *f = *state;
    struct waiter first = {0}, second = {0};
    struct job *job = job_new(f->function, NULL);
    link_make(f, 1, 2);
    struct uuid a = registered(f, "first", EXTENSION_INVOKE | EXTENSION_SHUTDOWN);
    assert_int_equal(next(f, &f->runtime), 0);
    extension_next(f, &a, &first);
    assert_int_equal(f->ready, 0); // the second has not come
    struct uuid b = registered(f, "second", EXTENSION_SHUTDOWN);
    extension_next(f, &b, &second);
    assert_int_equal(f->ready, 1);
    runtime_link_give(f->link, job);
    assert_ptr_equal(first.job, job);
    assert_int_equal(second.events, 0);
    assert_int_equal(answer(f, job), 0);
    assert_int_equal(next(f, &f->runtime), 0);
    struct job *again = job_new(f->function, NULL);
    runtime_link_give(f->link, again);
    assert_false(again->begun); // the first is still at it
    extension_next(f, &a, &first);
    assert_true(again->begun);

    runtime_link_shutdown(f->link, "spindown", 0);
    assert_string_equal(second.reason, "spindown");
    assert_int_equal(first.events, 2); // it is at work, and hears of it when it asks
    extension_next(f, &a, &first);
    assert_int_equal(first.kind, RUNTIME_SHUTDOWN);
    extension_next(f, &a, &first);
    assert_int_equal(first.events, 3); // once
    assert_int_equal(next(f, &f->runtime), ERR_DENIED);
    assert_int_equal(answer(f, again), ERR_DENIED);
    runtime_waiter_stop(&first.base);
    job_free(job);
    job_free(again);
}

static void extensions_are_refused(void **state)
{
    struct fixture *f = *state;
    struct uuid id;
    static const struct {
        const char *name;
        int events;
        const char *error;
    } cases[] = {
        {"", 0, "Extension.InvalidExtensionName"},
        {"first", EXTENSION_INVOKE, "Extension.InvalidEventType"}, // several run at once
        {"inside", EXTENSION_SHUTDOWN, "Extension.InvalidEventType"},
        {"second", 0, "Extension.InvalidExtensionState"}, // has registered already
    };
    link_make(f, 2, 2);
    (void)registered(f, "second", EXTENSION_SHUTDOWN);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct err err = {0};
        assert_int_equal(
            runtime_link_register(f->link, str_of(cases[i].name), cases[i].events, &id, &err),
            ERR_DENIED);
        assert_string_equal(err_aws_name(&err), cases[i].error);
    }
    for (int i = 2; i < 10; i++) {
        char name[16];
        snprintf(name, sizeof name, "inside%d", i);
        (void)registered(f, name, 0);
    }
    assert_int_equal(runtime_link_register(f->link, STR("eleventh"), 0, &id, &f->err), ERR_DENIED);
    assert_string_equal(err_aws_name(&f->err), "Extension.TooManyExtensions");
}

static void strangers_hear_nothing(void **state)
{
    struct fixture *f = *state;
    struct waiter w = {.base.on_event = on_event};
    static const struct {
        const char *id, *error;
    } cases[] = {
        {"", "Extension.MissingExtensionIdentifier"},
        {"short", "Extension.InvalidExtensionIdentifier"},
        {"00000000-0000-0000-0000-000000000000", "Extension.UnknownExtensionIdentifier"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct err err = {0};
        assert_int_equal(runtime_link_extension_next(f->link, str_of(cases[i].id), &w.base, &err),
                         ERR_DENIED);
        assert_string_equal(err_aws_name(&err), cases[i].error);
    }
}

static void a_failed_extension_is_named_and_stays_so(void **state)
{
    struct fixture *f = *state;
    struct waiter w = {.base.on_event = on_event};
    CLEAN(buf_done) struct buf lines = BUF_INIT(1024);
    link_make(f, 1, 1);
    struct uuid id = registered(f, "first", EXTENSION_INVOKE);
    struct str me = str_of(id.text);
    assert_int_equal(runtime_link_extension_fail(f->link, me, STR(""), &f->err), ERR_DENIED);
    assert_string_equal(err_aws_name(&f->err), "Extension.MissingHeader");
    assert_int_equal(runtime_link_extension_fail(f->link, me, STR("Extension.Bad"), &f->err), 0);
    assert_string_equal(f->failed, "Extension.InitError");
    f->err = (struct err){0};
    assert_int_equal(runtime_link_extension_next(f->link, me, &w.base, &f->err), ERR_DENIED);
    assert_string_equal(err_aws_name(&f->err), "Extension.InvalidExtensionState");
    runtime_link_extensions(f->link, &lines);
    assert_string_equal(buf_text(&lines), "EXTENSION\tName: first\tState: InitError\tEvents: "
                                          "[INVOKE]\tError Type: Extension.Bad\n");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_event_waits_for_who_asks),
        TEST(a_job_that_nobody_has_asked_for_has_not_begun),
        TEST(who_cannot_start_says_so_once),
        TEST(several_events_go_out_in_order),
        TEST(what_is_said_of_a_job_taken_back_is_dropped),
        TEST(all_hear_of_an_event_together),
        TEST(extensions_are_refused),
        TEST(strangers_hear_nothing),
        TEST(a_failed_extension_is_named_and_stays_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
