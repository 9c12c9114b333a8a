// SPDX-License-Identifier: Apache-2.0
// Tells the formats apart, holds what files claim against the limits, and turns what was decoded
// the way it is to be seen. The runner comes here with the bytes of an object or a payload.
#include "media/image.h"

#include "base/check.h"
#include "base/mem.h"
#include "media/decoder.h"

#include <limits.h>

#define MEGA 1000000.0

// Formats that people send and that we do not read.
static const struct {
    struct str start;
    size_t at;
    const char *name;
} foreign[] = {
    {{"GIF8", 4}, 0, "a GIF"},         {{"BM", 2}, 0, "a BMP"},
    {{"II*\0", 4}, 0, "a TIFF"},       {{"MM\0*", 4}, 0, "a TIFF"},
    {{"%PDF", 4}, 0, "a PDF"},         {{"8BPS", 4}, 0, "a Photoshop file"},
    {{"ftypavif", 8}, 4, "an AVIF"},   {{"ftypheic", 8}, 4, "a HEIC"},
    {{"ftypmif1", 8}, 4, "a HEIF"},    {{"ftyp", 4}, 4, "a video (MP4 or kin)"},
    {{"\xff\x0a", 2}, 0, "a JPEG XL"}, {{"\0\0\0\x0cJXL ", 8}, 0, "a JPEG XL"},
};

const char *image_format(struct str bytes)
{
    if (str_starts(bytes, STR("\xff\xd8"))) {
        return "JPEG";
    }
    if (str_starts(bytes, STR("\x89PNG\r\n\x1a\n"))) {
        return "PNG";
    }
    if (str_starts(bytes, STR("RIFF")) && str_starts(str_skip(bytes, 8), STR("WEBP"))) {
        return "WebP";
    }
    return NULL;
}

static int fail_unknown(struct str bytes, struct err *err)
{
    if (bytes.size == 0) {
        return err_set(err, ERR_INVALID, "not an image: it is empty");
    }
    for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
        if (str_starts(str_skip(bytes, foreign[i].at), foreign[i].start)) {
            return err_set(err, ERR_INVALID, "%s: only JPEG, PNG and WebP images are read",
                           foreign[i].name);
        }
    }
    struct str start = str_head(bytes, 16);
    char hex[16 * 3 + 1] = "", text[16 + 1] = "";
    bool printable = true;
    for (size_t i = 0; i < start.size; i++) {
        uint8_t byte = (uint8_t)start.at[i];
        snprintf(hex + i * 3, 4, " %02x", byte);
        text[i] = byte == '\n' || byte == '\r' || byte == '\t' ? ' ' : (char)byte;
        printable = printable && text[i] >= 0x20 && text[i] < 0x7f;
    }
    if (printable) {
        return err_set(err, ERR_INVALID, "not an image: starts with \"%s\"", text);
    }
    return err_set(err, ERR_INVALID, "not an image: starts with the bytes%s", hex);
}

int image_claim(struct image *image, const struct image_want *want, const char *format,
                uint64_t width, uint64_t height, struct err *err)
{
    if (width == 0 || height == 0) {
        return err_set(err, ERR_INVALID, "a %s of %llu x %llu pixels has nothing to show", format,
                       (unsigned long long)width, (unsigned long long)height);
    }
    if (width > INT_MAX || height > INT_MAX || width > want->pixels_max / height) {
        return err_set(err, ERR_INVALID,
                       "a %s of %llu x %llu pixels is over the limit of %g megapixels", format,
                       (unsigned long long)width, (unsigned long long)height,
                       (double)want->pixels_max / MEGA);
    }
    image->format = format;
    image->orientation = 1;
    image->file_width = (int)width;
    image->file_height = (int)height;
    return 0;
}

