// SPDX-License-Identifier: Apache-2.0
// The decoder of aws-chunked bodies. Whatever the pieces' borders, it sees lines and runs of data:
//
//     HEADER ──size > 0──► DATA ──all──► DATA_END ──CRLF──► HEADER
//        └──size 0──► TRAILER (…-TRAILER) or LAST_LINE ──empty line──► DONE
#include "format/aws_chunked.h"
#include "base/check.h"
#include "base/state.h"

static const struct state_step steps[] = {
    {AWS_CHUNKED_HEADER, AWS_CHUNKED_DATA},      {AWS_CHUNKED_DATA, AWS_CHUNKED_DATA_END},
    {AWS_CHUNKED_DATA_END, AWS_CHUNKED_HEADER},  {AWS_CHUNKED_HEADER, AWS_CHUNKED_TRAILER},
    {AWS_CHUNKED_HEADER, AWS_CHUNKED_LAST_LINE}, {AWS_CHUNKED_TRAILER, AWS_CHUNKED_DONE},
    {AWS_CHUNKED_LAST_LINE, AWS_CHUNKED_DONE},
};

static void move_to(struct aws_chunked *dec, enum aws_chunked_state to)
{
    int state = (int)dec->state;
    state_move(&state, (int)to, steps, sizeof steps / sizeof steps[0]);
    dec->state = to;
}

void aws_chunked_init(struct aws_chunked *dec, const struct aws_chunked_options *options)
{
    CHECK(options->on_data != NULL);
    *dec =
        (struct aws_chunked){.options = *options,
                             .line = BUF_INIT(AWS_CHUNKED_LINE_MAX),
                             .trailers = BUF_INIT(AWS_CHUNKED_LINE_MAX * AWS_CHUNKED_TRAILER_MAX)};
}

void aws_chunked_done(struct aws_chunked *dec)
{
    buf_done(&dec->line);
    buf_done(&dec->trailers);
    checksum_done(&dec->sum);
}

static int malformed(struct err *err, const char *what)
{
    return err_aws(err, ERR_PROTOCOL, "InvalidRequest", "aws-chunked body: %s", what);
}

static int mismatch(struct err *err, const char *what)
{
    return err_aws(err, ERR_DENIED, "SignatureDoesNotMatch",
                   "aws-chunked body: the signature of %s is missing or does not match", what);
}

// 1 to 16 hexadecimal digits.
static int parse_size(struct str text, uint64_t *ret, struct err *err)
{
    uint64_t value = 0;
    if (text.size == 0 || text.size > 16) {
        return malformed(err, "a chunk size is not 1 to 16 hexadecimal digits");
    }
    for (size_t i = 0; i < text.size; i++) {
        char c = text.at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) {
            return malformed(err, "a chunk size is not 1 to 16 hexadecimal digits");
        }
        value = value << 4 | (uint64_t)digit;
    }
    *ret = value;
    return 0;
}

static void keep_signature(char to[SIGV4_HEX], struct str value)
{
    memset(to, 0, SIGV4_HEX);
    if (value.size == SIGV4_HEX - 1) {
        memcpy(to, value.at, value.size);
    }
}

static int check_chunk_signature(struct aws_chunked *dec, struct err *err)
{
    if (!dec->options.chain) {
        return 0;
    }
    uint8_t hash[CHECKSUM_SIZE_MAX];
    char wanted[SIGV4_HEX];
    (void)checksum_end(&dec->sum, hash);
    sigv4_chain_chunk(dec->options.chain, hash, wanted);
    return sigv4_same(str_n(wanted, SIGV4_HEX), str_n(dec->signature, SIGV4_HEX))
               ? 0
               : mismatch(err, "a chunk");
}

static int check_total(const struct aws_chunked *dec, bool at_end, struct err *err)
{
    uint64_t total = dec->total + dec->chunk_left;
    const struct aws_chunked_options *o = &dec->options;
    if (total < dec->total) {
        return malformed(err, "the chunk sizes are beyond all bounds");
    }
    if (o->has_decoded_size && (at_end ? total != o->decoded_size : total > o->decoded_size)) {
        return err_aws(err, ERR_PROTOCOL, "IncompleteBody",
                       "aws-chunked body: %s bytes of data than x-amz-decoded-content-length "
                       "(%llu) says",
                       total > o->decoded_size ? "more" : "fewer",
                       (unsigned long long)o->decoded_size);
    }
    return 0;
}

