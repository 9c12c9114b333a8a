// SPDX-License-Identifier: Apache-2.0
// Every picture of test/corpus/images, good and bad, and what can be done to them.
#include "media/image.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>

#define FILE_MAX (1024 * 1024)

static const struct image_want everything;

// A file's bytes in a heap block of their own size, so that a sanitizer sees an overread.
static struct str load(const char *name)
{
    CLEAN_MEM char *path = mem_printf("%s/../corpus/images/%s", getenv("ROUSE_CASES"), name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        fail_msg("%s is missing", path);
    }
    CLEAN_MEM char *room = mem_alloc(FILE_MAX);
    size_t size = fread(room, 1, FILE_MAX, file);
    fclose(file);
    char *at = malloc(size ? size : 1);
    assert_non_null(at);
    memcpy(at, room, size);
    return str_n(at, size);
}

static void unload(const struct str *bytes)
{
    free((char *)bytes->at);
}

static struct image decode(const char *name, const struct image_want *want)
{
    CLEAN(unload) struct str bytes = load(name);
    struct image image = {0};
    struct err err = {0};
    if (image_decode(bytes, want, &image, &err) < 0) {
        fail_msg("%s: %s", name, err.text);
    }
    return image;
}

static void expect_error(const char *name, const struct image_want *want, const char *text)
{
    CLEAN(unload) struct str bytes = load(name);
    struct image image = {.width = 77};
    struct err err = {0};
    if (image_decode(bytes, want, &image, &err) >= 0) {
        fail_msg("%s was accepted", name);
    }
    assert_int_equal(err.code, ERR_INVALID);
    assert_null(image.pixels);
    assert_int_equal(image.width, 77); // untouched
    if (!strstr(err.text, text)) {
        fail_msg("%s: \"%s\" does not say \"%s\"", name, err.text, text);
    }
}

// ---- the corpus ----

static bool is_like(const struct image *image, int x, int y, const uint8_t expected[3])
{
    const uint8_t *at = image->pixels + (size_t)y * image->stride + (size_t)(x * image->channels);
    uint8_t gray[3];
    if (image->channels == 1) {
        int luma = (299 * expected[0] + 587 * expected[1] + 114 * expected[2]) / 1000;
        memset(gray, luma, 3);
        expected = gray;
    }
    for (int k = 0; k < image->channels; k++) {
        if (abs(at[k] - expected[k]) > 25) {
            return false;
        }
    }
    return true;
}

// The scene: a red, a green, a blue and a white quarter.
static void check_scene(const char *name, const struct image *image)
{
    static const uint8_t colors[4][3] = {
        {220, 30, 30}, {30, 200, 40}, {30, 40, 220}, {255, 255, 255}};
    for (int quarter = 0; quarter < 4; quarter++) {
        int x = quarter % 2 ? image->width * 7 / 8 : image->width / 8;
        int y = quarter / 2 ? image->height * 7 / 8 : image->height / 8;
        if (!is_like(image, x, y, colors[quarter])) {
            const uint8_t *at =
                image->pixels + (size_t)y * image->stride + (size_t)(x * image->channels);
            fail_msg("%s: at %d, %d there is %d, %d, %d", name, x, y, at[0],
                     at[image->channels / 2], at[image->channels - 1]);
        }
    }
}

static bool shows_the_scene(const char *name)
{
    static const char *const others[] = {"noise.jpg", "one-pixel.jpg", "one-pixel.png", "grey1.png",
                                         "thin.jpg"};
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        if (strcmp(name, others[i]) == 0) {
            return false;
        }
    }
    return true;
}

static void check_good(const char *name, int width, int height)
{
    CLEAN(image_done) struct image image = decode(name, &everything);
    assert_int_equal(image.width, width);
    assert_int_equal(image.height, height);
    assert_int_equal(image.full_width, width);
    assert_int_equal(image.full_height, height);
    assert_true(image.channels == 1 || image.channels == 3);
    assert_true(image.orientation >= 1 && image.orientation <= 8);
    assert_true(image.box.x == 0 && image.box.width == width && image.box.height == height);
    if (shows_the_scene(name)) {
        check_scene(name, &image);
    }
}

