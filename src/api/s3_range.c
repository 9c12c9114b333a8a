// SPDX-License-Identifier: Apache-2.0
// Parts of objects: the Range header, and the parts that a multipart object was made of.
#include "api/s3.h"

static int range_unsatisfiable(struct err *err)
{
    return err_aws(err, ERR_INVALID, "InvalidRange", "The requested range is not satisfiable");
}

// RFC 9110, section 14.2. What cannot be understood is ignored, as is a list of ranges.
int s3_range_parse(struct str text, uint64_t size, struct s3_range *ret, struct err *err)
{
    text = str_trim(text);
    if (!str_starts(text, STR("bytes=")) || str_find(text, ',') >= 0) {
        return 0;
    }
    struct str last_text = str_skip(text, 6);
    struct str first_text = str_trim(str_cut(&last_text, '-'));
    if (!last_text.at) {
        return 0;
    }
    last_text = str_trim(last_text);
    uint64_t first = 0, last = UINT64_MAX;
    if (!first_text.size) { // the last so many
        if (!str_to_u64(last_text, &last)) {
            return 0;
        }
        if (last == 0 || size == 0) {
            return range_unsatisfiable(err);
        }
        ret->size = last < size ? last : size;
        ret->first = size - ret->size;
        return 1;
    }
    if (!str_to_u64(first_text, &first) ||
        (last_text.size && (!str_to_u64(last_text, &last) || last < first))) {
        return 0;
    }
    if (first >= size) {
        return range_unsatisfiable(err);
    }
    ret->first = first;
    ret->size = (last < size ? last + 1 : size) - first;
    return 1;
}

bool s3_part_next(struct str *rest, struct s3_part *part)
{
    if (!rest->size) {
        return false;
    }
    struct str line = str_cut(rest, '\n');
    uint64_t number = 0, size = 0;
    if (!str_to_u64(str_cut(&line, ' '), &number) || !str_to_u64(str_cut(&line, ' '), &size)) {
        return false;
    }
    part->offset += part->size;
    part->number = (int)number;
    part->size = size;
    part->sum = str_not_null(line);
    return true;
}
