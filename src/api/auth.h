// SPDX-License-Identifier: Apache-2.0
// Who asks? SigV4 in the Authorization header or the query, checked in two steps, because some
// services sign the body's hash without sending it.
//
//     auth_headers  when the headers are in: parses, checks key, date and scope, and the
//                   signature if the payload's hash is named (x-amz-content-sha256, presigned)
//     auth_body     when the body is complete: the hash that was named is the body's, or the
//                   signature that had to wait for it is right
//
// Errors carry the AWS name and words of the service's style and leave as they are:
//
//     what is wrong          S3                            others
//     nothing signed         AccessDenied                  MissingAuthenticationTokenException
//     malformed              AuthorizationHeaderMalformed… IncompleteSignatureException
//     unknown key            InvalidAccessKeyId            UnrecognizedClientException
//     clock skew             RequestTimeTooSkewed          InvalidSignatureException
//     presigned and expired  AccessDenied                  InvalidSignatureException
//     signature              SignatureDoesNotMatch         InvalidSignatureException
//     body tampered with     XAmzContentSHA256Mismatch     InvalidSignatureException
//     session token          InvalidToken, ExpiredToken    UnrecognizedClientException, Expired…
#pragma once

#include "api/api.h"
#include "format/sigv4.h"

enum auth_payload {
    AUTH_PAYLOAD_UNKNOWN,  // not named: auth_body computes the signature
    AUTH_PAYLOAD_HASH,     // named: auth_body compares
    AUTH_PAYLOAD_UNSIGNED, // UNSIGNED-PAYLOAD, or --insecure and anonymous
    AUTH_PAYLOAD_CHUNKED,  // aws-chunked, each chunk signed
    AUTH_PAYLOAD_CHUNKED_TRAILER,
    AUTH_PAYLOAD_CHUNKED_UNSIGNED_TRAILER, // also unsigned requests with Content-Encoding aws-chunked
};

// Which names the errors have: S3's SignatureDoesNotMatch, others' InvalidSignatureException.
enum auth_style { AUTH_STYLE_S3, AUTH_STYLE_JSON };

struct auth {
    enum auth_payload payload;
    char payload_sha256[65];                       // AUTH_PAYLOAD_HASH, lower case
    char access_key[129], region[65], service[65]; // empty when anonymous
    char date[17]; // of the signature: "20150830T123600Z"; the scope's is its first 8
    bool anonymous, presigned;
    bool unchecked;              // --insecure: no signature is checked, a chunk's neither
    char role[300], session[65]; // of temporary credentials: the role's ARN, the session's name
    char signature[65];          // the seed of a chunk signature chain
    unsigned char key[32];       // the signing key, for the same
};

MUST_CHECK int auth_headers(struct api *api, const struct http_request *req, enum auth_style style,
                            struct auth *ret, struct err *err);
// body_sha256: lower-case hex of the whole body.
MUST_CHECK int auth_body(struct api *api, const struct http_request *req, enum auth_style style,
                         const struct auth *auth, const char *body_sha256, struct err *err);

// Whether auth_body wants the body's hash at all; without it the hash need not be computed.
static inline bool auth_wants_hash(const struct auth *auth)
{
    return auth->payload == AUTH_PAYLOAD_HASH || auth->payload == AUTH_PAYLOAD_UNKNOWN;
}

// The secret of an access key; 0, or ERR_DENIED in the style's words. For POST policies and presigning.
MUST_CHECK int auth_secret(struct api *api, struct str access_key, enum auth_style style,
                           struct str *ret, struct err *err);

void auth_stop(struct api *api); // forgets the signing keys

// Appends S3's further members of an <Error> about authentication: StringToSign and CanonicalRequest
// for SignatureDoesNotMatch, the times for RequestTimeTooSkewed, …; nothing for other errors.
void auth_explain(const struct http_request *req, const struct err *err, struct buf *xml);
