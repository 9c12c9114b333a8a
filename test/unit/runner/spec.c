// SPDX-License-Identifier: Apache-2.0
// model.yaml: every case in test/cases/model_yaml is read, and says what its .error file says; and
// what the graph gives fills what model.yaml leaves open.
#include "runner/spec.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/tensor.h"
#include "runner/guess.h"
#include "runner/task.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static char *folder(void)
{
    const char *cases = getenv("ROUSE_CASES");
    return mem_printf("%s/model_yaml", cases ? cases : "test/cases");
}

static void check_case(const char *dir, const char *name)
{
    CLEAN(spec_done) struct spec spec;
    spec_init(&spec);
    struct err err = {0}, none = {0};
    int rc = spec_read(&spec, dir, name, &err);
    CLEAN_MEM char *path = mem_printf("%s/%.*s.error", dir, (int)strlen(name) - 5, name);
    CLEAN(buf_done) struct buf want = BUF_INIT(4096);
    if (file_read(path, &want, &none) < 0) {
        if (rc < 0) {
            fail_msg("%s: %s", name, err.text);
        }
        return;
    }
    struct str text = str_trim(buf_str(&want));
    if (rc != ERR_INVALID || !str_starts(str_of(err.text), text)) {
        fail_msg("%s: %s", name, rc < 0 ? err.text : "no error");
    }
}

static void every_case(void **state)
{
    (void)state;
    CLEAN_MEM char *path = folder();
    DIR *dir = opendir(path);
    assert_non_null(dir);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (str_ends(str_of(entry->d_name), STR(".yaml"))) {
            check_case(path, entry->d_name);
            count++;
        }
    }
    closedir(dir);
    assert_true(count > 20);
}

static void all_keys_arrive(void **state)
{
    (void)state;
    CLEAN_MEM char *path = folder();
    CLEAN(spec_done) struct spec spec;
    spec_init(&spec);
    struct err err = {0};
    assert_int_equal(spec_read(&spec, path, "good-all.yaml", &err), 0);
    assert_string_equal(spec.task, "image-classification");
    assert_string_equal(spec.model, "sub/net.onnx");
    assert_int_equal(spec.label_count, 2);
    assert_string_equal(spec.labels[1], "dog");
    assert_int_equal(spec.top_k, 2);
    assert_int_equal(spec.softmax, SOFTMAX_FALSE);
    assert_true(isnan(spec.threshold));
    const struct spec_input *input = &spec.input;
    assert_string_equal(input->preset->name, "imagenet");
    assert_int_equal(input->resize, PREPROCESS_SHORTER);
    assert_int_equal(input->resize_shorter, 300);
    assert_int_equal(input->crop_width, 200);
    assert_int_equal(input->crop_height, 224);
    assert_int_equal(input->layout, PREPROCESS_NCHW);
    assert_int_equal(input->channels, PREPROCESS_BGR);
    assert_true(input->mean[2] == 3 && input->std[0] == 2 && input->std[2] == 2);
    assert_int_equal(input->type, TENSOR_FLOAT16);
}

// ---- guesses ----

struct guess {
    struct engine_value in, out;
    struct model model;
    struct spec spec;
    struct err err;
};

static void guess_init(struct guess *g, enum tensor_type type, const int64_t in[4], size_t out_rank,
                       const int64_t *out)
{
    *g = (struct guess){.in = {.name = "in", .type = type, .rank = 4},
                        .out = {.name = "out", .type = TENSOR_FLOAT32, .rank = out_rank}};
    memcpy(g->in.dims, in, 4 * sizeof(*in));
    memcpy(g->out.dims, out, out_rank * sizeof(*out));
    g->model =
        (struct model){.inputs = &g->in, .outputs = &g->out, .input_count = 1, .output_count = 1};
    spec_init(&g->spec);
}

#define DIMS(...) ((const int64_t[]){__VA_ARGS__})

static void tasks_are_guessed(void **state)
{
    (void)state;
    static const struct {
        int64_t in[4];
        size_t rank;
        int64_t out[4];
        const struct task_ops *task;
    } cases[] = {
        {{1, 3, 224, 224}, 2, {1, 1000}, &task_classify},
        {{-1, 3, -1, -1}, 2, {-1, 1000}, &task_classify},
        {{-1, 224, 224, 3}, 2, {-1, -1}, &task_classify},
        {{1, 1, 28, 28}, 4, {1, 10, 1, 1}, &task_classify},
        {{1, 3, 416, 416}, 3, {1, 3549, 85}, &task_detect},     // yolox
        {{1, 3, 640, 640}, 3, {1, 84, 8400}, &task_detect},     // yolov8
        {{1, 3, 640, 640}, 3, {1, 25200, 85}, &task_detect},    // yolov5
        {{1, 3, 224, 224}, 4, {1, 21, 224, 224}, &task_tensor}, // segmentation
        {{1, 3, 224, 224}, 2, {1, 1}, &task_tensor},
        {{1, 5, 224, 224}, 2, {1, 1000}, &task_tensor},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct guess g;
        guess_init(&g, TENSOR_FLOAT32, cases[i].in, cases[i].rank, cases[i].out);
        const struct task_ops *task = guess_task(&g.spec, &g.model, NULL);
        if (task != cases[i].task) {
            fail_msg("case %zu: %s", i, task->name);
        }
    }
}

