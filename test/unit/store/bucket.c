// SPDX-License-Identifier: Apache-2.0
// Buckets, their notifications and their unfinished uploads.
#include "tables.h"
#include "store/notification.h"
#include "store/upload.h"

static int names_add(void *ctx, const struct bucket *bucket)
{
    buf_add_str(ctx, bucket->name);
    buf_add_char(ctx, ' ');
    return 0;
}

static void bucket_is_made_once(void **state)
{
    (void)state;
    bucket_make("one");
    struct bucket again = {STR("one"), STR("eu-west-1"), 2};
    assert_int_equal(bucket_create(db, &again, &err), ERR_EXISTS);
    assert_string_equal(err.aws, "BucketAlreadyOwnedByYou");
    CLEAN(buf_done) struct buf region = BUF_INIT(64);
    assert_int_equal(bucket_region(db, STR("one"), &region, &err), 0);
    assert_string_equal(buf_text(&region), "us-east-1");
}

static void buckets_are_listed_in_order(void **state)
{
    (void)state;
    bucket_make("cc");
    bucket_make("aa");
    bucket_make("ab");
    CLEAN(buf_done) struct buf names = BUF_INIT(1000);
    assert_int_equal(bucket_each(db, STR(""), STR(""), names_add, &names, &err), 0);
    assert_string_equal(buf_text(&names), "aa ab cc ");
    buf_clear(&names);
    assert_int_equal(bucket_each(db, STR("a"), STR("aa"), names_add, &names, &err), 0);
    assert_string_equal(buf_text(&names), "ab ");
}

static void bucket_that_is_not_there(void **state)
{
    (void)state;
    struct blob_list blobs = {0};
    CLEAN(buf_done) struct buf out = BUF_INIT(64);
    assert_int_equal(bucket_id(db, STR("no"), &err), ERR_NOT_FOUND);
    assert_string_equal(err.aws, "NoSuchBucket");
    assert_int_equal(bucket_delete(db, STR("no"), &blobs, &err), ERR_NOT_FOUND);
    assert_int_equal(bucket_tags_set(db, STR("no"), STR("a=1"), &err), ERR_NOT_FOUND);
    assert_int_equal(bucket_tags_get(db, STR("no"), &out, &err), ERR_NOT_FOUND);
    assert_int_equal(notification_replace(db, STR("no"), NULL, 0, false, &err), ERR_NOT_FOUND);
    assert_int_equal(notification_eventbridge(db, STR("no"), &err), ERR_NOT_FOUND);
}

static void bucket_with_objects_stays(void **state)
{
    (void)state;
    bucket_make("full");
    object_make("full", "k");
    struct blob_list blobs = {0};
    assert_int_equal(bucket_delete(db, STR("full"), &blobs, &err), ERR_EXISTS);
    assert_string_equal(err.aws, "BucketNotEmpty");
    assert_true(bucket_id(db, STR("full"), &err) > 0);
}

static void bucket_takes_uploads_and_notifications_along(void **state)
{
    (void)state;
    bucket_make("b");
    struct upload upload = {.id = STR("u1"), .bucket = STR("b"), .key = STR("k")};
    assert_int_equal(upload_create(db, &upload, &err), 0);
    struct upload_part part = {
        .number = 1, .size = 3, .etag = STR("e"), .blob = STR("00112233445566778899aabbccddeeff")};
    struct blob_list blobs = {0};
    assert_int_equal(upload_part_put(db, STR("u1"), &part, &blobs, &err), 0);
    assert_int_equal(blobs.count, 0);
    struct notification n = {STR("n"), STR("arn"), STR("s3:ObjectCreated:*"), {0}, {0}};
    assert_int_equal(notification_replace(db, STR("b"), &n, 1, true, &err), 0);
    assert_int_equal(bucket_delete(db, STR("b"), &blobs, &err), 0);
    assert_int_equal(blobs.count, 1);
    assert_string_equal(blobs.at[0].text, "00112233445566778899aabbccddeeff");
    blob_list_done(&blobs);
    bucket_make("b"); // a new one of that name starts empty
    struct upload read_back = {0};
    assert_int_equal(upload_get(db, STR("b"), STR("k"), STR("u1"), &read_back, &err),
                     ERR_NOT_FOUND);
    assert_int_equal(notification_eventbridge(db, STR("b"), &err), 0);
}

static void tags_are_kept(void **state)
{
    (void)state;
    bucket_make("b");
    CLEAN(buf_done) struct buf tags = BUF_INIT(64);
    assert_int_equal(bucket_tags_set(db, STR("b"), STR("a=1&b=2"), &err), 0);
    assert_int_equal(bucket_tags_get(db, STR("b"), &tags, &err), 0);
    assert_string_equal(buf_text(&tags), "a=1&b=2");
}

static int notification_add(void *ctx, const struct notification *n)
{
    buf_printf(ctx, "%.*s>%.*s(%.*s)%s%.*s%s%.*s;", STR_ARG(n->id), STR_ARG(n->function),
               STR_ARG(n->events), n->prefix.at ? "^" : "", STR_ARG(n->prefix),
               n->suffix.at ? "$" : "", STR_ARG(n->suffix));
    return 0;
}

static void notifications_are_replaced_as_a_whole(void **state)
{
    (void)state;
    bucket_make("b");
    struct notification two[] = {
        {STR("z"), STR("f1"), STR("s3:ObjectCreated:*"), STR("in/"), {0}},
        {STR("a"), STR("f2"), STR("s3:ObjectRemoved:*"), {0}, STR(".jpg")},
    };
    assert_int_equal(notification_replace(db, STR("b"), two, 2, true, &err), 0);
    CLEAN(buf_done) struct buf seen = BUF_INIT(1000);
    assert_int_equal(notification_each(db, STR("b"), notification_add, &seen, &err), 0);
    assert_string_equal(buf_text(&seen),
                        "z>f1(s3:ObjectCreated:*)^in/;a>f2(s3:ObjectRemoved:*)$.jpg;");
    assert_int_equal(notification_eventbridge(db, STR("b"), &err), 1);
    assert_int_equal(notification_replace(db, STR("b"), two, 0, false, &err), 0);
    buf_clear(&seen);
    assert_int_equal(notification_each(db, STR("b"), notification_add, &seen, &err), 0);
    assert_int_equal(notification_each(db, STR("none"), notification_add, &seen, &err), 0);
    assert_int_equal(seen.size, 0);
}

static int notification_refuse(void *ctx, const struct notification *n)
{
    (void)ctx, (void)n;
    return ERR_LIMIT;
}

static void a_failing_reader_ends_the_walk(void **state)
{
    (void)state;
    bucket_make("b");
    struct notification n = {STR("n"), STR("f"), STR("s3:ObjectCreated:*"), {0}, {0}};
    assert_int_equal(notification_replace(db, STR("b"), &n, 1, false, &err), 0);
    assert_int_equal(notification_each(db, STR("b"), notification_refuse, NULL, &err), ERR_LIMIT);
    CLEAN(buf_done) struct buf seen = BUF_INIT(1000);
    assert_int_equal(notification_each(db, STR("b"), notification_add, &seen, &err), 0);
    assert_true(seen.size > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bucket_is_made_once),
        TEST(buckets_are_listed_in_order),
        TEST(bucket_that_is_not_there),
        TEST(bucket_with_objects_stays),
        TEST(bucket_takes_uploads_and_notifications_along),
        TEST(tags_are_kept),
        TEST(notifications_are_replaced_as_a_whole),
        TEST(a_failing_reader_ends_the_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
