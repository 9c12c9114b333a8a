// SPDX-License-Identifier: Apache-2.0
// Event patterns: tables of what matches what, and of what is no pattern.
#include "format/pattern.h"
#include "files.h"

static bool next_line(struct str *rest, struct str *ret)
{
    while (rest->at) {
        *ret = str_cut(rest, '\n');
        if (ret->size && ret->at[0] != '#') {
            return true;
        }
    }
    return false;
}

static void test_match(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf file = BUF_INIT(FILE_SIZE_MAX);
    assert_true(env_read("ROUSE_CASES", "pattern/match.txt", &file));
    size_t count = 0;
    for (struct str rest = buf_str(&file), line; next_line(&rest, &line); count++) {
        struct str event = line;
        bool want = str_eq(str_trim(str_cut(&event, '|')), STR("yes"));
        struct str text = str_trim(str_cut(&event, '|'));
        CLEAN_JSON json_t *pattern = NULL;
        CLEAN_JSON json_t *json = NULL;
        struct err err = {0};
        if (pattern_parse(text, &pattern, &err) < 0 ||
            json_parse_object(str_trim(event), &json, &err) < 0) {
            fail_msg(STR_FMT "\n %s", STR_ARG(line), err.text);
        }
        if (pattern_matches(pattern, json) != want) {
            fail_msg("not so: " STR_FMT, STR_ARG(line));
        }
    }
    assert_true(count > 100);
}

static void check_bad(struct str text, const char *part)
{
    json_t *pattern = NULL;
    struct err err = {0};
    int rc = pattern_parse(text, &pattern, &err);
    if (rc >= 0) {
        fail_msg("it is taken: " STR_FMT, STR_ARG(text));
    }
    assert_null(pattern);
    assert_err(rc, ERR_INVALID, err, part);
}

static void test_bad(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf file = BUF_INIT(FILE_SIZE_MAX);
    assert_true(env_read("ROUSE_CASES", "pattern/bad.txt", &file));
    size_t count = 0;
    for (struct str rest = buf_str(&file), line; next_line(&rest, &line); count++) {
        struct str text = str_trim(str_cut(&line, '|'));
        CLEAN_MEM char *part = str_dup(str_trim(line));
        check_bad(text, part);
    }
    assert_true(count > 50);
}

static void test_depth(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf text = BUF_INIT(4096);
    for (int i = 0; i <= PATTERN_DEPTH_MAX + 1; i++) {
        buf_add_text(&text, "{\"a\":");
    }
    buf_add_text(&text, "[1]");
    for (int i = 0; i <= PATTERN_DEPTH_MAX + 1; i++) {
        buf_add_char(&text, '}');
    }
    check_bad(buf_str(&text), "nested too deeply");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