static void boxes_are_guessed(void **state)
{
    (void)state;
    struct engine_value out = {.type = TENSOR_FLOAT32, .rank = 3, .dims = {1, 3549, 85}};
    assert_int_equal(guess_decode(&out, 416, 416), DECODE_YOLOX);
    assert_int_equal(guess_decode(&out, 640, 640), DECODE_AUTO);
    out.dims[1] = 84;
    out.dims[2] = 8400;
    assert_int_equal(guess_decode(&out, 640, 640), DECODE_YOLOV8);
    out.rank = 2;
    assert_int_equal(guess_decode(&out, 640, 640), DECODE_AUTO);
}

static void an_imagenet_classifier_needs_nothing(void **state)
{
    (void)state;
    struct guess g;
    guess_init(&g, TENSOR_FLOAT32, DIMS(-1, 299, 299, 3), 2, DIMS(-1, 1000));
    assert_int_equal(guess_input(&g.spec, &g.model, NULL, &g.err), 0);
    const struct spec_input *input = &g.spec.input;
    assert_string_equal(input->preset->name, "imagenet");
    assert_int_equal(input->layout, PREPROCESS_NHWC);
    assert_int_equal(input->resize_shorter, 342); // 299 * 256 / 224
    assert_int_equal(input->crop_width, 299);
    assert_int_equal(input->channels, PREPROCESS_RGB);
    assert_true(fabs(input->scale - 1 / 255.0) < 1e-12);
}

static void who_made_a_model_decides_how_it_sees(void **state)
{
    (void)state;
    static const struct {
        const char *producer, *preset;
        enum tensor_type type;
    } cases[] = {{"onnx-caffe2", "imagenet-caffe", TENSOR_FLOAT32},
                 {"onnx-caffe2", "none", TENSOR_UINT8},
                 {"pytorch", "imagenet", TENSOR_FLOAT32},
                 {"onnx-caffe", "imagenet", TENSOR_FLOAT32},
                 {"", "imagenet", TENSOR_FLOAT32}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct guess g;
        guess_init(&g, cases[i].type, DIMS(1, 3, 224, 224), 2, DIMS(1, 1000));
        g.model.producer = str_of(cases[i].producer);
        assert_int_equal(guess_input(&g.spec, &g.model, NULL, &g.err), 0);
        assert_string_equal(g.spec.input.preset->name, cases[i].preset);
    }
}

static void what_is_given_is_kept(void **state)
{
    (void)state;
    struct guess g;
    guess_init(&g, TENSOR_FLOAT32, DIMS(1, 3, 224, 224), 2, DIMS(1, 1000));
    g.spec.input.preset = spec_preset_find(STR("none"));
    g.spec.input.resize = PREPROCESS_SHORTER;
    g.spec.input.channels = PREPROCESS_BGR;
    assert_int_equal(guess_input(&g.spec, &g.model, NULL, &g.err), 0);
    assert_int_equal(g.spec.input.resize, PREPROCESS_SHORTER);
    assert_int_equal(g.spec.input.crop_width, 224); // the shorter side alone would not fit
    assert_int_equal(g.spec.input.channels, PREPROCESS_BGR);
    assert_true(g.spec.input.scale == 1);
}

static void a_size_may_be_open(void **state)
{
    (void)state;
    struct guess g;
    guess_init(&g, TENSOR_FLOAT32, DIMS(1, 3, -1, -1), 2, DIMS(1, 1000));
    g.spec.input.crop_width = 320;
    g.spec.input.crop_height = 192;
    assert_int_equal(guess_input(&g.spec, &g.model, NULL, &g.err), 0);
    assert_int_equal(g.spec.input.crop_width, 320);
    assert_int_equal(g.spec.input.resize_shorter, 219); // of the shorter, 192
}

static void what_does_not_fit_is_said(void **state)
{
    (void)state;
    struct guess g;
    guess_init(&g, TENSOR_INT64, DIMS(1, 3, 8, 8), 2, DIMS(1, 10));
    assert_int_equal(guess_input(&g.spec, &g.model, NULL, &g.err), ERR_INVALID);
    assert_non_null(strstr(g.err.text, "\"in\" is int64"));
    guess_init(&g, TENSOR_FLOAT32, DIMS(1, 3, 8, 8), 2, DIMS(1, 10));
    g.spec.input.layout = PREPROCESS_NHWC;
    assert_int_equal(guess_input(&g.spec, &g.model, NULL, &g.err), ERR_INVALID);
    assert_non_null(strstr(g.err.text, "input.layout: with NHWC the model's input \"in\" [1,3,8,8] "
                                       "has 8 channels"));
    guess_init(&g, TENSOR_FLOAT32, DIMS(1, 3, 8, 8), 2, DIMS(1, 10));
    g.spec.input.crop_width = g.spec.input.crop_height = 0;
    g.spec.input.resize = PREPROCESS_SHORTER;
    assert_int_equal(guess_input(&g.spec, &g.model, NULL, &g.err), ERR_INVALID);
    assert_non_null(strstr(g.err.text, "input.crop: is needed"));
    guess_init(&g, TENSOR_FLOAT32, DIMS(1, 3, 8, 8), 2, DIMS(1, 10));
    g.spec.input.resize = PREPROCESS_NONE;
    assert_int_equal(guess_input(&g.spec, &g.model, NULL, &g.err), ERR_INVALID);
    g.model.input_count = 0;
    assert_int_equal(guess_input(&g.spec, &g.model, NULL, &g.err), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case),
        cmocka_unit_test(all_keys_arrive),
        cmocka_unit_test(tasks_are_guessed),
        cmocka_unit_test(boxes_are_guessed),
        cmocka_unit_test(an_imagenet_classifier_needs_nothing),
        cmocka_unit_test(who_made_a_model_decides_how_it_sees),
        cmocka_unit_test(what_is_given_is_kept),
        cmocka_unit_test(a_size_may_be_open),
        cmocka_unit_test(what_does_not_fit_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
