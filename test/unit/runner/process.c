// SPDX-License-Identifier: Apache-2.0
// Templates and instances as processes: they fork, answer, survive bad jobs, are alone with their
// faults, and end with their sockets. No model is needed: the task is echo.
#include "harness.h"
#include "base/mem.h"

#include <dirent.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct echo {
    struct process template;
    char *package;
};

static int setup(void **state)
{
    struct echo *e = NEW(struct echo);
    e->template = template_start();
    e->package = folder_new();
    folder_put(e->package, "model.yaml", STR("task: echo\n"));
    *state = e;
    return 0;
}

static int teardown(void **state)
{
    struct echo *e = *state;
    process_end(&e->template);
    folder_remove(e->package);
    free(e);
    return 0;
}

static struct process spawn(struct process *from, enum wire_role role, const char *package)
{
    char why[512];
    struct process p = process_spawn(from, role, package, "", why);
    assert_string_equal(why, "");
    return p;
}

static void assert_echo(struct process *instance, struct str payload)
{
    struct answer answer = ask(instance, payload, NULL, 0);
    assert_false(answer.lost || answer.failed);
    assert_int_equal(answer.payload.size, payload.size);
    assert_memory_equal(answer.payload.at ? answer.payload.at : "", payload.at, payload.size);
    answer_done(&answer);
}

static void the_template_has_one_thread(void **state)
{
    struct echo *e = *state;
    assert_int_equal(thread_count(e->template.pid), 1);
}

static void an_instance_answers(void **state)
{
    struct echo *e = *state;
    struct process instance = spawn(&e->template, WIRE_INSTANCE, e->package);
    assert_echo(&instance, STR("{\"a\":1}"));
    assert_echo(&instance, STR(""));
    size_t size = 5 * 1024 * 1024; // there and back in file descriptors
    CLEAN_MEM char *large = mem_alloc(size);
    memset(large, 'x', size);
    assert_echo(&instance, str_n(large, size));
    process_end(&instance);
}

static void a_functions_template_makes_instances(void **state)
{
    struct echo *e = *state;
    struct process template = spawn(&e->template, WIRE_TEMPLATE, e->package);
    struct process a = spawn(&template, WIRE_INSTANCE, "");
    struct process b = spawn(&template, WIRE_INSTANCE, "");
    assert_true(a.pid != b.pid);
    assert_echo(&a, STR("one"));
    assert_echo(&b, STR("two"));
    process_end(&a);
    assert_echo(&b, STR("three"));
    process_end(&b);
    char why[512];
    struct process none = process_spawn(&template, WIRE_TEMPLATE, e->package, "", why);
    assert_int_equal(none.pid, 0);
    assert_non_null(strstr(why, "instances only"));
    process_end(&template);
}

static void a_batch_is_answered_in_order(void **state)
{
    struct echo *e = *state;
    struct process instance = spawn(&e->template, WIRE_INSTANCE, e->package);
    for (uint64_t i = 1; i <= 20; i++) { // sent before any answer is read
        CLEAN_MEM char *text = mem_printf("%d", (int)i);
        ask_send(&instance, i, str_of(text), NULL, 0);
    }
    for (uint64_t i = 1; i <= 20; i++) {
        struct answer answer = ask_receive(&instance, i);
        CLEAN_MEM char *text = mem_printf("%d", (int)i);
        assert_string_equal(buf_text(&answer.payload), text);
        answer_done(&answer);
    }
    process_end(&instance);
}

