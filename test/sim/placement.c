// SPDX-License-Identifier: Apache-2.0
// Placement by its policy against the processor alone, the GPU alone and thresholds, on curves: some
// measured, some assumed, as test/cases/placement/curves.txt says.
#include "placement_world.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define JOBS 8000

static struct curve curves[CURVES_MAX];
static int curve_count;

static struct world world_of(const char *model, enum policy policy, int64_t target_us)
{
    struct world world = {.policy = policy,
                          .cpu = curve_find(curves, curve_count, "cpu", model),
                          .gpu = curve_find(curves, curve_count, "gpu", model),
                          .cpu_slots = 2,
                          .target_us = target_us,
                          .jobs = JOBS,
                          .seed = 7};
    assert_non_null(world.cpu);
    assert_non_null(world.gpu);
    return world;
}

static const struct {
    const char *model;
    int64_t target_us;
} cases[] = {{"bert-base", 100000}, {"bert-tiny", 10000}};

static void is_at_least_as_good_as_any_fixed_rule(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct outcome outcome;
        struct world world = world_of(cases[i].model, POLICY_AUTO, cases[i].target_us);
        double ours = world_capacity(&world, &outcome);
        assert_int_equal(outcome.answered, JOBS);
        world.policy = POLICY_CPU;
        assert_true(ours > world_capacity(&world, &outcome));
        world.policy = POLICY_GPU;
        assert_true(ours > world_capacity(&world, &outcome) * 0.98); // the search is not exact
        world.policy = POLICY_THRESHOLD;
        for (world.threshold = 4; world.threshold <= 256; world.threshold *= 4) {
            assert_true(ours > world_capacity(&world, &outcome) * 0.98);
        }
    }
}

static void a_light_load_is_answered_as_soon_as_can_be(void **state)
{
    (void)state;
    struct outcome ours, gpu;
    struct world world = world_of("bert-base", POLICY_AUTO, 0);
    world.per_second = 20;
    world_run(&world, &ours);
    world.policy = POLICY_GPU;
    world_run(&world, &gpu);
    assert_true(ours.p50_us <= gpu.p50_us * 11 / 10);
    assert_true(ours.p99_us <= gpu.p99_us * 11 / 10); // trying costs less than one of a hundred
}

static void a_failure_loses_no_job_and_is_got_over(void **state)
{
    (void)state;
    struct outcome ours, without;
    struct world world = world_of("bert-tiny", POLICY_AUTO, 10000);
    world.per_second = 300;
    world_run(&world, &without);
    world.gpu_breaks_us = 5000000;
    world.gpu_mends_us = 8000000;
    world_run(&world, &ours);
    assert_int_equal(ours.answered, JOBS);
    assert_true(ours.lost > 0 && ours.lost < 50); // what was on it, and the tries since
    assert_int_equal(ours.on_cpu + ours.on_gpu, JOBS);
    assert_true(ours.on_gpu < without.on_gpu && ours.on_gpu > without.on_gpu / 2); // it came back
}

static void the_same_seed_is_the_same_day(void **state)
{
    (void)state;
    struct outcome first, second;
    struct world world = world_of("bert-base", POLICY_AUTO, 100000);
    world.per_second = 100;
    world_run(&world, &first);
    world_run(&world, &second);
    assert_memory_equal(&first, &second, sizeof first);
}

int main(void)
{
    const char *folder = getenv("ROUSE_CASES");
    CLEAN_MEM char *path = mem_printf("%s/placement/curves.txt", folder ? folder : "test/cases");
    curve_count = curves_read(path, curves);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_at_least_as_good_as_any_fixed_rule),
        cmocka_unit_test(a_light_load_is_answered_as_soon_as_can_be),
        cmocka_unit_test(a_failure_loses_no_job_and_is_got_over),
        cmocka_unit_test(the_same_seed_is_the_same_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
