// SPDX-License-Identifier: Apache-2.0
// The same body in one piece and in small ones must come to the same end with the same data. The first
// byte chooses trailers, signatures and the size of the pieces.
#include "base/check.h"
#include "base/mem.h"
#include "format/aws_chunked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_data(void *ctx, struct str data, struct err *err)
{
    (void)err;
    buf_add_str(ctx, data);
    return 0;
}

static int on_trailer(void *ctx, struct str name, struct str value, struct err *err)
{
    (void)err;
    buf_add_str(ctx, name);
    buf_add_str(ctx, value);
    return 0;
}

static int decode(struct str body, size_t step, uint8_t how, struct buf *out)
{
    struct err err = {0};
    struct sigv4_chain chain = {.timestamp = "20130524T000000Z", .scope = "x", .previous = "y"};
    struct aws_chunked_options options = {.trailer = how & 1,
                                          .chain = how & 2 ? &chain : NULL,
                                          .has_decoded_size = how & 4,
                                          .decoded_size = 5,
                                          .on_data = on_data,
                                          .on_trailer = on_trailer,
                                          .ctx = out};
    CLEAN(aws_chunked_done) struct aws_chunked dec;
    aws_chunked_init(&dec, &options);
    int rc = 0;
    while (body.size && rc == 0) {
        rc = aws_chunked_feed(&dec, str_head(body, step), &err);
        body = str_skip(body, step);
    }
    rc = rc < 0 ? rc : aws_chunked_end(&dec, &err);
    CHECK(rc == 0 || err.text[0]);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct str body = str_n(data + 1, size - 1);
    CLEAN(buf_done) struct buf whole = BUF_INIT(1 << 20);
    CLEAN(buf_done) struct buf pieces = BUF_INIT(1 << 20);
    int rc = decode(body, body.size, data[0], &whole);
    CHECK(decode(body, (data[0] >> 3) + 1u, data[0], &pieces) == rc);
    CHECK(str_eq(buf_str(&whole), buf_str(&pieces)));
    CHECK(whole.size <= body.size);
    return 0;
}
