// SPDX-License-Identifier: Apache-2.0
// XML: expat's events become a small tree, and text becomes escaped text. Requests of S3 (DeleteObjects,
// CompleteMultipartUpload, …) come in here, and all its answers go out.
#include "format/xml.h"
#include "base/check.h"
#include "base/mem.h"
#include "format/utf8.h"

#include <expat.h>

struct reader {
    XML_Parser parser;
    struct xml_node *root, *at, *made_last;
    struct xml_node *last[XML_DEPTH_MAX]; // the last child of each open element
    struct buf text[XML_DEPTH_MAX];       // the text of each open element
    size_t depth, count;
    int rc; // the first failure, which stopped expat
    struct err *err;
};

static void stop(struct reader *r, int code, const char *what)
{
    if (r->rc == 0) {
        r->rc = err_aws(r->err, code, "MalformedXML", "XML line %lu: %s",
                        (unsigned long)XML_GetCurrentLineNumber(r->parser), what);
        XML_StopParser(r->parser, XML_FALSE);
    }
}

// Without its prefix, if what is left is still a name.
static const char *local_name(const char *name)
{
    const char *colon = strrchr(name, ':');
    if (!colon || colon[1] == 0 || colon[1] == '-' || colon[1] == '.' ||
        (colon[1] >= '0' && colon[1] <= '9') || (uint8_t)colon[1] >= 0x80) {
        return name;
    }
    return colon + 1;
}

static void on_element_started(void *ctx, const char *name, const char **attributes)
{
    (void)attributes;
    struct reader *r = ctx;
    if (r->depth == XML_DEPTH_MAX || r->count == XML_NODE_MAX) {
        stop(r, ERR_LIMIT, r->count == XML_NODE_MAX ? "too many elements" : "nested too deeply");
        return;
    }
    name = local_name(name);
    size_t size = strlen(name) + 1;
    struct xml_node *node = mem_alloc(sizeof *node + size); // the name is kept behind the node
    node->name = memcpy((char *)(node + 1), name, size);
    node->line = (int)XML_GetCurrentLineNumber(r->parser);
    node->parent = r->at;
    if (!r->root) {
        r->root = node;
    } else {
        struct xml_node **link = r->last[r->depth] ? &r->last[r->depth]->next : &r->at->child;
        *link = node;
        r->made_last->made_next = node;
    }
    r->made_last = r->at = r->last[r->depth] = node;
    r->depth++;
    r->count++;
    if (r->depth < XML_DEPTH_MAX) {
        r->last[r->depth] = NULL;
    }
    buf_clear(&r->text[r->depth - 1]);
}

static void on_element_ended(void *ctx, const char *name)
{
    (void)name;
    struct reader *r = ctx;
    if (r->rc < 0) {
        return;
    }
    struct str text = buf_str(&r->text[r->depth - 1]);
    bool layout = r->at->child && str_trim(text).size == 0; // line ends between elements
    if (text.size && !layout) {
        r->at->text = str_n(str_dup(text), text.size);
    }
    r->at = r->at->parent;
    r->depth--;
}

static void on_text_seen(void *ctx, const char *text, int size)
{
    struct reader *r = ctx;
    if (r->depth && r->rc == 0) {
        buf_add(&r->text[r->depth - 1], text, (size_t)size);
    }
}

static void on_doctype_started(void *ctx, const char *name, const char *sysid, const char *pubid,
                               int internal)
{
    (void)name, (void)sysid, (void)pubid, (void)internal;
    stop(ctx, ERR_INVALID, "a DOCTYPE is not allowed");
}

static int parse(struct reader *r, struct str document)
{
    if (XML_Parse(r->parser, document.at ? document.at : "", (int)document.size, 1) ==
        XML_STATUS_OK) {
        return 0;
    }
    if (r->rc < 0) {
        return r->rc;
    }
    return err_aws(r->err, ERR_INVALID, "MalformedXML", "XML line %lu, column %lu: %s",
                   (unsigned long)XML_GetCurrentLineNumber(r->parser),
                   (unsigned long)XML_GetCurrentColumnNumber(r->parser) + 1,
                   XML_ErrorString(XML_GetErrorCode(r->parser)));
}

int xml_parse(struct str document, struct xml_node **ret, struct err *err)
{
    if (document.size > XML_SIZE_MAX) {
        return err_aws(err, ERR_LIMIT, "MaxMessageLengthExceeded",
                       "the XML document is longer than %d bytes", XML_SIZE_MAX);
    }
    struct reader r = {.parser = XML_ParserCreate(NULL), .err = err};
    CHECK(r.parser != NULL);
    for (size_t i = 0; i < XML_DEPTH_MAX; i++) {
        buf_init(&r.text[i],
                 XML_SIZE_MAX * 4); // UTF-16 and ISO-8859-1 may grow as they become UTF-8
    }
    XML_SetUserData(r.parser, &r);
    XML_SetElementHandler(r.parser, on_element_started, on_element_ended);
    XML_SetCharacterDataHandler(r.parser, on_text_seen);
    XML_SetStartDoctypeDeclHandler(r.parser, on_doctype_started);
    int rc = parse(&r, document);
    XML_ParserFree(r.parser);
    for (size_t i = 0; i < XML_DEPTH_MAX; i++) {
        buf_done(&r.text[i]);
    }
    if (rc < 0) {
        xml_free(r.root);
        return rc;
    }
    CHECK(r.root != NULL && r.depth == 0);
    *ret = r.root;
    return 0;
}

