// SPDX-License-Identifier: Apache-2.0
// The checksums of S3. Digests are OpenSSL's; CRC32 is zlib's; CRC32C uses the processor's own
// instruction where there is one; otherwise eight table look-ups take eight bytes at a time.
#include "format/checksum.h"
#include "base/check.h"
#include "format/base64.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <zlib.h>

struct kind {
    const char *name;
    const char *header;
    const char *digest; // OpenSSL's name, or NULL: a CRC
    size_t size;
    uint64_t polynomial; // reflected
};

static const struct kind kinds[CHECKSUM_KIND_COUNT] = {
    [CHECKSUM_MD5] = {"MD5", "content-md5", "MD5", 16, 0},
    [CHECKSUM_SHA1] = {"SHA1", "x-amz-checksum-sha1", "SHA1", 20, 0},
    [CHECKSUM_SHA256] = {"SHA256", "x-amz-checksum-sha256", "SHA256", 32, 0},
    [CHECKSUM_CRC32] = {"CRC32", "x-amz-checksum-crc32", NULL, 4, 0xedb88320u},
    [CHECKSUM_CRC32C] = {"CRC32C", "x-amz-checksum-crc32c", NULL, 4, 0x82f63b78u},
    [CHECKSUM_CRC64NVME] = {"CRC64NVME", "x-amz-checksum-crc64nvme", NULL, 8, 0x9a6c9329ac4bc9b5u},
};

// Row 0 is the classic table; row n is row 0 carried on over n zero bytes.
struct crc_tables {
    uint64_t row[8][256];
};

static EVP_MD *digests[CHECKSUM_KIND_COUNT];
static struct crc_tables tables_crc32c, tables_crc64;
static pthread_once_t ready = PTHREAD_ONCE_INIT;

static void tables_fill(struct crc_tables *t, uint64_t polynomial)
{
    for (unsigned i = 0; i < 256; i++) {
        uint64_t crc = i;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 1 ? crc >> 1 ^ polynomial : crc >> 1;
        }
        t->row[0][i] = crc;
    }
    for (unsigned n = 1; n < 8; n++) {
        for (unsigned i = 0; i < 256; i++) {
            uint64_t crc = t->row[n - 1][i];
            t->row[n][i] = crc >> 8 ^ t->row[0][crc & 255];
        }
    }
}

// Fetching a digest by name is slow in OpenSSL 3, so it is done once.
static void make_ready(void)
{
    tables_fill(&tables_crc32c, kinds[CHECKSUM_CRC32C].polynomial);
    tables_fill(&tables_crc64, kinds[CHECKSUM_CRC64NVME].polynomial);
    for (int i = 0; i < CHECKSUM_KIND_COUNT; i++) {
        if (kinds[i].digest) {
            digests[i] = EVP_MD_fetch(NULL, kinds[i].digest, NULL);
            CHECK(digests[i] != NULL);
        }
    }
}

static uint64_t load_u64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    return value;
}

