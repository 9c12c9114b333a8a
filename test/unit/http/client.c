// SPDX-License-Identifier: Apache-2.0
// The HTTP client against our own server, which runs in a child process and checks signatures.
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "format/hex.h"
#include "format/sigv4.h"
#include "http/client.h"
#include "http/http.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SECRET "wJalrXUtnFEMI"

// ── the child ──

struct upload {
    struct buf body;
};

static void upload_body(struct http_request *req, struct str piece)
{
    buf_add_str(&((struct upload *)req->data)->body, piece);
}

// 1 good, 0 not signed, -1 wrong.
static int signature(const struct http_request *req, struct str body)
{
    struct sigv4_header headers[HTTP_HEADERS_MAX];
    for (size_t i = 0; i < req->header_count; i++) {
        headers[i] = (struct sigv4_header){req->headers[i].name, req->headers[i].value};
    }
    uint8_t bytes[32];
    char hex[65];
    sigv4_sha256(body, bytes);
    hex_write(bytes, 32, hex);
    bool s3 = http_request_header(req, "x-amz-content-sha256").at != NULL;
    struct sigv4_request request = {s3 ? SIGV4_S3 : SIGV4_SERVICE,
                                    req->method,
                                    req->path,
                                    req->query,
                                    headers,
                                    req->header_count,
                                    s3 ? (struct str){0} : str_of(hex)};
    struct buf keep = BUF_INIT(65536);
    struct sigv4_auth auth;
    struct sigv4_key key;
    struct err err = {0};
    int rc = sigv4_auth_find(&request, &keep, &auth, &err);
    if (rc == 1) {
        sigv4_key_derive(STR(SECRET), &auth.scope, &key);
        rc = sigv4_verify(&request, &auth, &key, clock_wall_ms(), &err) < 0 ? -1 : 1;
        if (rc < 0) {
            fprintf(stderr, "%s\n", err.text);
        }
    }
    buf_done(&keep);
    return rc;
}

static void upload_end(struct http_request *req)
{
    struct upload *upload = req->data;
    struct str body = buf_str(&upload->body);
    char text[64];
    struct err err = {0};
    snprintf(text, sizeof text, "%d", signature(req, body));
    http_reply_header(req, "X-Signature", text);
    http_reply_header(req, "X-Method", req->method.at);
    http_reply_header(req, "X-Empty-Given", http_request_header(req, "X-Empty").at ? "yes" : "no");
    CLEAN_MEM char *path = str_dup(req->path);
    http_reply_header(req, "X-Path", path);
    if (str_eq(req->path, STR("/never"))) {
        return;
    }
    if (str_eq(req->path, STR("/stream"))) {
        http_stream_start(req, 200);
        for (int i = 0; i < 100; i++) {
            CHECK(http_stream_write(req, STR("0123456789"), &err) == 0);
        }
        http_stream_end(req);
    } else if (str_eq(req->method, STR("HEAD"))) {
        http_reply_head(req, 200, 777);
    } else {
        http_reply(req, str_eq(req->path, STR("/missing")) ? 404 : 200, body);
    }
}

static void upload_closed(struct http_request *req)
{
    buf_done(&((struct upload *)req->data)->body);
    free(req->data);
}

static const struct http_handler *upload_route(struct http_request *req, void *ctx)
{
    static const struct http_handler handler = {upload_body, upload_end, upload_closed};
    (void)ctx;
    struct upload *upload = NEW(struct upload);
    buf_init(&upload->body, 64 * 1024 * 1024);
    req->data = upload;
    if (str_eq(req->path, STR("/refused"))) {
        http_reply(req, 403, STR("refused"));
    }
    return &handler;
}

struct fixture {
    pid_t child;
    char endpoint[64];
    struct http_client *client;
    struct err err;
    int status;
    struct buf headers, body; // of the last reply
    int pieces, pieces_max, ticks;
};

