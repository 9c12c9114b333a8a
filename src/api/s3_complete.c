// SPDX-License-Identifier: Apache-2.0
// CompleteMultipartUpload: the parts that the client names, in its order, become one blob on a pool
// thread (one part is taken as it is); then, if nobody changed them meanwhile, one commit puts the
// object in the place of the upload.
#include "api/s3.h"
#include "base/check.h"
#include "base/mem.h"
#include "format/base64.h"
#include "format/hex.h"

#include <stdio.h>

struct piece {
    int number;
    uint64_t size;
    char etag[33];
    char sum[CHECKSUM_TEXT_MAX];
    struct blob_id blob;
    bool wanted;
};

struct completion {
    struct upload upload;
    struct piece *pieces; // what the store has, by number
    size_t piece_count;
    struct piece *chosen; // what the client named, in order
    size_t count;
    int sum_kind; // -1: none
    char etag[64];
    struct buf parts; // for the object's row
    struct buf sum;
    char *url;
};

static void completion_free(void *data)
{
    struct completion *c = data;
    upload_done(&c->upload);
    free(c->pieces);
    free(c->chosen);
    buf_done(&c->parts);
    buf_done(&c->sum);
    free(c->url);
    free(c);
}

static int piece_add(void *ctx, const struct upload_part *part)
{
    struct completion *c = ctx;
    CHECK(c->piece_count < UPLOAD_PART_MAX);
    struct piece *piece = &c->pieces[c->piece_count++];
    piece->number = part->number;
    piece->size = part->size;
    snprintf(piece->etag, sizeof piece->etag, STR_FMT, STR_ARG(part->etag));
    snprintf(piece->sum, sizeof piece->sum, STR_FMT, STR_ARG(part->sum));
    snprintf(piece->blob.text, sizeof piece->blob.text, STR_FMT, STR_ARG(part->blob));
    return 0;
}

static int invalid_part(struct err *err)
{
    return err_aws(err, ERR_INVALID, "InvalidPart",
                   "One or more of the specified parts could not be found. The part may not have "
                   "been uploaded, or the specified entity tag may not match the part's entity "
                   "tag.");
}

static struct piece *piece_find(struct completion *c, int64_t number)
{
    size_t low = 0, high = c->piece_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c->pieces[middle].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < c->piece_count && c->pieces[low].number == number ? &c->pieces[low] : NULL;
}

// One <Part> of the document, compared with what was uploaded.
static int piece_choose(struct completion *c, const struct xml_node *node, struct err *err)
{
    int64_t number = 0;
    struct str etag;
    if (xml_child_int(node, "PartNumber", 1, UPLOAD_PART_MAX, &number, err) != 1 ||
        xml_need(node, "ETag", &etag, err) < 0) {
        return err_aws(err, ERR_INVALID, "MalformedXML",
                       "The XML you provided was not well-formed or did not validate against our "
                       "published schema");
    }
    if (c->count && number <= c->chosen[c->count - 1].number) {
        return err_aws(err, ERR_INVALID, "InvalidPartOrder",
                       "The list of parts was not in ascending order. Parts must be ordered by "
                       "part number.");
    }
    struct piece *piece = piece_find(c, number);
    if (!piece || !str_eq_nocase(s3_etag_trim(etag), str_of(piece->etag))) {
        return invalid_part(err);
    }
    if (c->sum_kind >= 0) {
        char tag[32];
        snprintf(tag, sizeof tag, "Checksum%s", checksum_name((enum checksum_kind)c->sum_kind));
        struct str sum = xml_child_text(node, tag);
        if (sum.size && !str_eq(str_trim(sum), str_of(piece->sum))) {
            return invalid_part(err);
        }
    }
    c->chosen[c->count++] = *piece;
    return 0;
}

static int pieces_choose(struct completion *c, struct str document, struct err *err)
{
    CLEAN(xml_clean) struct xml_node *root = NULL;
    TRY(xml_parse(document, &root, err));
    struct xml_node *node = xml_child(root, "Part");
    if (strcmp(root->name, "CompleteMultipartUpload") != 0 || !node) {
        return err_aws(err, ERR_INVALID, "MalformedXML",
                       "The XML you provided was not well-formed or did not validate against our "
                       "published schema");
    }
    c->chosen = mem_alloc((c->piece_count + 1) * sizeof *c->chosen);
    for (; node; node = xml_next(node)) {
        TRY(piece_choose(c, node, err)); // ascending and present: never more than there are
    }
    for (size_t i = 0; i + 1 < c->count; i++) {
        if (c->chosen[i].size < S3_PART_SIZE_MIN) {
            return err_aws(err, ERR_INVALID, "EntityTooSmall",
                           "Your proposed upload is smaller than the minimum allowed size");
        }
    }
    return 0;
}

