// SPDX-License-Identifier: Apache-2.0
// What there is to say of model functions in the words of the inference protocol, and how a request for
// inference becomes a job and a job's end an answer.
#include "api/models.h"
#include "api/authorize.h"
#include "api/lambda.h"
#include "api/model_call.h"
#include "dispatch/dispatch.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define PREPARED_MAX (1024 * 1024)

void model_ref_set(struct model_ref *ref, struct str name, struct str version)
{
    bool fits = name.size < sizeof ref->name && version.size < sizeof ref->version;
    snprintf(ref->name, sizeof ref->name, STR_FMT, STR_ARG(name));
    snprintf(ref->version, sizeof ref->version, STR_FMT, STR_ARG(version));
    if (!fits) {
        snprintf(ref->version, sizeof ref->version, "(too long)");
    }
}

static bool is_latest(const struct model_ref *ref)
{
    return !ref->version[0] || strcmp(ref->version, "$LATEST") == 0;
}

// ── who may ──

int models_identify(struct api *api, const struct http_request *req, struct auth *ret,
                    struct err *err)
{
    return model_call_bearer(api, req, ret) ? 0 : auth_headers(api, req, AUTH_STYLE_JSON, ret, err);
}

int models_authorize(struct api *api, const struct http_request *req, const struct auth *auth,
                     const struct model_ref *ref, struct err *err)
{
    if (!ref->name[0]) {
        return authorize(api, req, auth, AUTH_STYLE_JSON, "lambda:ListFunctions", STR("*"), NULL, 0,
                         err);
    }
    CLEAN_MEM char *arn = function_arn(api->settings->region, ref->name, NULL);
    return authorize(api, req, auth, AUTH_STYLE_JSON, "lambda:InvokeFunction", str_of(arn), NULL, 0,
                     err);
}

// ── models ──

static bool is_model(const struct function *f)
{
    return f && strcmp(f->runtime, "onnx") == 0;
}

int models_find(struct api *api, const struct model_ref *ref, struct function **ret,
                struct err *err)
{
    bool latest = is_latest(ref);
    CLEAN_MEM char *key =
        latest ? mem_dup(ref->name) : mem_printf("%s:%s", ref->name, ref->version);
    struct function *f = dispatch_function(api->dispatch, str_of(key));
    if (!is_model(f)) {
        return err_set(err, ERR_NOT_FOUND, "there is no model %s%s%s", ref->name,
                       latest ? "" : " of version ", latest ? "" : ref->version);
    }
    *ret = f;
    return 0;
}

static bool is_ready(const struct api *api, const struct function *f)
{
    CLEAN_MEM char *key = dispatch_key(f);
    return f->state == FUNCTION_ACTIVE && !dispatch_unloaded(api->dispatch, str_of(key));
}

bool models_server_ready(const struct api *api)
{
    return !api->draining;
}

int models_ready(struct api *api, const struct model_ref *ref, bool *ret, struct err *err)
{
    struct function *f = NULL;
    TRY(models_find(api, ref, &f, err));
    *ret = is_ready(api, f);
    return 0;
}

json_t *models_server(void)
{
    return json_pack("{s:s, s:s, s:[s, s, s, s]}", "name", "rouse", "version", ROUSE_VERSION,
                     "extensions", "binary_tensor_data", "model_repository", "model_configuration",
                     "statistics");
}

json_t *models_index(struct api *api, bool ready_only)
{
    json_t *list = json_array();
    size_t at = 0;
    for (struct lambda_function *f; (f = map_next(&api->lambda->functions, &at));) {
        bool ready = is_model(f->latest) && is_ready(api, f->latest);
        if (!is_model(f->latest) || (ready_only && !ready)) {
            continue;
        }
        const char *reason = f->latest->state_reason;
        reason = reason ? reason : ready || f->latest->state != FUNCTION_ACTIVE ? "" : "unloaded";
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "name", f->name, "version",
                                              f->latest->version, "state",
                                              ready ? "READY" : "UNAVAILABLE", "reason", reason));
    }
    return list;
}

// ── inputs and outputs ──

// As they are prepared → as the protocol writes them, and as a model configuration does.
static const struct datatype {
    const char *type, *name, *config;
} datatypes[] = {
    {"float32", "FP32", "TYPE_FP32"},    {"float16", "FP16", "TYPE_FP16"},
    {"float64", "FP64", "TYPE_FP64"},    {"bfloat16", "BF16", "TYPE_BF16"},
    {"int8", "INT8", "TYPE_INT8"},       {"int16", "INT16", "TYPE_INT16"},
    {"int32", "INT32", "TYPE_INT32"},    {"int64", "INT64", "TYPE_INT64"},
    {"uint8", "UINT8", "TYPE_UINT8"},    {"uint16", "UINT16", "TYPE_UINT16"},
    {"uint32", "UINT32", "TYPE_UINT32"}, {"uint64", "UINT64", "TYPE_UINT64"},
    {"bool", "BOOL", "TYPE_BOOL"},       {"string", "BYTES", "TYPE_STRING"},
};

