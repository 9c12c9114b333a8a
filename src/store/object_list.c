// SPDX-License-Identifier: Apache-2.0
// Listing: one walk along the index, which jumps over everything below a rolled-up prefix instead
// of reading it.
#include "base/mem.h"
#include "store/bucket.h"
#include "store/object.h"

static const char scan_sql[] =
    "SELECT key, size, modified_ms, etag, storage_class, sum_name, sum_type FROM object "
    "WHERE bucket = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?";

// The least text above all that start with *text; false when there is none.
static bool text_raise(struct buf *text)
{
    while (text->size && (unsigned char)text->at[text->size - 1] == 0xff) {
        text->at[--text->size] = 0;
    }
    if (text->size == 0) {
        return false;
    }
    text->at[text->size - 1] = (char)(text->at[text->size - 1] + 1);
    return true;
}

// What the key is rolled up to: prefix, then up to and with the delimiter. Empty: it is not.
static struct str roll_up(const struct object_list *list, struct str key)
{
    if (!list->delimiter.size) {
        return (struct str){0};
    }
    ptrdiff_t at = str_find_str(str_skip(key, list->prefix.size), list->delimiter);
    return at < 0 ? (struct str){0}
                  : str_head(key, list->prefix.size + (size_t)at + list->delimiter.size);
}

struct walk {
    struct db *db;
    const struct object_list *list;
    int64_t bucket;
    struct buf from; // the next key is this or above
    struct buf last; // given last
    int given;
    bool more, exhausted;
};

static void walk_begin(struct walk *walk)
{
    const struct object_list *list = walk->list;
    buf_add_str(&walk->from, list->prefix);
    if (str_cmp(list->after, list->prefix) < 0 || !list->after.size) {
        return;
    }
    buf_clear(&walk->from);
    buf_add_str(&walk->from, list->after);
    // A page that ended in a rolled-up prefix goes on after all that it stands for.
    if (str_starts(list->after, list->prefix) && str_eq(roll_up(list, list->after), list->after)) {
        walk->exhausted = !text_raise(&walk->from);
    } else {
        buf_add_char(&walk->from, 0);
    }
}

static void row_read(struct walk *walk, struct query *q, struct object *ret)
{
    *ret = (struct object){
        .bucket = walk->list->bucket,
        .key = query_str(q, 0),
        .size = query_u64(q, 1),
        .modified_ms = query_i64(q, 2),
        .etag = query_str(q, 3),
        .storage_class = query_str(q, 4),
        .sum_name = query_str(q, 5),
        .sum_type = query_str(q, 6),
    };
}

// Gives keys until one is to be rolled up (1: go on from walk->from) or the end (0).
static int walk_rows(struct walk *walk, struct query *q, struct err *err)
{
    const struct object_list *list = walk->list;
    int rc;
    while ((rc = query_step(q, err)) == 1) {
        struct object object;
        row_read(walk, q, &object);
        if (walk->given == list->max) {
            walk->more = true;
            return 0;
        }
        struct str rolled = roll_up(list, object.key);
        walk->given++;
        buf_clear(&walk->last);
        buf_add_str(&walk->last, rolled.size ? rolled : object.key);
        if (!rolled.size) {
            list->on_object(list->ctx, &object);
            continue;
        }
        list->on_prefix(list->ctx, rolled);
        buf_clear(&walk->from);
        buf_add_str(&walk->from, rolled);
        return text_raise(&walk->from);
    }
    return rc;
}

static int walk_scan(struct walk *walk, const struct buf *below, struct err *err)
{
    struct query *q = NULL;
    TRY(db_query(walk->db, scan_sql, &q, err));
    query_bind_i64(q, 1, walk->bucket);
    query_bind_str(q, 2, str_not_null(buf_str(&walk->from)));
    if (below->size) {
        query_bind_str(q, 3, buf_str(below));
    } else {
        query_bind_blob(q, 3, STR("")); // a blob is above every text
    }
    query_bind_i64(q, 4, walk->list->max - walk->given + 1);
    int rc = walk_rows(walk, q, err);
    query_end(q);
    return rc;
}

int object_list(struct db *db, const struct object_list *list, struct buf *last, struct err *err)
{
    struct walk walk = {.db = db, .list = list};
    walk.bucket = bucket_id(db, list->bucket, err);
    if (walk.bucket < 0) {
        return (int)walk.bucket;
    }
    CLEAN(buf_done) struct buf below = BUF_INIT(64 * 1024);
    buf_init(&walk.from, 64 * 1024);
    buf_init(&walk.last, 64 * 1024);
    buf_add_str(&below, list->prefix);
    if (!text_raise(&below)) {
        buf_clear(&below);
    }
    walk_begin(&walk);
    int rc = list->max > 0 && !walk.exhausted;
    while (rc == 1) {
        rc = walk_scan(&walk, &below, err);
    }
    if (rc == 0 && walk.more) {
        buf_add_str(last, buf_str(&walk.last));
        rc = 1;
    }
    buf_done(&walk.from);
    buf_done(&walk.last);
    return rc;
}
