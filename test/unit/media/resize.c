// SPDX-License-Identifier: Apache-2.0
#include "media/resize.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

static void check_taps(const struct taps *taps, const struct taps_ask *ask)
{
    assert_int_equal(taps->count, ask->count);
    for (int i = 0; i < taps->count; i++) {
        assert_true(taps->first[i] >= 0 && taps->first[i] + taps->most <= ask->input);
        assert_true(i == 0 || taps->first[i] >= taps->first[i - 1]);
        double sum = 0, center = 0;
        for (int t = 0; t < taps->most; t++) {
            float weight = taps->weights[i * taps->most + t];
            assert_true(weight >= 0);
            sum += weight;
            center += weight * (taps->first[i] + t + 0.5);
        }
        assert_true(fabs(sum - 1) < 1e-5);
        double scale = ask->length / (double)ask->output;
        double ideal = ask->start + ((double)(ask->from + i) + 0.5) * scale;
        double reach = scale > 1 ? scale : 1;
        assert_true(fabs(center - ideal) < reach); // the filter lies where it should
    }
}

static void windows_stay_inside(void **state)
{
    (void)state;
    const int sides[] = {1, 2, 3, 5, 8, 64, 417};
    for (size_t a = 0; a < sizeof(sides) / sizeof(sides[0]); a++) {
        for (size_t b = 0; b < sizeof(sides) / sizeof(sides[0]); b++) {
            struct taps_ask ask = {
                .length = sides[a], .input = sides[a], .output = sides[b], .count = sides[b]};
            struct taps taps;
            taps_init(&taps, &ask);
            check_taps(&taps, &ask);
            taps_done(&taps);
            assert_null(taps.weights);
        }
    }
}

static void a_part_is_as_in_the_whole(void **state)
{
    (void)state;
    struct taps_ask whole = {
        .start = 0.25, .length = 99.5, .input = 100, .output = 30, .count = 30};
    struct taps_ask part = whole;
    part.from = 11, part.count = 7;
    struct taps a, b;
    taps_init(&a, &whole);
    taps_init(&b, &part);
    check_taps(&b, &part);
    for (int i = 0; i < part.count; i++) {
        assert_int_equal(a.first[i + 11], b.first[i]);
        assert_memory_equal(a.weights + (i + 11) * a.most, b.weights + i * b.most,
                            (size_t)a.most * sizeof(float));
    }
    taps_done(&a);
    taps_done(&b);
}

static void far_more_than_memory_is_cropped(void **state)
{
    (void)state;
    struct taps_ask ask = {.length = 100000,
                           .input = 100000,
                           .output = 25600000000,
                           .from = 12800000000 - 112,
                           .count = 224};
    struct taps taps;
    taps_init(&taps, &ask);
    check_taps(&taps, &ask);
    assert_int_equal(taps.most, 3);
    taps_done(&taps);
}

static void same_size_changes_nothing(void **state)
{
    (void)state;
    struct taps_ask ask = {.length = 9, .input = 9, .output = 9, .count = 9};
    struct taps taps;
    taps_init(&taps, &ask);
    float row[9 * 3 + 1], red[9], green[9], blue[9];
    for (int i = 0; i < 27; i++) {
        row[i] = (float)(i * i);
    }
    row[27] = NAN; // readable, never used
    resize_row(row, 3, &taps, (float *const[3]){red, green, blue});
    for (int i = 0; i < 9; i++) {
        assert_true(red[i] == row[i * 3] && green[i] == row[i * 3 + 1]);
        assert_true(blue[i] == row[i * 3 + 2]);
    }
    taps_done(&taps);
}

static void rows_are_summed(void **state)
{
    (void)state;
    enum { STRIDE = 41, ROWS = 11 };
    uint8_t *rows = malloc(STRIDE * ROWS);
    assert_non_null(rows);
    for (int i = 0; i < STRIDE * ROWS; i++) {
        rows[i] = (uint8_t)(i * 37);
    }
    float weights[ROWS], sums[STRIDE];
    for (int count = 1; count <= ROWS; count++) {
        for (int t = 0; t < count; t++) {
            weights[t] = (float)(t + 1) / 64;
        }
        resize_rows(rows, STRIDE, weights, count, STRIDE, sums);
        for (int i = 0; i < STRIDE; i++) {
            float sum = 0;
            for (int t = 0; t < count; t++) {
                sum += weights[t] * rows[t * STRIDE + i];
            }
            assert_true(fabsf(sum - sums[i]) < 1e-3f);
        }
    }
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_stay_inside),
        cmocka_unit_test(a_part_is_as_in_the_whole),
        cmocka_unit_test(far_more_than_memory_is_cropped),
        cmocka_unit_test(same_size_changes_nothing),
        cmocka_unit_test(rows_are_summed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
