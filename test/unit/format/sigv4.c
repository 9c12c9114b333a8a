// SPDX-License-Identifier: Apache-2.0
// Signature Version 4 against the public conformance vectors (when they are there), S3's documented
// examples, and requests that were tampered with.
#include "format/sigv4.h"
#include "base/clock.h"
#include "files.h"

#include <dirent.h>
#include <jansson.h>
#include <limits.h>

#define VECTORS "data/conformance/sigv4"

struct vector {
    char *dir;
    json_t *context;
    struct buf file;  // request.txt, folded lines unfolded
    struct buf extra; // values of added headers
    struct sigv4_header headers[16];
    size_t header_count;
    struct sigv4_request request;
    struct sigv4_credentials credentials;
    int64_t now_ms;
};

static void vector_done(struct vector *v)
{
    buf_done(&v->file);
    buf_done(&v->extra);
    json_decref(v->context);
}

static struct str context_str(const struct vector *v, const char *name)
{
    return str_of(json_string_value(json_object_get(v->context, name)));
}

static void vector_file(const struct vector *v, const char *name, struct buf *out)
{
    CLEAN_MEM char *path = mem_printf("%s/%s", v->dir, name);
    assert_true(file_read(path, out));
}

// "\n  more" continues a header: a space for our purpose.
static void unfold(struct buf *file)
{
    for (size_t i = 0; i + 1 < file->size; i++) {
        if (file->at[i] == '\n' && file->at[i + 1] == ' ') {
            file->at[i] = ' ';
        }
        if (file->at[i] == '\n' && file->at[i + 1] == '\n') {
            break;
        }
    }
}

static void add_header(struct vector *v, const char *name, struct str value)
{
    assert_true(v->header_count < ARRAY_SIZE(v->headers));
    v->headers[v->header_count++] = (struct sigv4_header){str_of(name), value};
    v->request.headers = v->headers;
    v->request.header_count = v->header_count;
}

static void parse_request(struct vector *v, bool unnormalized, char hash[SIGV4_HEX])
{
    struct str rest = buf_str(&v->file);
    struct str line = str_cut(&rest, '\n');
    v->request.flavour = unnormalized ? SIGV4_UNNORMALIZED : SIGV4_SERVICE;
    v->request.method = str_cut(&line, ' ');
    struct str target = str_head(line, line.size - strlen(" HTTP/1.1"));
    v->request.path = str_cut(&target, '?');
    v->request.query = target;
    while (rest.at && rest.size && rest.at[0] != '\n') {
        line = str_cut(&rest, '\n');
        struct str name = str_cut(&line, ':');
        v->headers[v->header_count++] = (struct sigv4_header){name, line};
    }
    v->request.headers = v->headers;
    v->request.header_count = v->header_count;
    uint8_t sum[32];
    sigv4_sha256(str_skip(rest, 1), sum);
    for (int i = 0; i < 32; i++) {
        snprintf(hash + 2 * i, 3, "%02x", sum[i]);
    }
}

static void vector_load(struct vector *v, char *dir, char hash[SIGV4_HEX])
{
    *v = (struct vector){.dir = dir, .file = BUF_INIT(65536), .extra = BUF_INIT(65536)};
    CLEAN(buf_done) struct buf context = BUF_INIT(65536);
    vector_file(v, "context.json", &context);
    v->context = json_loads(buf_text(&context), 0, NULL);
    assert_non_null(v->context);
    vector_file(v, "request.txt", &v->file);
    unfold(&v->file);
    parse_request(v, !json_is_true(json_object_get(v->context, "normalize")), hash);
    json_t *c = json_object_get(v->context, "credentials");
    v->credentials.access_key = str_of(json_string_value(json_object_get(c, "access_key_id")));
    v->credentials.secret = str_of(json_string_value(json_object_get(c, "secret_access_key")));
    if (!json_is_true(json_object_get(v->context, "omit_session_token"))) {
        v->credentials.session_token = str_of(json_string_value(json_object_get(c, "token")));
    }
    v->now_ms = clock_amz_parse("20150830T123600Z");
    v->request.payload_hash = str_n(hash, 64);
}

