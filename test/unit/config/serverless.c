// SPDX-License-Identifier: Apache-2.0
// Every test/cases/serverless/NAME.yml against NAME.json (what was understood) or NAME.err (the
// beginning of the error, after "NAME.yml:" unless it names another file). First lines may say
// "# stage: x", "# env: A=b", "# param: a=b". ROUSE_CASES_WRITE=1 writes the .json files.
#include "config/serverless.h"
#include "base/file.h"
#include "base/mem.h"
#include "format/json.h"

#include <dirent.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#define TEXT_MAX (1024 * 1024)

struct hints {
    char *stage, *env, *param;
};

static void read_hints(const struct buf *text, struct hints *ret)
{
    static const char *const names[] = {"# stage: ", "# env: ", "# param: "};
    char **fields[] = {&ret->stage, &ret->env, &ret->param};
    struct str rest = buf_str(text);
    while (rest.at) {
        struct str line = str_cut(&rest, '\n');
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
            if (str_starts(line, str_of(names[i]))) {
                free(*fields[i]);
                *fields[i] = str_dup(str_skip(line, strlen(names[i])));
            }
        }
    }
}

static char *path_of(const char *name, const char *ending)
{
    return mem_printf("%.*s%s", (int)strlen(name) - 4, name, ending);
}

static bool there(const char *path)
{
    return access(path, F_OK) == 0;
}

static int failures; // all cases are run before the test fails

#define WRONG(...) (print_error(__VA_ARGS__), failures++)

static void expect_json(const char *name, const struct serverless *service)
{
    CLEAN_MEM char *path = path_of(name, ".json");
    CLEAN_JSON json_t *got = serverless_to_json(service);
    CLEAN(buf_done) struct buf got_text = BUF_INIT(TEXT_MAX);
    json_write_indented(got, &got_text);
    buf_add_text(&got_text, "\n");
    if (getenv("ROUSE_CASES_WRITE")) {
        assert_int_equal(file_write(path, buf_str(&got_text), 0644, NULL), 0);
    }
    CLEAN(buf_done) struct buf want_text = BUF_INIT(TEXT_MAX);
    CLEAN_JSON json_t *want = NULL;
    assert_int_equal(file_read(path, &want_text, NULL), 0);
    assert_int_equal(json_parse(buf_str(&want_text), &want, NULL), 0);
    if (!json_equal(got, want)) {
        WRONG("%s: got\n%s\n", name, buf_text(&got_text));
    }
}

static void expect_error(const char *name, const char *path, const struct err *err)
{
    CLEAN(buf_done) struct buf want = BUF_INIT(TEXT_MAX);
    assert_int_equal(file_read(path, &want, NULL), 0);
    struct str beginning = str_trim(buf_str(&want));
    struct str got = str_of(err->text);
    if (str_starts(got, str_of(name))) {
        got = str_skip(got, strlen(name) + 1);
    }
    if (!str_starts(got, beginning)) {
        WRONG("%s: wanted " STR_FMT "\n got " STR_FMT "\n", name, STR_ARG(beginning), STR_ARG(got));
    }
}

static void run_case(const char *name)
{
    CLEAN_MEM char *path = path_of(name, ".yml");
    CLEAN_MEM char *err_path = path_of(name, ".err");
    CLEAN(buf_done) struct buf text = BUF_INIT(TEXT_MAX);
    assert_int_equal(file_read(path, &text, NULL), 0);
    struct hints hints = {0};
    read_hints(&text, &hints);
    if (hints.env) {
        char *value = strchr(hints.env, '=');
        *value = 0;
        setenv(hints.env, value + 1, 1);
    }
    const char *params[] = {hints.param};
    struct serverless_options options = {
        .path = path, .stage = hints.stage, .params = params, .param_count = hints.param ? 1 : 0};
    CLEAN(serverless_free_clean) struct serverless *service = NULL;
    struct err err = {0};
    int rc = serverless_load(&options, &service, &err);
    if (there(err_path) && rc >= 0) {
        WRONG("%s: was taken\n", name);
    } else if (there(err_path)) {
        expect_error(name, err_path, &err);
    } else if (rc < 0) {
        WRONG("%s: %s\n", name, err.text);
    } else {
        expect_json(name, service);
    }
    free(hints.stage);
    free(hints.env);
    free(hints.param);
}

static int go_there(void **state)
{
    (void)state;
    CLEAN_MEM char *folder = mem_printf("%s/serverless", getenv("ROUSE_CASES"));
    return chdir(folder);
}

static void test_cases(void **state)
{
    (void)state;
    DIR *dir = opendir(".");
    assert_non_null(dir);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (str_ends(str_of(entry->d_name), STR(".yml"))) {
            run_case(entry->d_name);
            count++;
        }
    }
    closedir(dir);
    assert_int_equal(failures, 0);
    assert_true(count >= 60);
}

static void test_no_file(void **state)
{
    (void)state;
    CLEAN(serverless_free_clean) struct serverless *service = NULL;
    struct serverless_options options = {.path = "/nowhere/serverless.yml"};
    struct err err = {0};
    assert_int_equal(serverless_load(&options, &service, &err), ERR_NOT_FOUND);
    assert_null(service);
    assert_non_null(strstr(err.text, "/nowhere/serverless.yml"));
}

static void test_find_function(void **state)
{
    (void)state;
    CLEAN_MEM char *path = path_of("everything-of-a-function.yml", ".yml");
    CLEAN(serverless_free_clean) struct serverless *service = NULL;
    struct serverless_options options = {.path = path};
    assert_int_equal(serverless_load(&options, &service, NULL), 0);
    assert_ptr_equal(serverless_function(service, STR("a")), &service->functions[0]);
    assert_ptr_equal(serverless_function(service, STR("my_fn")), &service->functions[0]);
    assert_ptr_equal(serverless_function(service, STR("shop-dev-b")), &service->functions[1]);
    assert_null(serverless_function(service, STR("c")));
    assert_null(serverless_function(service, STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_no_file),
        cmocka_unit_test(test_find_function),
    };
    return cmocka_run_group_tests(tests, go_there, NULL);
}
