// SPDX-License-Identifier: Apache-2.0
// The Open Inference Protocol: a request becomes a job of the model's function, and its answer the
// protocol's. The tensors are the runner's business.
#include "api/inference.h"
#include "api/authorize.h"
#include "api/lambda.h"
#include "api/model_call.h"
#include "api/reply.h"
#include "api/tensor_binary.h"
#include "base/mem.h"
#include "dispatch/dispatch.h"
#include "format/hex.h"
#include "format/uri.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define BODY_MAX     ((size_t)64 * 1024 * 1024)
#define PREPARED_MAX (1024 * 1024)

struct inference {
    struct http_request *req; // NULL once the client has gone
    struct api *api;
    struct auth auth;
    struct buf body;
    int refs;
    char model[FUNCTION_NAME_MAX + 1], version[64];
    char verb[16];   // "", "ready", "infer"; or of the server: "live", "index", …
    json_t *id;      // of the request
    json_t *outputs; // that it asks for, or NULL
    bool binary;     // all outputs in binary unless they say otherwise
};

static void inference_unref(struct inference *in)
{
    if (--in->refs > 0) {
        return;
    }
    buf_done(&in->body);
    json_decref(in->id);
    json_decref(in->outputs);
    free(in);
}

static void fail(struct inference *in, const struct err *err)
{
    if (!in->req) {
        return;
    }
    CLEAN_JSON json_t *json = json_object();
    json_put_str(json, "error", str_of(err->text));
    reply_json(in->req, err_http_status(err->code), json);
}

// ── the server and its models ──

static void reply_server(struct inference *in)
{
    CLEAN_JSON json_t *json = json_pack("{s:s, s:s, s:[s]}", "name", "rouse", "version",
                                        ROUSE_VERSION, "extensions", "binary_tensor_data");
    reply_json(in->req, 200, json);
}

static void reply_state(struct inference *in, const char *name, bool yes)
{
    CLEAN_JSON json_t *json = json_pack("{s:b}", name, yes);
    reply_json(in->req, yes ? 200 : 503, json);
}

static void reply_index(struct inference *in)
{
    CLEAN_JSON json_t *list = json_array();
    size_t at = 0;
    for (struct lambda_function *f; (f = map_next(&in->api->lambda->functions, &at));) {
        if (f->latest && strcmp(f->latest->runtime, "onnx") == 0) {
            bool ready = f->latest->state == FUNCTION_ACTIVE;
            json_array_append_new(
                list, json_pack("{s:s, s:s, s:s, s:s}", "name", f->name, "version",
                                f->latest->version, "state", ready ? "READY" : "UNAVAILABLE",
                                "reason", f->latest->state_reason ? f->latest->state_reason : ""));
        }
    }
    reply_json(in->req, 200, list);
}

static int function_find(struct inference *in, struct function **ret, struct err *err)
{
    bool latest = !in->version[0] || strcmp(in->version, "$LATEST") == 0;
    CLEAN_MEM char *key = latest ? mem_dup(in->model) : mem_printf("%s:%s", in->model, in->version);
    struct function *f = dispatch_function(in->api->dispatch, str_of(key));
    if (!f || strcmp(f->runtime, "onnx") != 0) {
        return err_set(err, ERR_NOT_FOUND, "there is no model %s%s%s", in->model,
                       latest ? "" : " of version ", latest ? "" : in->version);
    }
    *ret = f;
    return 0;
}

// float32 → FP32, as the protocol writes it.
static const char *datatype_name(const char *type)
{
    static const char *const names[][2] = {
        {"float32", "FP32"},  {"float16", "FP16"},  {"float64", "FP64"},  {"int8", "INT8"},
        {"int16", "INT16"},   {"int32", "INT32"},   {"int64", "INT64"},   {"uint8", "UINT8"},
        {"uint16", "UINT16"}, {"uint32", "UINT32"}, {"uint64", "UINT64"}, {"bool", "BOOL"},
        {"string", "BYTES"},  {"double", "FP64"},   {"float", "FP32"},
    };
    for (size_t i = 0; type && i < ARRAY_SIZE(names); i++) {
        if (strcmp(type, names[i][0]) == 0) {
            return names[i][1];
        }
    }
    return type ? type : "";
}

