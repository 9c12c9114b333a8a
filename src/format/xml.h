// SPDX-License-Identifier: Apache-2.0
// XML as S3 speaks it. Reading: a small bounded tree (expat underneath); DOCTYPE and entities are
// refused, namespaces, attributes, comments and processing instructions are ignored. Writing: tags
// and escaped text appended to a buffer.
//
//     CLEAN(xml_clean) struct xml_node *root = NULL;
//     TRY(xml_parse(body, &root, err));
//     for (struct xml_node *o = xml_child(root, "Object"); o; o = xml_next(o)) {
//         struct str key = xml_child_text(o, "Key");
#pragma once

#include "base/buf.h"
#include "base/err.h"

#define XML_DEPTH_MAX 32
#define XML_NODE_MAX  100000
#define XML_SIZE_MAX  (8 * 1024 * 1024) // bytes of a document

struct xml_node {
    const char *name; // without prefix; NUL-terminated
    struct str text;  // all character data of this element itself, one after another
    int line;
    struct xml_node *parent, *child, *next; // first child, next sibling; document order
    struct xml_node *made_next;             // private: all nodes, from the root
};

// *ret is the root element, to be freed with xml_free; it owns all below and all text. ERR_INVALID as
// MalformedXML with line and column; ERR_LIMIT for the bounds above.
MUST_CHECK int xml_parse(struct str document, struct xml_node **ret, struct err *err);
void xml_free(struct xml_node *root); // takes NULL
void xml_clean(struct xml_node **root);

// All take NULL and then return NULL or the empty string, so that lookups may be nested.
struct xml_node *xml_child(const struct xml_node *node, const char *name); // the first of that name
struct xml_node *xml_next(const struct xml_node *node); // next sibling of the same name
struct str xml_text(const struct xml_node *node);       // trimmed of nothing: S3 keys may be spaces
struct str xml_child_text(const struct xml_node *node, const char *name);

// The text of a child that must be there. ERR_INVALID as MalformedXML, naming both elements.
MUST_CHECK int xml_need(const struct xml_node *node, const char *name, struct str *ret,
                        struct err *err);
// An integer within [least, most]; absent: *ret untouched, 0; present: 1.
MUST_CHECK int xml_child_int(const struct xml_node *node, const char *name, int64_t least,
                             int64_t most, int64_t *ret, struct err *err);
// "true" or "false"; absent: *ret untouched, 0; present: 1.
MUST_CHECK int xml_child_bool(const struct xml_node *node, const char *name, bool *ret,
                              struct err *err);

void xml_begin(struct buf *out); // <?xml version="1.0" encoding="UTF-8"?> and a newline
void xml_open(struct buf *out, const char *tag);
void xml_open_ns(struct buf *out, const char *tag, const char *xmlns); // with xmlns="…"
void xml_close(struct buf *out, const char *tag);
void xml_empty(struct buf *out, const char *tag); // <tag/>
void xml_text_element(struct buf *out, const char *tag, struct str text);
void xml_int_element(struct buf *out, const char *tag, int64_t value);
void xml_bool_element(struct buf *out, const char *tag, bool value);
// Escapes & < > " and, as S3 does, control characters and CR as &#xN;. Bytes that are not UTF-8 become
// U+FFFD.
void xml_escape(struct buf *out, struct str text);

#define XML_NS_S3 "http://s3.amazonaws.com/doc/2006-03-01/"
