// SPDX-License-Identifier: Apache-2.0
// Tokenizers: every case in test/cases/tokenizer gives the tokens of the reference implementation, or
// the error in its .error file; and texts that are none, or too much, are refused.
#include "text/tokenizer.h"
#include "base/file.h"
#include "base/mem.h"
#include "format/json.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define FILE_MAX (1024 * 1024)
#define MANY     (128 * 1024) // characters of a text without a word's end

static char *cases(const char *name, const char *suffix)
{
    const char *root = getenv("ROUSE_CASES");
    return mem_printf("%s/tokenizer/%s%s", root ? root : "test/cases", name, suffix);
}

static bool case_read(const char *name, const char *suffix, struct buf *out)
{
    CLEAN_MEM char *path = cases(name, suffix);
    struct err err = {0};
    return file_read(path, out, &err) == 0;
}

static void tokenizer_clean(struct tokenizer **tokenizer)
{
    tokenizer_free(*tokenizer);
}

#define CLEAN_TOKENIZER CLEAN(tokenizer_clean)

static struct tokenizer *open_case(const char *name)
{
    CLEAN(buf_done) struct buf json = BUF_INIT(FILE_MAX);
    struct tokenizer *tokenizer = NULL;
    struct err err = {0};
    assert_true(case_read(name, ".json", &json));
    if (tokenizer_read(buf_str(&json), &tokenizer, &err) < 0) {
        fail_msg("%s: %s", name, err.text);
    }
    return tokenizer;
}

// ---- the cases ----

static void write_tokens(const struct tokens *tokens, struct buf *out)
{
    for (size_t i = 0; i < tokens->count; i++) {
        const struct token *t = &tokens->at[i];
        buf_printf(out, "%s%u:%u:%u-%u%s", i ? " " : "", t->id, t->type, t->from, t->to,
                   t->special ? "*" : "");
    }
}

static void check_line(const char *name, struct tokenizer *tokenizer, struct str line)
{
    struct str want = line, text = str_cut(&want, '\t');
    CLEAN_JSON json_t *json = NULL;
    CLEAN(tokens_done) struct tokens tokens = {0};
    CLEAN(buf_done) struct buf got = BUF_INIT(FILE_MAX);
    struct err err = {0};
    assert_int_equal(json_parse(text, &json, &err), 0);
    bool pair = json_is_array(json);
    struct tokenizer_request request = {.text = json_str(pair ? json_array_get(json, 0) : json),
                                        .second = pair ? json_str(json_array_get(json, 1))
                                                       : (struct str){0},
                                        .length_max = tokenizer_facts(tokenizer)->length_max};
    if (tokenizer_encode(tokenizer, &request, &tokens, &err) < 0) {
        fail_msg("%s: " STR_FMT ": %s", name, STR_ARG(text), err.text);
    }
    write_tokens(&tokens, &got);
    if (!str_eq(buf_str(&got), str_not_null(want))) {
        fail_msg("%s: " STR_FMT "\n have %s\n want " STR_FMT, name, STR_ARG(text), buf_text(&got),
                 STR_ARG(want));
    }
}

static void check_good(const char *name, struct str lines)
{
    CLEAN_TOKENIZER struct tokenizer *tokenizer = open_case(name);
    while (lines.size) {
        check_line(name, tokenizer, str_cut(&lines, '\n'));
    }
}

static void check_bad(const char *name, struct str want)
{
    CLEAN(buf_done) struct buf json = BUF_INIT(FILE_MAX);
    CLEAN_TOKENIZER struct tokenizer *tokenizer = NULL;
    struct err err = {0};
    assert_true(case_read(name, ".json", &json));
    int rc = tokenizer_read(buf_str(&json), &tokenizer, &err);
    if ((rc != ERR_INVALID && rc != ERR_LIMIT) || !str_starts(str_of(err.text), str_trim(want))) {
        fail_msg("%s: %s", name, rc < 0 ? err.text : "no error");
    }
}

