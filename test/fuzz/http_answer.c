// SPDX-License-Identifier: Apache-2.0
// Any bytes as a function's answer, in each format: what comes out can be sent as a response.
#include "base/check.h"
#include "format/http_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, const char *bad)
{
    for (; *text; text++) {
        CHECK((unsigned char)*text >= ' ' || *text == '\t');
        CHECK(!strchr(bad, *text));
    }
}

static void check(const struct http_answer *a)
{
    bool bodyless = a->status == 204 || a->status == 304, type = false;
    CHECK(a->status >= 200 && a->status <= 599);
    CHECK(a->header_count <= HTTP_ANSWER_HEADERS_MAX);
    CHECK(!bodyless || a->body.size == 0);
    for (size_t i = 0; i < a->header_count; i++) {
        const struct http_answer_header *h = &a->headers[i];
        CHECK(h->name[0]);
        check_text(h->name, " :\t\"(),/;<=>?@[\\]{}");
        check_text(h->value, "\x7f");
        CHECK(strcasecmp(h->name, "content-length") && strcasecmp(h->name, "transfer-encoding"));
        type = type || strcasecmp(h->name, "content-type") == 0;
    }
    CHECK(type || bodyless);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum http_answer_format formats[] = {HTTP_ANSWER_REST, HTTP_ANSWER_API,
                                                      HTTP_ANSWER_URL};
    for (size_t i = 0; i < 3; i++) {
        struct err err = {0};
        struct http_answer answer = {0};
        int rc = http_answer_parse(str_n(data, size), formats[i], &answer, &err);
        CHECK(rc >= 0 || (rc == ERR_INVALID && err.text[0]));
        if (rc >= 0) {
            check(&answer);
        }
        http_answer_done(&answer);
    }
    struct err err = {0};
    struct http_answer prelude = {0};
    int rc = http_answer_prelude(str_n(data, size), &prelude, &err);
    CHECK(rc >= 0 || (rc == ERR_INVALID && err.text[0]));
    if (rc >= 0) {
        CHECK(prelude.body.size == 0 && prelude.header_count > 0);
    }
    http_answer_done(&prelude);
    return 0;
}
