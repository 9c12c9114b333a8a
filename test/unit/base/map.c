// SPDX-License-Identifier: Apache-2.0
// The hash map against a plain array that knows the truth.
#include "base/map.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define KEYS 500

static void test_against_truth(void **state)
{
    (void)state;
    static char values[KEYS];
    bool there[KEYS] = {0};
    struct map map = {0};
    uint32_t random = 1;
    size_t count = 0;
    for (int step = 0; step < 50000; step++) {
        random = random * 1664525 + 1013904223;
        size_t n = (random >> 8) % KEYS;
        CLEAN_MEM char *key = mem_printf("key %zu", n);
        void *was = there[n] ? &values[n] : NULL;
        assert_ptr_equal(map_get(&map, str_of(key)), was);
        if ((random >> 28) < 8) {
            assert_ptr_equal(map_put(&map, str_of(key), &values[n]), was);
            count += !there[n];
            there[n] = true;
        } else {
            assert_ptr_equal(map_remove(&map, str_of(key)), was);
            count -= there[n];
            there[n] = false;
        }
        assert_int_equal(map.count, count);
    }
    bool seen[KEYS] = {0};
    size_t at = 0;
    for (char *value; (value = map_next(&map, &at));) {
        assert_true(there[value - values] && !seen[value - values]);
        seen[value - values] = true;
        count--;
    }
    assert_int_equal(count, 0);
    map_done(&map);
}

static void test_empty(void **state)
{
    (void)state;
    struct map map = {0};
    size_t at = 0;
    assert_null(map_get(&map, STR("a")));
    assert_null(map_remove(&map, STR("a")));
    assert_null(map_next(&map, &at));
    map_done(&map);
    map_done(&map);
}

static void test_keys(void **state)
{
    (void)state;
    struct map map = {0};
    int a = 0, b = 0, c = 0;
    char key[] = "key";
    assert_null(map_put(&map, str_of(key), &a));
    key[0] = 'x'; // it was copied
    assert_ptr_equal(map_get(&map, STR("key")), &a);
    assert_null(map_put(&map, STR("key\0"), &b)); // any bytes are a key
    assert_null(map_put(&map, (struct str){0}, &c));
    assert_ptr_equal(map_get(&map, STR("")), &c);
    assert_ptr_equal(map_put(&map, STR("key"), &c), &a); // replaced
    assert_int_equal(map.count, 3);
    assert_ptr_equal(map_remove(&map, STR("key\0")), &b);
    assert_ptr_equal(map_get(&map, STR("key")), &c);
    map_done(&map);
    assert_null(map_get(&map, STR("key")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_truth),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
