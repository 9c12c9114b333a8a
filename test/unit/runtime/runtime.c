// SPDX-License-Identifier: Apache-2.0
// Which program serves which runtime, with a PATH and a ROUSE_RUNTIMES of the test's own.
#include "runtime/runtime.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

struct place {
    char dir[64];
};

static void put_file(const char *dir, const char *name, struct str bytes)
{
    CLEAN_MEM char *path = mem_printf("%s/%s", dir, name);
    assert_int_equal(file_write(path, bytes, 0755, NULL), 0);
}

static void put_program(const char *dir, const char *name)
{
    put_file(dir, name, STR("\177ELF"));
}

static int setup(void **state)
{
    struct place *place = NEW(struct place);
    snprintf(place->dir, sizeof place->dir, "/tmp/rouse-runtime-XXXXXX");
    assert_non_null(mkdtemp(place->dir));
    setenv("PATH", place->dir, 1);
    unsetenv("ROUSE_RUNTIMES");
    unsetenv("ROUSE_LIBEXEC");
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;
    static const char *const names[] = {"python3.9", "node", "lua"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CLEAN_MEM char *path = mem_printf("%s/%s", place->dir, names[i]);
        unlink(path);
    }
    rmdir(place->dir);
    free(place);
    return 0;
}

static void test_python_of_the_version_asked_for(void **state)
{
    const struct place *place = *state;
    struct runtime_program program;
    CLEAN_MEM char *wanted = mem_printf("%s/python3.9", place->dir);
    put_program(place->dir, "python3.9");
    assert_int_equal(runtime_find("python3.9", &program, NULL), 0);
    assert_string_equal(program.argv[0], wanted);
    assert_true(str_ends(str_of(program.argv[1]), STR("python/bootstrap.py")));
    assert_string_equal(program.argv[2], "--template");
    assert_true(program.forks && program.config);
    assert_null(program.notice);
    runtime_program_done(&program);
    assert_null(program.key);
}

static void test_another_python_with_a_notice(void **state)
{
    struct runtime_program program;
    struct err err = {0};
    (void)state;
    int rc = runtime_find("python3.9", &program, &err);
    if (access("/usr/bin/python3", X_OK) < 0) {
        assert_int_equal(rc, ERR_NOT_FOUND);
        assert_non_null(strstr(err.text, "apt install python3"));
        return;
    }
    assert_int_equal(rc, 0);
    assert_string_equal(program.argv[0], "/usr/bin/python3");
    assert_non_null(strstr(program.notice, "python3.9 is not installed here"));
    runtime_program_done(&program);
}

// Of a version manager that may have no such version.
static void test_scripts_come_last(void **state)
{
    const struct place *place = *state;
    struct runtime_program program;
    CLEAN_MEM char *script = mem_printf("%s/python3.9", place->dir);
    bool there = access("/usr/bin/python3", X_OK) == 0;
    put_file(place->dir, "python3.9", STR("#!/bin/sh\nexit 127\n"));
    assert_int_equal(runtime_find("python3.9", &program, NULL), 0);
    assert_string_equal(program.argv[0], there ? "/usr/bin/python3" : script);
    runtime_program_done(&program);
}

static void test_programs_of_packages(void **state)
{
    struct runtime_program program;
    struct err err = {0};
    (void)state;
    int rc = runtime_find("provided.al2023", &program, &err);
    if (rc == ERR_NOT_FOUND) { // built without rouse-exec
        assert_non_null(strstr(err.text, "rouse-exec"));
        return;
    }
    assert_int_equal(rc, 0);
    assert_string_equal(program.key, "exec");
    assert_false(program.forks || program.stock);
    assert_null(program.words[0]);
    runtime_program_done(&program);
}

