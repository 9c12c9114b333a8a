// SPDX-License-Identifier: Apache-2.0
// Resizing's inner loops, written so that compilers vectorise them, and compiled a second time for
// processors with AVX2. preprocess.c drives them row by row.
#include "media/resize.h"

#include "base/check.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

// ---- weights ----

static double triangle(double x)
{
    return fabs(x) < 1 ? 1 - fabs(x) : 0;
}

static int clamp(double x, int most)
{
    return x < 0 ? 0 : x > most ? most : (int)x;
}

static void weigh(const struct taps *taps, int i, const struct taps_ask *ask, double scale)
{
    double reach = scale < 1 ? 1 : scale;
    double center = ask->start + ((double)(ask->from + i) + 0.5) * scale;
    int first = clamp(floor(center - reach + 0.5), ask->input - taps->most);
    float *weights = taps->weights + (size_t)i * (size_t)taps->most;
    double sum = 0;
    for (int t = 0; t < taps->most; t++) {
        sum += triangle((first + t + 0.5 - center) / reach);
    }
    CHECK(sum > 0);
    for (int t = 0; t < taps->most; t++) {
        weights[t] = (float)(triangle((first + t + 0.5 - center) / reach) / sum);
    }
    taps->first[i] = first;
}

void taps_init(struct taps *taps, const struct taps_ask *ask)
{
    CHECK(ask->input > 0 && ask->output > 0 && ask->count > 0);
    CHECK(ask->from >= 0 && ask->from + ask->count <= ask->output);
    double scale = ask->length / (double)ask->output;
    taps->count = ask->count;
    taps->most = clamp(ceil(scale < 1 ? 1 : scale) * 2 + 1, ask->input);
    taps->first = mem_alloc((size_t)ask->count * sizeof(int));
    taps->weights = mem_alloc((size_t)ask->count * (size_t)taps->most * sizeof(float));
    for (int i = 0; i < ask->count; i++) {
        weigh(taps, i, ask, scale);
    }
}

void taps_done(struct taps *taps)
{
    free(taps->first);
    free(taps->weights);
    *taps = (struct taps){0};
}

// ---- loops ----

#define LOOP static inline __attribute__((always_inline)) void

// Four rows at a time: fewer sums go back to memory.
LOOP sum_four(const uint8_t *const rows[4], const float weights[4], size_t width, int add,
              float *restrict ret)
{
    const uint8_t *restrict a = rows[0], *restrict b = rows[1];
    const uint8_t *restrict c = rows[2], *restrict d = rows[3];
    float wa = weights[0], wb = weights[1], wc = weights[2], wd = weights[3];
    if (add) {
        for (size_t i = 0; i < width; i++) {
            ret[i] += wa * a[i] + wb * b[i] + wc * c[i] + wd * d[i];
        }
    } else {
        for (size_t i = 0; i < width; i++) {
            ret[i] = wa * a[i] + wb * b[i] + wc * c[i] + wd * d[i];
        }
    }
}

LOOP sum_rows(const uint8_t *rows, size_t stride, const float *weights, int count, size_t width,
              float *ret)
{
    for (int t = 0; t < count; t += 4) {
        const uint8_t *four[4];
        float weight[4];
        for (int k = 0; k < 4; k++) {
            int row = t + k < count ? t + k : count - 1;
            four[k] = rows + (size_t)row * stride;
            weight[k] = t + k < count ? weights[t + k] : 0;
        }
        sum_four(four, weight, width, t > 0, ret);
    }
}

typedef float four_floats __attribute__((vector_size(16)));

LOOP sum_pixels_of_three(const float *row, const struct taps *taps, float *const ret[3])
{
    for (int i = 0; i < taps->count; i++) {
        const float *in = row + (taps->first[i] - taps->first[0]) * 3;
        const float *weights = taps->weights + (size_t)i * (size_t)taps->most;
        four_floats sum = {0};
        for (int t = 0; t < taps->most; t++) {
            four_floats pixel;
            memcpy(&pixel, in + (ptrdiff_t)t * 3, sizeof(pixel)); // and a stranger, unused
            sum += pixel * weights[t];
        }
        ret[0][i] = sum[0];
        ret[1][i] = sum[1];
        ret[2][i] = sum[2];
    }
}

LOOP sum_pixels_of_one(const float *row, const struct taps *taps, float *ret)
{
    for (int i = 0; i < taps->count; i++) {
        const float *in = row + (taps->first[i] - taps->first[0]);
        const float *weights = taps->weights + (size_t)i * (size_t)taps->most;
        float sum = 0;
        for (int t = 0; t < taps->most; t++) {
            sum += in[t] * weights[t];
        }
        ret[i] = sum;
    }
}

LOOP sum_pixels(const float *row, int channels, const struct taps *taps, float *const ret[3])
{
    if (channels == 3) {
        sum_pixels_of_three(row, taps, ret);
    } else {
        sum_pixels_of_one(row, taps, ret[0]);
    }
}

// ---- which of them ----

#ifdef __x86_64__
#define WIDE     __attribute__((target("avx2,fma")))
#define HAS_WIDE (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
#else
#define WIDE
#define HAS_WIDE 0
#endif

WIDE static void wide_rows(const uint8_t *rows, size_t stride, const float *weights, int count,
                           size_t width, float *ret)
{
    sum_rows(rows, stride, weights, count, width, ret);
}

WIDE static void wide_row(const float *row, int channels, const struct taps *taps,
                          float *const ret[3])
{
    sum_pixels(row, channels, taps, ret);
}

void resize_rows(const uint8_t *rows, size_t stride, const float *weights, int count, size_t width,
                 float *ret)
{
    if (HAS_WIDE) {
        wide_rows(rows, stride, weights, count, width, ret);
    } else {
        sum_rows(rows, stride, weights, count, width, ret);
    }
}

void resize_row(const float *row, int channels, const struct taps *taps, float *const ret[3])
{
    if (HAS_WIDE) {
        wide_row(row, channels, taps, ret);
    } else {
        sum_pixels(row, channels, taps, ret);
    }
}
