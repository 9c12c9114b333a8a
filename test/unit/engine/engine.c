// SPDX-License-Identifier: Apache-2.0
// The engine table: engines are found by name, inputs that do not fit never reach them, and a
// library that is not there is an error that says what to do.
#include "engine/engine.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void echo_answers_its_input(void **state)
{
    (void)state;
    struct engine *engine = NULL;
    struct err err = {0};
    assert_int_equal(engine_start("echo", &(struct engine_options){0}, &engine, &err), 0);
    CLEAN(model_clean) struct model *model = NULL;
    assert_int_equal(engine_load(engine, &(struct model_source){0}, &model, &err), 0);
    assert_true(model->input_count == 1 && model->output_count == 1);
    char bytes[3] = "abc";
    struct tensor in = {.type = TENSOR_UINT8, .rank = 1, .dims = {3}, .data = bytes, .size = 3};
    struct tensor out = {0};
    assert_int_equal(model_run(model, &in, &out, &err), 0);
    assert_int_equal(out.size, 3);
    assert_memory_equal(out.data, bytes, 3);
    assert_int_equal(engine_prepare(engine, "a", "b", &err), ERR_UNSUPPORTED);
    model_free(MOVE(model));
    engine_stop(engine);
}

static void inputs_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct engine *engine = NULL;
    struct err err = {0};
    assert_int_equal(engine_start("echo", &(struct engine_options){0}, &engine, &err), 0);
    struct model *model = NULL;
    assert_int_equal(engine_load(engine, &(struct model_source){0}, &model, &err), 0);
    char bytes[4] = "abc";
    static const struct {
        struct tensor in;
        const char *why;
    } bad[] = {
        {{.type = TENSOR_INT8, .rank = 1, .dims = {4}, .size = 4}, "is int8[4], must be uint8[?]"},
        {{.type = TENSOR_UINT8, .rank = 2, .dims = {2, 2}, .size = 4}, "is uint8[2,2], must be"},
        {{.type = TENSOR_UINT8, .rank = 1, .dims = {5}, .size = 4}, "has 4 bytes"},
        {{.type = TENSOR_UINT8, .rank = 1, .dims = {-4}, .size = 4}, "has 4 bytes"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct tensor in = bad[i].in, out;
        in.data = bytes;
        assert_int_equal(model_run(model, &in, &out, &err), ERR_INVALID);
        assert_non_null(strstr(err.text, bad[i].why));
    }
    model_free(model);
    engine_stop(engine);
}

static void unknown_engines_are_named(void **state)
{
    (void)state;
    struct engine *engine = NULL;
    struct err err = {0};
    assert_int_equal(engine_start("steam", &(struct engine_options){0}, &engine, &err),
                     ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "steam"));
    assert_null(engine);
    engine_stop(NULL);
    model_free(NULL);
}

static void a_missing_library_is_named(void **state)
{
    (void)state;
    struct engine *engine = NULL;
    struct err err = {0};
    struct engine_options options = {.library = "/nowhere/libonnxruntime.so.1"};
    assert_int_equal(engine_start("onnx", &options, &engine, &err), ERR_UNAVAILABLE);
    assert_non_null(strstr(err.text, "/nowhere/libonnxruntime.so.1"));
    options.library = "libm.so.6"; // a library, but not that one
    assert_int_equal(engine_start("onnx", &options, &engine, &err), ERR_UNAVAILABLE);
    assert_null(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echo_answers_its_input),
        cmocka_unit_test(inputs_that_do_not_fit_are_refused),
        cmocka_unit_test(unknown_engines_are_named),
        cmocka_unit_test(a_missing_library_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