int image_alloc(struct image *image, const struct image_want *want, int width, int height,
                int channels, uint64_t more, struct err *err)
{
    CHECK(width > 0 && height > 0 && (channels == 1 || channels == 3));
    uint64_t size = (uint64_t)width * (uint64_t)height * (uint64_t)channels;
    if (more > want->memory_max || size > want->memory_max - more) {
        return err_set(err, ERR_INVALID,
                       "decoding this %s of %d x %d pixels takes %g MB, over the limit of %g MB",
                       image->format, image->file_width, image->file_height,
                       (double)(size + more) / MEGA, (double)want->memory_max / MEGA);
    }
    image->pixels = malloc(size);
    if (!image->pixels) {
        return err_set(err, ERR_NO_MEMORY, "no memory for a picture of %d x %d pixels", width,
                       height);
    }
    image->width = width;
    image->height = height;
    image->channels = channels;
    image->stride = (size_t)width * (size_t)channels;
    image->box = (struct image_box){.width = width, .height = height};
    return 0;
}

void image_done(struct image *image)
{
    free(image->pixels);
    *image = (struct image){0};
}

// ---- turning ----

static bool swaps_sides(int orientation)
{
    return orientation >= 5;
}

static bool mirrors_x(int orientation) // of what is stored
{
    return orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
}

static bool mirrors_y(int orientation)
{
    return orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
}

static void turn_box(const struct image *from, struct image *to)
{
    struct image_box box = from->box;
    if (mirrors_x(from->orientation)) {
        box.x = from->width - box.x - box.width;
    }
    if (mirrors_y(from->orientation)) {
        box.y = from->height - box.y - box.height;
    }
    to->box = box;
    if (swaps_sides(from->orientation)) {
        to->box = (struct image_box){box.y, box.x, box.height, box.width};
    }
}

// Walks the target row by row, and the source by steps of one pixel and one row, whichever and
// from whichever end the orientation says.
static void turn_pixels(const struct image *from, struct image *to)
{
    ptrdiff_t pixel = from->channels, row = (ptrdiff_t)from->stride;
    const uint8_t *start = from->pixels;
    if (mirrors_x(from->orientation)) {
        start += (from->width - 1) * pixel;
        pixel = -pixel;
    }
    if (mirrors_y(from->orientation)) {
        start += (from->height - 1) * row;
        row = -row;
    }
    ptrdiff_t across = swaps_sides(from->orientation) ? row : pixel;
    ptrdiff_t down = swaps_sides(from->orientation) ? pixel : row;
    for (int y = 0; y < to->height; y++) {
        const uint8_t *in = start + y * down;
        uint8_t *out = to->pixels + (size_t)y * to->stride;
        for (int x = 0; x < to->width; x++, in += across, out += to->channels) {
            for (int channel = 0; channel < to->channels; channel++) {
                out[channel] = in[channel];
            }
        }
    }
}

static int turn(struct image *image, const struct image_want *want, struct err *err)
{
    bool swap = swaps_sides(image->orientation);
    struct image turned = *image;
    turned.pixels = NULL;
    TRY(image_alloc(&turned, want, swap ? image->height : image->width,
                    swap ? image->width : image->height, image->channels,
                    (uint64_t)image->stride * (uint64_t)image->height, err));
    turn_pixels(image, &turned);
    turn_box(image, &turned);
    free(image->pixels);
    *image = turned;
    return 0;
}

// ---- entry point ----

static int decode_any(struct str bytes, const struct image_want *want, struct image *ret,
                      struct err *err)
{
    const char *format = image_format(bytes);
    if (!format) {
        return fail_unknown(bytes, err);
    }
    switch (format[0]) {
    case 'J': return jpeg_decode(bytes, want, ret, err);
    case 'P': return png_decode(bytes, want, ret, err);
    default: return webp_decode(bytes, want, ret, err);
    }
}

int image_decode(struct str bytes, const struct image_want *want, struct image *ret,
                 struct err *err)
{
    CHECK(ret->pixels == NULL);
    struct image_want limited = *want;
    limited.pixels_max = want->pixels_max ? want->pixels_max : IMAGE_PIXELS_MAX;
    limited.memory_max = want->memory_max ? want->memory_max : IMAGE_MEMORY_MAX;

    CLEAN(image_done) struct image image = {0};
    TRY(decode_any(bytes, &limited, &image, err));
    bool turned = !want->as_stored && image.orientation != 1;
    if (turned) {
        TRY(turn(&image, &limited, err));
    }
    bool swap = turned && swaps_sides(image.orientation);
    image.full_width = swap ? image.file_height : image.file_width;
    image.full_height = swap ? image.file_width : image.file_height;
    *ret = image;
    image.pixels = NULL;
    return 0;
}