static void reads_the_good_and_refuses_the_bad(void **state)
{
    (void)state;
    CLEAN(unload) struct str manifest = load("MANIFEST.tsv");
    int good = 0, bad = 0;
    for (struct str rest = manifest; rest.size > 0;) {
        struct str line = str_cut(&rest, '\n');
        CLEAN_MEM char *name = str_dup(str_cut(&line, '\t'));
        struct str kind = str_cut(&line, '\t');
        uint64_t width = 0, height = 0;
        if (str_eq(kind, STR("good"))) {
            assert_true(str_to_u64(str_cut(&line, '\t'), &width));
            assert_true(str_to_u64(str_cut(&line, '\t'), &height));
            check_good(name, (int)width, (int)height);
            good++;
        } else if (str_eq(kind, STR("bad"))) {
            expect_error(name, &everything, "");
            bad++;
        }
        check_good("baseline.jpg", 64, 48); // as if nothing had been
    }
    assert_true(good >= 30 && bad >= 30);
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"empty.jpg", "not an image: it is empty"},
        {"text.jpg", "not an image: starts with \"This is not a pi\""},
        {"html.png", "not an image: starts with \"<!doctype html><\""},
        {"zeros.png", "not an image: starts with the bytes 00 00 00"},
        {"gif.jpg", "a GIF: only JPEG, PNG and WebP images are read"},
        {"soi-only.jpg", "JPEG is truncated"},
        {"truncated-header.jpg", "JPEG is truncated"},
        {"truncated-tables.jpg", "JPEG is truncated"},
        {"truncated-no-scan.jpg", "JPEG is truncated"},
        {"truncated-half.jpg", "JPEG is truncated"},
        {"truncated-90.jpg", "JPEG is truncated"},
        {"truncated-progressive.jpg", "JPEG is truncated"},
        {"truncated-half.png", "PNG is truncated"},
        {"truncated-header.png", "PNG is truncated"},
        {"signature-only.png", "PNG is truncated"},
        {"truncated-half.webp", "WebP is truncated"},
        {"bomb-65535.jpg", "a JPEG of 65535 x 65535 pixels is over the limit of 65500"},
        {"bomb-progressive.jpg", "a JPEG of 65500 x 65500 pixels is over the limit"},
        {"bomb-50000.png", "a PNG of 50000 x 50000 pixels is over the limit of 100 megapixels"},
        {"bomb-2g.png", "a PNG of 2147483647 x 2147483647 pixels is over the limit"},
        {"bomb-16384.webp", "WebP"},
        {"zero-width.png", "a PNG of 0 x "},
        {"scan-damaged.jpg", "JPEG is damaged: "},
        {"huffman-overfull.jpg", "JPEG is damaged: "},
        {"deflate.png", "PNG is damaged: "},
        {"crc.png", "PNG is damaged: "},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        expect_error(cases[i][0], &everything, cases[i][1]);
    }
}

static void shows_less_than_it_has(void **state)
{
    (void)state;
    CLEAN(image_done) struct image alpha = decode("rgba8.png", &everything);
    CLEAN(image_done) struct image opaque = decode("rgb8.png", &everything);
    assert_int_equal(alpha.channels, 3);
    assert_memory_equal(alpha.pixels, opaque.pixels, 64 * 48 * 3); // alpha is dropped
    CLEAN(image_done) struct image deep = decode("rgb16.png", &everything);
    assert_memory_equal(deep.pixels, opaque.pixels, 64 * 48 * 3);
    CLEAN(image_done) struct image interlaced = decode("interlaced.png", &everything);
    assert_memory_equal(interlaced.pixels, opaque.pixels, 64 * 48 * 3);
    CLEAN(image_done) struct image lossless = decode("lossless.webp", &everything);
    assert_memory_equal(lossless.pixels, opaque.pixels, 64 * 48 * 3);
}

// ---- wishes ----

static void turns_only_when_asked(void **state)
{
    (void)state;
    struct image_want as_stored = {.as_stored = true};
    CLEAN(image_done) struct image stored = decode("exif-6.jpg", &as_stored);
    assert_int_equal(stored.width, 48);
    assert_int_equal(stored.height, 64);
    assert_int_equal(stored.full_width, 48);
    assert_int_equal(stored.orientation, 6);
    CLEAN(image_done) struct image turned = decode("exif-6.jpg", &everything);
    assert_int_equal(turned.file_width, 48);
    assert_int_equal(turned.full_width, 64);
    assert_int_equal(turned.orientation, 6);
}

static void decodes_no_more_than_needed(void **state)
{
    (void)state;
    static const struct {
        struct image_want want;
        int width, height;
    } cases[] = {
        {{.shorter = 1}, 8, 6},     {{.shorter = 3}, 8, 6},    {{.shorter = 4}, 16, 12},
        {{.shorter = 7}, 32, 24},   {{.shorter = 12}, 32, 24}, {{.shorter = 13}, 64, 48},
        {{.shorter = 500}, 64, 48}, {{.longer = 4}, 8, 6},     {{.longer = 8}, 16, 12},
        {{.longer = 17}, 64, 48},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEAN(image_done) struct image image = decode("baseline.jpg", &cases[i].want);
        assert_int_equal(image.width, cases[i].width);
        assert_int_equal(image.height, cases[i].height);
        assert_int_equal(image.full_width, 64);
        assert_true(image.box.width == cases[i].width);
        check_scene("baseline.jpg", &image);
    }
    struct image_want gray = {.gray = true};
    CLEAN(image_done) struct image image = decode("subsampled.jpg", &gray);
    assert_int_equal(image.channels, 1);
    check_scene("subsampled.jpg", &image);
}

