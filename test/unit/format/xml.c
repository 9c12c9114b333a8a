// SPDX-License-Identifier: Apache-2.0
// XML: cases of good documents with their trees and of bad ones with their errors; lookups; writing.
#include "format/xml.h"
#include "files.h"

#include <dirent.h>

// The tree as text: a line per element, a space per level, "=text" for leaves and those with text.
static void show(const struct xml_node *root, struct buf *out)
{
    int depth = 0;
    for (const struct xml_node *n = root; n;) {
        for (int i = 0; i < depth; i++) {
            buf_add_char(out, ' ');
        }
        buf_add_text(out, n->name);
        if (!n->child || n->text.size) {
            buf_add_char(out, '=');
            buf_add_str(out, n->text);
        }
        buf_add_char(out, '\n');
        if (n->child) {
            n = n->child;
            depth++;
            continue;
        }
        while (n && !n->next) {
            n = n->parent;
            depth--;
        }
        n = n ? n->next : NULL;
    }
}

static void check_case(const char *dir, const char *name)
{
    struct err err = {0};
    CLEAN(xml_clean) struct xml_node *root = NULL;
    CLEAN(buf_done) struct buf document = BUF_INIT(FILE_SIZE_MAX);
    CLEAN(buf_done) struct buf want = BUF_INIT(FILE_SIZE_MAX);
    CLEAN_MEM char *path = mem_printf("%s/%s", dir, name);
    CLEAN_MEM char *want_path = mem_printf("%.*s.txt", (int)strlen(path) - 4, path);
    assert_true(file_read(path, &document));
    assert_true(file_read(want_path, &want));
    int rc = xml_parse(buf_str(&document), &root, &err);
    if (strncmp(name, "bad-", 4) == 0) {
        want.at[want.size - 1] = 0;
        if (rc >= 0 || !strstr(err.text, want.at)) {
            fail_msg("%s: rc %d \"%s\", wanted \"%s\"", name, rc, err.text, want.at);
        }
        assert_string_equal(err_aws_name(&err), "MalformedXML");
        assert_null(root);
        return;
    }
    assert_ok(rc, err);
    CLEAN(buf_done) struct buf have = BUF_INIT(FILE_SIZE_MAX);
    show(root, &have);
    assert_buf(&have, buf_text(&want));
}

static void test_cases(void **state)
{
    (void)state;
    const char *cases = getenv("ROUSE_CASES");
    CLEAN_MEM char *root = mem_printf("%s/xml", cases ? cases : "test/cases");
    DIR *dir = opendir(root);
    assert_non_null(dir);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (str_ends(str_of(entry->d_name), STR(".xml"))) {
            check_case(root, entry->d_name);
            count++;
        }
    }
    closedir(dir);
    assert_true(count >= 17);
}

static void test_lookups(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(xml_clean) struct xml_node *root = NULL;
    assert_ok(xml_parse(STR("<R><P><N>2</N><F>true</F></P><Q/><P><N> 70 </N><F>no</F></P></R>"),
                        &root, &err),
              err);
    struct xml_node *p = xml_child(root, "P");
    int64_t n = -1;
    bool f = false;
    assert_int_equal(xml_child_int(p, "N", 1, 10, &n, &err), 1);
    assert_int_equal(n, 2);
    assert_int_equal(xml_child_bool(p, "F", &f, &err), 1);
    assert_true(f);
    assert_int_equal(xml_child_int(p, "Absent", 1, 10, &n, &err), 0);
    assert_int_equal(xml_child_bool(p, "Absent", &f, &err), 0);
    p = xml_next(p);
    assert_err(xml_child_int(p, "N", 1, 10, &n, &err), ERR_INVALID, err, "<N> must be an integer");
    assert_err(xml_child_bool(p, "F", &f, &err), ERR_INVALID, err, "true or false");
    assert_int_equal(n, 2);
    assert_null(xml_next(p));
    struct str text;
    assert_ok(xml_need(p, "F", &text, &err), err);
    assert_str(text, "no");
    assert_err(xml_need(p, "Z", &text, &err), ERR_INVALID, err, "<P> needs a <Z>");
}

