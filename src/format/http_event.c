// SPDX-License-Identifier: Apache-2.0
// Requests become payloads. The small members are a tree; the body, which may be large, is written
// behind it.
#include "format/http_event.h"
#include "base/mem.h"
#include "format/base64.h"
#include "format/json.h"
#include "format/uri.h"
#include "format/utf8.h"

#include <time.h>

#define NAME_MAX_BYTES  (64 * 1024)
#define VALUE_MAX_BYTES (1024 * 1024)

// ── names with several values ──

// {"accept": {"name": "Accept", "values": ["a", "b"]}, …}: grouped by `key`, in order of appearance.
static void group_add(json_t *groups, const char *key, struct str name, struct str value)
{
    CLEAN_JSON json_t *clean = json_from_str(str_of(key)); // a key has to be UTF-8
    json_t *group = json_object_get(groups, json_string_value(clean));
    if (!group) {
        group = json_object();
        json_put_str(group, "name", name);
        json_put(group, "values", json_array());
        json_put(groups, json_string_value(clean), group);
    }
    json_array_append_new(json_object_get(group, "values"), json_from_str(value));
}

static json_t *headers_of(const struct http_event *e)
{
    json_t *groups = json_object();
    for (size_t i = 0; i < e->header_count; i++) {
        CLEAN_MEM char *key = str_dup(e->headers[i].name);
        for (char *c = key; *c; c++) {
            *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + ('a' - 'A')) : *c;
        }
        group_add(groups, key, e->headers[i].name, e->headers[i].value);
    }
    return groups;
}

static json_t *query_of(const struct http_event *e)
{
    json_t *groups = json_object();
    CLEAN(buf_done) struct buf name = BUF_INIT(NAME_MAX_BYTES);
    CLEAN(buf_done) struct buf value = BUF_INIT(NAME_MAX_BYTES);
    struct str rest = e->query, raw_name, raw_value;
    while (uri_query_next(&rest, &raw_name, &raw_value)) {
        buf_clear(&name);
        buf_clear(&value);
        uri_decode_lenient(raw_name, URI_QUERY, &name);
        uri_decode_lenient(raw_value, URI_QUERY, &value);
        group_add(groups, buf_text(&name), buf_str(&name), buf_str(&value));
    }
    return groups;
}

static json_t *joined(const json_t *values)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(VALUE_MAX_BYTES);
    for (size_t i = 0; i < json_array_size(values); i++) {
        buf_add_text(&text, i ? "," : "");
        buf_add_str(&text, json_str(json_array_get(values, i)));
    }
    return json_from_str(buf_str(&text));
}

// {"key": "a,b"} of groups.
static json_t *joined_all(const json_t *groups)
{
    json_t *object = json_object();
    const char *key = NULL;
    json_t *group = NULL;
    json_object_foreach((json_t *)(uintptr_t)groups, key, group)
    {
        json_put(object, key, joined(json_object_get(group, "values")));
    }
    return object;
}

// {"Name": "last"} and {"Name": ["first", …, "last"]}; both null without any.
static void put_single_and_multi(json_t *event, const char *single, const char *multi,
                                 const json_t *groups)
{
    bool any = json_object_size(groups) > 0;
    json_t *last = any ? json_object() : json_null(), *all = any ? json_object() : json_null();
    const char *key = NULL;
    json_t *group = NULL;
    json_object_foreach((json_t *)(uintptr_t)groups, key, group)
    {
        const char *name = json_string_value(json_object_get(group, "name"));
        json_t *values = json_object_get(group, "values");
        json_put(last, name, json_incref(json_array_get(values, json_array_size(values) - 1)));
        json_put(all, name, json_incref(values));
    }
    json_put(event, single, last);
    json_put(event, multi, all);
}

// ── small members ──

static struct str header_find(const struct http_event *e, struct str name)
{
    for (size_t i = 0; i < e->header_count; i++) {
        if (str_eq_nocase(e->headers[i].name, name)) {
            return e->headers[i].value;
        }
    }
    return (struct str){0};
}

// "12/Mar/2020:19:03:58 +0000"
static void put_time(json_t *object, const char *name, int64_t time_ms)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm t;
    gmtime_r(&seconds, &t);
    CLEAN_MEM char *text =
        mem_printf("%02d/%s/%04d:%02d:%02d:%02d +0000", t.tm_mday, months[t.tm_mon],
                   t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
    json_put_str(object, name, str_of(text));
}

static struct str domain_prefix(const struct http_event *e)
{
    struct str rest = e->domain;
    return str_cut(&rest, '.');
}

