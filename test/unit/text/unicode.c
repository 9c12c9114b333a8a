// SPDX-License-Identifier: Apache-2.0
// Unicode: properties, normal forms with their alignments, patterns.
#include "text/unicode.h"
#include "base/buf.h"
#include "base/mem.h"
#include "text/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void properties(void **state)
{
    (void)state;
    assert_true(unicode_is_space(' ') && unicode_is_space(0x85) && unicode_is_space(0x3000));
    assert_false(unicode_is_space(0x200b) || unicode_is_space(0x180e) || unicode_is_space('a'));
    assert_true(unicode_is_punctuation('$') && unicode_is_punctuation(0xa7));
    assert_false(unicode_is_punctuation(0x20ac) || unicode_is_punctuation('a'));
    assert_true(unicode_is_control(0) && unicode_is_control(0xad) && unicode_is_control(0xe000));
    assert_false(unicode_is_control(0x378) || unicode_is_control('a')); // unassigned is none
    assert_true(unicode_is_number('7') && unicode_is_number(0xb2) && unicode_is_number(0x2160));
    assert_true(unicode_is_word(0x4e00) && unicode_is_word('_') && unicode_is_word(0x301));
    assert_false(unicode_is_word('-') || unicode_is_word(' ') || unicode_is_word(0xb2));
    assert_true(unicode_is_mark(0x903) && !unicode_is_accent(0x903) && unicode_is_accent(0x301));
    assert_true(unicode_is_ideograph(0x4e00) && !unicode_is_ideograph(0x3042));
}

static void lower_case(void **state)
{
    (void)state;
    uint32_t to[2];
    assert_true(unicode_lower('A', to) == 1 && to[0] == 'a');
    assert_true(unicode_lower(0x3a3, to) == 1 && to[0] == 0x3c3);
    assert_true(unicode_lower(0x130, to) == 2 && to[0] == 'i' && to[1] == 0x307);
    assert_true(unicode_lower(0x10400, to) == 1 && to[0] == 0x10428);
}

// "from>to" with each character as hexadecimal and the original that it stands for.
static void check_form(enum unicode_form form, const char *text, const char *want)
{
    CLEAN(chars_done) struct chars in = {0}, out = {0};
    CLEAN(buf_done) struct buf got = BUF_INIT(4096);
    struct err err = {0};
    assert_int_equal(chars_read(&in, str_of(text), &err), 0);
    unicode_normalize(form, &in, 0, in.count, &out);
    for (size_t i = 0; i < out.count; i++) {
        buf_printf(&got, "%s%x@%u-%u", i ? " " : "", out.at[i], out.from[i], out.to[i]);
    }
    assert_string_equal(buf_text(&got), want);
}

static void normal_forms(void **state)
{
    (void)state;
    check_form(UNICODE_NFC, "", "");
    check_form(UNICODE_NFC, "e\xcc\x81x", "e9@0-1 78@2-3");
    check_form(UNICODE_NFD, "\xc3\xa9x", "65@0-1 301@0-1 78@1-2");
    check_form(UNICODE_NFC, "a\xcc\x81\xcc\xa3", "1ea1@0-1 301@2-3"); // marks in another order
    check_form(UNICODE_NFC, "\xe1\xba\x9b\xcc\xa3", "1e9b@0-1 323@1-2");
    check_form(UNICODE_NFKC, "\xe1\xba\x9b\xcc\xa3", "1e69@0-1");
    check_form(UNICODE_NFKD, "\xef\xac\x81", "66@0-1 69@0-1");                   // a ligature
    check_form(UNICODE_NFC, "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8", "ac01@0-1"); // Hangul
    check_form(UNICODE_NFD, "\xea\xb0\x81", "1100@0-1 1161@0-1 11a8@0-1");
    check_form(UNICODE_NFC, "\xe0\xa5\x98", "915@0-1 93c@0-1"); // excluded from composition
    check_form(UNICODE_NFC,
               "\xcc\x81"
               "a",
               "301@0-1 61@1-2"); // nothing to go into
}

static void graphemes(void **state)
{
    (void)state;
    CLEAN(chars_done) struct chars in = {0};
    struct err err = {0};
    assert_int_equal(chars_read(&in, STR("e\xcc\x81\xcc\xa3x\r\ny"), &err), 0);
    assert_int_equal(unicode_grapheme(&in, 0, in.count), 3);
    assert_int_equal(unicode_grapheme(&in, 3, in.count), 4);
    assert_int_equal(unicode_grapheme(&in, 4, in.count), 6);
    assert_int_equal(unicode_grapheme(&in, 6, in.count), 7);
}

static void check_pattern(const char *source, const char *text, size_t begin, size_t end)
{
    CLEAN(chars_done) struct chars in = {0};
    struct pattern *pattern = NULL;
    struct err err = {0};
    size_t from = 99, to = 99;
    assert_int_equal(chars_read(&in, str_of(text), &err), 0);
    if (pattern_new(PATTERN_REGEX, str_of(source), &pattern, &err) < 0) {
        fail_msg("%s: %s", source, err.text);
    }
    int found = pattern_find(pattern, in.at, in.count, 0, &from, &to, &err);
    assert_int_equal(found, begin < 99);
    assert_true(from == begin && to == end);
    pattern_free(pattern);
}

static void patterns(void **state)
{
    (void)state;
    check_pattern("\\s", "ab\xc2\x85", 2, 3); // U+0085 is white space
    check_pattern("\\s", "ab\xe2\x80\x8b", 99, 99);
    check_pattern("\\w+", "- \xc3\xa9\xe4\xb8\x80_", 2, 5);
    check_pattern("[^\\w\\s]+", "a -+ ", 2, 4);
    check_pattern("\\d", "\xc2\xb2\xd9\xa3", 1, 2);
    check_pattern("(?i:'S)", "x's", 1, 3);
    check_pattern("\\s+(?!\\S)", "a   b", 1, 3);
    check_pattern("^b", "a\nb", 2, 3); // lines, as in Ruby
    check_pattern("\\[a]", "[a]", 0, 3);
}

static void bad_patterns(void **state)
{
    (void)state;
    static const char *const bad[] = {"(",      "",      "\\h", "\\bx",   "[a[b]]",
                                      "[a&&b]", "[\\W]", "\\C", "a{2,1}", "\xff"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct pattern *pattern = NULL;
        struct err err = {0};
        if (pattern_new(PATTERN_REGEX, str_of(bad[i]), &pattern, &err) != ERR_INVALID) {
            fail_msg("%s is taken", bad[i]);
        }
        assert_null(pattern);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(properties), cmocka_unit_test(lower_case), cmocka_unit_test(normal_forms),
        cmocka_unit_test(graphemes),  cmocka_unit_test(patterns),   cmocka_unit_test(bad_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