static void check_case(const char *name)
{
    CLEAN(buf_done) struct buf want = BUF_INIT(FILE_MAX);
    if (case_read(name, ".tsv", &want)) {
        check_good(name, buf_str(&want));
    } else {
        assert_true(case_read(name, ".error", &want));
        check_bad(name, buf_str(&want));
    }
}

static void every_case(void **state)
{
    (void)state;
    CLEAN_MEM char *path = cases("", "");
    DIR *dir = opendir(path);
    assert_non_null(dir);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        struct str name = str_of(entry->d_name);
        if (str_ends(name, STR(".json"))) {
            CLEAN_MEM char *stem = str_dup(str_head(name, name.size - strlen(".json")));
            check_case(stem);
            count++;
        }
    }
    closedir(dir);
    assert_true(count > 50);
}

// ---- vocab.txt ----

static const char lines[] = "[PAD]\n[UNK]\r\n[CLS]\n[SEP]\nthe\ncat\n##s\n\xc3\xa9\nA\n";

static void lines_make_a_bert(void **state)
{
    (void)state;
    CLEAN_TOKENIZER struct tokenizer *tokenizer = NULL;
    CLEAN(tokens_done) struct tokens tokens = {0};
    CLEAN(buf_done) struct buf got = BUF_INIT(FILE_MAX);
    struct tokenizer_bert bert = {.lowercase = true, .ideographs = true};
    struct err err = {0};
    assert_int_equal(tokenizer_read_lines(str_of(lines), &bert, &tokenizer, &err), 0);
    struct tokenizer_request request = {.text = STR("The CATs [SEP] \xc3\x89"), .length_max = 9};
    assert_int_equal(tokenizer_encode(tokenizer, &request, &tokens, &err), 0);
    write_tokens(&tokens, &got);
    assert_string_equal(buf_text(&got), "2:0:0-0* 4:0:0-3 5:0:4-7 6:0:7-8 3:0:9-14 7:0:15-16 "
                                        "3:0:0-0*");
    assert_int_equal(tokenizer_id(tokenizer, STR("cat")), 5);
    assert_int_equal(tokenizer_id(tokenizer, STR("dog")), VOCAB_NONE);
    assert_int_equal(tokenizer_facts(tokenizer)->pad_id, 0);
    assert_int_equal(tokenizer_added(tokenizer, true), 3);
}

static void lines_without_specials_are_none(void **state)
{
    (void)state;
    struct tokenizer_bert bert = {.lowercase = true};
    struct tokenizer *tokenizer = NULL;
    struct err err = {0};
    assert_int_equal(tokenizer_read_lines(STR("a\nb\n"), &bert, &tokenizer, &err), ERR_INVALID);
    assert_string_equal(err.text, "has no line [UNK]");
    assert_int_equal(tokenizer_read_lines(STR("[UNK]\nb"), &bert, &tokenizer, &err), ERR_INVALID);
    assert_string_equal(err.text, "has no lines [CLS] and [SEP]");
    assert_int_equal(tokenizer_read_lines(STR(""), &bert, &tokenizer, &err), ERR_INVALID);
    assert_null(tokenizer);
}

// ---- texts ----

static void assert_refused(const char *name, struct tokenizer_request request, int code,
                           const char *part)
{
    CLEAN_TOKENIZER struct tokenizer *tokenizer = open_case(name);
    CLEAN(tokens_done) struct tokens tokens = {0};
    struct err err = {0};
    int rc = tokenizer_encode(tokenizer, &request, &tokens, &err);
    if (rc != code || !strstr(err.text, part)) {
        fail_msg("%d, %s; wanted %d, %s", rc, err.text, code, part);
    }
}

