// SPDX-License-Identifier: Apache-2.0
// JPEG by libjpeg-turbo: baseline and progressive, grey, colour and CMYK. The library reports by
// calling us and expects not to be returned to, hence setjmp; everything that has to survive the
// jump lives in struct jpeg, whose owner (jpeg_decode) frees it whichever way it ends.
#include "media/decoder.h"

#include "base/mem.h"
#include "media/exif.h"

#include <setjmp.h>
#include <stdio.h> // jpeglib.h needs it before

#include <jpeglib.h>

// The numbers of the library's messages, without the macros that come with them.
#define JERROR_H
#define JMESSAGE(code, text) code,
enum jpeg_message {
#include <jerror.h>
};

#define SCANS_MAX    100 // of a progressive file; encoders write about ten
#define ROWS_AT_ONCE 16  // more than the library hands out at a time
#define DETAIL       2   // decode to at least so many times the size that is wanted
#define SMOOTH       1.5 // smooth chroma up to so many times it
#define JPEG_EXIF    (JPEG_APP0 + 1)

struct jpeg {
    struct jpeg_decompress_struct lib;
    struct jpeg_error_mgr report;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    const struct image_want *want;
    struct image image;
    uint8_t *row; // of CMYK
    struct err *err;
};

// ---- what the library calls ----

_Noreturn static void leave(struct jpeg *jpeg)
{
    longjmp(jpeg->jump, 1);
}

_Noreturn static void leave_damaged(struct jpeg *jpeg)
{
    char text[JMSG_LENGTH_MAX];
    jpeg->report.format_message((j_common_ptr)&jpeg->lib, text);
    err_set(jpeg->err, ERR_INVALID, "JPEG is damaged: %s", text);
    leave(jpeg);
}

_Noreturn static void on_error(j_common_ptr lib)
{
    struct jpeg *jpeg = lib->client_data;
    if (lib->err->msg_code == JERR_IMAGE_TOO_BIG) {
        err_set(jpeg->err, ERR_INVALID, "a JPEG of %u x %u pixels is over the limit of %ld a side",
                jpeg->lib.image_width, jpeg->lib.image_height, (long)JPEG_MAX_DIMENSION);
        leave(jpeg);
    }
    leave_damaged(jpeg);
}

// Warnings of a picture that is all there are let go; the others mean that some of it was made up.
static void on_message(j_common_ptr lib, int level)
{
    if (level >= 0) {
        return; // a trace
    }
    switch (lib->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA: // between markers: many cameras
    case JWRN_ADOBE_XFORM:
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_JFIF_MAJOR: return;
    default: leave_damaged(lib->client_data);
    }
}

static void on_output(j_common_ptr lib)
{
    (void)lib; // would print
}

static void on_progress(j_common_ptr lib)
{
    struct jpeg *jpeg = lib->client_data;
    if (jpeg->lib.input_scan_number > SCANS_MAX) {
        err_set(jpeg->err, ERR_INVALID, "JPEG has more than %d scans", SCANS_MAX);
        leave(jpeg);
    }
}

static void source_start(j_decompress_ptr lib)
{
    (void)lib; // all bytes are there from the start
}

static boolean source_ended(j_decompress_ptr lib)
{
    struct jpeg *jpeg = lib->client_data;
    err_set(jpeg->err, ERR_INVALID, "JPEG is truncated");
    leave(jpeg);
}

static void source_skip(j_decompress_ptr lib, long count)
{
    if (count <= 0) {
        return;
    }
    if ((size_t)count > lib->src->bytes_in_buffer) {
        source_ended(lib);
    }
    lib->src->next_input_byte += count;
    lib->src->bytes_in_buffer -= (size_t)count;
}

// ---- decoding ----

static void read_orientation(struct jpeg *jpeg)
{
    for (jpeg_saved_marker_ptr at = jpeg->lib.marker_list; at; at = at->next) {
        struct str block = str_n(at->data, at->data_length);
        if (at->marker == JPEG_EXIF && str_starts(block, STR("Exif\0\0"))) {
            jpeg->image.orientation = exif_orientation(block);
            return;
        }
    }
}

// True when the picture at so many eighths of its size has `times` the size that is wanted.
static bool is_enough(const struct jpeg *jpeg, uint64_t eighths, double times)
{
    double width = (double)jpeg->lib.image_width, height = (double)jpeg->lib.image_height;
    double shorter = width < height ? width : height, longer = width < height ? height : width;
    double shrunk = (double)eighths / 8;
    return shorter * shrunk >= jpeg->want->shorter * times &&
           longer * shrunk >= jpeg->want->longer * times;
}

// 1, 2, 4 or 8 eighths: these have fast inverse transforms.
static unsigned eighths_for(const struct jpeg *jpeg)
{
    if (jpeg->want->shorter == 0 && jpeg->want->longer == 0) {
        return 8;
    }
    unsigned eighths = 1;
    while (eighths < 8 && !is_enough(jpeg, eighths, DETAIL)) {
        eighths *= 2;
    }
    return eighths;
}

