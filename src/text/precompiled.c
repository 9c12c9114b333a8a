// SPDX-License-Identifier: Apache-2.0
// The normalizer of sentencepiece models, compiled into a double-array trie (darts-clone's layout:
// a 32-bit unit has a label, an offset to its children, and leaves) and the texts that its leaves
// point into, each ended by a NUL.
#include "text/step.h"
#include "base/mem.h"
#include "format/base64.h"
#include "format/json.h"
#include "format/utf8.h"
#include "text/unicode.h"

#define TABLE_MAX    (16 * 1024 * 1024)
#define GRAPHEME_MAX 6 // bytes; one as long or longer is looked up by its characters

struct table {
    const char *units; // unaligned, little-endian
    size_t unit_count;
    struct str texts;
};

static uint32_t unit_at(const struct table *table, size_t i)
{
    uint32_t unit = 0;
    memcpy(&unit, table->units + 4 * i, sizeof(unit));
    return unit;
}

static struct table table_of(const struct step *step)
{
    uint32_t size = 0;
    memcpy(&size, step->table, sizeof(size));
    return (struct table){.units = step->table + 4,
                          .unit_count = size / 4,
                          .texts = str_n(step->table + 4 + size, step->table_size - 4 - size)};
}

// Where the text for the shortest beginning of `key` that has one lies; -1: none has.
static int64_t find(const struct table *table, struct str key)
{
    size_t at = 0;
    uint32_t unit = unit_at(table, 0);
    for (size_t i = 0; i < key.size; i++) {
        uint8_t byte = (uint8_t)key.at[i];
        at ^= (unit >> 10) << ((unit & 0x200) >> 6);
        at ^= byte;
        if (byte == 0 || at >= table->unit_count) {
            return -1;
        }
        unit = unit_at(table, at);
        if ((unit & 0x800000ff) != byte) {
            return -1;
        }
        if (unit & 0x100) {
            size_t leaf = at ^ ((unit >> 10) << ((unit & 0x200) >> 6));
            return leaf < table->unit_count ? (int64_t)(unit_at(table, leaf) & 0x7fffffff) : -1;
        }
    }
    return -1;
}

// The text that [begin, end) becomes; false: it stays as it is.
static bool look_up(const struct table *table, const struct chars *in, size_t begin, size_t end,
                    struct str *ret)
{
    char key[UNICODE_UTF8_MAX * GRAPHEME_MAX];
    size_t size = 0;
    for (size_t i = begin; i < end; i++) {
        size += unicode_utf8(in->at[i], key + size);
    }
    int64_t found = size < GRAPHEME_MAX ? find(table, str_n(key, size)) : -1;
    if (found < 0 || (uint64_t)found >= table->texts.size) {
        return false;
    }
    struct str rest = str_skip(table->texts, (size_t)found);
    *ret = str_cut(&rest, 0);
    return true;
}

// All of it stands for all of [at, at + count).
static void put(struct edit *edit, size_t count, struct str text)
{
    uint32_t from = edit->in->from[edit->at], to = edit->in->to[edit->at + count - 1];
    struct chars made = {0};
    struct err ignored = {0};
    if (chars_read(&made, text, &ignored) == 0) { // it has been checked
        for (size_t i = 0; i < made.count; i++) {
            chars_add(edit->out, made.at[i], from, to);
        }
    }
    chars_done(&made);
    edit_skip(edit, count);
}

static int normalize(const struct step *step, struct edit *edit, size_t end, struct err *err)
{
    (void)err;
    struct table table = table_of(step);
    while (edit->at < end) {
        size_t next = unicode_grapheme(edit->in, edit->at, end);
        struct str text;
        if (next - edit->at < GRAPHEME_MAX && look_up(&table, edit->in, edit->at, next, &text)) {
            put(edit, next - edit->at, text);
            continue;
        }
        while (edit->at < next) {
            if (look_up(&table, edit->in, edit->at, edit->at + 1, &text)) {
                put(edit, 1, text);
            } else {
                edit_replace(edit, edit->in->at[edit->at]);
            }
        }
    }
    return 0;
}

int precompiled_read(struct steps *steps, const json_t *json, struct err *err)
{
    struct str text = {0};
    struct step *step = NULL;
    CLEAN(buf_done) struct buf bytes = BUF_INIT(TABLE_MAX);
    TRY(json_get_str(json, "precompiled_charsmap", &text, err));
    if (text.size == 0) {
        return 0; // it changes nothing
    }
    int rc = base64_decode(text, &bytes, err);
    if (rc < 0) {
        return err_prefix(err, "precompiled_charsmap");
    }
    uint32_t size = 0;
    memcpy(&size, bytes.at, bytes.size < 4 ? 0 : sizeof(size));
    if (size < 4 || size % 4 || size > bytes.size - 4 ||
        !utf8_ok(str_skip(buf_str(&bytes), 4 + size))) {
        return err_set(err, ERR_INVALID, "precompiled_charsmap: not sentencepiece's table");
    }
    TRY(steps_add(steps, &step, err));
    step->rewrite = normalize;
    step->table_size = bytes.size;
    step->table = buf_steal(&bytes);
    return 0;
}
