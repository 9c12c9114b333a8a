// SPDX-License-Identifier: Apache-2.0
// Placement on curves, as the test of it: prints for each model and way of placing the most jobs a second
// with 99 of a hundred within the target, tab-separated. bench/row_placement.py drives it.
//
//     bench_placement CURVES
#include "../test/sim/placement_world.h"
#include "base/mem.h"

#include <stdio.h>

static void line(struct world *world, const char *model, const char *name)
{
    struct outcome outcome;
    double most = world_capacity(world, &outcome);
    printf("%s\t%lld\t%s\t%.1f\t%.1f\t%.3f\t%.3f\n", model, (long long)world->target_us / 1000,
           name, most, (double)outcome.p99_us / 1000, outcome.cpu_used, outcome.gpu_used);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *model;
        int64_t target_us;
    } cases[] = {{"bert-base", 100000}, {"bert-tiny", 10000}};
    struct curve curves[CURVES_MAX];
    int count = argc == 2 ? curves_read(argv[1], curves) : 0;
    for (size_t i = 0; i < ARRAY_SIZE(cases) && count; i++) {
        struct world world = {.cpu = curve_find(curves, count, "cpu", cases[i].model),
                              .gpu = curve_find(curves, count, "gpu", cases[i].model),
                              .cpu_slots = 2,
                              .target_us = cases[i].target_us,
                              .jobs = 40000,
                              .seed = 7};
        static const char *const names[] = {"auto", "cpu", "gpu"};
        for (int policy = POLICY_AUTO; policy <= POLICY_GPU; policy++) {
            world.policy = (enum policy)policy;
            line(&world, cases[i].model, names[policy]);
        }
        world.policy = POLICY_THRESHOLD;
        for (world.threshold = 4; world.threshold <= 256; world.threshold *= 2) {
            char name[32];
            snprintf(name, sizeof name, "threshold %lld", (long long)world.threshold);
            line(&world, cases[i].model, name);
        }
    }
    return count ? 0 : 2;
}
