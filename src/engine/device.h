// SPDX-License-Identifier: Apache-2.0
// The device table: what this machine has to compute on, as far as the engine's library can use it.
// Runner processes only, and of those only the one that is asked for the table: looking for GPUs
// starts their driver, which no process survives a fork of.
//
//     "cpu"        always
//     "cuda:0" …   each GPU, where the library has its CUDA provider and NVIDIA's driver answers
//     "openvino"   and others: by name, where the library has them. Nothing is known of what they need.
#pragma once

#include "base/mem.h"
#include "engine/engine.h"

#define DEVICES_MAX 32

struct device {
    char name[32];                           // as functions name it: "cuda:0"
    char provider[ENGINE_PROVIDER_NAME_MAX]; // as ONNX Runtime names it
    char model[128];                         // of the hardware; "": not known
    uint64_t memory;                         // bytes; 0: not known
    int cores;                               // of the processor; 0 for others
};

struct devices {
    struct device at[DEVICES_MAX];
    size_t count;
    // Why there is no CUDA device although the library or the machine has a part of what it takes; "":
    // it has none of it, or all.
    char cuda_missing[160];
};

// `cuda`: NVIDIA's driver library, NULL for "libcuda.so.1".
void devices_find(const struct engine_providers *providers, const char *cuda, struct devices *ret);