static void test_what_the_user_has_named(void **state)
{
    const struct place *place = *state;
    struct runtime_program program;
    CLEAN_MEM char *lua = mem_printf("%s/lua", place->dir);
    CLEAN_MEM char *given = mem_printf("python3.12=%s/python3.9, lua5.4=%s", place->dir, lua);
    put_program(place->dir, "lua");
    put_program(place->dir, "python3.9");
    setenv("ROUSE_RUNTIMES", given, 1);
    setenv("ROUSE_LIBEXEC", place->dir, 1);
    assert_int_equal(runtime_find("python3.12", &program, NULL), 0);
    assert_true(str_ends(str_of(program.argv[0]), STR("/python3.9")));
    runtime_program_done(&program);
    assert_int_equal(runtime_find("lua5.4", &program, NULL), 0);
    assert_string_equal(program.words[0], lua);
    runtime_program_done(&program);
}

static void test_what_is_not_served(void **state)
{
    static const char *const names[] = {"ruby3.3", "", "python", "go1.x", "dotnet8"};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct runtime_program program;
        struct err err = {0};
        assert_int_equal(runtime_find(names[i], &program, &err), ERR_UNSUPPORTED);
        assert_non_null(strstr(err.text, "python3.8 to python3.14"));
    }
}

static void test_models_need_no_interpreter(void **state)
{
    struct runtime_program program;
    (void)state;
    assert_int_equal(runtime_find("onnx", &program, NULL), 0);
    assert_null(program.argv[0]);
    assert_true(program.forks);
    assert_false(program.config);
    runtime_program_done(&program);
}

static void test_trees_can_do_without_forks(void **state)
{
    const struct place *place = *state;
    struct runtime_program program;
    put_program(place->dir, "python3.9");
    setenv("ROUSE_LIBEXEC", place->dir, 1);
    assert_int_equal(runtime_find_executed("python3.9", &program, NULL), 0);
    assert_false(program.forks);
    assert_true(str_ends(str_of(program.argv[0]), STR("/rouse-exec")));
    assert_true(str_ends(str_of(program.words[0]), STR("/python3.9")));
    assert_string_equal(program.words[1], "{runtime}/local.py");
    runtime_program_done(&program);
    assert_int_equal(runtime_find_executed("onnx", &program, NULL), 0); // has no other way
    assert_true(program.forks);
    runtime_program_done(&program);
}

static void test_several_events_at_once(void **state)
{
    static const struct {
        const char *runtime, *environment;
        int concurrency;
    } cases[] = {
        {"provided.al2023", "{\"AWS_LAMBDA_MAX_CONCURRENCY\":\"8\"}", 8},
        {"nodejs22.x", "{\"AWS_LAMBDA_MAX_CONCURRENCY\":\"64\"}", 64},
        {"provided", "{\"AWS_LAMBDA_MAX_CONCURRENCY\":\"1000000\"}", RUNTIME_CONCURRENCY_MAX},
        {"provided", "{\"AWS_LAMBDA_MAX_CONCURRENCY\":\"0\"}", 1},
        {"provided", "{\"AWS_LAMBDA_MAX_CONCURRENCY\":\"-3\"}", 1},
        {"provided", "{\"AWS_LAMBDA_MAX_CONCURRENCY\":\"many\"}", 1},
        {"provided", "{\"OTHER\":\"8\"}", 1},
        {"provided", "{no", 1},
        {"provided", NULL, 1},
        {"python3.12", "{\"AWS_LAMBDA_MAX_CONCURRENCY\":\"8\"}", 1}, // is given its events
        {"onnx", "{\"AWS_LAMBDA_MAX_CONCURRENCY\":\"8\"}", 1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(runtime_concurrency(cases[i].runtime, cases[i].environment),
                         cases[i].concurrency);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_python_of_the_version_asked_for),
        TEST(test_another_python_with_a_notice),
        TEST(test_scripts_come_last),
        TEST(test_programs_of_packages),
        TEST(test_what_the_user_has_named),
        TEST(test_what_is_not_served),
        TEST(test_models_need_no_interpreter),
        TEST(test_trees_can_do_without_forks),
        TEST(test_several_events_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
