// SPDX-License-Identifier: Apache-2.0
// The Lambda API from outside: the table of its operations, and the life of a call from the headers
// to the reply.
#include "api/authorize.h"
#include "api/lambda.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "format/arn.h"
#include "format/hex.h"
#include "format/uri.h"

#define SUM_AT_ONCE_MAX   (256 * 1024) // larger bodies are hashed while they arrive
#define PARSE_AT_ONCE_MAX (256 * 1024) // larger documents are parsed on another thread

static const struct lambda_op ops[] = {
    // The hot one first.
    {"Invoke", "POST", "functions/*/invocations", LAMBDA_BODY_PAYLOAD, false, lambda_invoke, NULL,
     "InvokeFunction"},
    {"InvokeWithResponseStream", "POST", "functions/*/response-streaming-invocations",
     LAMBDA_BODY_PAYLOAD, false, lambda_invoke_stream, NULL, "InvokeFunction"},
    {"CreateFunction", "POST", "functions", LAMBDA_BODY_CODE, false, lambda_create_function,
     .named_later = true},
    {"ListFunctions", "GET", "functions", 0, false, lambda_list_functions},
    {"GetFunction", "GET", "functions/*", 0, false, lambda_get_function},
    {"DeleteFunction", "DELETE", "functions/*", 0, true, lambda_delete_function},
    {"UpdateFunctionCode", "PUT", "functions/*/code", LAMBDA_BODY_CODE, false, lambda_update_code},
    {"GetFunctionConfiguration", "GET", "functions/*/configuration", 0, false,
     lambda_get_configuration},
    {"UpdateFunctionConfiguration", "PUT", "functions/*/configuration", LAMBDA_BODY_JSON, true,
     lambda_update_configuration},
    {"PublishVersion", "POST", "functions/*/versions", LAMBDA_BODY_JSON, true,
     lambda_publish_version},
    {"ListVersionsByFunction", "GET", "functions/*/versions", 0, false, lambda_list_versions},
    {"CreateAlias", "POST", "functions/*/aliases", LAMBDA_BODY_JSON, true, lambda_create_alias},
    {"ListAliases", "GET", "functions/*/aliases", 0, false, lambda_list_aliases},
    {"GetAlias", "GET", "functions/*/aliases/+", 0, false, lambda_get_alias},
    {"UpdateAlias", "PUT", "functions/*/aliases/+", LAMBDA_BODY_JSON, true, lambda_update_alias},
    {"DeleteAlias", "DELETE", "functions/*/aliases/+", 0, true, lambda_delete_alias},
    {"PutFunctionConcurrency", "PUT", "functions/*/concurrency", LAMBDA_BODY_JSON, true,
     lambda_put_concurrency},
    {"GetFunctionConcurrency", "GET", "functions/*/concurrency", 0, false, lambda_get_concurrency},
    {"DeleteFunctionConcurrency", "DELETE", "functions/*/concurrency", 0, true,
     lambda_delete_concurrency},
    {"PutProvisionedConcurrencyConfig", "PUT", "functions/*/provisioned-concurrency",
     LAMBDA_BODY_JSON, true, lambda_put_provision},
    {"ListProvisionedConcurrencyConfigs", "GET", "functions/*/provisioned-concurrency", 0, false,
     lambda_list_provisions, "List=ALL"},
    {"GetProvisionedConcurrencyConfig", "GET", "functions/*/provisioned-concurrency", 0, false,
     lambda_get_provision},
    {"DeleteProvisionedConcurrencyConfig", "DELETE", "functions/*/provisioned-concurrency", 0, true,
     lambda_delete_provision},
    {"PutFunctionEventInvokeConfig", "PUT", "functions/*/event-invoke-config", LAMBDA_BODY_JSON,
     true, lambda_put_invoke_config},
    {"UpdateFunctionEventInvokeConfig", "POST", "functions/*/event-invoke-config", LAMBDA_BODY_JSON,
     true, lambda_update_invoke_config},
    {"GetFunctionEventInvokeConfig", "GET", "functions/*/event-invoke-config", 0, false,
     lambda_get_invoke_config},
    {"DeleteFunctionEventInvokeConfig", "DELETE", "functions/*/event-invoke-config", 0, true,
     lambda_delete_invoke_config},
    {"ListFunctionEventInvokeConfigs", "GET", "functions/*/event-invoke-config/list", 0, false,
     lambda_list_invoke_configs},
    {"AddPermission", "POST", "functions/*/policy", LAMBDA_BODY_JSON, true, lambda_add_permission},
    {"GetPolicy", "GET", "functions/*/policy", 0, false, lambda_get_policy},
    {"RemovePermission", "DELETE", "functions/*/policy/+", 0, true, lambda_remove_permission},
    {"CreateFunctionUrlConfig", "POST", "functions/*/url", LAMBDA_BODY_JSON, true,
     lambda_create_url},
    {"GetFunctionUrlConfig", "GET", "functions/*/url", 0, false, lambda_get_url},
    {"UpdateFunctionUrlConfig", "PUT", "functions/*/url", LAMBDA_BODY_JSON, true,
     lambda_update_url},
    {"DeleteFunctionUrlConfig", "DELETE", "functions/*/url", 0, true, lambda_delete_url},
    {"ListFunctionUrlConfigs", "GET", "functions/*/urls", 0, false, lambda_list_urls},
    {"TagResource", "POST", "tags/*", LAMBDA_BODY_JSON, true, lambda_tag_resource},
    {"UntagResource", "DELETE", "tags/*", 0, true, lambda_untag_resource},
    {"ListTags", "GET", "tags/*", 0, false, lambda_list_tags},
    {"GetAccountSettings", "GET", "account-settings", 0, false, lambda_account_settings},
    {"PublishLayerVersion", "POST", "layers/%/versions", LAMBDA_BODY_CODE, false,
     lambda_publish_layer},
    {"GetLayerVersionByArn", "GET", "layers", 0, false, lambda_get_layer_by_arn,
     "find=LayerVersion", "GetLayerVersion", .named_later = true},
    {"ListLayers", "GET", "layers", 0, false, lambda_list_layers},
    {"ListLayerVersions", "GET", "layers/%/versions", 0, false, lambda_list_layer_versions},
    {"GetLayerVersion", "GET", "layers/%/versions/+", 0, false, lambda_get_layer},
    {"DeleteLayerVersion", "DELETE", "layers/%/versions/+", 0, true, lambda_delete_layer},
    {"AddLayerVersionPermission", "POST", "layers/%/versions/+/policy", LAMBDA_BODY_JSON, true,
     lambda_add_layer_permission},
    {"GetLayerVersionPolicy", "GET", "layers/%/versions/+/policy", 0, false,
     lambda_get_layer_policy},
    {"RemoveLayerVersionPermission", "DELETE", "layers/%/versions/+/policy/+", 0, true,
     lambda_remove_layer_permission},
};

