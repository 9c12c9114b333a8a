// SPDX-License-Identifier: Apache-2.0
// AWS Signature Version 4: one canonical request for both ends, so that the client signs what the
// server checks. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
//
// A server:
//     rc = sigv4_auth_find(&request, &keep, &auth, err);         0: anonymous
//     secret = … of auth.scope.access_key …                       the caller's
//     sigv4_key_get(cache, secret, &auth.scope, &key);
//     TRY(sigv4_verify(&request, &auth, &key, now_ms, err));
// A client adds host, x-amz-date (and x-amz-content-sha256, x-amz-security-token) itself, then
//     TRY(sigv4_sign(&request, &credentials, region, service, now_ms, &authorization, err));
#pragma once

#include "base/buf.h"
#include "base/err.h"

#define SIGV4_HEX           65           // 64 hexadecimal digits and a NUL
#define SIGV4_SKEW_MAX_S    900          // a request may be this old or early
#define SIGV4_EXPIRES_MAX_S 604800       // a presigned URL lives for a week at most
#define SIGV4_CANONICAL_MAX (256 * 1024) // bytes of a canonical request; beyond it, ERR_LIMIT
#define SIGV4_HEADER_MAX    256          // headers of a request
#define SIGV4_QUERY_MAX     256          // query parameters of a request

#define SIGV4_EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct sigv4_header {
    struct str name, value; // the name in any case
};

enum sigv4_flavour {
    SIGV4_S3,          // the path is taken as it is, encoded once; S3's error names
    SIGV4_SERVICE,     // the path is normalised and encoded again; the other services' error names
    SIGV4_UNNORMALIZED // as SIGV4_SERVICE with the path left as it is
};

// What is signed. Everything is borrowed and only read.
struct sigv4_request {
    enum sigv4_flavour flavour;
    struct str method;
    struct str path;  // as on the wire (percent-encoded), without the query; "" is "/"
    struct str query; // as on the wire, without '?'
    const struct sigv4_header *headers;
    size_t header_count;
    // The last line of the canonical request: 64 hexadecimal digits or one of the constants of
    // x-amz-content-sha256. Empty: taken from the header x-amz-content-sha256; without one it is
    // UNSIGNED-PAYLOAD (presigned S3) or the hash of nothing.
    struct str payload_hash;
};

struct sigv4_scope {
    struct str access_key;
    struct str date; // "20150830"
    struct str region;
    struct str service;
};

// What a request says of its signature. Views into the request or into `keep` (see below).
struct sigv4_auth {
    struct sigv4_scope scope;
    struct str signed_headers; // "host;x-amz-date"
    struct str signature;      // 64 hexadecimal digits
    struct str timestamp;      // "20150830T123600Z"
    struct str session_token;  // empty when there is none
    int64_t signed_ms;         // timestamp as wall time
    int64_t expires_s;         // presigned; else -1
    bool presigned;            // in the query, not in the header
};

struct sigv4_key {
    uint8_t at[32];
};

struct sigv4_credentials {
    struct str access_key, secret;
    struct str
        session_token; // empty when there is none; sigv4_presign adds it, sigv4_sign does not
};

enum sigv4_payload {
    SIGV4_PAYLOAD_HASH,                    // 64 hexadecimal digits
    SIGV4_PAYLOAD_UNSIGNED,                // UNSIGNED-PAYLOAD
    SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER, // STREAMING-UNSIGNED-PAYLOAD-TRAILER
    SIGV4_PAYLOAD_STREAM_SIGNED,           // STREAMING-AWS4-HMAC-SHA256-PAYLOAD
    SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER    // STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER
};

// Reads a value of x-amz-content-sha256. ERR_INVALID for anything else.
MUST_CHECK int sigv4_payload_kind(struct str value, enum sigv4_payload *ret, struct err *err);

// The value of the first header of that name (any case), trimmed; at == NULL when absent.
struct str sigv4_header_get(const struct sigv4_request *request, const char *name);

// Parses an Authorization header ("AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…").
// Timestamp and token are left empty. Views into `value`. Errors: ERR_INVALID as
// AuthorizationHeaderMalformed, in words that name the part.
MUST_CHECK int sigv4_auth_parse(struct str value, struct sigv4_auth *ret, struct err *err);

