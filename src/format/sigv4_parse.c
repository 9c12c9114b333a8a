// SPDX-License-Identifier: Apache-2.0
// What a request says of its signature: from the Authorization header or from the query, into one
// struct. Nothing is checked against a secret here; that is sigv4.c.
#include "base/clock.h"
#include "format/sigv4.h"
#include "format/uri.h"

#define HEADER_ERROR "AuthorizationHeaderMalformed"
#define QUERY_ERROR  "AuthorizationQueryParametersError"
#define TIME_SIZE    16 // "20150830T123600Z"
#define TOKEN_MAX    (16 * 1024)

static const struct {
    const char *text;
    enum sigv4_payload kind;
} payloads[] = {
    {"UNSIGNED-PAYLOAD", SIGV4_PAYLOAD_UNSIGNED},
    {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER},
    {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", SIGV4_PAYLOAD_STREAM_SIGNED},
    {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER},
};

static bool all_hex(struct str s)
{
    for (size_t i = 0; i < s.size; i++) {
        char c = s.at[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))) {
            return false;
        }
    }
    return true;
}

static bool all_digits(struct str s)
{
    for (size_t i = 0; i < s.size; i++) {
        if (s.at[i] < '0' || s.at[i] > '9') {
            return false;
        }
    }
    return true;
}

int sigv4_payload_kind(struct str value, enum sigv4_payload *ret, struct err *err)
{
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
        if (str_eq(value, str_of(payloads[i].text))) {
            *ret = payloads[i].kind;
            return 0;
        }
    }
    if (value.size == 64 && all_hex(value)) {
        *ret = SIGV4_PAYLOAD_HASH;
        return 0;
    }
    return err_aws(err, ERR_INVALID, "InvalidArgument",
                   "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "
                   "STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "
                   "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a sha256 value in hexadecimal");
}

struct str sigv4_header_get(const struct sigv4_request *request, const char *name)
{
    struct str wanted = str_of(name);
    for (size_t i = 0; i < request->header_count; i++) {
        if (str_eq_nocase(request->headers[i].name, wanted)) {
            struct str value = str_trim(request->headers[i].value);
            return value.at ? value : STR("");
        }
    }
    return (struct str){0};
}

static ptrdiff_t find_last(struct str s, char c)
{
    const char *found = s.size ? memrchr(s.at, c, s.size) : NULL;
    return found ? found - s.at : -1;
}