static void check_pieces(const struct vector *v, const struct sigv4_request *request,
                         const struct sigv4_auth *auth, const char *mode)
{
    struct err err = {0};
    CLEAN(buf_done) struct buf want = BUF_INIT(65536);
    CLEAN(buf_done) struct buf have = BUF_INIT(65536);
    CLEAN(buf_done) struct buf text = BUF_INIT(65536);
    CLEAN_MEM char *canonical = mem_printf("%s-canonical-request.txt", mode);
    CLEAN_MEM char *string = mem_printf("%s-string-to-sign.txt", mode);
    CLEAN_MEM char *signature = mem_printf("%s-signature.txt", mode);
    vector_file(v, canonical, &want);
    assert_ok(sigv4_canonical_request(request, auth, &have, &err), err);
    assert_buf(&have, buf_text(&want));
    buf_clear(&want);
    vector_file(v, string, &want);
    sigv4_string_to_sign(buf_str(&have), auth, &text);
    assert_buf(&text, buf_text(&want));
    buf_clear(&want);
    vector_file(v, signature, &want);
    assert_str(auth->signature, buf_text(&want));
    struct sigv4_key key;
    sigv4_key_derive(v->credentials.secret, &auth->scope, &key);
    assert_ok(sigv4_verify(request, auth, &key, v->now_ms + 1000, &err), err);
    key.at[5] ^= 1;
    assert_err(sigv4_verify(request, auth, &key, v->now_ms, &err), ERR_DENIED, err,
               "does not match");
}

static void check_header_mode(struct vector *v)
{
    struct err err = {0};
    if (v->credentials.session_token.size) {
        add_header(v, "X-Amz-Security-Token", v->credentials.session_token);
    }
    add_header(v, "X-Amz-Date", STR("20150830T123600Z"));
    if (json_is_true(json_object_get(v->context, "sign_body"))) {
        add_header(v, "x-amz-content-sha256", v->request.payload_hash);
    }
    CLEAN(buf_done) struct buf value = BUF_INIT(65536);
    assert_ok(sigv4_sign(&v->request, &v->credentials, context_str(v, "region"),
                         context_str(v, "service"), v->now_ms, &value, &err),
              err);
    CLEAN(buf_done) struct buf want = BUF_INIT(65536);
    vector_file(v, "header-signed-request.txt", &want);
    assert_true(str_find_str(buf_str(&want), buf_str(&value)) > 0);
    add_header(v, "Authorization", buf_str(&value));
    struct sigv4_auth auth;
    CLEAN(buf_done) struct buf keep = BUF_INIT(65536);
    assert_int_equal(sigv4_auth_find(&v->request, &keep, &auth, &err), 1);
    assert_false(auth.presigned);
    check_pieces(v, &v->request, &auth, "header");
}

static void check_query_mode(struct vector *v)
{
    struct err err = {0};
    CLEAN(buf_done) struct buf query = BUF_INIT(65536);
    assert_ok(sigv4_presign(&v->request, &v->credentials, context_str(v, "region"),
                            context_str(v, "service"), v->now_ms, 3600, &query, &err),
              err);
    struct sigv4_request request = v->request;
    request.query = buf_str(&query);
    struct sigv4_auth auth;
    CLEAN(buf_done) struct buf keep = BUF_INIT(65536);
    assert_int_equal(sigv4_auth_find(&request, &keep, &auth, &err), 1);
    assert_true(auth.presigned);
    check_pieces(v, &request, &auth, "query");
}

static void test_vectors(void **state)
{
    (void)state;
    const char *shared = getenv("ROUSE_SHARED");
    char root[PATH_MAX]; // skip() jumps over what would free it
    snprintf(root, sizeof root, "%s/" VECTORS, shared ? shared : "/nonexistent");
    DIR *dir = opendir(root);
    if (!dir) {
        print_message("no conformance vectors in ROUSE_SHARED: skipped\n");
        skip();
    }
    int count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        CLEAN_MEM char *path = mem_printf("%s/%s", root, entry->d_name);
        CLEAN(vector_done) struct vector v;
        char hash[SIGV4_HEX];
        vector_load(&v, path, hash);
        check_query_mode(&v);
        check_header_mode(&v);
        count++;
    }
    closedir(dir);
    assert_int_equal(count, 38);
}

// The examples of S3's own documentation (bucket "examplebucket", 2013-05-24).
static const struct sigv4_credentials example = {
    {"AKIAIOSFODNN7EXAMPLE", 20}, {"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", 40}, {0}};
#define EXAMPLE_MS (INT64_C(1369353600) * 1000)