static void child_run(int port_fd)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct err err = {0};
    struct loop *loop = NULL;
    struct http_server *server = NULL;
    struct http_options options = {.listen = "127.0.0.1:0", .route = upload_route};
    CHECK(loop_new(LOOP_REAL, &loop, &err) == 0);
    CHECK(http_server_new(loop, &options, &server, &err) == 0);
    int port = http_server_port(server);
    CHECK(write(port_fd, &port, sizeof port) == sizeof port);
    loop_run(loop);
    _exit(0);
}

static int setup(void **state)
{
    struct fixture *f = NEW(struct fixture);
    int ends[2], port = 0;
    assert_int_equal(pipe(ends), 0);
    f->child = fork();
    if (f->child == 0) {
        child_run(ends[1]);
    }
    assert_int_equal(read(ends[0], &port, sizeof port), sizeof port);
    close(ends[0]);
    close(ends[1]);
    snprintf(f->endpoint, sizeof f->endpoint, "http://127.0.0.1:%d", port);
    assert_int_equal(http_client_new(&f->client, &f->err), 0);
    buf_init(&f->headers, 65536);
    buf_init(&f->body, 64 * 1024 * 1024);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    http_client_free(f->client);
    buf_done(&f->headers);
    buf_done(&f->body);
    kill(f->child, SIGKILL);
    waitpid(f->child, NULL, 0);
    free(f);
    return 0;
}

static void take_header(void *ctx, struct str name, struct str value)
{
    struct fixture *f = ctx;
    buf_printf(&f->headers, STR_FMT ": " STR_FMT "\n", STR_ARG(name), STR_ARG(value));
}

static int take_piece(void *ctx, int status, struct str piece)
{
    struct fixture *f = ctx;
    f->status = status;
    buf_add_str(&f->body, piece);
    return ++f->pieces == f->pieces_max ? -1 : 0;
}

static void take_tick(void *ctx)
{
    ((struct fixture *)ctx)->ticks++;
}

static int send_it(struct fixture *f, struct http_call *call, const char *path)
{
    CLEAN_MEM char *url = path[0] == '/' ? mem_printf("%s%s", f->endpoint, path) : mem_dup(path);
    buf_clear(&f->headers);
    buf_clear(&f->body);
    f->err = (struct err){0};
    f->pieces = 0;
    call->url = url;
    call->ctx = f;
    call->on_header = take_header;
    call->on_piece = take_piece;
    call->on_tick = take_tick;
    return http_client_send(f->client, call, &f->err);
}

static void assert_header(struct fixture *f, const char *line)
{
    if (!strstr(buf_text(&f->headers), line)) {
        fail_msg("no \"%s\" in\n%s", line, buf_text(&f->headers));
    }
}

// ── tests ──

static void sends_and_receives(void **state)
{
    struct fixture *f = *state;
    struct http_call call = {.method = "POST", .body = STR("hello"), .timeout_s = 60};
    assert_int_equal(send_it(f, &call, "/a%20b/../c?x=1&y=%20"), 0);
    assert_int_equal(call.status, 200);
    assert_string_equal(buf_text(&f->body), "hello");
    assert_header(f, "X-Signature: 0\n");
    assert_header(f, "X-Path: /a%20b/../c\n");
    call = (struct http_call){.method = "GET", .timeout_s = 60};
    assert_int_equal(send_it(f, &call, "/missing"), 0);
    assert_int_equal(call.status, 404);
    call.method = "HEAD";
    assert_int_equal(send_it(f, &call, "/"), 0);
    assert_header(f, "Content-Length: 777\n");
    assert_int_equal(f->body.size, 0);
    call.method = "DELETE";
    assert_int_equal(send_it(f, &call, "/"), 0);
    assert_header(f, "X-Method: DELETE\n");
}

