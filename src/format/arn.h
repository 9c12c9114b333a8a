// SPDX-License-Identifier: Apache-2.0
// Amazon Resource Names: arn:partition:service:region:account:resource.
#pragma once

#include "base/buf.h"
#include "base/err.h"

#define ARN_ACCOUNT        "000000000000" // the account of a server that has but one
#define ARN_LAYER_NAME_MAX 140

// Views into the parsed text.
struct arn {
    struct str partition, service, region, account; // region and account may be empty
    struct str resource; // all the rest: "function:name:alias", "bucket/key", "queue"
};

// ERR_INVALID names what is missing.
MUST_CHECK int arn_parse(struct str text, struct arn *ret, struct err *err);

struct arn_function {
    struct str region, account; // empty when the text did not say
    struct str name;            // 1…64 of A-Z a-z 0-9 - _
    struct str qualifier;       // version number, "$LATEST" or alias; empty when absent
};

// What Lambda takes as FunctionName: "name", "name:qualifier", "account:function:name[:qualifier]",
// "function:name[:qualifier]" or a whole ARN.
MUST_CHECK int arn_function_parse(struct str text, struct arn_function *ret, struct err *err);
bool arn_function_name_ok(struct str name);
bool arn_qualifier_ok(struct str qualifier); // version, $LATEST or alias name

// What Lambda takes as LayerName or as the ARN of a layer version: "name" or
// "arn:aws:lambda:region:account:layer:name[:version]".
struct arn_layer {
    struct str region, account; // empty when the text did not say
    struct str name;            // 1…140 of A-Z a-z 0-9 - _
    int64_t version;            // from 0; -1 when the text did not say
};
// ERR_INVALID in plain words.
MUST_CHECK int arn_layer_parse(struct str text, struct arn_layer *ret, struct err *err);

// A destination or a source in S3: "arn:aws:s3:::bucket" with an optional "/prefix".
struct arn_s3 {
    struct str bucket, prefix;
};
MUST_CHECK int arn_s3_parse(struct str text, struct arn_s3 *ret, struct err *err);

// Append. An empty qualifier leaves it out.
void arn_add(struct buf *out, const char *service, struct str region, struct str account,
             struct str resource);
void arn_add_function(struct buf *out, struct str region, struct str account, struct str name,
                      struct str qualifier);
void arn_add_layer(struct buf *out, struct str region, struct str account, struct str name,
                   int64_t version); // < 0: leaves it out
void arn_add_s3(struct buf *out, struct str bucket, struct str prefix);
void arn_add_sqs(struct buf *out, struct str region, struct str account, struct str queue);
