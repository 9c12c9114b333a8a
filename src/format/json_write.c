// SPDX-License-Identifier: Apache-2.0
// JSON out: strings escaped, numbers as short as they can be, trees without recursion. Every JSON
// answer of the server is made here.
#include "base/check.h"
#include "format/json.h"
#include "format/utf8.h"

#include <math.h>
#include <stdio.h>

// The escape of a character below 0x80, or NULL when it may stay.
static const char *escape_of(uint8_t c, char text[8])
{
    switch (c) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\b': return "\\b";
    case '\f': return "\\f";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: break;
    }
    if (c >= 0x20) {
        return NULL;
    }
    snprintf(text, 8, "\\u%04X", c);
    return text;
}

void json_quote(struct buf *out, struct str text)
{
    size_t plain = 0; // bytes at the start that stay as they are
    buf_add_char(out, '"');
    while (plain < text.size) {
        size_t size = utf8_next(str_skip(text, plain));
        char escaped[8];
        const char *instead = size ? escape_of((uint8_t)text.at[plain], escaped) : UTF8_REPLACEMENT;
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
    buf_add_char(out, '"');
}

// The fewest digits that read back as the same double; always with a fraction or an exponent.
static void write_real(double value, struct buf *out)
{
    if (!isfinite(value)) {
        buf_add_text(out, "null");
        return;
    }
    char text[32];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    buf_add_text(out, text);
    if (!strpbrk(text, ".e")) {
        buf_add_text(out, ".0");
    }
}

static void write_scalar(const json_t *json, struct buf *out)
{
    switch (json_typeof(json)) {
    case JSON_STRING: json_quote(out, json_str(json)); break;
    case JSON_INTEGER: buf_printf(out, "%lld", (long long)json_integer_value(json)); break;
    case JSON_REAL: write_real(json_real_value(json), out); break;
    case JSON_TRUE: buf_add_text(out, "true"); break;
    case JSON_FALSE: buf_add_text(out, "false"); break;
    default: buf_add_text(out, "null"); break;
    }
}

struct frame {
    json_t *json;
    size_t index;
    void *iter; // of an object
};

struct writer {
    struct frame *frames;
    size_t depth, room;
    struct buf *out;
    bool indented;
};

static void new_line(const struct writer *w)
{
    if (w->indented) {
        buf_add_char(w->out, '\n');
        for (size_t i = 0; i < w->depth; i++) {
            buf_add_text(w->out, "  ");
        }
    }
}

// Writes a value, or opens it and leaves its content to the frame.
static void write_value(struct writer *w, json_t *json)
{
    bool object = json_is_object(json);
    if (!object && !json_is_array(json)) {
        write_scalar(json, w->out);
        return;
    }
    if (w->depth == w->room) {
        w->room = w->room ? w->room * 2 : 16;
        w->frames = mem_grow(w->frames, w->room * sizeof w->frames[0]);
    }
    w->frames[w->depth++] =
        (struct frame){.json = json, .iter = object ? json_object_iter(json) : NULL};
    buf_add_char(w->out, object ? '{' : '[');
}

// The next element of the innermost open value, or its end.
static void write_step(struct writer *w)
{
    struct frame *f = &w->frames[w->depth - 1];
    bool object = json_is_object(f->json);
    if (object ? !f->iter : f->index == json_array_size(f->json)) {
        w->depth--;
        if (f->index) {
            new_line(w);
        }
        buf_add_char(w->out, object ? '}' : ']');
        return;
    }
    buf_add_text(w->out, f->index ? "," : "");
    new_line(w);
    json_t *value = json_array_get(f->json, f->index);
    if (object) {
        value = json_object_iter_value(f->iter);
        json_quote(w->out, str_n(json_object_iter_key(f->iter), json_object_iter_key_len(f->iter)));
        buf_add_text(w->out, w->indented ? ": " : ":");
        f->iter = json_object_iter_next(f->json, f->iter);
    }
    f->index++;
    write_value(w, value); // may move the frames
}

static void write_tree(const json_t *json, struct buf *out, bool indented)
{
    CHECK(json != NULL);
    struct writer w = {.out = out, .indented = indented};
    write_value(&w, (json_t *)json);
    while (w.depth && buf_ok(out)) {
        write_step(&w);
    }
    free(w.frames);
}

void json_write(const json_t *json, struct buf *out)
{
    write_tree(json, out, /* indented */ false);
}

void json_write_indented(const json_t *json, struct buf *out)
{
    write_tree(json, out, /* indented */ true);
}
