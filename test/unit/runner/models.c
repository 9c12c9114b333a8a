// SPDX-License-Identifier: Apache-2.0
// Model functions with ONNX Runtime: real ones classify and detect, odd ones do what they can, bad
// ones and bad pictures fail in words and take nothing with them. Skips where there is no engine.
#include "harness.h"
#include "base/clock.h"
#include "base/mem.h"
#include "format/json.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    struct process template;
    char *package;
};

static int setup(void **state)
{
    struct world *w = NEW(struct world);
    w->template = template_start();
    w->package = folder_new();
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    process_end(&w->template);
    folder_remove(w->package);
    free(w);
    return 0;
}

static void put_model(const struct world *w, const char *name)
{
    CLEAN_MEM char *below = mem_printf("test/corpus/models/%s", name);
    CLEAN_MEM char *path = repository_path(below);
    folder_copy(w->package, "model.onnx", path);
}

static struct process spawn(struct process *from, const char *package, const char *prepared)
{
    char why[512];
    struct process p = process_spawn(from, WIRE_INSTANCE, package, prepared, why);
    assert_string_equal(why, "");
    return p;
}

static json_t *ask_json(struct process *instance, struct str payload, const struct object *objects,
                        size_t count)
{
    struct answer answer = ask(instance, payload, objects, count);
    if (answer.failed || answer.lost) {
        fail_msg("%s: %s", answer.type, answer.message);
    }
    json_t *json = NULL;
    struct err err = {0};
    assert_int_equal(json_parse(buf_str(&answer.payload), &json, &err), 0);
    answer_done(&answer);
    return json;
}

static void assert_fails(struct process *instance, struct str payload, const struct object *objects,
                         size_t count, const char *type, const char *message)
{
    struct answer answer = ask(instance, payload, objects, count);
    assert_true(answer.failed);
    if (strcmp(answer.type, type) != 0 || !strstr(answer.message, message)) {
        fail_msg("%s: %s, but expected %s: %s", answer.type, answer.message, type, message);
    }
    answer_done(&answer);
}

static bool near(const json_t *number, double want)
{
    return json_is_number(number) && fabs(json_number_value(number) - want) < 1e-3;
}

// ---- the example ----

static void digits_are_read(void **state)
{
    struct world *w = *state;
    CLEAN_MEM char *package = repository_path("examples/digits");
    CLEAN_MEM char *images = repository_path("examples/digits/images");
    struct process instance = spawn(&w->template, package, "");
    DIR *dir = opendir(images);
    assert_non_null(dir);
    int right = 0, count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        CLEAN_MEM char *path = mem_printf("%s/%s", images, entry->d_name);
        struct object object = {entry->d_name, file_whole(path)};
        CLEAN_JSON json_t *answer = ask_json(&instance, STR("{}"), &object, 1);
        right += json_integer_value(json_object_get(answer, "class_id")) == entry->d_name[0] - '0';
        count++;
        free((char *)object.bytes.at);
    }
    closedir(dir);
    assert_true(count >= 20 && right >= count - 1); // the file's name begins with the digit
    process_end(&instance);
}

static void several_records_make_a_list(void **state)
{
    struct world *w = *state;
    CLEAN_MEM char *package = repository_path("examples/digits");
    CLEAN_MEM char *zero = repository_path("examples/digits/images/0-1287.png");
    CLEAN_MEM char *nine = repository_path("examples/digits/images/9-1296.png");
    struct str nine_bytes = file_whole(nine);
    struct object objects[3] = {
        {"0.png", file_whole(zero)}, {"9.png", nine_bytes}, {"bad.png", STR("not a picture")}};
    struct process instance = spawn(&w->template, package, "");
    CLEAN_JSON json_t *answer = ask_json(&instance, STR("{}"), objects, 2);
    assert_int_equal(json_array_size(answer), 2);
    assert_int_equal(json_integer_value(json_at(json_array_get(answer, 0), "class_id")), 0);
    assert_int_equal(json_integer_value(json_at(json_array_get(answer, 1), "class_id")), 9);
    // One bad one of several is named.
    assert_fails(&instance, STR("{}"), objects, 3, "InvalidImage", "s3://bucket/bad.png: ");
    objects[1].bytes = (struct str){0};
    assert_fails(&instance, STR("{}"), objects, 2, "ObjectUnavailable",
                 "s3://bucket/9.png: there is no such object");
    free((char *)objects[0].bytes.at);
    free((char *)nine_bytes.at);
    process_end(&instance);
}

