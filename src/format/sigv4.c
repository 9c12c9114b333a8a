// SPDX-License-Identifier: Apache-2.0
// Signature Version 4 itself: the canonical request and what is made of it, for those who sign and
// for those who check. A request passes here before any API sees it.
#include "format/sigv4.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "format/hex.h"
#include "format/uri.h"

#include <stdlib.h>

static bool is_s3(const struct sigv4_request *request)
{
    return request->flavour == SIGV4_S3;
}

// Removes empty and "." segments and resolves "..", as the SDKs do for every service but S3.
static void path_normalize(struct str path, struct buf *out)
{
    struct str rest = path;
    while (rest.at) {
        struct str part = str_cut(&rest, '/');
        if (str_eq(part, STR(".."))) {
            while (out->size && out->at[--out->size] != '/') {
            }
        } else if (part.size && !str_eq(part, STR("."))) {
            buf_add_char(out, '/');
            buf_add_str(out, part);
        }
    }
    if (out->size == 0 || str_ends(path, STR("/"))) {
        buf_add_char(out, '/');
    }
}

static int add_path(const struct sigv4_request *request, struct buf *out, struct err *err)
{
    CLEAN(buf_done) struct buf plain = BUF_INIT(SIGV4_CANONICAL_MAX);
    struct str path = request->path.size ? request->path : STR("/");
    if (is_s3(request)) {
        TRY(uri_decode(path, URI_PATH, &plain, err));
    } else if (request->flavour == SIGV4_SERVICE) {
        path_normalize(path, &plain);
    } else {
        buf_add_str(&plain, path);
    }
    if (!buf_ok(&plain)) {
        return err_set(err, ERR_LIMIT, "the path is too long");
    }
    uri_encode(out, buf_str(&plain), /* keep_slash */ true);
    return 0;
}

// A parameter as it goes into the canonical query; offsets, as the buffer they point into may move.
struct pair {
    size_t name, value, end;
    const struct buf *in;
};

static struct str pair_name(const struct pair *p)
{
    return str_n(p->in->at + p->name, p->value - p->name);
}

static struct str pair_value(const struct pair *p)
{
    return str_n(p->in->at + p->value, p->end - p->value);
}

static int pair_cmp(const void *left, const void *right)
{
    const struct pair *a = left, *b = right;
    int order = str_cmp(pair_name(a), pair_name(b));
    return order ? order : str_cmp(pair_value(a), pair_value(b));
}

static void add_recoded(struct str raw, struct buf *scratch, struct buf *out)
{
    buf_clear(scratch);
    uri_decode_lenient(raw, URI_QUERY, scratch);
    uri_encode(out, buf_str(scratch), /* keep_slash */ false);
}

static int add_query(const struct sigv4_request *request, bool presigned, struct buf *out,
                     struct err *err)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(SIGV4_CANONICAL_MAX);
    CLEAN(buf_done) struct buf scratch = BUF_INIT(SIGV4_CANONICAL_MAX);
    struct pair pairs[SIGV4_QUERY_MAX];
    size_t count = 0;
    struct str rest = request->query, name, value;
    while (uri_query_next(&rest, &name, &value)) {
        struct pair *p = &pairs[count];
        if (count == ARRAY_SIZE(pairs)) {
            return err_set(err, ERR_LIMIT, "more than %d query parameters", SIGV4_QUERY_MAX);
        }
        p->in = &text;
        p->name = text.size;
        add_recoded(name, &scratch, &text);
        p->value = text.size;
        add_recoded(value, &scratch, &text);
        p->end = text.size;
        if (!buf_ok(&text) || !buf_ok(&scratch)) {
            return err_set(err, ERR_LIMIT, "the query string is too long");
        }
        buf_add_char(&text, 0); // so that text.at is never NULL
        count += !(presigned && str_eq(pair_name(p), STR("X-Amz-Signature")));
    }
    qsort(pairs, count, sizeof pairs[0], pair_cmp);
    for (size_t i = 0; i < count; i++) {
        buf_add_text(out, i ? "&" : "");
        buf_add_str(out, pair_name(&pairs[i]));
        buf_add_char(out, '=');
        buf_add_str(out, pair_value(&pairs[i]));
    }
    return 0;
}

// White space at the ends goes, inside it becomes one space.
static void add_header_value(struct str value, struct buf *out)
{
    value = str_trim(value);
    bool space = false;
    for (size_t i = 0; i < value.size; i++) {
        char c = value.at[i];
        bool is_space = c == ' ' || (c >= '\t' && c <= '\r');
        if (!is_space) {
            buf_add_text(out, space ? " " : "");
            buf_add_char(out, c);
        }
        space = is_space;
    }
}