static json_t *tensors_of(const json_t *values)
{
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(values); i++) {
        const json_t *v = json_array_get(values, i);
        const char *type = json_string_value(json_object_get(v, "type"));
        json_array_append_new(list, json_pack("{s:O, s:s, s:O}", "name", json_object_get(v, "name"),
                                              "datatype", datatype_name(type), "shape",
                                              json_object_get(v, "shape")));
    }
    return list;
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

static int reply_model(struct inference *in, struct err *err)
{
    struct function *f = NULL;
    TRY(function_find(in, &f, err));
    CLEAN_JSON json_t *prepared = prepared_read(f);
    CLEAN_JSON json_t *json = json_object();
    json_put_str(json, "name", str_of(f->name));
    json_put(json, "versions", json_pack("[s]", f->version));
    json_put_str(json, "platform", STR("onnxruntime_onnx"));
    json_put(json, "inputs", tensors_of(json_object_get(prepared, "inputs")));
    json_put(json, "outputs", tensors_of(json_object_get(prepared, "outputs")));
    reply_json(in->req, 200, json);
    return 0;
}

// ── infer ──

static bool wants(const struct inference *in, const json_t *output, bool *ret_binary)
{
    *ret_binary = in->binary;
    size_t count = json_array_size(in->outputs);
    for (size_t i = 0; i < count; i++) {
        const json_t *asked = json_array_get(in->outputs, i);
        if (str_eq(json_str(json_object_get(asked, "name")),
                   json_str(json_object_get(output, "name")))) {
            const json_t *binary = json_at(asked, "parameters.binary_data");
            *ret_binary = binary ? json_is_true(binary) : in->binary;
            return true;
        }
    }
    return count == 0;
}

// {"outputs": […]} of the runner → the protocol's answer, tensors in binary after it when asked for.
static int answer(struct inference *in, const struct job *job, struct err *err)
{
    CLEAN_JSON json_t *result = NULL;
    TRY(json_parse_object(bytes_str(job->result.payload), &result, err));
    CLEAN_JSON json_t *json = json_object();
    json_t *outputs = json_array();
    json_put_str(json, "model_name", str_of(in->model));
    json_put_str(json, "model_version", str_of(job->function->version));
    if (in->id) {
        json_object_set(json, "id", in->id);
    }
    json_put(json, "outputs", outputs);
    CLEAN(buf_done) struct buf raw = BUF_INIT(BODY_MAX);
    json_t *from = json_object_get(result, "outputs");
    for (size_t i = 0; i < json_array_size(from); i++) {
        json_t *output = json_array_get(from, i);
        bool binary = false;
        if (!wants(in, output, &binary)) {
            continue;
        }
        if (binary) {
            TRY(tensor_binary_out(output, &raw, err));
        }
        json_array_append(outputs, output);
    }
    CLEAN(buf_done) struct buf out = BUF_INIT(2 * BODY_MAX);
    json_write(json, &out);
    char length[24];
    snprintf(length, sizeof length, "%zu", out.size);
    if (raw.size) {
        http_reply_header(in->req, "Inference-Header-Content-Length", length);
        buf_add_str(&out, buf_str(&raw));
    }
    http_reply_header(in->req, "Content-Type",
                      raw.size ? "application/octet-stream" : "application/json");
    http_reply_header(in->req, "X-Rouse-Tier", tier_name(job->result.tier));
    http_reply_buf(in->req, 200, &out);
    return 0;
}

