// SPDX-License-Identifier: Apache-2.0
// Tensors in and out of model functions, alone and several jobs in a run; odd models do what they can.
// Skips where there is no engine.
#include "world.h"

// ---- tensors ----

static void tensors_go_in_and_out(void **state)
{
    struct world *w = *state;
    put_model(w, "add.onnx");
    folder_put(w->package, "model.yaml", STR("task: tensor\n"));
    struct process instance = spawn(&w->template, w->package, "");
    CLEAN_JSON json_t *sum =
        ask_json(&instance,
                 STR("{\"inputs\": {\"a\": [1, 2.5], \"b\": {\"shape\": [2], \"data\": [3, 4], "
                     "\"datatype\": \"FP32\"}}}"),
                 NULL, 0);
    json_t *out = json_at(sum, "outputs.sum");
    assert_string_equal(json_string_value(json_object_get(out, "datatype")), "FP32");
    assert_true(near(json_array_get(json_object_get(out, "data"), 0), 4));
    assert_true(near(json_array_get(json_object_get(out, "data"), 1), 6.5));
    CLEAN_JSON json_t *list =
        ask_json(&instance,
                 STR("{\"inputs\": [{\"name\": \"a\", \"shape\": [1], \"data\": [1]}, {\"name\": "
                     "\"b\", \"shape\": [1], \"data\": [1]}]}"),
                 NULL, 0);
    assert_string_equal(
        json_string_value(json_at(json_array_get(json_at(list, "outputs"), 0), "name")), "sum");
    static const struct {
        const char *payload, *message;
    } bad[] = {
        {"", "it is empty"},
        {"[1]", "must be {\"inputs\""},
        {"{\"inputs\": {\"a\": [1]}}", "the input \"b\" is missing"},
        {"{\"inputs\": {\"a\": [1], \"c\": [1]}}", "no input \"c\"; it has \"a\", \"b\""},
        {"{\"inputs\": {\"a\": [1], \"b\": [\"x\"]}}", "input \"b\": element 0 must be a number"},
        {"{\"inputs\": {\"a\": [[1]], \"b\": [1]}}", "input \"a\" is float32[1,1], must be"},
        {"{\"inputs\": {\"a\": [[1], [1, 2]], \"b\": [1]}}", "are not all of length 1"},
        {"{\"inputs\": {\"a\": {\"shape\": [3], \"data\": [1]}, \"b\": [1]}}", "data: has 1"},
        {"{\"inputs\": {\"a\": {\"shape\": [-1], \"data\": [1]}, \"b\": [1]}}", "shape: must be"},
        {"{\"inputs\": {\"a\": {\"shape\": [99999999999], \"data\": []}, \"b\": [1]}}", "data"},
        {"{\"inputs\": {\"a\": {\"shape\": [1], \"data\": [1], \"datatype\": \"INT8\"}, \"b\": "
         "[1]}}",
         "datatype: the model wants FP32"},
        {"{\"inputs\": {\"a\": [1, 2, 3], \"b\": [1, 2]}}", "the model failed"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        const char *type = i == ARRAY_SIZE(bad) - 1 ? "ModelError" : "InvalidRequest";
        assert_fails(&instance, str_of(bad[i].payload), NULL, 0, type, bad[i].message);
    }
    process_end(&instance);
}

// ---- several jobs in one message ----

static void send_all(struct process *instance, const char *const payloads[], size_t count)
{
    struct wire_message m;
    struct err err = {0};
    wire_message_init(&m, WIRE_JOBS);
    wire_put_count(&m, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        struct wire_job *job = NEW(struct wire_job);
        job->id = i + 1;
        job->payload = (struct wire_bytes){.place = WIRE_INLINE, .bytes = str_of(payloads[i])};
        wire_put_job(&m, job);
        free(job);
    }
    assert_int_equal(wire_send(instance->socket, &m, &err), 0);
    wire_message_done(&m);
}

static void assert_answers(struct process *instance, const char *const answers[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct answer answer = ask_receive(instance, i + 1);
        assert_false(answer.lost);
        const char *text = answer.failed ? answer.message : buf_text(&answer.payload);
        if (!strstr(text, answers[i])) {
            fail_msg("%s, not %s", text, answers[i]);
        }
        answer_done(&answer);
    }
}

static void jobs_that_share_a_run_are_answered_as_if_alone(void **state)
{
    struct world *w = *state;
    put_model(w, "add.onnx");
    folder_put(w->package, "model.yaml", STR("task: tensor\n"));
    struct process instance = spawn(&w->template, w->package, "");
    static const char *const payloads[] = {
        "{\"inputs\": {\"a\": [1], \"b\": [2]}}",
        "{\"inputs\": {\"a\": [1, 2, 3], \"b\": [1, 2]}}", // fits nobody, itself included
        "{\"inputs\": {\"a\": [5, 6], \"b\": [7, 8]}}",    "no JSON",
        "{\"inputs\": {\"a\": [9], \"b\": [0.5]}}",
    };
    static const char *const answers[] = {"\"data\":[3]", "the model failed", "\"data\":[12,14]",
                                          "JSON", "\"data\":[9.5]"};
    for (int round = 0; round < 3; round++) { // the first one is the trial
        send_all(&instance, payloads, ARRAY_SIZE(payloads));
        assert_answers(&instance, answers, ARRAY_SIZE(answers));
    }
    process_end(&instance);
}

static void rows_that_know_each_other_stay_apart(void **state)
{
    struct world *w = *state;
    put_model(w, "across.onnx");
    folder_put(w->package, "model.yaml", STR("task: tensor\n"));
    struct process instance = spawn(&w->template, w->package, "");
    static const char *const payloads[] = {"{\"inputs\": {\"x\": [[1, 2], [3, 4]]}}",
                                           "{\"inputs\": {\"x\": [[10, 20], [30, 40]]}}"};
    static const char *const answers[] = {"[-1,-1,1,1]", "[-10,-10,10,10]"};
    for (int round = 0; round < 3; round++) {
        send_all(&instance, payloads, ARRAY_SIZE(payloads));
        assert_answers(&instance, answers, ARRAY_SIZE(answers));
    }
    process_end(&instance);
}

// PNGs of one pixel.
#define GREEN_PIXEL                                                                                \
    "{\"image\": \"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNg+M8"                \
    "AAAICAQB7CYF4AAAAAElFTkSuQmCC\"}"
#define RED_PIXEL                                                                                  \
    "{\"image\": \"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4"                   \
    "z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC\"}"

static void pictures_share_a_run(void **state)
{
    struct world *w = *state;
    put_model(w, "brightness.onnx");
    folder_put(w->package, "model.yaml",
               STR("task: image-classification\ninput: {preset: none}\n"));
    struct process instance = spawn(&w->template, w->package, "");
    static const char *const payloads[] = {RED_PIXEL, "{\"image\": \"bm9uZQ==\"}", GREEN_PIXEL,
                                           RED_PIXEL};
    static const char *const answers[] = {"{\"class_id\":0", "not an image", "{\"class_id\":1",
                                          "{\"class_id\":0"};
    for (int round = 0; round < 3; round++) {
        send_all(&instance, payloads, ARRAY_SIZE(payloads));
        assert_answers(&instance, answers, ARRAY_SIZE(answers));
    }
    process_end(&instance);
}

static void every_type_passes(void **state)
{
    struct world *w = *state;
    put_model(w, "every-type.onnx");
    struct process instance = spawn(&w->template, w->package, ""); // no model.yaml at all
    CLEAN_JSON json_t *answer = ask_json(
        &instance,
        STR("{\"inputs\": {\"in_float\": [0.1], \"in_double\": [0.1], \"in_float16\": [-0.5], "
            "\"in_int8\": [-128], \"in_int16\": [-32768], \"in_int32\": [-2147483648], "
            "\"in_int64\": "
            "[9007199254740993], \"in_uint8\": [255], \"in_uint16\": [65535], \"in_uint32\": "
            "[4294967295], \"in_uint64\": [12], \"in_bool\": [true], \"in_string\": "
            "[\"h\u00e9\"]}}"),
        NULL, 0);
    static const struct {
        const char *name, *data;
    } want[] = {
        {"float", "[0.1]"},
        {"double", "[0.1]"},
        {"float16", "[-0.5]"},
        {"int8", "[-128]"},
        {"int16", "[-32768]"},
        {"int32", "[-2147483648]"},
        {"int64", "[9007199254740993]"},
        {"uint8", "[255]"},
        {"uint16", "[65535]"},
        {"uint32", "[4294967295]"},
        {"uint64", "[12]"},
        {"bool", "[true]"},
        {"string", "[\"h\u00e9\"]"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
        CLEAN_MEM char *path = mem_printf("outputs.out_%s.data", want[i].name);
        CLEAN(buf_done) struct buf text = BUF_INIT(1024);
        json_write(json_at(answer, path), &text);
        if (strcmp(want[i].name, "int32") == 0 || strncmp(want[i].name, "uint", 4) == 0 ||
            strncmp(want[i].name, "int", 3) == 0 || want[i].name[0] == 'b' ||
            want[i].name[0] == 's') {
            assert_string_equal(buf_text(&text), want[i].data);
        } else {
            CLEAN_JSON json_t *number = NULL;
            struct err err = {0};
            assert_int_equal(json_parse(str_of(want[i].data), &number, &err), 0);
            assert_true(near(json_array_get(json_at(answer, path), 0),
                             json_number_value(json_array_get(number, 0))));
        }
    }
    process_end(&instance);
}

static void odd_models_run(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *model, *payload, *part;
    } cases[] = {
        {"scalar.onnx", "{\"inputs\": {\"x\": {\"shape\": [], \"data\": [3]}}}", "\"data\":[9]"},
        {"no-input.onnx", "{\"inputs\": {}}", "\"data\":[1,2,3]"},
        {"old-inputs.onnx", "{\"inputs\": {\"x\": [[1, 1]]}}", "\"data\":[2,3]"},
        {"identity-string.onnx", "{\"inputs\": {\"x\": [\"a\", \"\"]}}", "\"data\":[\"a\",\"\"]"},
        {"odd-names.onnx", "{\"inputs\": {\"in \\\"put\\\"\\n/\u00fc\": [[1, 2]]}}",
         "\"data\":[1,2]"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        put_model(w, cases[i].model);
        struct process instance = spawn(&w->template, w->package, "");
        struct answer answer = ask(&instance, str_of(cases[i].payload), NULL, 0);
        if (answer.failed || !strstr(buf_text(&answer.payload), cases[i].part)) {
            fail_msg("%s: %s %s", cases[i].model, answer.message, buf_text(&answer.payload));
        }
        answer_done(&answer);
        process_end(&instance);
    }
}

static void arrays_of_numpy_go_in_and_out(void **state)
{
    struct world *w = *state;
    put_model(w, "identity-f32.onnx");
    struct process instance = spawn(&w->template, w->package, "");
    struct buf npy = BUF_INIT(1024);
    buf_add(&npy, "\x93NUMPY\x01\x00\x76\x00", 10);
    buf_printf(&npy, "%-117s\n", "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }");
    buf_add(&npy, (float[]){1.5f, -2}, 8);
    struct answer answer = ask(&instance, buf_str(&npy), NULL, 0);
    assert_false(answer.failed);
    assert_true(str_starts(buf_str(&answer.payload), str_n("\x93NUMPY", 6)));
    assert_memory_equal(answer.payload.at + answer.payload.size - 8, ((float[]){1.5f, -2}), 8);
    answer_done(&answer);
    npy.at[10 + 12] = 'i'; // a type the model does not take
    assert_fails(&instance, buf_str(&npy), NULL, 0, "InvalidRequest", "must be float32");
    npy.size -= 1;
    assert_fails(&instance, buf_str(&npy), NULL, 0, "InvalidRequest", "do not fit");
    npy.size = 11;
    assert_fails(&instance, buf_str(&npy), NULL, 0, "InvalidRequest", "ends early");
    buf_done(&npy);
    process_end(&instance);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(tensors_go_in_and_out),
        T(jobs_that_share_a_run_are_answered_as_if_alone),
        T(rows_that_know_each_other_stay_apart),
        T(pictures_share_a_run),
        T(every_type_passes),
        T(odd_models_run),
        T(arrays_of_numpy_go_in_and_out),
    };
    if (!have_engine()) {
        return 77; // Meson's number for a skipped test
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
