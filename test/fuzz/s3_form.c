// SPDX-License-Identifier: Apache-2.0
// Browser forms in pieces. The first byte says how large they are; what comes out must not depend on
// it.
#include "api/s3_form.h"
#include "base/check.h"
#include "base/mem.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_file(void *ctx, struct err *err)
{
    (void)ctx, (void)err;
    return 0;
}

static int on_data(void *ctx, struct str data, struct err *err)
{
    (void)err;
    buf_add_str(ctx, data);
    return 0;
}

static int parse(struct str body, size_t piece, struct buf *out)
{
    CLEAN(s3_form_done) struct s3_form form = {0};
    TRY(s3_form_init(&form, STR("multipart/form-data; boundary=b"), NULL));
    form.on_file = on_file;
    form.on_data = on_data;
    form.ctx = out;
    while (body.size) {
        TRY(s3_form_feed(&form, str_head(body, piece), NULL));
        body = str_skip(body, piece);
    }
    return s3_form_end(&form, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) {
        return 0;
    }
    CLEAN(buf_done) struct buf first = BUF_INIT(1 << 20);
    CLEAN(buf_done) struct buf second = BUF_INIT(1 << 20);
    struct str body = str_n(data + 1, size - 1);
    int rc = parse(body, 1 + (size_t)data[0], &first);
    if (rc >= 0 && parse(body, size, &second) >= 0) {
        CHECK(str_eq(str_not_null(buf_str(&first)), str_not_null(buf_str(&second))));
    }
    return 0;
}