// "AKID/20150830/us-east-1/s3/aws4_request", from its end, as an access key may hold a '/'.
static int scope_parse(struct str text, struct sigv4_scope *ret, const char *aws, struct err *err)
{
    struct str part[5];
    struct str rest = text;
    for (int i = 4; i > 0; i--) {
        ptrdiff_t at = find_last(rest, '/');
        if (at < 0) {
            return err_aws(err, ERR_INVALID, aws,
                           "the Credential is malformed; expecting "
                           "\"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"");
        }
        part[i] = str_skip(rest, (size_t)at + 1);
        rest = str_head(rest, (size_t)at);
    }
    part[0] = rest;
    if (part[0].size == 0 || part[0].size > 128) {
        return err_aws(err, ERR_INVALID, aws, "the Credential has no valid access key");
    }
    if (part[1].size != 8 || !all_digits(part[1])) {
        return err_aws(err, ERR_INVALID, aws,
                       "the Credential's date \"" STR_FMT "\" is not YYYYMMDD",
                       STR_ARG(str_head(part[1], 32)));
    }
    if (part[2].size == 0 || part[3].size == 0 || part[2].size > 64 || part[3].size > 64) {
        return err_aws(err, ERR_INVALID, aws, "the Credential's region or service is not valid");
    }
    if (!str_eq(part[4], STR("aws4_request"))) {
        return err_aws(err, ERR_INVALID, aws,
                       "the Credential ends in \"" STR_FMT "\" instead of \"aws4_request\"",
                       STR_ARG(str_head(part[4], 32)));
    }
    *ret = (struct sigv4_scope){part[0], part[1], part[2], part[3]};
    return 0;
}

static int parts_check(const struct sigv4_auth *auth, const char *aws, struct err *err)
{
    if (auth->signature.size != SIGV4_HEX - 1 || !all_hex(auth->signature)) {
        return err_aws(err, ERR_INVALID, aws, "the signature is not 64 hexadecimal digits");
    }
    if (auth->signed_headers.size == 0) {
        return err_aws(err, ERR_INVALID, aws, "SignedHeaders is empty");
    }
    for (size_t i = 0; i < auth->signed_headers.size; i++) {
        char c = auth->signed_headers.at[i];
        if (c <= ' ' || c == 127 || (c >= 'A' && c <= 'Z')) {
            return err_aws(err, ERR_INVALID, aws,
                           "SignedHeaders must be names in lower case joined by ';'");
        }
    }
    return 0;
}

int sigv4_auth_parse(struct str value, struct sigv4_auth *ret, struct err *err)
{
    struct str rest = str_trim(value);
    struct str algorithm = str_cut(&rest, ' ');
    if (!str_eq(algorithm, STR("AWS4-HMAC-SHA256"))) {
        return err_aws(err, ERR_INVALID, "InvalidRequest",
                       "the authorization mechanism \"" STR_FMT "\" is not supported; "
                       "please use AWS4-HMAC-SHA256",
                       STR_ARG(str_head(algorithm, 40)));
    }
    struct sigv4_auth auth = {.expires_s = -1};
    struct str credential = {0};
    while (rest.at) {
        struct str text = str_trim(str_cut(&rest, ','));
        struct str name = str_cut(&text, '=');
        struct str *part = str_eq(name, STR("Credential"))      ? &credential
                           : str_eq(name, STR("SignedHeaders")) ? &auth.signed_headers
                           : str_eq(name, STR("Signature"))     ? &auth.signature
                                                                : NULL;
        if (name.size == 0 && rest.at) {
            continue; // ",,"
        }
        if (!part || part->at) {
            return err_aws(err, ERR_INVALID, HEADER_ERROR, "%s \"" STR_FMT "\" in Authorization",
                           part ? "a second" : "unknown part", STR_ARG(str_head(name, 40)));
        }
        *part = text.at ? text : STR("");
    }
    if (!credential.at || !auth.signed_headers.at || !auth.signature.at) {
        return err_aws(err, ERR_INVALID, HEADER_ERROR, "Authorization requires '%s' parameter",
                       !credential.at            ? "Credential"
                       : !auth.signed_headers.at ? "SignedHeaders"
                                                 : "Signature");
    }
    TRY(scope_parse(credential, &auth.scope, HEADER_ERROR, err));
    TRY(parts_check(&auth, HEADER_ERROR, err));
    *ret = auth;
    return 0;
}

static int timestamp_parse(struct str text, int64_t *ret_ms, const char *aws, struct err *err)
{
    char copy[TIME_SIZE + 1] = {0};
    if (text.size == TIME_SIZE) {
        memcpy(copy, text.at, TIME_SIZE);
    }
    int64_t ms = -1;
    if (all_digits(str_n(copy, 8)) && copy[8] == 'T' && all_digits(str_n(copy + 9, 6))) {
        ms = clock_amz_parse(copy);
    }
    if (ms < 0) {
        return err_aws(err, ERR_INVALID, aws,
                       "X-Amz-Date must be in the ISO8601 form \"yyyyMMdd'T'HHmmss'Z'\"");
    }
    *ret_ms = ms;
    return 0;
}

enum { Q_ALGORITHM, Q_CREDENTIAL, Q_DATE, Q_EXPIRES, Q_HEADERS, Q_SIGNATURE, Q_TOKEN, Q_COUNT };

static const char *const query_names[Q_COUNT] = {
    "X-Amz-Algorithm",     "X-Amz-Credential", "X-Amz-Date",          "X-Amz-Expires",
    "X-Amz-SignedHeaders", "X-Amz-Signature",  "X-Amz-Security-Token"};

// Decodes the parameters into *keep. Its memory may move meanwhile, so offsets first, views last.
static int query_parts(struct str query, struct buf *keep, struct str part[Q_COUNT],
                       struct err *err)
{
    size_t start[Q_COUNT + 1];
    bool there[Q_COUNT];
    for (int i = 0; i < Q_COUNT; i++) {
        start[i] = keep->size;
        int rc = uri_query_get(query, str_of(query_names[i]), keep, err);
        if (rc < 0) {
            err->aws = QUERY_ERROR;
            return rc;
        }
        there[i] = rc > 0;
    }
    start[Q_COUNT] = keep->size;
    if (!buf_ok(keep)) {
        return err_set(err, ERR_LIMIT, "the query string is too long");
    }
    for (int i = 0; i < Q_COUNT; i++) {
        part[i] =
            there[i] ? str_n(buf_text(keep) + start[i], start[i + 1] - start[i]) : (struct str){0};
        if (!part[i].at && i != Q_TOKEN) {
            return err_aws(err, ERR_INVALID, QUERY_ERROR,
                           "query-string authentication requires the parameter %s", query_names[i]);
        }
    }
    return 0;
}

int sigv4_auth_parse_query(struct str query, struct buf *keep, struct sigv4_auth *ret,
                           struct err *err)
{
    struct err local = {0};
    err = err ? err : &local;
    struct str part[Q_COUNT];
    TRY(query_parts(query, keep, part, err));
    if (!str_eq(part[Q_ALGORITHM], STR("AWS4-HMAC-SHA256"))) {
        return err_aws(err, ERR_INVALID, QUERY_ERROR,
                       "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"");
    }
    struct sigv4_auth auth = {.presigned = true,
                              .signed_headers = part[Q_HEADERS],
                              .signature = part[Q_SIGNATURE],
                              .timestamp = part[Q_DATE],
                              .session_token = part[Q_TOKEN]};
    TRY(scope_parse(part[Q_CREDENTIAL], &auth.scope, QUERY_ERROR, err));
    TRY(parts_check(&auth, QUERY_ERROR, err));
    TRY(timestamp_parse(auth.timestamp, &auth.signed_ms, QUERY_ERROR, err));
    if (!str_to_i64(part[Q_EXPIRES], &auth.expires_s)) {
        return err_aws(err, ERR_INVALID, QUERY_ERROR, "X-Amz-Expires should be a number");
    }
    if (auth.expires_s < 0 || auth.expires_s > SIGV4_EXPIRES_MAX_S) {
        return err_aws(err, ERR_INVALID, QUERY_ERROR,
                       auth.expires_s < 0
                           ? "X-Amz-Expires must be non-negative"
                           : "X-Amz-Expires must be less than a week (in seconds), that is "
                             "at most 604800");
    }
    if (auth.session_token.size > TOKEN_MAX) {
        return err_aws(err, ERR_INVALID, QUERY_ERROR, "X-Amz-Security-Token is too long");
    }
    *ret = auth;
    return 0;
}

// The date of a signed header: x-amz-date, or Date in either form.
static int date_find(const struct sigv4_request *request, struct buf *keep, struct sigv4_auth *auth,
                     struct err *err)
{
    struct str text = sigv4_header_get(request, "x-amz-date");
    if (!text.at) {
        text = sigv4_header_get(request, "date");
    }
    if (!text.at) {
        return err_aws(err, ERR_DENIED, "AccessDenied",
                       "AWS authentication requires a valid Date or x-amz-date header");
    }
    if (text.size > TIME_SIZE && text.size < 64) {
        char copy[64] = {0};
        memcpy(copy, text.at, text.size);
        char again[CLOCK_TEXT_MAX];
        int64_t ms = clock_http_parse(copy);
        size_t at = keep->size;
        buf_add_text(keep, ms < 0 ? "" : clock_amz(ms, again));
        text = str_n(buf_text(keep) + at, keep->size - at);
    }
    auth->timestamp = text;
    return timestamp_parse(text, &auth->signed_ms, "AccessDenied", err);
}

static int auth_find(const struct sigv4_request *request, struct buf *keep, struct sigv4_auth *ret,
                     struct err *err)
{
    if (request->header_count > SIGV4_HEADER_MAX) {
        return err_aws(err, ERR_INVALID, "InvalidRequest", "more than %d headers",
                       SIGV4_HEADER_MAX);
    }
    struct str value = sigv4_header_get(request, "authorization");
    bool in_query = uri_query_find(request->query, STR("X-Amz-Signature"), NULL) ||
                    uri_query_find(request->query, STR("X-Amz-Algorithm"), NULL);
    if (in_query && str_starts(value, STR("AWS"))) {
        return err_aws(err, ERR_INVALID, "InvalidArgument",
                       "only one authentication mechanism allowed: the X-Amz-Algorithm query "
                       "parameter or the Authorization header should be given, not both");
    }
    if (in_query) {
        TRY(sigv4_auth_parse_query(request->query, keep, ret, err));
        return 1;
    }
    if (!str_starts(value, STR("AWS"))) {
        return 0; // nothing, or a scheme that is somebody else's ("Bearer …")
    }
    struct sigv4_auth auth;
    TRY(sigv4_auth_parse(value, &auth, err));
    TRY(date_find(request, keep, &auth, err));
    auth.session_token = sigv4_header_get(request, "x-amz-security-token");
    *ret = auth;
    return 1;
}

int sigv4_auth_find(const struct sigv4_request *request, struct buf *keep, struct sigv4_auth *ret,
                    struct err *err)
{
    struct err local = {0};
    err = err ? err : &local;
    int rc = auth_find(request, keep, ret, err);
    if (rc < 0 && request->flavour != SIGV4_S3) {
        err->aws = "IncompleteSignatureException";
    }
    return rc;
}
