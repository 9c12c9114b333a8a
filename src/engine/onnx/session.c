// SPDX-License-Identifier: Apache-2.0
// A model in ONNX Runtime: loaded from its file, or mapped from what was prepared of it, and run.
#include "engine/onnx/ort.h"
#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct ort_model {
    struct model model;
    struct ort *ort;
    struct ort_session *session;
    void *map; // of the prepared file: the session uses it in place
    size_t map_size;
    const char **input_names, **output_names; // borrowed from the values
    struct ort_value **values, **answers;     // of the last run
    char **texts;                             // of the answers that are strings
};

#define ORT_TRY(call) TRY(ort_check(ort, (call), ERR_INVALID, "the model", err))

// ---- what goes in and comes out ----

static int read_tensor_info(const struct ort *ort, const struct ort_tensor_info *info,
                            struct engine_value *value, struct err *err)
{
    int type = 0;
    int64_t dims[TENSOR_RANK_MAX];
    ORT_TRY(ort->api.GetTensorElementType(info, &type));
    ORT_TRY(ort->api.GetDimensionsCount(info, &value->rank));
    if (value->rank > TENSOR_RANK_MAX) {
        size_t rank = value->rank;
        value->rank = 0;
        return err_set(err, ERR_UNSUPPORTED, "\"%s\" has %zu dimensions, %d are the most",
                       value->name, rank, TENSOR_RANK_MAX);
    }
    ORT_TRY(ort->api.GetDimensions(info, dims, value->rank));
    for (size_t i = 0; i < value->rank; i++) {
        value->dims[i] = dims[i] >= 0 ? dims[i] : -1;
    }
    value->type = (enum tensor_type)type;
    if (tensor_type_size(value->type) == 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "\"%s\" holds elements of the type %s (%d), which "
                       "is not supported",
                       value->name, tensor_type_name(value->type), type);
    }
    return 0;
}

static int read_type(const struct ort *ort, const struct ort_type_info *type,
                     struct engine_value *value, struct err *err)
{
    int kind = 0;
    ORT_TRY(ort->api.GetOnnxTypeFromTypeInfo(type, &kind));
    if (kind != ORT_TYPE_TENSOR) {
        return err_set(err, ERR_UNSUPPORTED,
                       "\"%s\" is a sequence, a map or the like; only "
                       "tensors are supported",
                       value->name);
    }
    const struct ort_tensor_info *info = NULL; // borrowed from the type
    ORT_TRY(ort->api.CastTypeInfoToTensorInfo(type, &info));
    return read_tensor_info(ort, info, value, err);
}

static int read_value(struct ort_model *m, bool is_input, size_t index, struct engine_value *value,
                      struct err *err)
{
    const struct ort *ort = m->ort;
    char *name = NULL;
    ORT_TRY(is_input ? ort->api.SessionGetInputName(m->session, index, ort->allocator, &name)
                     : ort->api.SessionGetOutputName(m->session, index, ort->allocator, &name));
    value->name = mem_dup(name);
    TRY(ort_check(ort, ort->api.AllocatorFree(ort->allocator, name), ERR_INVALID, "a name", err));
    struct ort_type_info *type = NULL;
    ORT_TRY(is_input ? ort->api.SessionGetInputTypeInfo(m->session, index, &type)
                     : ort->api.SessionGetOutputTypeInfo(m->session, index, &type));
    int rc = read_type(ort, type, value, err);
    ort->api.ReleaseTypeInfo(type);
    return rc;
}

static int read_values(struct ort_model *m, bool is_input, size_t count,
                       struct engine_value **ret_values, size_t *ret_count, const char ***ret_names,
                       struct err *err)
{
    if ((count == 0 && !is_input) || count > ENGINE_VALUES_MAX) {
        return err_set(err, ERR_UNSUPPORTED, "the model has %zu %s, %d are the most", count,
                       is_input ? "inputs" : "outputs", ENGINE_VALUES_MAX);
    }
    *ret_values = mem_alloc(count * sizeof(**ret_values));
    *ret_count = count;
    *ret_names = mem_alloc(count * sizeof(**ret_names));
    for (size_t i = 0; i < count; i++) {
        TRY(read_value(m, is_input, i, &(*ret_values)[i], err));
        (*ret_names)[i] = (*ret_values)[i].name;
    }
    return 0;
}

