// SPDX-License-Identifier: Apache-2.0
// A route key, a line end, a path: what is accepted as a key can be matched with any path, and its
// parameters lie within the path.
#include "base/check.h"
#include "format/http_route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct http_route_fit fit;
    struct str path = str_n(data, size), key = str_cut(&path, '\n');
    struct str method = key;
    method = str_cut(&method, ' ');
    if (http_route_check(key, &err) < 0) {
        CHECK(err.text[0]);
        return 0;
    }
    if (http_route_fits(key, method, path, &fit)) {
        CHECK(fit.parameter_count <= HTTP_ROUTE_PARAMETERS_MAX);
        for (size_t i = 0; i < fit.parameter_count; i++) {
            struct str value = fit.parameters[i].value;
            CHECK(fit.parameters[i].name.size && value.size);
            CHECK(value.at >= path.at && value.at + value.size <= path.at + path.size);
        }
    }
    CHECK(http_route_cmp(key, key) == 0);
    CHECK(http_route_cmp(key, STR("$default")) >= 0);
    return 0;
}
