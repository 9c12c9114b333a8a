// SPDX-License-Identifier: Apache-2.0
// Amazon Resource Names. Functions are named by them in the Lambda API and in notifications.
#include "format/arn.h"

int arn_parse(struct str text, struct arn *ret, struct err *err)
{
    struct str rest = text;
    if (!str_eq(str_cut(&rest, ':'), STR("arn"))) {
        return err_set(err, ERR_INVALID, "an ARN begins with \"arn:\", \"" STR_FMT "\" does not",
                       STR_ARG(str_head(text, 100)));
    }
    struct arn arn = {0};
    arn.partition = str_cut(&rest, ':');
    arn.service = str_cut(&rest, ':');
    arn.region = str_cut(&rest, ':');
    arn.account = str_cut(&rest, ':');
    arn.resource = rest;
    const char *missing = !arn.partition.size  ? "partition"
                          : !arn.service.size  ? "service"
                          : !arn.resource.size ? "resource"
                                               : NULL;
    if (missing) {
        return err_set(err, ERR_INVALID,
                       "the ARN \"" STR_FMT "\" has no %s "
                       "(arn:partition:service:region:account:resource)",
                       STR_ARG(str_head(text, 100)), missing);
    }
    *ret = arn;
    return 0;
}

static bool is_word(struct str s, size_t size_max)
{
    for (size_t i = 0; i < s.size; i++) {
        char c = s.at[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_')) {
            return false;
        }
    }
    return s.size > 0 && s.size <= size_max;
}

bool arn_function_name_ok(struct str name)
{
    return is_word(name, 64);
}

bool arn_qualifier_ok(struct str qualifier)
{
    return str_eq(qualifier, STR("$LATEST")) || is_word(qualifier, 128);
}

static bool is_account(struct str s)
{
    uint64_t number = 0;
    return s.size == 12 && str_to_u64(s, &number);
}

// "us-east-1", "us-gov-west-1": two letters, '-', and a digit at the end.
static bool is_region(struct str s)
{
    return s.size > 5 && s.at[2] == '-' && s.at[s.size - 2] == '-' && s.at[s.size - 1] >= '0' &&
           s.at[s.size - 1] <= '9';
}

static int bad_function(struct str text, const char *why, struct err *err)
{
    return err_aws(err, ERR_INVALID, "ValidationException",
                   "1 validation error detected: Value '" STR_FMT
                   "' at 'functionName' failed to satisfy constraint: %s",
                   STR_ARG(str_head(text, 170)), why);
}

int arn_function_parse(struct str text, struct arn_function *ret, struct err *err)
{
    struct arn_function f = {0};
    struct str rest = text;
    if (str_starts(text, STR("arn:"))) {
        struct arn arn;
        TRY(arn_parse(text, &arn, err));
        if (!str_eq(arn.service, STR("lambda")) ||
            !str_eq(str_cut(&arn.resource, ':'), STR("function"))) {
            return bad_function(text, "the ARN must be one of a Lambda function", err);
        }
        f.region = arn.region;
        f.account = arn.account;
        rest = arn.resource;
    } else {
        struct str next = rest, part = str_cut(&next, ':');
        if (next.at && is_region(part)) {
            f.region = part;
            rest = next;
            part = str_cut(&next, ':');
        }
        if (next.at && is_account(part)) {
            f.account = part;
            rest = next;
            part = str_cut(&next, ':');
        }
        if (next.at && str_eq(part, STR("function"))) {
            rest = next;
        }
    }
    f.name = str_cut(&rest, ':');
    if (!arn_function_name_ok(f.name)) {
        return bad_function(text, "a name has 1 to 64 letters, digits, '-' and '_'", err);
    }
    f.qualifier = rest;
    if (rest.at && !arn_qualifier_ok(rest)) {
        return bad_function(text, "a qualifier is $LATEST, a version or an alias", err);
    }
    *ret = f;
    return 0;
}

int arn_layer_parse(struct str text, struct arn_layer *ret, struct err *err)
{
    struct arn arn = {.resource = text};
    struct arn_layer layer = {.version = -1};
    if (str_starts(text, STR("arn:"))) {
        TRY(arn_parse(text, &arn, err));
        if (!str_eq(arn.service, STR("lambda")) ||
            !str_eq(str_cut(&arn.resource, ':'), STR("layer")) || !is_account(arn.account)) {
            return err_set(err, ERR_INVALID, "\"" STR_FMT "\" is not the ARN of a layer",
                           STR_ARG(str_head(text, 170)));
        }
        layer.region = arn.region;
        layer.account = arn.account;
        layer.name = str_cut(&arn.resource, ':');
    } else {
        layer.name = text;
        arn.resource = (struct str){0};
    }
    if (!is_word(layer.name, ARN_LAYER_NAME_MAX)) {
        return err_set(err, ERR_INVALID,
                       "a layer's name has 1 to %d letters, digits, '-' and '_', \"" STR_FMT
                       "\" has not",
                       ARN_LAYER_NAME_MAX, STR_ARG(str_head(text, 170)));
    }
    if (arn.resource.at && (!str_to_i64(arn.resource, &layer.version) || layer.version < 0)) {
        return err_set(err, ERR_INVALID, "\"" STR_FMT "\" does not end in a version's number",
                       STR_ARG(str_head(text, 170)));
    }
    *ret = layer;
    return 0;
}

int arn_s3_parse(struct str text, struct arn_s3 *ret, struct err *err)
{
    struct arn arn;
    TRY(arn_parse(text, &arn, err));
    struct str prefix = arn.resource;
    struct str bucket = str_cut(&prefix, '/');
    if (!str_eq(arn.service, STR("s3")) || bucket.size == 0 || str_find(bucket, ':') >= 0) {
        return err_set(err, ERR_INVALID,
                       "\"" STR_FMT "\" is not the ARN of a bucket "
                       "(arn:aws:s3:::bucket or arn:aws:s3:::bucket/prefix)",
                       STR_ARG(str_head(text, 100)));
    }
    *ret = (struct arn_s3){bucket, prefix};
    return 0;
}

void arn_add(struct buf *out, const char *service, struct str region, struct str account,
             struct str resource)
{
    buf_add_text(out, "arn:aws:");
    buf_add_text(out, service);
    buf_add_char(out, ':');
    buf_add_str(out, region);
    buf_add_char(out, ':');
    buf_add_str(out, account);
    buf_add_char(out, ':');
    buf_add_str(out, resource);
}

void arn_add_function(struct buf *out, struct str region, struct str account, struct str name,
                      struct str qualifier)
{
    arn_add(out, "lambda", region, account, STR("function:"));
    buf_add_str(out, name);
    if (qualifier.size) {
        buf_add_char(out, ':');
        buf_add_str(out, qualifier);
    }
}

void arn_add_layer(struct buf *out, struct str region, struct str account, struct str name,
                   int64_t version)
{
    arn_add(out, "lambda", region, account, STR("layer:"));
    buf_add_str(out, name);
    if (version >= 0) {
        buf_printf(out, ":%lld", (long long)version);
    }
}

void arn_add_s3(struct buf *out, struct str bucket, struct str prefix)
{
    arn_add(out, "s3", (struct str){0}, (struct str){0}, bucket);
    if (prefix.size) {
        buf_add_char(out, '/');
        buf_add_str(out, prefix);
    }
}

void arn_add_sqs(struct buf *out, struct str region, struct str account, struct str queue)
{
    arn_add(out, "sqs", region, account, queue);
}
