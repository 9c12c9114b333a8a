// SPDX-License-Identifier: Apache-2.0
// Our half of the decoding benchmark: from the bytes of a picture to ImageNet's 1x3x224x224 tensor,
// on one thread. bench/decode.py runs it between rounds of the reference.
//
//     bench_decode PICTURE ROUNDS [TENSOR]
//
// prints the median of the rounds and of their decoding part, in microseconds of processor time, and
// writes the last tensor (float32) to TENSOR.
#include "base/mem.h"
#include "media/preprocess.h"

#include <stdio.h>
#include <time.h>

#define SIDE       224
#define ROUNDS_MAX 10000
#define FILE_MAX   (256u * 1024 * 1024)

static const struct preprocess imagenet = {
    .mode = PREPROCESS_SHORTER,
    .shorter = 256,
    .crop_width = SIDE,
    .crop_height = SIDE,
    .layout = PREPROCESS_NCHW,
    .channels = PREPROCESS_RGB,
    .type = PREPROCESS_F32,
    .scale = 1 / 255.0,
    .mean = {0.485, 0.456, 0.406},
    .std = {0.229, 0.224, 0.225},
};

static float tensor[3 * SIDE * SIDE];

static int64_t cpu_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t median(int64_t *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_size);
    return values[count / 2];
}

static int read_file(const char *path, struct str *ret)
{
    FILE *file = fopen(path, "rb");
    char *at = file ? malloc(FILE_MAX) : NULL;
    size_t size = at ? fread(at, 1, FILE_MAX, file) : 0;
    if (file) {
        fclose(file);
    }
    *ret = str_n(at, size);
    return size > 0 ? 0 : -1;
}

static int run(struct str bytes, int64_t *decode_us, int64_t *all_us, struct err *err)
{
    CLEAN(image_done) struct image image = {0};
    struct image_want want;
    int64_t start = cpu_us();
    preprocess_want(&imagenet, &want);
    TRY(image_decode(bytes, &want, &image, err));
    *decode_us = cpu_us() - start;
    TRY(preprocess_run(&imagenet, &image, tensor, sizeof(tensor), NULL /* no info */, err));
    *all_us = cpu_us() - start;
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t rounds = 0;
    struct str bytes = {0};
    if (argc < 3 || !str_to_u64(str_of(argv[2]), &rounds) || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: bench_decode PICTURE ROUNDS [TENSOR]\n");
        return 2;
    }
    if (read_file(argv[1], &bytes) < 0) {
        perror(argv[1]);
        return 1;
    }
    static int64_t decode_us[ROUNDS_MAX], all_us[ROUNDS_MAX];
    struct err err = {0};
    for (size_t i = 0; i < rounds; i++) {
        if (run(bytes, &decode_us[i], &all_us[i], &err) < 0) {
            fprintf(stderr, "%s: %s\n", argv[1], err.text);
            return 1;
        }
    }
    printf("%lld %lld\n", (long long)median(all_us, rounds), (long long)median(decode_us, rounds));
    FILE *out = argc > 3 ? fopen(argv[3], "wb") : NULL;
    if (argc > 3 && (!out || fwrite(tensor, sizeof(tensor), 1, out) != 1 || fclose(out) != 0)) {
        perror(argv[3]);
        return 1;
    }
    free((char *)bytes.at);
    return 0;
}
