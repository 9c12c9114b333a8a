// SPDX-License-Identifier: Apache-2.0
// Compares our table of ONNX Runtime's functions with the real header, where that is installed
// (Debian's libonnxruntime-dev): each of ours must be in the slot we believe it in.
#include "engine/onnx/ort_abi.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#if __has_include(<onnxruntime/onnxruntime_c_api.h>)
#include <onnxruntime/onnxruntime_c_api.h>
#define HAVE_HEADER 1
#elif __has_include(<onnxruntime_c_api.h>)
#include <onnxruntime_c_api.h>
#define HAVE_HEADER 1
#else
#define HAVE_HEADER 0
#endif

static void slots_are_where_the_header_has_them(void **state)
{
    (void)state;
#if HAVE_HEADER
#define X(name, slot, result, parameters)                                                          \
    assert_int_equal(offsetof(OrtApi, name), (slot) * sizeof(void *));
    ORT_SLOTS(X)
#undef X
    assert_int_equal(ORT_LOGGING_LEVEL_ERROR, ORT_LOG_ERROR);
    assert_int_equal(ORT_LOGGING_LEVEL_FATAL, ORT_LOG_FATAL);
    assert_int_equal(ONNX_TYPE_TENSOR, ORT_TYPE_TENSOR);
    assert_int_equal(OrtDeviceAllocator, ORT_ALLOCATOR_DEVICE);
    assert_int_equal(OrtMemTypeDefault, ORT_MEMORY_DEFAULT);
    assert_int_equal(ORT_SEQUENTIAL, ORT_EXECUTION_SEQUENTIAL);
    assert_int_equal(ORT_ENABLE_ALL, ORT_OPTIMIZE_ALL);
#else
    print_message("skipped: ONNX Runtime's header is not installed\n");
    skip();
#endif
}

static void slots_are_distinct_and_rising(void **state)
{
    (void)state;
    static const int slots[] = {
#define X(name, slot, result, parameters) slot,
        ORT_SLOTS(X)
#undef X
    };
    for (size_t i = 1; i < ARRAY_SIZE(slots); i++) {
        assert_true(slots[i - 1] < slots[i]);
    }
    assert_int_equal(sizeof(struct ort_api), ARRAY_SIZE(slots) * sizeof(void *));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_where_the_header_has_them),
        cmocka_unit_test(slots_are_distinct_and_rising),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
