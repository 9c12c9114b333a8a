// SPDX-License-Identifier: Apache-2.0
// Objects: put under conditions, read back, listed, swept.
#include "tables.h"
#include "store/upload.h"

static void object_is_read_as_it_was_put(void **state)
{
    (void)state;
    bucket_make("b");
    struct object put = {
        .bucket = STR("b"),
        .key = STR("a/../\xc3\xa9//x"),
        .size = 3,
        .data = {"\0\1\2", 3},
        .etag = STR("etag"),
        .headers = STR("Content-Type: image/png\nx-amz-meta-a: b: c\n"),
        .tags = STR("k=v"),
        .storage_class = STR("GLACIER_IR"),
        .sum_name = STR("CRC32"),
        .sum = STR("AAAAAA=="),
        .sum_type = STR("FULL_OBJECT"),
        .parts = STR("1 3 x\n"),
        .modified_ms = 1234,
    };
    struct object_change change = {0};
    assert_int_equal(object_put(db, &put, NULL, &change, &err), 0);
    assert_false(change.existed);
    assert_int_equal(change.blobs.count, 0);
    CLEAN(object_done) struct object got = {0};
    assert_int_equal(object_get(db, put.bucket, put.key, true, &got, &err), 1);
    assert_int_equal(got.size, 3);
    assert_true(str_eq(got.data, put.data));
    assert_int_equal(got.sequencer, change.sequencer);
    assert_str_equal(got.etag, "etag");
    assert_str_equal(got.tags, "k=v");
    assert_str_equal(got.storage_class, "GLACIER_IR");
    assert_str_equal(got.sum, "AAAAAA==");
    assert_str_equal(got.sum_type, "FULL_OBJECT");
    assert_str_equal(got.parts, "1 3 x\n");
    assert_str_equal(object_header(&got, "content-type"), "image/png");
    assert_str_equal(object_header(&got, "x-amz-meta-a"), "b: c");
    assert_null(object_header(&got, "x-amz-meta").at);
}

static void what_is_not_there_is_said(void **state)
{
    (void)state;
    struct object got = {0};
    assert_int_equal(object_get(db, STR("b"), STR("k"), true, &got, &err), 0);
    struct object put = {.bucket = STR("b"), .key = STR("k")};
    struct object_change change = {0};
    assert_int_equal(object_put(db, &put, NULL, &change, &err), ERR_NOT_FOUND);
    assert_string_equal(err.aws, "NoSuchBucket");
    bucket_make("b");
    assert_int_equal(object_get(db, STR("b"), STR("k"), false, &got, &err), 0);
    assert_int_equal(object_delete(db, STR("b"), STR("k"), 1, NULL, &change, &err), 0);
    assert_false(change.existed);
    assert_int_equal(object_tags_set(db, STR("b"), STR("k"), STR("a=b"), &err), ERR_NOT_FOUND);
    assert_string_equal(err.aws, "NoSuchKey");
    struct object_content content = {0};
    assert_int_equal(object_open(db, dir, STR("b"), STR("k"), &content, &err), ERR_NOT_FOUND);
    assert_string_equal(err.aws, "NoSuchKey");
}

static void sequencers_rise_though_the_clock_does_not(void **state)
{
    (void)state;
    bucket_make("b");
    uint64_t last = 0;
    const int64_t times[] = {5000, 5000, 4000, 9000};
    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        struct object_change change = {0};
        struct object put = {.bucket = STR("b"), .key = STR("k"), .modified_ms = times[i]};
        assert_int_equal(object_put(db, &put, NULL, &change, &err), 0);
        assert_true(change.sequencer > last);
        assert_int_equal(change.existed, i > 0);
        last = change.sequencer;
    }
    struct object_change change = {0};
    assert_int_equal(object_delete(db, STR("b"), STR("k"), 1, NULL, &change, &err), 0);
    assert_true(change.existed);
    assert_true(change.sequencer > last);
}

static int put_if(const char *if_match, bool if_none_match)
{
    struct object put = {.bucket = STR("b"), .key = STR("k"), .etag = STR("new")};
    struct object_condition condition = {str_of(if_match), if_none_match};
    struct object_change change = {0};
    return object_put(db, &put, &condition, &change, &err);
}

static void conditions_hold_or_nothing_changes(void **state)
{
    (void)state;
    bucket_make("b");
    assert_int_equal(put_if("e", false), ERR_NOT_FOUND);
    assert_int_equal(put_if(NULL, true), 0); // made
    assert_int_equal(put_if(NULL, true), ERR_INVALID);
    assert_string_equal(err.aws, "PreconditionFailed");
    object_make("b", "k"); // etag "e"
    assert_int_equal(put_if("other", false), ERR_INVALID);
    CLEAN(object_done) struct object got = {0};
    assert_int_equal(object_get(db, STR("b"), STR("k"), true, &got, &err), 1);
    assert_str_equal(got.etag, "e");
    assert_int_equal(put_if("e", false), 0);
    assert_int_equal(put_if("*", false), 0);
    struct object_condition condition = {.if_match = STR("e")};
    struct object_change change = {0};
    assert_int_equal(object_delete(db, STR("b"), STR("k"), 1, &condition, &change, &err),
                     ERR_INVALID);
}

