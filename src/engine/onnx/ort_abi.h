// SPDX-License-Identifier: Apache-2.0
// What we use of ONNX Runtime's C interface, so that no header of it is needed to build. Its API
// is a table of function pointers that only ever grows at the end: a function keeps its slot in
// all versions. A test compares the slots with the real header where that is installed.
// https://onnxruntime.ai/docs/api/c/struct_ort_api.html
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ORT_VERSION_LEAST 16 // of the table that we ask for: any library from 1.16 on has it

struct ort_status; // NULL: it worked
struct ort_env;
struct ort_session;
struct ort_session_options;
struct ort_run_options;
struct ort_value;
struct ort_memory_info;
struct ort_type_info;
struct ort_tensor_info;
struct ort_allocator;

enum { ORT_LOG_ERROR = 3, ORT_LOG_FATAL = 4 };
enum { ORT_TYPE_TENSOR = 1 };
enum { ORT_ALLOCATOR_DEVICE = 0, ORT_MEMORY_DEFAULT = 0 };
enum { ORT_EXECUTION_SEQUENTIAL = 0 };
enum { ORT_OPTIMIZE_BASIC = 1, ORT_OPTIMIZE_ALL = 99 };

typedef struct ort_status *ort_rc;

// name, slot, result, parameters
#define ORT_SLOTS(X)                                                                               \
    X(GetErrorMessage, 2, const char *, (const struct ort_status *))                               \
    X(CreateEnv, 3, ort_rc, (int log_level, const char *log_id, struct ort_env **))                \
    X(DisableTelemetryEvents, 6, ort_rc, (const struct ort_env *))                                 \
    X(CreateSession, 7, ort_rc,                                                                    \
      (const struct ort_env *, const char *path, const struct ort_session_options *,               \
       struct ort_session **))                                                                     \
    X(CreateSessionFromArray, 8, ort_rc,                                                           \
      (const struct ort_env *, const void *, size_t, const struct ort_session_options *,           \
       struct ort_session **))                                                                     \
    X(Run, 9, ort_rc,                                                                              \
      (struct ort_session *, const struct ort_run_options *, const char *const *input_names,       \
       const struct ort_value *const *, size_t, const char *const *output_names, size_t,           \
       struct ort_value **))                                                                       \
    X(CreateSessionOptions, 10, ort_rc, (struct ort_session_options **))                           \
    X(SetOptimizedModelFilePath, 11, ort_rc, (struct ort_session_options *, const char *))         \
    X(SetSessionExecutionMode, 13, ort_rc, (struct ort_session_options *, int))                    \
    X(SetSessionLogSeverityLevel, 22, ort_rc, (struct ort_session_options *, int))                 \
    X(SetSessionGraphOptimizationLevel, 23, ort_rc, (struct ort_session_options *, int))           \
    X(SetIntraOpNumThreads, 24, ort_rc, (struct ort_session_options *, int))                       \
    X(SetInterOpNumThreads, 25, ort_rc, (struct ort_session_options *, int))                       \
    X(SessionGetInputCount, 30, ort_rc, (const struct ort_session *, size_t *))                    \
    X(SessionGetOutputCount, 31, ort_rc, (const struct ort_session *, size_t *))                   \
    X(SessionGetInputTypeInfo, 33, ort_rc,                                                         \
      (const struct ort_session *, size_t, struct ort_type_info **))                               \
    X(SessionGetOutputTypeInfo, 34, ort_rc,                                                        \
      (const struct ort_session *, size_t, struct ort_type_info **))                               \
    X(SessionGetInputName, 36, ort_rc,                                                             \
      (const struct ort_session *, size_t, struct ort_allocator *, char **))                       \
    X(SessionGetOutputName, 37, ort_rc,                                                            \
      (const struct ort_session *, size_t, struct ort_allocator *, char **))                       \
    X(CreateRunOptions, 39, ort_rc, (struct ort_run_options **))                                   \
    X(CreateTensorAsOrtValue, 48, ort_rc,                                                          \
      (struct ort_allocator *, const int64_t *dims, size_t rank, int type, struct ort_value **))   \
    X(CreateTensorWithDataAsOrtValue, 49, ort_rc,                                                  \
      (const struct ort_memory_info *, void *, size_t, const int64_t *dims, size_t rank, int type, \
       struct ort_value **))                                                                       \
    X(GetTensorMutableData, 51, ort_rc, (struct ort_value *, void **))                             \
    X(FillStringTensor, 52, ort_rc, (struct ort_value *, const char *const *, size_t))             \
    X(GetStringTensorDataLength, 53, ort_rc, (const struct ort_value *, size_t *))                 \
    X(GetStringTensorContent, 54, ort_rc,                                                          \
      (const struct ort_value *, void *, size_t, size_t *offsets, size_t))                         \
    X(CastTypeInfoToTensorInfo, 55, ort_rc,                                                        \
      (const struct ort_type_info *, const struct ort_tensor_info **))                             \
    X(GetOnnxTypeFromTypeInfo, 56, ort_rc, (const struct ort_type_info *, int *))                  \
    X(GetTensorElementType, 60, ort_rc, (const struct ort_tensor_info *, int *))                   \
    X(GetDimensionsCount, 61, ort_rc, (const struct ort_tensor_info *, size_t *))                  \
    X(GetDimensions, 62, ort_rc, (const struct ort_tensor_info *, int64_t *, size_t))              \
    X(GetTensorTypeAndShape, 65, ort_rc, (const struct ort_value *, struct ort_tensor_info **))    \
    X(CreateCpuMemoryInfo, 69, ort_rc, (int allocator, int kind, struct ort_memory_info **))       \
    X(AllocatorFree, 76, ort_rc, (struct ort_allocator *, void *))                                 \
    X(GetAllocatorWithDefaultOptions, 78, ort_rc, (struct ort_allocator **))                       \
    X(ReleaseEnv, 92, void, (struct ort_env *))                                                    \
    X(ReleaseStatus, 93, void, (struct ort_status *))                                              \
    X(ReleaseMemoryInfo, 94, void, (struct ort_memory_info *))                                     \
    X(ReleaseSession, 95, void, (struct ort_session *))                                            \
    X(ReleaseValue, 96, void, (struct ort_value *))                                                \
    X(ReleaseRunOptions, 97, void, (struct ort_run_options *))                                     \
    X(ReleaseTypeInfo, 98, void, (struct ort_type_info *))                                         \
    X(ReleaseTensorTypeAndShapeInfo, 99, void, (struct ort_tensor_info *))                         \
    X(ReleaseSessionOptions, 100, void, (struct ort_session_options *))                            \
    X(GetAvailableProviders, 125, ort_rc, (char ***names, int *count))                             \
    X(ReleaseAvailableProviders, 126, ort_rc, (char **names, int count))                           \
    X(AddSessionConfigEntry, 130, ort_rc,                                                          \
      (struct ort_session_options *, const char *key, const char *value))                          \
    X(AddRunConfigEntry, 165, ort_rc,                                                              \
      (struct ort_run_options *, const char *key, const char *value))

struct ort_api {
#define X(name, slot, result, parameters) result(*name) parameters;
    ORT_SLOTS(X)
#undef X
};

// What OrtGetApiBase, the library's one symbol, returns.
struct ort_api_base {
    const void *(*get_api)(uint32_t version); // a table of pointers, or NULL: it is older
    const char *(*version)(void);             // "1.30.0"
};
