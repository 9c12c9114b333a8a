// SPDX-License-Identifier: Apache-2.0
#include "media/preprocess.h"

#include "base/mem.h"
#include "media/half.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>

static const struct preprocess plain = {
    .mode = PREPROCESS_NONE,
    .layout = PREPROCESS_NHWC,
    .type = PREPROCESS_U8,
    .scale = 1,
    .std = {1, 1, 1},
    .fill = 114,
};

static struct image image_of(int width, int height, int channels)
{
    struct image image = {
        .width = width,
        .height = height,
        .channels = channels,
        .stride = (size_t)(width * channels),
        .pixels = malloc((size_t)(width * height * channels)), // no more: a sanitizer watches
        .box = {.width = width, .height = height},
        .full_width = width,
        .full_height = height,
        .file_width = width,
        .file_height = height,
        .orientation = 1,
        .format = "PNG",
    };
    assert_non_null(image.pixels);
    return image;
}

// The same formula is in test/cases/resize/make.py.
static struct image picture_of(int width, int height, int channels)
{
    struct image image = image_of(width, height, channels);
    uint8_t *at = image.pixels;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            for (int k = 0; k < channels; k++) {
                *at++ =
                    (uint8_t)(x * 7 + y * 11 + k * 67 + (x * y) / 3 + ((x / 5 + y / 3) % 2) * 90);
            }
        }
    }
    return image;
}

static struct image solid(int width, int height, uint8_t red, uint8_t green, uint8_t blue)
{
    struct image image = image_of(width, height, 3);
    for (int i = 0; i < width * height; i++) {
        image.pixels[i * 3] = red;
        image.pixels[i * 3 + 1] = green;
        image.pixels[i * 3 + 2] = blue;
    }
    return image;
}

// Runs it into a block of exactly the tensor's size, the caller's to free.
static void *run(const struct preprocess *pre, const struct image *image,
                 struct preprocess_info *info)
{
    struct err err = {0};
    assert_int_equal(preprocess_check(pre, &err), 0);
    assert_int_equal(preprocess_plan(pre, image->full_width, image->full_height, info, &err), 0);
    size_t size = preprocess_size(pre, info);
    void *out = malloc(size);
    assert_non_null(out);
    memset(out, 0xa5, size);
    assert_int_equal(preprocess_run(pre, image, out, size, info, &err), 0);
    return out;
}

// ---- against Pillow ----

static int hex_digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

static int number_of(struct str *line)
{
    uint64_t value = 0;
    assert_true(str_to_u64(str_cut(line, '\t'), &value));
    return (int)value;
}

static void check_against_pillow(struct str line)
{
    struct str how = str_cut(&line, '\t');
    int width = number_of(&line), height = number_of(&line), channels = number_of(&line);
    int a = number_of(&line), b = number_of(&line), c = number_of(&line);
    int out_width = number_of(&line), out_height = number_of(&line);
    struct preprocess pre = plain;
    if (str_eq(how, STR("shorter"))) {
        pre.mode = PREPROCESS_SHORTER;
        pre.shorter = a, pre.crop_width = b, pre.crop_height = c;
    } else {
        pre.mode = str_eq(how, STR("stretch")) ? PREPROCESS_STRETCH : PREPROCESS_LETTERBOX;
        pre.width = a, pre.height = b;
        pre.align = c ? PREPROCESS_CENTER : PREPROCESS_START;
    }
    CLEAN(image_done) struct image image = picture_of(width, height, channels);
    struct preprocess_info info;
    CLEAN_MEM uint8_t *out = run(&pre, &image, &info);
    assert_int_equal(info.width, out_width);
    assert_int_equal(info.height, out_height);
    size_t size = (size_t)(out_width * out_height * 3);
    assert_int_equal(line.size, size * 2);
    for (size_t i = 0; i < size; i++) {
        int expected = hex_digit(line.at[i * 2]) * 16 + hex_digit(line.at[i * 2 + 1]);
        if (abs(out[i] - expected) > 1) { // Pillow rounds twice
            fail_msg("%.*s of %d x %d to %d x %d: byte %zu is %d, not %d", STR_ARG(how), width,
                     height, out_width, out_height, i, out[i], expected);
        }
    }
}