// Parses X-Amz-Algorithm, -Credential, -Date, -Expires, -SignedHeaders, -Signature, -Security-Token.
// Views into *keep, to which the decoded values are appended (needs room for the whole query) and
// which the caller keeps unchanged as long as *ret. ERR_INVALID as AuthorizationQueryParametersError.
MUST_CHECK int sigv4_auth_parse_query(struct str query, struct buf *keep, struct sigv4_auth *ret,
                                      struct err *err);

// Finds and parses what the request carries, and completes it with x-amz-date (or Date) and
// x-amz-security-token. 1 when there is a signature, 0 when the request is anonymous.
MUST_CHECK int sigv4_auth_find(const struct sigv4_request *request, struct buf *keep,
                               struct sigv4_auth *ret, struct err *err);

// The signing key: HMAC(HMAC(HMAC(HMAC("AWS4" secret, date), region), service), "aws4_request").
void sigv4_key_derive(struct str secret, const struct sigv4_scope *scope, struct sigv4_key *ret);

// Remembers recent keys, which hardly change within a day. For one thread at a time; heap.
struct sigv4_key_cache;
struct sigv4_key_cache *sigv4_key_cache_new(void);
void sigv4_key_cache_free(struct sigv4_key_cache *cache); // wipes; takes NULL
void sigv4_key_get(struct sigv4_key_cache *cache, struct str secret,
                   const struct sigv4_scope *scope, struct sigv4_key *ret);

// The pieces, for tests and error messages. `auth` gives signed_headers, timestamp and scope;
// X-Amz-Signature in the query is left out. ERR_LIMIT, or ERR_DENIED when a signed header is absent.
MUST_CHECK int sigv4_canonical_request(const struct sigv4_request *request,
                                       const struct sigv4_auth *auth, struct buf *out,
                                       struct err *err);
void sigv4_string_to_sign(struct str canonical_request, const struct sigv4_auth *auth,
                          struct buf *out);
void sigv4_signature(const struct sigv4_key *key, struct str string_to_sign, char ret[SIGV4_HEX]);

// Checks time (skew or expiry), that host and all x-amz-* headers are signed, and the signature.
// ERR_DENIED with the flavour's AWS name: SignatureDoesNotMatch, RequestTimeTooSkewed, AccessDenied
// (expired) for S3; InvalidSignatureException for the others.
MUST_CHECK int sigv4_verify(const struct sigv4_request *request, const struct sigv4_auth *auth,
                            const struct sigv4_key *key, int64_t now_ms, struct err *err);

// Signs all headers of the request but authorization, connection, user-agent, expect,
// transfer-encoding and x-amzn-trace-id. Appends the value of the Authorization header to *ret.
MUST_CHECK int sigv4_sign(const struct sigv4_request *request,
                          const struct sigv4_credentials *credentials, struct str region,
                          struct str service, int64_t now_ms, struct buf *ret, struct err *err);

// Signs in the query: appends request->query with the X-Amz-… parameters and the signature.
MUST_CHECK int sigv4_presign(const struct sigv4_request *request,
                             const struct sigv4_credentials *credentials, struct str region,
                             struct str service, int64_t now_ms, int64_t expires_s, struct buf *ret,
                             struct err *err);

// A browser's POST: the signature of the base64 policy document.
void sigv4_policy_signature(const struct sigv4_key *key, struct str policy_base64,
                            char ret[SIGV4_HEX]);

// The signatures of the chunks of STREAMING-AWS4-HMAC-SHA256-PAYLOAD: each covers the one before.
struct sigv4_chain {
    struct sigv4_key key;
    char timestamp[17];
    char scope[160];          // "20150830/us-east-1/s3/aws4_request"
    char previous[SIGV4_HEX]; // the seed, then the last chunk's
};

// Begins with the signature of the request itself. ERR_INVALID when the scope is too long.
MUST_CHECK int sigv4_chain_init(struct sigv4_chain *chain, const struct sigv4_auth *auth,
                                const struct sigv4_key *key, struct err *err);
// The signature of the next chunk, whose data has this SHA-256; the chain moves on to it.
void sigv4_chain_chunk(struct sigv4_chain *chain, const uint8_t data_sha256[32],
                       char ret[SIGV4_HEX]);
// The signature of the trailers "name:value\n…" with this SHA-256.
void sigv4_chain_trailer(struct sigv4_chain *chain, const uint8_t trailers_sha256[32],
                         char ret[SIGV4_HEX]);

void sigv4_sha256(struct str data, uint8_t ret[32]);
void sigv4_hmac(struct str key, struct str data, uint8_t ret[32]);
// Constant-time comparison of two texts of hexadecimal digits.
bool sigv4_same(struct str a, struct str b);
