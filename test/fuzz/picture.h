// SPDX-License-Identifier: Apache-2.0
// What the fuzzers of the picture formats share: decode within tight limits, full size and scaled,
// and make a tensor of what comes out. No allocation may be larger than the limits explain.
#pragma once

#include "base/check.h"
#include "base/mem.h"
#include "media/preprocess.h"

#define MEMORY_MAX     (16u << 20)
#define ALLOCATION_MAX (2 * MEMORY_MAX) // of one block, whoever takes it

// There in sanitized programs only.
extern int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *,
                                                                       size_t),
                                                     void (*on_free)(const volatile void *))
    __attribute__((weak));

static inline void on_malloc(const volatile void *at, size_t size)
{
    (void)at;
    CHECK(size <= ALLOCATION_MAX);
}

static inline void on_free(const volatile void *at)
{
    (void)at;
}

static inline void decode_one(struct str bytes, struct image_want want)
{
    static const struct preprocess pre = {
        .mode = PREPROCESS_LETTERBOX,
        .width = 24,
        .height = 32,
        .align = PREPROCESS_CENTER,
        .layout = PREPROCESS_NCHW,
        .type = PREPROCESS_F16,
        .scale = 1,
        .std = {1, 1, 1},
    };
    uint16_t tensor[3 * 24 * 32];
    CLEAN(image_done) struct image image = {0};
    struct err err = {0};
    want.pixels_max = 1u << 20;
    want.memory_max = MEMORY_MAX;
    if (image_decode(bytes, &want, &image, &err) < 0) {
        CHECK(err.code < 0 && err.text[0] && !image.pixels);
        return;
    }
    CHECK(image.full_width * (uint64_t)image.full_height <= want.pixels_max);
    CHECK(preprocess_run(&pre, &image, tensor, sizeof(tensor), NULL /* no info */, &err) == 0);
}

static inline void fuzz_picture(const uint8_t *data, size_t size)
{
    static bool hooked;
    if (!hooked && __sanitizer_install_malloc_and_free_hooks) {
        __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
    }
    hooked = true;
    decode_one(str_n(data, size), (struct image_want){0});
    decode_one(str_n(data, size), (struct image_want){.longer = 16, .gray = true});
}