static void bad_texts_are_refused(void **state)
{
    (void)state;
    assert_refused("bert", (struct tokenizer_request){.text = STR("ab\xff")}, ERR_INVALID,
                   "not UTF-8 (at byte 2)");
    assert_refused("bert", (struct tokenizer_request){.text = STR("a"), .second = STR("\xc3")},
                   ERR_INVALID, "not UTF-8");
    assert_refused("bert", (struct tokenizer_request){.text = STR("a"), .length_max = 2},
                   ERR_INVALID, "2 tokens have no room for 2 special ones");
    assert_refused("bert-cut-left",
                   (struct tokenizer_request){
                       .text = STR("the"), .second = STR("a a a a a a a a"), .length_max = 7},
                   ERR_INVALID, "the second text alone has more than 4 tokens");
    CLEAN_MEM char *much = mem_alloc(CHARS_MAX + 2);
    memset(much, 'a', CHARS_MAX + 1);
    assert_refused("bert", (struct tokenizer_request){.text = str_of(much)}, ERR_LIMIT,
                   "longer than");
}

// Many letters without a space: nothing takes much longer than in proportion.
static void one_long_word_is_borne(void **state)
{
    (void)state;
    static const char *const names[] = {"bert", "bytes", "unigram", "unigram-whole", "bpe-signs"};
    CLEAN_MEM char *much = mem_alloc(MANY + 1);
    for (size_t i = 0; i < MANY; i++) {
        much[i] = "hel"[i % 3];
    }
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CLEAN_TOKENIZER struct tokenizer *tokenizer = open_case(names[i]);
        CLEAN(tokens_done) struct tokens tokens = {0};
        struct tokenizer_request request = {.text = str_of(much), .length_max = 512};
        struct err err = {0};
        assert_int_equal(tokenizer_encode(tokenizer, &request, &tokens, &err), 0);
        assert_true(tokens.count <= 512);
    }
}

static void a_long_run_of_marks_is_borne(void **state)
{
    (void)state;
    CLEAN_MEM char *much = mem_alloc(2 * MANY + 1);
    for (size_t i = 0; i < MANY; i++) {
        memcpy(much + 2 * i, i % 2 ? "\xcc\x81" : "\xcc\xa3", 2); // U+0301, U+0323
    }
    CLEAN_TOKENIZER struct tokenizer *tokenizer = open_case("bpe-signs");
    CLEAN(tokens_done) struct tokens tokens = {0};
    struct tokenizer_request request = {.text = str_of(much)};
    struct err err = {0};
    assert_int_equal(tokenizer_encode(tokenizer, &request, &tokens, &err), 0);
}

static void a_pattern_that_explodes_is_stopped(void **state)
{
    (void)state;
    static const char json[] =
        "{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"a\",\"vocab\":{\"a\":0}},"
        "\"pre_tokenizer\":{\"type\":\"Split\",\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":"
        "\"(a+)+(a+)+(a+)+b\"}}}";
    CLEAN_TOKENIZER struct tokenizer *tokenizer = NULL;
    CLEAN(tokens_done) struct tokens tokens = {0};
    CLEAN_MEM char *much = mem_alloc(5001);
    struct err err = {0};
    memset(much, 'a', 5000);
    much[4999] = 'c';
    assert_int_equal(tokenizer_read(str_of(json), &tokenizer, &err), 0);
    struct tokenizer_request request = {.text = str_of(much)};
    int rc = tokenizer_encode(tokenizer, &request, &tokens, &err);
    assert_true(rc == 0 || rc == ERR_LIMIT); // PCRE2 may see that there is no b
    much[4999] = 'b';
    much[4998] = 'c';
    assert_int_equal(tokenizer_encode(tokenizer, &request, &tokens, &err), ERR_LIMIT);
    assert_non_null(strstr(err.text, "takes too long"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case),
        cmocka_unit_test(lines_make_a_bert),
        cmocka_unit_test(lines_without_specials_are_none),
        cmocka_unit_test(bad_texts_are_refused),
        cmocka_unit_test(one_long_word_is_borne),
        cmocka_unit_test(a_long_run_of_marks_is_borne),
        cmocka_unit_test(a_pattern_that_explodes_is_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