// ── life ──

struct lambda_call *lambda_call_ref(struct lambda_call *call)
{
    call->refs++;
    return call;
}

void lambda_call_unref(struct lambda_call *call)
{
    if (!call || --call->refs > 0) {
        return;
    }
    CHECK(!call->turn_in);
    buf_done(&call->body);
    checksum_done(&call->sum);
    free(call->qualifier);
    for (size_t i = 0; i < LAMBDA_SEGMENTS_MAX; i++) {
        free(call->segments[i]);
    }
    json_decref(call->input);
    if (call->package) {
        lambda_sweep_release(call->api->lambda, call->package->folder);
        lambda_package_free(call->package);
    }
    function_unref(call->draft);
    free(call);
}

// True when the reply is to be made.
static bool reply_begin(struct lambda_call *call)
{
    CHECK(!call->replied);
    call->replied = true;
    lambda_end_turn(call);
    return call->req != NULL;
}

void lambda_reply(struct lambda_call *call, int status, const json_t *json)
{
    if (reply_begin(call)) {
        reply_json(call->req, status, json);
    }
}

void lambda_reply_empty(struct lambda_call *call, int status)
{
    if (reply_begin(call)) {
        reply_empty(call->req, status);
    }
}

void lambda_fail(struct lambda_call *call, const struct err *err)
{
    if (reply_begin(call)) {
        reply_error(call->req, err);
    }
}

// ── work on another thread ──

static void pool_ran(struct pool_work *work)
{
    struct lambda_call *call = CONTAINER_OF(work, struct lambda_call, work);
    struct err err = {0};
    int rc = call->rc;
    if (rc < 0) {
        err = call->err;
    } else {
        rc = call->pool_done(call, &err);
    }
    if (rc < 0) {
        lambda_fail(call, &err);
    }
    lambda_call_unref(call);
}

static void pool_runs(struct pool_work *work)
{
    struct lambda_call *call = CONTAINER_OF(work, struct lambda_call, work);
    call->rc = call->pool_run(call, &call->err);
}

