// SPDX-License-Identifier: Apache-2.0
// The way in: a request for a function URL or an API is checked, becomes an event, and a job.
#include "api/http_front.h"
#include "api/authorize.h"
#include "api/http_call.h"
#include "api/http_cors.h"
#include "api/lambda.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/identity.h"
#include "dispatch/dispatch.h"
#include "format/hex.h"

#define BUILD_AT_ONCE_MAX (256 * 1024) // events of larger bodies are made on another thread
#define TRACE_MAX         200

// ── life ──

struct front *front_new(enum front_kind kind)
{
    struct front *front = NEW(struct front);
    front->kind = kind;
    return front;
}

void front_free(struct front *front)
{
    free(front->function);
    free(front->qualifier);
    free(front->resource);
    free(front->source);
    free(front->credentials);
    free(front->id);
    free(front->domain);
    free(front->stage);
    free(front->route_key);
    free(front->raw_path);
    free(front->path);
    free(front->decoded);
    json_decref(front->cors);
    json_decref(front->variables);
    free(front);
}

void http_call_unref(struct http_call *call)
{
    if (--call->refs > 0) {
        return;
    }
    front_free(call->front);
    buf_done(&call->body);
    buf_done(&call->payload);
    buf_done(&call->prelude);
    http_answer_done(&call->answer);
    bytes_unref(call->result);
    function_unref(call->version);
    free(call->headers_kept);
    free(call->caller_id);
    free(call->caller_arn);
    free(call->trace);
    free(call);
}

// ── may they ──

// "arn:aws:iam::000000000000:role/r/session" has three names: the session's, its role's, the account's.
static struct policy_principal principal_of(const struct http_call *call)
{
    struct policy_principal who = {.kind = "AWS"};
    if (call->caller_arn) {
        who.names[0] = str_of(call->caller_arn);
        who.names[1] = str_of(call->auth.role);
        who.names[2] = call->auth.role[0] ? (struct str){0} : STR(ACCOUNT_ID);
    }
    return who;
}

// A signed request is allowed by what the signer's policies say or by what the function's says, in
// one account; an unsigned one only by the latter. Either may deny.
static int url_permits(struct http_call *call, const struct lambda_function *f, struct err *err)
{
    const struct front *front = call->front;
    const char *action = "lambda:InvokeFunctionUrl";
    const struct policy_value context[] = {
        {STR("lambda:FunctionUrlAuthType"), front->iam ? STR("AWS_IAM") : STR("NONE")},
        {STR("aws:SourceIp"), str_of(call->req->remote)}};
    if (call->api->settings->insecure) {
        return 0;
    }
    enum policy_answer own = POLICY_SILENT;
    if (front->iam) {
        CLEAN_MEM char *arn = lambda_arn(call->api->lambda, f->name, front->qualifier);
        TRY(authorize_ask(call->api, call->req, &call->auth, action, str_of(arn), context,
                          ARRAY_SIZE(context), &own, err));
    }
    struct policy_principal who = principal_of(call);
    enum policy_answer functions =
        lambda_policy_ask(f, front->qualifier, action, &who, context, ARRAY_SIZE(context));
    if (own == POLICY_DENIES || functions == POLICY_DENIES ||
        (own != POLICY_ALLOWS && functions != POLICY_ALLOWS)) {
        return err_set(err, ERR_DENIED,
                       "neither the caller's policies nor that of function %s allow %s", f->name,
                       action);
    }
    return 0;
}

// The API itself has to be let in by the function, or by the role that it was given.
static int api_permits(struct http_call *call, const struct lambda_function *f, struct err *err)
{
    const struct front *front = call->front;
    const char *action = "lambda:InvokeFunction";
    const struct policy_principal service = {"Service", {STR("apigateway.amazonaws.com")}};
    const struct policy_value context[] = {{STR("aws:SourceArn"), str_of(front->source)},
                                           {STR("aws:SourceAccount"), STR(ACCOUNT_ID)}};
    if (call->api->settings->insecure) {
        return 0;
    }
    if (front->credentials) {
        struct auth role = {.session = "apigateway"};
        CLEAN_MEM char *arn = lambda_arn(call->api->lambda, f->name, front->qualifier);
        snprintf(role.role, sizeof role.role, "%s", front->credentials);
        return authorize(call->api, call->req, &role, AUTH_STYLE_JSON, action, str_of(arn), NULL, 0,
                         err);
    }
    if (lambda_policy_ask(f, front->qualifier, action, &service, context, ARRAY_SIZE(context)) !=
        POLICY_ALLOWS) {
        return err_set(err, ERR_DENIED,
                       "the policy of function %s does not let %s invoke it (AddPermission)",
                       f->name, front->source);
    }
    return 0;
}

