// SPDX-License-Identifier: Apache-2.0
// Bytes as hexadecimal digits. Written in lower case (as hashes and signatures are), read in both.
#pragma once

#include "base/buf.h"
#include "base/err.h"

void hex_add(struct buf *out, const void *at, size_t size);

// Writes 2 * size digits and a NUL to text.
void hex_write(const void *at, size_t size, char *text);

// Exactly 2 * size digits become size bytes. Otherwise ERR_INVALID, with out half written.
MUST_CHECK int hex_decode(struct str text, void *out, size_t size, struct err *err);