static int add_headers(const struct sigv4_request *request, struct str signed_headers,
                       struct buf *out, struct err *err)
{
    struct str rest = signed_headers;
    for (size_t n = 0; rest.at; n++) {
        struct str name = str_cut(&rest, ';');
        if (n == SIGV4_HEADER_MAX) {
            return err_set(err, ERR_LIMIT, "more than %d signed headers", SIGV4_HEADER_MAX);
        }
        buf_add_str(out, name);
        bool found = false;
        for (size_t i = 0; i < request->header_count; i++) {
            if (str_eq_nocase(request->headers[i].name, name)) {
                buf_add_char(out, found ? ',' : ':');
                add_header_value(request->headers[i].value, out);
                found = true;
            }
        }
        if (!found) {
            return err_aws(err, ERR_DENIED,
                           is_s3(request) ? "SignatureDoesNotMatch" : "InvalidSignatureException",
                           "the signed header \"" STR_FMT "\" is not in the request",
                           STR_ARG(str_head(name, 80)));
        }
        buf_add_char(out, '\n');
    }
    return 0;
}

static struct str payload_hash(const struct sigv4_request *request, bool presigned)
{
    if (request->payload_hash.size) {
        return request->payload_hash;
    }
    struct str value = sigv4_header_get(request, "x-amz-content-sha256");
    if (value.size) {
        return value;
    }
    return presigned && is_s3(request) ? STR("UNSIGNED-PAYLOAD") : STR(SIGV4_EMPTY_SHA256);
}

int sigv4_canonical_request(const struct sigv4_request *request, const struct sigv4_auth *auth,
                            struct buf *out, struct err *err)
{
    if (request->header_count > SIGV4_HEADER_MAX) {
        return err_set(err, ERR_LIMIT, "more than %d headers", SIGV4_HEADER_MAX);
    }
    buf_add_str(out, request->method);
    buf_add_char(out, '\n');
    TRY(add_path(request, out, err));
    buf_add_char(out, '\n');
    TRY(add_query(request, auth->presigned, out, err));
    buf_add_char(out, '\n');
    TRY(add_headers(request, auth->signed_headers, out, err));
    buf_add_char(out, '\n');
    buf_add_str(out, auth->signed_headers);
    buf_add_char(out, '\n');
    buf_add_str(out, payload_hash(request, auth->presigned));
    if (!buf_ok(out)) {
        return err_set(err, ERR_LIMIT, "the request's headers and query are too long");
    }
    return 0;
}

static void add_scope(struct buf *out, const struct sigv4_scope *s)
{
    buf_add_str(out, s->date);
    buf_add_char(out, '/');
    buf_add_str(out, s->region);
    buf_add_char(out, '/');
    buf_add_str(out, s->service);
    buf_add_text(out, "/aws4_request");
}

void sigv4_string_to_sign(struct str canonical_request, const struct sigv4_auth *auth,
                          struct buf *out)
{
    uint8_t hash[32];
    sigv4_sha256(canonical_request, hash);
    buf_add_text(out, "AWS4-HMAC-SHA256\n");
    buf_add_str(out, auth->timestamp);
    buf_add_char(out, '\n');
    add_scope(out, &auth->scope);
    buf_add_char(out, '\n');
    hex_add(out, hash, sizeof hash);
}

static int compute(const struct sigv4_request *request, const struct sigv4_auth *auth,
                   const struct sigv4_key *key, char ret[SIGV4_HEX], struct err *err)
{
    CLEAN(buf_done) struct buf canonical = BUF_INIT(SIGV4_CANONICAL_MAX);
    CLEAN(buf_done) struct buf text = BUF_INIT(4096);
    TRY(sigv4_canonical_request(request, auth, &canonical, err));
    sigv4_string_to_sign(buf_str(&canonical), auth, &text);
    if (!buf_ok(&text)) {
        return err_set(err, ERR_LIMIT, "the credential scope is too long");
    }
    sigv4_signature(key, buf_str(&text), ret);
    return 0;
}

static int denied(const struct sigv4_request *request, struct err *err, const char *s3_name,
                  const char *text)
{
    return err_aws(err, ERR_DENIED, is_s3(request) ? s3_name : "InvalidSignatureException", "%s",
                   text);
}