// The MD5 of the parts' MD5s; each part with its size, for reading by part.
static void etag_make(struct completion *c)
{
    CLEAN(checksum_done) struct checksum md5;
    checksum_init(&md5, CHECKSUM_MD5);
    for (size_t i = 0; i < c->count; i++) {
        uint8_t bytes[16] = {0};
        CHECK(hex_decode(str_of(c->chosen[i].etag), bytes, sizeof bytes, NULL) >= 0);
        checksum_add(&md5, str_n(bytes, sizeof bytes));
        buf_printf(&c->parts, "%d %llu %s\n", c->chosen[i].number,
                   (unsigned long long)c->chosen[i].size, c->chosen[i].sum);
    }
    uint8_t bytes[CHECKSUM_SIZE_MAX];
    char hex[33];
    checksum_end(&md5, bytes);
    hex_write(bytes, 16, hex);
    snprintf(c->etag, sizeof c->etag, "%s-%zu", hex, c->count);
}

// The checksum of the whole out of those of the parts: of them (COMPOSITE), or as if of the bytes.
static int sum_make(struct completion *c, struct err *err)
{
    enum checksum_kind kind = (enum checksum_kind)c->sum_kind;
    bool full = str_eq(c->upload.sum_type, STR("FULL_OBJECT"));
    size_t size = checksum_size(kind);
    uint8_t whole[CHECKSUM_SIZE_MAX] = {0};
    CLEAN(checksum_done) struct checksum of_sums;
    checksum_init(&of_sums, kind);
    for (size_t i = 0; i < c->count; i++) {
        uint8_t bytes[CHECKSUM_SIZE_MAX] = {0};
        if (base64_decode_exact(str_of(c->chosen[i].sum), bytes, size, NULL) < 0) {
            return err_aws(err, ERR_INVALID, "InvalidPart",
                           "Part %d has no %s checksum, which the upload asks for",
                           c->chosen[i].number, checksum_name(kind));
        }
        checksum_add(&of_sums, str_n(bytes, size));
        if (full && i == 0) {
            memcpy(whole, bytes, sizeof whole);
        } else if (full) {
            checksum_combine(kind, whole, bytes, c->chosen[i].size);
        }
    }
    uint8_t composite[CHECKSUM_SIZE_MAX];
    checksum_end(&of_sums, composite);
    if (full) {
        base64_add(&c->sum, whole, size);
    } else {
        checksum_text_composite(kind, composite, (unsigned)c->count, &c->sum);
    }
    return 0;
}

// What the request says that the whole has.
static int whole_compare(struct s3_request *r, struct completion *c, struct err *err)
{
    uint64_t size = 0, wanted;
    for (size_t i = 0; i < c->count; i++) {
        size += c->chosen[i].size;
    }
    r->object.size = size;
    if (size > S3_OBJECT_SIZE_MAX) {
        return err_aws(err, ERR_LIMIT, "EntityTooLarge",
                       "Your proposed upload exceeds the maximum allowed size");
    }
    struct str told = s3_header(r, "x-amz-mp-object-size");
    if (told.size && (!str_to_u64(told, &wanted) || wanted != size)) {
        return err_aws(err, ERR_INVALID, "InvalidRequest",
                       "The provided 'x-amz-mp-object-size' header does not match what was "
                       "uploaded");
    }
    if (c->sum_kind < 0) {
        return 0;
    }
    TRY(sum_make(c, err));
    struct str sum = s3_header(r, checksum_header((enum checksum_kind)c->sum_kind));
    struct str made = buf_str(&c->sum);
    bool same = str_eq(sum, made) || // a composite one also without "-<parts>"
                (str_starts(made, sum) && made.at[sum.size] == '-');
    if (sum.size && !same) {
        return err_aws(err, ERR_INVALID, "BadDigest",
                       "The %s you specified did not match the calculated checksum.",
                       checksum_name((enum checksum_kind)c->sum_kind));
    }
    return 0;
}

// On a pool thread.
static int pieces_join(struct s3_request *r, struct err *err)
{
    struct completion *c = r->data;
    struct s3_body *body = &r->body;
    const char *dir = store_dir(r->api->store);
    body->blob = blob_id_new();
    body->fd = blob_create(dir, &body->blob, err);
    TRY(body->fd);
    body->blob_made = true;
    for (size_t i = 0; i < c->count; i++) {
        CLEAN_FD int from = blob_open(dir, &c->chosen[i].blob, err);
        TRY(from);
        TRY(blob_copy(body->fd, from, 0, c->chosen[i].size, err));
    }
    return blob_sync(dir, &body->blob, body->fd, err);
}

