// SPDX-License-Identifier: Apache-2.0
// Base64 (RFC 4648, section 4: the standard alphabet, padded), as S3 writes checksums and Lambda
// its logs. Reading is strict: no white space, padding required, no left-over bits.
#pragma once

#include "base/buf.h"
#include "base/err.h"

#define BASE64_SIZE(size) (((size) + 2) / 3 * 4) // characters for `size` bytes, without NUL

void base64_add(struct buf *out, const void *at, size_t size);

// Writes BASE64_SIZE(size) characters and a NUL to text.
void base64_write(const void *at, size_t size, char *text);

// Appends the bytes. ERR_INVALID names the offset of the first bad character; ERR_LIMIT when out is
// full. On failure out is as before.
MUST_CHECK int base64_decode(struct str text, struct buf *out, struct err *err);

// As above for text that must hold exactly `size` bytes (a checksum).
MUST_CHECK int base64_decode_exact(struct str text, void *out, size_t size, struct err *err);
