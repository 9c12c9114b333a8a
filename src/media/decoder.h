// SPDX-License-Identifier: Apache-2.0
// What image.c and the decoders of the three formats share. Each decoder fills an image as the file
// stores it, with `orientation` read but not applied.
#pragma once

#include "media/image.h"

// `want` comes with its limits filled in. *ret is zeroed before, and whole or empty afterwards.
MUST_CHECK int jpeg_decode(struct str bytes, const struct image_want *want, struct image *ret,
                           struct err *err);
MUST_CHECK int png_decode(struct str bytes, const struct image_want *want, struct image *ret,
                          struct err *err);
MUST_CHECK int webp_decode(struct str bytes, const struct image_want *want, struct image *ret,
                           struct err *err);

// Notes what the file claims; ERR_INVALID when that is nothing or over the limit of pixels.
MUST_CHECK int image_claim(struct image *image, const struct image_want *want, const char *format,
                           uint64_t width, uint64_t height, struct err *err);

// Pixels for `width` x `height`, which may be smaller than what was claimed; the box is all of it.
// ERR_INVALID when they, with `more` bytes that the decoder takes besides, pass the memory limit.
MUST_CHECK int image_alloc(struct image *image, const struct image_want *want, int width,
                           int height, int channels, uint64_t more, struct err *err);
