// SPDX-License-Identifier: Apache-2.0
// numpy's files: what is read lies inside the bytes and can be written and read again.
#include "runner/npy.h"
#include "base/check.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = str_n(data, size);
    struct tensor tensor, again;
    struct err err = {0};
    if (!npy_is(bytes) || npy_read(bytes, &tensor, &err) < 0) {
        return 0;
    }
    const char *at = tensor.data;
    CHECK(at >= bytes.at && at + tensor.size == bytes.at + bytes.size);
    struct buf out = BUF_INIT(size + 4096);
    CHECK(npy_write(&tensor, &out, &err) == 0);
    CHECK(npy_read(buf_str(&out), &again, &err) == 0);
    CHECK(again.type == tensor.type && again.rank == tensor.rank && again.size == tensor.size);
    buf_done(&out);
    return 0;
}
