// SPDX-License-Identifier: Apache-2.0
// Authentication: requests signed as clients sign them, and everything that can be wrong with them.
#include "api/auth.h"
#include "base/clock.h"
#include "base/mem.h"
#include "format/hex.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define KEY    "AKIDEXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

struct signer {
    const char *key, *secret, *service, *payload; // payload NULL: no x-amz-content-sha256
    const char *body_sha256;                      // what the signature covers when payload is NULL
    int64_t offset_ms;                            // of the client's clock
};

struct fixture {
    struct api_settings settings;
    struct api api;
    struct http_request req;
    struct http_header headers[8];
    struct buf authorization, query;
    char date[CLOCK_TEXT_MAX];
};

static int setup(void **state)
{
    struct fixture *f = NEW(struct fixture);
    f->settings = (struct api_settings){.region = "us-east-1"};
    f->api = (struct api){.settings = &f->settings, .access_key = KEY, .secret_key = SECRET};
    f->req = (struct http_request){.method = STR("PUT"),
                                   .path = STR("/bucket/a%20key"),
                                   .query = STR(""),
                                   .headers = f->headers,
                                   .body_size = 5};
    buf_init(&f->authorization, 4096);
    buf_init(&f->query, 4096);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    sigv4_key_cache_free(f->api.keys);
    buf_done(&f->authorization);
    buf_done(&f->query);
    free(f);
    return 0;
}

static void header(struct fixture *f, const char *name, const char *value)
{
    f->headers[f->req.header_count++] = (struct http_header){str_of(name), str_of(value)};
}

static struct sigv4_request view(struct fixture *f, const struct signer *s,
                                 struct sigv4_header headers[8])
{
    for (size_t i = 0; i < f->req.header_count; i++) {
        headers[i] = (struct sigv4_header){f->headers[i].name, f->headers[i].value};
    }
    return (struct sigv4_request){
        .flavour = strcmp(s->service, "s3") == 0 ? SIGV4_S3 : SIGV4_SERVICE,
        .method = f->req.method,
        .path = f->req.path,
        .query = f->req.query,
        .headers = headers,
        .header_count = f->req.header_count,
        .payload_hash = str_of(s->payload ? s->payload : s->body_sha256),
    };
}

static void sign(struct fixture *f, const struct signer *s)
{
    struct err err = {0};
    int64_t now_ms = clock_wall_ms() + s->offset_ms;
    clock_amz(now_ms, f->date);
    header(f, "Host", "127.0.0.1:4566");
    header(f, "X-Amz-Date", f->date);
    if (s->payload) {
        header(f, "X-Amz-Content-SHA256", s->payload);
    }
    struct sigv4_header headers[8];
    struct sigv4_request request = view(f, s, headers);
    struct sigv4_credentials credentials = {str_of(s->key), str_of(s->secret), {0}};
    assert_int_equal(sigv4_sign(&request, &credentials, STR("us-east-1"), str_of(s->service),
                                now_ms, &f->authorization, &err),
                     0);
    header(f, "Authorization", buf_text(&f->authorization));
}

static void hash(const char *body, char ret[65])
{
    uint8_t bytes[32];
    sigv4_sha256(str_of(body), bytes);
    hex_write(bytes, sizeof bytes, ret);
}

static int check(struct fixture *f, enum auth_style style, struct auth *auth, struct err *err)
{
    return auth_headers(&f->api, &f->req, style, auth, err);
}

static void s3_signs_its_body(void **state)
{
    struct fixture *f = *state;
    char sha[65], other[65];
    hash("hello", sha);
    hash("hullo", other);
    sign(f, &(struct signer){KEY, SECRET, "s3", sha, NULL, 0});
    struct auth auth;
    struct err err = {0};
    assert_int_equal(check(f, AUTH_STYLE_S3, &auth, &err), 0);
    assert_int_equal(auth.payload, AUTH_PAYLOAD_HASH);
    assert_true(auth_wants_hash(&auth));
    assert_string_equal(auth.access_key, KEY);
    assert_string_equal(auth.region, "us-east-1");
    assert_string_equal(auth.service, "s3");
    assert_string_equal(auth.date, f->date);
    assert_int_equal(strlen(auth.signature), 64);
    assert_int_equal(auth_body(&f->api, &f->req, AUTH_STYLE_S3, &auth, sha, &err), 0);
    assert_int_equal(auth_body(&f->api, &f->req, AUTH_STYLE_S3, &auth, other, &err), ERR_INVALID);
    assert_string_equal(err_aws_name(&err), "XAmzContentSHA256Mismatch");
}

