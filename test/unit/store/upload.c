// SPDX-License-Identifier: Apache-2.0
// Multipart uploads: parts that are replaced, listed, removed with their blobs.
#include "tables.h"
#include "store/upload.h"

static void upload_make(const char *key, const char *id)
{
    struct upload upload = {
        .id = str_of(id), .bucket = STR("b"), .key = str_of(key), .headers = STR("A: b\n")};
    assert_int_equal(upload_create(db, &upload, &err), 0);
}

static struct blob_id part_make(const char *id, int number, struct blob_list *blobs)
{
    struct blob_id blob = blob_id_new();
    struct upload_part part = {
        .number = number, .size = 10, .etag = STR("e"), .blob = str_of(blob.text)};
    assert_int_equal(upload_part_put(db, str_of(id), &part, blobs, &err), 0);
    return blob;
}

static int part_add(void *ctx, const struct upload_part *part)
{
    buf_printf(ctx, "%d:%.4s ", part->number, part->blob.at);
    return 0;
}

static void parts_are_replaced(void **state)
{
    (void)state;
    bucket_make("b");
    upload_make("k", "u");
    struct blob_list blobs = {0};
    struct blob_id second = part_make("u", 2, &blobs);
    struct blob_id first = part_make("u", 1, &blobs);
    assert_int_equal(blobs.count, 0);
    struct blob_id again = part_make("u", 2, &blobs);
    assert_int_equal(blobs.count, 1);
    assert_string_equal(blobs.at[0].text, second.text);
    CLEAN(buf_done) struct buf seen = BUF_INIT(100);
    assert_int_equal(upload_part_each(db, STR("u"), 0, part_add, &seen, &err), 0);
    CLEAN_MEM char *expected = mem_printf("1:%.4s 2:%.4s ", first.text, again.text);
    assert_string_equal(buf_text(&seen), expected);
    buf_clear(&seen);
    assert_int_equal(upload_part_each(db, STR("u"), 1, part_add, &seen, &err), 0);
    assert_int_equal(seen.size, 7);
    assert_int_equal(upload_delete(db, STR("u"), &blobs, &err), 0);
    assert_int_equal(blobs.count, 3);
    buf_clear(&seen);
    assert_int_equal(upload_part_each(db, STR("u"), 0, part_add, &seen, &err), 0);
    assert_int_equal(seen.size, 0);
    blob_list_done(&blobs);
}

static void upload_that_is_not_there(void **state)
{
    (void)state;
    bucket_make("b");
    upload_make("k", "u");
    struct upload got = {0};
    assert_int_equal(upload_get(db, STR("b"), STR("other"), STR("u"), &got, &err), ERR_NOT_FOUND);
    assert_string_equal(err.aws, "NoSuchUpload");
    assert_int_equal(upload_get(db, STR("c"), STR("k"), STR("u"), &got, &err), ERR_NOT_FOUND);
    struct blob_list blobs = {0};
    struct upload_part part = {.number = 1, .blob = STR("x")};
    assert_int_equal(upload_part_put(db, STR("no"), &part, &blobs, &err), ERR_NOT_FOUND);
    assert_int_equal(upload_delete(db, STR("no"), &blobs, &err), ERR_NOT_FOUND);
    struct upload stray = {.id = STR("v"), .bucket = STR("none"), .key = STR("k")};
    assert_int_equal(upload_create(db, &stray, &err), ERR_NOT_FOUND);
    assert_string_equal(err.aws, "NoSuchBucket");
    assert_int_equal(upload_get(db, STR("b"), STR("k"), STR("u"), &got, &err), 0);
    assert_str_equal(got.headers, "A: b\n");
    upload_done(&got);
}

static int upload_add(void *ctx, const struct upload *upload)
{
    buf_printf(ctx, "%.*s/%.*s ", STR_ARG(upload->key), STR_ARG(upload->id));
    return 0;
}

static void uploads_are_listed(void **state)
{
    (void)state;
    bucket_make("b");
    upload_make("k", "2");
    upload_make("k", "1");
    upload_make("a", "3");
    upload_make("z", "4");
    CLEAN(buf_done) struct buf seen = BUF_INIT(100);
    assert_int_equal(upload_each(db, STR("b"), STR(""), STR(""), STR(""), upload_add, &seen, &err),
                     0);
    assert_string_equal(buf_text(&seen), "a/3 k/1 k/2 z/4 ");
    buf_clear(&seen);
    assert_int_equal(
        upload_each(db, STR("b"), STR("k"), STR("k"), STR("1"), upload_add, &seen, &err), 0);
    assert_string_equal(buf_text(&seen), "k/2 ");
    assert_int_equal(upload_each(db, STR("x"), STR(""), STR(""), STR(""), upload_add, &seen, &err),
                     ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(parts_are_replaced),
        TEST(upload_that_is_not_there),
        TEST(uploads_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
