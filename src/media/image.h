// SPDX-License-Identifier: Apache-2.0
// Pictures: JPEG, PNG and WebP bytes become 8-bit RGB or grey pixels, turned the way they are to be
// seen. What a file claims is checked before memory is taken for it; whatever is wrong with it is
// ERR_INVALID in words that start with the format ("JPEG is truncated"). Pixels come out as
// Pillow's convert("RGB") gives them: alpha is dropped, 16 bits lose their lower 8.
//
//     CLEAN(image_done) struct image image = {0};
//     TRY(image_decode(bytes, &(struct image_want){.shorter = 256}, &image, err));
#pragma once

#include "base/err.h"
#include "base/str.h"

#define IMAGE_PIXELS_MAX (100ull * 1000 * 1000) // width times height that a file may claim
#define IMAGE_MEMORY_MAX (512ull * 1024 * 1024) // bytes that decoding may take

// A zeroed one asks for everything, within the limits above.
struct image_want {
    // Sides of what the picture will be resized to, 0: no matter. A JPEG is then decoded at 1/2,
    // 1/4 or 1/8 of its size as long as its shorter (longer) side stays at least twice as long.
    int shorter, longer;
    bool gray;           // one channel is enough: a coloured JPEG's luma is taken as it is
    bool as_stored;      // leave the EXIF orientation alone
    uint64_t pixels_max; // 0: IMAGE_PIXELS_MAX
    uint64_t memory_max; // 0: IMAGE_MEMORY_MAX
};

// The part of `pixels` that the picture takes up. All of it, but for a scaled JPEG, whose last
// column and row may be shared with what the encoder padded it with.
struct image_box {
    double x, y, width, height;
};

struct image {
    int width, height; // of pixels
    int channels;      // 1 (grey) or 3 (R, G, B)
    size_t stride;     // bytes from one row to the next
    uint8_t *pixels;   // heap; rows top to bottom, channels interleaved
    struct image_box box;
    int full_width, full_height; // of the picture unscaled, turned as `pixels` are
    int file_width, file_height; // as the file says, before turning
    int orientation;             // EXIF, 1…8; 1 when the file says nothing or nonsense
    const char *format;          // "JPEG", "PNG", "WebP"
};

void image_done(struct image *image); // survives a zeroed one

// `bytes` need not outlive the call. *ret is untouched on failure, and must hold no pixels before.
MUST_CHECK int image_decode(struct str bytes, const struct image_want *want, struct image *ret,
                            struct err *err);

// "JPEG", "PNG" or "WebP" by the first bytes; NULL for anything else.
const char *image_format(struct str bytes);
