// SPDX-License-Identifier: Apache-2.0
// Vocabularies: what was put in is found, by text, by number and by its beginning; nothing else is.
#include "text/vocab.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct vocab *make(struct vocab_entry *entries, size_t count)
{
    struct vocab *vocab = NULL;
    struct err err = {0};
    assert_int_equal(vocab_new(entries, count, &vocab, &err), 0);
    return vocab;
}

static void finds_by_text_and_number(void **state)
{
    (void)state;
    struct vocab_entry entries[] = {{.text = STR("b"), .id = 0, .score = -1},
                                    {.text = STR("a"), .id = 7, .score = -3},
                                    {.text = STR("ab"), .id = 2},
                                    {.text = STR("\xff\xfe"), .id = 3},
                                    {.text = STR(""), .id = 4}};
    struct vocab *vocab = make(entries, ARRAY_SIZE(entries));
    assert_int_equal(vocab_id(vocab, STR("a")), 7);
    assert_int_equal(vocab_id(vocab, STR("ab")), 2);
    assert_int_equal(vocab_id(vocab, STR("b")), 0);
    assert_int_equal(vocab_id(vocab, STR("\xff\xfe")), 3);
    assert_int_equal(vocab_id(vocab, STR("")), 4);
    assert_int_equal(vocab_id(vocab, STR("\xff")), VOCAB_NONE);
    assert_int_equal(vocab_id(vocab, STR("abc")), VOCAB_NONE);
    assert_true(str_eq(vocab_text(vocab, 7), STR("a")));
    assert_null(vocab_text(vocab, 1).at);
    assert_null(vocab_text(vocab, 8).at);
    assert_null(vocab_text(vocab, UINT32_MAX).at);
    assert_true(vocab_score(vocab, 7) == -3 && vocab_score(vocab, 99) == 0);
    assert_true(vocab_score_least(vocab) == -3);
    vocab_free(vocab);
}

static void the_later_of_two_counts(void **state)
{
    (void)state;
    struct vocab_entry entries[] = {
        {.text = STR("a"), .id = 1}, {.text = STR("b"), .id = 2}, {.text = STR("a"), .id = 3}};
    struct vocab *vocab = make(entries, ARRAY_SIZE(entries));
    assert_int_equal(vocab_id(vocab, STR("a")), 3);
    assert_null(vocab_text(vocab, 1).at);
    vocab_free(vocab);
}

static void walks_see_every_beginning(void **state)
{
    (void)state;
    struct vocab_entry entries[] = {{.text = STR("he"), .id = 1},
                                    {.text = STR("hello"), .id = 2},
                                    {.text = STR("help"), .id = 3},
                                    {.text = STR("i"), .id = 4}};
    struct vocab *vocab = make(entries, ARRAY_SIZE(entries));
    static const int64_t want[] = {VOCAB_NONE, 1, VOCAB_NONE, VOCAB_NONE, 2};
    struct vocab_walk walk = vocab_walk(vocab);
    for (size_t i = 0; i < 5; i++) {
        assert_true(vocab_step(&walk, (uint8_t) "hello"[i]));
        assert_int_equal(walk.found, want[i]);
    }
    assert_false(vocab_step(&walk, 's'));
    assert_int_equal(walk.found, VOCAB_NONE);
    walk = vocab_walk(vocab);
    assert_false(vocab_step(&walk, 'x'));
    vocab_free(vocab);
}

static void an_empty_one_finds_nothing(void **state)
{
    (void)state;
    struct vocab *vocab = make(NULL, 0);
    struct vocab_walk walk = vocab_walk(vocab);
    assert_false(vocab_step(&walk, 'a'));
    assert_int_equal(vocab_id(vocab, STR("")), VOCAB_NONE);
    assert_null(vocab_text(vocab, 0).at);
    vocab_free(vocab);
}

static void numbers_have_a_limit(void **state)
{
    (void)state;
    struct vocab_entry entries[] = {{.text = STR("a"), .id = VOCAB_COUNT_MAX}};
    struct vocab *vocab = NULL;
    struct err err = {0};
    assert_int_equal(vocab_new(entries, 1, &vocab, &err), ERR_LIMIT);
    assert_null(vocab);
    vocab_free(vocab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_by_text_and_number),  cmocka_unit_test(the_later_of_two_counts),
        cmocka_unit_test(walks_see_every_beginning), cmocka_unit_test(an_empty_one_finds_nothing),
        cmocka_unit_test(numbers_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