static int check_time(const struct sigv4_request *request, const struct sigv4_auth *auth,
                      int64_t now_ms, struct err *err)
{
    int64_t skew_ms = SIGV4_SKEW_MAX_S * INT64_C(1000);
    if (!str_eq(auth->scope.date, str_head(auth->timestamp, 8))) {
        return denied(request, err, "SignatureDoesNotMatch",
                      "the date in the credential scope does not match the request's date");
    }
    if (auth->presigned) {
        if (auth->signed_ms - skew_ms > now_ms) {
            return denied(request, err, "AccessDenied", "Request is not valid yet");
        }
        if (now_ms > auth->signed_ms + auth->expires_s * 1000) {
            return denied(request, err, "AccessDenied", "Request has expired");
        }
        return 0;
    }
    if (auth->signed_ms < now_ms - skew_ms || auth->signed_ms > now_ms + skew_ms) {
        return denied(request, err, "RequestTimeTooSkewed",
                      "The difference between the request time and the current time is too large.");
    }
    return 0;
}

static bool name_listed(struct str list, struct str name)
{
    while (list.at) {
        if (str_eq_nocase(str_cut(&list, ';'), name)) {
            return true;
        }
    }
    return false;
}

// A header that means something to the service must not be added behind the signer's back.
static bool must_be_signed(const struct sigv4_request *request, struct str name)
{
    if (str_eq_nocase(name, STR("host"))) {
        return true;
    }
    if (!str_eq_nocase(str_head(name, 6), STR("x-amz-")) ||
        str_eq_nocase(name, STR("x-amz-user-agent"))) {
        return false;
    }
    return is_s3(request) || !str_eq_nocase(name, STR("x-amz-security-token"));
}

static int check_signed_headers(const struct sigv4_request *request, const struct sigv4_auth *auth,
                                struct err *err)
{
    for (size_t i = 0; i < request->header_count; i++) {
        struct str name = request->headers[i].name;
        if (must_be_signed(request, name) && !name_listed(auth->signed_headers, name)) {
            return err_aws(
                err, ERR_DENIED, is_s3(request) ? "AccessDenied" : "InvalidSignatureException",
                "There were headers present in the request which were not signed: " STR_FMT,
                STR_ARG(str_head(name, 80)));
        }
    }
    if (!name_listed(auth->signed_headers, STR("host"))) {
        return denied(request, err, "AccessDenied", "the header \"host\" must be signed");
    }
    return 0;
}

int sigv4_verify(const struct sigv4_request *request, const struct sigv4_auth *auth,
                 const struct sigv4_key *key, int64_t now_ms, struct err *err)
{
    TRY(check_time(request, auth, now_ms, err));
    if (request->header_count > SIGV4_HEADER_MAX || auth->signed_headers.size > 16 * 1024) {
        return err_set(err, ERR_LIMIT, "too many headers");
    }
    TRY(check_signed_headers(request, auth, err));
    char wanted[SIGV4_HEX];
    TRY(compute(request, auth, key, wanted, err));
    if (!sigv4_same(str_of(wanted), auth->signature)) {
        return denied(request, err, "SignatureDoesNotMatch",
                      "The request signature we calculated does not match the signature you "
                      "provided. Check your key and signing method.");
    }
    return 0;
}

// Headers that proxies and libraries change or add on the way.
static bool is_signable(struct str name)
{
    static const char *const not [] = {"authorization", "connection",        "user-agent",
                                       "expect",        "transfer-encoding", "x-amzn-trace-id"};
    for (size_t i = 0; i < ARRAY_SIZE(not ); i++) {
        if (str_eq_nocase(name, str_of(not [i]))) {
            return false;
        }
    }
    return true;
}

static int name_cmp(const void *left, const void *right)
{
    const struct str *a = left, *b = right;
    for (size_t i = 0; i < a->size && i < b->size; i++) {
        int x = a->at[i] | (a->at[i] >= 'A' && a->at[i] <= 'Z' ? 32 : 0);
        int y = b->at[i] | (b->at[i] >= 'A' && b->at[i] <= 'Z' ? 32 : 0);
        if (x != y) {
            return x - y;
        }
    }
    return (a->size > b->size) - (a->size < b->size);
}

