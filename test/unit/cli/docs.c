// SPDX-License-Identifier: Apache-2.0
// The written documentation is what the program prints of itself. When this fails:
//     rouse help --markdown >docs/cli.md; rouse help --markdown --settings >docs/settings.md
//     rouse help --man >docs/rouse.1
#include "cli/cli.h"
#include "base/file.h"
#include "base/mem.h"
#include "config/settings.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#define TEXT_MAX (1024 * 1024)

int cli_serve(int argc, char **argv) // the real one is the server
{
    (void)argc, (void)argv;
    return 0;
}

static void expect(const char *name, void (*write)(struct buf *out))
{
    CLEAN_MEM char *path = mem_printf("%s/../../docs/%s", getenv("ROUSE_CASES"), name);
    CLEAN(buf_done) struct buf want = BUF_INIT(TEXT_MAX);
    CLEAN(buf_done) struct buf got = BUF_INIT(TEXT_MAX);
    write(&got);
    if (file_read(path, &want, NULL) < 0 || !str_eq(buf_str(&want), buf_str(&got))) {
        fail_msg("docs/%s is not what the program prints", name);
    }
}

static void test_current(void **state)
{
    (void)state;
    expect("cli.md", cli_markdown);
    expect("settings.md", settings_markdown);
    expect("rouse.1", cli_man);
}

static void test_every_verb(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf all = BUF_INIT(TEXT_MAX);
    cli_help(NULL, &all);
    for (size_t i = 0; i < cli_verb_count; i++) {
        const struct verb *verb = cli_verbs[i];
        CLEAN(buf_done) struct buf text = BUF_INIT(TEXT_MAX);
        cli_help(verb, &text);
        assert_non_null(strstr(buf_text(&all), verb->summary));
        assert_non_null(strstr(buf_text(&text), verb->usage));
        assert_true((verb->run != NULL) != (verb->raw != NULL));
        for (size_t j = 0; j < verb->option_count; j++) {
            assert_non_null(strstr(buf_text(&text), verb->options[j].name));
            for (size_t k = j + 1; k < verb->option_count; k++) { // no option twice
                assert_string_not_equal(verb->options[j].name, verb->options[k].name);
                assert_true(!verb->options[j].letter ||
                            verb->options[j].letter != verb->options[k].letter);
            }
        }
    }
}

static void test_find_verb(void **state)
{
    (void)state;
    assert_ptr_equal(cli_verb(STR("deploy")), &verb_deploy);
    assert_null(cli_verb(STR("deplo")));
    assert_string_equal(cli_nearest_verb(STR("deplyo")), "deploy");
    assert_string_equal(cli_nearest_verb(STR("invok")), "invoke");
    assert_null(cli_nearest_verb(STR("xyzzy")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_current),
                                       cmocka_unit_test(test_every_verb),
                                       cmocka_unit_test(test_find_verb)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
