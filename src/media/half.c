// SPDX-License-Identifier: Apache-2.0
// Converts rows of a tensor to float16: by the processor's own instruction where there is one, by
// hand otherwise, with the same result.
#include "media/half.h"

#include <string.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

#define SMALLEST_NORMAL 0x38800000u // 2^-14
#define TOO_LARGE       0x47800000u // 2^16: infinity from here on
#define INFINITE        0x7f800000u
#define EXPONENT_SHIFT  (112u << 23) // from a bias of 127 to one of 15

uint16_t half_of_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint32_t sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    if (size >= TOO_LARGE) { // not a number keeps what fits of its payload, and stays quiet
        uint32_t nan = size > INFINITE ? 0x0200 | (size >> 13 & 0x03ff) : 0;
        return (uint16_t)(sign | 0x7c00 | nan);
    }
    if (size < SMALLEST_NORMAL) { // adding a half lets the processor round at 2^-24
        float magic;
        memcpy(&magic, &size, sizeof(magic));
        magic += 0.5f;
        memcpy(&size, &magic, sizeof(size));
        return (uint16_t)(sign | (size - 0x3f000000));
    }
    size += 0x0fff + (size >> 13 & 1) - EXPONENT_SHIFT; // a carry into the exponent is right
    return (uint16_t)(sign | size >> 13);
}

// How many of them it converted, from the first on.
#ifdef __x86_64__
__attribute__((target("avx,f16c"))) static size_t convert_with_f16c(const float *values,
                                                                    size_t count, uint16_t *ret)
{
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m128i eight = _mm256_cvtps_ph(_mm256_loadu_ps(values + i), _MM_FROUND_TO_NEAREST_INT);
        _mm_storeu_si128((__m128i *)(void *)(ret + i), eight);
    }
    return i;
}

static size_t convert_fast(const float *values, size_t count, uint16_t *ret)
{
    // Every processor with AVX2 has F16C, which not every compiler can ask about.
    return __builtin_cpu_supports("avx2") ? convert_with_f16c(values, count, ret) : 0;
}
#else
static size_t convert_fast(const float *values, size_t count, uint16_t *ret)
{
    (void)values, (void)count, (void)ret;
    return 0;
}
#endif

void half_of_floats(const float *values, size_t count, uint16_t *ret)
{
    for (size_t i = convert_fast(values, count, ret); i < count; i++) {
        ret[i] = half_of_float(values[i]);
    }
}
