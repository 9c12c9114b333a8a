// SPDX-License-Identifier: Apache-2.0
// The device table, with a library in the place of NVIDIA's driver.
#include "engine/device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct engine_providers with_cuda = {
    .names = {"TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"},
    .count = 3};

static void the_cpu_is_always_there(void **state)
{
    (void)state;
    struct engine_providers none = {0};
    struct devices devices;
    devices_find(&none, NULL, &devices);
    assert_int_equal(devices.count, 1);
    assert_string_equal(devices.at[0].name, "cpu");
    assert_string_equal(devices.at[0].provider, "CPUExecutionProvider");
    assert_true(devices.at[0].cores >= 1);
    assert_true(devices.at[0].memory > 0);
}

static void gpus_are_counted_by_the_driver(void **state)
{
    (void)state;
    struct devices devices;
    setenv("FAKE_CUDA", "2", 1);
    devices_find(&with_cuda, FAKE_CUDA_LIBRARY, &devices);
    assert_string_equal(devices.cuda_missing, "");
    assert_int_equal(devices.count, 4);
    assert_string_equal(devices.at[1].name, "cuda:0");
    assert_string_equal(devices.at[1].provider, "CUDAExecutionProvider");
    assert_string_equal(devices.at[1].model, "Fake GPU 0");
    assert_int_equal(devices.at[1].memory, 1ull << 30);
    assert_string_equal(devices.at[2].name, "cuda:1");
    assert_string_equal(devices.at[2].model, "");
    assert_string_equal(devices.at[3].name, "tensorrt");
}

static void more_gpus_than_the_table_holds_are_cut(void **state)
{
    (void)state;
    struct devices devices;
    setenv("FAKE_CUDA", "1000", 1);
    devices_find(&with_cuda, FAKE_CUDA_LIBRARY, &devices);
    assert_true(devices.count <= DEVICES_MAX);
    assert_string_equal(devices.at[devices.count - 1].name, "tensorrt");
}

static void assert_missing(const struct engine_providers *providers, const char *library,
                           const char *why)
{
    struct devices devices;
    devices_find(providers, library, &devices);
    for (size_t i = 0; i < devices.count; i++) {
        assert_null(strstr(devices.at[i].name, "cuda"));
    }
    assert_non_null(strstr(devices.cuda_missing, why));
}

static void what_is_missing_is_said(void **state)
{
    (void)state;
    assert_missing(&with_cuda, "/nonexistent/libcuda.so.1", "is not there");
    assert_missing(&with_cuda, "libm.so.6", "too old");
    setenv("FAKE_CUDA", "broken", 1);
    assert_missing(&with_cuda, FAKE_CUDA_LIBRARY, "does not work (error 100)");
    setenv("FAKE_CUDA", "0", 1);
    assert_missing(&with_cuda, FAKE_CUDA_LIBRARY, "knows of no GPU");
}

static void providers_that_need_nothing_known_are_named(void **state)
{
    (void)state;
    struct engine_providers providers = {
        .names = {"QNNExecutionProvider", "AzureExecutionProvider", "OpenVINOExecutionProvider"},
        .count = 3};
    struct devices devices;
    devices_find(&providers, NULL, &devices);
    assert_int_equal(devices.count, 3);
    assert_string_equal(devices.at[1].name, "openvino");
    assert_string_equal(devices.at[2].name, "qnn");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cpu_is_always_there),
        cmocka_unit_test(gpus_are_counted_by_the_driver),
        cmocka_unit_test(more_gpus_than_the_table_holds_are_cut),
        cmocka_unit_test(what_is_missing_is_said),
        cmocka_unit_test(providers_that_need_nothing_known_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
