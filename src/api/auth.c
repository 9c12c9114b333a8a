// SPDX-License-Identifier: Apache-2.0
// Authentication: the signature of a request against the credentials that this server gave out.
// Every service passes here first.
#include "api/auth.h"
#include "base/clock.h"
#include "base/mem.h"
#include "format/uri.h"
#include "format/xml.h"
#include "iam/session.h"

#define KEEP_MAX (64 * 1024) // decoded query parameters

// A request as format/sigv4 wants it.
struct view {
    struct sigv4_request request;
    struct sigv4_header headers[HTTP_HEADERS_MAX];
};

static void view_init(struct view *view, const struct http_request *req, enum auth_style style)
{
    view->request = (struct sigv4_request){
        .flavour = style == AUTH_STYLE_S3 ? SIGV4_S3 : SIGV4_SERVICE,
        .method = req->method,
        .path = req->path,
        .query = req->query,
        .headers = view->headers,
        .header_count = req->header_count,
    };
    for (size_t i = 0; i < req->header_count; i++) {
        view->headers[i] = (struct sigv4_header){req->headers[i].name, req->headers[i].value};
    }
}

static void text_copy(char *to, size_t room, struct str from)
{
    size_t size = from.size < room - 1 ? from.size : room - 1;
    if (size) {
        memcpy(to, from.at, size);
    }
    to[size] = 0;
}

int auth_secret(struct api *api, struct str access_key, enum auth_style style, struct str *ret,
                struct err *err)
{
    if (str_eq(access_key, str_of(api->access_key))) {
        *ret = str_of(api->secret_key);
        return 0;
    }
    if (style == AUTH_STYLE_S3) {
        return err_aws(err, ERR_DENIED, "InvalidAccessKeyId",
                       "The AWS Access Key Id you provided does not exist in our records.");
    }
    return err_aws(err, ERR_DENIED, "UnrecognizedClientException",
                   "The security token included in the request is invalid.");
}

// What the services other than S3 say about time names both times.
static int time_check(const struct sigv4_auth *auth, int64_t now_ms, struct err *err)
{
    int64_t skew_ms = SIGV4_SKEW_MAX_S * INT64_C(1000);
    int64_t until_ms =
        auth->presigned ? auth->signed_ms + auth->expires_s * 1000 : auth->signed_ms + skew_ms;
    char now[CLOCK_TEXT_MAX], bound[CLOCK_TEXT_MAX];
    if (now_ms > until_ms) {
        int64_t late_ms = now_ms - (until_ms - auth->signed_ms);
        return err_aws(err, ERR_DENIED, "InvalidSignatureException",
                       "Signature expired: " STR_FMT " is now earlier than %s (%s - %lld min.)",
                       STR_ARG(auth->timestamp), clock_amz(late_ms, bound), clock_amz(now_ms, now),
                       (long long)((until_ms - auth->signed_ms) / 60000));
    }
    if (auth->signed_ms > now_ms + skew_ms) {
        return err_aws(
            err, ERR_DENIED, "InvalidSignatureException",
            "Signature not yet current: " STR_FMT " is still later than %s (%s + 15 min.)",
            STR_ARG(auth->timestamp), clock_amz(now_ms + skew_ms, bound), clock_amz(now_ms, now));
    }
    return 0;
}

static int signature_check(const struct sigv4_request *request, const struct sigv4_auth *auth,
                           const struct sigv4_key *key, struct err *err)
{
    int64_t now_ms = clock_wall_ms();
    if (request->flavour != SIGV4_S3) {
        TRY(time_check(auth, now_ms, err));
    }
    return sigv4_verify(request, auth, key, now_ms, err);
}

static const enum auth_payload payloads[] = {
    [SIGV4_PAYLOAD_HASH] = AUTH_PAYLOAD_HASH,
    [SIGV4_PAYLOAD_UNSIGNED] = AUTH_PAYLOAD_UNSIGNED,
    [SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER] = AUTH_PAYLOAD_CHUNKED_UNSIGNED_TRAILER,
    [SIGV4_PAYLOAD_STREAM_SIGNED] = AUTH_PAYLOAD_CHUNKED,
    [SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER] = AUTH_PAYLOAD_CHUNKED_TRAILER,
};

static bool says_chunked(const struct http_request *req)
{
    struct str rest = http_request_header(req, "Content-Encoding");
    while (rest.at) {
        if (str_eq_nocase(str_trim(str_cut(&rest, ',')), STR("aws-chunked"))) {
            return true;
        }
    }
    return false;
}