void lambda_pool(struct lambda_call *call, int (*run)(struct lambda_call *call, struct err *err),
                 int (*done)(struct lambda_call *call, struct err *err))
{
    lambda_call_ref(call);
    call->pool_run = run;
    call->pool_done = done;
    call->err = (struct err){0};
    call->work.run = pool_runs;
    call->work.on_done = pool_ran;
    pool_submit(call->api->pool, &call->work);
}

// ── parameters ──

bool lambda_param(const struct lambda_call *call, const char *name, struct buf *out)
{
    struct err ignored = {0};
    return call->req && uri_query_get(call->req->query, str_of(name), out, &ignored) == 1;
}

int lambda_param_int(const struct lambda_call *call, const char *name, int64_t least, int64_t most,
                     int64_t *ret, struct err *err)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(1024);
    int64_t value = 0;
    if (!lambda_param(call, name, &text)) {
        return 0;
    }
    if (!str_to_i64(buf_str(&text), &value) || value < least || value > most) {
        return err_aws(err, ERR_INVALID, "ValidationException",
                       "1 validation error detected: Value '" STR_FMT
                       "' at '%s' failed to satisfy constraint: Member must be an integer from "
                       "%lld to %lld",
                       STR_ARG(str_head(buf_str(&text), 64)), name, (long long)least,
                       (long long)most);
    }
    *ret = value;
    return 0;
}

// ── which operation ──

// "2015-03-31/functions/x/code" without the date, and without a slash at the end.
static struct str path_rest(struct str path)
{
    struct str rest = str_skip(path, 1);
    (void)str_cut(&rest, '/');
    if (str_ends(rest, STR("/"))) {
        rest.size--;
    }
    return rest;
}

struct path_parts { // raw; at == NULL where the operation has none
    struct str function, layer, segments[LAMBDA_SEGMENTS_MAX];
    size_t segment_count;
};

static bool path_matches(struct str rest, const char *pattern, struct path_parts *ret)
{
    *ret = (struct path_parts){0};
    for (struct str want = str_of(pattern); want.at;) {
        struct str part = str_cut(&want, '/');
        if (!rest.at) {
            return false;
        }
        struct str have = str_cut(&rest, '/');
        if (str_eq(part, STR("*"))) {
            ret->function = have;
        } else if (str_eq(part, STR("%"))) {
            ret->layer = have;
        } else if (str_eq(part, STR("+"))) {
            CHECK(ret->segment_count < LAMBDA_SEGMENTS_MAX);
            ret->segments[ret->segment_count++] = have;
        } else if (!str_eq(part, have)) {
            return false;
        }
    }
    return !rest.at;
}

static bool query_matches(const struct http_request *req, const char *wanted)
{
    struct str value = str_of(wanted), name = str_cut(&value, '='), given = {0};
    return !wanted || (uri_query_find(req->query, name, &given) && str_eq(given, value));
}

static const struct lambda_op *op_find(const struct http_request *req, struct path_parts *ret,
                                       bool *ret_path_known)
{
    struct str rest = path_rest(req->path);
    *ret_path_known = false;
    for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
        if (!path_matches(rest, ops[i].path, ret)) {
            continue;
        }
        *ret_path_known = true;
        if (str_eq(req->method, str_of(ops[i].method)) && query_matches(req, ops[i].query)) {
            return &ops[i];
        }
    }
    return NULL;
}

// ── which function ──

static int qualifier_take(struct lambda_call *call, struct str in_name, struct err *err)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(1024);
    if (lambda_param(call, "Qualifier", &text) && text.size > 0) {
        if (in_name.size && !str_eq(in_name, buf_str(&text))) {
            return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                           "The derived qualifier from the function name does not match the "
                           "specified qualifier.");
        }
        if (!arn_qualifier_ok(buf_str(&text))) {
            return err_aws(err, ERR_INVALID, "ValidationException",
                           "1 validation error detected: Value '" STR_FMT
                           "' at 'qualifier' failed to satisfy constraint: Member must satisfy "
                           "regular expression pattern: (|[a-zA-Z0-9$_-]+)",
                           STR_ARG(str_head(buf_str(&text), 128)));
        }
        call->qualifier = str_dup(buf_str(&text));
    } else if (in_name.size) {
        call->qualifier = str_dup(in_name);
    }
    return 0;
}

