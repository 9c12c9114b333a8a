// SPDX-License-Identifier: Apache-2.0
// The checksums of S3, computed piece by piece: one table row per kind. CRCs come out as big-endian
// bytes, as S3 writes them in base64.
//
//     CLEAN(checksum_done) struct checksum sum;
//     checksum_init(&sum, CHECKSUM_CRC64NVME);
//     checksum_add(&sum, data);  …
//     uint8_t bytes[CHECKSUM_SIZE_MAX];
//     size_t size = checksum_end(&sum, bytes);
#pragma once

#include "base/buf.h"
#include "base/err.h"

#define CHECKSUM_SIZE_MAX 32
#define CHECKSUM_TEXT_MAX 45 // base64 of the longest, with NUL

enum checksum_kind {
    CHECKSUM_MD5,
    CHECKSUM_SHA1,
    CHECKSUM_SHA256,
    CHECKSUM_CRC32,     // ISO-HDLC, as zlib's
    CHECKSUM_CRC32C,    // Castagnoli
    CHECKSUM_CRC64NVME, // reflected polynomial 0x9a6c9329ac4bc9b5
    CHECKSUM_KIND_COUNT
};

struct checksum {
    enum checksum_kind kind;
    uint64_t crc; // the three CRCs, finished form
    void *digest; // EVP_MD_CTX of the other kinds, else NULL
};

size_t checksum_size(enum checksum_kind kind);      // bytes: 16, 20, 32, 4, 4, 8
const char *checksum_name(enum checksum_kind kind); // "CRC64NVME"; as in x-amz-checksum-algorithm
const char *
checksum_header(enum checksum_kind kind); // "x-amz-checksum-crc64nvme"; MD5: "content-md5"
// By name in any case ("sha256", "CRC32C") or by header name. -1 when there is none.
int checksum_kind_of_name(struct str name);
int checksum_kind_of_header(struct str header);

void checksum_init(struct checksum *sum, enum checksum_kind kind);
void checksum_add(struct checksum *sum, struct str data);
// Writes checksum_size(kind) bytes, releases what sum holds, returns the size.
size_t checksum_end(struct checksum *sum, uint8_t out[CHECKSUM_SIZE_MAX]);
void checksum_done(struct checksum *sum); // releases without a result; survives a zeroed one

// The whole in one call. Returns the size.
size_t checksum_of(enum checksum_kind kind, struct str data, uint8_t out[CHECKSUM_SIZE_MAX]);

// The CRC kinds, continued from an earlier value (0 to begin), for those who keep the bare number.
uint64_t checksum_crc(enum checksum_kind kind, uint64_t crc, struct str data);

// FULL_OBJECT of a multipart upload: the CRC of a ++ b from both CRCs and the size of b. Bytes as
// written by checksum_end. CRC kinds only.
void checksum_combine(enum checksum_kind kind, uint8_t a[CHECKSUM_SIZE_MAX],
                      const uint8_t b[CHECKSUM_SIZE_MAX], uint64_t b_size);
bool checksum_combines(enum checksum_kind kind);

// COMPOSITE of a multipart upload is the checksum of the parts' checksum bytes one after another:
// checksum_init(kind), checksum_add(each part's bytes), checksum_end, and S3 appends "-<parts>".
void checksum_text_composite(enum checksum_kind kind, const uint8_t *bytes, unsigned parts,
                             struct buf *out);

// Compares without telling by its time where the difference is.
bool checksum_same(const void *a, const void *b, size_t size);