static void infer_settled(struct job *job)
{
    struct inference *in = job->data;
    struct err err = job->result.err;
    int rc = err.code;
    if (job->result.status == JOB_FUNCTION_ERROR || job->result.status == JOB_TIMED_OUT) {
        CLEAN_JSON json_t *document = NULL;
        bool read = json_parse_object(bytes_str(job->result.payload), &document, NULL) >= 0;
        struct str message = json_str(json_object_get(document, "errorMessage"));
        bool ours = job->result.status == JOB_FUNCTION_ERROR &&
                    str_starts(json_str(json_object_get(document, "errorType")), STR("Invalid"));
        rc = err_set(&err, ours ? ERR_INVALID : ERR_IO, STR_FMT,
                     STR_ARG(read ? message : STR("the model failed")));
    } else if (job->result.status == JOB_OK && in->req) {
        rc = answer(in, job, &err);
    }
    if (rc < 0) {
        fail(in, &err);
    }
    inference_unref(in);
}

// The part of the body that is JSON, and the bytes after it.
static int body_cut(struct inference *in, struct str *ret_json, struct str *ret_raw,
                    struct err *err)
{
    struct str header = http_request_header(in->req, "Inference-Header-Content-Length");
    uint64_t size = in->body.size;
    if (header.at && (!str_to_u64(header, &size) || size > in->body.size)) {
        return err_set(err, ERR_INVALID,
                       "Inference-Header-Content-Length is not the JSON's length");
    }
    *ret_json = str_head(buf_str(&in->body), size);
    *ret_raw = str_skip(buf_str(&in->body), size);
    return 0;
}

static int infer(struct inference *in, struct err *err)
{
    struct function *f = NULL;
    TRY(function_find(in, &f, err));
    struct str text, raw;
    TRY(body_cut(in, &text, &raw, err));
    CLEAN_JSON json_t *request = NULL;
    TRY(json_parse_object(text, &request, err));
    json_t *inputs = NULL;
    TRY(json_need_array(request, "inputs", &inputs, err));
    TRY(tensor_binary_in(inputs, raw, err));
    in->id = json_incref(json_object_get(request, "id"));
    in->outputs = json_incref(json_object_get(request, "outputs"));
    in->binary = json_is_true(json_at(request, "parameters.binary_data_output"));
    CLEAN_JSON json_t *payload = json_pack("{s:O}", "inputs", inputs);
    CLEAN(buf_done) struct buf out = BUF_INIT(4 * BODY_MAX);
    json_write(payload, &out);
    struct bytes *bytes = bytes_take(&out);
    struct job *job = job_new(f, bytes);
    bytes_unref(bytes);
    job->on_settled = infer_settled;
    job->data = in;
    in->refs++;
    dispatch_submit(in->api->dispatch, job);
    return 0;
}

// ── the request ──

static int signature_check(struct inference *in, struct err *err)
{
    struct checksum sum;
    uint8_t hash[CHECKSUM_SIZE_MAX];
    char hex[2 * CHECKSUM_SIZE_MAX + 1] = "";
    if (auth_wants_hash(&in->auth)) {
        checksum_init(&sum, CHECKSUM_SHA256);
        checksum_add(&sum, buf_str(&in->body));
        hex_write(hash, checksum_end(&sum, hash), hex);
    }
    TRY(auth_body(in->api, in->req, AUTH_STYLE_JSON, &in->auth, hex, err));
    CLEAN_MEM char *arn = function_arn(in->api->settings->region, in->model, NULL);
    return in->model[0] ? authorize(in->api, in->req, &in->auth, AUTH_STYLE_JSON,
                                    "lambda:InvokeFunction", str_of(arn), NULL, 0, err)
                        : 0;
}

