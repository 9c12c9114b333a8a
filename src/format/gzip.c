// SPDX-License-Identifier: Apache-2.0
// zlib does it, a piece at a time, so that what claims to be large costs nothing before it is.
#include "format/gzip.h"
#include "base/mem.h"

#include <zlib.h>

#define PIECE       (64 * 1024)
#define EITHER_FORM (15 + 32) // inflateInit2: gzip or zlib, whichever the bytes begin as

static int expand(z_stream *z, struct buf *out, struct err *err)
{
    for (int rc = Z_OK; rc != Z_STREAM_END;) {
        size_t room = out->max - out->size < PIECE ? out->max - out->size : PIECE;
        char *to = buf_reserve(out, room);
        if (room == 0 || !to) {
            return err_set(err, ERR_LIMIT, "it expands to more than %zu bytes", out->max);
        }
        z->next_out = (unsigned char *)to;
        z->avail_out = (unsigned)room;
        rc = inflate(z, Z_NO_FLUSH);
        buf_took(out, room - z->avail_out);
        if (rc != Z_OK && rc != Z_STREAM_END) {
            return err_set(err, ERR_INVALID, "the compressed data is damaged");
        }
    }
    return z->avail_in
               ? err_set(err, ERR_INVALID, "%u bytes follow the compressed data", z->avail_in)
               : 0;
}

int gzip_expand(struct str bytes, struct buf *out, struct err *err)
{
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)bytes.at};
    if (bytes.size > UINT32_MAX || inflateInit2(&z, EITHER_FORM) != Z_OK) {
        return err_set(err, ERR_LIMIT, "the compressed data is too large");
    }
    z.avail_in = (unsigned)bytes.size;
    int rc = expand(&z, out, err);
    inflateEnd(&z);
    return rc;
}
