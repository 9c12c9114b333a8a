// SPDX-License-Identifier: Apache-2.0
// WebP by libwebp: lossy and lossless stills; alpha is dropped, not blended. The container is RIFF
// (RFC 9649): four letters, a little-endian size, the bytes, padded to an even number.
#include "media/decoder.h"

#include "base/mem.h"
#include "media/exif.h"

#include <webp/decode.h>

#define CHUNK_HEADER_SIZE 8
#define LOSSLESS          2 // WebPBitstreamFeatures.format

static int fail_status(VP8StatusCode status, struct err *err)
{
    switch (status) {
    case VP8_STATUS_NOT_ENOUGH_DATA: return err_set(err, ERR_INVALID, "WebP is truncated");
    case VP8_STATUS_OUT_OF_MEMORY:
        return err_set(err, ERR_NO_MEMORY, "no memory for decoding a WebP");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return err_set(err, ERR_INVALID, "WebP uses a feature that is not read");
    default: return err_set(err, ERR_INVALID, "WebP is damaged");
    }
}

static uint32_t le32(const char *at)
{
    const uint8_t *byte = (const uint8_t *)at;
    return (uint32_t)byte[3] << 24 | (uint32_t)byte[2] << 16 | (uint32_t)byte[1] << 8 | byte[0];
}

static int read_orientation(struct str bytes)
{
    struct str rest = str_skip(bytes, 12); // RIFF, size, WEBP
    while (rest.size >= CHUNK_HEADER_SIZE) {
        size_t size = le32(rest.at + 4);
        struct str body = str_head(str_skip(rest, CHUNK_HEADER_SIZE), size);
        if (str_starts(rest, STR("EXIF"))) {
            return exif_orientation(body);
        }
        rest = str_skip(rest, CHUNK_HEADER_SIZE + size + (size & 1));
    }
    return 1;
}

int webp_decode(struct str bytes, const struct image_want *want, struct image *ret, struct err *err)
{
    const uint8_t *at = (const uint8_t *)bytes.at;
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config)) {
        return err_set(err, ERR_UNSUPPORTED, "libwebp is not of the version this was built for");
    }
    VP8StatusCode status = WebPGetFeatures(at, bytes.size, &config.input);
    if (status != VP8_STATUS_OK) {
        return fail_status(status, err);
    }
    if (config.input.has_animation) {
        return err_set(err, ERR_INVALID, "WebP is animated: only stills are read");
    }
    CLEAN(image_done) struct image image = {0};
    TRY(image_claim(&image, want, "WebP", (uint64_t)config.input.width,
                    (uint64_t)config.input.height, err));
    image.orientation = read_orientation(bytes);
    // A lossless picture is decoded whole, four bytes a pixel, before any of it is given out.
    uint64_t pixels = (uint64_t)config.input.width * (uint64_t)config.input.height;
    bool whole = config.input.format == LOSSLESS || config.input.has_alpha;
    TRY(image_alloc(&image, want, config.input.width, config.input.height, 3,
                    whole ? pixels * 4 : 0, err));
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = image.pixels;
    config.output.u.RGBA.stride = (int)image.stride;
    config.output.u.RGBA.size = image.stride * (size_t)image.height;
    status = WebPDecode(at, bytes.size, &config);
    WebPFreeDecBuffer(&config.output);
    if (status != VP8_STATUS_OK) {
        return fail_status(status, err);
    }
    *ret = image;
    image.pixels = NULL;
    return 0;
}
