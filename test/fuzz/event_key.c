// SPDX-License-Identifier: Apache-2.0
// The first line is `vary`, what follows an event, which is also an answer. Taking out what is never the same
// twice leaves nothing more to be taken out, and leaves JSON.
#include "format/event_key.h"
#include "base/check.h"
#include "base/mem.h"
#include "format/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_n(data, size);
    struct str first = str_cut(&rest, '\n');
    CLEAN_JSON json_t *vary = NULL;
    CLEAN_JSON json_t *event = NULL;
    struct err err = {0};
    (void)event_key_may_keep(str_not_null(rest));
    if (json_parse(str_not_null(first), &vary, &err) < 0 ||
        json_parse_object(str_not_null(rest), &event, &err) < 0) {
        return 0;
    }
    for (size_t i = 0; i < json_array_size(vary); i++) {
        struct err why = {0};
        int rc = event_key_vary_check(json_str(json_array_get(vary, i)), &why);
        CHECK((rc < 0) == (why.text[0] != 0));
    }
    CLEAN_JSON json_t *before = json_deep_copy(event);
    enum event_kind kind = event_key_strip(event, vary);
    CHECK(kind != EVENT_OTHER || json_equal(event, before));
    CLEAN_JSON json_t *once = json_deep_copy(event);
    CHECK(event_key_strip(once, NULL) == kind || kind != EVENT_OTHER);
    CLEAN_JSON json_t *twice = json_deep_copy(once);
    (void)event_key_strip(twice, NULL);
    CHECK(json_equal(once, twice));
    return 0;
}