static int serve(struct inference *in, struct err *err)
{
    struct str method = in->req->method;
    bool post = str_eq(method, STR("POST"));
    if (in->model[0] && post && strcmp(in->verb, "infer") == 0) {
        return infer(in, err);
    }
    if (in->model[0] && !post && strcmp(in->verb, "ready") == 0) {
        struct function *f = NULL;
        TRY(function_find(in, &f, err));
        reply_state(in, "ready", f->state == FUNCTION_ACTIVE);
    } else if (in->model[0] && !post && !in->verb[0]) {
        return reply_model(in, err);
    } else if (!in->model[0] && strcmp(in->verb, "server") == 0) {
        reply_server(in);
    } else if (!in->model[0] && strcmp(in->verb, "live") == 0) {
        reply_state(in, "live", true);
    } else if (!in->model[0] && strcmp(in->verb, "ready") == 0) {
        reply_state(in, "ready", !in->api->draining);
    } else if (!in->model[0] && post && strcmp(in->verb, "index") == 0) {
        reply_index(in);
    } else {
        return err_set(err, ERR_NOT_FOUND, "the protocol has no such path and method");
    }
    return 0;
}

static void on_body(struct http_request *req, struct str piece)
{
    buf_add_str(&((struct inference *)req->data)->body, piece);
}

static void on_end(struct http_request *req)
{
    struct inference *in = req->data;
    struct err err = {0};
    int rc = buf_ok(&in->body) ? 0 : err_set(&err, ERR_LIMIT, "the request is too large");
    rc = rc < 0 ? rc : signature_check(in, &err);
    rc = rc < 0 ? rc : serve(in, &err);
    if (rc < 0) {
        fail(in, &err);
    }
}

static void on_closed(struct http_request *req)
{
    struct inference *in = req->data;
    in->req = NULL;
    inference_unref(in);
}

static const struct http_handler handler = {
    .on_body = on_body, .on_end = on_end, .on_closed = on_closed};

// "/v2/models/NAME/versions/V/infer" and the shorter ones.
static void path_read(struct inference *in, struct str path)
{
    struct str part[6] = {{0}};
    size_t count = 0;
    path = str_skip(path, 1);
    while (path.at && path.size && count < ARRAY_SIZE(part)) {
        part[count++] = str_cut(&path, '/');
    }
    const char *verb = "none";
    if (count == 1) {
        verb = "server";
    } else if (count == 3 && str_eq(part[1], STR("health"))) {
        verb = str_eq(part[2], STR("live"))    ? "live"
               : str_eq(part[2], STR("ready")) ? "ready"
                                               : verb;
    } else if (count == 3 && str_eq(part[1], STR("repository")) && str_eq(part[2], STR("index"))) {
        verb = "index";
    } else if (count >= 3 && str_eq(part[1], STR("models"))) {
        bool versioned = count >= 5 && str_eq(part[3], STR("versions"));
        struct str last = part[versioned ? 5 : 3];
        snprintf(in->model, sizeof in->model, STR_FMT, STR_ARG(part[2]));
        snprintf(in->version, sizeof in->version, STR_FMT, STR_ARG(versioned ? part[4] : last));
        in->version[versioned ? sizeof in->version - 1 : 0] = 0;
        verb = !last.size                   ? ""
               : str_eq(last, STR("infer")) ? "infer"
               : str_eq(last, STR("ready")) ? "ready"
                                            : verb;
    }
    snprintf(in->verb, sizeof in->verb, "%s", verb);
}

const struct http_handler *inference_route(struct http_request *req, struct api *api)
{
    if (!str_eq(req->path, STR("/v2")) && !str_starts(req->path, STR("/v2/"))) {
        return NULL;
    }
    struct inference *in = NEW(struct inference);
    in->req = req;
    in->api = api;
    in->refs = 1;
    buf_init(&in->body, BODY_MAX);
    path_read(in, req->path);
    req->data = in;
    struct err err = {0};
    if (!model_call_bearer(api, req, &in->auth) &&
        auth_headers(api, req, AUTH_STYLE_JSON, &in->auth, &err) < 0) {
        fail(in, &err);
    }
    return &handler;
}