// PNGs of one pixel.
#define GREEN_PIXEL                                                                                \
    "{\"image\": \"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNg+M8"                \
    "AAAICAQB7CYF4AAAAAElFTkSuQmCC\"}"
#define RED_PIXEL                                                                                  \
    "{\"image\": \"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4"                   \
    "z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC\"}"

static void payloads_may_be_pictures(void **state)
{
    struct world *w = *state;
    put_model(w, "brightness.onnx");
    folder_put(w->package, "model.yaml",
               STR("task: image-classification\n"
                   "labels: [red, green, blue]\n"
                   "input: {preset: none}\n"));
    struct process instance = spawn(&w->template, w->package, "");
    struct str json = STR(GREEN_PIXEL);
    CLEAN_JSON json_t *answer = ask_json(&instance, json, NULL, 0);
    assert_string_equal(json_string_value(json_object_get(answer, "label")), "green");
    assert_int_equal(json_array_size(json_object_get(answer, "top")), 3);
    static const struct {
        struct str payload;
        const char *type, *message;
    } bad[] = {
        {{"", 0}, "InvalidImage", "it is empty"},
        {{"{\"image\": 5}", 12}, "InvalidRequest", "image: must be a string"},
        {{"{\"image\": \"!\"}", 14}, "InvalidRequest", "image: "},
        {{"{\"image\": \"\"}", 13}, "InvalidImage", ""},
        {{"{\"Records\": []}", 15}, "InvalidRequest", "the event's records name no objects"},
        {{"{}", 2}, "InvalidRequest", "image"},
        {{"{", 1}, "InvalidRequest", "line 1"},
        {{"hello", 5}, "InvalidImage", "not an image"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_fails(&instance, bad[i].payload, NULL, 0, bad[i].type, bad[i].message);
    }
    CLEAN_JSON json_t *again = ask_json(&instance, json, NULL, 0); // it lives on
    assert_true(json_equal(answer, again));
    process_end(&instance);
}

// ---- what the library must not do ----

static int count_below(const char *folder)
{
    DIR *dir = opendir(folder);
    int count = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    if (dir) {
        closedir(dir);
    }
    return count;
}

// Sockets among the process's descriptors.
static int count_sockets(pid_t pid)
{
    CLEAN_MEM char *folder = mem_printf("/proc/%d/fd", (int)pid);
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char target[256] = "";
        ssize_t size = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
        count += size > 7 && strncmp(target, "socket:", 7) == 0;
    }
    closedir(dir);
    return count;
}

static void nothing_is_reported_home(void **state)
{
    (void)state;
    char *home = folder_new(), *cache = folder_new();
    setenv("HOME", home, 1);
    setenv("XDG_CACHE_HOME", cache, 1);
    unsetenv("ORT_DISABLE_TELEMETRY");       // it is the runner that says so
    int inherited = count_sockets(getpid()); // standard input and output may be some
    struct process template = template_start();
    CLEAN_MEM char *package = repository_path("examples/digits");
    CLEAN_MEM char *image = repository_path("examples/digits/images/7-1294.png");
    struct object object = {"7.png", file_whole(image)};
    struct process instance = spawn(&template, package, "");
    json_decref(ask_json(&instance, STR("{}"), &object, 1));
    assert_int_equal(thread_count(template.pid), 1);
    assert_int_equal(thread_count(instance.pid), 1);
    assert_int_equal(count_sockets(instance.pid), inherited + 1); // the one it answers on
    usleep(300 * 1000);                                           // for what would come late
    assert_int_equal(thread_count(template.pid), 1);
    assert_int_equal(count_sockets(template.pid), inherited + 1);
    process_end(&instance);
    process_end(&template);
    assert_int_equal(count_below(home), 0);
    assert_int_equal(count_below(cache), 0);
    free((char *)object.bytes.at);
    folder_remove(home);
    folder_remove(cache);
}