// "400;chunk-signature=…"
static int take_header(struct aws_chunked *dec, struct str line, struct err *err)
{
    struct str rest = line;
    TRY(parse_size(str_trim(str_cut(&rest, ';')), &dec->chunk_left, err));
    dec->signature[0] = 0;
    while (rest.at) {
        struct str value = str_trim(str_cut(&rest, ';'));
        struct str name = str_cut(&value, '=');
        if (str_eq(name, STR("chunk-signature"))) {
            keep_signature(dec->signature, value);
        }
    }
    TRY(check_total(dec, /* at_end */ false, err));
    if (dec->options.chain) {
        checksum_init(&dec->sum, CHECKSUM_SHA256);
    }
    if (dec->chunk_left) {
        move_to(dec, AWS_CHUNKED_DATA);
        return 0;
    }
    TRY(check_total(dec, /* at_end */ true, err));
    TRY(check_chunk_signature(dec, err));
    move_to(dec, dec->options.trailer ? AWS_CHUNKED_TRAILER : AWS_CHUNKED_LAST_LINE);
    return 0;
}

static int check_trailer_signature(struct aws_chunked *dec, struct err *err)
{
    if (!dec->options.chain) {
        return 0;
    }
    uint8_t hash[32];
    char wanted[SIGV4_HEX];
    sigv4_sha256(buf_str(&dec->trailers), hash);
    sigv4_chain_trailer(dec->options.chain, hash, wanted);
    return sigv4_same(str_n(wanted, SIGV4_HEX), str_n(dec->trailer_signature, SIGV4_HEX))
               ? 0
               : mismatch(err, "the trailers");
}

static int take_end(struct aws_chunked *dec, struct err *err)
{
    if (dec->state == AWS_CHUNKED_TRAILER) {
        TRY(check_trailer_signature(dec, err));
    }
    struct str rest = buf_str(&dec->trailers);
    while (rest.size && dec->options.on_trailer) {
        struct str value = str_cut(&rest, '\n');
        struct str name = str_cut(&value, ':');
        TRY(dec->options.on_trailer(dec->options.ctx, name, value, err));
    }
    move_to(dec, AWS_CHUNKED_DONE);
    return 0;
}

