// SPDX-License-Identifier: Apache-2.0
// Signature version 2 of presigned URLs and browser forms, which boto3, the AWS CLI and s3cmd still
// make by default for us-east-1. (Requests signed in a header must use version 4.)
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html
#include "api/s3.h"
#include "base/mem.h"
#include "format/base64.h"
#include "format/uri.h"
#include "iam/session.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define SIGNED_MAX (64 * 1024)
#define LINES_MAX  128

// Query parameters that are part of what is signed.
static const char *const signed_params[] = {
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "delete",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "select",
    "select-type",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
};

static void signature_make(struct str secret, struct str text, struct buf *out)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    HMAC(EVP_sha1(), secret.at, (int)secret.size, (const unsigned char *)text.at, text.size, mac,
         &size);
    base64_add(out, mac, size);
}

int s3_secret(struct s3_request *r, struct str access_key, struct str token, struct buf *out,
              struct err *err)
{
    if (!token.size) {
        struct str secret = {0};
        TRY(auth_secret(r->api, access_key, AUTH_STYLE_S3, &secret, err));
        buf_add_str(out, secret);
        return 0;
    }
    struct session session;
    struct err why = {0};
    struct str root = str_of(r->api->secret_key);
    if (session_open(root, access_key, token, r->now_ms, &session, &why) < 0) {
        bool expired = strcmp(err_aws_name(&why), "ExpiredToken") == 0;
        return err_aws(err, ERR_INVALID, expired ? "ExpiredToken" : "InvalidToken", "%s", why.text);
    }
    snprintf(r->auth.role, sizeof r->auth.role, "%s", session.role);
    snprintf(r->auth.session, sizeof r->auth.session, "%s", session.name);
    buf_add_text(out, session.secret_key);
    return 0;
}

int s3_sigv2_compare(struct s3_request *r, struct str access_key, struct str token, struct str text,
                     struct str signature, struct err *err)
{
    if (r->api->settings->insecure) {
        return 0;
    }
    CLEAN(buf_done) struct buf secret = BUF_INIT(256);
    TRY(s3_secret(r, access_key, token, &secret, err));
    CLEAN(buf_done) struct buf made = BUF_INIT(128);
    signature_make(buf_str(&secret), text, &made);
    if (made.size == signature.size && checksum_same(made.at, signature.at, made.size)) {
        return 0;
    }
    return err_aws(err, ERR_DENIED, "SignatureDoesNotMatch",
                   "The request signature we calculated does not match the signature you "
                   "provided. Check your key and signing method.");
}

// Content-MD5 and Content-Type come as headers or, in a URL, as parameters.
static struct str header_or_param(struct s3_request *r, const char *name)
{
    struct str value = s3_header(r, name);
    return str_not_null(value.at ? value : s3_param(r, name));
}

static int text_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct lines {
    char *at[LINES_MAX];
    size_t count;
};

static void lines_done(struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++) {
        free(lines->at[i]);
    }
}

static void amz_line_add(struct lines *lines, struct str name, struct str value)
{
    if (lines->count == LINES_MAX || !str_eq_nocase(str_head(name, 6), STR("x-amz-"))) {
        return;
    }
    char *line = mem_printf(STR_FMT ":" STR_FMT "\n", STR_ARG(name), STR_ARG(str_trim(value)));
    for (size_t i = 0; i < name.size; i++) {
        line[i] = (char)(line[i] >= 'A' && line[i] <= 'Z' ? line[i] + 32 : line[i]);
    }
    lines->at[lines->count++] = line;
}

static void amz_headers_add(struct s3_request *r, struct buf *out)
{
    CLEAN(lines_done) struct lines lines = {0};
    for (size_t i = 0; i < r->req->header_count; i++) {
        amz_line_add(&lines, r->req->headers[i].name, r->req->headers[i].value);
    }
    struct str rest = r->req->query, name, value;
    while (uri_query_next(&rest, &name, &value)) {
        CLEAN_MEM char *text = str_dup(name);
        if (!http_request_header(r->req, text).at) {
            amz_line_add(&lines, name, str_not_null(s3_param(r, text)));
        }
    }
    qsort(lines.at, lines.count, sizeof lines.at[0], text_compare);
    for (size_t i = 0; i < lines.count; i++) {
        buf_add_text(out, lines.at[i]);
    }
}

static void resource_add(struct s3_request *r, struct buf *out)
{
    if (s3_host_bucket(r->req->host).size) {
        buf_printf(out, "/" STR_FMT, STR_ARG(r->bucket));
    }
    buf_add_str(out, r->req->path);
    char mark = '?';
    for (size_t i = 0; i < ARRAY_SIZE(signed_params); i++) { // the table is sorted
        struct str raw = {0};
        if (!uri_query_find(r->req->query, str_of(signed_params[i]), &raw)) {
            continue;
        }
        buf_printf(out, "%c%s", mark, signed_params[i]);
        if (raw.at) {
            buf_add_char(out, '=');
            buf_add_str(out, s3_param(r, signed_params[i]));
        }
        mark = '&';
    }
}

bool s3_sigv2_present(const struct s3_request *r)
{
    struct str query = r->req->query;
    return query.size && uri_query_find(query, STR("AWSAccessKeyId"), NULL) &&
           uri_query_find(query, STR("Signature"), NULL) &&
           uri_query_find(query, STR("Expires"), NULL);
}

int s3_sigv2_check(struct s3_request *r, struct err *err)
{
    struct str access_key = s3_param(r, "AWSAccessKeyId"), expires = s3_param(r, "Expires");
    int64_t until_s = 0;
    if (!str_to_i64(expires, &until_s)) {
        return err_aws(err, ERR_DENIED, "AccessDenied",
                       "Invalid date (should be seconds since epoch): " STR_FMT, STR_ARG(expires));
    }
    CLEAN(buf_done) struct buf text = BUF_INIT(SIGNED_MAX);
    struct str md5 = header_or_param(r, "content-md5"), type = header_or_param(r, "content-type");
    buf_printf(&text, STR_FMT "\n" STR_FMT "\n" STR_FMT "\n" STR_FMT "\n", STR_ARG(r->req->method),
               STR_ARG(md5), STR_ARG(type), STR_ARG(expires));
    amz_headers_add(r, &text);
    resource_add(r, &text);
    if (!buf_ok(&text)) {
        return err_aws(err, ERR_LIMIT, "InvalidRequest", "The request has too many headers");
    }
    r->auth = (struct auth){.payload = AUTH_PAYLOAD_UNSIGNED,
                            .presigned = true,
                            .unchecked = r->api->settings->insecure};
    snprintf(r->auth.access_key, sizeof r->auth.access_key, STR_FMT, STR_ARG(access_key));
    TRY(s3_sigv2_compare(r, access_key, header_or_param(r, "x-amz-security-token"), buf_str(&text),
                         s3_param(r, "Signature"), err));
    if (!r->api->settings->insecure && r->now_ms / 1000 > until_s) {
        return err_aws(err, ERR_DENIED, "AccessDenied", "Request has expired");
    }
    return 0;
}
