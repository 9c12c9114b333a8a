// SPDX-License-Identifier: Apache-2.0
// Whatever serverless.yml says, it is refused with the file's name, or understood within Lambda's bounds.
#include "base/check.h"
#include "config/serverless.h"
#include "format/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_function(const struct serverless_function *f)
{
    CHECK(f->key && f->name && f->runtime && f->handler);
    CHECK(f->memory_mb >= 128 && f->memory_mb <= 10240);
    CHECK(f->timeout_s >= 1 && f->timeout_s <= 900);
    CHECK(f->retries_max >= -1 && f->retries_max <= 2);
    CHECK(f->event_age_max_s == -1 || (f->event_age_max_s >= 60 && f->event_age_max_s <= 21600));
    for (size_t i = 0; i < f->bucket_count; i++) {
        CHECK(strlen(f->buckets[i].bucket) >= 3 && f->buckets[i].event);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n(data, size);
    struct err err = {0};
    CLEAN(serverless_free_clean) struct serverless *service = NULL;
    if (size > 64 * 1024 || str_find_str(text, STR("file")) >= 0) {
        return 0; // ${file(…)} would read this machine's files
    }
    struct serverless_options options = {.path = "/nonexistent/f.yml"};
    if (serverless_parse(&options, text, &service, &err) < 0) {
        CHECK(err.text[0] && !service);
        return 0;
    }
    CHECK(service->service && service->stage && service->region);
    for (size_t i = 0; i < service->function_count; i++) {
        check_function(&service->functions[i]);
    }
    CLEAN_JSON json_t *json = serverless_to_json(service);
    CHECK(json);
    return 0;
}
