// SPDX-License-Identifier: Apache-2.0
// Bodies with `Content-Encoding: aws-chunked` (x-amz-content-sha256: STREAMING-…), decoded as they
// arrive, in constant memory:
//
//     400;chunk-signature=<64 hex>\r\n  <1024 bytes>\r\n  …  0;chunk-signature=<64 hex>\r\n
//     x-amz-checksum-crc32c:AAAAAA==\r\n  x-amz-trailer-signature:<64 hex>\r\n  \r\n
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html (and …-trailers.html)
// A chunk's signature can be checked only after its data was handed on: what on_data got counts only
// once aws_chunked_end said so.
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "format/checksum.h"
#include "format/sigv4.h"

#define AWS_CHUNKED_LINE_MAX    4096 // bytes of a chunk header or trailer line
#define AWS_CHUNKED_TRAILER_MAX 16   // trailers of a body

struct aws_chunked_options {
    bool trailer;              // the body ends in trailers (…-TRAILER)
    struct sigv4_chain *chain; // checks signatures; borrowed. NULL: unsigned
    bool has_decoded_size;     // x-amz-decoded-content-length was given:
    uint64_t decoded_size;     // the data must be exactly this long
    // Called with each piece of data, a view into the fed piece. A negative return ends it all.
    int (*on_data)(void *ctx, struct str data, struct err *err);
    // Called for each trailer but the signature, name in lower case, after it was checked.
    int (*on_trailer)(void *ctx, struct str name, struct str value, struct err *err);
    void *ctx;
};

enum aws_chunked_state {
    AWS_CHUNKED_HEADER,
    AWS_CHUNKED_DATA,
    AWS_CHUNKED_DATA_END, // the CRLF after the data
    AWS_CHUNKED_TRAILER,
    AWS_CHUNKED_LAST_LINE, // the empty line after the last chunk
    AWS_CHUNKED_DONE,
    AWS_CHUNKED_FAILED
};

struct aws_chunked {
    struct aws_chunked_options options;
    enum aws_chunked_state state;
    struct buf line;     // an unfinished line
    struct buf trailers; // "name:value\n" as they are signed
    unsigned trailer_count;
    uint64_t chunk_left;       // bytes to come of this chunk
    uint64_t total;            // bytes of data so far
    bool last_chunk;           // the present one has size 0
    char signature[SIGV4_HEX]; // the chunk's, as sent
    char trailer_signature[SIGV4_HEX];
    struct checksum sum; // SHA-256 of the chunk's data
};

void aws_chunked_init(struct aws_chunked *dec, const struct aws_chunked_options *options);
void aws_chunked_done(struct aws_chunked *dec); // survives a zeroed one

// ERR_PROTOCOL (malformed), ERR_DENIED (SignatureDoesNotMatch), ERR_LIMIT (line or size), or what a
// callback returned. After a failure every further call fails.
MUST_CHECK int aws_chunked_feed(struct aws_chunked *dec, struct str piece, struct err *err);

// After the last piece: 0 when the body was whole, else ERR_PROTOCOL (IncompleteBody).
MUST_CHECK int aws_chunked_end(struct aws_chunked *dec, struct err *err);
