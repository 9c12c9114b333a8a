// SPDX-License-Identifier: Apache-2.0
// A URL is understood as a whole or refused in words.
#include "format/redis_url.h"
#include "base/check.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEAN(redis_url_done) struct redis_url url = {0};
    struct err err = {0};
    if (redis_url_parse(str_n(data, size), &url, &err) < 0) {
        CHECK(err.code == ERR_INVALID && err.text[0]);
        return 0;
    }
    CHECK(url.host && url.host[0] && url.port > 0 && url.db >= 0);
    CHECK(!url.user || url.password);
    return 0;
}
