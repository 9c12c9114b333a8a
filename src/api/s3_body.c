// SPDX-License-Identifier: Apache-2.0
// The body of a request on its way in: aws-chunked is undone, everything that was promised about it
// is computed as it passes, and it comes to rest in memory or, when it is large, in a new blob.
#include "api/s3.h"
#include "base/check.h"
#include "base/mem.h"
#include "format/base64.h"
#include "format/hex.h"

#include <unistd.h>

#define PIECE_MEMORY (16 * 1024) // pieces smaller than this are gathered before they are written

static int on_data(void *ctx, struct str data, struct err *err)
{
    return s3_body_add(ctx, data, err);
}

static bool sum_text_ok(int kind, struct str text)
{
    uint8_t bytes[CHECKSUM_SIZE_MAX];
    return base64_decode_exact(text, bytes, checksum_size((enum checksum_kind)kind), NULL) >= 0;
}

static int sum_wanted_set(struct s3_body *body, struct str value, struct err *err)
{
    if (!sum_text_ok(body->sum_kind, value)) {
        return err_aws(err, ERR_INVALID, "InvalidRequest", "Value for %s header is invalid.",
                       checksum_header((enum checksum_kind)body->sum_kind));
    }
    snprintf(body->sum_wanted, sizeof body->sum_wanted, STR_FMT, STR_ARG(value));
    return 0;
}

static int on_trailer(void *ctx, struct str name, struct str value, struct err *err)
{
    struct s3_body *body = ctx;
    if (body->sum_in_trailer && checksum_kind_of_header(name) == body->sum_kind) {
        return sum_wanted_set(body, value, err);
    }
    return 0;
}

static int sum_kind_set(struct s3_body *body, int kind, struct err *err)
{
    if (body->sum_kind >= 0 && body->sum_kind != kind) {
        return err_aws(err, ERR_INVALID, "InvalidRequest",
                       "Expecting a single x-amz-checksum- header. Multiple checksum Types are "
                       "not allowed.");
    }
    body->sum_kind = kind;
    return 0;
}

int s3_body_sum(struct s3_body *body, struct str header, struct str value, struct err *err)
{
    int kind = checksum_kind_of_header(header);
    if (kind < 0 || kind == CHECKSUM_MD5) {
        return 0;
    }
    TRY(sum_kind_set(body, kind, err));
    return sum_wanted_set(body, str_trim(value), err);
}

// Which checksum was promised, and is its value here or in a trailer?
static int sum_begin(struct s3_request *r, struct err *err)
{
    struct s3_body *body = &r->body;
    for (size_t i = 0; i < r->req->header_count; i++) {
        TRY(s3_body_sum(body, r->req->headers[i].name, r->req->headers[i].value, err));
    }
    struct str rest = s3_header(r, "x-amz-trailer");
    while (rest.at) {
        int kind = checksum_kind_of_header(str_trim(str_cut(&rest, ',')));
        if (kind >= 0 && kind != CHECKSUM_MD5) {
            TRY(sum_kind_set(body, kind, err));
            body->sum_in_trailer = true;
        }
    }
    struct str algorithm = s3_header(r, "x-amz-sdk-checksum-algorithm");
    if (algorithm.size && body->sum_kind < 0 && (r->op->flags & S3_STREAM)) {
        return err_aws(err, ERR_INVALID, "InvalidRequest",
                       "x-amz-sdk-checksum-algorithm specified, but no corresponding "
                       "x-amz-checksum-* or x-amz-trailer headers were found.");
    }
    return 0;
}

static int md5_begin(struct s3_request *r, struct err *err)
{
    struct str md5 = s3_header(r, "Content-MD5");
    r->body.md5_given = md5.at != NULL;
    if (md5.at && base64_decode_exact(md5, r->body.md5_wanted, 16, NULL) < 0) {
        return err_aws(err, ERR_INVALID, "InvalidDigest",
                       "The Content-MD5 you specified was invalid.");
    }
    return 0;
}

static int chain_begin(struct s3_request *r, struct err *err)
{
    struct sigv4_auth auth = {
        .scope = {str_of(r->auth.access_key), str_head(str_of(r->auth.date), 8),
                  str_of(r->auth.region), str_of(r->auth.service)},
        .signature = str_of(r->auth.signature),
        .timestamp = str_of(r->auth.date),
    };
    struct sigv4_key key;
    memcpy(key.at, r->auth.key, sizeof key.at);
    return sigv4_chain_init(&r->body.chain, &auth, &key, err);
}

static int chunked_begin(struct s3_request *r, struct err *err)
{
    struct s3_body *body = &r->body;
    enum auth_payload payload = r->auth.payload;
    bool is_signed = payload == AUTH_PAYLOAD_CHUNKED || payload == AUTH_PAYLOAD_CHUNKED_TRAILER;
    body->chunked = is_signed || payload == AUTH_PAYLOAD_CHUNKED_UNSIGNED_TRAILER;
    if (!body->chunked) {
        return 0;
    }
    struct aws_chunked_options options = {
        .trailer = payload != AUTH_PAYLOAD_CHUNKED,
        .on_data = on_data,
        .on_trailer = on_trailer,
        .ctx = body,
    };
    struct str size = s3_header(r, "x-amz-decoded-content-length");
    options.has_decoded_size = str_to_u64(size, &options.decoded_size);
    if (is_signed && !r->auth.unchecked) {
        TRY(chain_begin(r, err));
        options.chain = &body->chain;
    }
    aws_chunked_init(&body->decoder, &options);
    return 0;
}

