// SPDX-License-Identifier: Apache-2.0
// Bad models and runs that fail do so in words, and take nothing with them. Skips where there is no
// engine, but for what needs none.
#include "world.h"
#include "base/clock.h"

#include <signal.h>

// ---- the corpus of models ----

static void bad_models_are_refused_in_words(void **state)
{
    struct world *w = *state;
    CLEAN_MEM char *path = repository_path("test/corpus/models/MANIFEST.tsv");
    struct str manifest = file_whole(path), rest = manifest;
    assert_non_null(manifest.at);
    int bad = 0;
    while (rest.size) {
        struct str line = str_cut(&rest, '\n');
        CLEAN_MEM char *name = str_dup(str_cut(&line, '\t'));
        struct str quality = str_cut(&line, '\t'), fails_at = str_cut(&line, '\t');
        if (name[0] == '#' || !str_eq(quality, STR("bad")) || !str_eq(fails_at, STR("load"))) {
            continue;
        }
        put_model(w, name);
        char why[512];
        struct process p = process_spawn(&w->template, WIRE_INSTANCE, w->package, "", why);
        if (p.socket >= 0 || strlen(why) < 20) {
            fail_msg("%s: %s", name, why);
        }
        process_end(&p);
        bad++;
    }
    assert_true(bad > 10);
    free((char *)manifest.at);
    put_model(w, "add.onnx"); // the template is as it was
    struct process fine = spawn(&w->template, w->package, "");
    process_end(&fine);
}

static void runs_that_fail_leave_the_instance_alive(void **state)
{
    struct world *w = *state;
    put_model(w, "run-index.onnx");
    struct process instance = spawn(&w->template, w->package, "");
    CLEAN_JSON json_t *first = ask_json(&instance, STR("{\"inputs\": {\"x\": [1]}}"), NULL, 0);
    assert_fails(&instance, STR("{\"inputs\": {\"x\": [7]}}"), NULL, 0, "ModelError", "out of");
    CLEAN_JSON json_t *again = ask_json(&instance, STR("{\"inputs\": {\"x\": [1]}}"), NULL, 0);
    assert_true(json_equal(first, again));
    process_end(&instance);
    if (memory_is_watched()) {
        return;
    }
    put_model(w, "run-terabyte.onnx");
    instance = spawn(&w->template, w->package, "");
    struct answer answer = ask(&instance, STR("{\"inputs\": {\"x\": [1]}}"), NULL, 0);
    assert_true(answer.failed && strcmp(answer.type, "ModelError") == 0);
    answer_done(&answer);
    process_end(&instance);
}

static void a_run_without_end_is_killed_alone(void **state)
{
    struct world *w = *state;
    put_model(w, "run-forever.onnx");
    struct process instance = spawn(&w->template, w->package, "");
    put_model(w, "add.onnx");
    struct process other = spawn(&w->template, w->package, "");
    ask_send(&instance, 1, STR("{\"inputs\": {\"x\": [1]}}"), NULL, 0);
    CLEAN_JSON json_t *sum =
        ask_json(&other, STR("{\"inputs\": {\"a\": [1], \"b\": [2]}}"), NULL, 0);
    assert_true(near(json_array_get(json_at(sum, "outputs.sum.data"), 0), 3));
    assert_int_equal(kill(instance.pid, SIGKILL), 0);
    process_end(&instance);
    process_end(&other);
}

// With the server gone nobody kills it: it ends itself, some seconds after its deadline.
static void a_run_without_end_outlives_no_deadline(void **state)
{
    struct world *w = *state;
    put_model(w, "run-forever.onnx");
    struct process instance = spawn(&w->template, w->package, "");
    struct wire_message m;
    struct err err = {0};
    wire_message_init(&m, WIRE_JOBS);
    wire_put_count(&m, 1);
    wire_put_job(&m, &(struct wire_job){.deadline_us = clock_mono_us(),
                                        .payload = {.bytes = STR("{\"inputs\": {\"x\": [1]}}")}});
    assert_int_equal(wire_send(instance.socket, &m, &err), 0);
    wire_message_done(&m);
    process_end(&instance); // closes the socket, waits for the process
}

// ---- reports ----

