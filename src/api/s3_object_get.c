// SPDX-License-Identifier: Apache-2.0
// GetObject and HeadObject: conditions, ranges, parts, overrides. Small objects come out of the row,
// large ones are sent from their file by the kernel.
#include "api/s3.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>

int s3_object_need(struct s3_request *r, struct str bucket, struct str key, bool with_data,
                   struct object *ret, struct err *err)
{
    int rc = object_get(store_reader(r->api->store), bucket, key, with_data, ret, err);
    if (rc == 0) {
        int64_t id = bucket_id(store_reader(r->api->store), bucket, err);
        return id < 0
                   ? (int)id
                   : err_aws(err, ERR_NOT_FOUND, "NoSuchKey", "The specified key does not exist.");
    }
    return rc;
}

int s3_blob_open(struct s3_request *r, const struct object *object, struct err *err)
{
    if (!object->blob.size) {
        return -1;
    }
    struct blob_id id;
    snprintf(id.text, sizeof id.text, STR_FMT, STR_ARG(object->blob));
    int fd = blob_open(store_dir(r->api->store), &id, err);
    return fd;
}

// What is to be sent: all of it (200), or a range (206).
struct slice {
    struct s3_range range;
    bool partial;
    int parts; // x-amz-mp-parts-count, 0: not to be told
};

static int slice_part(const struct object *o, int64_t number, struct slice *ret, struct err *err)
{
    struct str rest = o->parts;
    struct s3_part part = {0};
    bool found = false;
    while (s3_part_next(&rest, &part)) {
        ret->parts++;
        if (ret->parts == number) { // counted, as S3 does, not as numbered by the client
            ret->range = (struct s3_range){part.offset, part.size};
            found = true;
        }
    }
    if (!ret->parts && number == 1) {
        ret->range = (struct s3_range){0, o->size};
        found = true;
    }
    ret->partial = true;
    return found ? 0
                 : err_aws(err, ERR_INVALID, "InvalidPartNumber",
                           "The requested partnumber is not satisfiable");
}

static int slice_choose(struct s3_request *r, const struct object *o, struct slice *ret,
                        struct err *err)
{
    *ret = (struct slice){.range = {0, o->size}};
    struct str range = s3_header(r, "Range");
    int64_t number = 0;
    TRY(s3_param_int(r, "partNumber", 1, UPLOAD_PART_MAX, &number, err));
    if (number && range.size) {
        return err_aws(err, ERR_INVALID, "InvalidRequest",
                       "Cannot specify both Range header and partNumber query parameter");
    }
    if (number) {
        return slice_part(o, number, ret, err);
    }
    struct str if_range = s3_header(r, "If-Range");
    if (!range.size || (if_range.size && !s3_etag_listed(if_range, o->etag))) {
        return 0;
    }
    int rc = s3_range_parse(range, o->size, &ret->range, err);
    if (rc < 0) {
        char text[64];
        snprintf(text, sizeof text, "bytes */%" PRIu64, o->size);
        s3_reply_header(r, "Content-Range", text);
    }
    ret->partial = rc == 1;
    return rc < 0 ? rc : 0;
}

// Query parameters that replace a header of the answer; only for those who signed the request.
static const struct {
    const char *param, *header;
} overrides[] = {
    {"response-content-type", "Content-Type"},
    {"response-content-language", "Content-Language"},
    {"response-expires", "Expires"},
    {"response-cache-control", "Cache-Control"},
    {"response-content-disposition", "Content-Disposition"},
    {"response-content-encoding", "Content-Encoding"},
};