static void test_s3_get_example(void **state)
{
    (void)state;
    struct err err = {0};
    const struct sigv4_header headers[] = {{STR("Host"), STR("examplebucket.s3.amazonaws.com")},
                                           {STR("Range"), STR("bytes=0-9")},
                                           {STR("x-amz-content-sha256"), STR(SIGV4_EMPTY_SHA256)},
                                           {STR("x-amz-date"), STR("20130524T000000Z")}};
    struct sigv4_request request = {.flavour = SIGV4_S3,
                                    .method = STR("GET"),
                                    .path = STR("/test.txt"),
                                    .headers = headers,
                                    .header_count = 4};
    CLEAN(buf_done) struct buf out = BUF_INIT(4096);
    assert_ok(sigv4_sign(&request, &example, STR("us-east-1"), STR("s3"), EXAMPLE_MS, &out, &err),
              err);
    assert_true(str_ends(buf_str(&out), STR("Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170a"
                                            "ba48dd91039c6036bdb41")));
}

static void test_s3_put_example(void **state)
{
    (void)state;
    struct err err = {0};
    const struct sigv4_header headers[] = {
        {STR("Date"), STR("Fri, 24 May 2013 00:00:00 GMT")},
        {STR("Host"), STR("examplebucket.s3.amazonaws.com")},
        {STR("x-amz-date"), STR("20130524T000000Z")},
        {STR("x-amz-storage-class"), STR("REDUCED_REDUNDANCY")},
        {STR("x-amz-content-sha256"),
         STR("44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072")}};
    struct sigv4_request request = {.flavour = SIGV4_S3,
                                    .method = STR("PUT"),
                                    .path = STR("test%24file.text"),
                                    .headers = headers,
                                    .header_count = 5};
    request.path = STR("/test$file.text"); // the same object, spelled otherwise
    CLEAN(buf_done) struct buf out = BUF_INIT(4096);
    assert_ok(sigv4_sign(&request, &example, STR("us-east-1"), STR("s3"), EXAMPLE_MS, &out, &err),
              err);
    assert_true(str_ends(buf_str(&out), STR("Signature=98ad721746da40c64f1a55b78f14c238d841ea1380c"
                                            "d77a1b5971af0ece108bd")));
}

static void test_s3_presigned_example(void **state)
{
    (void)state;
    struct err err = {0};
    const struct sigv4_header headers[] = {{STR("Host"), STR("examplebucket.s3.amazonaws.com")}};
    struct sigv4_request request = {.flavour = SIGV4_S3,
                                    .method = STR("GET"),
                                    .path = STR("/test.txt"),
                                    .headers = headers,
                                    .header_count = 1};
    CLEAN(buf_done) struct buf out = BUF_INIT(4096);
    assert_ok(sigv4_presign(&request, &example, STR("us-east-1"), STR("s3"), EXAMPLE_MS, 86400,
                            &out, &err),
              err);
    assert_true(str_ends(buf_str(&out), STR("aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157"
                                            "751f604d404")));
}

// A signed S3 request that tests change in one place.
struct signed_request {
    struct sigv4_header headers[8];
    struct sigv4_request request;
    struct buf value, keep;
    struct sigv4_auth auth;
    struct sigv4_key key;
};

static void signed_request_make(struct signed_request *s, enum sigv4_flavour flavour)
{
    struct err err = {0};
    *s = (struct signed_request){.value = BUF_INIT(8192), .keep = BUF_INIT(8192)};
    s->headers[0] = (struct sigv4_header){STR("Host"), STR("127.0.0.1:4566")};
    s->headers[1] = (struct sigv4_header){STR("X-Amz-Date"), STR("20130524T000000Z")};
    s->headers[2] = (struct sigv4_header){STR("x-amz-content-sha256"), STR("UNSIGNED-PAYLOAD")};
    s->headers[3] = (struct sigv4_header){STR("User-Agent"), STR("test")};
    s->request = (struct sigv4_request){.flavour = flavour,
                                        .method = STR("PUT"),
                                        .path = STR("/bucket/a%20key"),
                                        .query = STR("b=2&a=1"),
                                        .headers = s->headers,
                                        .header_count = 4};
    assert_ok(
        sigv4_sign(&s->request, &example, STR("us-east-1"), STR("s3"), EXAMPLE_MS, &s->value, &err),
        err);
    s->headers[4] = (struct sigv4_header){STR("authorization"), buf_str(&s->value)};
    s->request.header_count = 5;
    assert_int_equal(sigv4_auth_find(&s->request, &s->keep, &s->auth, &err), 1);
    sigv4_key_derive(example.secret, &s->auth.scope, &s->key);
}