static void resizes_as_pillow_does(void **state)
{
    (void)state;
    const char *cases = getenv("ROUSE_CASES");
    assert_non_null(cases);
    CLEAN_MEM char *path = mem_printf("%s/resize/pillow.tsv", cases);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    CLEAN_MEM char *line = NULL;
    size_t room = 0, count = 0;
    while (getline(&line, &room, file) > 0) {
        if (line[0] != '#') {
            check_against_pillow(str_trim(str_of(line)));
            count++;
        }
    }
    fclose(file);
    assert_true(count >= 20);
}

// ---- layout, channels, type, numbers ----

static void normalizes(void **state)
{
    (void)state;
    struct preprocess pre = plain;
    pre.mode = PREPROCESS_STRETCH, pre.width = 3, pre.height = 2;
    pre.type = PREPROCESS_F32, pre.layout = PREPROCESS_NCHW, pre.channels = PREPROCESS_BGR;
    pre.scale = 0.5;
    for (int k = 0; k < 3; k++) {
        pre.mean[k] = 10 * (k + 1);
        pre.std[k] = 2 * (k + 1);
    }
    CLEAN(image_done) struct image image = solid(9, 9, 200, 100, 40);
    struct preprocess_info info;
    CLEAN_MEM float *out = run(&pre, &image, &info);
    const double expected[3] = {(20 - 10) / 2.0, (50 - 20) / 4.0, (100 - 30) / 6.0};
    for (int i = 0; i < 18; i++) {
        assert_true(fabs(out[i] - expected[i / 6]) < 1e-4);
    }
}

static void layouts_hold_the_same(void **state)
{
    (void)state;
    struct preprocess pre = plain;
    pre.mode = PREPROCESS_LETTERBOX, pre.width = 21, pre.height = 18, pre.type = PREPROCESS_F32;
    CLEAN(image_done) struct image image = picture_of(37, 23, 3);
    struct preprocess_info info;
    CLEAN_MEM float *mixed = run(&pre, &image, &info);
    pre.layout = PREPROCESS_NCHW;
    CLEAN_MEM float *planes = run(&pre, &image, &info);
    pre.channels = PREPROCESS_BGR;
    CLEAN_MEM float *swapped = run(&pre, &image, &info);
    pre.type = PREPROCESS_F16;
    CLEAN_MEM uint16_t *halves = run(&pre, &image, &info);
    int area = 21 * 18;
    for (int i = 0; i < area; i++) {
        for (int k = 0; k < 3; k++) {
            assert_true(mixed[i * 3 + k] == planes[k * area + i]);
            assert_true(swapped[(2 - k) * area + i] == planes[k * area + i]);
            assert_int_equal(halves[k * area + i], half_of_float(swapped[k * area + i]));
        }
    }
}

static void gray_and_colour_mix(void **state)
{
    (void)state;
    struct preprocess pre = plain;
    pre.channels = PREPROCESS_GRAY;
    CLEAN(image_done) struct image colour = solid(4, 3, 250, 100, 10);
    struct preprocess_info info;
    CLEAN_MEM uint8_t *gray = run(&pre, &colour, &info);
    assert_int_equal(info.channels, 1);
    assert_int_equal(gray[0], 135); // 0.299 * 250 + 0.587 * 100 + 0.114 * 10 = 134.6
    assert_int_equal(gray[11], 135);

    pre.channels = PREPROCESS_BGR;
    CLEAN(image_done) struct image one = picture_of(5, 4, 1);
    CLEAN_MEM uint8_t *three = run(&pre, &one, &info);
    for (int i = 0; i < 20; i++) {
        for (int k = 0; k < 3; k++) {
            assert_int_equal(three[i * 3 + k], one.pixels[i]);
        }
    }
}