static int list_headers(const struct sigv4_request *request, struct buf *out, struct err *err)
{
    struct str names[SIGV4_HEADER_MAX];
    size_t count = 0;
    if (request->header_count > SIGV4_HEADER_MAX) {
        return err_set(err, ERR_LIMIT, "more than %d headers", SIGV4_HEADER_MAX);
    }
    for (size_t i = 0; i < request->header_count; i++) {
        if (is_signable(request->headers[i].name)) {
            names[count++] = request->headers[i].name;
        }
    }
    qsort(names, count, sizeof names[0], name_cmp);
    for (size_t i = 0; i < count; i++) {
        if (i && str_eq_nocase(names[i], names[i - 1])) {
            continue;
        }
        buf_add_text(out, i ? ";" : "");
        for (size_t k = 0; k < names[i].size; k++) {
            char c = names[i].at[k];
            buf_add_char(out, c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
        }
    }
    if (!buf_ok(out) || out->size == 0) {
        return err_set(err, ERR_LIMIT, "no headers to sign, or too many");
    }
    return 0;
}

int sigv4_sign(const struct sigv4_request *request, const struct sigv4_credentials *credentials,
               struct str region, struct str service, int64_t now_ms, struct buf *ret,
               struct err *err)
{
    CLEAN(buf_done) struct buf names = BUF_INIT(16 * 1024);
    TRY(list_headers(request, &names, err));
    char now[CLOCK_TEXT_MAX];
    struct str timestamp = str_of(clock_amz(now_ms, now));
    struct sigv4_auth auth = {
        .scope = {credentials->access_key, str_head(timestamp, 8), region, service},
        .signed_headers = buf_str(&names),
        .timestamp = timestamp,
        .expires_s = -1};
    struct sigv4_key key;
    sigv4_key_derive(credentials->secret, &auth.scope, &key);
    char signature[SIGV4_HEX];
    TRY(compute(request, &auth, &key, signature, err));
    buf_add_text(ret, "AWS4-HMAC-SHA256 Credential=");
    buf_add_str(ret, credentials->access_key);
    buf_add_char(ret, '/');
    add_scope(ret, &auth.scope);
    buf_add_text(ret, ", SignedHeaders=");
    buf_add_str(ret, auth.signed_headers);
    buf_add_text(ret, ", Signature=");
    buf_add_text(ret, signature);
    return buf_ok(ret) ? 0 : err_set(err, ERR_LIMIT, "no room for the signature");
}

static void add_parameter(struct buf *out, const char *name, struct str value)
{
    buf_add_text(out, out->size ? "&" : "");
    buf_add_text(out, name);
    buf_add_char(out, '=');
    uri_encode(out, value, /* keep_slash */ false);
}

int sigv4_presign(const struct sigv4_request *request, const struct sigv4_credentials *credentials,
                  struct str region, struct str service, int64_t now_ms, int64_t expires_s,
                  struct buf *ret, struct err *err)
{
    CLEAN(buf_done) struct buf names = BUF_INIT(16 * 1024);
    CLEAN(buf_done) struct buf query = BUF_INIT(SIGV4_CANONICAL_MAX);
    CLEAN(buf_done) struct buf credential = BUF_INIT(1024);
    TRY(list_headers(request, &names, err));
    char now[CLOCK_TEXT_MAX], expires[24];
    struct str timestamp = str_of(clock_amz(now_ms, now));
    snprintf(expires, sizeof expires, "%lld", (long long)expires_s);
    struct sigv4_auth auth = {
        .scope = {credentials->access_key, str_head(timestamp, 8), region, service},
        .signed_headers = buf_str(&names),
        .timestamp = timestamp,
        .expires_s = expires_s,
        .presigned = true};
    buf_add_str(&credential, credentials->access_key);
    buf_add_char(&credential, '/');
    add_scope(&credential, &auth.scope);
    buf_add_str(&query, request->query);
    add_parameter(&query, "X-Amz-Algorithm", STR("AWS4-HMAC-SHA256"));
    add_parameter(&query, "X-Amz-Credential", buf_str(&credential));
    add_parameter(&query, "X-Amz-Date", timestamp);
    add_parameter(&query, "X-Amz-SignedHeaders", auth.signed_headers);
    add_parameter(&query, "X-Amz-Expires", str_of(expires));
    if (credentials->session_token.size) {
        add_parameter(&query, "X-Amz-Security-Token", credentials->session_token);
    }
    if (!buf_ok(&query) || !buf_ok(&credential)) {
        return err_set(err, ERR_LIMIT, "the query to be signed is too long");
    }
    struct sigv4_request whole = *request;
    whole.query = buf_str(&query);
    struct sigv4_key key;
    sigv4_key_derive(credentials->secret, &auth.scope, &key);
    char signature[SIGV4_HEX];
    TRY(compute(&whole, &auth, &key, signature, err));
    buf_add_str(ret, buf_str(&query));
    buf_add_text(ret, "&X-Amz-Signature=");
    buf_add_text(ret, signature);
    return buf_ok(ret) ? 0 : err_set(err, ERR_LIMIT, "no room for the presigned query");
}