static void sends_headers_that_can_be_signed(void **state)
{
    struct fixture *f = *state;
    char date[CLOCK_TEXT_MAX];
    int64_t now_ms = clock_wall_ms();
    struct http_header headers[5] = {
        {STR("Host"), str_of(f->endpoint + strlen("http://"))},
        {STR("X-Amz-Date"), str_of(clock_amz(now_ms, date))},
        {STR("X-Amz-Content-Sha256"), STR("UNSIGNED-PAYLOAD")},
        {STR("X-Empty"), STR("")},
    };
    struct sigv4_header signed_headers[4];
    for (size_t i = 0; i < 4; i++) {
        signed_headers[i] = (struct sigv4_header){headers[i].name, headers[i].value};
    }
    struct sigv4_request request = {.flavour = SIGV4_S3,
                                    .method = STR("PUT"),
                                    .path = STR("/bucket/a%20key"),
                                    .query = STR("x=%2F"),
                                    .headers = signed_headers,
                                    .header_count = 4};
    struct sigv4_credentials credentials = {STR("AK"), STR(SECRET), {0}};
    struct buf authorization = BUF_INIT(4096);
    assert_int_equal(
        sigv4_sign(&request, &credentials, STR("r"), STR("s3"), now_ms, &authorization, &f->err),
        0);
    headers[4] = (struct http_header){STR("Authorization"), buf_str(&authorization)};
    // The client makes the Host header itself.
    struct http_call call = {.method = "PUT",
                             .headers = headers + 1,
                             .header_count = 4,
                             .body = STR("x"),
                             .timeout_s = 60};
    assert_int_equal(send_it(f, &call, "/bucket/a%20key?x=%2F"), 0);
    assert_header(f, "X-Signature: 1\n");
    assert_header(f, "X-Empty-Given: yes\n");
    buf_done(&authorization);
}

static void sends_files(void **state)
{
    struct fixture *f = *state;
    FILE *file = tmpfile();
    for (int i = 0; i < 400000; i++) {
        fprintf(file, "%09d\n", i);
    }
    fflush(file);
    rewind(file);
    struct http_call call = {.method = "PUT",
                             .body_in_fd = true,
                             .body_fd = fileno(file),
                             .body_size = 4000000,
                             .timeout_s = 60};
    assert_int_equal(send_it(f, &call, "/bucket/key"), 0);
    assert_int_equal(f->body.size, 4000000);
    assert_memory_equal(f->body.at, "000000000\n000000001\n", 20);
    assert_true(f->ticks > 0);
    rewind(file);
    assert_int_equal(send_it(f, &call, "/refused"), 0); // answered before the body was read
    assert_int_equal(call.status, 403);
    call.body_fd = -1;
    assert_int_equal(send_it(f, &call, "/bucket/key"), ERR_IO);
    fclose(file);
}

static void passes_pieces_on(void **state)
{
    struct fixture *f = *state;
    struct http_call call = {.method = "GET", .timeout_s = 60};
    assert_int_equal(send_it(f, &call, "/stream"), 0);
    assert_int_equal(f->body.size, 1000);
    assert_int_equal(f->status, 200);
    f->pieces_max = 1;
    assert_int_equal(send_it(f, &call, "/stream"), ERR_IO);
    f->pieces_max = 0;
    assert_int_equal(send_it(f, &call, "/stream"), 0); // the client can be used again
}

static void says_what_went_wrong(void **state)
{
    struct fixture *f = *state;
    struct http_call call = {.method = "GET", .timeout_s = 60};
    assert_int_equal(send_it(f, &call, "http://127.0.0.1:1/"), ERR_UNAVAILABLE);
    assert_non_null(strstr(f->err.text, "127.0.0.1:1"));
    assert_int_equal(send_it(f, &call, "nonsense://x"), ERR_INVALID);
    call.timeout_s = 1;
    assert_int_equal(send_it(f, &call, "/never"), ERR_TIMEOUT);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sends_and_receives),   TEST(sends_headers_that_can_be_signed),
        TEST(sends_files),          TEST(passes_pieces_on),
        TEST(says_what_went_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
