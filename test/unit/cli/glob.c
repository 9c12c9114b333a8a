// SPDX-License-Identifier: Apache-2.0
// File patterns.
#include "cli/glob.h"
#include "base/mem.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static const struct {
    const char *pattern, *path;
    bool hit;
} cases[] = {
    {"*", "a.txt", true},
    {"*", ".env", true},
    {"*", "d/a.txt", false},
    {"**", "d/e/a.txt", true},
    {"**", "a", true},
    {"*.txt", "a.txt", true},
    {"*.txt", "a.txt.gz", false},
    {"**/*.txt", "a.txt", true},
    {"**/*.txt", "d/e/a.txt", true},
    {"d/**", "d/e/a.txt", true},
    {"d/**", "dd/a.txt", false},
    {"d/**", "e/d/a.txt", false},
    {"d/**/a.txt", "d/a.txt", true},
    {"d/**/a.txt", "d/e/f/a.txt", true},
    {"d/**/a.txt", "d/e/f/b.txt", false},
    {"**/e/**/a*", "d/e/f/g/abc", true},
    {"**/e/**/a*", "d/f/g/abc", false},
    {"./a.txt", "a.txt", true},
    {"a?c", "abc", true},
    {"a?c", "a/c", false},
    {"a?c", "ac", false},
    {"[a-c]x", "bx", true},
    {"[!a-c]x", "bx", false},
    {"[^a-c]x", "dx", true},
    {"[]x]y", "]y", true},
    {"[ab", "[ab", true},
    {"*.{jpg,png}", "a.png", true},
    {"*.{jpg,png}", "a.gif", false},
    {"{a,b/{c,d}}/x", "b/d/x", true},
    {"{a,b/{c,d}}/x", "b/e/x", false},
    {"{a}", "{a}", true},
    {"a\\*", "a*", true},
    {"a\\*", "ab", false},
    {"a*b*c", "aXbYc", true},
    {"a*b*c", "aXbY", false},
    {"a*b*c", "aXb/Yc", false},
    {"", "", true},
    {"", "a", false},
    {"a**", "ab/c", false},
    {"node_modules", "node_modules/x", false},
    {"*/b", "a/b", true},
    {"*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
};

static void test_glob(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        if (glob_match(str_of(cases[i].pattern), str_of(cases[i].path)) != cases[i].hit) {
            fail_msg("%s against %s", cases[i].pattern, cases[i].path);
        }
    }
}

static void test_many_braces(void **state)
{
    (void)state;
    // 4^10 alternatives: bounded, and neither slow nor wrong for the last that fit.
    (void)glob_match(STR("{a,b,c,d}{a,b,c,d}{a,b,c,d}{a,b,c,d}{a,b,c,d}{a,b,c,d}{a,b,c,d}"),
                     STR("x"));
    char longer[8192];
    memset(longer, '*', sizeof longer);
    assert_false(glob_match(str_n(longer, sizeof longer), STR("x")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_glob),
                                       cmocka_unit_test(test_many_braces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
