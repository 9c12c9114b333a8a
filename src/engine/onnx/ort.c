// SPDX-License-Identifier: Apache-2.0
// Finds ONNX Runtime, opens it without its telemetry, and warms it, so that a process forked from
// here only has to map its model.
#include "engine/onnx/ort.h"
#include "base/check.h"
#include "base/mem.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

// ---- the library ----

static void *open_one(const char *path, struct err *err)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *why = dlerror();
        err_set(err, ERR_UNAVAILABLE, "cannot load ONNX Runtime: %s", why ? why : path);
    }
    return library;
}

// Beside the executable (a build tree), where `make install` puts it, then where the system has it.
static void *open_found(struct err *err)
{
    char exe[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    exe[size > 0 ? size : 0] = 0;
    char *slash = strrchr(exe, '/');
    if (slash) {
        *slash = 0;
    }
    static const char *const beside[] = {"deps/onnxruntime/lib", "../deps/onnxruntime/lib",
                                         "../../deps/onnxruntime/lib", ".", "../lib/rouse"};
    for (size_t i = 0; i < ARRAY_SIZE(beside); i++) {
        CLEAN_MEM char *path = mem_printf("%s/%s/libonnxruntime.so.1", exe, beside[i]);
        if (access(path, F_OK) == 0) {
            return open_one(path, err);
        }
    }
    static const char *const names[] = {"libonnxruntime.so.1", "libonnxruntime.so.1.21",
                                        "libonnxruntime.so"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        if (library) {
            return library;
        }
    }
    err_set(err, ERR_UNAVAILABLE,
            "ONNX Runtime is not installed: put libonnxruntime.so.1 into "
            "%s/../lib/rouse, or name it in ROUSE_ONNXRUNTIME",
            exe);
    return NULL;
}

static int open_library(struct ort *ort, const char *path, struct err *err)
{
    // Before the library is there: without it, it starts a thread and reports home.
    setenv("ORT_DISABLE_TELEMETRY", "1", 1);
    const char *named = getenv("ROUSE_ONNXRUNTIME");
    path = path ? path : named && *named ? named : NULL;
    void *library = path ? open_one(path, err) : open_found(err);
    if (!library) {
        return ERR_UNAVAILABLE;
    }
    const struct ort_api_base *(*base)(void);
    void *symbol = dlsym(library, "OrtGetApiBase");
    memcpy(&base, &symbol, sizeof(base)); // ISO C has no cast from object to function pointers
    const char *version = symbol ? base()->version() : "?";
    void *const *table = symbol ? base()->get_api(ORT_VERSION_LEAST) : NULL;
    if (!table) {
        dlclose(library);
        return err_set(err, ERR_UNAVAILABLE, "ONNX Runtime %s is too old, 1.%d is the least",
                       version, ORT_VERSION_LEAST);
    }
#define X(name, slot, result, parameters) memcpy(&ort->api.name, &table[slot], sizeof(table[slot]));
    ORT_SLOTS(X)
#undef X
    snprintf(ort->version, sizeof(ort->version), "onnxruntime %s", version);
    return 0; // never unloaded: its destructors are not made for that
}

// ---- status and options ----

// Errors often begin with what is of no use to whoever sees them: "Load model from PATH failed:",
// and "/…/file.cc:12 type function(parameters) ". Copies without it, up to the line's end.
static void add_reason(const char *text, char *ret, size_t size)
{
    const char *failed = strstr(text, " failed:");
    if (strncmp(text, "Load model from ", 16) == 0 && failed) {
        text = failed + 8;
    }
    size_t length = strcspn(text, "\n");
    const char *place = strstr(text, "/onnxruntime_src/");
    const char *after = place ? strstr(place, ") ") : NULL;
    if (!after || after > text + length) {
        place = after = text + length;
    } else {
        after += 2;
    }
    snprintf(ret, size, "%.*s%.*s", (int)(place - text), text, (int)(text + length - after), after);
}

int ort_check(const struct ort *ort, ort_rc rc, int code, const char *what, struct err *err)
{
    if (!rc) {
        return 0;
    }
    char reason[ERR_TEXT_MAX];
    add_reason(ort->api.GetErrorMessage(rc), reason, sizeof(reason));
    err_set(err, code, "%s: %s", what, reason);
    ort->api.ReleaseStatus(rc);
    return code;
}

#define ORT_TRY(call) TRY(ort_check(ort, (call), ERR_UNAVAILABLE, "ONNX Runtime", err))

static int fill_options(const struct ort *ort, struct ort_session_options *options, int threads,
                        struct err *err)
{
    const struct ort_api *api = &ort->api;
    ORT_TRY(api->SetIntraOpNumThreads(options, threads > 1 ? threads : 1));
    ORT_TRY(api->SetInterOpNumThreads(options, 1));
    ORT_TRY(api->SetSessionExecutionMode(options, ORT_EXECUTION_SEQUENTIAL));
    ORT_TRY(api->SetSessionGraphOptimizationLevel(options, ORT_OPTIMIZE_ALL));
    ORT_TRY(api->SetSessionLogSeverityLevel(options, ORT_LOG_FATAL));
    ORT_TRY(api->AddSessionConfigEntry(options, "session.intra_op.allow_spinning", "0"));
    ORT_TRY(api->AddSessionConfigEntry(options, "session.inter_op.allow_spinning", "0"));
    return 0;
}

int ort_options(const struct ort *ort, int threads, struct ort_session_options **ret,
                struct err *err)
{
    struct ort_session_options *options = NULL;
    ORT_TRY(ort->api.CreateSessionOptions(&options));
    int rc = fill_options(ort, options, threads, err);
    if (rc < 0) {
        ort->api.ReleaseSessionOptions(options);
        return rc;
    }
    *ret = options;
    return 0;
}

// ---- the environment, warmed ----

// y = MatMul(x, x), float32[2,2], as onnx.proto3 is written: enough to make the library register
// its kernels and look at the processor.
#define TINY_2X2 "\x12\x0e\x0a\x0c\x08\x01\x12\x08\x0a\x02\x08\x02\x0a\x02\x08\x02"
static const char tiny_model[] =
    "\x08\x08"  // ir_version: 8
    "\x3a\x43"  // graph
    "\x0a\x11"  //   node
    "\x0a\x01x" //     input
    "\x0a\x01x" //     input
    "\x12\x01y" //     output
    "\x22\x06MatMul"
    "\x12\x04tiny"                                   //   name
    "\x5a\x13"                                       //   input
    "\x0a\x01x" TINY_2X2 "\x62\x13"                  //   output
    "\x0a\x01y" TINY_2X2 "\x42\x04\x0a\x00\x10\x0d"; // opset: ai.onnx 13

static int run_tiny(struct ort *ort, struct ort_session *session, struct ort_value **value,
                    struct ort_value **answer, struct err *err)
{
    float x[4] = {1, 2, 3, 4};
    int64_t dims[2] = {2, 2};
    const char *in = "x", *out = "y";
    ORT_TRY(ort->api.CreateTensorWithDataAsOrtValue(ort->memory, x, sizeof(x), dims, 2,
                                                    TENSOR_FLOAT32, value));
    ORT_TRY(ort->api.Run(session, NULL, &in, (const struct ort_value *const *)value, 1, &out, 1,
                         answer));
    void *data = NULL;
    ORT_TRY(ort->api.GetTensorMutableData(*answer, &data));
    float y[4] = {0};
    memcpy(y, data, sizeof(y));
    if (y[0] != 7 || y[1] != 10 || y[2] != 15 || y[3] != 22) {
        return err_set(err, ERR_UNAVAILABLE, "%s cannot multiply two matrices", ort->version);
    }
    return 0;
}

static int warm(struct ort *ort, struct err *err)
{
    struct ort_session_options *options = NULL;
    struct ort_session *session = NULL;
    struct ort_value *value = NULL, *answer = NULL;
    int rc = ort_options(ort, 1, &options, err);
    if (rc == 0) {
        rc = ort_check(ort,
                       ort->api.CreateSessionFromArray(ort->env, tiny_model, sizeof(tiny_model) - 1,
                                                       options, &session),
                       ERR_UNAVAILABLE, "ONNX Runtime", err);
    }
    if (rc == 0) {
        rc = run_tiny(ort, session, &value, &answer, err);
    }
    ort->api.ReleaseValue(answer); // all of these take NULL
    ort->api.ReleaseValue(value);
    ort->api.ReleaseSession(session);
    ort->api.ReleaseSessionOptions(options);
    return rc;
}

static int start_env(struct ort *ort, struct err *err)
{
    ORT_TRY(ort->api.CreateEnv(ORT_LOG_FATAL, "rouse", &ort->env));
    ORT_TRY(ort->api.DisableTelemetryEvents(ort->env));
    ORT_TRY(ort->api.CreateCpuMemoryInfo(ORT_ALLOCATOR_DEVICE, ORT_MEMORY_DEFAULT, &ort->memory));
    ORT_TRY(ort->api.GetAllocatorWithDefaultOptions(&ort->allocator));
    return warm(ort, err);
}

int ort_open(const char *library, struct ort **ret, struct err *err)
{
    struct ort *ort = NEW(struct ort);
    int rc = open_library(ort, library, err);
    if (rc == 0) {
        rc = start_env(ort, err);
    }
    if (rc < 0) {
        ort_close(ort);
        return rc;
    }
    *ret = ort;
    return 0;
}

void ort_close(struct ort *ort)
{
    if (ort->memory) {
        ort->api.ReleaseMemoryInfo(ort->memory);
    }
    if (ort->env) {
        ort->api.ReleaseEnv(ort->env);
    }
    free(ort);
}

int ort_providers(const struct ort *ort, struct engine_providers *ret, struct err *err)
{
    char **names = NULL;
    int count = 0;
    ORT_TRY(ort->api.GetAvailableProviders(&names, &count));
    ret->count = 0;
    for (int i = 0; i < count && ret->count < ENGINE_PROVIDERS_MAX; i++) {
        snprintf(ret->names[ret->count++], ENGINE_PROVIDER_NAME_MAX, "%s", names[i]);
    }
    ORT_TRY(ort->api.ReleaseAvailableProviders(names, count));
    return 0;
}

// ---- the table ----

static int start(const struct engine_options *options, struct engine **ret, struct err *err)
{
    struct ort *ort = NULL;
    TRY(ort_open(options->library, &ort, err));
    ort->engine.ops = &engine_onnx;
    *ret = &ort->engine;
    return 0;
}

static void stop(struct engine *engine)
{
    ort_close(CONTAINER_OF(engine, struct ort, engine));
}

static const char *version(const struct engine *engine)
{
    return CONTAINER_OF(engine, struct ort, engine)->version;
}

static int providers(const struct engine *engine, struct engine_providers *ret, struct err *err)
{
    return ort_providers(CONTAINER_OF(engine, struct ort, engine), ret, err);
}

const struct engine_ops engine_onnx = {
    .name = "onnx",
    .start = start,
    .stop = stop,
    .version = version,
    .load = ort_load,
    .free = ort_unload,
    .run = ort_run,
    .prepare = ort_prepare,
    .simplify = ort_simplify,
    .providers = providers,
};
