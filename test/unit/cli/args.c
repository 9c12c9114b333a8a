// SPDX-License-Identifier: Apache-2.0
// Options of verbs.
#include "cli/cli.h"
#include "base/mem.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static const struct option options[] = {
    {"stage", 's', "STAGE", "a value"},
    {"param", 0, "KEY=VALUE", "may be repeated"},
    {"json", 0, NULL, "a switch"},
    {"verbose", 'v', NULL, "another"},
};
static const struct verb verb = {.name = "try",
                                 .usage = "[options] ONE [TWO]",
                                 .summary = "be tried",
                                 .options = options,
                                 .option_count = ARRAY_SIZE(options),
                                 .least = 1,
                                 .most = 2};

#define PARSE(args, err, ...)                                                                      \
    ({                                                                                             \
        char *argv_[] = {"try", ##__VA_ARGS__};                                                    \
        args_parse(&verb, (int)ARRAY_SIZE(argv_), argv_, (args), (err));                           \
    })

static void test_forms(void **state)
{
    (void)state;
    struct args args;
    struct err err = {0};
    assert_int_equal(PARSE(&args, &err, "--stage", "a", "one", "--stage=b", "-s", "c", "-sd",
                           "--json", "--param", "x=1", "--param=y=2", "two"),
                     0);
    assert_string_equal(args_get(&args, "stage"), "d");
    assert_string_equal(args_at(&args, "stage", 0), "a");
    assert_string_equal(args_at(&args, "stage", 3), "d");
    assert_null(args_at(&args, "stage", 4));
    assert_string_equal(args_at(&args, "param", 1), "y=2");
    assert_true(args_has(&args, "json"));
    assert_false(args_has(&args, "verbose"));
    assert_int_equal(args.rest_count, 2);
    assert_string_equal(args.rest[1], "two");
}

static void test_dashes(void **state)
{
    (void)state;
    struct args args;
    struct err err = {0};
    assert_int_equal(PARSE(&args, &err, "-", "--", "--stage"), 0);
    assert_int_equal(args.rest_count, 2);
    assert_string_equal(args.rest[0], "-");
    assert_string_equal(args.rest[1], "--stage");
    assert_int_equal(PARSE(&args, &err, "one", "--stage="), 0);
    assert_string_equal(args_get(&args, "stage"), "");
}

static void test_help(void **state)
{
    (void)state;
    struct args args;
    struct err err = {0};
    assert_int_equal(PARSE(&args, &err, "-h"), ARGS_HELP);
    assert_int_equal(PARSE(&args, &err, "one", "--help"), ARGS_HELP);
}

static void test_bad(void **state)
{
    (void)state;
    static const struct {
        char *word[3];
        const char *text;
    } cases[] = {
        {{"one", "--stag", "x"}, "unknown option --stag, did you mean --stage?"},
        {{"one", "--banana", "x"}, "unknown option --banana. See rouse try --help"},
        {{"one", "-x", "x"}, "unknown option -x"},
        {{"one", "two", "--stage"}, "--stage needs a value: STAGE"},
        {{"one", "two", "-s"}, "--stage needs a value"},
        {{"one", "--json=yes", "x"}, "--json takes no value"},
        {{"one", "-vx", "x"}, "--verbose takes no value"},
        {{"one", "two", "three"}, "one too many, three: rouse try [options] ONE [TWO]"},
        {{"--json", "--json", "-v"}, "something is missing: rouse try"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct args args;
        struct err err = {0};
        assert_int_equal(PARSE(&args, &err, cases[i].word[0], cases[i].word[1], cases[i].word[2]),
                         ERR_INVALID);
        if (!strstr(err.text, cases[i].text)) {
            fail_msg("%s is not in %s", cases[i].text, err.text);
        }
    }
}

static void test_too_many(void **state)
{
    (void)state;
    char *argv[200] = {"try", "one"};
    for (size_t i = 2; i < ARRAY_SIZE(argv); i++) {
        argv[i] = "--json";
    }
    struct args args;
    assert_int_equal(args_parse(&verb, ARRAY_SIZE(argv), argv, &args, NULL), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms), cmocka_unit_test(test_dashes),   cmocka_unit_test(test_help),
        cmocka_unit_test(test_bad),   cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