static void packages_are_checked_at_deploy(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *model, *yaml, *part;
        int status;
    } cases[] = {
        {"brightness.onnx", "task: image-classification\n", "\"task\":\"image-classification\"", 0},
        {"brightness.onnx", "labels: [a, b]\n",
         "model.yaml:1:9: labels: there are 2, but the model "
         "knows 3 classes",
         1},
        {"brightness.onnx", "input: {crop: 9}\n",
         "model.yaml:1:15: input.crop: 9 x 9 does not fit, "
         "the model's input \\\"image\\\" is 8 x 8",
         1},
        {"brightness.onnx", "input: {channels: GRAY}\n", "input.channels: GRAY does not fit", 1},
        {"brightness.onnx", "input: {type: uint8}\n", "input.type: the model's input", 1},
        {"brightness.onnx", "task: object-detection\n", "decode", 1},
        {"brightness-nhwc.onnx", "", "\"prepared\":true", 0},
        {"detector.onnx", "", "\"task\":\"object-detection\"", 0},
        {"detector.onnx", "labels: [a]\n", "there are 1, but the model knows 3 classes", 1},
        {"add.onnx", "task: image-classification\n", "the model takes 2 inputs", 1},
        {"identity-f32.onnx", "task: image-classification\n", "a picture has 4 dimensions", 1},
        {"truncated.onnx", "", "\"ok\":false", 1},
        {"run-terabyte.onnx", "", "the model failed", 1},
    };
    size_t count = ARRAY_SIZE(cases) - memory_is_watched(); // the last is the terabyte
    for (size_t i = 0; i < count; i++) {
        put_model(w, cases[i].model);
        folder_put(w->package, "model.yaml", str_of(cases[i].yaml));
        char *out = folder_new();
        int status = 0;
        CLEAN_MEM char *report =
            runner_output((char *[]){"rouse-runner", "prepare", w->package, out, NULL}, &status);
        if (status != cases[i].status || !strstr(report, cases[i].part)) {
            fail_msg("%s with %s: %s", cases[i].model, cases[i].yaml, report);
        }
        folder_remove(out);
    }
}

static void models_are_inspected_without_an_engine(void **state)
{
    (void)state;
    CLEAN_MEM char *digits = repository_path("examples/digits/digits.onnx");
    int status = 0;
    CLEAN_MEM char *report = runner_output(
        (char *[]){"rouse-runner", "inspect", digits, "--labels", "9", NULL}, &status);
    assert_int_equal(status, 0);
    CLEAN_JSON json_t *json = NULL;
    struct err err = {0};
    assert_int_equal(json_parse(str_trim(str_of(report)), &json, &err), 0);
    assert_string_equal(json_string_value(json_object_get(json, "task")), "image-classification");
    assert_int_equal(json_integer_value(json_object_get(json, "classes")), 10);
    assert_int_equal(json_integer_value(json_at(json, "operators.Conv")), 2);
    assert_non_null(strstr(report, "labels: there are 9, but the model knows 10 classes"));
    // The YAML it proposes is a sound one.
    char *package = folder_new();
    folder_copy(package, "digits.onnx", digits);
    folder_put(package, "model.yaml", json_str(json_object_get(json, "yaml")));
    folder_put(package, "labels.txt", STR("0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n"));
    CLEAN_MEM char *prepared =
        runner_output((char *[]){"rouse-runner", "prepare", package, package, NULL}, &status);
    if (status != 0) {
        assert_non_null(strstr(prepared, "ONNX Runtime")); // not here
    }
    folder_remove(package);
    CLEAN_MEM char *bad = repository_path("test/corpus/models/random.onnx");
    CLEAN_MEM char *refused =
        runner_output((char *[]){"rouse-runner", "inspect", bad, NULL}, &status);
    assert_int_equal(status, 1);
    assert_non_null(strstr(refused, "random.onnx: not an ONNX model"));
}

int main(void)
{
    const struct CMUnitTest plain[] = {cmocka_unit_test(models_are_inspected_without_an_engine)};
    const struct CMUnitTest tests[] = {
        T(bad_models_are_refused_in_words),   T(runs_that_fail_leave_the_instance_alive),
        T(a_run_without_end_is_killed_alone), T(a_run_without_end_outlives_no_deadline),
        T(packages_are_checked_at_deploy),
    };
    int failed = cmocka_run_group_tests(plain, NULL, NULL);
    if (!have_engine()) {
        return failed ? failed : 77; // Meson's number for a skipped test
    }
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