// What is wrong with the API itself its client is not told.
static int permits(struct http_call *call, const struct lambda_function *f,
                   enum http_failure *ret_failure, struct err *err)
{
    *ret_failure = HTTP_FAIL_FORBIDDEN;
    if (call->front->kind == FRONT_URL) {
        return url_permits(call, f, err);
    }
    if (call->front->iam) {
        TRY(authorize(call->api, call->req, &call->auth, AUTH_STYLE_JSON, "execute-api:Invoke",
                      str_of(call->front->resource), NULL, 0, err));
    }
    *ret_failure = HTTP_FAIL_FUNCTION;
    return api_permits(call, f, err);
}

static int signature_begin(struct http_call *call, struct err *err)
{
    const char *service = call->front->kind == FRONT_URL ? "lambda" : "execute-api";
    TRY(auth_headers(call->api, call->req, AUTH_STYLE_JSON, &call->auth, err));
    if (!call->auth.anonymous && strcmp(call->auth.service, service) != 0) {
        return err_aws(err, ERR_DENIED, "InvalidSignatureException",
                       "Credential should be scoped to correct service: '%s'.", service);
    }
    if (!call->auth.anonymous) {
        call->caller_arn = authorize_principal(&call->auth);
        call->caller_id = call->auth.role[0] ? mem_dup(call->auth.session) : mem_dup(ACCOUNT_ID);
        call->caller = (struct http_event_caller){
            .access_key = str_of(call->auth.access_key),
            .account = STR(ACCOUNT_ID),
            .id = str_of(call->caller_id),
            .arn = str_of(call->caller_arn),
        };
    }
    return 0;
}

static int signature_end(struct http_call *call, struct err *err)
{
    uint8_t hash[CHECKSUM_SIZE_MAX];
    char hex[2 * CHECKSUM_SIZE_MAX + 1] = "";
    if (auth_wants_hash(&call->auth)) {
        sigv4_sha256(buf_str(&call->body), hash);
        hex_write(hash, 32, hex);
    }
    return auth_body(call->api, call->req, AUTH_STYLE_JSON, &call->auth, hex, err);
}

// ── the event ──

// A trace that begins here: "Root=1-<time>-<24 digits of the request's id>".
static char *trace_new(const struct http_request *req)
{
    char digits[25] = "";
    size_t count = 0;
    for (const char *c = req->id; *c && count < 24; c++) {
        if (*c != '-') {
            digits[count++] = *c;
        }
    }
    return mem_printf("Root=1-%08llx-%s", (unsigned long long)(clock_wall_ms() / 1000), digits);
}

static void header_add(struct http_call *call, struct str name, struct str value)
{
    call->headers[call->header_count++] = (struct http_event_pair){name, value};
}

// The headers in memory of the call's own: it outlives the request when the client goes. What stands for
// the connection is left out, what a load balancer would have said of the client is put in.
static void headers_take(struct http_call *call)
{
    struct http_request *req = call->req;
    struct str host = req->host, port = {0}, forwarded = {0};
    (void)str_cut(&host, ':');
    port = host.size ? host : STR("80");
    for (size_t i = 0; i < req->header_count; i++) {
        const struct http_header *h = &req->headers[i];
        if (str_eq_nocase(h->name, STR("X-Forwarded-For"))) {
            forwarded = h->value;
        } else if (!str_eq_nocase(h->name, STR("Connection")) &&
                   !str_eq_nocase(h->name, STR("X-Forwarded-Port")) &&
                   !str_eq_nocase(h->name, STR("X-Forwarded-Proto")) &&
                   !str_eq_nocase(h->name, STR("X-Amzn-Trace-Id"))) {
            header_add(call, h->name, h->value);
        }
    }
    CLEAN_MEM char *chain =
        mem_printf(STR_FMT "%s%s", STR_ARG(forwarded), forwarded.size ? ", " : "", req->remote);
    header_add(call, STR("X-Amzn-Trace-Id"), str_of(call->trace));
    header_add(call, STR("X-Forwarded-For"), str_of(chain));
    header_add(call, STR("X-Forwarded-Port"), port);
    header_add(call, STR("X-Forwarded-Proto"), STR("http"));
    struct str *views[2 * ARRAY_SIZE(call->headers) + 3];
    size_t count = 0;
    for (size_t i = 0; i < call->header_count; i++) {
        views[count++] = &call->headers[i].name;
        views[count++] = &call->headers[i].value;
    }
    views[count++] = &call->event.method;
    views[count++] = &call->event.query;
    views[count++] = &call->event.source_ip;
    call->headers_kept = str_pack(views, count);
}

