// SPDX-License-Identifier: Apache-2.0
// GetObjectAttributes: what is known of an object, as a document.
#include "api/s3.h"
#include "base/clock.h"
#include "base/mem.h"

enum { ETAG = 1, CHECKSUM = 2, PARTS = 4, CLASS = 8, SIZE = 16 };

static const struct {
    const char *name;
    unsigned bit;
} attributes[] = {
    {"ETag", ETAG},          {"Checksum", CHECKSUM}, {"ObjectParts", PARTS},
    {"StorageClass", CLASS}, {"ObjectSize", SIZE},
};

static int attributes_wanted(struct s3_request *r, unsigned *ret, struct err *err)
{
    for (size_t i = 0; i < r->req->header_count; i++) {
        struct str rest = r->req->headers[i].value;
        if (!str_eq_nocase(r->req->headers[i].name, STR("x-amz-object-attributes"))) {
            continue;
        }
        while (rest.at) {
            struct str name = str_trim(str_cut(&rest, ','));
            unsigned bit = 0;
            for (size_t j = 0; j < ARRAY_SIZE(attributes); j++) {
                bit |= str_eq(name, str_of(attributes[j].name)) ? attributes[j].bit : 0;
            }
            if (!bit) {
                return err_aws(err, ERR_INVALID, "InvalidArgument",
                               "Invalid attribute name specified.");
            }
            *ret |= bit;
        }
    }
    return *ret ? 0
                : err_aws(err, ERR_INVALID, "InvalidRequest",
                          "The x-amz-object-attributes header specifying the attributes to be "
                          "retrieved is either missing or empty");
}

static int parts_write(struct s3_request *r, const struct object *o, struct buf *out,
                       struct err *err)
{
    uint64_t after = 0, max = 1000, last = 0, given = 0;
    int total = 0;
    bool more = false;
    struct str marker = s3_header(r, "x-amz-part-number-marker");
    struct str max_text = s3_header(r, "x-amz-max-parts");
    if ((marker.size && !str_to_u64(marker, &after)) ||
        (max_text.size && !str_to_u64(max_text, &max))) {
        return err_aws(err, ERR_INVALID, "InvalidArgument",
                       "x-amz-max-parts and x-amz-part-number-marker must be integers");
    }
    CLEAN(buf_done) struct buf parts = BUF_INIT(S3_REPLY_MAX);
    struct str rest = o->parts;
    struct s3_part part = {0};
    while (s3_part_next(&rest, &part)) {
        total++;
        if ((uint64_t)part.number <= after || more) {
            continue;
        }
        if (given == max) {
            more = true;
            continue;
        }
        given++;
        last = (uint64_t)part.number;
        if (!part.sum.size) { // without checksums S3 tells only their number
            continue;
        }
        xml_open(&parts, "Part");
        xml_int_element(&parts, "PartNumber", part.number);
        xml_int_element(&parts, "Size", (int64_t)part.size);
        s3_xml_sum(&parts, o->sum_name, part.sum);
        xml_close(&parts, "Part");
    }
    if (!total) {
        return 0;
    }
    xml_open(out, "ObjectParts");
    xml_int_element(out, "PartsCount", total);
    if (parts.size) {
        xml_int_element(out, "PartNumberMarker", (int64_t)after);
        xml_int_element(out, "NextPartNumberMarker", (int64_t)last);
        xml_int_element(out, "MaxParts", (int64_t)max);
        xml_bool_element(out, "IsTruncated", more);
        buf_add_str(out, buf_str(&parts));
    }
    xml_close(out, "ObjectParts");
    return 0;
}

int s3_get_object_attributes(struct s3_request *r, struct err *err)
{
    unsigned wanted = 0;
    TRY(attributes_wanted(r, &wanted, err));
    CLEAN(object_done) struct object o = {0};
    TRY(s3_object_need(r, r->bucket, r->key, false, &o, err));
    CLEAN(buf_done) struct buf out = BUF_INIT(S3_REPLY_MAX);
    xml_begin(&out);
    xml_open_ns(&out, "GetObjectAttributesResponse", XML_NS_S3);
    if (wanted & ETAG) { // here without quotes
        xml_text_element(&out, "ETag", o.etag);
    }
    if ((wanted & CHECKSUM) && o.sum.size) {
        xml_open(&out, "Checksum");
        s3_xml_sum(&out, o.sum_name, o.sum);
        xml_text_element(&out, "ChecksumType", o.sum_type);
        xml_close(&out, "Checksum");
    }
    if (wanted & PARTS) {
        TRY(parts_write(r, &o, &out, err));
    }
    if (wanted & CLASS) {
        s3_xml_class(&out, o.storage_class);
    }
    if (wanted & SIZE) {
        xml_int_element(&out, "ObjectSize", (int64_t)o.size);
    }
    xml_close(&out, "GetObjectAttributesResponse");
    char text[CLOCK_TEXT_MAX];
    s3_reply_header(r, "Last-Modified", clock_http(o.modified_ms, text));
    s3_reply_xml(r, 200, &out);
    return 0;
}
