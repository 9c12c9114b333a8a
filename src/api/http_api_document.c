// SPDX-License-Identifier: Apache-2.0
// The documents of HTTP APIs: one table of what each may say. What is valid on AWS and would be lost here
// is refused, so that nobody relies on it.
#include "api/http_api.h"
#include "api/http_cors.h"
#include "base/clock.h"
#include "format/http_route.h"

#define BAD(err, ...) err_aws(err, ERR_INVALID, "BadRequestException", __VA_ARGS__)

const struct http_api_names http_api_names[HTTP_API_KINDS] = {
    [HTTP_API] = {"api", "apis", "apiId", "API"},
    [HTTP_API_INTEGRATION] = {"integration", "integrations", "integrationId", "Integration"},
    [HTTP_API_ROUTE] = {"route", "routes", "routeId", "Route"},
    [HTTP_API_STAGE] = {"stage", "stages", "stageName", "Stage"},
    [HTTP_API_DEPLOYMENT] = {"deployment", "deployments", "deploymentId", "Deployment"},
};

enum type { TEXT, NUMBER, TRUTH, TEXTS, CORS, NOT_SERVED };

static const struct member {
    enum http_api_kind kind;
    const char *name;
    enum type type;
    int64_t least, most; // of a number, or of a text's bytes
} members[] = {
    {HTTP_API, "name", TEXT, 1, 128},
    {HTTP_API, "protocolType", TEXT, 1, 16},
    {HTTP_API, "description", TEXT, 0, 1024},
    {HTTP_API, "version", TEXT, 1, 64},
    {HTTP_API, "corsConfiguration", CORS, 0, 0},
    {HTTP_API, "disableExecuteApiEndpoint", TRUTH, 0, 0},
    {HTTP_API, "disableSchemaValidation", TRUTH, 0, 0},
    {HTTP_API, "ipAddressType", TEXT, 1, 16},
    {HTTP_API, "routeSelectionExpression", TEXT, 1, 128},
    {HTTP_API, "apiKeySelectionExpression", TEXT, 1, 128},
    {HTTP_API, "tags", TEXTS, 0, 1600},

    {HTTP_API_INTEGRATION, "integrationType", TEXT, 1, 32},
    {HTTP_API_INTEGRATION, "integrationUri", TEXT, 1, 2048},
    {HTTP_API_INTEGRATION, "integrationMethod", TEXT, 1, 64},
    {HTTP_API_INTEGRATION, "payloadFormatVersion", TEXT, 1, 64},
    {HTTP_API_INTEGRATION, "timeoutInMillis", NUMBER, 50, 30000},
    {HTTP_API_INTEGRATION, "credentialsArn", TEXT, 1, 2048},
    {HTTP_API_INTEGRATION, "description", TEXT, 0, 1024},
    {HTTP_API_INTEGRATION, "connectionType", TEXT, 1, 16},
    {HTTP_API_INTEGRATION, "passthroughBehavior", TEXT, 1, 32},
    {HTTP_API_INTEGRATION, "connectionId", NOT_SERVED, 0, 0},
    {HTTP_API_INTEGRATION, "contentHandlingStrategy", NOT_SERVED, 0, 0},
    {HTTP_API_INTEGRATION, "integrationSubtype", NOT_SERVED, 0, 0},
    {HTTP_API_INTEGRATION, "requestParameters", NOT_SERVED, 0, 0},
    {HTTP_API_INTEGRATION, "requestTemplates", NOT_SERVED, 0, 0},
    {HTTP_API_INTEGRATION, "responseParameters", NOT_SERVED, 0, 0},
    {HTTP_API_INTEGRATION, "templateSelectionExpression", NOT_SERVED, 0, 0},
    {HTTP_API_INTEGRATION, "tlsConfig", NOT_SERVED, 0, 0},

    {HTTP_API_ROUTE, "routeKey", TEXT, 1, HTTP_ROUTE_KEY_MAX},
    {HTTP_API_ROUTE, "target", TEXT, 1, 128},
    {HTTP_API_ROUTE, "authorizationType", TEXT, 1, 16},
    {HTTP_API_ROUTE, "apiKeyRequired", TRUTH, 0, 0},
    {HTTP_API_ROUTE, "operationName", TEXT, 1, 64},
    {HTTP_API_ROUTE, "authorizationScopes", NOT_SERVED, 0, 0},
    {HTTP_API_ROUTE, "authorizerId", NOT_SERVED, 0, 0},
    {HTTP_API_ROUTE, "modelSelectionExpression", NOT_SERVED, 0, 0},
    {HTTP_API_ROUTE, "requestModels", NOT_SERVED, 0, 0},
    {HTTP_API_ROUTE, "requestParameters", NOT_SERVED, 0, 0},
    {HTTP_API_ROUTE, "routeResponseSelectionExpression", NOT_SERVED, 0, 0},

    {HTTP_API_STAGE, "stageName", TEXT, 1, 128},
    {HTTP_API_STAGE, "description", TEXT, 0, 1024},
    {HTTP_API_STAGE, "autoDeploy", TRUTH, 0, 0},
    {HTTP_API_STAGE, "deploymentId", TEXT, 1, 64},
    {HTTP_API_STAGE, "stageVariables", TEXTS, 0, 2048},
    {HTTP_API_STAGE, "tags", TEXTS, 0, 1600},
    {HTTP_API_STAGE, "accessLogSettings", NOT_SERVED, 0, 0},
    {HTTP_API_STAGE, "clientCertificateId", NOT_SERVED, 0, 0},
    {HTTP_API_STAGE, "defaultRouteSettings", NOT_SERVED, 0, 0},
    {HTTP_API_STAGE, "routeSettings", NOT_SERVED, 0, 0},

    {HTTP_API_DEPLOYMENT, "description", TEXT, 0, 1024},
};

