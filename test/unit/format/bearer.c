// SPDX-License-Identifier: Apache-2.0
// The bearer key: what HMAC-SHA256 makes of the secret, and another for another secret.
#include "format/bearer.h"
#include "files.h"

static void test_key(void **state)
{
    (void)state;
    char key[BEARER_KEY_SIZE], other[BEARER_KEY_SIZE];
    bearer_key(STR("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), key);
    assert_string_equal(key, "rouse-27ca28185284b582336da2aec80251c038b2edf4");
    bearer_key(STR("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEZ"), other);
    assert_int_equal(strlen(other), BEARER_KEY_SIZE - 1);
    assert_string_not_equal(key, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_key)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
