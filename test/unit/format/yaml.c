// SPDX-License-Identifier: Apache-2.0
// YAML: cases of good documents with the JSON they mean and of bad ones with their errors; positions;
// lookups; bounds.
#include "format/yaml.h"
#include "files.h"
#include "format/json.h"

#include <dirent.h>

static void check_case(const char *dir, const char *name)
{
    struct err err = {0};
    CLEAN(yaml_node_clean) struct yaml_node *root = NULL;
    CLEAN(buf_done) struct buf document = BUF_INIT(FILE_SIZE_MAX);
    CLEAN(buf_done) struct buf want = BUF_INIT(FILE_SIZE_MAX);
    CLEAN_MEM char *path = mem_printf("%s/%s", dir, name);
    CLEAN_MEM char *want_path = mem_printf("%.*s.txt", (int)strlen(path) - 4, path);
    assert_true(file_read(path, &document));
    assert_true(file_read(want_path, &want));
    want.at[--want.size] = 0;
    int rc = yaml_parse(buf_str(&document), "f.yml", &root, &err);
    if (strncmp(name, "bad-", 4) == 0) {
        if (rc >= 0 || !strstr(err.text, want.at) || strncmp(err.text, "f.yml:", 6) != 0) {
            fail_msg("%s: rc %d \"%s\", wanted \"%s\"", name, rc, err.text, want.at);
        }
        assert_null(root);
        return;
    }
    if (rc < 0) {
        fail_msg("%s: %s", name, err.text);
    }
    CLEAN(buf_done) struct buf have = BUF_INIT(FILE_SIZE_MAX);
    CLEAN_JSON json_t *json = yaml_to_json(root);
    json_write(json, &have);
    assert_buf(&have, want.at);
}

static void test_cases(void **state)
{
    (void)state;
    const char *cases = getenv("ROUSE_CASES");
    CLEAN_MEM char *root = mem_printf("%s/yaml", cases ? cases : "test/cases");
    DIR *dir = opendir(root);
    assert_non_null(dir);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (str_ends(str_of(entry->d_name), STR(".yml"))) {
            check_case(root, entry->d_name);
            count++;
        }
    }
    closedir(dir);
    assert_true(count >= 30);
}

static const char sample[] = "service: demo\n"
                             "functions:\n"
                             "  one:\n"
                             "    timeout: 30\n"
                             "    events: [a, 'b', 2]\n"
                             "  two: ~\n";

static struct yaml_node *parsed(const char *text)
{
    struct err err = {0};
    struct yaml_node *root = NULL;
    assert_ok(yaml_parse(str_of(text), "f.yml", &root, &err), err);
    return root;
}

static void test_positions(void **state)
{
    (void)state;
    CLEAN(yaml_node_clean) struct yaml_node *root = parsed(sample);
    const struct yaml_node *n = yaml_path(root, "functions.one.timeout");
    assert_non_null(n);
    assert_int_equal(n->kind, YAML_INT);
    assert_int_equal(n->integer, 30);
    assert_str(n->text, "30");
    assert_int_equal(n->line, 4);
    assert_int_equal(n->column, 14);
    assert_str(n->key, "timeout");
    assert_int_equal(n->key_line, 4);
    assert_int_equal(n->key_column, 5);
    assert_ptr_equal(n->parent, yaml_path(root, "functions.one"));
    assert_string_equal(n->text.at, "30"); // NUL-terminated
    struct err err = {0};
    assert_err(yaml_fail(&err, n, "f.yml", "timeout must be at most %d", 20), ERR_INVALID, err,
               "f.yml:4:14: timeout must be at most 20");
    assert_err(yaml_fail(&err, NULL, NULL, "x"), ERR_INVALID, err, "YAML:1:1: x");
}