static int name_take(struct lambda_call *call, struct str raw, struct err *err)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(1024);
    struct arn_function parsed;
    const char *region = call->api->settings->region;
    if (uri_decode(raw, URI_PATH, &text, err) < 0 || !buf_ok(&text)) {
        return err_aws(err, ERR_INVALID, "ValidationException",
                       "the function name in the path cannot be decoded");
    }
    TRY(arn_function_parse(buf_str(&text), &parsed, err));
    if (parsed.region.size && !str_eq(parsed.region, str_of(region))) {
        return err_aws(err, ERR_NOT_FOUND, "ResourceNotFoundException",
                       "Functions from '" STR_FMT "' are not reachable in this region ('%s')",
                       STR_ARG(parsed.region), region);
    }
    if (parsed.account.size && !str_eq(parsed.account, STR(ARN_ACCOUNT))) {
        return err_aws(
            err, ERR_DENIED, "AccessDeniedException",
            "User is not authorized to perform: lambda:%s on a function of account " STR_FMT,
            call->op->name, STR_ARG(parsed.account));
    }
    snprintf(call->name, sizeof call->name, STR_FMT, STR_ARG(parsed.name));
    return qualifier_take(call, parsed.qualifier, err);
}

// The layer, by name or ARN; its version is the first of the other segments.
static int layer_take(struct lambda_call *call, struct str raw, struct err *err)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(1024);
    uri_decode_lenient(raw, URI_PATH, &text);
    TRY(lambda_layer_take(call, buf_str(&text), "layerName", err));
    struct str number = str_of(call->segments[0]);
    if (number.at && !str_to_i64(number, &call->layer_version)) {
        return err_aws(err, ERR_INVALID, "ValidationException",
                       "1 validation error detected: Value '" STR_FMT
                       "' at 'versionNumber' failed to satisfy constraint: Member must be an "
                       "integer",
                       STR_ARG(str_head(number, 40)));
    }
    return 0;
}

static void segments_take(struct lambda_call *call, const struct path_parts *parts)
{
    for (size_t i = 0; i < parts->segment_count; i++) {
        CLEAN(buf_done) struct buf text = BUF_INIT(4096);
        uri_decode_lenient(parts->segments[i], URI_PATH, &text);
        call->segments[i] = mem_dup(buf_text(&text));
    }
}

// ── may they ──

int lambda_authorize(struct lambda_call *call, struct err *err)
{
    if (!call->auth.role[0]) {
        return 0; // the root: asked about on every call, so this is worth not making an ARN
    }
    if (!call->req) {
        return err_set(err, ERR_LOST, "the client has gone");
    }
    const struct lambda *lambda = call->api->lambda;
    const char *operation = call->op->action ? call->op->action : call->op->name;
    CLEAN_MEM char *action = mem_printf("lambda:%s", operation);
    CLEAN_MEM char *arn = call->name[0] ? lambda_arn(lambda, call->name, call->qualifier)
                          : call->layer[0]
                              ? lambda_layer_arn(lambda, call->layer, call->layer_version)
                              : mem_dup("*");
    return authorize(call->api, call->req, &call->auth, AUTH_STYLE_JSON, action, str_of(arn), NULL,
                     0, err);
}

// ── the body ──

static uint64_t body_max(const struct lambda_call *call)
{
    const struct api_settings *settings = call->api->settings;
    switch (call->op->body) {
    case LAMBDA_BODY_CODE: return settings->code_zip_max / 3 * 4 + LAMBDA_DOCUMENT_MAX;
    case LAMBDA_BODY_PAYLOAD:
        return str_eq(http_request_header(call->req, "X-Amz-Invocation-Type"), STR("Event"))
                   ? settings->event_size_max
                   : settings->invoke_size_max;
    default: return LAMBDA_DOCUMENT_MAX;
    }
}

static int too_large(struct lambda_call *call, struct err *err)
{
    uint64_t size = call->req->body_size;
    if (call->op->body == LAMBDA_BODY_PAYLOAD && size != UINT64_MAX) {
        bool event = call->body_max == call->api->settings->event_size_max;
        return err_aws(err, ERR_LIMIT, "RequestTooLargeException",
                       "%llu byte payload is too large for the %s invocation type (limit %llu "
                       "bytes)",
                       (unsigned long long)size, event ? "Event" : "RequestResponse",
                       (unsigned long long)call->body_max);
    }
    return err_aws(err, ERR_LIMIT, "RequestTooLargeException",
                   "Request must be smaller than %llu bytes for the %s operation",
                   (unsigned long long)call->body_max, call->op->name);
}

static void call_body(struct http_request *req, struct str piece)
{
    struct lambda_call *call = req->data;
    if (piece.size > call->body_max - call->body.size) {
        struct err err = {0};
        (void)!too_large(call, &err);
        lambda_fail(call, &err);
        return;
    }
    if (call->summing) {
        checksum_add(&call->sum, piece);
    }
    buf_add_str(&call->body, piece);
}