static int describe(struct ort_model *m, struct err *err)
{
    const struct ort *ort = m->ort;
    size_t inputs = 0, outputs = 0;
    ORT_TRY(ort->api.SessionGetInputCount(m->session, &inputs));
    ORT_TRY(ort->api.SessionGetOutputCount(m->session, &outputs));
    TRY(read_values(m, true, inputs, &m->model.inputs, &m->model.input_count, &m->input_names,
                    err));
    TRY(read_values(m, false, outputs, &m->model.outputs, &m->model.output_count, &m->output_names,
                    err));
    m->values = mem_alloc(inputs * sizeof(struct ort_value *));
    m->answers = mem_alloc(outputs * sizeof(struct ort_value *));
    m->texts = mem_alloc(outputs * sizeof(char *));
    return 0;
}

// ---- loading ----

// One call instead of a fault for each page, which is what is wanted of a file that is in memory. To read it
// from a disk takes longer than all else: then the kernel is only told, and the request's input is
// decoded while the server, which has begun at the same time, reads. What is not there yet when the model
// runs is waited for then. Older kernels know neither; then there are faults.
static void map_populate(const struct ort_model *m)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = (m->map_size + page - 1) / page, there = 0;
    CLEAN_MEM unsigned char *vector = mem_alloc(pages);
    bool known = mincore(m->map, m->map_size, vector) == 0;
    for (size_t i = 0; known && i < pages; i++) {
        there += vector[i] & 1;
    }
    bool resident = !known || there >= pages - pages / 16;
    madvise(m->map, m->map_size, resident ? MADV_POPULATE_READ : MADV_WILLNEED);
}

static int map_file(struct ort_model *m, const char *path, struct err *err)
{
    CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= 0) {
        return err_errno(err, ERR_NOT_FOUND, errno, "cannot open %s", path);
    }
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        return err_errno(err, ERR_IO, errno, "cannot map %s", path);
    }
    m->map = map;
    m->map_size = (size_t)st.st_size;
    map_populate(m);
    return 0;
}

static int open_prepared(struct ort_model *m, struct ort_session_options *options, const char *path,
                         bool packing, struct err *err)
{
    const struct ort *ort = m->ort;
    TRY(map_file(m, path, err));
    ORT_TRY(ort->api.AddSessionConfigEntry(options, "session.load_model_format", "ORT"));
    ORT_TRY(ort->api.AddSessionConfigEntry(options, "session.use_ort_model_bytes_directly", "1"));
    ORT_TRY(ort->api.AddSessionConfigEntry(options, "session.use_ort_model_bytes_for_initializers",
                                           "1"));
    if (!packing) { // then weights stay in the mapping, which all instances share
        ORT_TRY(ort->api.AddSessionConfigEntry(options, "session.disable_prepacking", "1"));
    }
    return ort_check(
        ort, ort->api.CreateSessionFromArray(ort->env, m->map, m->map_size, options, &m->session),
        ERR_INVALID, path, err);
}

static int open_session(struct ort_model *m, const struct model_source *source, struct err *err)
{
    const struct ort *ort = m->ort;
    struct ort_session_options *options = NULL;
    TRY(ort_options(ort, source->threads, &options, err));
    int rc =
        source->prepared
            ? open_prepared(m, options, source->prepared, source->packing, err)
            : ort_check(ort, ort->api.CreateSession(ort->env, source->path, options, &m->session),
                        ERR_INVALID, "the model cannot be loaded", err);
    ort->api.ReleaseSessionOptions(options);
    return rc;
}

int ort_load(struct engine *engine, const struct model_source *source, struct model **ret,
             struct err *err)
{
    struct ort_model *m = NEW(struct ort_model);
    m->ort = CONTAINER_OF(engine, struct ort, engine);
    m->model.ops = engine->ops;
    int rc = open_session(m, source, err);
    if (rc == 0) {
        rc = describe(m, err);
    }
    if (rc < 0) {
        ort_unload(&m->model);
        return rc;
    }
    *ret = &m->model;
    return 0;
}