static void lambda_signs_its_body_unsaid(void **state)
{
    struct fixture *f = *state;
    char sha[65], other[65];
    hash("hello", sha);
    hash("hullo", other);
    f->req.path = STR("/2015-03-31/functions/arn%3Aaws/invocations");
    sign(f, &(struct signer){KEY, SECRET, "lambda", NULL, sha, 0});
    struct auth auth;
    struct err err = {0};
    assert_int_equal(check(f, AUTH_STYLE_JSON, &auth, &err), 0);
    assert_int_equal(auth.payload, AUTH_PAYLOAD_UNKNOWN);
    assert_int_equal(auth_body(&f->api, &f->req, AUTH_STYLE_JSON, &auth, sha, &err), 0);
    assert_int_equal(auth_body(&f->api, &f->req, AUTH_STYLE_JSON, &auth, other, &err), ERR_DENIED);
    assert_string_equal(err_aws_name(&err), "InvalidSignatureException");
}

static void a_request_without_body_is_checked_at_once(void **state)
{
    struct fixture *f = *state;
    f->req.method = STR("GET");
    f->req.body_size = 0;
    sign(f, &(struct signer){KEY, "wrong", "lambda", NULL, SIGV4_EMPTY_SHA256, 0});
    struct auth auth;
    struct err err = {0};
    assert_int_equal(check(f, AUTH_STYLE_JSON, &auth, &err), ERR_DENIED);
    assert_string_equal(err_aws_name(&err), "InvalidSignatureException");
}

static void payload_kinds(void **state)
{
    static const struct {
        const char *value;
        enum auth_payload payload;
    } kinds[] = {
        {"UNSIGNED-PAYLOAD", AUTH_PAYLOAD_UNSIGNED},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", AUTH_PAYLOAD_CHUNKED},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", AUTH_PAYLOAD_CHUNKED_TRAILER},
        {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", AUTH_PAYLOAD_CHUNKED_UNSIGNED_TRAILER},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        f->req.header_count = 0;
        buf_clear(&f->authorization);
        sign(f, &(struct signer){KEY, SECRET, "s3", kinds[i].value, NULL, 0});
        struct auth auth;
        struct err err = {0};
        assert_int_equal(check(f, AUTH_STYLE_S3, &auth, &err), 0);
        assert_int_equal(auth.payload, kinds[i].payload);
        assert_false(auth_wants_hash(&auth));
        assert_int_equal(auth_body(&f->api, &f->req, AUTH_STYLE_S3, &auth, "", &err), 0);
    }
    f->req.header_count = 0;
    buf_clear(&f->authorization);
    sign(f, &(struct signer){KEY, SECRET, "s3", "NONSENSE", NULL, 0});
    struct auth auth;
    struct err err = {0};
    assert_int_equal(check(f, AUTH_STYLE_S3, &auth, &err), ERR_INVALID);
    assert_string_equal(err_aws_name(&err), "InvalidArgument");
}

