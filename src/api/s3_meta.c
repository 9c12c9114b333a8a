// SPDX-License-Identifier: Apache-2.0
// What is known of an object besides its bytes: content headers, user metadata, storage class, and
// the conditions that requests put on it.
#include "api/s3.h"
#include "base/clock.h"
#include "base/mem.h"
#include "format/utf8.h"

// Kept with an object and given back with it.
static const char *const content_headers[] = {
    "Cache-Control",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Type",
    "Expires",
    "x-amz-website-redirect-location",
};

static const char *const storage_classes[] = {
    "STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING",
    "GLACIER",  "DEEP_ARCHIVE",       "GLACIER_IR",  "OUTPOSTS",   "EXPRESS_ONEZONE",
};

// Headers that ask for what this server does not do; pretending would mislead.
static const char *const refused_headers[] = {
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-copy-source-server-side-encryption-customer-algorithm",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-object-lock-legal-hold",
    "x-amz-write-offset-bytes",
};

// Content-Encoding without "aws-chunked", which is of the transfer.
static void encoding_add(struct buf *lines, struct str value)
{
    CLEAN(buf_done) struct buf kept = BUF_INIT(8192);
    while (value.at) {
        struct str coding = str_trim(str_cut(&value, ','));
        if (coding.size && !str_eq_nocase(coding, STR("aws-chunked"))) {
            buf_printf(&kept, "%s" STR_FMT, kept.size ? "," : "", STR_ARG(coding));
        }
    }
    if (kept.size) {
        buf_printf(lines, "Content-Encoding: %s\n", buf_text(&kept));
    }
}

static void meta_add(struct buf *lines, struct str name, struct str value, size_t *user_size)
{
    const size_t prefix = strlen("x-amz-meta-");
    *user_size += name.size - prefix + value.size;
    for (size_t i = 0; i < name.size; i++) {
        char c = name.at[i];
        buf_add_char(lines, (char)(c >= 'A' && c <= 'Z' ? c + 32 : c));
    }
    buf_printf(lines, ": " STR_FMT "\n", STR_ARG(value));
}

void s3_meta_add(struct buf *lines, struct str name, struct str value, size_t *user_size)
{
    value = str_trim(value);
    for (size_t i = 0; i < value.size; i++) {
        if (value.at[i] == '\n' || value.at[i] == '\r' || value.at[i] == 0) {
            return; // would become headers of its own
        }
    }
    if (str_eq_nocase(str_head(name, 11), STR("x-amz-meta-"))) {
        meta_add(lines, name, value, user_size);
        return;
    }
    if (str_eq_nocase(name, STR("Content-Encoding"))) {
        encoding_add(lines, value);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(content_headers); i++) {
        if (str_eq_nocase(name, str_of(content_headers[i]))) {
            buf_printf(lines, "%s: " STR_FMT "\n", content_headers[i], STR_ARG(value));
        }
    }
}

static int meta_refuse(struct s3_request *r, struct err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(refused_headers); i++) {
        if (s3_header(r, refused_headers[i]).size) {
            return err_aws(err, ERR_UNSUPPORTED, "NotImplemented",
                           "A header you provided implies functionality that is not implemented: "
                           "%s",
                           refused_headers[i]);
        }
    }
    return 0;
}

int s3_meta_headers(struct s3_request *r, struct str *ret, struct err *err)
{
    TRY(meta_refuse(r, err));
    CLEAN(buf_done) struct buf lines = BUF_INIT(64 * 1024);
    size_t user_size = 0;
    bool typed = false;
    for (size_t i = 0; i < r->req->header_count; i++) {
        const struct http_header *header = &r->req->headers[i];
        s3_meta_add(&lines, header->name, header->value, &user_size);
        typed = typed || str_eq_nocase(header->name, STR("Content-Type"));
    }
    if (!typed) {
        buf_add_text(&lines, "Content-Type: binary/octet-stream\n");
    }
    if (user_size > S3_META_MAX) {
        return err_aws(err, ERR_LIMIT, "MetadataTooLarge",
                       "Your metadata headers exceed the maximum allowed metadata size");
    }
    if (!buf_ok(&lines)) {
        return err_aws(err, ERR_LIMIT, "MetadataTooLarge",
                       "The headers of the object are too long");
    }
    *ret = s3_keep_str(r, buf_str(&lines));
    return 0;
}

int s3_storage_class(struct s3_request *r, struct str *ret, struct err *err)
{
    struct str name = s3_header(r, "x-amz-storage-class");
    if (!name.size || str_eq(name, STR("STANDARD"))) {
        *ret = (struct str){0};
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(storage_classes); i++) {
        if (str_eq(name, str_of(storage_classes[i]))) {
            *ret = str_of(storage_classes[i]);
            return 0;
        }
    }
    return err_aws(err, ERR_INVALID, "InvalidStorageClass",
                   "The storage class you specified is not valid");
}

