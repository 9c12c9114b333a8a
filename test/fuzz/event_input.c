// SPDX-License-Identifier: Apache-2.0
// The first line is a target (its Input, InputPath or InputTransformer), what follows an event.
#include "base/check.h"
#include "bus/input.h"
#include "format/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_n(data, size);
    struct str line = str_cut(&rest, '\n');
    CLEAN_JSON json_t *target = NULL;
    CLEAN(buf_done) struct buf out = BUF_INIT(1 << 20);
    struct err err = {0};
    if (json_parse_object(str_not_null(line), &target, &err) < 0) {
        return 0;
    }
    if (bus_input_check(target, &err) < 0) {
        CHECK(err.text[0]);
        return 0;
    }
    struct bus_input input = {.target = target,
                              .event = str_not_null(rest),
                              .rule_arn = STR("arn:aws:events:us-east-1:000000000000:rule/b/r"),
                              .now_ms = 1767225600000};
    bus_input_write(&out, &input);
    return 0;
}