static const struct datatype *datatype_find(struct str type)
{
    for (size_t i = 0; i < ARRAY_SIZE(datatypes); i++) {
        if (str_eq(type, str_of(datatypes[i].type))) {
            return &datatypes[i];
        }
    }
    static const struct datatype unknown = {"", "", "TYPE_INVALID"};
    return &unknown;
}

// What the preparation found out stands beside the prepared model.
static json_t *prepared_read(const struct function *f)
{
    CLEAN_MEM char *path = mem_printf("%s/prepared.json", f->prepared ? f->prepared : f->package);
    CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    CLEAN(buf_done) struct buf text = BUF_INIT(PREPARED_MAX);
    char *to = buf_reserve(&text, PREPARED_MAX);
    ssize_t got = fd >= 0 ? read(fd, to, PREPARED_MAX) : -1;
    json_t *json = NULL;
    if (got > 0) {
        buf_took(&text, (size_t)got);
        if (json_parse_object(buf_str(&text), &json, NULL) < 0) {
            return NULL;
        }
    }
    return json;
}

// Every task but `tensor` has a payload and an answer instead (runner/protocol.h).
static json_t *values_of(const struct function *f, const char *which)
{
    CLEAN_JSON json_t *prepared = prepared_read(f);
    struct str task = json_str(json_object_get(prepared, "task"));
    if (task.at && !str_eq(task, STR("tensor"))) {
        const char *name = strcmp(which, "inputs") == 0 ? "payload" : "answer";
        return json_pack("[{s:s, s:s, s:[i]}]", "name", name, "type", "string", "shape", 1);
    }
    json_t *values = json_object_get(prepared, which);
    return json_is_array(values) ? json_incref(values) : json_array();
}

static json_t *tensors_of(const struct function *f, const char *which)
{
    CLEAN_JSON json_t *values = values_of(f, which);
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(values); i++) {
        const json_t *v = json_array_get(values, i);
        const char *name = datatype_find(json_str(json_object_get(v, "type")))->name;
        json_array_append_new(list,
                              json_pack("{s:O, s:s, s:O}", "name", json_object_get(v, "name"),
                                        "datatype", name, "shape", json_object_get(v, "shape")));
    }
    return list;
}

int models_metadata(struct api *api, const struct model_ref *ref, json_t **ret, struct err *err)
{
    struct function *f = NULL;
    TRY(models_find(api, ref, &f, err));
    json_t *json = json_object();
    json_put_str(json, "name", str_of(f->name));
    json_put(json, "versions", json_pack("[s]", f->version));
    json_put_str(json, "platform", STR("onnxruntime_onnx"));
    json_put(json, "inputs", tensors_of(f, "inputs"));
    json_put(json, "outputs", tensors_of(f, "outputs"));
    *ret = json;
    return 0;
}

static json_t *config_values(const struct function *f, const char *which)
{
    CLEAN_JSON json_t *values = values_of(f, which);
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(values); i++) {
        const json_t *v = json_array_get(values, i);
        const char *type = datatype_find(json_str(json_object_get(v, "type")))->config;
        json_array_append_new(list,
                              json_pack("{s:O, s:s, s:O}", "name", json_object_get(v, "name"),
                                        "data_type", type, "dims", json_object_get(v, "shape")));
    }
    return list;
}

// max_batch_size 0: shapes have all their dimensions, the first one, too.
int models_config(struct api *api, const struct model_ref *ref, json_t **ret, struct err *err)
{
    struct function *f = NULL;
    TRY(models_find(api, ref, &f, err));
    json_t *json = json_object();
    json_put_str(json, "name", str_of(f->name));
    json_put_str(json, "platform", STR("onnxruntime_onnx"));
    json_put_str(json, "backend", STR("onnxruntime"));
    json_put_int(json, "max_batch_size", 0);
    json_put(json, "input", config_values(f, "inputs"));
    json_put(json, "output", config_values(f, "outputs"));
    *ret = json;
    return 0;
}

// ── statistics ──

static json_t *duration(uint64_t count, uint64_t us)
{
    return json_pack("{s:I, s:I}", "count", (json_int_t)count, "ns", (json_int_t)(us * 1000));
}

static json_t *time_json(struct dispatch_time time)
{
    return duration(time.count, time.us);
}