static int overrides_apply(struct s3_request *r, struct object *o, struct err *err)
{
    CLEAN(buf_done) struct buf lines = BUF_INIT(256 * 1024);
    bool any = false;
    for (size_t i = 0; i < ARRAY_SIZE(overrides); i++) {
        struct str value = s3_param(r, overrides[i].param);
        if (value.at) {
            size_t user_size = 0;
            s3_meta_add(&lines, str_of(overrides[i].header), value, &user_size);
            any = true;
        }
    }
    if (!any) {
        return 0;
    }
    if (r->auth.anonymous && !r->api->settings->insecure) {
        return err_aws(err, ERR_INVALID, "InvalidRequest",
                       "Request specific response headers cannot be used for anonymous GET "
                       "requests.");
    }
    struct object over = {.headers = str_not_null(buf_str(&lines))};
    struct str rest = o->headers;
    while (rest.size) {
        struct str line = str_cut(&rest, '\n');
        struct str tail = line;
        CLEAN_MEM char *name = str_dup(str_cut(&tail, ':'));
        if (!object_header(&over, name).at) {
            buf_printf(&lines, STR_FMT "\n", STR_ARG(line));
        }
        over.headers = str_not_null(buf_str(&lines));
    }
    o->headers = s3_keep_str(r, buf_str(&lines));
    return 0;
}

static int conditions_apply(struct s3_request *r, const struct object *o, struct err *err)
{
    struct s3_conditions conditions = {s3_header(r, "If-Match"), s3_header(r, "If-None-Match"),
                                       s3_header(r, "If-Modified-Since"),
                                       s3_header(r, "If-Unmodified-Since")};
    switch (s3_conditions_check(&conditions, o)) {
    case S3_FAILED:
        return err_aws(err, ERR_INVALID, "PreconditionFailed",
                       "At least one of the pre-conditions you specified did not hold");
    case S3_NOT_MODIFIED:
        s3_reply_meta(r, o);
        s3_reply_empty(r, 304);
        return 1;
    case S3_GO_ON: break;
    }
    return 0;
}

static void slice_headers(struct s3_request *r, const struct object *o, const struct slice *slice)
{
    char text[96];
    if (slice->partial && o->size) {
        snprintf(text, sizeof text, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, slice->range.first,
                 slice->range.first + slice->range.size - 1, o->size);
        s3_reply_header(r, "Content-Range", text);
    }
    if (slice->parts) {
        snprintf(text, sizeof text, "%d", slice->parts);
        s3_reply_header(r, "x-amz-mp-parts-count", text);
    }
    // A checksum is of the whole, so it goes with the whole.
    struct str mode = s3_header(r, "x-amz-checksum-mode");
    if (str_eq_nocase(mode, STR("ENABLED")) && slice->range.size == o->size) {
        s3_reply_sum(r, o->sum_name, o->sum, o->sum_type);
    }
}

// With everything decided: the bytes, or only their number.
static int slice_send(struct s3_request *r, const struct object *o, const struct slice *slice,
                      struct err *err)
{
    int status = slice->partial ? 206 : 200;
    const struct s3_range *range = &slice->range;
    if (str_eq(r->req->method, STR("HEAD"))) {
        s3_reply_meta(r, o);
        slice_headers(r, o, slice);
        r->replied = true;
        http_reply_head(r->req, status, range->size);
        return 0;
    }
    int fd = -1;
    if (o->blob.size) {
        fd = s3_blob_open(r, o, err);
        TRY(fd);
    }
    s3_reply_meta(r, o);
    slice_headers(r, o, slice);
    r->replied = true;
    if (fd >= 0) {
        http_reply_file(r->req, status, fd, range->first, range->size);
    } else {
        http_reply(r->req, status, str_head(str_skip(o->data, range->first), range->size));
    }
    return 0;
}

int s3_get_object(struct s3_request *r, struct err *err)
{
    bool head = str_eq(r->req->method, STR("HEAD"));
    CLEAN(object_done) struct object o = {0};
    TRY(s3_object_need(r, r->bucket, r->key, !head, &o, err));
    int rc = conditions_apply(r, &o, err);
    if (rc != 0) {
        return rc < 0 ? rc : 0;
    }
    struct slice slice;
    TRY(slice_choose(r, &o, &slice, err));
    TRY(overrides_apply(r, &o, err));
    return slice_send(r, &o, &slice, err);
}