static void bytes_are_held_to_their_range(void **state)
{
    (void)state;
    struct preprocess pre = plain;
    pre.scale = 2;
    pre.mean[0] = 0, pre.mean[1] = 300, pre.mean[2] = 19.6;
    CLEAN(image_done) struct image image = solid(1, 1, 200, 100, 10);
    struct preprocess_info info;
    CLEAN_MEM uint8_t *out = run(&pre, &image, &info);
    assert_int_equal(out[0], 255);
    assert_int_equal(out[1], 0);
    assert_int_equal(out[2], 0);
}

static void fill_is_normalized_too(void **state)
{
    (void)state;
    struct preprocess pre = plain;
    pre.mode = PREPROCESS_LETTERBOX, pre.width = 8, pre.height = 8, pre.type = PREPROCESS_F32;
    pre.scale = 1 / 255.0, pre.align = PREPROCESS_START;
    CLEAN(image_done) struct image image = solid(8, 4, 255, 255, 255);
    struct preprocess_info info;
    CLEAN_MEM float *out = run(&pre, &image, &info);
    assert_true(fabsf(out[0] - 1) < 1e-5f);
    assert_true(fabsf(out[8 * 8 * 3 - 1] - 114 / 255.0f) < 1e-5f);
}

// ---- plans ----

static void tells_how_to_go_back(void **state)
{
    (void)state;
    struct preprocess pre = plain;
    struct preprocess_info info;
    struct err err = {0};
    pre.mode = PREPROCESS_LETTERBOX, pre.width = 640, pre.height = 640;
    assert_int_equal(preprocess_plan(&pre, 1280, 720, &info, &err), 0);
    assert_true(info.scale_x == 0.5 && info.scale_y == 0.5);
    assert_true(info.offset_x == 0 && info.offset_y == 140);
    pre.align = PREPROCESS_START;
    assert_int_equal(preprocess_plan(&pre, 1280, 720, &info, &err), 0);
    assert_true(info.offset_x == 0 && info.offset_y == 0);

    pre = plain;
    pre.mode = PREPROCESS_SHORTER, pre.shorter = 256, pre.crop_width = pre.crop_height = 224;
    assert_int_equal(preprocess_plan(&pre, 640, 480, &info, &err), 0);
    assert_int_equal(info.width, 224);
    assert_true(info.offset_x == -58 && info.offset_y == -16); // (341 - 224) / 2 rounds to even
    assert_int_equal(preprocess_size(&pre, &info), 224 * 224 * 3);
}

static void wants_no_more_than_it_needs(void **state)
{
    (void)state;
    struct preprocess pre = plain;
    struct image_want want;
    preprocess_want(&pre, &want);
    assert_true(want.shorter == 0 && want.longer == 0 && !want.gray);
    pre.mode = PREPROCESS_SHORTER, pre.shorter = 256;
    preprocess_want(&pre, &want);
    assert_true(want.shorter == 256 && want.longer == 0);
    pre.mode = PREPROCESS_LETTERBOX, pre.width = 640, pre.height = 384;
    preprocess_want(&pre, &want);
    assert_true(want.shorter == 0 && want.longer == 640);
    pre.mode = PREPROCESS_STRETCH, pre.channels = PREPROCESS_GRAY;
    preprocess_want(&pre, &want);
    assert_true(want.shorter == 640 && want.longer == 0 && want.gray);
}

static void uses_the_box_of_a_scaled_picture(void **state)
{
    (void)state;
    struct preprocess pre = plain;
    pre.mode = PREPROCESS_STRETCH, pre.width = 2, pre.height = 1;
    CLEAN(image_done) struct image image = solid(6, 2, 100, 100, 100);
    image.box = (struct image_box){1, 0, 4, 1};
    image.full_width = 8, image.full_height = 2;
    image.pixels[0] = image.pixels[5 * 3] = 255; // outside of it
    struct preprocess_info info;
    CLEAN_MEM uint8_t *out = run(&pre, &image, &info);
    assert_true(out[0] > 100 && out[0] < 150); // the filter reaches over the edge a little
    assert_int_equal(out[1], 100);
    assert_true(info.scale_x == 0.25 && info.scale_y == 0.5);
}