// ---- forks ----

static void two_hundred_forks_answer_alike(void **state)
{
    struct world *w = *state;
    CLEAN_MEM char *package = repository_path("examples/digits");
    CLEAN_MEM char *image = repository_path("examples/digits/images/7-1294.png");
    struct object object = {"7.png", file_whole(image)};
    char why[512];
    struct process template = process_spawn(&w->template, WIRE_TEMPLATE, package, "", why);
    assert_string_equal(why, "");
    struct buf first = BUF_INIT(WIRE_INLINE_MAX);
    for (int i = 0; i < 200; i++) {
        struct process instance = spawn(&template, "", "");
        struct answer answer = ask(&instance, STR("{}"), &object, 1);
        assert_false(answer.failed || answer.lost);
        if (i == 0) {
            buf_add_str(&first, buf_str(&answer.payload));
        }
        assert_string_equal(buf_text(&answer.payload), buf_text(&first));
        answer_done(&answer);
        process_end(&instance);
    }
    assert_int_equal(thread_count(template.pid), 1);
    buf_done(&first);
    free((char *)object.bytes.at);
    process_end(&template);
}

static void a_prepared_model_answers_like_the_original(void **state)
{
    struct world *w = *state;
    CLEAN_MEM char *package = repository_path("examples/digits");
    CLEAN_MEM char *image = repository_path("examples/digits/images/3-1290.png");
    struct object object = {"3.png", file_whole(image)};
    char *out = folder_new();
    int status = 0;
    CLEAN_MEM char *report = runner_output(
        (char *[]){"rouse-runner", "prepare", package, out, "--handler", "model.yaml", NULL},
        &status);
    assert_int_equal(status, 0);
    assert_non_null(strstr(report, "\"prepared\":true"));
    struct process original = spawn(&w->template, package, "");
    struct process prepared = spawn(&w->template, package, out);
    CLEAN_MEM char *maps_path = mem_printf("/proc/%d/maps", (int)prepared.pid);
    struct str maps = file_whole(maps_path);
    assert_true(str_find_str(maps, STR("/model.ort")) >= 0); // and it is that which is in use
    free((char *)maps.at);
    CLEAN_JSON json_t *a = ask_json(&original, STR("{}"), &object, 1);
    CLEAN_JSON json_t *b = ask_json(&prepared, STR("{}"), &object, 1);
    assert_true(json_equal(json_object_get(a, "class_id"), json_object_get(b, "class_id")));
    assert_true(
        near(json_object_get(a, "confidence"), json_real_value(json_object_get(b, "confidence"))));
    process_end(&prepared);
    // Of another machine, or damaged: the original is used.
    folder_put(out, "prepared.json", STR("{\"ok\": true, \"cpu\": \"z80\", \"engine\": \"x\"}"));
    prepared = spawn(&w->template, package, out);
    CLEAN_JSON json_t *c = ask_json(&prepared, STR("{}"), &object, 1);
    assert_true(json_equal(a, c));
    process_end(&prepared);
    process_end(&original);
    free((char *)object.bytes.at);
    folder_remove(out);
}

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

// ---- the shared models ----

static int classify_folder(struct process *instance, const char *folder, int *ret_count)
{
    CLEAN_MEM char *labels_path = mem_printf("%s/labels.tsv", folder);
    struct str labels = file_whole(labels_path), rest = labels;
    assert_non_null(labels.at);
    int right = 0, count = 0;
    while (rest.size) {
        struct str line = str_cut(&rest, '\n');
        CLEAN_MEM char *name = str_dup(str_cut(&line, '\t'));
        uint64_t class_id = 0;
        assert_true(str_to_u64(str_trim(str_cut(&line, '\t')), &class_id));
        CLEAN_MEM char *path = mem_printf("%s/%s", folder, name);
        struct object object = {name, file_whole(path)};
        CLEAN_JSON json_t *answer = ask_json(instance, STR("{}"), &object, 1);
        right += (uint64_t)json_integer_value(json_object_get(answer, "class_id")) == class_id;
        count++;
        free((char *)object.bytes.at);
    }
    free((char *)labels.at);
    *ret_count = count;
    return right;
}