// A new object, or NULL without parameters.
static json_t *parameters_of(const struct http_event *e)
{
    json_t *object = e->parameter_count ? json_object() : NULL;
    for (size_t i = 0; i < e->parameter_count; i++) {
        CLEAN_MEM char *name = str_dup(e->parameters[i].name);
        json_put_str(object, name, e->parameters[i].value);
    }
    return object;
}

static json_t *or_null(json_t *json)
{
    return json ? json : json_null();
}

static json_t *variables_of(const struct http_event *e)
{
    return json_object_size(e->variables) ? json_incref((json_t *)(uintptr_t)e->variables) : NULL;
}

// ── the body ──

// "application/vnd.api+json; charset=utf-8" is.
static bool type_is_text(struct str type)
{
    static const char *const texts[] = {"application/json", "application/xml",
                                        "application/javascript"};
    struct str media = str_trim(str_cut(&type, ';'));
    struct str suffix = {0};
    ptrdiff_t plus = str_find(media, '+');
    if (media.size == 0 || str_eq_nocase(str_head(media, 5), STR("text/"))) {
        return true;
    }
    if (plus >= 0) {
        suffix = str_skip(media, (size_t)plus + 1);
    }
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        if (str_eq_nocase(media, str_of(texts[i]))) {
            return true;
        }
    }
    return str_eq_nocase(suffix, STR("json")) || str_eq_nocase(suffix, STR("xml"));
}

// Closes the object that `event` is.
static void write_with_body(const json_t *event, struct str body, bool base64, struct buf *out)
{
    json_write(event, out);
    if (!buf_ok(out)) {
        return;
    }
    out->size--; // the brace at the end
    buf_add_text(out, ",\"body\":");
    if (base64) {
        buf_add_char(out, '"');
        base64_add(out, body.at, body.size);
        buf_add_char(out, '"');
    } else {
        json_quote(out, body);
    }
    buf_add_text(out, base64 ? ",\"isBase64Encoded\":true}" : ",\"isBase64Encoded\":false}");
}

// ── 2.0 ──

// "a=1; b=2" of each cookie header → ["a=1", "b=2"]; NULL without any.
static json_t *cookies_of(const struct http_event *e)
{
    json_t *list = json_array();
    for (size_t i = 0; i < e->header_count; i++) {
        struct str rest = e->headers[i].value;
        while (str_eq_nocase(e->headers[i].name, STR("cookie")) && rest.at) {
            struct str one = str_trim(str_cut(&rest, ';'));
            if (one.size) {
                json_array_append_new(list, json_from_str(one));
            }
        }
    }
    if (json_array_size(list) == 0) {
        json_decref(list);
        return NULL;
    }
    return list;
}

static json_t *iam_of(const struct http_event_caller *caller)
{
    json_t *iam = json_object(), *authorizer = json_object();
    json_put_str(iam, "accessKey", caller->access_key);
    json_put_str(iam, "accountId", caller->account);
    json_put_str(iam, "callerId", caller->id);
    json_put(iam, "cognitoIdentity", json_null());
    json_put(iam, "principalOrgId", json_null());
    json_put_str(iam, "userArn", caller->arn);
    json_put_str(iam, "userId", caller->id);
    json_put(authorizer, "iam", iam);
    return authorizer;
}

static json_t *context_2(const struct http_event *e)
{
    json_t *context = json_object(), *http = json_object();
    json_put_str(context, "accountId", e->account);
    json_put_str(context, "apiId", e->api_id);
    if (e->caller) {
        json_put(context, "authorizer", iam_of(e->caller));
    }
    json_put_str(context, "domainName", e->domain);
    json_put_str(context, "domainPrefix", domain_prefix(e));
    json_put_str(http, "method", e->method);
    json_put_str(http, "path", e->raw_path);
    json_put_str(http, "protocol", STR("HTTP/1.1"));
    json_put_str(http, "sourceIp", e->source_ip);
    json_put_str(http, "userAgent", str_not_null(header_find(e, STR("User-Agent"))));
    json_put(context, "http", http);
    json_put_str(context, "requestId", e->request_id);
    json_put_str(context, "routeKey", e->route_key);
    json_put_str(context, "stage", e->stage);
    put_time(context, "time", e->time_ms);
    json_put_int(context, "timeEpoch", e->time_ms);
    return context;
}

static void put_some(json_t *object, const char *name, json_t *value)
{
    if (value) {
        json_put(object, name, value);
    }
}

