// SPDX-License-Identifier: Apache-2.0
// The inference protocol over REST: one table of paths, and bodies that go to the runner and come back
// as they are. What there is to say of models is in models.c.
#include "api/inference.h"
#include "api/models.h"
#include "api/reply.h"
#include "base/mem.h"
#include "dispatch/dispatch.h"
#include "format/checksum.h"
#include "format/gzip.h"
#include "format/hex.h"
#include "format/json.h"
#include "format/uri.h"

#include <stdio.h>

#define SEGMENTS_MAX 8
#define REPLY_MAX    (2 * MODELS_BODY_MAX)

struct operation;

struct inference {
    struct http_request *req; // NULL once the client has gone
    struct api *api;
    struct auth auth;
    struct buf body; // begins with room for the mark of tensors
    struct job *job; // until it is settled
    int refs;
    struct model_ref model;
    const struct operation *op; // NULL: there is none of that path and method
};

struct operation {
    const char *method, *path; // below "/v2", without the version; '*' is the model
    int (*run)(struct inference *in, struct err *err);
};

static void inference_unref(struct inference *in)
{
    if (--in->refs == 0) {
        buf_done(&in->body);
        free(in);
    }
}

static int status_of(int code)
{
    return code == ERR_FUNCTION  ? 500
           : code == ERR_TIMEOUT ? 504 // not 408: the client was not too slow
                                 : err_http_status(code);
}

static void fail(struct inference *in, const struct err *err)
{
    if (!in->req) {
        return;
    }
    CLEAN_JSON json_t *json = json_object();
    json_put_str(json, "error", str_of(err->text));
    reply_json(in->req, status_of(err->code), json);
}

static struct str body_of(const struct inference *in)
{
    return str_skip(buf_str(&in->body), TENSORS_MARK_SIZE);
}

// ── the server and its models ──

static int run_server(struct inference *in, struct err *err)
{
    (void)err;
    CLEAN_JSON json_t *json = models_server();
    reply_json(in->req, 200, json);
    return 0;
}

static int reply_state(struct inference *in, const char *name, bool yes)
{
    CLEAN_JSON json_t *json = json_pack("{s:b}", name, yes);
    reply_json(in->req, yes ? 200 : 503, json);
    return 0;
}

static int run_live(struct inference *in, struct err *err)
{
    (void)err;
    return reply_state(in, "live", true);
}

static int run_ready(struct inference *in, struct err *err)
{
    (void)err;
    return reply_state(in, "ready", models_server_ready(in->api));
}

static int run_model_ready(struct inference *in, struct err *err)
{
    bool ready = false;
    TRY(models_ready(in->api, &in->model, &ready, err));
    return reply_state(in, "ready", ready);
}

static int run_metadata(struct inference *in, struct err *err)
{
    CLEAN_JSON json_t *json = NULL;
    TRY(models_metadata(in->api, &in->model, &json, err));
    reply_json(in->req, 200, json);
    return 0;
}

static int run_config(struct inference *in, struct err *err)
{
    CLEAN_JSON json_t *json = NULL;
    TRY(models_config(in->api, &in->model, &json, err));
    reply_json(in->req, 200, json);
    return 0;
}

static int run_statistics(struct inference *in, struct err *err)
{
    CLEAN_JSON json_t *json = NULL;
    TRY(models_statistics(in->api, &in->model, &json, err));
    reply_json(in->req, 200, json);
    return 0;
}

static int run_index(struct inference *in, struct err *err)
{
    CLEAN_JSON json_t *asked = NULL;
    if (body_of(in).size) {
        TRY(json_parse_object(body_of(in), &asked, err));
    }
    CLEAN_JSON json_t *list = models_index(in->api, json_is_true(json_object_get(asked, "ready")));
    reply_json(in->req, 200, list);
    return 0;
}

static int run_load(struct inference *in, struct err *err)
{
    TRY(models_load(in->api, &in->model, err));
    reply_empty(in->req, 200);
    return 0;
}

static int run_unload(struct inference *in, struct err *err)
{
    TRY(models_unload(in->api, &in->model, err));
    reply_empty(in->req, 200);
    return 0;
}