static void test_null_lookups(void **state)
{
    (void)state;
    struct err err = {0};
    int64_t n = 0;
    struct str text;
    assert_null(xml_child(NULL, "a"));
    assert_null(xml_next(NULL));
    assert_int_equal(xml_text(NULL).size, 0);
    assert_int_equal(xml_child_text(xml_child(NULL, "a"), "b").size, 0);
    assert_int_equal(xml_child_int(NULL, "a", 0, 1, &n, &err), 0);
    assert_err(xml_need(NULL, "a", &text, &err), ERR_INVALID, err, "needs a <a>");
    xml_free(NULL);
}

static void test_node_limit(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(buf_done) struct buf document = BUF_INIT(XML_SIZE_MAX + 100);
    buf_add_text(&document, "<a>");
    for (int i = 0; i < XML_NODE_MAX; i++) {
        buf_add_text(&document, "<b/>");
    }
    buf_add_text(&document, "</a>");
    struct xml_node *root = NULL;
    assert_err(xml_parse(buf_str(&document), &root, &err), ERR_LIMIT, err, "too many elements");
    struct str huge = {document.at, XML_SIZE_MAX + 1}; // refused before it is looked at
    assert_err(xml_parse(huge, &root, &err), ERR_LIMIT, err, "longer than");
}

static void test_long_text(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(xml_clean) struct xml_node *root = NULL;
    CLEAN(buf_done) struct buf document = BUF_INIT(XML_SIZE_MAX);
    buf_add_text(&document, "<a>");
    for (int i = 0; i < 100000; i++) {
        buf_add_text(&document, "&lt;\n");
    }
    buf_add_text(&document, "</a>");
    assert_ok(xml_parse(buf_str(&document), &root, &err), err);
    assert_int_equal(xml_text(root).size, 200000);
}

static void test_write(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf out = BUF_INIT(1000);
    xml_begin(&out);
    xml_open_ns(&out, "R", XML_NS_S3);
    xml_text_element(&out, "Key", STR("a<b>&\"c\"'"));
    xml_int_element(&out, "Size", -5);
    xml_bool_element(&out, "IsTruncated", false);
    xml_empty(&out, "Prefix");
    xml_close(&out, "R");
    assert_buf(&out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                     "<R xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                     "<Key>a&lt;b&gt;&amp;&quot;c&quot;'</Key><Size>-5</Size>"
                     "<IsTruncated>false</IsTruncated><Prefix/></R>");
}

static void test_escape_odd_bytes(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf out = BUF_INIT(1000);
    xml_escape(&out, STR("\x01\r\n\t\x7f|\xff|\xc3|\xc3\xa4|\xef\xbf\xbf|\xef\xbf\xbd"));
    assert_buf(&out, "&#x1;&#xD;\n\t&#x7F;|\xef\xbf\xbd|\xef\xbf\xbd|\xc3\xa4|\xef\xbf\xbd|"
                     "\xef\xbf\xbd");
    buf_clear(&out);
    xml_escape(&out, (struct str){0});
    assert_buf(&out, "");
}

static void test_write_and_read(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(buf_done) struct buf out = BUF_INIT(10000);
    CLEAN(buf_done) struct buf text = BUF_INIT(1000);
    for (int c = 0x20; c < 0x7f; c++) {
        buf_add_char(&text, (char)c);
    }
    buf_add_text(&text, "\r\n\t\xc3\xa4");
    xml_text_element(&out, "Key", buf_str(&text));
    CLEAN(xml_clean) struct xml_node *root = NULL;
    assert_ok(xml_parse(buf_str(&out), &root, &err), err);
    assert_str(xml_text(root), buf_text(&text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_lookups),
        cmocka_unit_test(test_null_lookups),
        cmocka_unit_test(test_node_limit),
        cmocka_unit_test(test_long_text),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_escape_odd_bytes),
        cmocka_unit_test(test_write_and_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