static int body_check(struct lambda_call *call, struct err *err)
{
    char hex[65] = "";
    uint8_t bytes[CHECKSUM_SIZE_MAX];
    if (auth_wants_hash(&call->auth)) {
        if (call->summing) {
            call->summing = false;
            (void)checksum_end(&call->sum, bytes);
        } else {
            sigv4_sha256(buf_str(&call->body), bytes);
        }
        hex_write(bytes, 32, hex);
    }
    return auth_body(call->api, call->req, AUTH_STYLE_JSON, &call->auth, hex, err);
}

static int input_parse(struct lambda_call *call, struct err *err)
{
    struct str body = call->body.size ? buf_str(&call->body) : STR("{}");
    struct err why = {0};
    if (json_parse_object(body, &call->input, &why) < 0) {
        return err_aws(err, ERR_PROTOCOL, "InvalidRequestContentException",
                       "Could not parse request body into json: %s", why.text);
    }
    buf_done(&call->body);
    return 0;
}

static int op_start(struct lambda_call *call, struct err *err)
{
    if (call->op->changes) {
        lambda_take_turn(call, call->op->run);
        return 0;
    }
    return call->op->run(call, err);
}

static int call_begin(struct lambda_call *call, struct err *err)
{
    TRY(body_check(call, err));
    int body = call->op->body;
    if (body != LAMBDA_BODY_JSON && body != LAMBDA_BODY_CODE) {
        return op_start(call, err);
    }
    if (call->body.size > PARSE_AT_ONCE_MAX) {
        lambda_pool(call, input_parse, op_start);
        return 0;
    }
    TRY(input_parse(call, err));
    return op_start(call, err);
}

static void call_end(struct http_request *req)
{
    struct lambda_call *call = lambda_call_ref(req->data);
    struct err err = {0};
    if (call_begin(call, &err) < 0) {
        lambda_fail(call, &err);
    }
    lambda_call_unref(call);
}

static void call_closed(struct http_request *req)
{
    struct lambda_call *call = req->data;
    call->req = NULL;
    if (call->streaming) {
        job_stream_want(call->streaming); // the function goes on, to nobody
    }
    lambda_call_unref(call);
}

static void call_room(struct http_request *req)
{
    const struct lambda_call *call = req->data;
    if (call->streaming) {
        job_stream_want(call->streaming);
    }
}

// ── entry point ──

static int call_open(struct lambda_call *call, struct err *err)
{
    struct path_parts parts = {0};
    bool path_known = false;
    call->op = op_find(call->req, &parts, &path_known);
    TRY(auth_headers(call->api, call->req, AUTH_STYLE_JSON, &call->auth, err));
    if (!call->op) {
        return path_known ? err_aws(err, ERR_INVALID, "MethodNotAllowedException",
                                    STR_FMT " is not what can be done here",
                                    STR_ARG(str_head(call->req->method, 20)))
                          : err_aws(err, ERR_NOT_FOUND, "UnknownOperationException",
                                    "Lambda has no operation at " STR_FMT ", or it is not served "
                                    "here",
                                    STR_ARG(str_head(call->req->path, 200)));
    }
    segments_take(call, &parts);
    if (parts.function.at) {
        TRY(name_take(call, parts.function, err));
    }
    if (parts.layer.at) {
        TRY(layer_take(call, parts.layer, err));
    }
    if (!call->op->named_later) {
        TRY(lambda_authorize(call, err));
    }
    call->body_max = body_max(call);
    uint64_t size = call->req->body_size;
    if (size != UINT64_MAX && size > call->body_max) {
        return too_large(call, err);
    }
    buf_init(&call->body, (size_t)call->body_max);
    if (size != UINT64_MAX && size > 0) {
        (void)buf_reserve(&call->body, (size_t)size);
    }
    if (auth_wants_hash(&call->auth) && size > SUM_AT_ONCE_MAX) {
        call->summing = true;
        checksum_init(&call->sum, CHECKSUM_SHA256);
    }
    return 0;
}

const struct http_handler *lambda_route(struct http_request *req, struct api *api)
{
    static const struct http_handler handler = {call_body, call_end, call_closed, call_room};
    struct lambda_call *call = NEW(struct lambda_call);
    call->req = req;
    call->api = api;
    call->refs = 1;
    call->layer_version = -1;
    req->data = call;
    struct err err = {0};
    if (call_open(call, &err) < 0) {
        lambda_fail(call, &err);
    }
    return &handler;
}
