// SPDX-License-Identifier: Apache-2.0
// The reference for throughput: a model in ONNX Runtime as a plain C program would have it, one
// thread, the library's own defaults otherwise, nothing of Rouse but the declarations.
//
//     ort_loop LIBRARY MODEL TENSOR DIMS      (1x3x224x224; TENSOR: raw float32)
//
// prints "ready"; then for each line "SECONDS" on its input runs the model for that long and
// prints "RUNS MICROSECONDS". bench/row_throughput.py drives it.
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/onnx/ort_abi.h"

#include <dlfcn.h>
#include <stdio.h>

#define DIMS_MAX 8
#define FLOAT32  1

static struct ort_api api;

static void must(ort_rc rc)
{
    if (rc) {
        fprintf(stderr, "ort_loop: %s\n", api.GetErrorMessage(rc));
        exit(1);
    }
}

static void open_library(const char *path)
{
    setenv("ORT_DISABLE_TELEMETRY", "1", 1);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *symbol = library ? dlsym(library, "OrtGetApiBase") : NULL;
    if (!symbol) {
        fprintf(stderr, "ort_loop: %s\n", dlerror());
        exit(1);
    }
    const struct ort_api_base *(*base)(void);
    memcpy(&base, &symbol, sizeof base);
    void *const *table = base()->get_api(ORT_VERSION_LEAST);
#define X(name, slot, result, parameters) memcpy(&api.name, &table[slot], sizeof table[slot]);
    ORT_SLOTS(X)
#undef X
}

static struct ort_session *open_model(const char *path)
{
    struct ort_env *env = NULL;
    struct ort_session_options *options = NULL;
    struct ort_session *session = NULL;
    must(api.CreateEnv(ORT_LOG_FATAL, "bench", &env));
    must(api.CreateSessionOptions(&options));
    must(api.SetIntraOpNumThreads(options, 1));
    must(api.CreateSession(env, path, options, &session));
    return session;
}

static size_t read_dims(struct str text, int64_t *dims)
{
    size_t rank = 0;
    while (text.size && rank < DIMS_MAX) {
        if (!str_to_i64(str_cut(&text, 'x'), &dims[rank++])) {
            fputs("ort_loop: DIMS must be like 1x3x224x224\n", stderr);
            exit(1);
        }
    }
    return rank;
}

static struct ort_value *open_tensor(const char *path, const char *dims_text)
{
    int64_t dims[DIMS_MAX];
    size_t rank = read_dims(str_of(dims_text), dims), size = sizeof(float);
    for (size_t i = 0; i < rank; i++) {
        size *= (size_t)dims[i];
    }
    float *data = mem_alloc(size); // the tensor's, until the end
    FILE *file = fopen(path, "rb");
    if (!file || fread(data, 1, size, file) != size) {
        fprintf(stderr, "ort_loop: %s is not a tensor of %zu bytes\n", path, size);
        exit(1);
    }
    fclose(file);
    struct ort_memory_info *memory = NULL;
    struct ort_value *value = NULL;
    must(api.CreateCpuMemoryInfo(ORT_ALLOCATOR_DEVICE, ORT_MEMORY_DEFAULT, &memory));
    must(api.CreateTensorWithDataAsOrtValue(memory, data, size, dims, rank, FLOAT32, &value));
    return value;
}

struct names {
    char *input, *output;
};

static void run(struct ort_session *session, const struct names *names,
                const struct ort_value *input)
{
    struct ort_value *output = NULL;
    must(api.Run(session, NULL, (const char *const *)&names->input, &input, 1,
                 (const char *const *)&names->output, 1, &output));
    api.ReleaseValue(output);
}

static void run_for(struct ort_session *session, const struct names *names,
                    const struct ort_value *input, int64_t limit_us)
{
    int64_t start = clock_mono_us(), took = 0;
    long count = 0;
    while (took < limit_us) {
        run(session, names, input);
        count++;
        took = clock_mono_us() - start;
    }
    printf("%ld %lld\n", count, (long long)took);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fputs("usage: ort_loop LIBRARY MODEL TENSOR DIMS\n", stderr);
        return 2;
    }
    open_library(argv[1]);
    struct ort_session *session = open_model(argv[2]);
    struct ort_value *input = open_tensor(argv[3], argv[4]);
    struct ort_allocator *allocator = NULL;
    struct names names = {0};
    must(api.GetAllocatorWithDefaultOptions(&allocator));
    must(api.SessionGetInputName(session, 0, allocator, &names.input));
    must(api.SessionGetOutputName(session, 0, allocator, &names.output));
    run(session, &names, input);
    puts("ready");
    fflush(stdout);
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        run_for(session, &names, input, (int64_t)(strtod(line, NULL) * 1e6));
    }
    return 0;
}