// ── one member ──

static int texts_check(const struct member *m, const json_t *value, struct err *err)
{
    const char *name = NULL;
    json_t *text = NULL;
    json_object_foreach((json_t *)(uintptr_t)value, name, text)
    {
        if (!json_is_string(text) || json_string_length(text) > (size_t)m->most) {
            return BAD(err, "%s.%.100s: must be a string of at most %lld bytes", m->name, name,
                       (long long)m->most);
        }
    }
    return json_is_object(value) ? 0 : BAD(err, "%s: must be an object of strings", m->name);
}

static bool is_empty(const json_t *value)
{
    return json_is_false(value) || (json_is_object(value) && json_object_size(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0);
}

static int member_check(const struct member *m, const json_t *value, struct err *err)
{
    struct err why = {0};
    int64_t number = json_is_string(value) ? (int64_t)json_string_length(value)
                                           : (int64_t)json_integer_value(value);
    switch (m->type) {
    case TEXT:
        return json_is_string(value) && number >= m->least && number <= m->most
                   ? 0
                   : BAD(err, "%s: must be a string of %lld to %lld bytes", m->name,
                         (long long)m->least, (long long)m->most);
    case NUMBER:
        return json_is_integer(value) && number >= m->least && number <= m->most
                   ? 0
                   : BAD(err, "%s: must be an integer from %lld to %lld", m->name,
                         (long long)m->least, (long long)m->most);
    case TRUTH: return json_is_boolean(value) ? 0 : BAD(err, "%s: must be true or false", m->name);
    case TEXTS: return texts_check(m, value, err);
    case CORS: return http_cors_check(value, &why) < 0 ? BAD(err, "%s.%s", m->name, why.text) : 0;
    case NOT_SERVED: return is_empty(value) ? 0 : BAD(err, "%s is not served here", m->name);
    }
    return 0;
}

// ── a whole document ──

struct str http_api_function(struct str uri)
{
    struct arn_function function;
    ptrdiff_t at = str_find_str(uri, STR("/functions/"));
    if (str_starts(uri, STR("arn:aws:apigateway:")) && at >= 0 &&
        str_ends(uri, STR("/invocations"))) {
        uri = str_skip(uri, (size_t)at + strlen("/functions/"));
        uri.size -= strlen("/invocations");
    }
    bool fine = str_starts(uri, STR("arn:")) && arn_function_parse(uri, &function, NULL) >= 0;
    return fine ? uri : (struct str){0};
}

static bool is(const json_t *document, const char *name, const char *text)
{
    return str_eq(json_str(json_object_get(document, name)), str_of(text));
}

static int api_check(const json_t *d, struct err *err)
{
    if (!json_object_get(d, "name") || !json_object_get(d, "protocolType")) {
        return BAD(err, "name and protocolType must be given");
    }
    if (!is(d, "protocolType", "HTTP")) {
        return BAD(err, "protocolType: only HTTP is served here");
    }
    if (!is(d, "routeSelectionExpression", "${request.method} ${request.path}")) {
        return BAD(err, "routeSelectionExpression: an HTTP API has ${request.method} "
                        "${request.path}");
    }
    return 0;
}

static int integration_check(const json_t *d, struct err *err)
{
    struct str uri = json_str(json_object_get(d, "integrationUri"));
    struct str credentials = json_str(json_object_get(d, "credentialsArn"));
    if (!is(d, "integrationType", "AWS_PROXY")) {
        return BAD(err, "integrationType: only AWS_PROXY, with a Lambda function, is served here");
    }
    if (!http_api_function(uri).at) {
        return BAD(err, "integrationUri: \"" STR_FMT "\" is not the ARN of a Lambda function",
                   STR_ARG(str_head(uri, 200)));
    }
    if (!is(d, "payloadFormatVersion", "1.0") && !is(d, "payloadFormatVersion", "2.0")) {
        return BAD(err, "payloadFormatVersion must be given for integrations of type AWS_PROXY: "
                        "1.0 or 2.0");
    }
    if (!is(d, "connectionType", "INTERNET")) {
        return BAD(err, "connectionType: only INTERNET is served here");
    }
    if (credentials.size && !str_starts(credentials, STR("arn:aws:iam::" ARN_ACCOUNT ":role/"))) {
        return BAD(err, "credentialsArn: \"" STR_FMT "\" is not the ARN of a role of this account",
                   STR_ARG(str_head(credentials, 200)));
    }
    return 0;
}

static int route_check(const json_t *d, struct err *err)
{
    struct err why = {0};
    struct str target = json_str(json_object_get(d, "target"));
    if (http_route_check(json_str(json_object_get(d, "routeKey")), &why) < 0) {
        return BAD(err, "routeKey: %s", why.text);
    }
    if (!is(d, "authorizationType", "NONE") && !is(d, "authorizationType", "AWS_IAM")) {
        return BAD(err, "authorizationType: only NONE and AWS_IAM are served here");
    }
    if (json_is_true(json_object_get(d, "apiKeyRequired"))) {
        return BAD(err, "apiKeyRequired: an HTTP API has no API keys");
    }
    if (target.at && !str_starts(target, STR("integrations/"))) {
        return BAD(err, "target: must be integrations/ and the id of an integration");
    }
    return 0;
}

static int stage_check(const json_t *d, struct err *err)
{
    struct str name = json_str(json_object_get(d, "stageName"));
    bool fine = name.size > 0;
    for (size_t i = 0; i < name.size; i++) {
        char c = name.at[i];
        fine = fine && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '-' || c == '_');
    }
    return fine || str_eq(name, STR(HTTP_API_STAGE_DEFAULT))
               ? 0
               : BAD(err,
                     "stageName: \"" STR_FMT "\" is neither $default nor of letters, digits, "
                     "'-' and '_'",
                     STR_ARG(str_head(name, 128)));
}

