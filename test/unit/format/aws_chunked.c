// SPDX-License-Identifier: Apache-2.0
// aws-chunked bodies: the documented examples, every cut of a body into pieces, and damage.
#include "format/aws_chunked.h"
#include "base/clock.h"
#include "files.h"
#include "format/base64.h"

struct sink {
    struct buf data, trailers;
    int fail; // returned by on_data when not 0
};

static int on_data(void *ctx, struct str data, struct err *err)
{
    struct sink *sink = ctx;
    if (sink->fail) {
        return err_set(err, sink->fail, "the disk is full");
    }
    buf_add_str(&sink->data, data);
    return 0;
}

static int on_trailer(void *ctx, struct str name, struct str value, struct err *err)
{
    struct sink *sink = ctx;
    (void)err;
    buf_printf(&sink->trailers, STR_FMT "=" STR_FMT ";", STR_ARG(name), STR_ARG(value));
    return 0;
}

static void sink_done(struct sink *sink)
{
    buf_done(&sink->data);
    buf_done(&sink->trailers);
}

#define SINK {.data = BUF_INIT(1 << 20), .trailers = BUF_INIT(10000)}

// Feeds the body in pieces of `step` bytes.
static int decode(struct str body, size_t step, struct aws_chunked_options options,
                  struct sink *sink, struct err *err)
{
    CLEAN(aws_chunked_done) struct aws_chunked dec;
    options.on_data = on_data;
    options.on_trailer = on_trailer;
    options.ctx = sink;
    buf_clear(&sink->data);
    buf_clear(&sink->trailers);
    aws_chunked_init(&dec, &options);
    while (body.size) {
        TRY(aws_chunked_feed(&dec, str_head(body, step), err));
        body = str_skip(body, step);
    }
    return aws_chunked_end(&dec, err);
}

#define UNSIGNED_BODY                                                                              \
    "5\r\nhello\r\n1\r\n \r\n5;ext=1\r\nworld\r\n0\r\nX-Amz-Checksum-CRC32: DUoRhQ==\r\n\r\n"

static void test_unsigned_trailer(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(sink_done) struct sink sink = SINK;
    struct str body = STR(UNSIGNED_BODY);
    for (size_t step = 1; step <= body.size; step++) {
        struct aws_chunked_options options = {
            .trailer = true, .has_decoded_size = true, .decoded_size = 11};
        assert_ok(decode(body, step, options, &sink, &err), err);
        assert_buf(&sink.data, "hello world");
        assert_buf(&sink.trailers, "x-amz-checksum-crc32=DUoRhQ==;");
    }
}

static void test_empty_body(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(sink_done) struct sink sink = SINK;
    struct aws_chunked_options options = {.has_decoded_size = true};
    assert_ok(decode(STR("0\r\n\r\n"), 100, options, &sink, &err), err);
    assert_int_equal(sink.data.size, 0);
    options.trailer = true;
    assert_ok(decode(STR("0\r\n\r\n"), 100, options, &sink, &err), err);
    assert_err(decode(STR(""), 100, options, &sink, &err), ERR_PROTOCOL, err, "ended before");
}

static void test_every_cut_is_incomplete(void **state)
{
    (void)state;
    struct str body = STR(UNSIGNED_BODY);
    for (size_t size = 0; size < body.size; size++) {
        struct err err = {0};
        CLEAN(sink_done) struct sink sink = SINK;
        struct aws_chunked_options options = {.trailer = true};
        assert_err(decode(str_head(body, size), 7, options, &sink, &err), ERR_PROTOCOL, err,
                   "ended before");
        assert_string_equal(err_aws_name(&err), "IncompleteBody");
    }
}

static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *body, *part;
        int code;
    } bad[] = {
        {"x\r\n", "hexadecimal", ERR_PROTOCOL},
        {"\r\n", "hexadecimal", ERR_PROTOCOL},
        {";a=b\r\n", "hexadecimal", ERR_PROTOCOL},
        {"-1\r\n", "hexadecimal", ERR_PROTOCOL},
        {"0x5\r\nhello\r\n", "hexadecimal", ERR_PROTOCOL},
        {"11111111111111111\r\n", "hexadecimal", ERR_PROTOCOL},
        {"1\r\nx\r\nffffffffffffffff\r\n", "beyond all bounds", ERR_PROTOCOL},
        {"5\nhello\r\n", "CR LF", ERR_PROTOCOL},
        {"5\r\nhelloX\r\n", "no line end", ERR_PROTOCOL},
        {"5\r\nhello!!\r\n", "no line end", ERR_PROTOCOL},
        {"0\r\n\r\nmore", "after its end", ERR_PROTOCOL},
        {"0\r\nno colon\r\n\r\n", "name:value", ERR_PROTOCOL},
        {"0\r\n:value\r\n\r\n", "name:value", ERR_PROTOCOL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct err err = {0};
        CLEAN(sink_done) struct sink sink = SINK;
        struct aws_chunked_options options = {.trailer = true};
        assert_err(decode(str_of(bad[i].body), 3, options, &sink, &err), bad[i].code, err,
                   bad[i].part);
        assert_err(decode(str_of(bad[i].body), 300, options, &sink, &err), bad[i].code, err,
                   bad[i].part);
    }
}