static void event_take(struct http_call *call)
{
    const struct front *front = call->front;
    struct http_request *req = call->req;
    bool known = call->front->kind != FRONT_URL || call->caller_arn;
    call->event = (struct http_event){
        .method = req->method,
        .raw_path = str_of(front->raw_path),
        .path = str_of(front->path),
        .query = req->query,
        .headers = call->headers,
        .body = buf_str(&call->body),
        .source_ip = str_of(req->remote),
        .request_id = str_of(call->id),
        .time_ms = clock_wall_ms(),
        .account = known ? STR(ACCOUNT_ID) : STR("anonymous"),
        .api_id = str_of(front->id),
        .domain = str_of(front->domain),
        .stage = str_of(front->stage),
        .route_key = str_of(front->route_key),
        .variables = front->variables,
        .parameters = front->fit.parameters,
        .parameter_count = front->fit.parameter_count,
        .caller = call->caller_arn ? &call->caller : NULL,
    };
    headers_take(call);
    call->event.header_count = call->header_count;
}

static void payload_build(struct http_call *call)
{
    buf_init(&call->payload, (size_t)call->api->settings->invoke_size_max);
    if (call->plain) {
        buf_add_str(&call->payload, buf_str(&call->body));
    } else if (call->front->kind == FRONT_REST) {
        http_event_write_1(&call->event, &call->payload);
    } else {
        http_event_write_2(&call->event, &call->payload);
    }
}

// ── the job ──

static void settled(struct job *job)
{
    struct http_call *call = job->data;
    http_respond(call, job);
    http_call_unref(call);
}

static void timed_out(struct timer *timer)
{
    http_fail(CONTAINER_OF(timer, struct http_call, timer), HTTP_FAIL_TIMEOUT);
}

// The job goes on when the API gives up waiting for it, as it does there.
static void submit(struct http_call *call)
{
    struct job *job = MOVE(call->job);
    if (!buf_ok(&call->payload) || !call->req) {
        http_fail(call, HTTP_FAIL_LARGE);
        job_free(job);
        return;
    }
    CLEAN(buf_done) struct buf context = BUF_INIT(8192);
    buf_add_text(&context, "{\"trace\":");
    json_quote(&context, str_of(call->trace));
    const struct front *front = call->front;
    if (front->qualifier) { // the function is told by which name it was called
        CLEAN_MEM char *arn = lambda_arn(call->api->lambda, front->function, front->qualifier);
        buf_printf(&context, ",\"arn\":\"%s\"", arn);
    }
    buf_add_char(&context, '}');
    job->context = buf_steal(&context);
    job->payload = call->payload.size ? bytes_take(&call->payload) : NULL;
    job->on_settled = settled;
    job->data = call;
    if (call->front->stream) {
        job->sink = &http_stream_sink;
        call->streaming = job;
    }
    call->refs++;
    dispatch_submit(call->api->dispatch, job);
    if (call->front->timeout_ms > 0) {
        call->timer.on_due = timed_out;
        timer_start(call->api->loop, &call->timer, call->front->timeout_ms * 1000);
    }
}

static void build_run(struct pool_work *work)
{
    payload_build(CONTAINER_OF(work, struct http_call, work));
}

static void build_done(struct pool_work *work)
{
    struct http_call *call = CONTAINER_OF(work, struct http_call, work);
    submit(call);
    http_call_unref(call);
}

static void build(struct http_call *call)
{
    if (call->body.size > BUILD_AT_ONCE_MAX) {
        call->refs++;
        call->work = (struct pool_work){.run = build_run, .on_done = build_done};
        pool_submit(call->api->pool, &call->work);
    } else {
        payload_build(call);
        submit(call);
    }
}

// Objects that a payload names are opened for a model by the server itself; whoever knocks here has
// shown no right to any.
static bool names_objects(struct str body)
{
    return str_find_str(body, STR("\"Records\"")) >= 0 && str_find_str(body, STR("\"s3\"")) >= 0;
}

static void call_begin(struct http_call *call)
{
    const struct front *front = call->front;
    enum http_failure failure = HTTP_FAIL_FUNCTION;
    struct err err = {0};
    if (front->iam && signature_end(call, &err) < 0) {
        http_fail_auth(call, &err);
        return;
    }
    struct lambda_function *f = lambda_find(call->api, str_of(front->function));
    struct lambda_target target = {NULL};
    if (!f || !lambda_resolve(f, front->qualifier, /* pick */ true, &target)) {
        log_info("request %s: function %s is not there", call->req->id, front->function);
        http_fail(call, HTTP_FAIL_FUNCTION);
        return;
    }
    if (permits(call, f, &failure, &err) < 0) {
        log_info("request %s: %s", call->req->id, err.text);
        http_fail(call, failure);
        return;
    }
    call->plain = strcmp(target.version->runtime, "onnx") == 0;
    if (call->plain && names_objects(buf_str(&call->body))) {
        http_fail(call, HTTP_FAIL_FORBIDDEN);
        return;
    }
    struct str trace = http_request_header(call->req, "X-Amzn-Trace-Id");
    call->trace = trace.size ? str_dup(str_head(trace, TRACE_MAX)) : trace_new(call->req);
    call->version = function_ref(target.version);
    call->job = job_new(target.version, NULL);
    memcpy(call->id, call->req->id, sizeof call->id);
    memcpy(call->job->request_id.text, call->id, sizeof call->id);
    event_take(call);
    build(call);
}