static void replaced_blobs_are_handed_out(void **state)
{
    (void)state;
    bucket_make("b");
    struct blob_id first = blob_id_new(), second = blob_id_new();
    struct object put = {
        .bucket = STR("b"), .key = STR("k"), .size = 9, .blob = str_of(first.text)};
    struct object_change change = {0};
    assert_int_equal(object_put(db, &put, NULL, &change, &err), 0);
    put.blob = str_of(second.text);
    assert_int_equal(object_put(db, &put, NULL, &change, &err), 0);
    assert_int_equal(object_delete(db, STR("b"), STR("k"), 1, NULL, &change, &err), 0);
    assert_int_equal(change.blobs.count, 2);
    assert_string_equal(change.blobs.at[0].text, first.text);
    assert_string_equal(change.blobs.at[1].text, second.text);
    object_change_done(&change);
}

static void content_is_opened(void **state)
{
    (void)state;
    bucket_make("b");
    struct object_change change = {0};
    assert_int_equal(object_put_small(db, STR("b"), STR("small"), STR("{}"), STR("md5"),
                                      STR("Content-Type: application/json\n"), 7000, &change, &err),
                     0);
    CLEAN(object_content_done) struct object_content small = {.fd = -1};
    assert_int_equal(object_open(db, dir, STR("b"), STR("small"), &small, &err), 0);
    assert_int_equal(small.fd, -1);
    assert_string_equal(buf_text(&small.data), "{}");
    assert_string_equal(small.content_type, "application/json");

    struct blob_id id = blob_id_new();
    CLEAN_FD int fd = blob_create(dir, &id, &err);
    assert_int_equal(blob_write(fd, STR("large"), &err), 0);
    struct object put = {
        .bucket = STR("b"), .key = STR("large"), .size = 5, .blob = str_of(id.text)};
    assert_int_equal(object_put(db, &put, NULL, &change, &err), 0);
    CLEAN(object_content_done) struct object_content large = {.fd = -1};
    assert_int_equal(object_open(db, dir, STR("b"), STR("large"), &large, &err), 0);
    assert_int_equal(large.size, 5);
    char bytes[8] = "";
    assert_int_equal(pread(large.fd, bytes, sizeof bytes, 0), 5);
    assert_string_equal(bytes, "large");
    blob_remove(dir, &id); // a damaged store is said, not served
    struct object_content gone = {.fd = -1};
    assert_int_equal(object_open(db, dir, STR("b"), STR("large"), &gone, &err), ERR_CORRUPT);
}

static void sweep_keeps_what_rows_name(void **state)
{
    (void)state;
    bucket_make("b");
    struct blob_id of_object = blob_id_new(), of_part = blob_id_new(), orphan = blob_id_new();
    close(blob_create(dir, &of_object, &err));
    close(blob_create(dir, &of_part, &err));
    close(blob_create(dir, &orphan, &err));
    struct object put = {.bucket = STR("b"), .key = STR("k"), .blob = str_of(of_object.text)};
    struct object_change change = {0};
    assert_int_equal(object_put(db, &put, NULL, &change, &err), 0);
    struct upload upload = {.id = STR("u"), .bucket = STR("b"), .key = STR("k")};
    assert_int_equal(upload_create(db, &upload, &err), 0);
    struct upload_part part = {.number = 1, .blob = str_of(of_part.text)};
    struct blob_list blobs = {0};
    assert_int_equal(upload_part_put(db, STR("u"), &part, &blobs, &err), 0);
    uint64_t removed = 0;
    assert_int_equal(object_sweep(dir, db, &removed, &err), 0);
    assert_int_equal(removed, 1);
    CLEAN_FD int a = blob_open(dir, &of_object, &err);
    CLEAN_FD int b = blob_open(dir, &of_part, &err);
    assert_true(a >= 0 && b >= 0);
    assert_int_equal(blob_open(dir, &orphan, &err), ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(object_is_read_as_it_was_put),
        TEST(what_is_not_there_is_said),
        TEST(sequencers_rise_though_the_clock_does_not),
        TEST(conditions_hold_or_nothing_changes),
        TEST(replaced_blobs_are_handed_out),
        TEST(content_is_opened),
        TEST(sweep_keeps_what_rows_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
