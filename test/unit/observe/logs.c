// SPDX-License-Identifier: Apache-2.0
// Logs of functions: gathered, written, rotated, read back from a time on, and followed.
#include "observe/logs.h"
#include "base/mem.h"

#include <ftw.h>
#include <sys/stat.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define T0 1767323045678 // 2026-01-02T03:04:05.678Z

static char dir[64];
static struct loop *loop;
static struct observe *observe;
static struct err err;

static int setup(void **state)
{
    (void)state;
    err = (struct err){0};
    snprintf(dir, sizeof dir, "/tmp/rouse-logs-XXXXXX");
    if (!mkdtemp(dir) || loop_new(LOOP_SIMULATED, &loop, &err) < 0) {
        return -1;
    }
    observe = observe_new(loop, dir, 1000, 3);
    return 0;
}

static int remove_each(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st, (void)kind, (void)walk;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    observe_free(observe);
    loop_free(loop);
    return nftw(dir, remove_each, 16, FTW_DEPTH | FTW_PHYS);
}

static int64_t size_of(const char *name)
{
    CLEAN_MEM char *path = mem_printf("%s/%s", dir, name);
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

struct reading {
    int count, stop_after;
    int64_t last_ms;
    char first[200], last[200];
};

static int read_each(void *ctx, int64_t wall_ms, struct str line)
{
    struct reading *r = ctx;
    assert_true(wall_ms >= r->last_ms);
    r->last_ms = wall_ms;
    snprintf(r->last, sizeof r->last, STR_FMT, STR_ARG(line));
    if (r->count++ == 0) {
        memcpy(r->first, r->last, sizeof r->first);
    }
    return r->count == r->stop_after;
}

static struct reading read_since(const char *function, int64_t since_ms, int stop_after)
{
    struct reading r = {.stop_after = stop_after};
    assert_int_equal(logs_read(observe, str_of(function), since_ms, read_each, &r, &err), 0);
    return r;
}

static void test_write_read(void **state)
{
    (void)state;
    logs_append(observe, STR("f"), T0, STR("one\ntwo"));
    logs_append(observe, STR("f"), T0 + 1, STR("three\n"));
    logs_append(observe, STR("f"), T0 + 2, STR(""));
    logs_append(observe, STR("f"), T0 + 2, (struct str){0});
    logs_append(observe, STR("g"), T0, STR("other"));
    struct reading r = read_since("f", 0, 0); // what is not written yet is there, too
    assert_int_equal(r.count, 3);
    assert_string_equal(r.first, "2026-01-02T03:04:05.678Z\tone");
    assert_string_equal(r.last, "2026-01-02T03:04:05.679Z\tthree");
    assert_int_equal(read_since("g", 0, 0).count, 1);
    assert_int_equal(read_since("h", 0, 0).count, 0);
}

static void test_since_and_stop(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        logs_append(observe, STR("f"), T0 + i * 1000, STR("x"));
    }
    struct reading r = read_since("f", T0 + 7000, 0);
    assert_int_equal(r.count, 3);
    assert_string_equal(r.first, "2026-01-02T03:04:12.678Z\tx");
    assert_int_equal(read_since("f", T0 + 9001, 0).count, 0);
    assert_int_equal(read_since("f", 0, 4).count, 4);
}

// Some milliseconds gather what comes, then it is in the file; and then nothing is left to do.
static void test_gathers(void **state)
{
    (void)state;
    logs_append(observe, STR("f"), T0, STR("x"));
    assert_int_equal(size_of("f/log"), -1);
    loop_run(loop);
    assert_int_equal(size_of("f/log"), 27);
    logs_append(observe, STR("f"), T0, STR("y"));
    logs_flush(observe);
    assert_int_equal(size_of("f/log"), 54);
    assert_false(loop_turn(loop, 0));
}

static void test_rotates(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        CLEAN_MEM char *line = mem_printf("line %03d", i);
        logs_append(observe, STR("f"), T0 + i, str_of(line));
        logs_flush(observe);
        assert_true(size_of("f/log") <= 1000);
    }
    assert_true(size_of("f/log.1") > 900 && size_of("f/log.1") <= 1000);
    assert_true(size_of("f/log.2") > 900 && size_of("f/log.2") <= 1000);
    assert_int_equal(size_of("f/log.3"), -1);
    struct reading r = read_since("f", 0, 0); // oldest first, over all files
    assert_true(r.count > 60 && r.count <= 90);
    assert_string_equal(r.last, "2026-01-02T03:04:05.877Z\tline 199");
    assert_int_equal(r.last_ms, T0 + 199);
    // A server that starts again goes on where it was.
    observe_free(observe);
    observe = observe_new(loop, dir, 1000, 3);
    for (int i = 200; i < 260; i++) {
        logs_append(observe, STR("f"), T0 + i, STR("line"));
        logs_flush(observe);
    }
    assert_int_equal(size_of("f/log.3"), -1);
    assert_true(read_since("f", 0, 0).count <= 90);
    assert_int_equal(read_since("f", T0 + 250, 0).count, 10);
}

