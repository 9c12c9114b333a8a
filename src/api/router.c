// SPDX-License-Identifier: Apache-2.0
// Which service is asked? What the signature is scoped to says it; where nothing is signed, the path
// does. The first stop of every request in api/.
#include "api/api.h"
#include "api/inference.h"
#include "api/openai.h"
#include "api/query.h"
#include "api/reply.h"
#include "api/rpc.h"
#include "api/runtime.h"
#include "api/sagemaker.h"
#include "base/mem.h"
#include "format/uri.h"

// "Credential=KEY/20150830/us-east-1/lambda/aws4_request": the part before the last.
static struct str credential_service(struct str credential)
{
    for (int i = 0; i < 3; i++) {
        if (str_find(credential, '/') < 0) {
            return (struct str){0};
        }
        (void)str_cut(&credential, '/');
    }
    return str_cut(&credential, '/');
}

static struct str header_service(const struct http_request *req)
{
    struct str value = http_request_header(req, "Authorization");
    ptrdiff_t at = str_find_str(value, STR("Credential="));
    if (at < 0) {
        return (struct str){0};
    }
    value = str_skip(value, (size_t)at + strlen("Credential="));
    return credential_service(str_cut(&value, ','));
}

static struct str query_service(const struct http_request *req, struct buf *keep)
{
    struct err ignored = {0};
    if (req->query.size == 0 ||
        uri_query_get(req->query, STR("X-Amz-Credential"), keep, &ignored) != 1) {
        return (struct str){0};
    }
    return credential_service(buf_str(keep));
}

static bool is_admin(struct str path)
{
    return str_eq(path, STR("/healthz")) || str_eq(path, STR("/readyz")) ||
           str_eq(path, STR("/_localstack/health")) || str_starts(path, STR("/rouse/"));
}

static bool is_http_api(struct str path)
{
    return str_eq(path, STR("/v2/apis")) || str_starts(path, STR("/v2/apis/")) ||
           str_starts(path, STR("/v2/tags/"));
}

static bool is_inference(struct str path)
{
    return str_eq(path, STR("/v2")) || str_starts(path, STR("/v2/"));
}

// "/2015-03-31/functions/…": Lambda's operations begin with the date of their making.
static bool is_lambda(struct str path)
{
    static const char form[] = "/0000-00-00/";
    if (path.size < sizeof form - 1) {
        return false;
    }
    for (size_t i = 0; i < sizeof form - 1; i++) {
        bool digit = path.at[i] >= '0' && path.at[i] <= '9';
        if (form[i] == '0' ? !digit : path.at[i] != form[i]) {
            return false;
        }
    }
    return true;
}

// Unsigned, with --insecure: what the header names.
static bool is_events(const struct http_request *req)
{
    return str_starts(http_request_header(req, "X-Amz-Target"), STR("AWSEvents."));
}

static void refused_end(struct http_request *req)
{
    (void)req;
}

// What clients of models ask, signed or not: OpenAI's and SageMaker's.
static const struct http_handler *model_route(struct http_request *req, struct api *api,
                                              struct str service)
{
    bool sagemaker = str_eq(service, STR("sagemaker"));
    if (service.size && !sagemaker && !str_eq(service, STR("lambda"))) {
        return NULL;
    }
    const struct http_handler *handler = openai_route(req, api);
    return handler ? handler : sagemaker_route(req, api, sagemaker);
}

static const struct http_handler refused = {.on_end = refused_end};

// Services of AWS that speak XML; the others speak JSON.
static bool speaks_xml(struct str service)
{
    static const char *const names[] = {"sts", "iam", "sns", "ec2", "cloudformation", "monitoring"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (str_eq(service, str_of(names[i]))) {
            return true;
        }
    }
    return false;
}

static const struct http_handler *refuse(struct http_request *req, struct str service)
{
    char text[160];
    snprintf(text, sizeof text, "The service " STR_FMT " is not served here.",
             STR_ARG(str_head(service, 40)));
    struct buf out = BUF_INIT(2048);
    http_reply_header(req, "x-amzn-RequestId", req->id);
    for (size_t i = 0; i < service.size; i++) { // it goes into a document
        char c = service.at[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) {
            snprintf(text, sizeof text,
                     "The service that the credential names is not served here.");
        }
    }
    if (speaks_xml(service)) {
        buf_printf(&out,
                   "<ErrorResponse><Error><Type>Sender</Type><Code>NotImplemented</Code>"
                   "<Message>%s</Message></Error><RequestId>%s</RequestId></ErrorResponse>",
                   text, req->id);
        http_reply_header(req, "Content-Type", "text/xml");
    } else {
        buf_printf(&out, "{\"__type\":\"NotImplemented\",\"message\":\"%s\"}", text);
        http_reply_header(req, "x-amzn-ErrorType", "NotImplemented");
        http_reply_header(req, "Content-Type", "application/x-amz-json-1.1");
    }
    http_reply_buf(req, 501, &out);
    return &refused;
}

const struct http_handler *api_route(struct http_request *req, void *ctx)
{
    struct api *api = ctx;
    if (req->origin) { // from inside an instance, to its own Runtime API
        return runtime_route(req);
    }
    const struct http_handler *handler = lambda_url_route(req, api); // by name, whatever is signed
    handler = handler ? handler : http_api_route(req, api);
    if (handler) {
        return handler;
    }
    CLEAN(buf_done) struct buf keep = BUF_INIT(4096);
    struct str service = header_service(req);
    if (service.size == 0) {
        service = query_service(req, &keep);
    }
    if (str_eq(service, STR("s3"))) {
        handler = s3_route(req, api);
    } else if ((handler = model_route(req, api, service))) {
        return handler;
    } else if (is_admin(req->path)) {
        handler = admin_route(req, api);
    } else if (str_eq(service, STR("apigateway")) ||
               (service.size == 0 && is_http_api(req->path))) {
        handler = http_api_control_route(req, api);
    } else if ((service.size == 0 || str_eq(service, STR("lambda"))) && is_inference(req->path)) {
        handler = inference_route(req, api);
    } else if (str_eq(service, STR("lambda")) || (service.size == 0 && is_lambda(req->path))) {
        handler = lambda_route(req, api);
    } else if (str_eq(service, STR("iam"))) {
        handler = iam_route(req, api);
    } else if (str_eq(service, STR("sts"))) {
        handler = sts_route(req, api);
    } else if (str_eq(service, STR("events")) || (service.size == 0 && is_events(req))) {
        handler = events_route(req, api);
    } else if (str_eq(service, STR("scheduler"))) {
        handler = scheduler_route(req, api);
    } else if (service.size > 0) {
        return refuse(req, service);
    }
    return handler ? handler : s3_route(req, api);
}