// What is wrong, and what each style calls it.
static void wrong_signers(void **state)
{
    static const struct {
        struct signer s3;
        const char *s3_name, *json_name, *json_text;
    } cases[] = {
        {{"AKIDOTHER", SECRET, "s3", "UNSIGNED-PAYLOAD", NULL, 0},
         "InvalidAccessKeyId",
         "UnrecognizedClientException",
         "security token"},
        {{KEY, "wrong", "s3", "UNSIGNED-PAYLOAD", NULL, 0},
         "SignatureDoesNotMatch",
         "InvalidSignatureException",
         "does not match"},
        {{KEY, SECRET, "s3", "UNSIGNED-PAYLOAD", NULL, -16 * 60 * 1000},
         "RequestTimeTooSkewed",
         "InvalidSignatureException",
         "Signature expired: "},
        {{KEY, SECRET, "s3", "UNSIGNED-PAYLOAD", NULL, 16 * 60 * 1000},
         "RequestTimeTooSkewed",
         "InvalidSignatureException",
         "Signature not yet current: "},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        for (int json = 0; json < 2; json++) {
            f->req.header_count = 0;
            buf_clear(&f->authorization);
            struct signer signer = cases[i].s3;
            signer.service = json ? "lambda" : "s3";
            sign(f, &signer);
            struct auth auth;
            struct err err = {0};
            assert_int_equal(check(f, json ? AUTH_STYLE_JSON : AUTH_STYLE_S3, &auth, &err),
                             ERR_DENIED);
            assert_string_equal(err_aws_name(&err), json ? cases[i].json_name : cases[i].s3_name);
            if (json) {
                assert_non_null(strstr(err.text, cases[i].json_text));
            }
        }
    }
    // Fourteen minutes are fine.
    f->req.header_count = 0;
    buf_clear(&f->authorization);
    sign(f, &(struct signer){KEY, SECRET, "s3", "UNSIGNED-PAYLOAD", NULL, -14 * 60 * 1000});
    struct auth auth;
    struct err err = {0};
    assert_int_equal(check(f, AUTH_STYLE_S3, &auth, &err), 0);
}

static void tampered_requests(void **state)
{
    struct fixture *f = *state;
    struct auth auth;
    struct err err = {0};
    sign(f, &(struct signer){KEY, SECRET, "s3", "UNSIGNED-PAYLOAD", NULL, 0});
    f->req.path = STR("/bucket/another");
    assert_int_equal(check(f, AUTH_STYLE_S3, &auth, &err), ERR_DENIED);
    assert_string_equal(err_aws_name(&err), "SignatureDoesNotMatch");
    struct buf xml = BUF_INIT(65536);
    auth_explain(&f->req, &err, &xml);
    assert_non_null(strstr(buf_text(&xml), "<StringToSign>AWS4-HMAC-SHA256\n"));
    assert_non_null(strstr(buf_text(&xml), "<CanonicalRequest>PUT\n/bucket/another\n"));
    assert_non_null(strstr(buf_text(&xml), "<AWSAccessKeyId>" KEY));
    assert_null(strstr(buf_text(&xml), SECRET));
    buf_done(&xml);
    f->req.path = STR("/bucket/a%20key");
    f->req.method = STR("DELETE");
    assert_int_equal(check(f, AUTH_STYLE_S3, &auth, &err), ERR_DENIED);
    f->req.method = STR("PUT");
    assert_int_equal(check(f, AUTH_STYLE_S3, &auth, &err), 0);
    header(f, "X-Amz-Acl", "public-read"); // added behind the signer's back
    assert_int_equal(check(f, AUTH_STYLE_S3, &auth, &err), ERR_DENIED);
}

static void missing_and_malformed(void **state)
{
    struct fixture *f = *state;
    struct auth auth;
    struct err err = {0};
    assert_int_equal(check(f, AUTH_STYLE_S3, &auth, &err), ERR_DENIED);
    assert_string_equal(err_aws_name(&err), "AccessDenied");
    assert_string_equal(err.text, "Access Denied");
    assert_int_equal(check(f, AUTH_STYLE_JSON, &auth, &err), ERR_DENIED);
    assert_string_equal(err_aws_name(&err), "MissingAuthenticationTokenException");
    assert_string_equal(err.text, "Missing Authentication Token");

    static const char *const values[] = {
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=" KEY
        "/20150830/us-east-1/s3/aws4_request, SignedHeaders=host",
        "AWS AKID:signature",
    };
    header(f, "X-Amz-Date", "20150830T123600Z");
    header(f, "Authorization", "");
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        f->headers[1].value = str_of(values[i]);
        assert_true(check(f, AUTH_STYLE_S3, &auth, &err) < 0);
        assert_true(check(f, AUTH_STYLE_JSON, &auth, &err) < 0);
        assert_string_equal(err_aws_name(&err), "IncompleteSignatureException");
    }
}