static void release_texts(struct ort_model *m)
{
    for (size_t i = 0; m->texts && i < m->model.output_count; i++) {
        free(m->texts[i]);
        m->texts[i] = NULL;
    }
}

static void release(struct ort_model *m, struct ort_value **values, size_t count)
{
    for (size_t i = 0; values && i < count; i++) {
        if (values[i]) {
            m->ort->api.ReleaseValue(values[i]);
            values[i] = NULL;
        }
    }
}

void ort_unload(struct model *model)
{
    struct ort_model *m = CONTAINER_OF(model, struct ort_model, model);
    release(m, m->values, model->input_count);
    release(m, m->answers, model->output_count);
    release_texts(m);
    if (m->session) {
        m->ort->api.ReleaseSession(m->session);
    }
    if (m->map) {
        munmap(m->map, m->map_size);
    }
    for (size_t i = 0; i < model->input_count; i++) {
        engine_value_done(&model->inputs[i]);
    }
    for (size_t i = 0; i < model->output_count; i++) {
        engine_value_done(&model->outputs[i]);
    }
    free(model->inputs);
    free(model->outputs);
    free(m->input_names);
    free(m->output_names);
    free(m->values);
    free(m->answers);
    free(m->texts);
    free(m);
}

// ---- running ----

// Strings go in as C strings: the library has no other way to take them all at once.
static int make_strings(const struct ort *ort, const struct tensor *in, struct ort_value **ret,
                        struct err *err)
{
    size_t count = in->size / sizeof(struct str);
    const struct str *strings = in->data;
    ORT_TRY(
        ort->api.CreateTensorAsOrtValue(ort->allocator, in->dims, in->rank, TENSOR_STRING, ret));
    CLEAN_MEM const char **texts = mem_alloc(count * sizeof(*texts));
    for (size_t i = 0; i < count; i++) {
        texts[i] = strings[i].at;
    }
    ORT_TRY(ort->api.FillStringTensor(*ret, texts, count));
    return 0;
}

static int make_value(const struct ort *ort, const struct tensor *in, const char *name,
                      struct ort_value **ret, struct err *err)
{
    if (in->type == TENSOR_STRING) {
        return make_strings(ort, in, ret, err);
    }
    return ort_check(ort,
                     ort->api.CreateTensorWithDataAsOrtValue(
                         ort->memory, in->data, in->size, in->dims, in->rank, (int)in->type, ret),
                     ERR_INVALID, name, err);
}

// One block: the views, then the texts, each with a NUL.
static int read_strings(const struct ort *ort, struct ort_value *value, struct tensor *ret,
                        char **ret_block, struct err *err)
{
    size_t count = ret->size / sizeof(struct str), length = 0;
    ORT_TRY(ort->api.GetStringTensorDataLength(value, &length));
    CLEAN_MEM char *joined = mem_alloc(length);
    CLEAN_MEM size_t *offsets = mem_alloc((count + 1) * sizeof(*offsets));
    if (count) {
        ORT_TRY(ort->api.GetStringTensorContent(value, joined, length, offsets, count));
    }
    offsets[count] = length;
    char *block = mem_alloc(ret->size + length + count);
    struct str *strings = (struct str *)(void *)block;
    char *at = block + ret->size;
    for (size_t i = 0; i < count; i++) {
        CHECK(offsets[i] <= offsets[i + 1] && offsets[i + 1] <= length);
        strings[i] = str_n(at, offsets[i + 1] - offsets[i]);
        memcpy(at, joined + offsets[i], strings[i].size);
        at += strings[i].size + 1;
    }
    *ret_block = block;
    ret->data = block;
    return 0;
}