static uint64_t crc_by_table(const struct crc_tables *t, uint64_t crc, const uint8_t *at,
                             size_t size)
{
    for (; size >= 8; size -= 8, at += 8) {
        uint64_t x = crc ^ load_u64(at);
        crc = t->row[7][x & 255] ^ t->row[6][x >> 8 & 255] ^ t->row[5][x >> 16 & 255] ^
              t->row[4][x >> 24 & 255] ^ t->row[3][x >> 32 & 255] ^ t->row[2][x >> 40 & 255] ^
              t->row[1][x >> 48 & 255] ^ t->row[0][x >> 56];
    }
    for (; size; size--, at++) {
        crc = crc >> 8 ^ t->row[0][(crc ^ *at) & 255];
    }
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint64_t crc32c_hardware(uint64_t crc, const uint8_t *at,
                                                                  size_t size)
{
    for (; size >= 8; size -= 8, at += 8) {
        crc = __builtin_ia32_crc32di(crc, load_u64(at));
    }
    for (; size; size--, at++) {
        crc = __builtin_ia32_crc32qi((uint32_t)crc, *at);
    }
    return crc;
}

static bool has_crc32c(void)
{
    return __builtin_cpu_supports("sse4.2");
}
#else
static uint64_t crc32c_hardware(uint64_t crc, const uint8_t *at, size_t size)
{
    return crc_by_table(&tables_crc32c, crc, at, size);
}

static bool has_crc32c(void)
{
    return false;
}
#endif

uint64_t checksum_crc(enum checksum_kind kind, uint64_t crc, struct str data)
{
    CHECK(checksum_combines(kind));
    const uint8_t *at = (const uint8_t *)data.at;
    if (data.size == 0) {
        return crc;
    }
    if (kind == CHECKSUM_CRC32) {
        return crc32_z((uLong)crc, at, data.size);
    }
    pthread_once(&ready, make_ready);
    if (kind == CHECKSUM_CRC64NVME) {
        return ~crc_by_table(&tables_crc64, ~crc, at, data.size);
    }
    uint64_t state = crc ^ 0xffffffffu;
    state = has_crc32c() ? crc32c_hardware(state, at, data.size)
                         : crc_by_table(&tables_crc32c, state, at, data.size);
    return state ^ 0xffffffffu;
}

size_t checksum_size(enum checksum_kind kind)
{
    return kinds[kind].size;
}

const char *checksum_name(enum checksum_kind kind)
{
    return kinds[kind].name;
}

const char *checksum_header(enum checksum_kind kind)
{
    return kinds[kind].header;
}

int checksum_kind_of_name(struct str name)
{
    for (int i = 0; i < CHECKSUM_KIND_COUNT; i++) {
        if (str_eq_nocase(name, str_of(kinds[i].name))) {
            return i;
        }
    }
    return -1;
}

int checksum_kind_of_header(struct str header)
{
    for (int i = 0; i < CHECKSUM_KIND_COUNT; i++) {
        if (str_eq_nocase(header, str_of(kinds[i].header))) {
            return i;
        }
    }
    return -1;
}

void checksum_init(struct checksum *sum, enum checksum_kind kind)
{
    CHECK((unsigned)kind < CHECKSUM_KIND_COUNT);
    *sum = (struct checksum){.kind = kind};
    if (kinds[kind].digest) {
        pthread_once(&ready, make_ready);
        sum->digest = EVP_MD_CTX_new();
        CHECK(sum->digest != NULL);
        CHECK(EVP_DigestInit_ex2(sum->digest, digests[kind], NULL) == 1);
    }
}

void checksum_add(struct checksum *sum, struct str data)
{
    if (data.size == 0) {
        return;
    }
    if (kinds[sum->kind].digest) {
        CHECK(EVP_DigestUpdate(sum->digest, data.at, data.size) == 1);
    } else {
        sum->crc = checksum_crc(sum->kind, sum->crc, data);
    }
}

static void crc_store(enum checksum_kind kind, uint64_t crc, uint8_t *out)
{
    size_t size = kinds[kind].size;
    for (size_t i = 0; i < size; i++) {
        out[i] = (uint8_t)(crc >> 8 * (size - 1 - i));
    }
}

static uint64_t crc_load(enum checksum_kind kind, const uint8_t *at)
{
    uint64_t crc = 0;
    for (size_t i = 0; i < kinds[kind].size; i++) {
        crc = crc << 8 | at[i];
    }
    return crc;
}

size_t checksum_end(struct checksum *sum, uint8_t out[CHECKSUM_SIZE_MAX])
{
    size_t size = kinds[sum->kind].size;
    if (kinds[sum->kind].digest) {
        unsigned got = 0;
        CHECK(EVP_DigestFinal_ex(sum->digest, out, &got) == 1);
        CHECK(got == size);
    } else {
        crc_store(sum->kind, sum->crc, out);
    }
    checksum_done(sum);
    return size;
}

void checksum_done(struct checksum *sum)
{
    EVP_MD_CTX_free(sum->digest);
    sum->digest = NULL;
}

size_t checksum_of(enum checksum_kind kind, struct str data, uint8_t out[CHECKSUM_SIZE_MAX])
{
    struct checksum sum;
    checksum_init(&sum, kind);
    checksum_add(&sum, data);
    return checksum_end(&sum, out);
}

bool checksum_combines(enum checksum_kind kind)
{
    return kinds[kind].polynomial != 0;
}

// a * b modulo the polynomial. Bits are reflected: the top bit of the width is x^0.
static uint64_t gf_multiply(const struct kind *kind, uint64_t a, uint64_t b)
{
    uint64_t product = 0;
    for (uint64_t bit = 1ull << (8 * kind->size - 1); bit; bit >>= 1) {
        product ^= a & bit ? b : 0;
        b = b & 1 ? b >> 1 ^ kind->polynomial : b >> 1;
    }
    return product;
}

// To append b, a's CRC is carried on over b_size zero bytes: multiplied with x^(8 * b_size).
void checksum_combine(enum checksum_kind kind, uint8_t a[CHECKSUM_SIZE_MAX],
                      const uint8_t b[CHECKSUM_SIZE_MAX], uint64_t b_size)
{
    CHECK(checksum_combines(kind));
    const struct kind *k = &kinds[kind];
    unsigned width = (unsigned)(8 * k->size);
    uint64_t shift = 1ull << (width - 1);  // x^0
    uint64_t square = 1ull << (width - 9); // x^8, x^16, x^32, …
    for (uint64_t n = b_size; n; n >>= 1) {
        if (n & 1) {
            shift = gf_multiply(k, shift, square);
        }
        square = gf_multiply(k, square, square);
    }
    crc_store(kind, gf_multiply(k, shift, crc_load(kind, a)) ^ crc_load(kind, b), a);
}

void checksum_text_composite(enum checksum_kind kind, const uint8_t *bytes, unsigned parts,
                             struct buf *out)
{
    base64_add(out, bytes, kinds[kind].size);
    buf_printf(out, "-%u", parts);
}

bool checksum_same(const void *a, const void *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}