// The pieces are still the ones that were looked at? A part that was replaced meanwhile has another
// blob.
static int piece_check(void *ctx, const struct upload_part *part)
{
    struct completion *c = ctx;
    struct piece *piece = piece_find(c, part->number);
    if (piece && str_eq(part->blob, str_of(piece->blob.text))) {
        piece->wanted = true;
    }
    return 0;
}

static int pieces_check(struct completion *c, struct db *db, struct err *err)
{
    TRY(upload_part_each(db, c->upload.id, 0, piece_check, c, err));
    for (size_t i = 0; i < c->count; i++) {
        if (!piece_find(c, c->chosen[i].number)->wanted) {
            return invalid_part(err);
        }
    }
    return 0;
}

static int complete_commit(struct s3_request *r, struct db *db, struct err *err)
{
    struct completion *c = r->data;
    TRY(pieces_check(c, db, err));
    TRY(object_put(db, &r->object, &r->condition, &r->change, err));
    struct blob_list blobs = {0};
    int rc = upload_delete(db, c->upload.id, &blobs, err);
    for (size_t i = 0; rc >= 0 && i < blobs.count; i++) {
        struct str blob = str_of(blobs.at[i].text);
        if (!str_eq(blob, r->object.blob)) { // a single part has become the object
            blob_list_add(&r->change.blobs, blob);
        }
    }
    blob_list_done(&blobs);
    TRY(rc);
    return s3_emit(r, db, "ObjectCreated:CompleteMultipartUpload", &r->object, r->change.sequencer,
                   err);
}

static void complete_done(struct s3_request *r)
{
    struct completion *c = r->data;
    r->body.blob_made = false; // a row names it now
    CLEAN(buf_done) struct buf out = BUF_INIT(S3_REPLY_MAX);
    xml_begin(&out);
    xml_open_ns(&out, "CompleteMultipartUploadResult", XML_NS_S3);
    xml_text_element(&out, "Location", str_of(c->url));
    xml_text_element(&out, "Bucket", r->bucket);
    xml_text_element(&out, "Key", r->key);
    s3_xml_etag(&out, r->object.etag);
    if (r->object.sum.size) {
        s3_xml_sum(&out, r->object.sum_name, r->object.sum);
        xml_text_element(&out, "ChecksumType", r->object.sum_type);
    }
    xml_close(&out, "CompleteMultipartUploadResult");
    s3_reply_xml(r, 200, &out);
}

static int complete_put(struct s3_request *r, struct err *err)
{
    (void)err;
    struct completion *c = r->data;
    struct object *o = &r->object;
    o->bucket = r->bucket;
    o->key = r->key;
    o->modified_ms = r->now_ms;
    o->etag = str_of(c->etag);
    o->headers = c->upload.headers;
    o->tags = c->upload.tags;
    o->storage_class = c->upload.storage_class;
    o->parts = buf_str(&c->parts);
    o->blob = c->count == 1 ? str_of(c->chosen[0].blob.text) : str_of(r->body.blob.text);
    if (c->sum_kind >= 0) {
        o->sum_name = c->upload.sum_name;
        o->sum_type = c->upload.sum_type;
        o->sum = buf_str(&c->sum);
    }
    s3_commit(r, complete_commit, complete_done);
    return 0;
}

int s3_complete_upload(struct s3_request *r, struct err *err)
{
    struct db *db = store_reader(r->api->store);
    struct completion *c = NEW(struct completion);
    r->data = c;
    r->data_free = completion_free;
    buf_init(&c->parts, (size_t)1 << 20);
    buf_init(&c->sum, 256);
    c->url = mem_printf("http://" STR_FMT STR_FMT, STR_ARG(r->req->host), STR_ARG(r->req->path));
    TRY(s3_put_conditions(r, err));
    TRY(upload_get(db, r->bucket, r->key, s3_param(r, "uploadId"), &c->upload, err));
    c->sum_kind = checksum_kind_of_name(c->upload.sum_name);
    c->pieces = mem_alloc(UPLOAD_PART_MAX * sizeof *c->pieces);
    TRY(upload_part_each(db, c->upload.id, 0, piece_add, c, err));
    TRY(pieces_choose(c, buf_str(&r->body.memory), err));
    etag_make(c);
    TRY(whole_compare(r, c, err));
    if (c->count == 1) {
        return complete_put(r, err);
    }
    s3_pool(r, pieces_join, complete_put);
    return 0;
}