// What of the body is signed, by x-amz-content-sha256 or, without it, by the service's custom.
static int payload_find(const struct http_request *req, enum auth_style style, struct auth *ret,
                        struct err *err)
{
    struct str value = str_trim(http_request_header(req, "x-amz-content-sha256"));
    if (value.size) {
        enum sigv4_payload kind = SIGV4_PAYLOAD_HASH;
        TRY(sigv4_payload_kind(value, &kind, err));
        ret->payload = payloads[kind];
        if (kind == SIGV4_PAYLOAD_HASH) {
            for (size_t i = 0; i < 64; i++) {
                char c = value.at[i];
                ret->payload_sha256[i] = (char)(c >= 'A' && c <= 'F' ? c + 32 : c);
            }
        }
    } else if (ret->anonymous) {
        ret->payload =
            says_chunked(req) ? AUTH_PAYLOAD_CHUNKED_UNSIGNED_TRAILER : AUTH_PAYLOAD_UNSIGNED;
    } else if (style == AUTH_STYLE_S3 && ret->presigned) {
        ret->payload = AUTH_PAYLOAD_UNSIGNED;
    } else if (style == AUTH_STYLE_S3) {
        return err_aws(err, ERR_INVALID, "InvalidRequest",
                       "Missing required header for this request: x-amz-content-sha256");
    } else if (req->body_size == 0) {
        ret->payload = AUTH_PAYLOAD_HASH;
        text_copy(ret->payload_sha256, sizeof ret->payload_sha256, STR(SIGV4_EMPTY_SHA256));
    } else {
        ret->payload = AUTH_PAYLOAD_UNKNOWN;
    }
    return 0;
}

static int anonymous(struct api *api, const struct http_request *req, enum auth_style style,
                     struct auth *ret, struct err *err)
{
    ret->anonymous = ret->unchecked = true;
    if (api->settings->insecure) {
        TRY(payload_find(req, style, ret, err));
        return 0;
    }
    if (style == AUTH_STYLE_S3) {
        return err_aws(err, ERR_DENIED, "AccessDenied", "Access Denied");
    }
    return err_aws(err, ERR_DENIED, "MissingAuthenticationTokenException",
                   "Missing Authentication Token");
}

static void auth_fill(struct auth *ret, const struct sigv4_auth *auth, const struct sigv4_key *key)
{
    ret->presigned = auth->presigned;
    text_copy(ret->access_key, sizeof ret->access_key, auth->scope.access_key);
    text_copy(ret->region, sizeof ret->region, auth->scope.region);
    text_copy(ret->service, sizeof ret->service, auth->scope.service);
    text_copy(ret->date, sizeof ret->date, auth->timestamp);
    text_copy(ret->signature, sizeof ret->signature, auth->signature);
    memcpy(ret->key, key->at, sizeof ret->key);
}

static void key_find(struct api *api, struct str secret, const struct sigv4_scope *scope,
                     struct sigv4_key *ret)
{
    if (!api->keys) {
        api->keys = sigv4_key_cache_new();
    }
    sigv4_key_get(api->keys, secret, scope, ret);
}

// Temporary credentials are their token: it stands in a header or in the query.
static int session_find(struct api *api, const struct http_request *req, struct str access_key,
                        enum auth_style style, struct auth *ret, struct session *session,
                        struct err *err)
{
    CLEAN(buf_done) struct buf token = BUF_INIT(SESSION_TOKEN_MAX);
    buf_add_str(&token, http_request_header(req, "x-amz-security-token"));
    if (token.size == 0) {
        TRY(uri_query_get(req->query, STR("X-Amz-Security-Token"), &token, err));
    }
    struct err why = {0};
    if (session_open(str_of(api->secret_key), access_key, buf_str(&token), clock_wall_ms(), session,
                     &why) < 0) {
        bool expired = strcmp(err_aws_name(&why), "ExpiredToken") == 0;
        bool s3 = style == AUTH_STYLE_S3;
        return err_aws(err, s3 ? ERR_INVALID : ERR_DENIED,
                       expired ? (s3 ? "ExpiredToken" : "ExpiredTokenException")
                               : (s3 ? "InvalidToken" : "UnrecognizedClientException"),
                       "%s", why.text);
    }
    text_copy(ret->role, sizeof ret->role, str_of(session->role));
    text_copy(ret->session, sizeof ret->session, str_of(session->name));
    return 0;
}

void auth_stop(struct api *api)
{
    sigv4_key_cache_free(api->keys);
    api->keys = NULL;
}

