// SPDX-License-Identifier: Apache-2.0
// A processor and a GPU that exist as curves only, jobs that arrive at random, and a way to place them:
// what placement is judged by where there is no GPU. Deterministic.
#pragma once

#include "dispatch/placement.h"

#include <stdint.h>

#define CURVE_POINTS_MAX 16
#define CURVES_MAX       8

struct curve {                           // service time by tokens, linear between its points
    char device[8], model[24], kind[12]; // "cpu", "bert-base", "measured" or "assumed"
    int64_t tokens[CURVE_POINTS_MAX], us[CURVE_POINTS_MAX];
    int points;
};

// Reads "DEVICE MODEL KIND TOKENS MILLISECONDS" a line, '#' begins a comment. The number of curves.
int curves_read(const char *path, struct curve *ret);
const struct curve *curve_find(const struct curve *curves, int count, const char *device,
                               const char *model);

enum policy { POLICY_AUTO, POLICY_CPU, POLICY_GPU, POLICY_THRESHOLD };

struct world {
    enum policy policy;
    const struct curve *cpu, *gpu;
    int cpu_slots;
    int64_t threshold, target_us;
    double per_second; // jobs that arrive
    int jobs;
    uint64_t seed;
    int64_t gpu_breaks_us, gpu_mends_us; // 0: never
};

struct outcome {
    int64_t p50_us, p99_us; // from arrival to answer
    double cpu_used, gpu_used;
    int answered, lost, on_cpu, on_gpu; // lost: runs that a failure undid
};

void world_run(const struct world *world, struct outcome *ret);
// The most jobs a second at which 99 of a hundred are answered within the target.
double world_capacity(struct world *world, struct outcome *ret);
