// SPDX-License-Identifier: Apache-2.0
// The bytes expected here were made with Python's struct and zlib, and read by botocore's decoder.
#include "format/eventstream.h"
#include "files.h"
#include "format/hex.h"

static void assert_hex(const struct buf *got, const char *hex)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(1024);
    hex_add(&text, got->at, got->size);
    assert_buf(&text, hex);
}

#define CHUNK                                                                                      \
    "0000006d0000005a8f3ed47f0b3a6576656e742d7479706507000c5061796c6f61644368756e6b0d3a636f6e7465" \
    "6e742d747970650700186170706c69636174696f6e2f6f637465742d73747265616d0d3a6d6573736167652d7479" \
    "70650700056576656e7461626330c8fa65"

static void test_event(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf out = BUF_INIT(1024);
    eventstream_event(&out, "PayloadChunk", "application/octet-stream", STR("abc"));
    assert_hex(&out, CHUNK);
}

// The second message's sizes and checksums are its own.
static void test_two_events(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf out = BUF_INIT(1024);
    eventstream_event(&out, "PayloadChunk", "application/octet-stream", STR("abc"));
    eventstream_event(&out, "PayloadChunk", "application/octet-stream", STR("abc"));
    assert_hex(&out, CHUNK CHUNK);
}

static void test_no_payload(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf out = BUF_INIT(1024);
    eventstream_event(&out, "PayloadChunk", "application/octet-stream", STR(""));
    assert_int_equal(out.size, strlen(CHUNK) / 2 - 3);
}

static void test_overflow(void **state)
{
    (void)state;
    for (size_t room = 0; room < strlen(CHUNK) / 2; room++) {
        CLEAN(buf_done) struct buf out = BUF_INIT(room);
        eventstream_event(&out, "PayloadChunk", "application/octet-stream", STR("abc"));
        assert_false(buf_ok(&out));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event),
        cmocka_unit_test(test_two_events),
        cmocka_unit_test(test_no_payload),
        cmocka_unit_test(test_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