static void choose_output(struct jpeg *jpeg)
{
    struct jpeg_decompress_struct *lib = &jpeg->lib;
    switch (lib->jpeg_color_space) {
    case JCS_GRAYSCALE: lib->out_color_space = JCS_GRAYSCALE; break;
    case JCS_YCbCr: lib->out_color_space = jpeg->want->gray ? JCS_GRAYSCALE : JCS_RGB; break;
    case JCS_CMYK:
    case JCS_YCCK: lib->out_color_space = JCS_CMYK; break;
    default: lib->out_color_space = JCS_RGB; break;
    }
    lib->scale_num = eighths_for(jpeg);
    lib->scale_denom = 8;
    lib->dct_method = JDCT_ISLOW;
    lib->do_block_smoothing = FALSE;
    // Smooth chroma makes no difference to what is about to be made much smaller.
    bool any = jpeg->want->shorter > 0 || jpeg->want->longer > 0;
    lib->do_fancy_upsampling = !any || !is_enough(jpeg, lib->scale_num, SMOOTH);
}

// A file of several scans is kept in memory as coefficients until the last one is read.
static uint64_t coefficients_size(const struct jpeg_decompress_struct *lib)
{
    uint64_t size = 0;
    if (jpeg_has_multiple_scans((j_decompress_ptr)lib)) {
        for (int i = 0; i < lib->num_components; i++) {
            const jpeg_component_info *component = &lib->comp_info[i];
            size +=
                (uint64_t)component->width_in_blocks * component->height_in_blocks * sizeof(JBLOCK);
        }
    }
    return size;
}

// Numbers are ink: 0 is none. Adobe's programs store them inverted, and say that it was them.
static void rgb_of_cmyk(const uint8_t *cmyk, uint8_t *rgb, int width, bool inverted)
{
    unsigned flip = inverted ? 0 : 255;
    for (int x = 0; x < width; x++, cmyk += 4, rgb += 3) {
        unsigned light = cmyk[3] ^ flip;
        for (int channel = 0; channel < 3; channel++) {
            rgb[channel] = (uint8_t)(((cmyk[channel] ^ flip) * light + 127) / 255);
        }
    }
}

static void read_rows(struct jpeg *jpeg)
{
    struct image *image = &jpeg->image;
    JSAMPROW rows[ROWS_AT_ONCE];
    while (jpeg->lib.output_scanline < jpeg->lib.output_height) {
        unsigned at = jpeg->lib.output_scanline;
        uint8_t *out = image->pixels + at * image->stride;
        if (jpeg->row) {
            rows[0] = jpeg->row;
            jpeg_read_scanlines(&jpeg->lib, rows, 1);
            rgb_of_cmyk(jpeg->row, out, image->width, jpeg->lib.saw_Adobe_marker);
            continue;
        }
        unsigned count = jpeg->lib.output_height - at;
        count = count < ROWS_AT_ONCE ? count : ROWS_AT_ONCE;
        for (unsigned i = 0; i < count; i++) {
            rows[i] = out + i * image->stride;
        }
        jpeg_read_scanlines(&jpeg->lib, rows, count);
    }
}

static int decode(struct jpeg *jpeg)
{
    struct jpeg_decompress_struct *lib = &jpeg->lib;
    struct image *image = &jpeg->image;
    jpeg_save_markers(lib, JPEG_EXIF, 0xffff);
    jpeg_read_header(lib, TRUE);
    TRY(image_claim(image, jpeg->want, "JPEG", lib->image_width, lib->image_height, jpeg->err));
    read_orientation(jpeg);
    choose_output(jpeg);
    jpeg_calc_output_dimensions(lib);
    bool cmyk = lib->out_color_space == JCS_CMYK;
    TRY(image_alloc(image, jpeg->want, (int)lib->output_width, (int)lib->output_height,
                    cmyk ? 3 : lib->out_color_components, coefficients_size(lib), jpeg->err));
    image->box.width = (double)lib->image_width * lib->scale_num / 8;
    image->box.height = (double)lib->image_height * lib->scale_num / 8;
    if (cmyk) {
        jpeg->row = mem_alloc((size_t)lib->output_width * 4);
    }
    jpeg_start_decompress(lib);
    read_rows(jpeg);
    jpeg_finish_decompress(lib);
    return 0;
}

static int decode_guarded(struct jpeg *jpeg)
{
    if (setjmp(jpeg->jump)) {
        return ERR_INVALID; // jpeg->err is set
    }
    jpeg_create_decompress(&jpeg->lib);
    jpeg->lib.src = &jpeg->source;
    jpeg->lib.progress = &jpeg->progress;
    jpeg->lib.mem->max_memory_to_use = (long)jpeg->want->memory_max;
    return decode(jpeg);
}

int jpeg_decode(struct str bytes, const struct image_want *want, struct image *ret, struct err *err)
{
    struct err ignored = {0}; // the callbacks need somewhere to write
    struct jpeg jpeg = {.want = want, .err = err ? err : &ignored};
    jpeg.lib.client_data = &jpeg;
    jpeg.lib.err = jpeg_std_error(&jpeg.report);
    jpeg.report.error_exit = on_error;
    jpeg.report.emit_message = on_message;
    jpeg.report.output_message = on_output;
    jpeg.progress.progress_monitor = on_progress;
    jpeg.source = (struct jpeg_source_mgr){
        .next_input_byte = (const JOCTET *)bytes.at,
        .bytes_in_buffer = bytes.size,
        .init_source = source_start,
        .fill_input_buffer = source_ended,
        .skip_input_data = source_skip,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = source_start,
    };
    int rc = decode_guarded(&jpeg);
    jpeg_destroy_decompress(&jpeg.lib);
    free(jpeg.row);
    if (rc < 0) {
        image_done(&jpeg.image);
        return rc;
    }
    *ret = jpeg.image;
    return 0;
}