int auth_headers(struct api *api, const struct http_request *req, enum auth_style style,
                 struct auth *ret, struct err *err)
{
    *ret = (struct auth){0};
    struct view view;
    view_init(&view, req, style);
    CLEAN(buf_done) struct buf keep = BUF_INIT(KEEP_MAX);
    struct sigv4_auth auth = {0};
    int rc = sigv4_auth_find(&view.request, &keep, &auth, err);
    if (rc == 0 || (rc < 0 && api->settings->insecure)) {
        return anonymous(api, req, style, ret, err);
    }
    TRY(rc);
    struct str secret = {0};
    struct session session;
    if (str_starts(auth.scope.access_key, STR("ASIA"))) {
        rc = session_find(api, req, auth.scope.access_key, style, ret, &session, err);
        secret = rc < 0 ? secret : str_of(session.secret_key);
    } else {
        rc = auth_secret(api, auth.scope.access_key, style, &secret, err);
    }
    if (rc < 0 && !api->settings->insecure) {
        return rc;
    }
    struct sigv4_key key = {0};
    key_find(api, secret, &auth.scope, &key);
    auth_fill(ret, &auth, &key);
    ret->unchecked = api->settings->insecure;
    TRY(payload_find(req, style, ret, err));
    if (ret->unchecked) {
        ret->payload = ret->payload == AUTH_PAYLOAD_UNKNOWN ? AUTH_PAYLOAD_UNSIGNED : ret->payload;
        return 0;
    }
    return ret->payload == AUTH_PAYLOAD_UNKNOWN ? 0
                                                : signature_check(&view.request, &auth, &key, err);
}

int auth_body(struct api *api, const struct http_request *req, enum auth_style style,
              const struct auth *auth, const char *body_sha256, struct err *err)
{
    (void)api;
    if (auth->payload == AUTH_PAYLOAD_HASH) {
        if (sigv4_same(str_of(body_sha256), str_of(auth->payload_sha256))) {
            return 0;
        }
        return err_aws(err, style == AUTH_STYLE_S3 ? ERR_INVALID : ERR_DENIED,
                       style == AUTH_STYLE_S3 ? "XAmzContentSHA256Mismatch"
                                              : "InvalidSignatureException",
                       "The provided 'x-amz-content-sha256' header does not match what was "
                       "computed.");
    }
    if (auth->payload != AUTH_PAYLOAD_UNKNOWN || auth->unchecked) {
        return 0;
    }
    struct view view;
    view_init(&view, req, style);
    view.request.payload_hash = str_of(body_sha256);
    CLEAN(buf_done) struct buf keep = BUF_INIT(KEEP_MAX);
    struct sigv4_auth found = {0};
    TRY(sigv4_auth_find(&view.request, &keep, &found, err));
    struct sigv4_key key;
    memcpy(key.at, auth->key, sizeof key.at);
    return signature_check(&view.request, &found, &key, err);
}

// ── S3's details ──

static void explain_mismatch(const struct sigv4_request *request, const struct sigv4_auth *auth,
                             struct buf *xml)
{
    CLEAN(buf_done) struct buf canonical = BUF_INIT(SIGV4_CANONICAL_MAX);
    CLEAN(buf_done) struct buf text = BUF_INIT(4096);
    struct err ignored = {0};
    if (sigv4_canonical_request(request, auth, &canonical, &ignored) < 0) {
        return;
    }
    sigv4_string_to_sign(buf_str(&canonical), auth, &text);
    xml_text_element(xml, "AWSAccessKeyId", auth->scope.access_key);
    xml_text_element(xml, "StringToSign", buf_str(&text));
    xml_text_element(xml, "SignatureProvided", auth->signature);
    xml_text_element(xml, "CanonicalRequest", buf_str(&canonical));
}

void auth_explain(const struct http_request *req, const struct err *err, struct buf *xml)
{
    struct view view;
    view_init(&view, req, AUTH_STYLE_S3);
    CLEAN(buf_done) struct buf keep = BUF_INIT(KEEP_MAX);
    struct sigv4_auth auth = {0};
    struct err ignored = {0};
    struct str name = str_of(err_aws_name(err));
    if (sigv4_auth_find(&view.request, &keep, &auth, &ignored) != 1) {
        return;
    }
    char now[CLOCK_TEXT_MAX], other[CLOCK_TEXT_MAX];
    int64_t now_ms = clock_wall_ms();
    if (str_eq(name, STR("SignatureDoesNotMatch"))) {
        explain_mismatch(&view.request, &auth, xml);
    } else if (str_eq(name, STR("InvalidAccessKeyId"))) {
        xml_text_element(xml, "AWSAccessKeyId", auth.scope.access_key);
    } else if (str_eq(name, STR("RequestTimeTooSkewed"))) {
        xml_text_element(xml, "RequestTime", auth.timestamp);
        xml_text_element(xml, "ServerTime", str_of(clock_iso(now_ms, now)));
        xml_int_element(xml, "MaxAllowedSkewMilliseconds", SIGV4_SKEW_MAX_S * INT64_C(1000));
    } else if (str_eq(name, STR("AccessDenied")) && auth.presigned &&
               now_ms > auth.signed_ms + auth.expires_s * 1000) {
        xml_int_element(xml, "X-Amz-Expires", auth.expires_s);
        xml_text_element(xml, "Expires",
                         str_of(clock_iso(auth.signed_ms + auth.expires_s * 1000, other)));
        xml_text_element(xml, "ServerTime", str_of(clock_iso(now_ms, now)));
    }
}