// Runs of the model, and the sizes of its batches.
static json_t *batches_json(const struct dispatch_statistics *s, uint64_t *ret_runs)
{
    json_t *list = json_array();
    *ret_runs = 0;
    for (size_t i = 0; i < DISPATCH_BATCH_MAX; i++) {
        const struct dispatch_batch *b = &s->batches[i];
        uint64_t runs = (b->jobs + i) / (i + 1); // the last batch may be half settled
        if (b->jobs) {
            json_array_append_new(
                list, json_pack("{s:I, s:o, s:o, s:o}", "batch_size", (json_int_t)(i + 1),
                                "compute_input", duration(runs, b->input_us), "compute_infer",
                                duration(runs, b->infer_us), "compute_output", duration(runs, 0)));
        }
        *ret_runs += runs;
    }
    return list;
}

static json_t *statistics_json(struct api *api, const struct function *f)
{
    CLEAN_MEM char *key = dispatch_key(f);
    const struct dispatch_statistics *s = dispatch_statistics(api->dispatch, str_of(key));
    uint64_t runs = 0;
    json_t *batches = batches_json(s, &runs);
    json_t *calls = json_object();
    json_put(calls, "success", time_json(s->success));
    json_put(calls, "fail", time_json(s->fail));
    json_put(calls, "queue", time_json(s->queue));
    json_put(calls, "compute_input", time_json(s->input));
    json_put(calls, "compute_infer", time_json(s->infer)); // with the answer: it is not told apart
    json_put(calls, "compute_output", duration(s->infer.count, 0));
    json_put(calls, "cache_hit", time_json(s->cached));
    json_put(calls, "cache_miss", duration(s->missed, 0));
    json_t *json = json_object();
    json_put_str(json, "name", str_of(f->name));
    json_put_str(json, "version", str_of(f->version));
    json_put_int(json, "last_inference", s->last_ms);
    json_put_int(json, "inference_count", (int64_t)(s->success.count - s->cached.count));
    json_put_int(json, "execution_count", (int64_t)runs);
    json_put(json, "inference_stats", calls);
    json_put(json, "batch_stats", batches);
    return json;
}

int models_statistics(struct api *api, const struct model_ref *ref, json_t **ret, struct err *err)
{
    struct function *one = NULL;
    json_t *list = NULL;
    size_t at = 0;
    if (ref->name[0]) {
        TRY(models_find(api, ref, &one, err));
        list = json_pack("[o]", statistics_json(api, one));
    } else {
        list = json_array();
        for (struct lambda_function *f; (f = map_next(&api->lambda->functions, &at));) {
            if (is_model(f->latest)) {
                json_array_append_new(list, statistics_json(api, f->latest));
            }
        }
    }
    *ret = json_pack("{s:o}", "model_stats", list);
    return 0;
}

// ── loading by hand ──

int models_load(struct api *api, const struct model_ref *ref, struct err *err)
{
    struct function *f = NULL;
    int rc = models_find(api, ref, &f, err);
    rc = rc < 0 ? rc : dispatch_load(api->dispatch, str_of(ref->name), err);
    return rc < 0 ? err_prefix(err, "failed to load '%s'", ref->name) : 0;
}

int models_unload(struct api *api, const struct model_ref *ref, struct err *err)
{
    struct function *f = NULL;
    int rc = models_find(api, ref, &f, err);
    rc = rc < 0 ? rc : dispatch_unload(api->dispatch, str_of(ref->name), err);
    return rc < 0 ? err_prefix(err, "failed to unload '%s'", ref->name) : 0;
}

// ── inference ──

int models_job(struct api *api, const struct model_ref *ref, struct buf *payload, struct job **ret,
               struct err *err)
{
    struct function *f = NULL;
    TRY(models_find(api, ref, &f, err));
    struct bytes *bytes = bytes_take(payload);
    *ret = job_new(f, bytes);
    bytes_unref(bytes);
    return 0;
}

// What the function said of itself; the caller's fault or the model's.
static int function_error(const struct job *job, struct err *err)
{
    CLEAN_JSON json_t *document = NULL;
    (void)!json_parse_object(bytes_str(job->result.payload), &document, NULL);
    struct str message = json_str(json_object_get(document, "errorMessage"));
    struct str type = json_str(json_object_get(document, "errorType"));
    return err_set(err, str_starts(type, STR("Invalid")) ? ERR_INVALID : ERR_FUNCTION, STR_FMT,
                   STR_ARG(message.at ? message : STR("the model failed")));
}

int models_answer(const struct job *job, struct str *ret_json, struct str *ret_raw, struct err *err)
{
    struct str payload = bytes_str(job->result.payload);
    switch (job->result.status) {
    case JOB_OK:
        return tensors_is(payload)
                   ? tensors_cut(payload, ret_json, ret_raw, err)
                   : err_set(err, ERR_FUNCTION, "the model answers in a form of its own");
    case JOB_TIMED_OUT: return err_set(err, ERR_TIMEOUT, "the model took too long");
    case JOB_FUNCTION_ERROR: return function_error(job, err);
    default: *err = job->result.err; return err->code;
    }
}