static void extreme_pictures_are_cropped(void **state)
{
    (void)state;
    struct preprocess pre = plain;
    pre.mode = PREPROCESS_SHORTER, pre.shorter = 256, pre.crop_width = pre.crop_height = 224;
    CLEAN(image_done) struct image image = picture_of(1, 100000, 3);
    struct preprocess_info info;
    CLEAN_MEM uint8_t *out = run(&pre, &image, &info);
    assert_int_equal(info.width, 224);
    assert_true(info.offset_y < -12000000);
    assert_true(out[0] == out[3] && out[1] == out[4]); // one pixel wide
}

// ---- what is refused ----

static void expect_refusal(const struct preprocess *pre, const char *start)
{
    struct err err = {0};
    assert_int_equal(preprocess_check(pre, &err), ERR_INVALID);
    assert_true(str_starts(str_of(err.text), str_of(start)));
}

static void nonsense_is_named(void **state)
{
    (void)state;
    struct preprocess pre = plain;
    pre.mode = PREPROCESS_SHORTER;
    expect_refusal(&pre, "shorter: 0");
    pre.shorter = PREPROCESS_SIDE_MAX + 1;
    expect_refusal(&pre, "shorter: ");
    pre = plain, pre.mode = PREPROCESS_STRETCH, pre.width = 10;
    expect_refusal(&pre, "size: 10 x 0");
    pre = plain, pre.crop_width = 5;
    expect_refusal(&pre, "crop: 5 x 0");
    pre = plain, pre.mode = PREPROCESS_LETTERBOX, pre.width = pre.height = 8;
    pre.crop_width = pre.crop_height = 4;
    expect_refusal(&pre, "crop: a letterbox");
    pre = plain, pre.fill = 256;
    expect_refusal(&pre, "fill: 256");
    pre = plain, pre.scale = NAN;
    expect_refusal(&pre, "scale: ");
    pre = plain, pre.mean[2] = INFINITY;
    expect_refusal(&pre, "mean: ");
    pre = plain, pre.std[1] = 0;
    expect_refusal(&pre, "std: ");
    pre.channels = PREPROCESS_GRAY; // of which only the first counts
    assert_int_equal(preprocess_check(&pre, NULL), 0);
}

static void wrong_sizes_are_refused(void **state)
{
    (void)state;
    struct err err = {0};
    struct preprocess pre = plain;
    CLEAN(image_done) struct image image = picture_of(5, 4, 3);
    uint8_t out[61] = {0};
    struct preprocess_info info = {.width = 77};
    assert_int_equal(preprocess_run(&pre, &image, out, 61, &info, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "5 x 4 x 3, 60 bytes; the model takes 61"));
    assert_int_equal(info.width, 77);
    assert_int_equal(preprocess_run(&pre, &image, out, 60, NULL, &err), 0);

    pre.mode = PREPROCESS_SHORTER, pre.shorter = 256;
    assert_int_equal(preprocess_plan(&pre, 1, 10000, &info, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "1 x 10000 pixels would become one of 256 x 2560000"));
    assert_int_equal(info.width, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resizes_as_pillow_does),
        cmocka_unit_test(normalizes),
        cmocka_unit_test(layouts_hold_the_same),
        cmocka_unit_test(gray_and_colour_mix),
        cmocka_unit_test(bytes_are_held_to_their_range),
        cmocka_unit_test(fill_is_normalized_too),
        cmocka_unit_test(tells_how_to_go_back),
        cmocka_unit_test(wants_no_more_than_it_needs),
        cmocka_unit_test(uses_the_box_of_a_scaled_picture),
        cmocka_unit_test(extreme_pictures_are_cropped),
        cmocka_unit_test(nonsense_is_named),
        cmocka_unit_test(wrong_sizes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