static void test_unannounced_trailer(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(sink_done) struct sink sink = SINK;
    assert_err(decode(STR("0\r\na:b\r\n\r\n"), 100, (struct aws_chunked_options){0}, &sink, &err),
               ERR_PROTOCOL, err, "not announced");
}

static void test_limits(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(sink_done) struct sink sink = SINK;
    struct aws_chunked_options options = {.trailer = true};
    CLEAN(buf_done) struct buf body = BUF_INIT(100000);
    buf_add_text(&body, "0;");
    while (body.size < AWS_CHUNKED_LINE_MAX + 2) {
        buf_add_char(&body, 'x');
    }
    assert_err(decode(buf_str(&body), 50, options, &sink, &err), ERR_LIMIT, err, "longer than");
    buf_add_text(&body, "\r\n");
    assert_err(decode(buf_str(&body), 100000, options, &sink, &err), ERR_LIMIT, err, "longer than");
    buf_clear(&body);
    buf_add_text(&body, "0\r\n");
    for (int i = 0; i <= AWS_CHUNKED_TRAILER_MAX; i++) {
        buf_printf(&body, "t%d:x\r\n", i);
    }
    assert_err(decode(buf_str(&body), 50, options, &sink, &err), ERR_LIMIT, err, "trailers");
}

static void test_decoded_size(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(sink_done) struct sink sink = SINK;
    struct aws_chunked_options options = {
        .trailer = true, .has_decoded_size = true, .decoded_size = 10};
    assert_err(decode(STR(UNSIGNED_BODY), 50, options, &sink, &err), ERR_PROTOCOL, err, "more");
    assert_buf(&sink.data, "hello "); // the chunk that is too much was not handed on
    options.decoded_size = 12;
    assert_err(decode(STR(UNSIGNED_BODY), 50, options, &sink, &err), ERR_PROTOCOL, err, "fewer");
}

static void test_callback_fails(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(sink_done) struct sink sink = SINK;
    sink.fail = ERR_IO;
    struct aws_chunked_options options = {
        .trailer = true, .on_data = on_data, .on_trailer = on_trailer, .ctx = &sink};
    CLEAN(aws_chunked_done) struct aws_chunked dec;
    aws_chunked_init(&dec, &options);
    assert_err(aws_chunked_feed(&dec, STR(UNSIGNED_BODY), &err), ERR_IO, err, "disk is full");
    assert_err(aws_chunked_feed(&dec, STR("0\r\n"), &err), ERR_PROTOCOL, err, "refused before");
    assert_err(aws_chunked_end(&dec, &err), ERR_PROTOCOL, err, "refused before");
}

// The example of the documentation: 65 KB of 'a' in chunks of 64 KB and 1 KB.
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

static void example_chain(struct sigv4_chain *chain, const char *seed)
{
    struct err err = {0};
    struct sigv4_auth auth = {
        .scope = {STR("AKIAIOSFODNN7EXAMPLE"), STR("20130524"), STR("us-east-1"), STR("s3")},
        .signature = str_of(seed),
        .timestamp = STR("20130524T000000Z")};
    struct sigv4_key key;
    sigv4_key_derive(STR(SECRET), &auth.scope, &key);
    assert_ok(sigv4_chain_init(chain, &auth, &key, &err), err);
}

static void add_chunk(struct buf *out, size_t size, const char *signature)
{
    buf_printf(out, "%zx;chunk-signature=%s\r\n", size, signature);
    for (size_t i = 0; i < size; i++) {
        buf_add_char(out, 'a');
    }
    buf_add_text(out, size ? "\r\n" : "");
}

#define SEED "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"

