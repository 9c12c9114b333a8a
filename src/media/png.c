// SPDX-License-Identifier: Apache-2.0
// PNG by libpng: every depth and colour type, interlaced or not; alpha is dropped, not blended. The
// library expects its error callback not to return, hence setjmp; everything that has to survive
// the jump lives in struct png, whose owner (png_decode) frees it whichever way it ends.
#include "media/decoder.h"

#include "base/mem.h"
#include "media/exif.h"

#include <png.h>
#include <setjmp.h>

#define CHUNKS_MAX     1000
#define CHUNK_SIZE_MAX (8u * 1024 * 1024) // of what is not pixels, unpacked

struct png {
    png_struct *lib;
    png_info *info;
    jmp_buf jump;
    struct str rest; // not yet read
    const struct image_want *want;
    struct image image;
    struct err *err;
};

// ---- what the library calls ----

_Noreturn static void on_error(png_struct *lib, const char *text)
{
    struct png *png = png_get_error_ptr(lib);
    err_set(png->err, ERR_INVALID, "PNG is damaged: %s", text);
    longjmp(png->jump, 1);
}

static void on_warning(png_struct *lib, const char *text)
{
    (void)lib; // about chunks that are not pixels
    (void)text;
}

static void on_read(png_struct *lib, uint8_t *to, size_t size)
{
    struct png *png = png_get_io_ptr(lib);
    if (size > png->rest.size) {
        err_set(png->err, ERR_INVALID, "PNG is truncated");
        longjmp(png->jump, 1);
    }
    memcpy(to, png->rest.at, size);
    png->rest = str_skip(png->rest, size);
}

// ---- decoding ----

static uint32_t be32(const char *at)
{
    const uint8_t *byte = (const uint8_t *)at;
    return (uint32_t)byte[0] << 24 | (uint32_t)byte[1] << 16 | (uint32_t)byte[2] << 8 | byte[3];
}

// From the header chunk, which comes first: the library's own word on sizes is less helpful.
static int read_claim(struct png *png)
{
    struct str header = str_skip(png->rest, 8);
    if (header.size < 16) {
        return err_set(png->err, ERR_INVALID, "PNG is truncated");
    }
    if (!str_starts(str_skip(header, 4), STR("IHDR"))) {
        return err_set(png->err, ERR_INVALID, "PNG is damaged: it does not start with its header");
    }
    return image_claim(&png->image, png->want, "PNG", be32(header.at + 8), be32(header.at + 12),
                       png->err);
}

static void read_orientation(struct png *png)
{
#ifdef PNG_eXIf_SUPPORTED
    png_uint_32 size = 0;
    png_byte *block = NULL;
    if (png_get_eXIf_1(png->lib, png->info, &size, &block)) {
        png->image.orientation = exif_orientation(str_n(block, size));
    }
#endif
}

// Whatever it is becomes 8 bits of grey or of RGB.
static void choose_output(struct png *png)
{
    int type = png_get_color_type(png->lib, png->info);
    if (type == PNG_COLOR_TYPE_PALETTE) {
        png_set_palette_to_rgb(png->lib);
    }
    if (type == PNG_COLOR_TYPE_GRAY) {
        png_set_expand_gray_1_2_4_to_8(png->lib);
    }
    png_set_strip_16(png->lib);
    png_set_strip_alpha(png->lib);
}

static int decode(struct png *png)
{
    png_read_info(png->lib, png->info);
    read_orientation(png);
    choose_output(png);
    int passes = png_set_interlace_handling(png->lib);
    png_read_update_info(png->lib, png->info);
    int channels = png_get_channels(png->lib, png->info);
    struct image *image = &png->image;
    TRY(image_alloc(image, png->want, image->file_width, image->file_height, channels, 0,
                    png->err));
    if (png_get_rowbytes(png->lib, png->info) != image->stride) {
        return err_set(png->err, ERR_UNSUPPORTED, "PNG is of an unknown kind");
    }
    for (int pass = 0; pass < passes; pass++) {
        for (int y = 0; y < image->height; y++) {
            png_read_row(png->lib, image->pixels + (size_t)y * image->stride,
                         NULL /* no preview */);
        }
    }
    png_read_end(png->lib, NULL /* nothing more to know */);
    return 0;
}

static int decode_guarded(struct png *png)
{
    if (setjmp(png->jump)) {
        return ERR_INVALID; // png->err is set
    }
    png_set_read_fn(png->lib, png, on_read);
    png_set_user_limits(png->lib, PNG_UINT_31_MAX, PNG_UINT_31_MAX); // read_claim knows better
    png_set_chunk_cache_max(png->lib, CHUNKS_MAX);
    png_set_chunk_malloc_max(png->lib, CHUNK_SIZE_MAX);
    return decode(png);
}

int png_decode(struct str bytes, const struct image_want *want, struct image *ret, struct err *err)
{
    struct err ignored = {0}; // the callbacks need somewhere to write
    struct png png = {.want = want, .rest = bytes, .err = err ? err : &ignored};
    TRY(read_claim(&png));
    png.lib = png_create_read_struct(PNG_LIBPNG_VER_STRING, &png, on_error, on_warning);
    png.info = png.lib ? png_create_info_struct(png.lib) : NULL;
    int rc = png.info ? decode_guarded(&png)
                      : err_set(err, ERR_NO_MEMORY, "no memory for a PNG decoder");
    png_destroy_read_struct(&png.lib, &png.info, NULL /* no info of the end */);
    if (rc < 0) {
        image_done(&png.image);
        return rc;
    }
    *ret = png.image;
    return 0;
}
