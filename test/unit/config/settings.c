// SPDX-License-Identifier: Apache-2.0
// The server's settings: who wins over whom, and that a bad value names where it was written.
#include "config/settings.h"
#include "base/log.h"
#include "base/mem.h"

#include <ftw.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char home[64];

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st, (void)kind, (void)walk;
    return remove(path);
}

static int setup(void **state)
{
    (void)state;
    snprintf(home, sizeof home, "/tmp/rouse-settings-XXXXXX");
    assert_non_null(mkdtemp(home));
    setenv("HOME", home, 1);
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("XDG_DATA_HOME");
    unsetenv("ROUSE_CONFIG");
    for (size_t i = 0; i < settings_count; i++) {
        CLEAN(buf_done) struct buf name = BUF_INIT(128);
        settings_env_name(&settings_table[i], &name);
        unsetenv(buf_text(&name));
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return nftw(home, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static char *write_file(const char *name, const char *text)
{
    char *path = mem_printf("%s/%s", home, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return path;
}

#define LOAD(settings, err, ...)                                                                   \
    ({                                                                                             \
        char *args_[] = {"serve", ##__VA_ARGS__};                                                  \
        settings_load((int)ARRAY_SIZE(args_), args_, (settings), (err));                           \
    })

static void test_defaults(void **state)
{
    (void)state;
    CLEAN(settings_done) struct settings s = {0};
    struct err err = {0};
    assert_int_equal(LOAD(&s, &err), 0);
    assert_string_equal(s.listen, "127.0.0.1:4566");
    CLEAN_MEM char *data = mem_printf("%s/.local/share/rouse", home);
    assert_string_equal(s.data, data);
    assert_false(s.insecure);
    assert_int_equal(s.idle_ms, 60000);
    assert_int_equal(s.max_instances, 0);
    assert_int_equal(s.invoke_size_max, 6291456);
    assert_int_equal(s.event_size_max, 262144);
    assert_int_equal(s.log, SETTINGS_LOG_TEXT);
    assert_int_equal(s.log_level, LOG_INFO);
    assert_string_equal(s.region, "us-east-1");
    assert_null(s.config);
}

static void test_options(void **state)
{
    (void)state;
    CLEAN(settings_done) struct settings s = {0};
    struct err err = {0};
    assert_int_equal(LOAD(&s, &err, "--listen=[::1]:0", "--idle", "500ms", "--insecure", "--data",
                          "some/where", "--log", "json", "--log-level=error", "--max-instances",
                          "3", "--queue-max=5", "--no-require-sandbox"),
                     0);
    assert_string_equal(s.listen, "[::1]:0");
    assert_int_equal(s.idle_ms, 500);
    assert_true(s.insecure);
    assert_int_equal(s.data[0], '/');
    assert_true(str_ends(str_of(s.data), STR("/some/where")));
    assert_int_equal(s.log, SETTINGS_LOG_JSON);
    assert_int_equal(s.log_level, LOG_ERROR);
    assert_int_equal(s.max_instances, 3);
    assert_int_equal(s.queue_max, 5);
    assert_false(s.require_sandbox);
}

static void test_later_sources_win(void **state)
{
    (void)state;
    CLEAN_MEM char *path = write_file("rouse.yml", "idle: 10s\nqueue-max: 7\nregion: eu-west-1\n"
                                                   "data: below\ninsecure: yes\n");
    setenv("ROUSE_IDLE", "20s", 1);
    setenv("ROUSE_QUEUE_MAX", "8", 1);
    CLEAN(settings_done) struct settings s = {0};
    struct err err = {0};
    assert_int_equal(LOAD(&s, &err, "--idle", "30s", "--config", path), 0);
    assert_int_equal(s.idle_ms, 30000);
    assert_int_equal(s.queue_max, 8);
    assert_string_equal(s.region, "eu-west-1");
    assert_true(s.insecure);
    CLEAN_MEM char *below = mem_printf("%s/below", home);
    assert_string_equal(s.data, below); // relative to the file
    assert_string_equal(s.config, path);
}

static void test_usual_file(void **state)
{
    (void)state;
    CLEAN_MEM char *config = mem_printf("%s/rouse", home);
    assert_int_equal(mkdir(config, 0700), 0);
    CLEAN_MEM char *path = write_file("rouse/rouse.yml", "# only\nmax-instances: 9\n");
    setenv("XDG_CONFIG_HOME", home, 1);
    CLEAN(settings_done) struct settings s = {0};
    struct err err = {0};
    assert_int_equal(LOAD(&s, &err), 0);
    assert_int_equal(s.max_instances, 9);
    assert_string_equal(s.config, path);
}

static void test_empty_file(void **state)
{
    (void)state;
    CLEAN_MEM char *path = write_file("e.yml", "# nothing\n");
    CLEAN(settings_done) struct settings s = {0};
    struct err err = {0};
    assert_int_equal(LOAD(&s, &err, "--config", path), 0);
}

static void test_help(void **state)
{
    (void)state;
    CLEAN(settings_done) struct settings s = {0};
    struct err err = {0};
    assert_int_equal(LOAD(&s, &err, "--idle", "1s", "--help"), SETTINGS_HELP);
    assert_int_equal(LOAD(&s, &err, "-h"), SETTINGS_HELP);
}

static void test_bad_options(void **state)
{
    (void)state;
    static const struct {
        char *args[2];
        const char *text;
    } cases[] = {
        {{"--idel", "5s"}, "unknown option --idel, did you mean --idle?"},
        {{"--zzzzzz", "5s"}, "unknown option --zzzzzz"},
        {{"--idle", "soon"}, "--idle: \"soon\" is not a duration"},
        {{"--idle=25h", "--insecure"}, "--idle: 25h is not between 0 and 1d"},
        {{"--insecure", "--idle"}, "--idle: needs a value"},
        {{"--insecure=perhaps", "--insecure"}, "--insecure: \"perhaps\" is neither"},
        {{"--queue-max", "0"}, "--queue-max: 0 is not between 1 and 10000000"},
        {{"--queue-max", "many"}, "--queue-max: \"many\" is not a whole number"},
        {{"--invoke-size-max", "1"}, "--invoke-size-max: 1 is not between 1KiB and 1GiB"},
        {{"--log", "xml"}, "--log: \"xml\" is not one of text|json"},
        {{"--listen", "4566"}, "--listen: \"4566\" is not an address"},
        {{"--region", "us east"}, "--region: \"us east\" may hold letters"},
        {{"--data", ""}, "--data: is empty"},
        {{"--no-idle", "5s"}, "unknown option --no-idle"},
        {{"--insecure", "extra"}, "unexpected argument \"extra\""},
        {{"--config", "/nowhere/x.yml"}, "/nowhere/x.yml: No such file"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEAN(settings_done) struct settings s = {0};
        struct err err = {0};
        assert_true(LOAD(&s, &err, cases[i].args[0], cases[i].args[1]) < 0);
        if (!strstr(err.text, cases[i].text)) {
            fail_msg("%s\n is not in\n%s", cases[i].text, err.text);
        }
    }
}

static void test_bad_environment(void **state)
{
    (void)state;
    setenv("ROUSE_MAX_INSTANCES", "lots", 1);
    CLEAN(settings_done) struct settings s = {0};
    struct err err = {0};
    assert_int_equal(LOAD(&s, &err), ERR_INVALID);
    assert_string_equal(err.text, "ROUSE_MAX_INSTANCES: \"lots\" is not a whole number");
}

static void test_bad_files(void **state)
{
    (void)state;
    static const struct {
        const char *file, *text;
    } cases[] = {
        {"idle: 1s\nmax_instances: 3\n", "s.yml:2:1: unknown setting \"max_instances\", "
                                         "did you mean \"max-instances\"?"},
        {"idle:\n  - 1s\n", "s.yml:2:3: idle: must be one value, is a list"},
        {"idle:\n", "idle: must be one value, is null"},
        {"- idle\n", "s.yml:1:1: must be a map of settings, is a list"},
        {"idle: 5x\n", "s.yml:1:7: idle: \"5x\" is not a duration"},
        {"idle: 5s\nidle: 6s\n", "s.yml:2:1: "},
        {"idle: [\n", "s.yml:"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEAN_MEM char *path = write_file("s.yml", cases[i].file);
        CLEAN(settings_done) struct settings s = {0};
        struct err err = {0};
        assert_int_equal(LOAD(&s, &err, "--config", path), ERR_INVALID);
        if (!strstr(err.text, cases[i].text)) {
            fail_msg("%s\n is not in\n%s", cases[i].text, err.text);
        }
    }
}

static void test_texts_name_every_key(void **state)
{
    (void)state;
    void (*const writers[])(struct buf *) = {settings_help, settings_markdown, settings_man};
    for (size_t w = 0; w < ARRAY_SIZE(writers); w++) {
        CLEAN(buf_done) struct buf text = BUF_INIT(64 * 1024);
        writers[w](&text);
        for (size_t i = 0; i < settings_count; i++) {
            assert_non_null(strstr(buf_text(&text), settings_table[i].key));
        }
        assert_true(buf_ok(&text));
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),          TEST(test_options),
        TEST(test_later_sources_win), TEST(test_usual_file),
        TEST(test_empty_file),        TEST(test_help),
        TEST(test_bad_options),       TEST(test_bad_environment),
        TEST(test_bad_files),         TEST(test_texts_name_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