// "x-amz-checksum-crc32c:AAAAAA=="
static int take_trailer(struct aws_chunked *dec, struct str line, struct err *err)
{
    // The documentation ends a trailer in "\n\r\n" before its signature: that is an empty line.
    if (line.size == 0 && dec->options.chain && !dec->trailer_signature[0] && dec->trailer_count) {
        return 0;
    }
    if (line.size == 0) {
        return take_end(dec, err);
    }
    struct str value = line;
    struct str name = str_trim(str_cut(&value, ':'));
    if (!value.at || name.size == 0) {
        return malformed(err, "a trailer is not \"name:value\"");
    }
    if (dec->trailer_signature[0]) {
        return malformed(err, "a trailer after their signature");
    }
    value = str_trim(value);
    if (str_eq_nocase(name, STR("x-amz-trailer-signature"))) {
        keep_signature(dec->trailer_signature, value);
        return dec->trailer_signature[0] ? 0 : mismatch(err, "the trailers");
    }
    if (++dec->trailer_count > AWS_CHUNKED_TRAILER_MAX) {
        return err_aws(err, ERR_LIMIT, "InvalidRequest", "aws-chunked body: more than %d trailers",
                       AWS_CHUNKED_TRAILER_MAX);
    }
    for (size_t i = 0; i < name.size; i++) {
        char c = name.at[i];
        buf_add_char(&dec->trailers, c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
    }
    buf_add_char(&dec->trailers, ':');
    buf_add_str(&dec->trailers, value);
    buf_add_char(&dec->trailers, '\n');
    CHECK(buf_ok(&dec->trailers));
    return 0;
}

// `line` is without its "\r\n".
static int take_line(struct aws_chunked *dec, struct str line, struct err *err)
{
    switch (dec->state) {
    case AWS_CHUNKED_HEADER: return take_header(dec, line, err);
    case AWS_CHUNKED_TRAILER: return take_trailer(dec, line, err);
    case AWS_CHUNKED_DATA_END:
        if (line.size) {
            return malformed(err, "no line end after a chunk's data");
        }
        TRY(check_chunk_signature(dec, err));
        move_to(dec, AWS_CHUNKED_HEADER);
        return 0;
    case AWS_CHUNKED_LAST_LINE:
        return line.size ? malformed(err, "trailers that were not announced") : take_end(dec, err);
    default: break;
    }
    CHECK(dec->state == AWS_CHUNKED_HEADER); // no line is taken in another state
    return 0;
}

static int line_too_long(struct err *err)
{
    return err_aws(err, ERR_LIMIT, "InvalidRequest",
                   "aws-chunked body: a line is longer than %d bytes", AWS_CHUNKED_LINE_MAX);
}

// Takes one line, or what there is of it, off *piece.
static int feed_line(struct aws_chunked *dec, struct str *piece, struct err *err)
{
    ptrdiff_t end = str_find(*piece, '\n');
    struct str part = end < 0 ? *piece : str_head(*piece, (size_t)end);
    *piece = str_skip(*piece, part.size + (end < 0 ? 0 : 1));
    if (part.size > AWS_CHUNKED_LINE_MAX) {
        return line_too_long(err);
    }
    bool whole = end >= 0 && dec->line.size == 0;
    if (!whole) {
        buf_add_str(&dec->line, part);
        if (!buf_ok(&dec->line)) {
            return line_too_long(err);
        }
        if (end < 0) {
            return 0;
        }
    }
    struct str line = whole ? part : buf_str(&dec->line);
    if (line.size && line.at[line.size - 1] == '\r') {
        line.size--;
    } else if (dec->state != AWS_CHUNKED_TRAILER) {
        return malformed(err, "a line does not end in CR LF");
    }
    int rc = take_line(dec, line, err);
    buf_clear(&dec->line);
    return rc;
}

static int feed_data(struct aws_chunked *dec, struct str *piece, struct err *err)
{
    size_t size = piece->size < dec->chunk_left ? piece->size : (size_t)dec->chunk_left;
    struct str data = str_head(*piece, size);
    *piece = str_skip(*piece, size);
    if (dec->options.chain) {
        checksum_add(&dec->sum, data);
    }
    dec->chunk_left -= size;
    dec->total += size;
    TRY(dec->options.on_data(dec->options.ctx, data, err));
    if (dec->chunk_left == 0) {
        move_to(dec, AWS_CHUNKED_DATA_END);
    }
    return 0;
}

static int feed(struct aws_chunked *dec, struct str piece, struct err *err)
{
    while (piece.size) {
        switch (dec->state) {
        case AWS_CHUNKED_DATA: TRY(feed_data(dec, &piece, err)); break;
        case AWS_CHUNKED_DONE: return malformed(err, "bytes after its end");
        case AWS_CHUNKED_FAILED: return malformed(err, "it was refused before");
        default: TRY(feed_line(dec, &piece, err)); break;
        }
    }
    return 0;
}

int aws_chunked_feed(struct aws_chunked *dec, struct str piece, struct err *err)
{
    int rc = feed(dec, piece, err);
    if (rc < 0) {
        dec->state = AWS_CHUNKED_FAILED;
    }
    return rc;
}

int aws_chunked_end(struct aws_chunked *dec, struct err *err)
{
    if (dec->state == AWS_CHUNKED_DONE) {
        return 0;
    }
    return err_aws(err, ERR_PROTOCOL, "IncompleteBody", "aws-chunked body: it %s",
                   dec->state == AWS_CHUNKED_FAILED ? "was refused before"
                                                    : "ended before its last chunk");
}