static void a_package_that_is_none_says_why(void **state)
{
    struct echo *e = *state;
    static const struct {
        const char *yaml, *why;
    } cases[] = {
        {"task: ecko\n", "model.yaml:1:7: task: must be"},
        {"task: echo\nTask: echo\n", "model.yaml:2:1: unknown key \"Task\""},
        {"task: [\n", "model.yaml:"},
        {"task: tensor\nmodel: ../m.onnx\n", "model.yaml:2:8: model: must name a file in the"},
        {"task: tensor\nmodel: m.onnx\n", "model.yaml:2:8: model: there is no file m.onnx"},
        {"task: tensor\n", "there is no *.onnx file"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        folder_put(e->package, "model.yaml", str_of(cases[i].yaml));
        for (int role = WIRE_TEMPLATE; role <= WIRE_INSTANCE; role++) {
            char why[512];
            struct process p =
                process_spawn(&e->template, (enum wire_role)role, e->package, "", why);
            if (!strstr(why, cases[i].why)) {
                fail_msg("%s: %s", cases[i].yaml, why);
            }
            process_end(&p); // it ends by itself
        }
    }
    char why[512];
    struct process p = process_spawn(&e->template, WIRE_INSTANCE, "/nowhere", "", why);
    assert_non_null(strstr(why, "/nowhere"));
    process_end(&p);
    folder_put(e->package, "model.yaml", STR("task: echo\n"));
    struct process fine = spawn(&e->template, WIRE_INSTANCE, e->package);
    process_end(&fine);
}

static void a_killed_instance_takes_nobody_with_it(void **state)
{
    struct echo *e = *state;
    struct process template = spawn(&e->template, WIRE_TEMPLATE, e->package);
    struct process victim = spawn(&template, WIRE_INSTANCE, "");
    struct process other = spawn(&template, WIRE_INSTANCE, "");
    assert_int_equal(kill(victim.pid, SIGKILL), 0);
    struct answer answer = ask_receive(&victim, 0);
    assert_true(answer.lost);
    process_end(&victim); // its pidfd tells
    assert_echo(&other, STR("alive"));
    struct process next = spawn(&template, WIRE_INSTANCE, "");
    assert_echo(&next, STR("next"));
    process_end(&next);
    process_end(&other);
    process_end(&template);
}

static void a_hung_instance_can_be_killed(void **state)
{
    struct echo *e = *state;
    struct process instance = spawn(&e->template, WIRE_INSTANCE, e->package);
    assert_int_equal(kill(instance.pid, SIGSTOP), 0);
    ask_send(&instance, 1, STR("x"), NULL, 0);
    struct pollfd silent = {.fd = instance.socket, .events = POLLIN};
    assert_int_equal(poll(&silent, 1, 50), 0);
    assert_int_equal(kill(instance.pid, SIGKILL), 0);
    process_end(&instance);
    struct process next = spawn(&e->template, WIRE_INSTANCE, e->package);
    assert_echo(&next, STR("next"));
    process_end(&next);
}

static void instances_end_with_their_sockets_not_their_template(void **state)
{
    struct echo *e = *state;
    struct process template = spawn(&e->template, WIRE_TEMPLATE, e->package);
    struct process instance = spawn(&template, WIRE_INSTANCE, "");
    process_end(&template);
    assert_echo(&instance, STR("still here"));
    process_end(&instance); // waits until it is gone
}

static void children_are_reaped(void **state)
{
    struct echo *e = *state;
    for (int i = 0; i < 5; i++) {
        struct process instance = spawn(&e->template, WIRE_INSTANCE, e->package);
        process_end(&instance);
    }
    // The template's turn reaps before it forks: only the last may still be a zombie.
    struct process instance = spawn(&e->template, WIRE_INSTANCE, e->package);
    CLEAN_MEM char *path =
        mem_printf("/proc/%d/task/%d/children", (int)e->template.pid, (int)e->template.pid);
    FILE *file = fopen(path, "r");
    if (file) {
        int count = 0, pid = 0;
        while (fscanf(file, "%d", &pid) == 1) {
            count++;
        }
        fclose(file);
        assert_int_equal(count, 1);
    }
    process_end(&instance);
}

static int open_fds(pid_t pid)
{
    CLEAN_MEM char *path = mem_printf("/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        count += entry->d_name[0] != '.';
    }
    closedir(dir);
    return count;
}

// A process closes what it passed on a moment after the other end has it.
static void assert_open_fds(pid_t pid, int count)
{
    for (int i = 0; i < 1000 && open_fds(pid) != count; i++) {
        usleep(10000);
    }
    assert_int_equal(open_fds(pid), count);
}

static void descriptors_stay_where_they_belong(void **state)
{
    struct echo *e = *state;
    int before = open_fds(e->template.pid);
    struct process first = spawn(&e->template, WIRE_INSTANCE, e->package);
    int one = open_fds(first.pid);
    struct process second = spawn(&e->template, WIRE_INSTANCE, e->package);
    assert_echo(&first, STR("x"));
    assert_open_fds(e->template.pid, before); // the parent keeps none
    assert_open_fds(second.pid, one);         // nor does the next child
    struct str large = {.at = mem_alloc(100000), .size = 100000};
    assert_echo(&first, large);
    assert_open_fds(first.pid, one);
    free((char *)large.at);
    process_end(&first);
    process_end(&second);
}

static void assert_given_up(struct process *p)
{
    char byte;
    struct pollfd poll_fd = {.fd = p->socket, .events = POLLIN};
    assert_int_equal(poll(&poll_fd, 1, 60000), 1);
    assert_true(recv(p->socket, &byte, 1, 0) <= 0);
}

static void rubbish_ends_an_instance(void **state)
{
    struct echo *e = *state;
    struct wire_message m;
    struct err err = {0};
    for (int i = 0; i < 5; i++) {
        struct process instance = spawn(&e->template, WIRE_INSTANCE, e->package);
        wire_message_init(&m, WIRE_JOBS);
        wire_put_count(&m, 1);
        wire_put_job(&m, &(struct wire_job){.payload = {.bytes = STR("x")}});
        switch (i) {
        case 0: m.kind = WIRE_SPAWN; break;           // a message for somebody else
        case 1: m.body.size -= 1; break;              // too short
        case 2: buf_add_char(&m.body, 'x'); break;    // too long
        case 3: wire_set_count(&m, 2); break;         // one job is missing
        default: wire_set_count(&m, 1u << 30); break; // nonsense
        }
        assert_int_equal(wire_send(instance.socket, &m, &err), 0);
        assert_given_up(&instance);
        wire_message_done(&m);
        process_end(&instance);
    }
    struct process instance = spawn(&e->template, WIRE_INSTANCE, e->package);
    assert_int_equal(send(instance.socket, "hello", 5, 0), 5);
    assert_given_up(&instance);
    process_end(&instance);
}

static void rubbish_ends_a_template(void **state)
{
    struct echo *e = *state;
    struct process template = spawn(&e->template, WIRE_TEMPLATE, e->package);
    assert_int_equal(send(template.socket, "hello", 5, 0), 5);
    assert_given_up(&template);
    process_end(&template);
    struct process instance = spawn(&e->template, WIRE_INSTANCE, e->package);
    assert_echo(&instance, STR("unharmed"));
    process_end(&instance);
}

static void a_file_shorter_than_announced_fails_its_job_only(void **state)
{
    struct echo *e = *state;
    struct process instance = spawn(&e->template, WIRE_INSTANCE, e->package);
    struct wire_message m;
    struct err err = {0};
    wire_message_init(&m, WIRE_JOBS);
    m.fds[m.fd_count++] = wire_memfd("test", STR("short"), &err);
    wire_put_count(&m, 1);
    wire_put_job(&m, &(struct wire_job){.id = 3, .payload = {.place = WIRE_FD, .size = 6}});
    assert_int_equal(wire_send(instance.socket, &m, &err), 0);
    wire_message_done(&m);
    struct answer answer = ask_receive(&instance, 3);
    assert_true(answer.failed);
    assert_non_null(strstr(answer.message, "shorter"));
    answer_done(&answer);
    assert_echo(&instance, STR("next"));
    process_end(&instance);
}

static void arguments_are_checked(void **state)
{
    (void)state;
    char *const wrong[][5] = {
        {"rouse-runner", NULL},
        {"rouse-runner", "--template", "no", NULL},
        {"rouse-runner", "--template", "999", NULL},
        {"rouse-runner", "prepare", "/nowhere", NULL},
        {"rouse-runner", "dance", NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        int status = 0;
        free(runner_output(wrong[i], &status));
        assert_int_equal(status, 2);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(the_template_has_one_thread),
        T(an_instance_answers),
        T(a_functions_template_makes_instances),
        T(a_batch_is_answered_in_order),
        T(a_package_that_is_none_says_why),
        T(a_killed_instance_takes_nobody_with_it),
        T(a_hung_instance_can_be_killed),
        T(instances_end_with_their_sockets_not_their_template),
        T(children_are_reaped),
        T(descriptors_stay_where_they_belong),
        T(rubbish_ends_an_instance),
        T(rubbish_ends_a_template),
        T(a_file_shorter_than_announced_fails_its_job_only),
        cmocka_unit_test(arguments_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
