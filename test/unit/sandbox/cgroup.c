// SPDX-License-Identifier: Apache-2.0
// Groups as the kernel shows them. Skipped where none can be made.
#include "sandbox/cgroup.h"
#include "base/file.h"
#include "base/mem.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB       (1ull << 20)
#define WAITS_MAX 5000 // milliseconds: the machine may be busy

static int setup(void **state)
{
    struct err err = {0};
    struct cgroups *groups = NULL;
    if (cgroups_new(&groups, &err) < 0) {
        assert_int_equal(err.code, ERR_UNSUPPORTED);
        print_message("no cgroups here: %s\n", err.text);
    }
    *state = groups;
    return 0;
}

static int teardown(void **state)
{
    cgroups_free(*state);
    return 0;
}

static void wait_a_little(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static pid_t sleeper(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    return pid;
}

// Whether one of the process's groups is the server's, "…/rouse-<pid>/…".
static bool grouped(pid_t pid)
{
    CLEAN_MEM char *path = mem_printf("/proc/%d/cgroup", (int)pid);
    CLEAN_MEM char *want = mem_printf("/rouse-%d/", (int)getpid());
    CLEAN(buf_done) struct buf text = BUF_INIT(64 * 1024);
    struct err err = {0};
    assert_int_equal(file_read(path, &text, &err), 0);
    return strstr(buf_text(&text), want) != NULL;
}

static void a_group_ends_with_all_in_it(void **state)
{
    if (!*state) {
        skip();
    }
    pid_t pid = sleeper();
    struct cgroup *group = cgroup_new(*state, pid, 64 * MIB);
    assert_non_null(group);
    for (int i = 0; i < WAITS_MAX && !grouped(pid); i++) {
        wait_a_little();
    }
    assert_true(grouped(pid));
    cgroup_limit_cpu(group, 1769 * MIB);
    assert_false(cgroup_out_of_memory(group));
    cgroup_free(group);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid); // nobody else would end it
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void memory_is_bounded(void **state)
{
    if (!*state) {
        skip();
    }
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char c;
        if (read(ends[0], &c, 1) != 1) {
            _exit(1);
        }
        size_t size = 256 * MIB;
        char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memset(at, 1, size);
        _exit(at[size / 2] == 1 ? 0 : 2);
    }
    struct cgroup *group = cgroup_new(*state, pid, 32 * MIB);
    for (int i = 0; i < WAITS_MAX && !grouped(pid); i++) {
        wait_a_little();
    }
    assert_int_equal(write(ends[1], "x", 1), 1);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_true(cgroup_out_of_memory(group));
    uint64_t most = cgroup_memory_max(group);
    assert_true(most == 0 || most <= 33 * MIB);
    cgroup_free(group);
    close(ends[0]);
    close(ends[1]);
}

static void without_groups_nothing_happens(void **state)
{
    (void)state;
    assert_null(cgroup_new(NULL, 1, MIB));
    cgroup_limit_cpu(NULL, MIB);
    assert_false(cgroup_out_of_memory(NULL));
    assert_int_equal(cgroup_memory_max(NULL), 0);
    cgroup_free(NULL);
    cgroups_free(NULL);
}

static void a_process_that_is_gone_is_no_trouble(void **state)
{
    if (!*state) {
        skip();
    }
    pid_t pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    cgroup_free(cgroup_new(*state, pid, 64 * MIB));
    assert_null(cgroup_new(*state, 0, 64 * MIB));
}

// As with a server in another container, whose process id means nothing here.
static void another_servers_groups_are_left_alone(void **state)
{
    struct err err = {0};
    struct cgroups *other = NULL;
    if (!*state || cgroups_new(&other, &err) < 0) {
        skip();
    }
    pid_t pid = sleeper();
    struct cgroup *group = cgroup_new(*state, pid, 64 * MIB);
    for (int i = 0; i < WAITS_MAX && !grouped(pid); i++) {
        wait_a_little();
    }
    cgroups_free(other);
    assert_int_equal(cgroups_new(&other, &err), 0); // sweeps what nobody holds
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
    cgroups_free(other);
    cgroup_free(group);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_group_ends_with_all_in_it),
        T(memory_is_bounded),
        T(a_process_that_is_gone_is_no_trouble),
        T(another_servers_groups_are_left_alone),
        cmocka_unit_test(without_groups_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
