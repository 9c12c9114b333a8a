// SPDX-License-Identifier: Apache-2.0
// Policies of browser forms: any document is an answer, none is a crash.
#include "api/s3_policy.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct s3_form form = {
        .fields = {{(char *)"key", (char *)"user/x.jpg", 10}, {(char *)"a", (char *)"1", 1}},
        .field_count = 2,
    };
    struct s3_policy_bounds bounds;
    struct err err = {0};
    (void)!s3_policy_check(str_n(data, size), &form, STR("b"), 1700000000000, &bounds, &err);
    return 0;
}