static void signed_request_done(struct signed_request *s)
{
    buf_done(&s->value);
    buf_done(&s->keep);
}

static void assert_denied(const struct signed_request *s, int64_t now_ms, const char *aws)
{
    struct err err = {0};
    assert_err(sigv4_verify(&s->request, &s->auth, &s->key, now_ms, &err), ERR_DENIED, err, "");
    assert_string_equal(err_aws_name(&err), aws);
}

static void test_tampered(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(signed_request_done) struct signed_request s;
    signed_request_make(&s, SIGV4_S3);
    assert_ok(sigv4_verify(&s.request, &s.auth, &s.key, EXAMPLE_MS + 900000, &err), err);
    assert_denied(&s, EXAMPLE_MS + 900001, "RequestTimeTooSkewed");
    assert_denied(&s, EXAMPLE_MS - 900001, "RequestTimeTooSkewed");
    struct sigv4_request was = s.request;
    s.request.method = STR("DELETE");
    assert_denied(&s, EXAMPLE_MS, "SignatureDoesNotMatch");
    s.request = was;
    s.request.path = STR("/bucket/a%20kex");
    assert_denied(&s, EXAMPLE_MS, "SignatureDoesNotMatch");
    s.request = was;
    s.request.query = STR("b=2&a=1&acl");
    assert_denied(&s, EXAMPLE_MS, "SignatureDoesNotMatch");
    s.request.query = STR("a=1&b=2"); // order does not matter
    assert_ok(sigv4_verify(&s.request, &s.auth, &s.key, EXAMPLE_MS, &err), err);
    s.request = was;
    s.headers[3].value = STR("another agent"); // not signed
    assert_ok(sigv4_verify(&s.request, &s.auth, &s.key, EXAMPLE_MS, &err), err);
    s.headers[2].value = STR(SIGV4_EMPTY_SHA256);
    assert_denied(&s, EXAMPLE_MS, "SignatureDoesNotMatch");
}

static void test_header_not_signed(void **state)
{
    (void)state;
    CLEAN(signed_request_done) struct signed_request s;
    signed_request_make(&s, SIGV4_S3);
    s.headers[5] = (struct sigv4_header){STR("X-Amz-Acl"), STR("public-read")};
    s.request.header_count = 6;
    assert_denied(&s, EXAMPLE_MS, "AccessDenied");
    s.headers[5].name = STR("x-amz-date"); // twice: joined by a comma, so another text
    assert_denied(&s, EXAMPLE_MS, "SignatureDoesNotMatch");
    s.headers[0].name = STR("Hosts");
    s.request.header_count = 5;
    assert_denied(&s, EXAMPLE_MS, "SignatureDoesNotMatch");
    s.auth.signed_headers = STR("x-amz-content-sha256;x-amz-date");
    assert_denied(&s, EXAMPLE_MS, "AccessDenied");
}

static void test_service_names(void **state)
{
    (void)state;
    CLEAN(signed_request_done) struct signed_request s;
    signed_request_make(&s, SIGV4_SERVICE);
    assert_denied(&s, EXAMPLE_MS + 900001, "InvalidSignatureException");
    s.request.path = STR("/other");
    assert_denied(&s, EXAMPLE_MS, "InvalidSignatureException");
}

static void test_scope_date(void **state)
{
    (void)state;
    CLEAN(signed_request_done) struct signed_request s;
    signed_request_make(&s, SIGV4_S3);
    s.auth.scope.date = STR("20130523");
    assert_denied(&s, EXAMPLE_MS, "SignatureDoesNotMatch");
}

