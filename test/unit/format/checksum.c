// SPDX-License-Identifier: Apache-2.0
#include "format/checksum.h"
#include "files.h"
#include "format/hex.h"

// The check values of the catalogues of CRCs and of the RFCs: of "123456789".
static const char *const known[CHECKSUM_KIND_COUNT] = {
    [CHECKSUM_MD5] = "25f9e794323b453885f5181f1b624d0b",
    [CHECKSUM_SHA1] = "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    [CHECKSUM_SHA256] = "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
    [CHECKSUM_CRC32] = "cbf43926",
    [CHECKSUM_CRC32C] = "e3069283",
    [CHECKSUM_CRC64NVME] = "ae8b14860a799888",
};

static void assert_hex(const uint8_t *bytes, size_t size, const char *want)
{
    char text[2 * CHECKSUM_SIZE_MAX + 1];
    hex_write(bytes, size, text);
    assert_string_equal(text, want);
}

static void test_known(void **state)
{
    (void)state;
    for (int kind = 0; kind < CHECKSUM_KIND_COUNT; kind++) {
        uint8_t out[CHECKSUM_SIZE_MAX];
        size_t size = checksum_of(kind, STR("123456789"), out);
        assert_int_equal(size, checksum_size(kind));
        assert_hex(out, size, known[kind]);
    }
}

static void test_empty(void **state)
{
    (void)state;
    uint8_t out[CHECKSUM_SIZE_MAX];
    size_t size = checksum_of(CHECKSUM_MD5, (struct str){0}, out);
    assert_hex(out, size, "d41d8cd98f00b204e9800998ecf8427e");
    size = checksum_of(CHECKSUM_CRC64NVME, (struct str){0}, out);
    assert_hex(out, size, "0000000000000000");
}

static void fill(uint8_t *bytes, size_t size)
{
    uint32_t seed = 12345;
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(seed >> 24);
    }
}

// Bit by bit, straight from the definition, as the reference for every length and alignment.
static uint64_t crc_slow(enum checksum_kind kind, const uint8_t *at, size_t size)
{
    uint64_t polynomial = kind == CHECKSUM_CRC32    ? 0xedb88320u
                          : kind == CHECKSUM_CRC32C ? 0x82f63b78u
                                                    : 0x9a6c9329ac4bc9b5u;
    uint64_t mask = kind == CHECKSUM_CRC64NVME ? UINT64_MAX : UINT32_MAX;
    uint64_t crc = mask;
    for (size_t i = 0; i < size; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 1 ? crc >> 1 ^ polynomial : crc >> 1;
        }
    }
    return crc ^ mask;
}

static void test_against_bitwise(void **state)
{
    (void)state;
    uint8_t bytes[300];
    fill(bytes, sizeof bytes);
    for (int kind = CHECKSUM_CRC32; kind <= CHECKSUM_CRC64NVME; kind++) {
        for (size_t from = 0; from < 9; from++) {
            for (size_t size = 0; size < 64; size++) {
                assert_true(checksum_crc(kind, 0, str_n(bytes + from, size)) ==
                            crc_slow(kind, bytes + from, size));
            }
        }
        assert_true(checksum_crc(kind, 0, str_n(bytes, 300)) == crc_slow(kind, bytes, 300));
    }
}

static void test_pieces(void **state)
{
    (void)state;
    uint8_t bytes[1000], whole[CHECKSUM_SIZE_MAX], pieces[CHECKSUM_SIZE_MAX];
    fill(bytes, sizeof bytes);
    for (int kind = 0; kind < CHECKSUM_KIND_COUNT; kind++) {
        size_t size = checksum_of(kind, str_n(bytes, sizeof bytes), whole);
        CLEAN(checksum_done) struct checksum sum;
        checksum_init(&sum, kind);
        size_t at = 0;
        for (size_t step = 0; at < sizeof bytes; at += step, step = step * 2 + 1) {
            step = step < sizeof bytes - at ? step : sizeof bytes - at;
            checksum_add(&sum, str_n(bytes + at, step));
        }
        assert_int_equal(checksum_end(&sum, pieces), size);
        assert_true(checksum_same(whole, pieces, size));
        pieces[0] ^= 1;
        assert_false(checksum_same(whole, pieces, size));
    }
}

static void test_combine(void **state)
{
    (void)state;
    uint8_t bytes[700], whole[CHECKSUM_SIZE_MAX];
    fill(bytes, sizeof bytes);
    for (int kind = CHECKSUM_CRC32; kind <= CHECKSUM_CRC64NVME; kind++) {
        assert_true(checksum_combines(kind));
        for (size_t cut = 0; cut <= sizeof bytes; cut += 70) {
            uint8_t a[CHECKSUM_SIZE_MAX], b[CHECKSUM_SIZE_MAX];
            size_t size = checksum_of(kind, str_n(bytes, sizeof bytes), whole);
            checksum_of(kind, str_n(bytes, cut), a);
            checksum_of(kind, str_n(bytes + cut, sizeof bytes - cut), b);
            checksum_combine(kind, a, b, sizeof bytes - cut);
            assert_memory_equal(a, whole, size);
        }
    }
    assert_false(checksum_combines(CHECKSUM_MD5));
    assert_false(checksum_combines(CHECKSUM_SHA256));
}

static void test_names(void **state)
{
    (void)state;
    for (int kind = 0; kind < CHECKSUM_KIND_COUNT; kind++) {
        assert_int_equal(checksum_kind_of_name(str_of(checksum_name(kind))), kind);
        assert_int_equal(checksum_kind_of_header(str_of(checksum_header(kind))), kind);
    }
    assert_int_equal(checksum_kind_of_name(STR("crc64nvme")), CHECKSUM_CRC64NVME);
    assert_int_equal(checksum_kind_of_header(STR("X-Amz-Checksum-CRC32C")), CHECKSUM_CRC32C);
    assert_int_equal(checksum_kind_of_name(STR("CRC3")), -1);
    assert_int_equal(checksum_kind_of_name(STR("")), -1);
    assert_int_equal(checksum_kind_of_header(STR("x-amz-checksum-type")), -1);
}

static void test_composite_text(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf out = BUF_INIT(100);
    checksum_text_composite(CHECKSUM_CRC32C, (const uint8_t *)"\0\0\0\1", 3, &out);
    assert_buf(&out, "AAAAAQ==-3");
}

static void test_done_twice(void **state)
{
    (void)state;
    struct checksum sum = {0};
    checksum_done(&sum);
    checksum_init(&sum, CHECKSUM_SHA256);
    checksum_done(&sum);
    checksum_done(&sum);
    assert_null(sum.digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),           cmocka_unit_test(test_empty),
        cmocka_unit_test(test_against_bitwise), cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_combine),         cmocka_unit_test(test_names),
        cmocka_unit_test(test_composite_text),  cmocka_unit_test(test_done_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