static void put_time(json_t *document, const char *name)
{
    char text[CLOCK_TEXT_MAX];
    json_put_str(document, name, str_of(clock_iso(clock_wall_ms(), text)));
}

// What holds where the request says nothing.
static json_t *defaults(enum http_api_kind kind)
{
    json_t *d = json_object();
    switch (kind) {
    case HTTP_API:
        json_put_str(d, "apiKeySelectionExpression", STR("$request.header.x-api-key"));
        json_put_str(d, "routeSelectionExpression", STR("${request.method} ${request.path}"));
        json_put_bool(d, "disableExecuteApiEndpoint", false);
        json_put(d, "tags", json_object());
        put_time(d, "createdDate");
        break;
    case HTTP_API_INTEGRATION:
        json_put_str(d, "connectionType", STR("INTERNET"));
        json_put_str(d, "integrationMethod", STR("POST"));
        json_put_int(d, "timeoutInMillis", 30000);
        break;
    case HTTP_API_ROUTE:
        json_put_bool(d, "apiKeyRequired", false);
        json_put_str(d, "authorizationType", STR("NONE"));
        break;
    case HTTP_API_STAGE:
        json_put_bool(d, "autoDeploy", false);
        json_put(d, "stageVariables", json_object());
        json_put(d, "tags", json_object());
        put_time(d, "createdDate");
        break;
    case HTTP_API_DEPLOYMENT:
        json_put_bool(d, "autoDeployed", false);
        json_put_str(d, "deploymentStatus", STR("DEPLOYED"));
        put_time(d, "createdDate");
        break;
    case HTTP_API_KINDS: break;
    }
    return d;
}

int http_api_document(enum http_api_kind kind, const json_t *input, const json_t *before,
                      json_t **ret, struct err *err)
{
    static int (*const checks[HTTP_API_KINDS])(const json_t *document, struct err *err) = {
        [HTTP_API] = api_check,
        [HTTP_API_INTEGRATION] = integration_check,
        [HTTP_API_ROUTE] = route_check,
        [HTTP_API_STAGE] = stage_check,
    };
    CLEAN_JSON json_t *d = before ? json_deep_copy(before) : defaults(kind);
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        const struct member *m = &members[i];
        json_t *value = m->kind == kind ? json_object_get(input, m->name) : NULL;
        if (!value || json_is_null(value)) {
            continue;
        }
        TRY(member_check(m, value, err));
        if (m->type != NOT_SERVED) {
            json_put(d, m->name, json_deep_copy(value));
        }
    }
    if (kind == HTTP_API_STAGE) {
        put_time(d, "lastUpdatedDate");
    }
    if (checks[kind]) {
        TRY(checks[kind](d, err));
    }
    *ret = MOVE(d);
    return 0;
}