static void test_single_file(void **state)
{
    (void)state;
    observe_free(observe);
    observe = observe_new(loop, dir, 1000, 1);
    for (int i = 0; i < 200; i++) {
        logs_append(observe, STR("f"), T0 + i, STR("line"));
        logs_flush(observe);
        assert_true(size_of("f/log") <= 1000);
    }
    assert_int_equal(size_of("f/log.1"), -1);
}

static void test_long_line(void **state)
{
    (void)state;
    size_t size = 600 * 1024;
    CLEAN_MEM char *line = mem_alloc(size + 2);
    memset(line, 'x', size);
    line[size] = '\n';
    logs_append(observe, STR("f"), T0, str_n(line, size + 1));
    logs_append(observe, STR("f"), T0 + 1, STR("after"));
    logs_flush(observe);
    struct reading r = read_since("f", 0, 0);
    assert_string_equal(r.last + 25, "after");
    assert_true(r.count >= 1);
}

struct following {
    struct log_follower follower;
    int count;
    char last[100];
};

static void followed(struct log_follower *follower, int64_t wall_ms, struct str line)
{
    struct following *f = CONTAINER_OF(follower, struct following, follower);
    assert_int_equal(wall_ms, T0);
    snprintf(f->last, sizeof f->last, STR_FMT, STR_ARG(line));
    f->count++;
    if (str_eq(line, STR("stop"))) {
        logs_unfollow(follower);
    }
}

static void test_follow(void **state)
{
    (void)state;
    struct following a = {.follower.on_line = followed}, b = {.follower.on_line = followed};
    logs_follow(observe, STR("f"), &a.follower);
    logs_follow(observe, STR("f"), &b.follower);
    logs_append(observe, STR("f"), T0, STR("one\ntwo"));
    logs_append(observe, STR("g"), T0, STR("other"));
    assert_int_equal(a.count, 2);
    assert_string_equal(a.last, "two");
    logs_unfollow(&b.follower);
    logs_append(observe, STR("f"), T0, STR("three\nstop\nfour")); // taken out from inside
    assert_int_equal(a.count, 4);
    assert_int_equal(b.count, 2);
}

static void test_remove(void **state)
{
    (void)state;
    struct following a = {.follower.on_line = followed};
    logs_follow(observe, STR("f"), &a.follower);
    logs_append(observe, STR("f"), T0, STR("one"));
    logs_flush(observe);
    logs_append(observe, STR("f"), T0, STR("two"));
    logs_remove(observe, STR("f"));
    assert_int_equal(size_of("f"), -1);
    assert_int_equal(read_since("f", 0, 0).count, 0);
    logs_remove(observe, STR("f"));
    logs_unfollow(&a.follower); // its log is gone
    logs_append(observe, STR("f"), T0, STR("again"));
    assert_int_equal(read_since("f", 0, 0).count, 1);
}

// What is not a line of ours in the file is passed over.
static void test_foreign_lines(void **state)
{
    (void)state;
    logs_append(observe, STR("f"), T0, STR("one"));
    logs_flush(observe);
    CLEAN_MEM char *path = mem_printf("%s/f/log", dir);
    FILE *file = fopen(path, "a");
    fputs("no time\n\n2026-01-02T03:04:05.6x8Z\tx\n2026-13-02T03:04:05.678Z\tx\n"
          "2026-01-02T03:04:06.678Z\ttwo\nhalf a li",
          file);
    fclose(file);
    struct reading r = read_since("f", 0, 0);
    assert_int_equal(r.count, 2);
    assert_string_equal(r.last, "2026-01-02T03:04:06.678Z\ttwo");
}

static void test_cannot_write(void **state)
{
    (void)state;
    CLEAN_MEM char *path = mem_printf("%s/f", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    CLEAN_MEM char *log = mem_printf("%s/f/log", dir);
    assert_int_equal(mkdir(log, 0700), 0); // a folder where the file should be
    logs_append(observe, STR("f"), T0, STR("lost"));
    logs_flush(observe);
    struct reading r = {0};
    assert_true(logs_read(observe, STR("f"), 0, read_each, &r, &err) <= 0);
    assert_int_equal(r.count, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_write_read),    TEST(test_since_and_stop), TEST(test_gathers), TEST(test_rotates),
        TEST(test_single_file),   TEST(test_long_line),      TEST(test_follow),  TEST(test_remove),
        TEST(test_foreign_lines), TEST(test_cannot_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
