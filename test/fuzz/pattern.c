// SPDX-License-Identifier: Apache-2.0
// The first line is an event pattern, what follows an event. What is understood as a pattern still is one
// when it is written again, and matches the same.
#include "base/check.h"
#include "base/mem.h"
#include "format/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_n(data, size);
    struct str text = str_cut(&rest, '\n');
    CLEAN_JSON json_t *pattern = NULL;
    CLEAN_JSON json_t *again = NULL;
    CLEAN_JSON json_t *event = NULL;
    struct err err = {0};
    if (pattern_parse(str_not_null(text), &pattern, &err) < 0) {
        CHECK(err.text[0]);
        return 0;
    }
    CLEAN(buf_done) struct buf written = BUF_INIT(1 << 20);
    json_write(pattern, &written);
    CHECK(pattern_parse(buf_str(&written), &again, &err) == 0);
    if (json_parse_object(str_not_null(rest), &event, &err) >= 0) {
        CHECK(pattern_matches(pattern, event) == pattern_matches(again, event));
    }
    (void)pattern_matches(pattern, pattern);
    return 0;
}
