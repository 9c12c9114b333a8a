// SPDX-License-Identifier: Apache-2.0
// Whatever bytes are encoded decode to themselves; queries are walked to their end; names and ARNs too.
#include "base/check.h"
#include "base/mem.h"
#include "format/arn.h"
#include "format/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(struct str text)
{
    struct err err = {0};
    CLEAN(buf_done) struct buf encoded = BUF_INIT(3 << 20);
    CLEAN(buf_done) struct buf back = BUF_INIT(1 << 20);
    uri_encode(&encoded, text, text.size % 2);
    CHECK(uri_decode(buf_str(&encoded), URI_PATH, &back, &err) == 0);
    CHECK(str_eq(buf_str(&back), text));
    buf_clear(&encoded);
    buf_clear(&back);
    uri_encode_key(&encoded, text);
    CHECK(uri_decode(buf_str(&encoded), URI_QUERY, &back, &err) == 0);
    CHECK(str_eq(buf_str(&back), text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct str text = str_n(data, size), path, query, name, value;
    check_round_trip(text);
    uri_split(text, &path, &query);
    CLEAN(buf_done) struct buf out = BUF_INIT(1 << 20);
    int rc = uri_decode(path, URI_PATH, &out, &err);
    CHECK(rc == 0 || out.size == 0);
    struct str rest = query;
    size_t seen = 0;
    while (uri_query_next(&rest, &name, &value)) {
        seen += name.size + value.size;
    }
    CHECK(seen <= query.size);
    CHECK(uri_query_get(query, STR("prefix"), &out, &err) >= 0 || err.text[0]);
    struct arn_function function;
    CHECK(arn_function_parse(path, &function, &err) < 0 || arn_function_name_ok(function.name));
    return 0;
}