static void test_presigned_expiry(void **state)
{
    (void)state;
    struct err err = {0};
    const struct sigv4_header headers[] = {{STR("host"), STR("localhost")}};
    struct sigv4_request request = {.flavour = SIGV4_S3,
                                    .method = STR("GET"),
                                    .path = STR("/b/k"),
                                    .query = STR("versionId=1"),
                                    .headers = headers,
                                    .header_count = 1};
    struct sigv4_credentials temporary = example;
    temporary.session_token = STR("to/ken==");
    CLEAN(buf_done) struct buf query = BUF_INIT(4096);
    CLEAN(buf_done) struct buf keep = BUF_INIT(4096);
    assert_ok(sigv4_presign(&request, &temporary, STR("us-east-1"), STR("s3"), EXAMPLE_MS, 60,
                            &query, &err),
              err);
    request.query = buf_str(&query);
    struct sigv4_auth auth;
    assert_int_equal(sigv4_auth_find(&request, &keep, &auth, &err), 1);
    assert_str(auth.session_token, "to/ken==");
    assert_int_equal(auth.expires_s, 60);
    struct sigv4_key key;
    sigv4_key_derive(example.secret, &auth.scope, &key);
    assert_ok(sigv4_verify(&request, &auth, &key, EXAMPLE_MS + 60000, &err), err);
    assert_err(sigv4_verify(&request, &auth, &key, EXAMPLE_MS + 60001, &err), ERR_DENIED, err,
               "expired");
    assert_string_equal(err_aws_name(&err), "AccessDenied");
    assert_err(sigv4_verify(&request, &auth, &key, EXAMPLE_MS - 900001, &err), ERR_DENIED, err,
               "not valid yet");
}

static void test_anonymous(void **state)
{
    (void)state;
    struct err err = {0};
    struct sigv4_header headers[] = {{STR("host"), STR("localhost")},
                                     {STR("Authorization"), STR("Bearer abc")}};
    struct sigv4_request request = {.flavour = SIGV4_S3,
                                    .method = STR("GET"),
                                    .path = STR("/"),
                                    .headers = headers,
                                    .header_count = 1};
    struct sigv4_auth auth;
    CLEAN(buf_done) struct buf keep = BUF_INIT(100);
    assert_int_equal(sigv4_auth_find(&request, &keep, &auth, &err), 0);
    request.header_count = 2;
    assert_int_equal(sigv4_auth_find(&request, &keep, &auth, &err), 0);
    headers[1].value = STR("AWS AKID:c2ln");
    assert_err(sigv4_auth_find(&request, &keep, &auth, &err), ERR_INVALID, err,
               "please use AWS4-HMAC-SHA256");
    assert_string_equal(err_aws_name(&err), "InvalidRequest");
    request.query = STR("X-Amz-Signature=1");
    assert_err(sigv4_auth_find(&request, &keep, &auth, &err), ERR_INVALID, err, "not both");
    request.header_count = 1;
    assert_err(sigv4_auth_find(&request, &keep, &auth, &err), ERR_INVALID, err, "X-Amz-Algorithm");
    assert_string_equal(err_aws_name(&err), "AuthorizationQueryParametersError");
    request.flavour = SIGV4_SERVICE;
    assert_err(sigv4_auth_find(&request, &keep, &auth, &err), ERR_INVALID, err, "X-Amz-Algorithm");
    assert_string_equal(err_aws_name(&err), "IncompleteSignatureException");
}

static void test_date_header(void **state)
{
    (void)state;
    struct err err = {0};
    struct sigv4_header headers[] = {
        {STR("date"), STR("Fri, 24 May 2013 00:00:00 GMT")},
        {STR("Authorization"), STR("AWS4-HMAC-SHA256 Credential=A/20130524/r/s3/aws4_request,"
                                   "SignedHeaders=date;host,Signature=" SIGV4_EMPTY_SHA256)}};
    struct sigv4_request request = {.flavour = SIGV4_S3, .headers = headers, .header_count = 2};
    struct sigv4_auth auth;
    CLEAN(buf_done) struct buf keep = BUF_INIT(100);
    assert_int_equal(sigv4_auth_find(&request, &keep, &auth, &err), 1);
    assert_str(auth.timestamp, "20130524T000000Z");
    assert_true(auth.signed_ms == EXAMPLE_MS);
    headers[0].value = STR("yesterday, more or less");
    assert_err(sigv4_auth_find(&request, &keep, &auth, &err), ERR_INVALID, err, "ISO8601");
    headers[0].value = STR("20130524T000000X");
    assert_err(sigv4_auth_find(&request, &keep, &auth, &err), ERR_INVALID, err, "ISO8601");
    headers[0].name = STR("dote");
    assert_err(sigv4_auth_find(&request, &keep, &auth, &err), ERR_DENIED, err, "x-amz-date");
}