static void signed_body(struct buf *out)
{
    add_chunk(out, 65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648");
    add_chunk(out, 1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497");
    add_chunk(out, 0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9");
    buf_add_text(out, "\r\n");
}

static void test_signed_example(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(sink_done) struct sink sink = SINK;
    CLEAN(buf_done) struct buf body = BUF_INIT(1 << 20);
    signed_body(&body);
    assert_int_equal(body.size, 66824); // as documented
    for (size_t step = 1; step < 100000; step = step * 5 + 1) {
        struct sigv4_chain chain;
        example_chain(&chain, SEED);
        struct aws_chunked_options options = {
            .chain = &chain, .has_decoded_size = true, .decoded_size = 66560};
        assert_ok(decode(buf_str(&body), step, options, &sink, &err), err);
        assert_int_equal(sink.data.size, 66560);
    }
}

static void test_signed_damage(void **state)
{
    (void)state;
    CLEAN(sink_done) struct sink sink = SINK;
    CLEAN(buf_done) struct buf body = BUF_INIT(1 << 20);
    signed_body(&body);
    const size_t places[] = {30, 100, 65536, 65700, 66000, body.size - 10};
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        struct err err = {0};
        struct sigv4_chain chain;
        example_chain(&chain, SEED);
        body.at[places[i]] ^= 1;
        struct aws_chunked_options options = {.chain = &chain};
        assert_err(decode(buf_str(&body), 1000, options, &sink, &err), ERR_DENIED, err, "a chunk");
        assert_string_equal(err_aws_name(&err), "SignatureDoesNotMatch");
        body.at[places[i]] ^= 1;
    }
    struct err err = {0};
    struct sigv4_chain chain;
    example_chain(&chain, SIGV4_EMPTY_SHA256); // another request's seed
    assert_err(
        decode(buf_str(&body), 1000, (struct aws_chunked_options){.chain = &chain}, &sink, &err),
        ERR_DENIED, err, "a chunk");
    assert_err(
        decode(STR("0\r\n\r\n"), 10, (struct aws_chunked_options){.chain = &chain}, &sink, &err),
        ERR_DENIED, err, "missing");
}

#define TRAILER_SEED      "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
#define TRAILER_SIGNATURE "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"

static void trailer_body(struct buf *out, const char *line_end, const char *signature)
{
    add_chunk(out, 65536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2");
    add_chunk(out, 1024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7");
    add_chunk(out, 0, "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992");
    buf_printf(out, "x-amz-checksum-crc32c:sOO8/Q==%s", line_end);
    if (signature) {
        buf_printf(out, "x-amz-trailer-signature:%s\r\n", signature);
    }
    buf_add_text(out, "\r\n");
}

static int decode_trailer(const char *line_end, const char *signature, struct sink *sink,
                          struct err *err)
{
    CLEAN(buf_done) struct buf body = BUF_INIT(1 << 20);
    trailer_body(&body, line_end, signature);
    struct sigv4_chain chain;
    example_chain(&chain, TRAILER_SEED);
    struct aws_chunked_options options = {
        .trailer = true, .chain = &chain, .has_decoded_size = true, .decoded_size = 66560};
    return decode(buf_str(&body), 777, options, sink, err);
}

static void test_signed_trailer(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN(sink_done) struct sink sink = SINK;
    static const char *const ends[] = {"\r\n", "\n", "\n\r\n"};
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        assert_ok(decode_trailer(ends[i], TRAILER_SIGNATURE, &sink, &err), err);
        assert_buf(&sink.trailers, "x-amz-checksum-crc32c=sOO8/Q==;");
    }
    uint8_t sum[CHECKSUM_SIZE_MAX];
    char text[CHECKSUM_TEXT_MAX];
    base64_write(sum, checksum_of(CHECKSUM_CRC32C, buf_str(&sink.data), sum), text);
    assert_string_equal(text, "sOO8/Q==");
}

static void test_signed_trailer_damage(void **state)
{
    (void)state;
    CLEAN(sink_done) struct sink sink = SINK;
    struct err err = {0};
    assert_err(decode_trailer("\r\n", SIGV4_EMPTY_SHA256, &sink, &err), ERR_DENIED, err,
               "the trailers");
    assert_int_equal(sink.trailers.size, 0);
    assert_err(decode_trailer("\r\n", "short", &sink, &err), ERR_DENIED, err, "the trailers");
    assert_err(decode_trailer("x\r\n", TRAILER_SIGNATURE, &sink, &err), ERR_DENIED, err,
               "the trailers");
    assert_err(decode_trailer("\r\n", NULL, &sink, &err), ERR_PROTOCOL, err, "ended before");
    assert_err(decode_trailer("\r\n\r\n", NULL, &sink, &err), ERR_PROTOCOL, err, "ended before");
}

static void test_chain_init_bad(void **state)
{
    (void)state;
    struct err err = {0};
    struct sigv4_chain chain;
    struct sigv4_key key = {{0}};
    char region[200];
    memset(region, 'r', sizeof region);
    struct sigv4_auth auth = {.scope = {STR("A"), STR("20130524"), str_n(region, 200), STR("s3")},
                              .signature = STR(SEED),
                              .timestamp = STR("20130524T000000Z")};
    assert_err(sigv4_chain_init(&chain, &auth, &key, &err), ERR_INVALID, err, "scope");
    auth.scope.region = STR("r");
    auth.signature = STR("abc");
    assert_err(sigv4_chain_init(&chain, &auth, &key, &err), ERR_INVALID, err, "no signature");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unsigned_trailer),
        cmocka_unit_test(test_empty_body),
        cmocka_unit_test(test_every_cut_is_incomplete),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_unannounced_trailer),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_decoded_size),
        cmocka_unit_test(test_callback_fails),
        cmocka_unit_test(test_signed_example),
        cmocka_unit_test(test_signed_damage),
        cmocka_unit_test(test_signed_trailer),
        cmocka_unit_test(test_signed_trailer_damage),
        cmocka_unit_test(test_chain_init_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
