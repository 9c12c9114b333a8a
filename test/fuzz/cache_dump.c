// SPDX-License-Identifier: Apache-2.0
// Entries of a file of results, with the right beginning and the right checksum around them: a file with a wrong
// one is never looked into.
#include "cache/dump.h"
#include "base/check.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_again(void *ctx, const struct dump_entry *entry)
{
    dump_add(ctx, entry);
}

// What is understood is written again as it was.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEAN(buf_done) struct buf file = BUF_INIT(1 << 22);
    CLEAN(buf_done) struct buf again = BUF_INIT(1 << 22);
    struct err err = {0};
    CHECK(dump_read(str_n(data, size), NULL, NULL, &err) < 0 || size > 32);
    dump_begin(&file);
    buf_add(&file, data, size);
    dump_end(&file);
    dump_begin(&again);
    if (dump_read(buf_str(&file), add_again, &again, &err) == 0) {
        dump_end(&again);
        CHECK(str_eq(buf_str(&file), buf_str(&again)));
    } else {
        CHECK(err.code == ERR_CORRUPT && again.size == 16);
    }
    return 0;
}
