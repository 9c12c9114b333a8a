// SPDX-License-Identifier: Apache-2.0
// What was parsed is written and parsed again: the value must be the same. Any bytes, quoted, must parse.
#include "base/check.h"
#include "format/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_getters(const json_t *json)
{
    struct err err = {0};
    struct str text;
    int64_t number = 0;
    bool truth = false;
    json_t *sub = NULL;
    CHECK(json_get_str(json, "a", &text, &err) >= 0 || err.text[0]);
    CHECK(json_get_int(json, "a.b", 0, 9, &number, &err) >= 0 || err.text[0]);
    CHECK(json_get_bool(json, "b", &truth, &err) >= 0 || err.text[0]);
    CHECK(json_need_array(json, "a.b.c", &sub, &err) >= 0 || err.text[0]);
    CHECK(number >= 0 && number <= 9);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct str text = str_n(data, size);
    CLEAN_JSON json_t *json = NULL;
    CLEAN_JSON json_t *again = NULL;
    CLEAN(buf_done) struct buf out = BUF_INIT(64 << 20);
    int rc = json_parse(text, &json, &err);
    CHECK(rc == 0 || (err.text[0] && !json));
    if (rc == 0) {
        json_write(json, &out);
        CHECK(json_parse(buf_str(&out), &again, &err) == 0);
        CHECK(json_equal(json, again));
        check_getters(json);
        return 0;
    }
    json_quote(&out, text);
    CHECK(json_parse(buf_str(&out), &again, &err) == 0);
    CLEAN_JSON json_t *made = json_from_str(text);
    CHECK(json_equal(made, again));
    return 0;
}