static int read_answer(const struct ort *ort, struct ort_value *value, struct tensor *ret,
                       char **ret_text, struct err *err)
{
    struct ort_tensor_info *info = NULL;
    ORT_TRY(ort->api.GetTensorTypeAndShape(value, &info));
    struct engine_value shape = {.name = "an output"};
    int rc = read_tensor_info(ort, info, &shape, err);
    ort->api.ReleaseTensorTypeAndShapeInfo(info);
    TRY(rc);
    int64_t elements = tensor_elements(shape.dims, shape.rank);
    if (elements < 0) {
        return err_set(err, ERR_LIMIT, "the model's answer is too large");
    }
    *ret = (struct tensor){.type = shape.type,
                           .rank = shape.rank,
                           .size = (size_t)elements * tensor_type_size(shape.type)};
    memcpy(ret->dims, shape.dims, sizeof(ret->dims));
    if (ret->type == TENSOR_STRING) {
        return read_strings(ort, value, ret, ret_text, err);
    }
    ORT_TRY(ort->api.GetTensorMutableData(value, &ret->data));
    return 0;
}

// Runs, and has the library return what it took for it.
static ort_rc run_lean(struct ort_model *m)
{
    const struct ort_api *api = &m->ort->api;
    struct ort_run_options *options = NULL;
    ort_rc rc = api->CreateRunOptions(&options);
    if (!rc) {
        rc = api->AddRunConfigEntry(options, "memory.enable_memory_arena_shrinkage", "cpu:0");
    }
    if (!rc) {
        rc = api->Run(m->session, options, m->input_names,
                      (const struct ort_value *const *)m->values, m->model.input_count,
                      m->output_names, m->model.output_count, m->answers);
    }
    api->ReleaseRunOptions(options);
    return rc;
}

static ort_rc run(struct ort_model *m)
{
    if (m->model.lean) {
        return run_lean(m);
    }
    return m->ort->api.Run(m->session, NULL, m->input_names,
                           (const struct ort_value *const *)m->values, m->model.input_count,
                           m->output_names, m->model.output_count, m->answers);
}

int ort_run(struct model *model, const struct tensor *inputs, struct tensor *outputs,
            struct err *err)
{
    struct ort_model *m = CONTAINER_OF(model, struct ort_model, model);
    const struct ort *ort = m->ort;
    release(m, m->answers, model->output_count);
    release(m, m->values, model->input_count);
    release_texts(m);
    for (size_t i = 0; i < model->input_count; i++) {
        TRY(make_value(ort, &inputs[i], model->inputs[i].name, &m->values[i], err));
    }
    TRY(ort_check(ort, run(m), ERR_FUNCTION, "the model failed", err));
    for (size_t i = 0; i < model->output_count; i++) {
        TRY(read_answer(ort, m->answers[i], &outputs[i], &m->texts[i], err));
    }
    return 0;
}

// ---- preparing ----

// Another form of the model: ONNX Runtime's own, fully optimised for this processor, or ONNX with
// nothing in it but standard operators.
struct form {
    const char *name; // as the library calls it
    int level;
    const char *failure;
};

static int save(const struct ort *ort, struct ort_session_options *options, const struct form *form,
                const char *path, const char *to, struct err *err)
{
    ORT_TRY(ort->api.SetSessionGraphOptimizationLevel(options, form->level));
    ORT_TRY(ort->api.SetOptimizedModelFilePath(options, to));
    ORT_TRY(ort->api.AddSessionConfigEntry(options, "session.save_model_format", form->name));
    struct ort_session *session = NULL;
    TRY(ort_check(ort, ort->api.CreateSession(ort->env, path, options, &session), ERR_INVALID,
                  form->failure, err));
    ort->api.ReleaseSession(session);
    return 0;
}

static int save_as(struct engine *engine, const struct form *form, const char *path, const char *to,
                   struct err *err)
{
    const struct ort *ort = CONTAINER_OF(engine, struct ort, engine);
    struct ort_session_options *options = NULL;
    TRY(ort_options(ort, 1, &options, err));
    int rc = save(ort, options, form, path, to, err);
    ort->api.ReleaseSessionOptions(options);
    return rc;
}

int ort_prepare(struct engine *engine, const char *path, const char *to, struct err *err)
{
    static const struct form form = {"ORT", ORT_OPTIMIZE_ALL, "the model cannot be prepared"};
    return save_as(engine, &form, path, to, err);
}

int ort_simplify(struct engine *engine, const char *path, const char *to, struct err *err)
{
    static const struct form form = {"ONNX", ORT_OPTIMIZE_BASIC, "the model cannot be loaded"};
    return save_as(engine, &form, path, to, err);
}
