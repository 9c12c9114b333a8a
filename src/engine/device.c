// SPDX-License-Identifier: Apache-2.0
// Looks at the processor and, through NVIDIA's driver library, at GPUs. The library's functions and
// numbers: https://docs.nvidia.com/cuda/cuda-driver-api/
#include "engine/device.h"

#include <dlfcn.h>
#include <sched.h>
#include <stdio.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define GPUS_MAX 16

// In the order in which the table shows them. Each GPU is a CUDA device of its own; of the others the
// library does not say how many there are.
static const struct {
    const char *provider, *name;
} known[] = {
    {"TensorrtExecutionProvider", "tensorrt"}, {"ROCMExecutionProvider", "rocm"},
    {"MIGraphXExecutionProvider", "migraphx"}, {"OpenVINOExecutionProvider", "openvino"},
    {"QNNExecutionProvider", "qnn"},           {"CoreMLExecutionProvider", "coreml"},
};

static bool has(const struct engine_providers *providers, const char *name)
{
    for (size_t i = 0; i < providers->count; i++) {
        if (strcmp(providers->names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static struct device *add(struct devices *devices, const char *name, const char *provider)
{
    struct device *device = &devices->at[devices->count++];
    *device = (struct device){0};
    snprintf(device->name, sizeof device->name, "%s", name);
    snprintf(device->provider, sizeof device->provider, "%s", provider);
    return device;
}

// ---- the processor

static void add_cpu(struct devices *devices)
{
    struct device *cpu = add(devices, "cpu", "CPUExecutionProvider");
    struct sysinfo info = {0};
    cpu_set_t set;
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[256];
    while (file && !cpu->model[0] && fgets(line, sizeof line, file)) {
        struct str value = str_of(line), name = str_trim(str_cut(&value, ':'));
        if (str_eq(name, STR("model name"))) {
            struct str model = str_head(str_trim(value), sizeof cpu->model - 1);
            snprintf(cpu->model, sizeof cpu->model, STR_FMT, STR_ARG(model));
        }
    }
    if (file) {
        fclose(file);
    }
    cpu->memory = sysinfo(&info) == 0 ? (uint64_t)info.totalram * info.mem_unit : 0;
    cpu->cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

// ---- GPUs

struct driver { // each answers 0 when it worked
    void *library;
    int (*init)(unsigned flags);
    int (*count)(int *ret);
    int (*name)(char *ret, int size, int device);
    int (*memory)(size_t *ret, int device);
};

static bool driver_function(const struct driver *driver, const char *name, void *ret)
{
    void *symbol = dlsym(driver->library, name);
    memcpy(ret, &symbol, sizeof symbol); // ISO C has no cast from object to function pointers
    return symbol;
}

// What the driver counts is what ONNX Runtime counts: CUDA_VISIBLE_DEVICES is heeded by both.
static int driver_open(struct driver *driver, const char *path, char *why, size_t size)
{
    driver->library = dlopen(path ? path : "libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!driver->library) {
        snprintf(why, size, "NVIDIA's driver is not there (libcuda.so.1 cannot be loaded)");
        return ERR_UNAVAILABLE;
    }
    int rc = -1, count = 0;
    if (!driver_function(driver, "cuInit", &driver->init) ||
        !driver_function(driver, "cuDeviceGetCount", &driver->count) ||
        !driver_function(driver, "cuDeviceGetName", &driver->name) ||
        !driver_function(driver, "cuDeviceTotalMem_v2", &driver->memory)) {
        snprintf(why, size, "NVIDIA's driver is too old");
    } else if ((rc = driver->init(0)) != 0 || (rc = driver->count(&count)) != 0) {
        snprintf(why, size, "NVIDIA's driver does not work (error %d)", rc);
    } else if (count == 0) {
        snprintf(why, size, "NVIDIA's driver knows of no GPU");
    }
    return count > GPUS_MAX ? GPUS_MAX : count > 0 ? count : ERR_UNAVAILABLE;
}

static void add_gpus(struct devices *devices, const char *path)
{
    struct driver driver = {0};
    char *why = devices->cuda_missing;
    int count = driver_open(&driver, path, why, sizeof devices->cuda_missing);
    for (int i = 0; i < count; i++) {
        char name[32];
        size_t memory = 0;
        snprintf(name, sizeof name, "cuda:%d", i);
        struct device *gpu = add(devices, name, "CUDAExecutionProvider");
        if (driver.name(gpu->model, (int)sizeof gpu->model, i) != 0) {
            gpu->model[0] = 0;
        }
        gpu->memory = driver.memory(&memory, i) == 0 ? memory : 0;
    }
    // The library stays: the driver has threads by now, and this process ends soon.
}

void devices_find(const struct engine_providers *providers, const char *cuda, struct devices *ret)
{
    *ret = (struct devices){0};
    add_cpu(ret);
    if (has(providers, "CUDAExecutionProvider")) {
        add_gpus(ret, cuda);
    } else if (access("/dev/nvidia0", F_OK) == 0 || access("/proc/driver/nvidia", F_OK) == 0) {
        snprintf(ret->cuda_missing, sizeof ret->cuda_missing,
                 "this ONNX Runtime has no CUDA provider: take one that is built for GPUs");
    }
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        if (has(providers, known[i].provider)) {
            add(ret, known[i].name, known[i].provider);
        }
    }
}
