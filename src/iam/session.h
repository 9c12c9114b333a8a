// SPDX-License-Identifier: Apache-2.0
// Temporary credentials. All that is known of them stands in the session token, sealed with a key
// derived from the root's secret: nothing is stored, and they are good on a restarted server too.
//
//     token = base64("role ARN \n session name \n expiry in ms \n nonce") "." base64(HMAC-SHA-256)
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

#define SESSION_TOKEN_MAX 1024

struct session_keys {
    char access_key[21]; // "ASIA…"
    char secret_key[41];
    char token[SESSION_TOKEN_MAX];
};

struct session {
    char role[300]; // ARN
    char name[65];
    int64_t expires_ms; // wall time
    char secret_key[41];
};

// ERR_LIMIT when role and name are too long for a token.
MUST_CHECK int session_mint(struct str root_secret, struct str role, struct str name,
                            int64_t expires_ms, struct session_keys *ret, struct err *err);

// Who these credentials are. ERR_DENIED as InvalidClientTokenId for a token that is not ours or not
// of this access key, as ExpiredToken when its time is over.
MUST_CHECK int session_open(struct str root_secret, struct str access_key, struct str token,
                            int64_t now_ms, struct session *ret, struct err *err);