int s3_body_begin(struct s3_request *r, struct err *err)
{
    struct s3_body *body = &r->body;
    body->store_dir = str_of(store_dir(r->api->store));
    body->stream = (r->op->flags & S3_STREAM) != 0;
    body->memory_max = body->stream ? OBJECT_INLINE_MAX : S3_DOCUMENT_MAX;
    body->size_max = body->stream ? S3_PUT_SIZE_MAX : S3_DOCUMENT_MAX;
    buf_init(&body->memory, body->memory_max);
    if (!(r->op->flags & S3_FORM)) {
        TRY(md5_begin(r, err));
    }
    if (!(r->op->flags & S3_OTHER_SUM)) {
        TRY(sum_begin(r, err));
    }
    checksum_init(&body->md5, CHECKSUM_MD5);
    if (auth_wants_hash(&r->auth)) {
        body->sha256_on = true;
        checksum_init(&body->sha256, CHECKSUM_SHA256);
    }
    if (body->sum_kind >= 0) {
        checksum_init(&body->sum, (enum checksum_kind)body->sum_kind);
    }
    return chunked_begin(r, err);
}

int s3_body_to_blob(struct s3_body *body, struct err *err)
{
    if (body->fd < 0) {
        CLEAN_MEM char *dir = str_dup(body->store_dir);
        body->blob = blob_id_new();
        int fd = blob_create(dir, &body->blob, err);
        TRY(fd);
        body->fd = fd;
        body->blob_made = true;
    }
    TRY(blob_write(body->fd, buf_str(&body->memory), err));
    buf_clear(&body->memory);
    return 0;
}

static int body_keep(struct s3_body *body, struct str data, struct err *err)
{
    if (body->fd < 0 && body->memory.size + data.size <= body->memory_max) {
        buf_add_str(&body->memory, data);
        return 0;
    }
    CHECK(body->stream);
    // Small pieces wait for others; what waits is written before what follows it.
    if (body->fd >= 0 && data.size < PIECE_MEMORY &&
        body->memory.size + data.size <= body->memory_max) {
        buf_add_str(&body->memory, data);
        return 0;
    }
    TRY(s3_body_to_blob(body, err));
    return blob_write(body->fd, data, err);
}

int s3_body_add(struct s3_body *body, struct str data, struct err *err)
{
    if (data.size > body->size_max - body->size) {
        if (!body->stream) {
            return err_aws(err, ERR_LIMIT, "MaxMessageLengthExceeded", "Your request was too big.");
        }
        return err_aws(err, ERR_LIMIT, "EntityTooLarge",
                       "Your proposed upload exceeds the maximum allowed size");
    }
    body->size += data.size;
    checksum_add(&body->md5, data);
    if (body->sha256_on) {
        checksum_add(&body->sha256, data);
    }
    if (body->sum_kind >= 0) {
        checksum_add(&body->sum, data);
    }
    return body_keep(body, data, err);
}

int s3_body_feed(struct s3_body *body, struct str piece, struct err *err)
{
    return body->chunked ? aws_chunked_feed(&body->decoder, piece, err)
                         : s3_body_add(body, piece, err);
}

static int sums_compare(struct s3_body *body, struct err *err)
{
    if (body->md5_given && !checksum_same(body->md5_bytes, body->md5_wanted, 16)) {
        return err_aws(err, ERR_INVALID, "BadDigest",
                       "The Content-MD5 you specified did not match what we received.");
    }
    if (body->sum_kind < 0) {
        return 0;
    }
    const char *name = checksum_name((enum checksum_kind)body->sum_kind);
    if (body->sum_in_trailer && !body->sum_wanted[0]) {
        return err_aws(err, ERR_INVALID, "InvalidRequest",
                       "The trailer named by x-amz-trailer did not come with the body.");
    }
    if (body->sum_wanted[0] && strcmp(body->sum_wanted, body->sum_text) != 0) {
        return err_aws(err, ERR_INVALID, "BadDigest",
                       "The %s you specified did not match the calculated checksum.", name);
    }
    return 0;
}

static void sums_end(struct s3_body *body)
{
    uint8_t bytes[CHECKSUM_SIZE_MAX];
    checksum_end(&body->md5, bytes);
    memcpy(body->md5_bytes, bytes, sizeof body->md5_bytes);
    hex_write(bytes, 16, body->md5_hex);
    if (body->sha256_on) {
        hex_write(bytes, checksum_end(&body->sha256, bytes), body->sha256_hex);
    }
    if (body->sum_kind >= 0) {
        base64_write(bytes, checksum_end(&body->sum, bytes), body->sum_text);
    }
}

int s3_body_end(struct s3_request *r, struct err *err)
{
    struct s3_body *body = &r->body;
    if (body->chunked) {
        TRY(aws_chunked_end(&body->decoder, err));
    }
    sums_end(body);
    if (body->sha256_on) {
        TRY(auth_body(r->api, r->req, AUTH_STYLE_S3, &r->auth, body->sha256_hex, err));
    }
    TRY(sums_compare(body, err));
    return body->fd >= 0 ? s3_body_to_blob(body, err) : 0; // what still waits in memory
}

void s3_body_done(struct s3_body *body)
{
    if (body->chunked) {
        aws_chunked_done(&body->decoder);
    }
    checksum_done(&body->md5);
    checksum_done(&body->sha256);
    checksum_done(&body->sum);
    buf_done(&body->memory);
    fd_clean(&body->fd);
    body->fd = -1;
}
