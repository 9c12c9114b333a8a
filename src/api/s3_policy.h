// SPDX-License-Identifier: Apache-2.0
// The policy of a browser's POST: what its signer allows the form to say.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
#pragma once

#include "api/s3_form.h"

struct s3_policy_bounds {
    uint64_t least, most; // of the file, from content-length-range
};

// `document` is the decoded JSON. ERR_INVALID as InvalidPolicyDocument, ERR_DENIED as AccessDenied
// in S3's words when it has expired, a condition fails or a field is not mentioned.
MUST_CHECK int s3_policy_check(struct str document, const struct s3_form *form, struct str bucket,
                               int64_t now_ms, struct s3_policy_bounds *ret, struct err *err);
