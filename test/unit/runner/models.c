// SPDX-License-Identifier: Apache-2.0
// Model functions with ONNX Runtime: real ones classify and detect, forked and prepared alike. Skips
// where there is no engine.
#include "world.h"

#include <dirent.h>
#include <unistd.h>

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
    const struct CMUnitTest tests[] = {
        T(digits_are_read),
        T(several_records_make_a_list),
        T(payloads_may_be_pictures),
        cmocka_unit_test(nothing_is_reported_home),
        T(two_hundred_forks_answer_alike),
        T(a_prepared_model_answers_like_the_original),
        T(squeezenet_knows_the_golden_photos),
        T(yolox_finds_the_zebra),
    };
    if (!have_engine()) {
        return 77; // Meson's number for a skipped test
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
