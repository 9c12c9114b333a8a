// SPDX-License-Identifier: Apache-2.0
// Lists, memory helpers and moves between stages: what is small enough to share a file.
#include "base/list.h"
#include "base/mem.h"
#include "base/state.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

struct item {
    int number;
    struct list link;
};

static void test_order(void **state)
{
    (void)state;
    struct list head;
    struct item items[4];
    list_init(&head);
    assert_true(list_empty(&head));
    assert_null(LIST_FIRST(&head, struct item, link));
    for (int i = 0; i < 4; i++) {
        items[i].number = i;
        list_init(&items[i].link);
    }
    list_push_back(&head, &items[1].link);
    list_push_back(&head, &items[3].link);
    list_push_front(&head, &items[0].link);
    list_insert_before(&items[3].link, &items[2].link);
    int next = 0;
    LIST_EACH(item, &head, struct item, link)
    {
        assert_int_equal(item->number, next++);
    }
    assert_int_equal(next, 4);
    assert_ptr_equal(LIST_FIRST(&head, struct item, link), &items[0]);
}

static void test_remove(void **state)
{
    (void)state;
    struct list head;
    list_init(&head);
    for (int i = 0; i < 10; i++) {
        struct item *item = NEW(struct item);
        item->number = i;
        list_push_back(&head, &item->link);
    }
    LIST_EACH(item, &head, struct item, link) // it may go while it is looked at
    {
        if (item->number % 2) {
            list_remove(&item->link);
            list_remove(&item->link); // twice does no harm
            free(item);
        }
    }
    int sum = 0;
    LIST_EACH(item, &head, struct item, link)
    {
        sum += item->number;
        list_remove(&item->link);
        free(item);
    }
    assert_int_equal(sum, 0 + 2 + 4 + 6 + 8);
    assert_true(list_empty(&head));
}

static void test_memory(void **state)
{
    (void)state;
    CLEAN_MEM unsigned char *zeroed = mem_alloc(100);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(zeroed[i], 0);
    }
    CLEAN_MEM char *nothing = mem_alloc(0);
    assert_non_null(nothing);
    assert_null(mem_dup(NULL));
    CLEAN_MEM char *part = mem_dup_n("abcdef", 3);
    assert_string_equal(part, "abc");
    CLEAN_MEM char *empty = mem_dup_n(NULL, 0);
    assert_string_equal(empty, "");
    CLEAN_MEM char *text = mem_printf("%d %s", 5, "x");
    assert_string_equal(text, "5 x");
    part = mem_grow(part, 10000);
    assert_string_equal(part, "abc");
    char *moved = MOVE(text);
    assert_null(text);
    assert_string_equal(moved, "5 x");
    mem_clean(&moved);
    assert_null(moved);
}

static void test_descriptors(void **state)
{
    (void)state;
    int kept = -1;
    {
        CLEAN_FD int fd = open("/dev/null", O_RDONLY);
        CLEAN_FD int none = -1;
        assert_true(fd >= 0 && none < 0);
        kept = fd;
    }
    assert_int_equal(fcntl(kept, F_GETFD), -1);
}

static const struct state_step steps[] = {{0, 1}, {1, 2}};

static void test_stages(void **state)
{
    (void)state;
    int now = 0;
    state_move(&now, 1, steps, ARRAY_SIZE(steps));
    assert_int_equal(now, 1);
    assert_false(state_may(1, 0, steps, ARRAY_SIZE(steps)));
    assert_false(state_may(0, 2, steps, ARRAY_SIZE(steps)));
}

// A step that is not in the table ends the process, with a line that says where.
static void test_wrong_step(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        int now = 1;
        state_move(&now, 0, steps, ARRAY_SIZE(steps));
        _exit(0);
    }
    close(ends[1]);
    char text[512] = "";
    size_t size = 0;
    for (ssize_t got; (got = read(ends[0], text + size, sizeof text - 1 - size)) > 0;) {
        size += (size_t)got;
    }
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
    assert_non_null(strstr(text, "state.h:"));
    assert_non_null(strstr(text, "state_may("));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),  cmocka_unit_test(test_remove),
        cmocka_unit_test(test_memory), cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_stages), cmocka_unit_test(test_wrong_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