static void test_lookups(void **state)
{
    (void)state;
    CLEAN(yaml_node_clean) struct yaml_node *root = parsed(sample);
    const struct yaml_node *events = yaml_path(root, "functions.one.events");
    assert_int_equal(events->count, 3);
    assert_str(yaml_at(events, 1)->text, "b");
    assert_true(yaml_at(events, 1)->quoted);
    assert_false(yaml_at(events, 0)->quoted);
    assert_null(yaml_at(events, 0)->key.at);
    assert_null(yaml_at(events, 3));
    assert_null(yaml_at(root, 0));
    assert_null(yaml_get(events, "a"));
    assert_null(yaml_get(root, "absent"));
    assert_null(yaml_get(NULL, "a"));
    assert_null(yaml_at(NULL, 0));
    assert_null(yaml_path(NULL, "a.b"));
    assert_null(yaml_path(root, "service.x"));
    assert_null(yaml_path(root, "functions..one"));
    assert_int_equal(yaml_path(root, "functions.two")->kind, YAML_NULL);
    assert_true(yaml_is_scalar(yaml_get(root, "service")));
    assert_false(yaml_is_scalar(events));
    assert_false(yaml_is_scalar(NULL));
    assert_string_equal(yaml_kind_name(events->kind), "a list");
    size_t count = 0;
    for (const struct yaml_node *n = yaml_get(root, "functions")->child; n; n = n->next) {
        count++;
    }
    assert_int_equal(count, 2);
}

static void test_subtree_to_json(void **state)
{
    (void)state;
    CLEAN(yaml_node_clean) struct yaml_node *root = parsed(sample);
    CLEAN(buf_done) struct buf out = BUF_INIT(1000);
    CLEAN_JSON json_t *one = yaml_to_json(yaml_path(root, "functions.one"));
    json_write(one, &out);
    assert_buf(&out, "{\"timeout\":30,\"events\":[\"a\",\"b\",2]}");
    CLEAN_JSON json_t *none = yaml_to_json(NULL);
    assert_true(json_is_null(none));
}

static void test_text_limit(void **state)
{
    (void)state;
    struct err err = {0};
    struct yaml_node *root = NULL;
    CLEAN(buf_done) struct buf text = BUF_INIT(YAML_SIZE_MAX * 2);
    buf_add_text(&text, "- &a ");
    for (int i = 0; i < 1000000; i++) {
        buf_add_char(&text, 'x');
    }
    for (int i = 0; i < 1000; i++) {
        buf_add_text(&text, "\n- *a");
    }
    assert_err(yaml_parse(buf_str(&text), "f", &root, &err), ERR_LIMIT, err, "too much text");
    struct str huge = {text.at, YAML_SIZE_MAX + 1};
    assert_err(yaml_parse(huge, "f", &root, &err), ERR_LIMIT, err, "longer than");
    assert_null(root);
}

static void test_many_keys(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(buf_done) struct buf text = BUF_INIT(YAML_SIZE_MAX);
    for (int i = 0; i < 20000; i++) {
        buf_printf(&text, "k%d: %d\n", i, i);
    }
    CLEAN(yaml_node_clean) struct yaml_node *root = NULL;
    assert_ok(yaml_parse(buf_str(&text), "f", &root, &err), err);
    assert_int_equal(root->count, 20000);
    assert_int_equal(yaml_get(root, "k19999")->integer, 19999);
    buf_add_text(&text, "k7: 1\n");
    struct yaml_node *again = NULL;
    assert_err(yaml_parse(buf_str(&text), "f", &again, &err), ERR_INVALID, err, "line 8");
}

static void test_nul_and_empty(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(yaml_node_clean) struct yaml_node *root = NULL;
    assert_ok(yaml_parse((struct str){0}, NULL, &root, &err), err);
    assert_int_equal(root->kind, YAML_NULL);
    CLEAN(yaml_node_clean) struct yaml_node *map = parsed("\"a\\0b\": \"c\\0d\"\n'': 1\n");
    assert_int_equal(map->child->key.size, 3);
    assert_int_equal(map->child->text.size, 3);
    CLEAN_JSON json_t *json = yaml_to_json(map);
    assert_int_equal(json_object_size(json), 2);
    assert_int_equal(yaml_get(map, "")->integer, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),         cmocka_unit_test(test_positions),
        cmocka_unit_test(test_lookups),       cmocka_unit_test(test_subtree_to_json),
        cmocka_unit_test(test_text_limit),    cmocka_unit_test(test_many_keys),
        cmocka_unit_test(test_nul_and_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