// Ownership is enforced here, as in buckets that AWS makes today: lists that say what holds anyway
// are accepted.
int s3_acl_check(struct s3_request *r, struct err *err)
{
    struct str acl = s3_header(r, "x-amz-acl");
    bool harmless = !acl.size || str_eq(acl, STR("private")) ||
                    str_eq(acl, STR("bucket-owner-full-control")) ||
                    str_eq(acl, STR("bucket-owner-read"));
    for (size_t i = 0; i < r->req->header_count && harmless; i++) {
        harmless = !str_eq_nocase(str_head(r->req->headers[i].name, 12), STR("x-amz-grant-"));
    }
    return harmless ? 0
                    : err_aws(err, ERR_INVALID, "AccessControlListNotSupported",
                              "The bucket does not allow ACLs");
}

int s3_key_check(struct str key, struct err *err)
{
    if (key.size > OBJECT_KEY_MAX) {
        return err_aws(err, ERR_LIMIT, "KeyTooLongError", "Your key is too long");
    }
    if (memchr(str_not_null(key).at, 0, key.size) || !utf8_ok(key)) {
        return err_aws(err, ERR_INVALID, "InvalidURI",
                       "Couldn't parse the specified URI: a key is UTF-8 without NUL.");
    }
    return 0;
}

void s3_reply_sum(struct s3_request *r, struct str name, struct str sum, struct str type)
{
    int kind = checksum_kind_of_name(name);
    if (kind < 0 || !sum.size) {
        return;
    }
    s3_reply_header_str(r, checksum_header((enum checksum_kind)kind), sum);
    if (type.size) {
        s3_reply_header_str(r, "x-amz-checksum-type", type);
    }
}

void s3_reply_meta(struct s3_request *r, const struct object *object)
{
    struct str rest = object->headers;
    while (rest.size) {
        struct str value = str_cut(&rest, '\n');
        struct str name = str_cut(&value, ':');
        // A header's name must outlive the reply: the request keeps it.
        s3_reply_header_str(r, s3_keep(r, str_dup(name)), str_trim(value));
    }
    char text[CLOCK_TEXT_MAX];
    s3_reply_header(r, "Last-Modified", clock_http(object->modified_ms, text));
    s3_reply_etag(r, object->etag);
    s3_reply_header(r, "Accept-Ranges", "bytes");
    if (object->storage_class.size) {
        s3_reply_header_str(r, "x-amz-storage-class", object->storage_class);
    }
    if (object->tags.size) {
        snprintf(text, sizeof text, "%zu", s3_tags_count(object->tags));
        s3_reply_header(r, "x-amz-tagging-count", text);
    }
}

struct str s3_etag_trim(struct str etag)
{
    etag = str_trim(etag);
    if (str_starts(etag, STR("W/"))) {
        etag = str_skip(etag, 2);
    }
    if (etag.size >= 2 && etag.at[0] == '"' && etag.at[etag.size - 1] == '"') {
        etag = str_head(str_skip(etag, 1), etag.size - 2);
    }
    return etag;
}

bool s3_etag_listed(struct str list, struct str etag)
{
    while (list.at) {
        struct str one = s3_etag_trim(str_cut(&list, ','));
        if (str_eq(one, STR("*")) || str_eq(one, etag)) {
            return true;
        }
    }
    return false;
}

static int64_t date_ms(struct str text)
{
    CLEAN_MEM char *copy = str_dup(str_not_null(text));
    return clock_http_parse(copy);
}

// RFC 9110, section 13.2.2: entity tags win over dates. Dates have whole seconds.
enum s3_verdict s3_conditions_check(const struct s3_conditions *c, const struct object *object)
{
    int64_t modified_s = object->modified_ms / 1000;
    if (c->match.at) {
        if (!s3_etag_listed(c->match, object->etag)) {
            return S3_FAILED;
        }
    } else if (c->unmodified_since.at) {
        int64_t since_ms = date_ms(c->unmodified_since);
        if (since_ms >= 0 && modified_s > since_ms / 1000) {
            return S3_FAILED;
        }
    }
    if (c->none_match.at) {
        return s3_etag_listed(c->none_match, object->etag) ? S3_NOT_MODIFIED : S3_GO_ON;
    }
    if (c->modified_since.at) {
        int64_t since_ms = date_ms(c->modified_since);
        if (since_ms >= 0 && modified_s <= since_ms / 1000) {
            return S3_NOT_MODIFIED;
        }
    }
    return S3_GO_ON;
}

int s3_put_conditions(struct s3_request *r, struct err *err)
{
    struct str match = s3_header(r, "If-Match");
    struct str none_match = s3_header(r, "If-None-Match");
    if (none_match.size && !str_eq(none_match, STR("*"))) {
        return err_aws(err, ERR_UNSUPPORTED, "NotImplemented",
                       "If-None-Match of a write must be *");
    }
    r->condition.if_none_match = none_match.size > 0;
    r->condition.if_match = match.size ? s3_keep_str(r, s3_etag_trim(match)) : (struct str){0};
    return 0;
}
