// SPDX-License-Identifier: Apache-2.0
// Who asks? SigV4 in the Authorization header or the query, checked in two steps, because some
// services sign the body's hash without sending it.
//
//     auth_headers  when the headers are in: parses, checks key, date and scope, and the
//                   signature if the payload's hash is named (x-amz-content-sha256, presigned)
//     auth_body     when the body is complete: the hash that was named is the body's, or the
//                   signature that had to wait for it is right
#pragma once

#include "api/api.h"
#include "format/sigv4.h"

enum auth_payload {
    AUTH_PAYLOAD_UNKNOWN,  // not named: auth_body computes the signature
    AUTH_PAYLOAD_HASH,     // named: auth_body compares
    AUTH_PAYLOAD_UNSIGNED, // UNSIGNED-PAYLOAD, or --insecure and anonymous
    AUTH_PAYLOAD_CHUNKED,  // aws-chunked, each chunk signed
    AUTH_PAYLOAD_CHUNKED_TRAILER,
    AUTH_PAYLOAD_CHUNKED_UNSIGNED_TRAILER,
};

// Which names the errors have: S3's SignatureDoesNotMatch, others' InvalidSignatureException.
enum auth_style { AUTH_STYLE_S3, AUTH_STYLE_JSON };

struct auth {
    enum auth_payload payload;
    char payload_sha256[65]; // AUTH_PAYLOAD_HASH
    char access_key[129], region[64], service[64], date[17]; // empty when anonymous
    bool anonymous, presigned;
    char signature[65];       // the seed of a chunk signature chain
    unsigned char key[32];    // the signing key, for the same
};

MUST_CHECK int auth_headers(struct api *api, const struct http_request *req, enum auth_style style,
                            struct auth *ret, struct err *err);
// body_sha256: lower-case hex of the whole body.
MUST_CHECK int auth_body(struct api *api, const struct http_request *req, enum auth_style style,
                         const struct auth *auth, const char *body_sha256, struct err *err);