static void knows_the_box_of_a_scaled_picture(void **state)
{
    (void)state;
    struct image_want small = {.shorter = 2};
    CLEAN(image_done) struct image image = decode("odd-size.jpg", &small); // 37 x 23 at 2/8
    assert_int_equal(image.width, 10);
    assert_int_equal(image.height, 6);
    assert_true(image.box.x == 0 && image.box.y == 0);
    assert_true(image.box.width == 37 / 4.0 && image.box.height == 23 / 4.0);
    assert_int_equal(image.full_width, 37);
}

static void limits_hold(void **state)
{
    (void)state;
    struct image_want few = {.pixels_max = 64 * 48 - 1};
    static const char *const names[] = {"baseline.jpg", "progressive.jpg", "rgb8.png", "lossy.webp",
                                        "lossless.webp"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        expect_error(names[i], &few, "of 64 x 48 pixels is over the limit of 0.003071 megapixels");
        struct image_want exactly = {.pixels_max = 64 * 48};
        CLEAN(image_done) struct image image = decode(names[i], &exactly);
        assert_int_equal(image.width, 64);
        struct image_want tight = {.memory_max = 64 * 48 * 3 - 1};
        expect_error(names[i], &tight, "MB, over the limit of 0.009215 MB");
    }
    struct image_want tight = {.memory_max = 64 * 48 * 3 * 3 - 1}; // pixels and coefficients
    expect_error("progressive.jpg", &tight, "decoding this JPEG of 64 x 48 pixels takes");
}

// ---- damage ----

// Damages `bytes` at random places (the same ones each time) and decodes: whatever comes of it, it
// is an error with words or a picture that is whole.
static void damage(struct str original, unsigned rounds)
{
    unsigned seed = 1;
    char *bytes = malloc(original.size);
    assert_non_null(bytes);
    struct image_want want = {.pixels_max = 1000000, .memory_max = 16u << 20, .shorter = 8};
    for (unsigned round = 0; round < rounds; round++) {
        memcpy(bytes, original.at, original.size);
        for (int i = 0; i < 3; i++) {
            seed = seed * 1103515245 + 12345;
            bytes[(seed >> 8) % original.size] = (char)(seed >> 24);
        }
        CLEAN(image_done) struct image image = {0};
        struct err err = {0};
        if (image_decode(str_n(bytes, original.size), &want, &image, &err) < 0) {
            // libwebp since 1.4 also says of nonsense that there is no memory for it.
            assert_true(err.code == ERR_INVALID || err.code == ERR_NO_MEMORY);
            assert_true(err.text[0] != 0);
            assert_null(image.pixels);
        } else {
            assert_true(image.width > 0 && image.height > 0 && image.pixels);
        }
    }
    free(bytes);
}

static void survives_damage(void **state)
{
    (void)state;
    static const char *const names[] = {"noise.jpg",      "progressive.jpg", "restarts.jpg",
                                        "cmyk-adobe.jpg", "exif-5.jpg",      "rgba8.png",
                                        "palette.png",    "interlaced.png",  "lossy.webp",
                                        "lossless.webp",  "alpha.webp"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CLEAN(unload) struct str bytes = load(names[i]);
        damage(bytes, 300);
    }
}

static void every_cut_is_noticed(void **state)
{
    (void)state;
    static const char *const names[] = {"baseline.jpg", "progressive.jpg", "rgb8.png",
                                        "lossy.webp"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CLEAN(unload) struct str bytes = load(names[i]);
        for (size_t size = 0; size < bytes.size; size++) {
            char *cut = malloc(size ? size : 1);
            assert_non_null(cut);
            memcpy(cut, bytes.at, size);
            CLEAN(image_done) struct image image = {0};
            struct err err = {0};
            int rc = image_decode(str_n(cut, size), &everything, &image, &err);
            free(cut);
            // A WebP's last byte may be padding.
            assert_true(rc == ERR_INVALID || (rc == 0 && size == bytes.size - 1 && i == 3));
        }
    }
}

static void nobody_has_to_ask_why(void **state)
{
    (void)state;
    static const char *const names[] = {"truncated-half.jpg", "deflate.png", "text.jpg",
                                        "truncated-half.webp"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CLEAN(unload) struct str bytes = load(names[i]);
        struct image image = {0};
        assert_int_equal(image_decode(bytes, &everything, &image, NULL), ERR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_good_and_refuses_the_bad),
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(shows_less_than_it_has),
        cmocka_unit_test(turns_only_when_asked),
        cmocka_unit_test(decodes_no_more_than_needed),
        cmocka_unit_test(knows_the_box_of_a_scaled_picture),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(survives_damage),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(nobody_has_to_ask_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