// ── the request ──

static void on_body(struct http_request *req, struct str piece)
{
    struct http_call *call = req->data;
    buf_add_str(&call->body, piece);
    if (!buf_ok(&call->body)) {
        http_fail(call, HTTP_FAIL_LARGE);
    }
}

static void on_end(struct http_request *req)
{
    call_begin(req->data);
}

static void on_closed(struct http_request *req)
{
    struct http_call *call = req->data;
    call->req = NULL;
    timer_stop(call->api->loop, &call->timer);
    if (call->streaming) {
        job_stream_want(call->streaming); // the function goes on, to nobody
    }
    http_call_unref(call);
}

static void on_room(struct http_request *req)
{
    const struct http_call *call = req->data;
    if (call->streaming) {
        job_stream_want(call->streaming);
    }
}

const struct http_handler *front_serve(struct http_request *req, struct api *api,
                                       struct front *front)
{
    static const struct http_handler handler = {on_body, on_end, on_closed, on_room};
    struct http_call *call = NEW(struct http_call);
    struct err err = {0};
    uint64_t most = api->settings->invoke_size_max;
    call->req = req;
    call->api = api;
    call->front = front;
    call->refs = 1;
    buf_init(&call->body, (size_t)most);
    req->data = call;
    if (front->iam && signature_begin(call, &err) < 0) {
        http_fail_auth(call, &err);
    } else if (req->body_size != UINT64_MAX && req->body_size > most) {
        http_fail(call, HTTP_FAIL_LARGE);
    }
    return &handler;
}

static void nothing(struct http_request *req)
{
    (void)req;
}

static const struct http_handler answered = {.on_end = nothing};

const struct http_handler *front_unknown(struct http_request *req, enum front_kind kind)
{
    http_fail_request(req, kind, HTTP_FAIL_UNKNOWN, NULL);
    return &answered;
}

const struct http_handler *front_no_route(struct http_request *req, const json_t *cors)
{
    http_fail_request(req, FRONT_API, HTTP_FAIL_NO_ROUTE, cors);
    return &answered;
}

const struct http_handler *front_preflight(struct http_request *req, enum front_kind kind,
                                           const json_t *cors)
{
    http_cors_reply(req, cors);
    http_reply(req, kind == FRONT_URL ? 200 : 204, STR(""));
    return &answered;
}

// ── names ──

struct str front_host_id(struct str host, struct str what)
{
    struct str rest = host, id = str_cut(&rest, '.');
    for (size_t i = 0; i < id.size; i++) {
        char c = id.at[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9')) {
            return (struct str){0};
        }
    }
    return id.size && str_eq(str_cut(&rest, '.'), what) ? id : (struct str){0};
}

// "127.0.0.1" or "[::1]".
static bool is_address(struct str host)
{
    for (size_t i = 0; i < host.size; i++) {
        if (host.at[i] != '.' && !(host.at[i] >= '0' && host.at[i] <= '9')) {
            return host.at[0] == '[';
        }
    }
    return true;
}

// An address cannot have names before it; those of localhost mean this machine everywhere.
char *front_domain(const struct http_request *req, const char *id, const char *what,
                   const char *region)
{
    struct str name = req->host, rest = req->host;
    ptrdiff_t colon = name.size && name.at[0] != '[' ? str_find(name, ':') : -1;
    if (name.size && name.at[0] == '[') {
        ptrdiff_t end = str_find_str(name, STR("]:"));
        colon = end >= 0 ? end + 1 : -1;
    }
    struct str port = colon >= 0 ? str_skip(name, (size_t)colon) : (struct str){0};
    name = colon >= 0 ? str_head(name, (size_t)colon) : name;
    (void)str_cut(&rest, '.');
    if (front_host_id(req->host, str_of(what))
            .at) { // such a name itself: "ID.what.REGION.base:port"
        (void)str_cut(&rest, '.');
        (void)str_cut(&rest, '.');
        return mem_printf("%s.%s.%s." STR_FMT, id, what, region, STR_ARG(rest));
    }
    name = is_address(name) ? STR("localhost") : name;
    return mem_printf("%s.%s.%s." STR_FMT STR_FMT, id, what, region, STR_ARG(name), STR_ARG(port));
}
