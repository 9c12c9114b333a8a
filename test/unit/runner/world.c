// SPDX-License-Identifier: Apache-2.0
// The world of the tests of model functions.
#include "world.h"

#include <math.h>

int setup(void **state)
{
    struct world *w = NEW(struct world);
    w->template = template_start();
    w->package = folder_new();
    *state = w;
    return 0;
}

int teardown(void **state)
{
    struct world *w = *state;
    process_end(&w->template);
    folder_remove(w->package);
    free(w);
    return 0;
}

void put_model(const struct world *w, const char *name)
{
    CLEAN_MEM char *below = mem_printf("test/corpus/models/%s", name);
    CLEAN_MEM char *path = repository_path(below);
    folder_copy(w->package, "model.onnx", path);
}

struct process spawn(struct process *from, const char *package, const char *prepared)
{
    char why[512];
    struct process p = process_spawn(from, WIRE_INSTANCE, package, prepared, why);
    assert_string_equal(why, "");
    return p;
}

json_t *ask_json(struct process *instance, struct str payload, const struct object *objects,
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

void assert_fails(struct process *instance, struct str payload, const struct object *objects,
                  size_t count, const char *type, const char *message)
{
    struct answer answer = ask(instance, payload, objects, count);
    assert_true(answer.failed);
    if (strcmp(answer.type, type) != 0 || !strstr(answer.message, message)) {
        fail_msg("%s: %s, but expected %s: %s", answer.type, answer.message, type, message);
    }
    answer_done(&answer);
}

bool near(const json_t *number, double want)
{
    return json_is_number(number) && fabs(json_number_value(number) - want) < 1e-3;
}
