// SPDX-License-Identifier: Apache-2.0
#include "media/exif.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdlib.h>

// One entry: tag, type, count, value.
#define LITTLE(type, count, value) "II*\0\x08\0\0\0\x01\0\x12\x01" type count value "\0\0\0\0"
#define BIG(type, count, value)    "MM\0*\0\0\0\x08\0\x01\x01\x12" type count value "\0\0\0\0"
#define ONE_LITTLE                 "\x01\0\0\0"
#define ONE_BIG                    "\0\0\0\x01"

struct example {
    struct str block;
    int orientation;
};
#define EXAMPLE(text, value) {{text, sizeof(text) - 1}, value}

static const struct example good[] = {
    EXAMPLE(LITTLE("\3\0", ONE_LITTLE, "\6\0\0\0"), 6),
    EXAMPLE(LITTLE("\4\0", ONE_LITTLE, "\3\0\0\0"), 3),
    EXAMPLE(BIG("\0\3", ONE_BIG, "\0\x08\0\0"), 8),
    EXAMPLE(BIG("\0\4", ONE_BIG, "\0\0\0\5"), 5),
    EXAMPLE("Exif\0\0" LITTLE("\3\0", ONE_LITTLE, "\2\0\0\0"), 2),
    EXAMPLE("II*\0\x0a\0\0\0..\x02\0"
            "\x0f\1\2\0\1\0\0\0abc\0"
            "\x12\1\3\0\1\0\0\0\7\0\0\0",
            7),
};

static const struct example bad[] = {
    EXAMPLE("", 1),
    EXAMPLE("Exif\0\0", 1),
    EXAMPLE("II*\0", 1),
    EXAMPLE("JJ*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0", 1),
    EXAMPLE("II*\0\xff\xff\xff\xff\1\0", 1),
    EXAMPLE("II*\0\x08\0\0\0", 1),
    EXAMPLE("II*\0\x08\0\0\0\xff\xff", 1),
    EXAMPLE("II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0", 1), // a byte is missing
    EXAMPLE(LITTLE("\3\0", ONE_LITTLE, "\0\0\0\0"), 1),        // no such orientation
    EXAMPLE(LITTLE("\3\0", ONE_LITTLE, "\x09\0\0\0"), 1),
    EXAMPLE(LITTLE("\4\0", ONE_LITTLE, "\6\0\0\1"), 1),
    EXAMPLE(LITTLE("\2\0", ONE_LITTLE, "\6\0\0\0"), 1), // text
    EXAMPLE(LITTLE("\3\0", "\2\0\0\0", "\6\0\0\0"), 1), // two of them
    EXAMPLE(LITTLE("\3\0", "\0\0\0\0", "\6\0\0\0"), 1), // none
};

// From a heap block of its own size, so that a sanitizer sees an overread.
static int orientation_of(struct str block)
{
    char *copy = malloc(block.size ? block.size : 1);
    assert_non_null(copy);
    memcpy(copy, block.at, block.size);
    int orientation = exif_orientation(str_n(copy, block.size));
    free(copy);
    return orientation;
}

static void reads_orientations(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(orientation_of(good[i].block), good[i].orientation);
    }
}

static void shows_as_stored_what_is_nonsense(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(orientation_of(bad[i].block), bad[i].orientation);
    }
}

static void stays_inside_whatever_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        for (size_t size = 0; size < good[i].block.size; size++) {
            int orientation = orientation_of(str_head(good[i].block, size));
            assert_true(orientation == 1 || orientation == good[i].orientation);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_orientations),
        cmocka_unit_test(shows_as_stored_what_is_nonsense),
        cmocka_unit_test(stays_inside_whatever_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
