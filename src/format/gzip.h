// SPDX-License-Identifier: Apache-2.0
// What a client has compressed (gzip, or the zlib form that HTTP calls deflate), expanded in memory.
#pragma once

#include "base/buf.h"
#include "base/err.h"

// Appends to `out`. ERR_INVALID: it is neither, is damaged or does not end where the bytes do;
// ERR_LIMIT: it does not fit: nothing beyond out->max is ever made.
MUST_CHECK int gzip_expand(struct str bytes, struct buf *out, struct err *err);