void xml_free(struct xml_node *root)
{
    while (root) {
        struct xml_node *next = root->made_next;
        free((char *)root->text.at);
        free(root);
        root = next;
    }
}

void xml_clean(struct xml_node **root)
{
    xml_free(*root);
    *root = NULL;
}

static struct xml_node *first_named(struct xml_node *node, const char *name)
{
    while (node && strcmp(node->name, name) != 0) {
        node = node->next;
    }
    return node;
}

struct xml_node *xml_child(const struct xml_node *node, const char *name)
{
    return node ? first_named(node->child, name) : NULL;
}

struct xml_node *xml_next(const struct xml_node *node)
{
    return node ? first_named(node->next, node->name) : NULL;
}

struct str xml_text(const struct xml_node *node)
{
    return node ? node->text : (struct str){0};
}

struct str xml_child_text(const struct xml_node *node, const char *name)
{
    return xml_text(xml_child(node, name));
}

int xml_need(const struct xml_node *node, const char *name, struct str *ret, struct err *err)
{
    const struct xml_node *child = xml_child(node, name);
    if (!child) {
        return err_aws(err, ERR_INVALID, "MalformedXML", "XML: <%s> needs a <%s>",
                       node ? node->name : "document", name);
    }
    *ret = child->text;
    return 0;
}

int xml_child_int(const struct xml_node *node, const char *name, int64_t least, int64_t most,
                  int64_t *ret, struct err *err)
{
    const struct xml_node *child = xml_child(node, name);
    if (!child) {
        return 0;
    }
    int64_t value = 0;
    if (!str_to_i64(str_trim(child->text), &value) || value < least || value > most) {
        return err_aws(err, ERR_INVALID, "MalformedXML",
                       "XML line %d: <%s> must be an integer from %lld to %lld", child->line, name,
                       (long long)least, (long long)most);
    }
    *ret = value;
    return 1;
}

int xml_child_bool(const struct xml_node *node, const char *name, bool *ret, struct err *err)
{
    const struct xml_node *child = xml_child(node, name);
    if (!child) {
        return 0;
    }
    struct str text = str_trim(child->text);
    bool truth = str_eq_nocase(text, STR("true"));
    if (!truth && !str_eq_nocase(text, STR("false"))) {
        return err_aws(err, ERR_INVALID, "MalformedXML", "XML line %d: <%s> must be true or false",
                       child->line, name);
    }
    *ret = truth;
    return 1;
}

void xml_begin(struct buf *out)
{
    buf_add_text(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
}

static void add_tag(struct buf *out, const char *before, const char *tag, const char *after)
{
    buf_add_text(out, before);
    buf_add_text(out, tag);
    buf_add_text(out, after);
}

void xml_open(struct buf *out, const char *tag)
{
    add_tag(out, "<", tag, ">");
}

void xml_open_ns(struct buf *out, const char *tag, const char *xmlns)
{
    add_tag(out, "<", tag, " xmlns=\"");
    xml_escape(out, str_of(xmlns));
    buf_add_text(out, "\">");
}

void xml_close(struct buf *out, const char *tag)
{
    add_tag(out, "</", tag, ">");
}

void xml_empty(struct buf *out, const char *tag)
{
    add_tag(out, "<", tag, "/>");
}

void xml_text_element(struct buf *out, const char *tag, struct str text)
{
    xml_open(out, tag);
    xml_escape(out, text);
    xml_close(out, tag);
}

void xml_int_element(struct buf *out, const char *tag, int64_t value)
{
    xml_open(out, tag);
    buf_printf(out, "%lld", (long long)value);
    xml_close(out, tag);
}

void xml_bool_element(struct buf *out, const char *tag, bool value)
{
    xml_text_element(out, tag, value ? STR("true") : STR("false"));
}

// What the character becomes, or NULL when it may stay. `c` is its first byte.
static const char *escape_of(uint8_t c, char text[8])
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\t':
    case '\n': return NULL;
    default: break;
    }
    if (c >= 0x20 && c != 0x7f) {
        return NULL;
    }
    snprintf(text, 8, "&#x%X;", c);
    return text;
}

void xml_escape(struct buf *out, struct str text)
{
    size_t plain = 0; // bytes at the start that stay as they are
    while (plain < text.size) {
        size_t size = utf8_next(str_skip(text, plain));
        const char *at = text.at + plain;
        // U+FFFE and U+FFFF are UTF-8, but no characters of XML.
        bool bad = size == 0 ||
                   (size == 3 && memcmp(at, "\xef\xbf\xbe", 2) == 0 && (uint8_t)at[2] >= 0xbe);
        char escaped[8];
        const char *instead = bad ? UTF8_REPLACEMENT : escape_of((uint8_t)*at, escaped);
        if (!instead) {
            plain += size;
            continue;
        }
        buf_add_str(out, str_head(text, plain));
        buf_add_text(out, instead);
        text = str_skip(text, plain + (size ? size : 1));
        plain = 0;
    }
    buf_add_str(out, text);
}
