// SPDX-License-Identifier: Apache-2.0
// gRPC's framing, times, texts and statuses; what is compressed and what only says so.
#include "format/grpc.h"
#include "base/mem.h"
#include "format/gzip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include <cmocka.h>

// All messages in pieces of that size, each followed by '|', a compressed one by '!'.
static int read_all(struct str bytes, size_t piece_size, struct buf *out, bool *ret_between,
                    struct err *err)
{
    CLEAN(grpc_reader_done) struct grpc_reader reader;
    int rc = 0;
    grpc_reader_init(&reader, 8);
    while (bytes.size && rc >= 0) {
        struct str piece = str_head(bytes, piece_size);
        bytes = str_skip(bytes, piece_size);
        while ((rc = grpc_read(&reader, &piece, err)) > 0) {
            buf_add_str(out, buf_str(&reader.message));
            buf_add_char(out, reader.compressed ? '!' : '|');
        }
    }
    *ret_between = grpc_between(&reader);
    return rc;
}

static void messages_come_in_any_pieces(void **state)
{
    (void)state;
    struct str bytes = STR("\0\0\0\0\3abc\0\0\0\0\0\1\0\0\0\10defghijk");
    for (size_t size = 1; size <= bytes.size; size++) {
        CLEAN(buf_done) struct buf out = BUF_INIT(64);
        struct err err = {0};
        bool between = false;
        assert_int_equal(read_all(bytes, size, &out, &between, &err), 0);
        assert_string_equal(buf_text(&out), "abc||defghijk!");
        assert_true(between);
    }
}

static void ends_in_the_middle_are_seen(void **state)
{
    (void)state;
    struct str bytes = STR("\0\0\0\0\3abc");
    for (size_t size = 1; size < bytes.size; size++) {
        CLEAN(buf_done) struct buf out = BUF_INIT(64);
        struct err err = {0};
        bool between = true;
        assert_int_equal(read_all(str_head(bytes, size), 100, &out, &between, &err), 0);
        assert_false(between);
    }
}

static void bad_prefixes_are_refused(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf out = BUF_INIT(64);
    struct err err = {0};
    bool between;
    assert_int_equal(read_all(STR("\2\0\0\0\1a"), 1, &out, &between, &err), ERR_PROTOCOL);
    assert_int_equal(read_all(STR("\0\0\0\0\11"), 1, &out, &between, &err), ERR_LIMIT);
    assert_int_equal(read_all(STR("\0\xff\xff\xff\xff"), 9, &out, &between, &err), ERR_LIMIT);
    assert_int_equal(out.size, 0);
}

static void prefixes_are_written(void **state)
{
    (void)state;
    char prefix[GRPC_PREFIX_SIZE];
    grpc_prefix(prefix, 0x01020304);
    assert_memory_equal(prefix, "\0\1\2\3\4", 5);
}

static void times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us; // -1: none
    } rows[] = {
        {"1H", 3600000000},
        {"2M", 120000000},
        {"3S", 3000000},
        {"4m", 4000},
        {"5u", 5},
        {"1n", 1},
        {"1001n", 2},
        {"0S", 0},
        {"S", -1},
        {"", -1},
        {"99999999H", 359999996400000000},
        {"999999999S", -1},
        {"1s", -1},
        {"-1S", -1},
        {"1 S", -1},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int64_t us = -1;
        struct err err = {0};
        int rc = grpc_timeout(str_of(rows[i].text), &us, &err);
        assert_int_equal(rc, rows[i].us < 0 ? ERR_INVALID : 0);
        assert_int_equal(us, rows[i].us);
    }
}

static void texts(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf out = BUF_INIT(256);
    grpc_message_write(&out, STR("a b~\"100%\" \xc3\xbc\n\x7f"));
    assert_string_equal(buf_text(&out), "a b~\"100%25\" %C3%BC%0A%7F");
}

static void statuses(void **state)
{
    (void)state;
    static const struct {
        int code, status;
    } rows[] = {
        {0, GRPC_OK},
        {ERR_INVALID, GRPC_INVALID_ARGUMENT},
        {ERR_NOT_FOUND, GRPC_NOT_FOUND},
        {ERR_DENIED, GRPC_PERMISSION_DENIED},
        {ERR_LIMIT, GRPC_RESOURCE_EXHAUSTED},
        {ERR_BUSY, GRPC_RESOURCE_EXHAUSTED},
        {ERR_TIMEOUT, GRPC_DEADLINE_EXCEEDED},
        {ERR_UNAVAILABLE, GRPC_UNAVAILABLE},
        {ERR_UNSUPPORTED, GRPC_UNIMPLEMENTED},
        {ERR_PROTOCOL, GRPC_INTERNAL},
        {ERR_FUNCTION, GRPC_INTERNAL},
        {ERR_IO, GRPC_INTERNAL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(grpc_status_of(rows[i].code), rows[i].status);
    }
}

// gzip, or zlib's form.
static size_t compress_to(struct str plain, bool gzip, char *to, size_t room)
{
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)plain.at,
                  .avail_in = (unsigned)plain.size,
                  .next_out = (unsigned char *)to,
                  .avail_out = (unsigned)room};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, gzip ? 31 : 15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

static void what_is_compressed_expands(void **state)
{
    (void)state;
    static char plain[200000], packed[300000];
    for (size_t i = 0; i < sizeof plain; i++) {
        plain[i] = (char)(i * i >> 7);
    }
    for (int gzip = 0; gzip < 2; gzip++) {
        for (size_t size = 0; size <= sizeof plain; size = size * 3 + 1) {
            CLEAN(buf_done) struct buf out = BUF_INIT(sizeof plain);
            struct err err = {0};
            size_t got = compress_to(str_n(plain, size), gzip, packed, sizeof packed);
            assert_int_equal(gzip_expand(str_n(packed, got), &out, &err), 0);
            assert_int_equal(out.size, size);
            assert_memory_equal(buf_text(&out), plain, size);
            CLEAN(buf_done) struct buf cut = BUF_INIT(sizeof plain);
            assert_int_equal(gzip_expand(str_n(packed, got - 1), &cut, &err), ERR_INVALID);
            packed[got] = 'x';
            CLEAN(buf_done) struct buf more = BUF_INIT(sizeof plain);
            assert_int_equal(gzip_expand(str_n(packed, got + 1), &more, &err), ERR_INVALID);
        }
    }
}

static void bombs_stop_at_the_bound(void **state)
{
    (void)state;
    static char plain[4 * 1024 * 1024], packed[65536];
    size_t got = compress_to(str_n(plain, sizeof plain), true, packed, sizeof packed);
    CLEAN(buf_done) struct buf out = BUF_INIT(100000);
    struct err err = {0};
    assert_int_equal(gzip_expand(str_n(packed, got), &out, &err), ERR_LIMIT);
    assert_true(out.room <= 200000);
    CLEAN(buf_done) struct buf none = BUF_INIT(1000);
    assert_int_equal(gzip_expand(STR("no gzip at all"), &none, &err), ERR_INVALID);
    assert_int_equal(gzip_expand(STR(""), &none, &err), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_in_any_pieces),
        cmocka_unit_test(ends_in_the_middle_are_seen),
        cmocka_unit_test(bad_prefixes_are_refused),
        cmocka_unit_test(prefixes_are_written),
        cmocka_unit_test(times),
        cmocka_unit_test(texts),
        cmocka_unit_test(statuses),
        cmocka_unit_test(what_is_compressed_expands),
        cmocka_unit_test(bombs_stop_at_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