void http_event_write_2(const struct http_event *e, struct buf *out)
{
    CLEAN_JSON json_t *event = json_object();
    CLEAN_JSON json_t *headers = headers_of(e);
    CLEAN_JSON json_t *query = query_of(e);
    json_object_del(headers, "cookie");
    json_put_str(event, "version", STR("2.0"));
    json_put_str(event, "routeKey", e->route_key);
    json_put_str(event, "rawPath", e->raw_path);
    json_put_str(event, "rawQueryString", str_not_null(e->query));
    put_some(event, "cookies", cookies_of(e));
    json_put(event, "headers", joined_all(headers));
    put_some(event, "queryStringParameters", json_object_size(query) ? joined_all(query) : NULL);
    json_put(event, "requestContext", context_2(e));
    put_some(event, "pathParameters", parameters_of(e));
    put_some(event, "stageVariables", variables_of(e));
    if (e->body.size == 0) {
        json_put_bool(event, "isBase64Encoded", false);
        json_write(event, out);
        return;
    }
    bool text = type_is_text(header_find(e, STR("Content-Type"))) &&
                !header_find(e, STR("Content-Encoding")).size && utf8_ok(e->body);
    write_with_body(event, e->body, !text, out);
}

// ── 1.0 ──

static json_t *identity_1(const struct http_event *e)
{
    static const char *const nulls[] = {"cognitoAuthenticationProvider",
                                        "cognitoAuthenticationType", "cognitoIdentityId",
                                        "cognitoIdentityPoolId", "principalOrgId"};
    const struct http_event_caller *c = e->caller;
    json_t *identity = json_object();
    json_put(identity, "accessKey", c ? json_from_str(c->access_key) : json_null());
    json_put(identity, "accountId", c ? json_from_str(c->account) : json_null());
    json_put(identity, "caller", c ? json_from_str(c->id) : json_null());
    for (size_t i = 0; i < ARRAY_SIZE(nulls); i++) {
        json_put(identity, nulls[i], json_null());
    }
    json_put_str(identity, "sourceIp", e->source_ip);
    json_put(identity, "user", c ? json_from_str(c->id) : json_null());
    struct str agent = header_find(e, STR("User-Agent"));
    json_put(identity, "userAgent", agent.at ? json_from_str(agent) : json_null());
    json_put(identity, "userArn", c ? json_from_str(c->arn) : json_null());
    return identity;
}

// "GET /pets/{id}" → "/pets/{id}"; "$default" stays.
static struct str route_path(const struct http_event *e)
{
    struct str rest = e->route_key, method = str_cut(&rest, ' ');
    return rest.at ? rest : method;
}

static json_t *context_1(const struct http_event *e)
{
    json_t *context = json_object();
    json_put_str(context, "accountId", e->account);
    json_put_str(context, "apiId", e->api_id);
    json_put_str(context, "domainName", e->domain);
    json_put_str(context, "domainPrefix", domain_prefix(e));
    json_put_str(context, "extendedRequestId", e->request_id);
    json_put_str(context, "httpMethod", e->method);
    json_put(context, "identity", identity_1(e));
    json_put_str(context, "path", e->raw_path);
    json_put_str(context, "protocol", STR("HTTP/1.1"));
    json_put_str(context, "requestId", e->request_id);
    put_time(context, "requestTime", e->time_ms);
    json_put_int(context, "requestTimeEpoch", e->time_ms);
    json_put(context, "resourceId", json_null());
    json_put_str(context, "resourcePath", route_path(e));
    json_put_str(context, "stage", e->stage);
    return context;
}

void http_event_write_1(const struct http_event *e, struct buf *out)
{
    CLEAN_JSON json_t *event = json_object();
    CLEAN_JSON json_t *headers = headers_of(e);
    CLEAN_JSON json_t *query = query_of(e);
    json_put_str(event, "version", STR("1.0"));
    json_put_str(event, "resource", route_path(e));
    json_put_str(event, "path", e->path);
    json_put_str(event, "httpMethod", e->method);
    put_single_and_multi(event, "headers", "multiValueHeaders", headers);
    put_single_and_multi(event, "queryStringParameters", "multiValueQueryStringParameters", query);
    json_put(event, "requestContext", context_1(e));
    json_put(event, "pathParameters", or_null(parameters_of(e)));
    json_put(event, "stageVariables", or_null(variables_of(e)));
    if (e->body.size == 0) {
        json_put(event, "body", json_null());
        json_put_bool(event, "isBase64Encoded", false);
        json_write(event, out);
        return;
    }
    write_with_body(event, e->body,
                    header_find(e, STR("Content-Encoding")).size > 0 || !utf8_ok(e->body), out);
}