static void test_authorization_cases(void **state)
{
    (void)state;
    CLEAN(buf_done) struct buf file = BUF_INIT(65536);
    assert_true(env_read("ROUSE_CASES", "sigv4/authorization.txt", &file));
    struct str rest = buf_str(&file);
    size_t count = 0;
    while (rest.at) { // pairs of lines: the header, then "ok" or a part of the error
        struct str line = str_cut(&rest, '\n');
        if (line.size == 0 || line.at[0] == '#') {
            continue;
        }
        CLEAN_MEM char *want = str_dup(str_cut(&rest, '\n'));
        struct sigv4_auth auth;
        struct err err = {0};
        int rc = sigv4_auth_parse(line, &auth, &err);
        if (strcmp(want, "ok") == 0) {
            assert_ok(rc, err);
            assert_str(auth.scope.access_key, "AKID");
            assert_str(auth.scope.region, "us-east-1");
            assert_str(auth.signed_headers, "host;x-amz-date");
        } else {
            assert_err(rc, ERR_INVALID, err, want);
        }
        count++;
    }
    assert_true(count >= 15);
}

static void test_query_bad(void **state)
{
    (void)state;
#define Q(algorithm, date, expires)                                                                \
    "X-Amz-Algorithm=" algorithm "&X-Amz-Credential=A%2F20130524%2Fr%2Fs3%2Faws4_request"          \
    "&X-Amz-Date=" date "&X-Amz-Expires=" expires                                                  \
    "&X-Amz-SignedHeaders=host&X-Amz-Signature=" SIGV4_EMPTY_SHA256
    static const char *const bad[][2] = {
        {Q("AWS4-HMAC-SHA256", "20130524T000000Z", "604801"), "604800"},
        {Q("AWS4-HMAC-SHA256", "20130524T000000Z", "-1"), "non-negative"},
        {Q("AWS4-HMAC-SHA256", "20130524T000000Z", "1h"), "a number"},
        {Q("AWS4-HMAC-SHA256", "20130524T000000Z", ""), "a number"},
        {Q("AWS4-HMAC-SHA256", "2013-05-24T00:00", "60"), "ISO8601"},
        {Q("AWS4-HMAC-SHA256", "20131324T000000Z", "60"), "ISO8601"},
        {Q("AWS4-ECDSA-P256-SHA256", "20130524T000000Z", "60"), "X-Amz-Algorithm"},
        {Q("%zz", "20130524T000000Z", "60"), "X-Amz-Algorithm: "},
        {"X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Credential"}};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct err err = {0};
        struct sigv4_auth auth;
        CLEAN(buf_done) struct buf keep = BUF_INIT(4096);
        assert_err(sigv4_auth_parse_query(str_of(bad[i][0]), &keep, &auth, &err), ERR_INVALID, err,
                   bad[i][1]);
        assert_string_equal(err_aws_name(&err), "AuthorizationQueryParametersError");
    }
    struct err err = {0};
    struct sigv4_auth auth;
    CLEAN(buf_done) struct buf small = BUF_INIT(20);
    assert_err(sigv4_auth_parse_query(STR(Q("AWS4-HMAC-SHA256", "20130524T000000Z", "60")), &small,
                                      &auth, &err),
               ERR_LIMIT, err, "too long");
}

static void test_limits(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(buf_done) struct buf query = BUF_INIT(65536);
    for (int i = 0; i <= SIGV4_QUERY_MAX; i++) {
        buf_printf(&query, "&p%d", i);
    }
    const struct sigv4_header headers[] = {{STR("host"), STR("x")}};
    struct sigv4_request request = {
        .query = buf_str(&query), .headers = headers, .header_count = 1};
    struct sigv4_auth auth = {.signed_headers = STR("host")};
    CLEAN(buf_done) struct buf out = BUF_INIT(SIGV4_CANONICAL_MAX);
    assert_err(sigv4_canonical_request(&request, &auth, &out, &err), ERR_LIMIT, err,
               "query parameters");
    request.header_count = SIGV4_HEADER_MAX + 1;
    assert_err(sigv4_canonical_request(&request, &auth, &out, &err), ERR_LIMIT, err, "headers");
}