static int run_unsupported(struct inference *in, struct err *err)
{
    (void)in;
    return err_set(err, ERR_UNSUPPORTED,
                   "trace settings, log settings and shared memory are not supported");
}

// ── infer ──

// {"outputs": […]} of the runner, and the bytes after it → the protocol's answer.
static int answer(struct inference *in, const struct job *job, struct err *err)
{
    struct str json, raw;
    TRY(models_answer(job, &json, &raw, err));
    CLEAN(buf_done) struct buf out = BUF_INIT(REPLY_MAX);
    buf_add_text(&out, "{\"model_name\":");
    json_quote(&out, str_of(in->model.name));
    buf_add_text(&out, ",\"model_version\":");
    json_quote(&out, str_of(job->function->version));
    buf_add_char(&out, ',');
    buf_add_str(&out, str_skip(json, 1));
    char length[24];
    snprintf(length, sizeof length, "%zu", out.size);
    if (raw.size) {
        http_reply_header(in->req, "Inference-Header-Content-Length", length);
        buf_add_str(&out, raw);
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
    struct err err = {0};
    in->job = NULL;
    if (in->req && answer(in, job, &err) < 0) {
        fail(in, &err);
    }
    inference_unref(in);
}

// Instead of what came, what it expands to.
static int body_expand(struct inference *in, struct err *err)
{
    struct str coding = http_request_header(in->req, "Content-Encoding");
    if (!coding.size || str_eq_nocase(coding, STR("identity"))) {
        return 0;
    }
    if (!str_eq_nocase(coding, STR("gzip")) && !str_eq_nocase(coding, STR("deflate"))) {
        return err_set(err, ERR_UNSUPPORTED, "Content-Encoding: gzip and deflate are supported");
    }
    CLEAN(buf_done) struct buf whole = BUF_INIT(in->body.max);
    buf_add_str(&whole, str_head(buf_str(&in->body), TENSORS_MARK_SIZE));
    TRY(gzip_expand(body_of(in), &whole, err));
    struct buf was = in->body;
    in->body = whole;
    whole = was;
    return 0;
}

// The JSON's size goes before it, and that is all.
static int body_mark(struct inference *in, struct err *err)
{
    struct str header = http_request_header(in->req, "Inference-Header-Content-Length");
    uint64_t size = body_of(in).size;
    if (header.at && (!str_to_u64(header, &size) || size > body_of(in).size)) {
        return err_set(err, ERR_INVALID,
                       "Inference-Header-Content-Length is not the JSON's length");
    }
    tensors_mark(in->body.at, (uint32_t)size);
    return 0;
}

static int run_infer(struct inference *in, struct err *err)
{
    TRY(body_expand(in, err));
    TRY(body_mark(in, err));
    TRY(models_job(in->api, &in->model, &in->body, &in->job, err));
    in->job->on_settled = infer_settled;
    in->job->data = in;
    in->refs++;
    dispatch_submit(in->api->dispatch, in->job);
    return 0;
}

// ── the request ──

static const struct operation operations[] = {
    {"GET", "", run_server},
    {"GET", "/health/live", run_live},
    {"GET", "/health/ready", run_ready},
    {"GET", "/models/*", run_metadata},
    {"GET", "/models/*/ready", run_model_ready},
    {"GET", "/models/*/config", run_config},
    {"GET", "/models/*/stats", run_statistics},
    {"GET", "/models/stats", run_statistics},
    {"POST", "/models/*/infer", run_infer},
    {"POST", "/repository/index", run_index},
    {"POST", "/repository/models/*/load", run_load},
    {"POST", "/repository/models/*/unload", run_unload},
    {NULL, "/models/*/trace/setting", run_unsupported},
    {NULL, "/trace/setting", run_unsupported},
    {NULL, "/logging", run_unsupported},
};

static const struct operation *operation_find(struct str method, struct str path)
{
    for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
        const struct operation *op = &operations[i];
        if (str_eq(path, str_of(op->path)) && (!op->method || str_eq(method, str_of(op->method)))) {
            return op;
        }
    }
    static const struct operation unsupported = {.run = run_unsupported};
    bool memory = str_starts(path, STR("/systemsharedmemory/")) ||
                  str_starts(path, STR("/cudasharedmemory/"));
    return memory ? &unsupported : NULL;
}

