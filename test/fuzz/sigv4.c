// SPDX-License-Identifier: Apache-2.0
// A request as text (method, path, query, then headers, one a line) is authenticated: it must never be
// accepted, as nobody here knows the key, and what is parsed must lie within what was given.
#include "base/check.h"
#include "base/mem.h"
#include "format/sigv4.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct str part, struct str whole, const struct buf *keep)
{
    bool in_whole = part.at >= whole.at && part.at + part.size <= whole.at + whole.size;
    bool in_keep = keep->at && part.at >= keep->at && part.at + part.size <= keep->at + keep->size;
    CHECK(part.size == 0 || in_whole || in_keep);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str whole = str_n(data, size), rest = whole;
    struct sigv4_header headers[32];
    struct sigv4_request request = {.flavour = size % 2 ? SIGV4_S3 : SIGV4_SERVICE,
                                    .headers = headers};
    request.method = str_cut(&rest, '\n');
    request.path = str_cut(&rest, '\n');
    request.query = str_cut(&rest, '\n');
    while (rest.at && request.header_count < 32) {
        struct str value = str_cut(&rest, '\n');
        struct str name = str_cut(&value, ':');
        headers[request.header_count++] = (struct sigv4_header){name, value};
    }
    struct err err = {0};
    CLEAN(buf_done) struct buf keep = BUF_INIT(64 * 1024);
    struct sigv4_auth auth;
    if (sigv4_auth_find(&request, &keep, &auth, &err) != 1) {
        return 0;
    }
    check_inside(auth.scope.access_key, whole, &keep);
    check_inside(auth.signed_headers, whole, &keep);
    check_inside(auth.timestamp, whole, &keep);
    struct sigv4_key key = {{1, 2, 3}};
    CHECK(sigv4_verify(&request, &auth, &key, auth.signed_ms, &err) < 0);
    CHECK(err.code < 0 && err.text[0]);
    return 0;
}