static void test_key_cache(void **state)
{
    (void)state;
    struct sigv4_key_cache *cache = sigv4_key_cache_new();
    struct sigv4_key derived, got;
    for (int round = 0; round < 2; round++) {
        for (int day = 10; day < 90; day++) {
            char date[9];
            snprintf(date, sizeof date, "201305%02d", day);
            struct sigv4_scope scope = {STR("A"), str_of(date), STR("us-east-1"), STR("s3")};
            sigv4_key_derive(STR("secret"), &scope, &derived);
            sigv4_key_get(cache, STR("secret"), &scope, &got);
            assert_memory_equal(&derived, &got, sizeof got);
            sigv4_key_get(cache, STR("secret"), &scope, &got);
            assert_memory_equal(&derived, &got, sizeof got);
            sigv4_key_get(cache, STR("secreT"), &scope, &got);
            assert_memory_not_equal(&derived, &got, sizeof got);
        }
    }
    char huge[300];
    memset(huge, 'x', sizeof huge); // too long to remember, still right
    struct sigv4_scope scope = {STR("A"), STR("20130524"), str_n(huge, 300), STR("s3")};
    sigv4_key_derive(STR("s"), &scope, &derived);
    sigv4_key_get(cache, STR("s"), &scope, &got);
    assert_memory_equal(&derived, &got, sizeof got);
    sigv4_key_cache_free(cache);
    sigv4_key_cache_free(NULL);
}

// RFC 4231, cases 1, 2 and 6 (a key longer than a block).
static void test_hmac(void **state)
{
    (void)state;
    uint8_t mac[32], key[131];
    memset(key, 0x0b, 20);
    sigv4_hmac(str_n(key, 20), STR("Hi There"), mac);
    assert_memory_equal(mac, "\xb0\x34\x4c\x61\xd8\xdb\x38\x53", 8);
    sigv4_hmac(STR("Jefe"), STR("what do ya want for nothing?"), mac);
    assert_memory_equal(mac, "\x5b\xdc\xc1\x46\xbf\x60\x75\x4e", 8);
    memset(key, 0xaa, sizeof key);
    sigv4_hmac(str_n(key, sizeof key),
               STR("Test Using Larger Than Block-Size Key - Hash Key First"), mac);
    assert_memory_equal(mac, "\x60\xe4\x31\x59\x1e\xe0\xb6\x7f", 8);
}

static void test_payload_kinds(void **state)
{
    (void)state;
    struct err err = {0};
    enum sigv4_payload kind;
    assert_ok(sigv4_payload_kind(STR(SIGV4_EMPTY_SHA256), &kind, &err), err);
    assert_int_equal(kind, SIGV4_PAYLOAD_HASH);
    assert_ok(sigv4_payload_kind(STR("UNSIGNED-PAYLOAD"), &kind, &err), err);
    assert_int_equal(kind, SIGV4_PAYLOAD_UNSIGNED);
    assert_ok(sigv4_payload_kind(STR("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"), &kind, &err),
              err);
    assert_int_equal(kind, SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER);
    assert_err(sigv4_payload_kind(STR(""), &kind, &err), ERR_INVALID, err, "x-amz-content-sha256");
    assert_err(sigv4_payload_kind(STR("unsigned-payload"), &kind, &err), ERR_INVALID, err, "");
    assert_int_equal(kind, SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER);
}

static void test_policy(void **state)
{
    (void)state;
    struct sigv4_scope scope = {STR("AKIAIOSFODNN7EXAMPLE"), STR("20151229"), STR("us-east-1"),
                                STR("s3")};
    struct sigv4_key key;
    sigv4_key_derive(example.secret, &scope, &key);
    char one[SIGV4_HEX], two[SIGV4_HEX];
    sigv4_policy_signature(&key, STR("eyAiZXhwaXJhdGlvbiI6ICIyMDE1In0="), one);
    sigv4_policy_signature(&key, STR("eyAiZXhwaXJhdGlvbiI6ICIyMDE2In0="), two);
    assert_int_equal(strlen(one), 64);
    assert_string_not_equal(one, two);
    assert_false(sigv4_same(str_of(one), str_of(two)));
    assert_true(sigv4_same(str_of(one), str_of(one)));
    assert_false(sigv4_same(str_of(one), str_n(one, 63)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),          cmocka_unit_test(test_s3_get_example),
        cmocka_unit_test(test_s3_put_example),   cmocka_unit_test(test_s3_presigned_example),
        cmocka_unit_test(test_tampered),         cmocka_unit_test(test_header_not_signed),
        cmocka_unit_test(test_service_names),    cmocka_unit_test(test_scope_date),
        cmocka_unit_test(test_presigned_expiry), cmocka_unit_test(test_anonymous),
        cmocka_unit_test(test_date_header),      cmocka_unit_test(test_authorization_cases),
        cmocka_unit_test(test_query_bad),        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_key_cache),        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_payload_kinds),    cmocka_unit_test(test_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