// "/v2/models/NAME/versions/V/infer" → the model, its version, and "/models/*/infer".
static void path_read(struct inference *in)
{
    CLEAN(buf_done) struct buf form = BUF_INIT(256);
    CLEAN(buf_done) struct buf name = BUF_INIT(256);
    CLEAN(buf_done) struct buf version = BUF_INIT(256);
    struct str rest = str_skip(in->req->path, strlen("/v2")), before = {0};
    (void)str_cut(&rest, '/'); // what is before the first
    for (size_t at = 0; rest.at && rest.size; at++) {
        struct str part = str_cut(&rest, '/');
        bool is_model = str_eq(before, STR("models")) && (at == 1 || at == 2) && !name.size &&
                        !str_eq(in->req->path, STR("/v2/models/stats"));
        before = part;
        if (is_model) {
            uri_decode_lenient(part, URI_PATH, &name);
            buf_add_text(&form, "/*");
        } else if (name.size && !version.size && str_eq(part, STR("versions"))) {
            uri_decode_lenient(str_cut(&rest, '/'), URI_PATH, &version);
        } else {
            buf_add_char(&form, '/');
            buf_add_str(&form, part);
        }
    }
    if (buf_ok(&form) && buf_ok(&name) && buf_ok(&version)) {
        model_ref_set(&in->model, buf_str(&name), buf_str(&version));
        in->op = operation_find(in->req->method, buf_str(&form));
    }
}

static int authorised(struct inference *in, struct err *err)
{
    struct checksum sum;
    uint8_t hash[CHECKSUM_SIZE_MAX];
    char hex[2 * CHECKSUM_SIZE_MAX + 1] = "";
    if (auth_wants_hash(&in->auth)) {
        checksum_init(&sum, CHECKSUM_SHA256);
        checksum_add(&sum, body_of(in));
        hex_write(hash, checksum_end(&sum, hash), hex);
    }
    TRY(auth_body(in->api, in->req, AUTH_STYLE_JSON, &in->auth, hex, err));
    bool tells_all = in->op && (in->op->run == run_index || in->op->run == run_statistics);
    return in->model.name[0] || tells_all
               ? models_authorize(in->api, in->req, &in->auth, &in->model, err)
               : 0;
}

static int serve(struct inference *in, struct err *err)
{
    if (!buf_ok(&in->body)) {
        return err_set(err, ERR_LIMIT, "the request is larger than %zu bytes", MODELS_BODY_MAX);
    }
    TRY(authorised(in, err));
    return in->op ? in->op->run(in, err)
                  : err_set(err, ERR_NOT_FOUND, "the protocol has no such path and method");
}

static void on_body(struct http_request *req, struct str piece)
{
    buf_add_str(&((struct inference *)req->data)->body, piece);
}

static void on_end(struct http_request *req)
{
    struct inference *in = req->data;
    struct err err = {0};
    if (serve(in, &err) < 0) {
        fail(in, &err);
    }
}

static void on_closed(struct http_request *req)
{
    struct inference *in = req->data;
    in->req = NULL;
    if (in->job) {
        dispatch_cancel(in->api->dispatch, in->job);
    }
    inference_unref(in);
}

static const struct http_handler handler = {
    .on_body = on_body, .on_end = on_end, .on_closed = on_closed};

const struct http_handler *inference_route(struct http_request *req, struct api *api)
{
    static const char room[TENSORS_MARK_SIZE];
    if (!str_eq(req->path, STR("/v2")) && !str_starts(req->path, STR("/v2/"))) {
        return NULL;
    }
    struct inference *in = NEW(struct inference);
    in->req = req;
    in->api = api;
    in->refs = 1;
    buf_init(&in->body, MODELS_BODY_MAX + TENSORS_MARK_SIZE);
    buf_add(&in->body, room, sizeof room);
    path_read(in);
    req->data = in;
    struct err err = {0};
    if (models_identify(api, req, &in->auth, &err) < 0) {
        fail(in, &err);
    }
    return &handler;
}