static void squeezenet_knows_the_golden_photos(void **state)
{
    struct world *w = *state;
    CLEAN_MEM char *model = shared_path("data/models/squeezenet-imagenet-fp16.onnx");
    CLEAN_MEM char *labels = shared_path("data/models/imagenet-labels.txt");
    CLEAN_MEM char *golden = shared_path("data/images/golden");
    CLEAN_MEM char *imagenet = shared_path("data/images/imagenet");
    if (!model || !labels || !golden || !imagenet) {
        print_message("skipped: no shared models here\n");
        skip();
    }
    folder_copy(w->package, "squeezenet.onnx", model);
    folder_copy(w->package, "labels.txt", labels);
    folder_put(w->package, "model.yaml",
               STR("task: image-classification\nlabels: labels.txt\n")); // how it sees is guessed
    struct process instance = spawn(&w->template, w->package, "");
    int count = 0;
    assert_int_equal(classify_folder(&instance, golden, &count), 10);
    assert_int_equal(count, 10);
    // A straightforward reference (Pillow, numpy, the same model) gets 59 of these 100.
    int right = classify_folder(&instance, imagenet, &count);
    assert_int_equal(count, 100);
    assert_true(right >= 57 && right <= 61);
    process_end(&instance);
}

static void yolox_finds_the_zebra(void **state)
{
    struct world *w = *state;
    CLEAN_MEM char *model = shared_path("data/models/yolox-nano-coco.onnx");
    CLEAN_MEM char *zebra = shared_path("data/images/golden/zebra.jpeg");
    if (!model || !zebra) {
        print_message("skipped: no shared models here\n");
        skip();
    }
    folder_copy(w->package, "yolox.onnx", model); // and nothing else: all is guessed
    struct process instance = spawn(&w->template, w->package, "");
    struct object object = {"zebra.jpeg", file_whole(zebra)};
    CLEAN_JSON json_t *answer = ask_json(&instance, STR("{}"), &object, 1);
    json_t *found = json_array_get(json_object_get(answer, "detections"), 0);
    assert_int_equal(json_integer_value(json_object_get(found, "class_id")), 22);
    assert_true(json_number_value(json_object_get(found, "confidence")) > 0.9);
    json_t *box = json_object_get(found, "box");
    double width = json_number_value(json_at(answer, "image.width"));
    assert_true(json_number_value(json_array_get(box, 2)) <= width);
    assert_true(json_number_value(json_array_get(box, 2)) -
                    json_number_value(json_array_get(box, 0)) >
                width / 3);
    free((char *)object.bytes.at);
    process_end(&instance);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest plain[] = {cmocka_unit_test(models_are_inspected_without_an_engine)};
    const struct CMUnitTest tests[] = {
        T(digits_are_read),
        T(several_records_make_a_list),
        T(payloads_may_be_pictures),
        cmocka_unit_test(nothing_is_reported_home),
        T(two_hundred_forks_answer_alike),
        T(a_prepared_model_answers_like_the_original),
        T(tensors_go_in_and_out),
        T(jobs_that_share_a_run_are_answered_as_if_alone),
        T(rows_that_know_each_other_stay_apart),
        T(pictures_share_a_run),
        T(every_type_passes),
        T(odd_models_run),
        T(arrays_of_numpy_go_in_and_out),
        T(bad_models_are_refused_in_words),
        T(runs_that_fail_leave_the_instance_alive),
        T(a_run_without_end_is_killed_alone),
        T(a_run_without_end_outlives_no_deadline),
        T(packages_are_checked_at_deploy),
        T(squeezenet_knows_the_golden_photos),
        T(yolox_finds_the_zebra),
    };
    int failed = cmocka_run_group_tests(plain, NULL, NULL);
    if (!have_engine()) {
        return failed ? failed : 77; // Meson's number for a skipped test
    }
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