static void presign(struct fixture *f, const char *service, int64_t offset_ms)
{
    struct err err = {0};
    header(f, "Host", "127.0.0.1:4566");
    struct signer s = {KEY, SECRET, service, "UNSIGNED-PAYLOAD", NULL, offset_ms};
    if (strcmp(service, "s3") != 0) {
        s.payload = SIGV4_EMPTY_SHA256;
    }
    struct sigv4_header headers[8];
    struct sigv4_request request = view(f, &s, headers);
    struct sigv4_credentials credentials = {STR(KEY), STR(SECRET), {0}};
    assert_int_equal(sigv4_presign(&request, &credentials, STR("us-east-1"), str_of(service),
                                   clock_wall_ms() + offset_ms, 60, &f->query, &err),
                     0);
    f->req.query = buf_str(&f->query);
}

static void presigned_urls(void **state)
{
    struct fixture *f = *state;
    struct auth auth;
    struct err err = {0};
    presign(f, "s3", 0);
    assert_int_equal(check(f, AUTH_STYLE_S3, &auth, &err), 0);
    assert_true(auth.presigned);
    assert_int_equal(auth.payload, AUTH_PAYLOAD_UNSIGNED);
    buf_add_text(&f->query, "&added=1");
    f->req.query = buf_str(&f->query);
    assert_int_equal(check(f, AUTH_STYLE_S3, &auth, &err), ERR_DENIED);
}

static void expired_urls(void **state)
{
    struct fixture *f = *state;
    struct auth auth;
    struct err err = {0};
    presign(f, "s3", -61000);
    assert_int_equal(check(f, AUTH_STYLE_S3, &auth, &err), ERR_DENIED);
    assert_string_equal(err_aws_name(&err), "AccessDenied");
    assert_string_equal(err.text, "Request has expired");
    struct buf xml = BUF_INIT(4096);
    auth_explain(&f->req, &err, &xml);
    assert_non_null(strstr(buf_text(&xml), "<X-Amz-Expires>60</X-Amz-Expires>"));
    buf_done(&xml);
}

static void insecure_takes_anybody(void **state)
{
    struct fixture *f = *state;
    struct auth auth;
    struct err err = {0};
    f->settings.insecure = true;
    assert_int_equal(check(f, AUTH_STYLE_S3, &auth, &err), 0);
    assert_true(auth.anonymous && auth.unchecked);
    assert_int_equal(auth.payload, AUTH_PAYLOAD_UNSIGNED);
    assert_int_equal(check(f, AUTH_STYLE_JSON, &auth, &err), 0);
    assert_int_equal(auth_body(&f->api, &f->req, AUTH_STYLE_JSON, &auth, "x", &err), 0);

    header(f, "Content-Encoding", "gzip, aws-chunked");
    assert_int_equal(check(f, AUTH_STYLE_S3, &auth, &err), 0);
    assert_int_equal(auth.payload, AUTH_PAYLOAD_CHUNKED_UNSIGNED_TRAILER);

    f->req.header_count = 0;
    sign(f, &(struct signer){"test", "test", "lambda", NULL, SIGV4_EMPTY_SHA256, 0});
    assert_int_equal(check(f, AUTH_STYLE_JSON, &auth, &err), 0);
    assert_false(auth.anonymous);
    assert_true(auth.unchecked);
    assert_int_equal(auth_body(&f->api, &f->req, AUTH_STYLE_JSON, &auth, "x", &err), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(s3_signs_its_body),
        TEST(lambda_signs_its_body_unsaid),
        TEST(a_request_without_body_is_checked_at_once),
        TEST(payload_kinds),
        TEST(wrong_signers),
        TEST(tampered_requests),
        TEST(missing_and_malformed),
        TEST(presigned_urls),
        TEST(expired_urls),
        TEST(insecure_takes_anybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
